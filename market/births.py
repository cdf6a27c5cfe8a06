"""Tells, for a recording with order ids, when the order behind each level change came to its place.

That is what an order-level line needs: who was there before us. An order that grew goes to the
end of its line, as on every exchange; so it counts as new.
"""

import numpy as np
import numpy.typing as npt

from market.book import apply, new_book, set_level, window_for
from market.jit import kernel
from market.layout import (
    EVENT_KIND,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SEEN,
    EVENT_SIDE,
    KIND_CLEAR,
    KIND_TRADE,
    SEEN_EXCHANGE,
    TOUCH_BASE,
)
from market.types import I4, I8


@kernel
def trace_orders(events: I8, orders: I8, levels: I8, touch: I8, arrived: I4, born: I4) -> None:
    """Write when the order of each event came to its place; 0 where that is unknown.

    Args:
        events: i8[n, EVENT_COLUMNS].
        orders: i8[n], a number of each event's order, from 1; 0 without one.
        levels: i8[2, width], an empty book, changed.
        touch: i8[TOUCH_COLUMNS], changed.
        arrived: i4[orders + 1], zeros, changed: where each order last came or grew.
        born: i4[n], written.
    """
    for index in range(events.shape[0]):
        born[index] = 0
        kind = events[index, EVENT_KIND]
        if kind == KIND_TRADE or events[index, EVENT_SEEN] & SEEN_EXCHANGE == 0:
            continue
        side = events[index, EVENT_SIDE]
        price = events[index, EVENT_PRICE_TICKS]
        lots = events[index, EVENT_LOTS]
        column = price - touch[TOUCH_BASE]
        if kind == KIND_CLEAR or side == 0 or column < 0 or column >= levels.shape[1]:
            apply(levels, touch, kind, side, price, lots)
            continue
        grew = lots > set_level(levels, touch, side, column, lots)
        order = orders[index]
        if order > 0:
            if grew:
                arrived[order] = index
            born[index] = arrived[order]


def births(events: I8, order_ids: npt.NDArray[np.uint64]) -> I4:
    """Return i4[n]: the event at which the order of each event came to its place.

    Args:
        events: i8[n, EVENT_COLUMNS].
        order_ids: u8[n], 0 where an event has no order; all 0 gives i4[0].
    """
    if not order_ids.any():
        return np.zeros(0, dtype=np.int32)
    names, orders = np.unique(order_ids, return_inverse=True)
    orders = orders.astype(np.int64) + (1 if names[0] != 0 else 0)
    born = np.zeros(events.shape[0], dtype=np.int32)
    arrived = np.zeros(names.size + 1, dtype=np.int32)
    levels, touch = new_book(*window_for(events))
    trace_orders(np.ascontiguousarray(events), orders, levels, touch, arrived, born)
    return born
