"""The exchange's side of a tape: what could fill a resting order, and each price level's past.

A candidate never reads the events again. It walks the hits, and only when one reaches an order
of its own does it read the history of that one price level. Built by `indexing.py`, read by
`tape_fills.py` and `compat.py`; `layout.py` names the columns.
"""

from typing import NamedTuple

from market.jit import kernel
from market.layout import (
    LEVEL_SHIFT,
    LEVEL_SIDE_SHIFT,
    SEGMENT_KEY_END,
)
from market.levels import find_key, find_segment, rows_before
from market.types import I4, I8


class Stream(NamedTuple):
    """Arrays of one tape's exchange side; an event's number is its place in the recording."""

    hit_events: I4  # i4[hits], ascending
    hit_codes: I4  # i4[hits]: column << HIT_SHIFT | HIT_*
    hit_lots: I8  # i8[hits]: traded, or newly posted; > 0
    hit_ns: I8  # i8[hits]: exchange time
    hit_blocks: I4  # i4[blocks, BLOCK_COLUMNS], see `hit_blocks.py`
    segments: I8  # i8[segments, SEGMENT_COLUMNS], in order of time
    level_keys: I4  # i4[keys]: ascending within a segment
    level_starts: I8  # i8[keys + 1]: first row of each key
    level_events: I4  # i4[rows]: ascending within a key; -1 does not occur
    level_lots: I8  # i8[rows]: total of the level << LEVEL_SHIFT | LEVEL_*
    level_born: I4  # i4[rows]: event that added the order which changed; i4[0] without order ids
    frames: I8  # i8[steps, FRAME_COLUMNS]
    delays: I8  # i8[steps, DELAY_COLUMNS]
    base: I8  # i8[1]: tick of column 0


@kernel
def lots_at(stream: Stream, row: int, column: int, cut: int) -> int:
    """Return the lots that a level holds after the first `cut` events.

    Args:
        stream: of a tape that has read so far.
        row: BID_ROW or ASK_ROW.
        column: of the window; outside of it there are no lots.
        cut: >= 0.
    """
    segment = find_segment(stream.segments, cut - 1, 0)
    if segment < 0 or column < 0:
        return 0
    key = (row << LEVEL_SIDE_SHIFT) | column
    place = find_key(stream.level_keys, stream.segments, segment, key)
    if place == stream.segments[segment, SEGMENT_KEY_END] or stream.level_keys[place] != key:
        return 0
    first = stream.level_starts[place]
    end = rows_before(stream.level_events, first, stream.level_starts[place + 1], cut)
    if end == first:
        return 0
    return int(stream.level_lots[end - 1] >> LEVEL_SHIFT)
