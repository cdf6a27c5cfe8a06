"""One order book by price level: lots at each tick of a window, and the best prices.

Events in, levels and touch out. Our own orders are never in it: see `fills.py`.
"""

import numpy as np

from market.jit import kernel
from market.layout import (
    ASK_ROW,
    BID_ROW,
    BUY,
    EVENT_KIND,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SIDE,
    KIND_CLEAR,
    KIND_TRADE,
    NO_ASK,
    NO_BID,
    SELL,
    TOUCH_ASK,
    TOUCH_ASKS,
    TOUCH_BASE,
    TOUCH_BID,
    TOUCH_BIDS,
    TOUCH_COLUMNS,
    TOUCH_OUTSIDE,
)
from market.types import I8

WIDTH_MAX = 1 << 24  # columns: 256 MB of address space; memory is taken only where levels are
MARGIN = 5  # a fifth of the traded price, on either side


@kernel
def next_bid(levels: I8, touch: I8, column: int) -> int:
    """Return the best bid at or below a column, NO_BID when there is none."""
    if touch[TOUCH_BIDS] > 0:
        while column >= 0:
            if levels[BID_ROW, column] > 0:
                return int(touch[TOUCH_BASE] + column)
            column -= 1
    return NO_BID


@kernel
def next_ask(levels: I8, touch: I8, column: int) -> int:
    """Return the best ask at or above a column, NO_ASK when there is none."""
    if touch[TOUCH_ASKS] > 0:
        while column < levels.shape[1]:
            if levels[ASK_ROW, column] > 0:
                return int(touch[TOUCH_BASE] + column)
            column += 1
    return NO_ASK


@kernel
def clear_bids(levels: I8, touch: I8, price_ticks: int) -> None:
    """Empty the bids from the best one down to a price, that price included."""
    if touch[TOUCH_BID] == NO_BID:
        return
    column = touch[TOUCH_BID] - touch[TOUCH_BASE]
    last = max(0, price_ticks - touch[TOUCH_BASE])
    while column >= last and touch[TOUCH_BIDS] > 0:
        if levels[BID_ROW, column] > 0:
            levels[BID_ROW, column] = 0
            touch[TOUCH_BIDS] -= 1
        column -= 1
    touch[TOUCH_BID] = next_bid(levels, touch, column)


@kernel
def clear_asks(levels: I8, touch: I8, price_ticks: int) -> None:
    """Empty the asks from the best one up to a price, that price included; all for price <= 0."""
    if touch[TOUCH_ASK] == NO_ASK:
        return
    column = touch[TOUCH_ASK] - touch[TOUCH_BASE]
    last = levels.shape[1] - 1
    if price_ticks > 0:
        last = min(last, price_ticks - touch[TOUCH_BASE])
    while column <= last and touch[TOUCH_ASKS] > 0:
        if levels[ASK_ROW, column] > 0:
            levels[ASK_ROW, column] = 0
            touch[TOUCH_ASKS] -= 1
        column += 1
    touch[TOUCH_ASK] = next_ask(levels, touch, column)


@kernel
def set_bid(levels: I8, touch: I8, column: int, before: int, lots: int) -> None:
    """Write one bid level that changes from `before` to `lots`."""
    levels[BID_ROW, column] = lots
    price = touch[TOUCH_BASE] + column
    if lots == 0:
        touch[TOUCH_BIDS] -= 1
        if price == touch[TOUCH_BID]:
            touch[TOUCH_BID] = next_bid(levels, touch, column - 1)
        return
    if before == 0:
        touch[TOUCH_BIDS] += 1
        touch[TOUCH_BID] = max(touch[TOUCH_BID], price)


@kernel
def set_ask(levels: I8, touch: I8, column: int, before: int, lots: int) -> None:
    """Write one ask level that changes from `before` to `lots`."""
    levels[ASK_ROW, column] = lots
    price = touch[TOUCH_BASE] + column
    if lots == 0:
        touch[TOUCH_ASKS] -= 1
        if price == touch[TOUCH_ASK]:
            touch[TOUCH_ASK] = next_ask(levels, touch, column + 1)
        return
    if before == 0:
        touch[TOUCH_ASKS] += 1
        touch[TOUCH_ASK] = min(touch[TOUCH_ASK], price)


@kernel
def apply(levels: I8, touch: I8, kind: int, side: int, price_ticks: int, lots: int) -> int:
    """Apply a depth, snapshot or clear event; return the lots that the price held before.

    A clear empties its side from the touch to its price; of side 0, both sides whole. A price
    outside the window is counted in TOUCH_OUTSIDE and otherwise ignored (0 is returned).

    Args:
        levels: i8[2, width], changed.
        touch: i8[TOUCH_COLUMNS], changed.
        kind: KIND_DEPTH, KIND_SNAPSHOT or KIND_CLEAR.
        side: BUY or SELL; 0 only for a clear.
        price_ticks: i8.
        lots: i8, the level's new total, >= 0.
    """
    if kind == KIND_CLEAR:
        if side >= 0:
            clear_bids(levels, touch, price_ticks if side == BUY else 0)
        if side <= 0:
            clear_asks(levels, touch, price_ticks if side == SELL else 0)
        return 0
    column = price_ticks - touch[TOUCH_BASE]
    if column < 0 or column >= levels.shape[1] or side == 0:
        touch[TOUCH_OUTSIDE] += 1
        return 0
    row = BID_ROW if side == BUY else ASK_ROW
    before = int(levels[row, column])
    after = max(0, lots)
    if before != after:
        if side == BUY:
            set_bid(levels, touch, column, before, after)
        else:
            set_ask(levels, touch, column, before, after)
    return before


@kernel
def crossed(touch: I8) -> bool:
    """Return whether the best bid meets or exceeds the best ask."""
    return bool(touch[TOUCH_BID] >= touch[TOUCH_ASK])  # an empty side compares as far away


@kernel
def price_extent(events: I8, start: int, stop: int) -> tuple[int, int, int, int, int]:
    """Return what rows [start, stop) need of a window, 0 where there is nothing.

    Returns:
        (lowest price, highest price) of trades and of levels that hold lots, then the first
        trade's price, the highest bid, the lowest ask.
    """
    low = 0
    high = 0
    traded = 0
    best_bid = 0
    best_ask = 0
    for index in range(start, stop):
        kind = events[index, EVENT_KIND]
        price = events[index, EVENT_PRICE_TICKS]
        if kind == KIND_CLEAR or price <= 0 or events[index, EVENT_LOTS] <= 0:
            continue
        if low == 0 or price < low:
            low = price
        high = max(high, price)
        if kind == KIND_TRADE:
            if traded == 0:
                traded = price
        elif events[index, EVENT_SIDE] == BUY:
            best_bid = max(best_bid, price)
        elif best_ask == 0 or price < best_ask:
            best_ask = price
    return low, high, traded, best_bid, best_ask


def anchor_of(extent: tuple[int, int, int, int, int]) -> int:
    """Return a price in the middle of the market: of the first trade, else between the quotes."""
    _, _, traded, bid, ask = extent
    if traded:
        return traded
    return (bid + ask) // 2 if bid and ask else max(bid, ask)


def bounds_around(anchor_ticks: int) -> tuple[int, int]:
    """Return the widest window (first tick, one past the last) around a price."""
    base = max(0, anchor_ticks - WIDTH_MAX // 2)
    return base, base + WIDTH_MAX


def window_for(events: I8) -> tuple[int, int]:
    """Return (base_tick, width) of a window for all prices of a recording.

    It holds every trade and every level with a fifth of the price to spare on either side, unless
    that is more than 2**24 ticks: then so many around the first trade, and what lies outside is
    counted by `apply`.
    """
    extent = price_extent(events, 0, events.shape[0])
    low, high = extent[:2]
    if high == 0:
        return 0, 1
    first, last = bounds_around(anchor_of(extent))
    base = max(first, low - low // MARGIN)
    return base, min(last, high + high // MARGIN + 1) - base


def new_book(base: int, width: int) -> tuple[I8, I8]:
    """Return (levels i8[2, width], touch i8[TOUCH_COLUMNS]) of an empty book."""
    touch = np.zeros(TOUCH_COLUMNS, dtype=np.int64)
    touch[TOUCH_BID] = NO_BID
    touch[TOUCH_ASK] = NO_ASK
    touch[TOUCH_BASE] = base
    return np.zeros((2, width), dtype=np.int64), touch
