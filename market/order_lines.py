"""Our orders at the exchange as tables: each has a row, the resting ones stand in two lines.

An order's row is found by its id. The lines are kept sorted, best price first and then by time,
so that a print walks down one of them and the bounds of what can be reached are its ends.
"""

from typing import NamedTuple

import numpy as np

from market.jit import inlined_kernel
from market.layout import (
    NEVER,
    NO_ASK,
    NO_BID,
    ORDER_CANCEL_NS,
    ORDER_COLUMNS,
    ORDER_ID,
    ORDER_PRICE_TICKS,
    ORDER_SIDE,
    ORDER_STATE,
    ORDERS_MAX,
    REPORT_COLUMNS,
    REPORTS_MAX,
    STATE_FREE,
    STATE_GONE,
)
from market.queueing import QUEUE_COLUMNS
from market.types import F8, I8

# --- about orders and reports: i8[METER_COLUMNS] --------------------------------------------
METER_CURSOR = 0  # events read
METER_WRITTEN = 1  # reports written; the next one goes to row WRITTEN % REPORTS_MAX
METER_READ = 2  # reports read; kept by the reader
METER_TRADES = 3  # our fills so far
METER_NEXT_NS = 4  # earliest arrival of an order or cancel on its way, NEVER when none is
METER_OVERFLOW = 5  # reports overwritten before they were read, orders that found no row
METER_REACH = 6  # furthest that an order's row lies from where its id points, plus one
METER_BID_HIGH = 7  # best and worst price of our resting bids; NO_BID and NO_ASK when none
METER_BID_LOW = 8
METER_ASK_LOW = 9  # the same of our asks; NO_ASK and NO_BID when none
METER_ASK_HIGH = 10
METER_BIDS = 11  # our resting bids, and asks
METER_ASKS = 12
METER_VISIBLE_NS = 13  # when the last report is visible: none overtakes another
METER_SENT = 14  # orders sent, and arrived: the ring of arrivals holds what lies between
METER_ARRIVED = 15
METER_ARRIVES_NS = 16  # when the last of them arrives: none overtakes another
METER_CANCELS_SENT = 17  # the same of cancels
METER_CANCELS_ARRIVED = 18
METER_CANCEL_NS = 19
METER_SEGMENT = 20  # segment of the level histories found last
METER_FUNDED = 21  # rows of the funding schedule that are past
METER_COLUMNS = 22

# --- a cancel on its way: i8[CANCELS_MAX, CANCEL_COLUMNS], a ring ---------------------------
CANCEL_DUE_NS = 0
CANCEL_ORDER_ID = 1
CANCEL_SLOT = 2  # row of its order, -1 when that was gone already
CANCEL_COLUMNS = 3
CANCELS_MAX = 2 * ORDERS_MAX


class Exchange(NamedTuple):
    """The exchange's side: its book, our orders there, the reports of them."""

    levels: I8  # i8[2, width]
    touch: I8  # i8[TOUCH_COLUMNS]
    orders: I8  # i8[ORDERS_MAX, ORDER_COLUMNS]
    queue: F8  # f8[ORDERS_MAX, QUEUE_COLUMNS], a row an order
    lines: I8  # i8[2, ORDERS_MAX]: rows of our resting orders by BID_ROW/ASK_ROW, best first
    arrivals: I8  # i8[ORDERS_MAX], a ring: rows of the orders on their way
    cancels: I8  # i8[CANCELS_MAX, CANCEL_COLUMNS], a ring
    reports: I8  # i8[REPORTS_MAX, REPORT_COLUMNS], a ring
    meter: I8  # i8[METER_COLUMNS]


def open_exchange(levels: I8, touch: I8) -> Exchange:
    """Return an exchange side over a book, without orders; the arrays are used, not copied."""
    meter = np.zeros(METER_COLUMNS, dtype=np.int64)
    meter[METER_NEXT_NS] = NEVER
    meter[[METER_BID_HIGH, METER_ASK_HIGH]] = NO_BID
    meter[[METER_BID_LOW, METER_ASK_LOW]] = NO_ASK
    return Exchange(
        levels=levels,
        touch=touch,
        orders=np.zeros((ORDERS_MAX, ORDER_COLUMNS), dtype=np.int64),
        queue=np.zeros((ORDERS_MAX, QUEUE_COLUMNS)),
        lines=np.zeros((2, ORDERS_MAX), dtype=np.int64),
        arrivals=np.zeros(ORDERS_MAX, dtype=np.int64),
        cancels=np.zeros((CANCELS_MAX, CANCEL_COLUMNS), dtype=np.int64),
        reports=np.zeros((REPORTS_MAX, REPORT_COLUMNS), dtype=np.int64),
        meter=meter,
    )


@inlined_kernel
def find_row(orders: I8, meter: I8, order_id: int) -> int:
    """Return the row of an order, -1 when it is gone: its id says where to begin looking."""
    for step in range(meter[METER_REACH]):
        slot = (order_id + step) & (ORDERS_MAX - 1)
        if orders[slot, ORDER_ID] == order_id:
            return int(slot)
    return -1


@inlined_kernel
def free_row(orders: I8, meter: I8, order_id: int) -> int:
    """Return a free row for a new order, -1 when there is none."""
    for step in range(ORDERS_MAX):
        slot = (order_id + step) & (ORDERS_MAX - 1)
        if orders[slot, ORDER_STATE] == STATE_FREE:
            meter[METER_REACH] = max(meter[METER_REACH], step + 1)
            return int(slot)
    return -1


@inlined_kernel
def remove(orders: I8, slot: int) -> None:
    """Take an order out that is in no line; its row stays while a cancel is on the way to it."""
    if orders[slot, ORDER_CANCEL_NS] != NEVER and orders[slot, ORDER_STATE] != STATE_GONE:
        orders[slot, ORDER_STATE] = STATE_GONE
        return
    orders[slot, ORDER_STATE] = STATE_FREE
    orders[slot, ORDER_ID] = 0


@inlined_kernel
def note_bounds(orders: I8, lines: I8, meter: I8, row: int) -> None:
    """Note the best and worst price of a line, from its ends."""
    count = meter[METER_BIDS + row]
    best = NO_BID
    worst = NO_ASK
    if row == 1:
        best = NO_ASK
        worst = NO_BID
    if count > 0:
        best = orders[lines[row, 0], ORDER_PRICE_TICKS]
        worst = orders[lines[row, count - 1], ORDER_PRICE_TICKS]
    meter[METER_BID_HIGH + 2 * row] = best
    meter[METER_BID_LOW + 2 * row] = worst


@inlined_kernel
def place_in_line(orders: I8, lines: I8, meter: I8, side: int, price_ticks: int) -> int:
    """Return how many of our resting orders of a side have a better price."""
    row = (1 - side) >> 1
    low = 0
    high = meter[METER_BIDS + row]
    while low < high:
        middle = (low + high) >> 1
        if side * (orders[lines[row, middle], ORDER_PRICE_TICKS] - price_ticks) > 0:
            low = middle + 1
        else:
            high = middle
    return int(low)


@inlined_kernel
def enter_line(orders: I8, lines: I8, meter: I8, slot: int) -> int:
    """Put an order in its line, behind ours at its price; return its place there."""
    side = orders[slot, ORDER_SIDE]
    price = orders[slot, ORDER_PRICE_TICKS]
    row = (1 - side) >> 1
    place = meter[METER_BIDS + row]
    while place > 0:
        other = lines[row, place - 1]
        if side * (price - orders[other, ORDER_PRICE_TICKS]) <= 0:
            break
        lines[row, place] = other
        place -= 1
    lines[row, place] = slot
    meter[METER_BIDS + row] += 1
    note_bounds(orders, lines, meter, row)
    return int(place)


@inlined_kernel
def leave_line(orders: I8, lines: I8, meter: I8, slot: int) -> None:
    """Take an order out of its line."""
    row = (1 - orders[slot, ORDER_SIDE]) >> 1
    count = meter[METER_BIDS + row]
    place = 0
    while lines[row, place] != slot:
        place += 1
    for index in range(place, count - 1):
        lines[row, index] = lines[row, index + 1]
    meter[METER_BIDS + row] = count - 1
    note_bounds(orders, lines, meter, row)
