"""A limit order book as two dense rows of lots, one column a tick.

Only prices and quantities live here; queues are in `fills.py`. Events outside the window are
counted and dropped: the window covers every price that traded with a wide margin, so what lies
outside can never be the touch.
"""

import numpy as np

from market.jit import kernel
from market.layout import (
    ASK_ROW,
    BID_ROW,
    BUY,
    EVENT_KIND,
    EVENT_PRICE_TICKS,
    KIND_CLEAR,
    KIND_DEPTH,
    KIND_SNAPSHOT,
    KIND_TRADE,
    NO_ASK,
    NO_BID,
    SELL,
    TOUCH_ASK,
    TOUCH_BASE,
    TOUCH_BID,
    TOUCH_COLUMNS,
    TOUCH_OUTSIDE,
)
from market.types import I8

WIDTH_MAX = 1 << 24
MARGIN = 0.2  # of the lowest and highest traded price, on either side


def window_for(events: I8) -> tuple[int, int]:
    """Return (lowest tick, width) of a window that holds every price the touch can reach.

    Args:
        events: i8[n, EVENT_COLUMNS]. With no trade in it, the depth events decide.
    """
    kinds = events[:, EVENT_KIND]
    prices = events[kinds == KIND_TRADE, EVENT_PRICE_TICKS]
    if prices.size == 0:
        prices = events[(kinds == KIND_DEPTH) | (kinds == KIND_SNAPSHOT), EVENT_PRICE_TICKS]
    if prices.size == 0:
        return 0, 1
    low = int(prices.min())
    high = int(prices.max())
    base = max(0, low - int(MARGIN * low) - 100)
    width = high + int(MARGIN * high) + 100 - base + 1
    return base, min(width, WIDTH_MAX)


def new_book(base: int, width: int) -> tuple[I8, I8]:
    """Return (levels, touch): an empty book over ticks [base, base + width)."""
    touch = np.zeros(TOUCH_COLUMNS, dtype=np.int64)
    touch[TOUCH_BID] = NO_BID
    touch[TOUCH_ASK] = NO_ASK
    touch[TOUCH_BASE] = base
    return np.zeros((2, width), dtype=np.int64), touch


@kernel
def crossed(touch: I8) -> bool:
    """Return whether both sides exist and the best bid is at or above the best ask."""
    return bool(
        touch[TOUCH_BID] != NO_BID
        and touch[TOUCH_ASK] != NO_ASK
        and touch[TOUCH_BID] >= touch[TOUCH_ASK]
    )


@kernel
def level_lots(levels: I8, touch: I8, side: int, price_ticks: int) -> int:
    """Return the lots at a price (0 outside the window)."""
    column = price_ticks - touch[TOUCH_BASE]
    if column < 0 or column >= levels.shape[1]:
        return 0
    return int(levels[BID_ROW if side == BUY else ASK_ROW, column])


@kernel
def find_bid(levels: I8, touch: I8, column: int) -> None:
    """Set the best bid to the highest price with lots at or below a column."""
    while column >= 0 and levels[BID_ROW, column] == 0:
        column -= 1
    touch[TOUCH_BID] = NO_BID if column < 0 else column + touch[TOUCH_BASE]


@kernel
def find_ask(levels: I8, touch: I8, column: int) -> None:
    """Set the best ask to the lowest price with lots at or above a column."""
    width = levels.shape[1]
    while column < width and levels[ASK_ROW, column] == 0:
        column += 1
    touch[TOUCH_ASK] = NO_ASK if column >= width else column + touch[TOUCH_BASE]


@kernel
def clear_side(levels: I8, touch: I8, side: int, price_ticks: int) -> None:
    """Empty one side from its touch outward to a price; price 0 or less empties the whole side."""
    base = touch[TOUCH_BASE]
    width = levels.shape[1]
    if side == BUY:
        if touch[TOUCH_BID] == NO_BID:
            return
        last = 0 if price_ticks <= 0 else max(0, price_ticks - base)
        top = touch[TOUCH_BID] - base
        if last <= top:
            levels[BID_ROW, last : top + 1] = 0
            find_bid(levels, touch, last - 1)
    else:
        if touch[TOUCH_ASK] == NO_ASK:
            return
        last = width - 1 if price_ticks <= 0 else min(width - 1, price_ticks - base)
        top = touch[TOUCH_ASK] - base
        if last >= top:
            levels[ASK_ROW, top : last + 1] = 0
            find_ask(levels, touch, last + 1)


@kernel
def apply(levels: I8, touch: I8, kind: int, side: int, price_ticks: int, lots: int) -> int:
    """Take in one depth, snapshot or clear event; return the lots that stood at its price.

    Args:
        levels: i8[2, width], changed.
        touch: i8[TOUCH_COLUMNS], changed.
        kind: KIND_DEPTH, KIND_SNAPSHOT or KIND_CLEAR; a trade changes nothing.
        side: BUY or SELL; 0 with KIND_CLEAR means both.
        price_ticks: i8.
        lots: i8, the level's new total, >= 0.
    """
    if kind == KIND_CLEAR:
        if side != SELL:
            clear_side(levels, touch, BUY, price_ticks)
        if side != BUY:
            clear_side(levels, touch, SELL, price_ticks)
        return 0
    if kind == KIND_TRADE:
        return 0
    column = price_ticks - touch[TOUCH_BASE]
    if column < 0 or column >= levels.shape[1]:
        touch[TOUCH_OUTSIDE] += 1
        return 0
    if side == BUY:
        previous = levels[BID_ROW, column]
        levels[BID_ROW, column] = lots
        if lots > 0:
            touch[TOUCH_BID] = max(touch[TOUCH_BID], price_ticks)
        elif price_ticks == touch[TOUCH_BID]:
            find_bid(levels, touch, column)
        return int(previous)
    previous = levels[ASK_ROW, column]
    levels[ASK_ROW, column] = lots
    if lots > 0:
        touch[TOUCH_ASK] = min(touch[TOUCH_ASK], price_ticks)
    elif price_ticks == touch[TOUCH_ASK]:
        find_ask(levels, touch, column)
    return int(previous)
