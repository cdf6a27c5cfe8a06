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
    # Row and TOUCH_* of a side are the same number. Without branches on side and lots, which no
    # processor can foresee, an event costs a third: see `bench/engine.py`.
    row = (1 - side) >> 1
    before = levels[row, column]
    levels[row, column] = lots
    touch[TOUCH_BIDS + row] += (lots > 0) - (before > 0)
    best = touch[row]
    if ((lots > 0) & (side * (price_ticks - best) > 0)) | ((lots == 0) & (price_ticks == best)):
        if lots > 0:
            touch[row] = price_ticks
        elif side == BUY:
            touch[TOUCH_BID] = next_bid(levels, touch, column)
        else:
            touch[TOUCH_ASK] = next_ask(levels, touch, column)
    return int(before)


@kernel
def crossed(touch: I8) -> bool:
    """Return whether the best bid meets or exceeds the best ask."""
    return bool(touch[TOUCH_BID] >= touch[TOUCH_ASK])  # an empty side compares as far away


@kernel
def price_extent(events: I8) -> tuple[int, int, int, int, int]:
    """Return (lowest, highest, first traded price, highest bid, lowest ask), 0 where none is."""
    low = 0
    high = 0
    first = 0
    best_bid = 0
    best_ask = 0
    for index in range(events.shape[0]):
        kind = events[index, EVENT_KIND]
        price = events[index, EVENT_PRICE_TICKS]
        if kind == KIND_CLEAR or price <= 0 or events[index, EVENT_LOTS] <= 0:
            continue
        if kind == KIND_TRADE:
            if first == 0:
                first = price
                low = price
            low = min(low, price)
            high = max(high, price)
        elif events[index, EVENT_SIDE] == BUY:
            best_bid = max(best_bid, price)
        elif best_ask == 0 or price < best_ask:
            best_ask = price
    return low, high, first, best_bid, best_ask


def window_for(events: I8) -> tuple[int, int]:
    """Return (base_tick, width) of a window that holds every price the touch can reach.

    It holds all trades, the highest bid and the lowest ask, with a fifth of the price to spare on
    either side, unless that is more than 2**24 ticks: then so many around the first trade. What
    lies outside can never be the touch; `apply` counts it.
    """
    low, high, first, best_bid, best_ask = price_extent(events)
    prices = [price for price in (low, high, best_bid, best_ask) if price > 0]
    if not prices:
        return 0, 1
    low, high = min(prices), max(prices)
    base, end = low - low // MARGIN, high + high // MARGIN + 1
    if end - base > WIDTH_MAX:
        middle = first or (low + high) // 2
        base = max(base, middle - WIDTH_MAX // 2)
        end = min(end, base + WIDTH_MAX)
    return base, end - base


def new_book(base: int, width: int) -> tuple[I8, I8]:
    """Return (levels i8[2, width], touch i8[TOUCH_COLUMNS]) of an empty book."""
    touch = np.zeros(TOUCH_COLUMNS, dtype=np.int64)
    touch[TOUCH_BID] = NO_BID
    touch[TOUCH_ASK] = NO_ASK
    touch[TOUCH_BASE] = base
    return np.zeros((2, width), dtype=np.int64), touch
