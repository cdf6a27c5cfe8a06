"""The written side of a synthetic market: chance, levels, and the events that report them.

Every function changes the book and writes the event that says so in one breath, so book and
tape cannot drift apart. Who trades and why lives in `synthetic_flow.py`.

The ideal touch is `(value - spread) / 2` and `(value + spread) / 2`, where `value` counts half
ticks and has the parity of `spread`: the mid of a book without holes *is* the value. A hole is
the number of ticks that a side's touch still stands behind its ideal after a sweep.
"""

import math

import numpy as np
import numpy.typing as npt

from market.jit import kernel
from market.layout import (
    ASK_ROW,
    BID_ROW,
    BUY,
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOCAL_NS,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SEEN,
    EVENT_SIDE,
    KIND_DEPTH,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
    SELL,
)
from market.types import F8, I8

U8 = npt.NDArray[np.uint64]

LADDER = 30  # price levels a side, the touch included
DUST_LOTS = 100  # no level shows less: 10 quote units, twice the smallest order
EMPTY_SHARE = 0.12  # of the levels behind the third: gaps, as real books have them

# --- state of a running market: i8[STATE_COLUMNS] -------------------------------------------
STATE_COUNT = 0  # events written to the buffer
STATE_NOW_NS = 1
STATE_LOCAL_NS = 2  # when the batch being written is seen; never falls
STATE_VALUE = 3  # efficient price, half ticks
STATE_SPREAD = 4  # of a book without holes, ticks
STATE_BID = 5  # best bid that stands, ticks
STATE_ASK = 6
STATE_BID_LAST = 7  # outermost price of the bid ladder, ticks
STATE_ASK_LAST = 8
STATE_BID_HOLE = 9  # ticks
STATE_ASK_HOLE = 10
STATE_BASE = 11  # tick of column 0 of the book
STATE_REGIME = 12
STATE_WIDE = 13  # 1: both sides stand one tick further back
STATE_SIGN = 14  # of the last sweep
STATE_SWEEPS = 15  # counted
STATE_INFORMED = 16  # of them, those that moved the value
STATE_COLUMNS = 17

# splitmix64 (Steele, Lea, Flood 2014): one word of state, passed in, no module-level chance.
GAMMA = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
SHIFT_30 = np.uint64(30)
SHIFT_27 = np.uint64(27)
SHIFT_31 = np.uint64(31)
SHIFT_11 = np.uint64(11)


@kernel
def uniform(random: U8) -> float:
    """Draw from [0, 1) with 53 bits; `random` u8[1] is the state, advanced in place."""
    random[0] = random[0] + GAMMA
    word = random[0]
    word = (word ^ (word >> SHIFT_30)) * MIX_1
    word = (word ^ (word >> SHIFT_27)) * MIX_2
    word = word ^ (word >> SHIFT_31)
    return float(np.float64(word >> SHIFT_11) * (1.0 / 9007199254740992.0))


@kernel
def exponential(random: U8) -> float:
    """Draw from the exponential distribution of mean 1."""
    return -math.log1p(-uniform(random))


@kernel
def normal(random: U8) -> float:
    """Draw from the standard normal distribution (Box and Muller 1958, the cosine half)."""
    radius = math.sqrt(2.0 * exponential(random))
    return radius * math.cos(2.0 * math.pi * uniform(random))


@kernel
def emit(events: I8, state: I8, kind: int, side: int, price_ticks: int, lots: int) -> None:
    """Append one event of the present batch to `events` i8[rows, EVENT_COLUMNS]."""
    row = state[STATE_COUNT]
    events[row, EVENT_KIND] = kind
    events[row, EVENT_SIDE] = side
    events[row, EVENT_SEEN] = SEEN_EXCHANGE | SEEN_LOCAL
    events[row, EVENT_EXCH_NS] = state[STATE_NOW_NS]
    events[row, EVENT_LOCAL_NS] = state[STATE_LOCAL_NS]
    events[row, EVENT_PRICE_TICKS] = price_ticks
    events[row, EVENT_LOTS] = lots
    state[STATE_COUNT] = row + 1


@kernel
def begin_batch(state: I8, random: U8) -> None:
    """Draw when the events of this instant are seen: 1.5 ms plus a lognormal, never reordered.

    A whole batch shares both times, so no observer ever sees a half-written book.
    """
    delay_ms = 1.5 + 1.5 * math.exp(0.7 * normal(random))
    seen = state[STATE_NOW_NS] + int(1e6 * min(delay_ms, 100.0))
    state[STATE_LOCAL_NS] = max(state[STATE_LOCAL_NS], seen)


@kernel
def level_lots(random: U8, profile: F8, depth: int) -> int:
    """Draw the total of a fresh level `depth` levels behind the touch; 0 is a gap."""
    if depth >= 3 and uniform(random) < EMPTY_SHARE:
        return 0
    lots = int(profile[depth] * math.exp(0.7 * normal(random) - 0.245))
    return max(lots, DUST_LOTS)


@kernel
def retire(events: I8, state: I8, book: I8, side: int, target: int) -> None:
    """Cancel what stands better than `target` or beyond the ladder's new end."""
    row, best, last = BID_ROW, state[STATE_BID], state[STATE_BID_LAST]
    if side == SELL:
        row, best, last = ASK_ROW, state[STATE_ASK], state[STATE_ASK_LAST]
    base = state[STATE_BASE]
    price = best
    while side * (price - target) > 0:
        if book[row, price - base] > 0:
            book[row, price - base] = 0
            emit(events, state, KIND_DEPTH, side, price, 0)
        price -= side
    price = last
    end = target - side * (LADDER - 1)
    while side * (end - price) > 0:
        if book[row, price - base] > 0:
            book[row, price - base] = 0
            emit(events, state, KIND_DEPTH, side, price, 0)
        price += side


@kernel
def post(
    events: I8, state: I8, book: I8, random: U8, profile: F8, side: int, target: int, kind: int
) -> None:
    """Put the touch at `target` and fill the levels that the ladder did not cover before."""
    row, best, last = BID_ROW, STATE_BID, STATE_BID_LAST
    if side == SELL:
        row, best, last = ASK_ROW, STATE_ASK, STATE_ASK_LAST
    base = state[STATE_BASE]
    for depth in range(LADDER):
        price = target - side * depth
        fresh = side * (price - state[best]) > 0 or side * (state[last] - price) > 0
        if (fresh or depth == 0) and book[row, price - base] == 0:
            lots = level_lots(random, profile, depth)
            if lots > 0:
                book[row, price - base] = lots
                emit(events, state, kind, side, price, lots)
    state[best] = target
    state[last] = target - side * (LADDER - 1)


@kernel
def settle(
    events: I8, state: I8, book: I8, random: U8, profile: F8, spread_least: int, kind: int
) -> None:
    """Re-anchor both sides to the value at once: first every removal, then every addition.

    In that order the book is never crossed between two events. The spread is the least one of
    the regime, one more when the value's parity asks for it.
    """
    least = spread_least + 2 * state[STATE_WIDE]
    value = state[STATE_VALUE]
    spread = least + ((value - least) & 1)
    state[STATE_SPREAD] = spread
    bid = (value - spread) // 2 - state[STATE_BID_HOLE]
    ask = (value + spread) // 2 + state[STATE_ASK_HOLE]
    retire(events, state, book, BUY, bid)
    retire(events, state, book, SELL, ask)
    post(events, state, book, random, profile, BUY, bid, kind)
    post(events, state, book, random, profile, SELL, ask, kind)
