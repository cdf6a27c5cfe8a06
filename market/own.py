"""The list of our own orders, as far as the executor knows.

Rows are kept dense and in the order of sending, oldest first. An order stays in the list until
the exchange says that it is gone: one that is being cancelled may still fill.
"""

import numpy as np

from market.jit import inlined_kernel, kernel
from market.layout import (
    BUY,
    NO_ASK,
    NO_BID,
    ORDERS_MAX,
    OWN_CANCELLING,
    OWN_COLUMNS,
    OWN_ID,
    OWN_LEVEL,
    OWN_OPEN,
    OWN_PENDING,
    OWN_PRICE_TICKS,
    OWN_REMAINING,
    OWN_SENT_NS,
    OWN_SIDE,
    OWN_STATE,
    REPORT_ACCEPTED,
    REPORT_FILL,
    REPORT_KIND,
    REPORT_LOTS,
    REPORT_ORDER_ID,
    REPORT_PRICE_TICKS,
    REPORT_REJECTED,
    REPORT_SIDE,
    SCALE_LOT,
    SELL,
)
from market.quotes import cost_units
from market.types import I8

# --- about the list of our own orders: i8[METER_OWN_COLUMNS] --------------------------------
OWN_METER_COUNT = 0  # rows in use; they are the first ones, oldest order first
OWN_METER_NEXT_ID = 1  # id of the next order
OWN_METER_HIGHEST_BID = 2  # a bid above it was rejected since the ladder was made
OWN_METER_LOWEST_ASK = 3  # an ask below it was rejected
OWN_METER_REJECTS = 4
OWN_METER_UNKNOWN = 5  # reports about orders that are not in the list
OWN_METER_COLUMNS = 6

OK = 0
UNKNOWN_ORDER = 1
FULL = -1
OWN_GONE = 4  # an OWN_STATE that lasts only while a batch of reports is taken in


def new_own() -> tuple[I8, I8]:
    """Return (own, own_meter): an empty list of our orders; the first id is 1."""
    meter = np.zeros(OWN_METER_COLUMNS, dtype=np.int64)
    meter[OWN_METER_NEXT_ID] = 1
    meter[OWN_METER_HIGHEST_BID] = NO_ASK
    meter[OWN_METER_LOWEST_ASK] = NO_BID
    return np.zeros((ORDERS_MAX, OWN_COLUMNS), dtype=np.int64), meter


@kernel
def find_own(own: I8, own_meter: I8, order_id: int) -> int:
    """Return the row of an order, -1 when it is not there; ids rise with the row."""
    count = own_meter[OWN_METER_COUNT]
    low = 0
    high = count
    while low < high:
        middle = (low + high) >> 1
        if own[middle, OWN_ID] < order_id:
            low = middle + 1
        else:
            high = middle
    if low < count and own[low, OWN_ID] == order_id:
        return int(low)
    return -1


@inlined_kernel
def find_near(own: I8, own_meter: I8, order_id: int, row: int) -> int:
    """Return the row of an order that is likely in `row`; -1 when it is not there."""
    if row < own_meter[OWN_METER_COUNT] and own[row, OWN_ID] == order_id:
        return row
    return find_own(own, own_meter, order_id)


@inlined_kernel
def insert_own(
    own: I8, own_meter: I8, side: int, price_ticks: int, lots: int, level: int, now_ns: int
) -> int:
    """Add an order that is being sent; return its id (counted from 1), or FULL."""
    row = own_meter[OWN_METER_COUNT]
    if row >= ORDERS_MAX:
        return FULL
    order_id = int(own_meter[OWN_METER_NEXT_ID])
    own[row, OWN_ID] = order_id
    own[row, OWN_SIDE] = side
    own[row, OWN_PRICE_TICKS] = price_ticks
    own[row, OWN_REMAINING] = lots
    own[row, OWN_STATE] = OWN_PENDING
    own[row, OWN_SENT_NS] = now_ns
    own[row, OWN_LEVEL] = level
    own_meter[OWN_METER_COUNT] = row + 1
    own_meter[OWN_METER_NEXT_ID] = order_id + 1
    return order_id


@kernel
def mark_cancelling(own: I8, own_meter: I8, order_id: int) -> int:
    """Note that a cancel was sent; the order counts as open until the exchange confirms."""
    row = find_own(own, own_meter, order_id)
    if row < 0:
        return UNKNOWN_ORDER
    own[row, OWN_STATE] = OWN_CANCELLING
    return OK


@kernel
def remove_own(own: I8, own_meter: I8, row: int) -> None:
    """Take a row out; the rows behind it move up, so that the oldest stays first."""
    last = own_meter[OWN_METER_COUNT] - 1
    for index in range(row, last):
        for column in range(OWN_COLUMNS):
            own[index, column] = own[index + 1, column]
    own[last, :] = 0
    own_meter[OWN_METER_COUNT] = last


@kernel
def apply_report(own: I8, own_meter: I8, report_row: I8) -> int:
    """Take in one report of the exchange; return OK or UNKNOWN_ORDER.

    A post-only reject at p keeps our bids below p (our asks above p) until the next ladder: the
    exchange knew a touch that we did not.
    """
    row = find_own(own, own_meter, report_row[REPORT_ORDER_ID])
    if row < 0:
        own_meter[OWN_METER_UNKNOWN] += 1
        return UNKNOWN_ORDER
    if note_report(own, own_meter, row, report_row):
        remove_own(own, own_meter, row)
    return OK


@inlined_kernel
def note_report(own: I8, own_meter: I8, row: int, report_row: I8) -> bool:
    """Take in a report about the order in a row; return whether the order is over."""
    kind = report_row[REPORT_KIND]
    if kind == REPORT_ACCEPTED:
        if own[row, OWN_STATE] == OWN_PENDING:
            own[row, OWN_STATE] = OWN_OPEN
        return False
    if kind == REPORT_FILL:
        own[row, OWN_REMAINING] -= report_row[REPORT_LOTS]
        return bool(own[row, OWN_REMAINING] <= 0)
    if kind == REPORT_REJECTED:
        own_meter[OWN_METER_REJECTS] += 1
        price = report_row[REPORT_PRICE_TICKS]
        if report_row[REPORT_SIDE] == BUY:
            own_meter[OWN_METER_HIGHEST_BID] = min(own_meter[OWN_METER_HIGHEST_BID], price - 1)
        else:
            own_meter[OWN_METER_LOWEST_ASK] = max(own_meter[OWN_METER_LOWEST_ASK], price + 1)
    return True


@inlined_kernel
def sweep_own(own: I8, own_meter: I8, first: int) -> None:
    """Take out every row marked OWN_GONE from row `first` on; the others keep their order."""
    count = own_meter[OWN_METER_COUNT]
    kept = first
    for row in range(first, count):
        if own[row, OWN_STATE] == OWN_GONE:
            continue
        if kept < row:
            for column in range(OWN_COLUMNS):
                own[kept, column] = own[row, column]
        kept += 1
    for row in range(kept, count):
        for column in range(OWN_COLUMNS):
            own[row, column] = 0
    own_meter[OWN_METER_COUNT] = kept


@kernel
def open_lots(own: I8, own_meter: I8, side: int) -> int:
    """Return the lots of our orders on a side that may still fill, cancelling ones included."""
    total = 0
    for row in range(own_meter[OWN_METER_COUNT]):
        if own[row, OWN_SIDE] == side:
            total += own[row, OWN_REMAINING]
    return int(total)


@inlined_kernel
def both_open_lots(own: I8, own_meter: I8) -> tuple[int, int]:
    """Return `open_lots` of our buys and of our sells."""
    bids = 0
    asks = 0
    for row in range(own_meter[OWN_METER_COUNT]):
        if own[row, OWN_SIDE] == BUY:
            bids += own[row, OWN_REMAINING]
        else:
            asks += own[row, OWN_REMAINING]
    return bids, asks


@inlined_kernel
def own_touch(own: I8, own_meter: I8) -> tuple[int, int]:
    """Return our best bid and our best ask, NO_BID and NO_ASK when there is none."""
    best_bid = NO_BID
    best_ask = NO_ASK
    for row in range(own_meter[OWN_METER_COUNT]):
        price = own[row, OWN_PRICE_TICKS]
        if own[row, OWN_SIDE] == BUY:
            best_bid = max(best_bid, price)
        else:
            best_ask = min(best_ask, price)
    return best_bid, best_ask


@inlined_kernel
def tied_quote(own: I8, own_meter: I8, scale: I8) -> int:
    """Return the quote units tied up in our buys, fees included."""
    tied = 0
    for row in range(own_meter[OWN_METER_COUNT]):
        if own[row, OWN_SIDE] == BUY:
            tied += cost_units(own[row, OWN_PRICE_TICKS], own[row, OWN_REMAINING], scale)
    return int(tied)


@kernel
def free_quote(own: I8, own_meter: I8, quote_units: int, scale: I8) -> int:
    """Return the quote units not tied up in our buys (fees included); never below 0."""
    return int(max(0, quote_units - tied_quote(own, own_meter, scale)))


@kernel
def free_base(own: I8, own_meter: I8, base_units: int, scale: I8) -> int:
    """Return the base units not tied up in our sells; never below 0."""
    return int(max(0, base_units - open_lots(own, own_meter, SELL) * scale[SCALE_LOT]))
