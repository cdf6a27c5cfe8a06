"""Decodes hftbacktest's 64-byte records into events, exactly and at the pace of the memory.

A record is read as eight words; what the words of a recording mean is `exchange/recording.py`'s
business, and so are the errors: the kernel only says which record is wrong, and why.
"""

import math

from market.jit import kernel
from market.layout import (
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOCAL_NS,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SEEN,
    EVENT_SIDE,
    KIND_CLEAR,
    KIND_DEPTH,
    KIND_SNAPSHOT,
)
from market.types import F8, I8

RECORD_WORDS = 8
WORD_FLAGS = 0
WORD_EXCH_NS = 1
WORD_LOCAL_NS = 2
WORD_PRICE = 3
WORD_QUANTITY = 4

# Bits of the flags, from hftbacktest; the low byte is the kind.
EXCH_BIT = 31
LOCAL_BIT = 30
BUY_BIT = 29
SELL_BIT = 28
KIND_MASK = 0xFF

GRID_TOLERANCE = 1e-6  # of a tick or lot
EPSILON = 4 * 2.220446049250313e-16  # a double holds 16 digits: beyond 1e10 steps its own rounding
HALF_EVEN = 6755399441055744.0  # 1.5 x 2**52: adding and taking it away rounds to the nearest
EXACT_MAX = 1 << 51  # larger numbers have no halves

GOOD = 0
WRONG_KIND = 1
WRONG_PRICE = 2
WRONG_QUANTITY = 3


@kernel
def nearest(value: float) -> float:
    """Return the nearest whole number, halves to the even one."""
    if abs(value) < EXACT_MAX:
        return (value + HALF_EVEN) - HALF_EVEN
    return value


@kernel
def off_grid(scaled: float, whole: float) -> bool:
    """Return whether a number of steps is not whole to 1e-6 of one; also for NaN."""
    return not abs(scaled - whole) <= max(GRID_TOLERANCE, abs(scaled) * EPSILON)


@kernel
def decode_records(
    words: I8,
    numbers: F8,
    tick_number: float,
    tick_power: float,
    lot_number: float,
    lot_power: float,
    events: I8,
) -> tuple[int, int]:
    """Write the events of some records; return (GOOD or WRONG_*, the record that is wrong).

    Args:
        words: i8[n, RECORD_WORDS], the records.
        numbers: f8[n, RECORD_WORDS], the same memory.
        tick_number: a tick is tick_number / tick_power.
        tick_power: a power of ten.
        lot_number: the same of a lot.
        lot_power: a power of ten.
        events: i8[n, EVENT_COLUMNS], written.
    """
    for index in range(words.shape[0]):
        flags = words[index, WORD_FLAGS]
        kind = flags & KIND_MASK
        if kind < KIND_DEPTH or kind > KIND_SNAPSHOT:
            return WRONG_KIND, index
        price = numbers[index, WORD_PRICE]
        clear = kind == KIND_CLEAR
        if clear and not math.isfinite(price):
            price = 0.0  # clears the whole side
        scaled = price * tick_power / tick_number
        ticks = nearest(scaled)
        if off_grid(scaled, ticks):
            return WRONG_PRICE, index
        lots = 0.0
        if not clear:
            scaled = numbers[index, WORD_QUANTITY] * lot_power / lot_number
            lots = nearest(scaled)
            if off_grid(scaled, lots):
                return WRONG_QUANTITY, index
        events[index, EVENT_KIND] = kind
        events[index, EVENT_SIDE] = ((flags >> BUY_BIT) & 1) - ((flags >> SELL_BIT) & 1)
        events[index, EVENT_SEEN] = ((flags >> EXCH_BIT) & 1) | ((flags >> LOCAL_BIT) & 1) << 1
        events[index, EVENT_EXCH_NS] = words[index, WORD_EXCH_NS]
        events[index, EVENT_LOCAL_NS] = words[index, WORD_LOCAL_NS]
        events[index, EVENT_PRICE_TICKS] = int(ticks)
        events[index, EVENT_LOTS] = int(lots)
    return GOOD, -1
