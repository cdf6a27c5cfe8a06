"""hftbacktest's order book and queue models, figure for figure.

What differs from our book (`book.py`): the newest quote is believed, so a bid at or above the best
ask pushes the best ask up to the next level that it knows, and the levels it passed keep their
lots without ever being the best again until they are quoted anew. Quantities in its queues are
doubles of the base asset, not lots.
"""

import math

import numpy as np

from market.jit import kernel
from market.layout import ASK_ROW, BID_ROW, BUY, KIND_CLEAR, NO_ASK, NO_BID, SELL
from market.types import F8, I8

# --- best prices and bounds of the search for them, columns of the book: i8[EDGE_COLUMNS] -------
EDGE_BID = 0  # NO_BID when the side is empty
EDGE_ASK = 1
EDGE_LOW = 2  # lowest bid since the side was empty, NO_ASK then
EDGE_HIGH = 3  # highest ask since
EDGE_COLUMNS = 4

# --- what is asked of a model: f8[MODEL_COLUMNS] ------------------------------------------------
MODEL_POWER = 0  # exponent of the power-probability queue; 0: the risk-averse queue
MODEL_LOTS = 1  # lots in one unit of the base asset, 10^k: a quantity is lots / this
MODEL_COLUMNS = 2

# --- an order's place: f8[QUEUE_COLUMNS], base asset ---------------------------------------------
QUEUE_FRONT = 0
QUEUE_TRADED = 1  # at our price since the level last changed
QUEUE_COLUMNS = 2


def new_edges() -> I8:
    """Return i8[EDGE_COLUMNS] of an empty book."""
    return np.array([NO_BID, NO_ASK, NO_ASK, NO_BID], dtype=np.int64)


@kernel
def below(levels: I8, start: int, last: int) -> int:
    """Return the highest bid under `start` and not under `last`, NO_BID when there is none."""
    for column in range(min(start, levels.shape[1]) - 1, max(last, 0) - 1, -1):
        if levels[BID_ROW, column] > 0:
            return column
    return NO_BID


@kernel
def above(levels: I8, start: int, last: int) -> int:
    """Return the lowest ask over `start` and not over `last`, NO_ASK when there is none."""
    for column in range(max(start, -1) + 1, min(last, levels.shape[1] - 1) + 1):
        if levels[ASK_ROW, column] > 0:
            return column
    return NO_ASK


@kernel
def set_bid(levels: I8, edges: I8, column: int, lots: int) -> int:
    """Set a bid level; return the lots it held before."""
    before = levels[BID_ROW, column]
    levels[BID_ROW, column] = lots
    if lots == 0:
        if column == edges[EDGE_BID]:
            edges[EDGE_BID] = below(levels, column, edges[EDGE_LOW])
            if edges[EDGE_BID] == NO_BID:
                edges[EDGE_LOW] = NO_ASK
        return int(before)
    if column > edges[EDGE_BID]:
        edges[EDGE_BID] = column
        if column >= edges[EDGE_ASK]:
            edges[EDGE_ASK] = above(levels, column, edges[EDGE_HIGH])
    edges[EDGE_LOW] = min(edges[EDGE_LOW], column)
    return int(before)


@kernel
def set_ask(levels: I8, edges: I8, column: int, lots: int) -> int:
    """Set an ask level; return the lots it held before."""
    before = levels[ASK_ROW, column]
    levels[ASK_ROW, column] = lots
    if lots == 0:
        if column == edges[EDGE_ASK]:
            edges[EDGE_ASK] = above(levels, column, edges[EDGE_HIGH])
            if edges[EDGE_ASK] == NO_ASK:
                edges[EDGE_HIGH] = NO_BID
        return int(before)
    if column < edges[EDGE_ASK]:
        edges[EDGE_ASK] = column
        if edges[EDGE_BID] >= column:
            edges[EDGE_BID] = below(levels, column, edges[EDGE_LOW])
    edges[EDGE_HIGH] = max(edges[EDGE_HIGH], column)
    return int(before)


@kernel
def clear(levels: I8, edges: I8, side: int, column: int) -> None:
    """Empty one side from the best price to a column, or both sides whole.

    A one-sided clear then looks for the new best price from two ticks behind the column on: a
    level one tick behind it stands in the book and is never found, as in the peer. Asks cleared to
    a price of zero stay whole there too.
    """
    if side >= 0:
        last = 0 if side != BUY else max(column, 0)
        end = levels.shape[1] if side == 0 else min(edges[EDGE_BID] + 1, levels.shape[1])
        for here in range(end):
            if here >= last:
                levels[BID_ROW, here] = 0
        edges[EDGE_BID] = NO_BID if side == 0 else below(levels, column - 1, edges[EDGE_LOW])
        if edges[EDGE_BID] == NO_BID:
            edges[EDGE_LOW] = NO_ASK
    if side <= 0:
        first = 0 if side == 0 else min(edges[EDGE_ASK], levels.shape[1])
        last = levels.shape[1] - 1 if side == 0 else min(column, levels.shape[1] - 1)
        for here in range(first, last + 1):
            levels[ASK_ROW, here] = 0
        edges[EDGE_ASK] = NO_ASK if side == 0 else above(levels, column + 1, edges[EDGE_HIGH])
        if edges[EDGE_ASK] == NO_ASK:
            edges[EDGE_HIGH] = NO_BID


@kernel
def put(levels: I8, edges: I8, kind: int, side: int, column: int, lots: int) -> int:
    """Apply a depth, snapshot or clear event; return the lots the level held before.

    Outside the window, and without a side, nothing happens.
    """
    if kind == KIND_CLEAR:
        clear(levels, edges, side, column)
        return 0
    if column < 0 or column >= levels.shape[1]:
        return 0
    if side == BUY:
        return int(set_bid(levels, edges, column, lots))
    if side == SELL:
        return int(set_ask(levels, edges, column, lots))
    return 0


@kernel
def joined(queue: F8, model: F8, lots: int) -> None:
    """Begin a queue behind everything at the price."""
    queue[QUEUE_FRONT] = lots / model[MODEL_LOTS]
    queue[QUEUE_TRADED] = 0.0


@kernel
def traded(queue: F8, model: F8, lots: int) -> bool:
    """Let a trade at our price pass; return whether the order is filled by it."""
    quantity = lots / model[MODEL_LOTS]
    queue[QUEUE_FRONT] -= quantity
    queue[QUEUE_TRADED] += quantity
    # Half a lot is rounded away from zero: that is filled.
    return bool(queue[QUEUE_FRONT] / (1.0 / model[MODEL_LOTS]) <= -0.5)


@kernel
def least(left: float, right: float) -> float:
    """Return the smaller of two numbers, the other one when one is no number.

    The power of 0/0 is no number; the peer's minimum drops it and so empties the queue ahead.
    """
    if math.isnan(left):
        return right
    if math.isnan(right):
        return left
    return min(left, right)


@kernel
def changed(queue: F8, model: F8, before_lots: int, lots: int) -> None:
    """Let the level at our price change its total from `before_lots` to `lots`."""
    after = lots / model[MODEL_LOTS]
    front = queue[QUEUE_FRONT]
    power = model[MODEL_POWER]
    if power == 0.0:
        queue[QUEUE_FRONT] = least(front, after)
        return
    before = before_lots / model[MODEL_LOTS]
    change = before - after - queue[QUEUE_TRADED]
    queue[QUEUE_TRADED] = 0.0
    if change < 0.0:
        queue[QUEUE_FRONT] = least(front, after)
        return
    back = before - front
    behind = back**power
    share = behind / (behind + front**power)
    if math.isinf(share):
        share = 1.0
    moved = front - (1.0 - share) * change + least(back - share * change, 0.0)
    queue[QUEUE_FRONT] = least(moved, after)
