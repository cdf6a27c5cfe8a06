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
MARGIN = 8  # times the price
HEAD_ROWS = 1 << 16


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
def set_level(levels: I8, touch: I8, side: int, column: int, lots: int) -> int:
    """Set the lots of a level inside the window; return what it held before.

    Args:
        levels: i8[2, width], changed.
        touch: i8[TOUCH_COLUMNS], changed.
        side: BUY or SELL.
        column: in [0, width).
        lots: i8, the level's new total, >= 0.
    """
    # Row and TOUCH_* of a side are the same number. Without branches on side and lots, which no
    # processor can foresee, an event costs a third less (25 November 2026).
    row = (1 - side) >> 1
    before = levels[row, column]
    levels[row, column] = lots
    touch[TOUCH_BIDS + row] += (lots > 0) - (before > 0)
    best = touch[row]
    price_ticks = touch[TOUCH_BASE] + column
    if ((lots > 0) & (side * (price_ticks - best) > 0)) | ((lots == 0) & (price_ticks == best)):
        if lots > 0:
            touch[row] = price_ticks
        elif side == BUY:
            touch[TOUCH_BID] = next_bid(levels, touch, column)
        else:
            touch[TOUCH_ASK] = next_ask(levels, touch, column)
    return int(before)


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
    return set_level(levels, touch, side, column, lots)


@kernel
def crossed(touch: I8) -> bool:
    """Return whether the best bid meets or exceeds the best ask."""
    return bool(touch[TOUCH_BID] >= touch[TOUCH_ASK])  # an empty side compares as far away


def window_for(events: I8) -> tuple[int, int]:
    """Return (base_tick, width) of a window that holds every price the touch can reach.

    It begins at tick 0 and ends at eight times the price, or holds 2**24 ticks around the price
    when that is less. Only the first rows are looked at (the median of their trades, without any
    the middle of their best quotes), so that a recording that grows keeps its window. What lies
    outside is no part of the market; `apply` counts it.
    """
    head = events[:HEAD_ROWS]
    kinds, prices = head[:, EVENT_KIND], head[:, EVENT_PRICE_TICKS]
    real = (prices > 0) & (head[:, EVENT_LOTS] > 0) & (kinds != KIND_CLEAR)
    sides = head[:, EVENT_SIDE]
    traded = prices[real & (kinds == KIND_TRADE)]
    if traded.size == 0:
        bids = prices[real & (sides == BUY)]
        asks = prices[real & (sides == SELL)]
        traded = np.array([*np.sort(bids)[-1:], *np.sort(asks)[:1]])
    if traded.size == 0:
        return 0, 1
    price = int(np.median(traded))
    if price * MARGIN <= WIDTH_MAX:
        return 0, price * MARGIN
    # In whole quarters, so that the median of a few trades more moves nothing.
    quarter = WIDTH_MAX // 4
    return max(0, price - WIDTH_MAX // 2) // quarter * quarter, WIDTH_MAX


def new_book(base: int, width: int) -> tuple[I8, I8]:
    """Return (levels i8[2, width], touch i8[TOUCH_COLUMNS]) of an empty book."""
    touch = np.zeros(TOUCH_COLUMNS, dtype=np.int64)
    touch[TOUCH_BID] = NO_BID
    touch[TOUCH_ASK] = NO_ASK
    touch[TOUCH_BASE] = base
    return np.zeros((2, width), dtype=np.int64), touch
