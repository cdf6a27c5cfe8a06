"""Blocks of hits: how far each reaches, so that a long window is passed in a few looks.

Read by `tape_fills.py`, written by `indexer.py` as hits come in.
"""

import numpy as np

from market.jit import inlined_kernel, kernel
from market.layout import HIT_ON_ASKS, HIT_SHIFT
from market.types import I4, I8

BLOCK_SHIFT = 6  # 64 hits a block
BLOCK_LOW = 0  # lowest column that its hits on bids reach, REACH_NONE when none
BLOCK_HIGH = 1  # highest column of its hits on asks, -REACH_NONE when none
BLOCK_COLUMNS = 2
REACH_NONE = 1 << 30


def block_count(hits: int) -> int:
    """Return how many blocks hold so many hits."""
    return (hits + (1 << BLOCK_SHIFT) - 1) >> BLOCK_SHIFT


def blocks_of(hit_codes: I4) -> I4:
    """Return i4[blocks, BLOCK_COLUMNS] of i4[hits]."""
    blocks = np.zeros((block_count(len(hit_codes)), BLOCK_COLUMNS), dtype=np.int32)
    note_blocks(hit_codes, 0, len(hit_codes), blocks)
    return blocks


@kernel
def note_blocks(hit_codes: I4, first: int, last: int, blocks: I4) -> None:
    """Write the blocks of hits [first, last); that of `first` may have been begun before.

    A block only ever reaches farther, so who sees it early is not told less than is true of the
    hits that it knows.
    """
    for hit in range(first, last):
        block = hit >> BLOCK_SHIFT
        if hit & ((1 << BLOCK_SHIFT) - 1) == 0:
            blocks[block, BLOCK_LOW] = REACH_NONE
            blocks[block, BLOCK_HIGH] = -REACH_NONE
        column = hit_codes[hit] >> HIT_SHIFT
        if hit_codes[hit] & HIT_ON_ASKS == 0:
            blocks[block, BLOCK_LOW] = min(blocks[block, BLOCK_LOW], column)
        else:
            blocks[block, BLOCK_HIGH] = max(blocks[block, BLOCK_HIGH], column)


@inlined_kernel
def next_hit(hit_codes: I4, blocks: I4, first: int, last: int, bid: int, ask: int) -> int:
    """Return the first of hits [first, last) that reaches a bid or an ask, or `last`.

    Args:
        hit_codes: i4[hits].
        blocks: i4[blocks, BLOCK_COLUMNS].
        first: hit.
        last: hit.
        bid: column of our best bid; hits on bids at or below it reach it.
        ask: column of our best ask.
    """
    hit = first
    while hit < last:
        block = hit >> BLOCK_SHIFT
        end = min(last, (block + 1) << BLOCK_SHIFT)
        if blocks[block, BLOCK_LOW] <= bid or blocks[block, BLOCK_HIGH] >= ask:
            while hit < end:
                column = hit_codes[hit] >> HIT_SHIFT
                # Bits and not branches: whom a hit hits, no processor can foresee.
                on_ask = hit_codes[hit] & HIT_ON_ASKS
                if ((column <= bid) & (on_ask == 0)) | ((column >= ask) & (on_ask == 1)):
                    return hit
                hit += 1
        hit = end
    return hit


@inlined_kernel
def hits_until(hit_ns: I8, first: int, last: int, until_ns: int) -> int:
    """Return the first of hits [first, last) after a time, or `last`."""
    hit = first
    while hit < last and hit_ns[hit] <= until_ns:
        hit += 1
    return hit
