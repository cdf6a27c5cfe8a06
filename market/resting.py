"""Our resting orders at the exchange: their line, their fills, and the reports about them.

When an order or cancel arrives, and what the market does, is `fills.py`.
"""

from market.jit import kernel
from market.layout import (
    BUY,
    DELAY_RESPONSE_NS,
    NEVER,
    NO_ASK,
    NO_BID,
    ORDER_AHEAD,
    ORDER_CANCEL_NS,
    ORDER_ID,
    ORDER_PRICE_TICKS,
    ORDER_REMAINING,
    ORDER_SIDE,
    ORDER_STATE,
    ORDER_TAKER,
    REPORT_EXCH_NS,
    REPORT_FILL,
    REPORT_KIND,
    REPORT_LOTS,
    REPORT_MAKER,
    REPORT_ORDER_ID,
    REPORT_PRICE_TICKS,
    REPORT_SIDE,
    REPORT_TRADE_ID,
    REPORT_VISIBLE_NS,
    STATE_FREE,
    STATE_GONE,
    STATE_RESTING,
)
from market.types import I8

# --- about orders and reports: i8[METER_COLUMNS] --------------------------------------------
METER_CURSOR = 0  # events read
METER_WRITTEN = 1  # reports written; the next one goes to row WRITTEN % REPORTS_MAX
METER_READ = 2  # reports read; kept by the reader
METER_TRADES = 3  # our fills so far
METER_NEXT_NS = 4  # earliest arrival of an order or cancel on its way, NEVER when none is
METER_OVERFLOW = 5  # reports overwritten before they were read, orders that found no row
METER_USED = 6  # rows of `orders` from here on are free
METER_BID_HIGH = 7  # best and worst price of our resting bids; NO_BID and NO_ASK when none
METER_BID_LOW = 8
METER_ASK_LOW = 9  # the same of our asks; NO_ASK and NO_BID when none
METER_ASK_HIGH = 10
METER_COLUMNS = 11


@kernel
def report(
    orders: I8,
    reports: I8,
    meter: I8,
    delays: I8,
    slot: int,
    kind: int,
    price_ticks: int,
    lots: int,
    exch_ns: int,
) -> None:
    """Write one report about the order in a row."""
    if meter[METER_WRITTEN] - meter[METER_READ] >= reports.shape[0]:
        meter[METER_OVERFLOW] += 1
    row = meter[METER_WRITTEN] % reports.shape[0]
    meter[METER_WRITTEN] += 1
    reports[row, REPORT_KIND] = kind
    reports[row, REPORT_ORDER_ID] = orders[slot, ORDER_ID]
    reports[row, REPORT_SIDE] = orders[slot, ORDER_SIDE]
    reports[row, REPORT_PRICE_TICKS] = price_ticks
    reports[row, REPORT_LOTS] = lots
    reports[row, REPORT_EXCH_NS] = exch_ns
    reports[row, REPORT_VISIBLE_NS] = exch_ns + delays[DELAY_RESPONSE_NS]
    reports[row, REPORT_MAKER] = 1 - orders[slot, ORDER_TAKER]
    reports[row, REPORT_TRADE_ID] = 0
    if kind == REPORT_FILL:
        meter[METER_TRADES] += 1
        reports[row, REPORT_TRADE_ID] = meter[METER_TRADES]
        orders[slot, ORDER_REMAINING] -= lots


@kernel
def remove(orders: I8, meter: I8, slot: int) -> None:
    """Take an order out; its row stays while a cancel is on the way to it."""
    if orders[slot, ORDER_CANCEL_NS] != NEVER and orders[slot, ORDER_STATE] != STATE_GONE:
        orders[slot, ORDER_STATE] = STATE_GONE
        return
    orders[slot, ORDER_STATE] = STATE_FREE
    orders[slot, ORDER_ID] = 0
    used = meter[METER_USED]
    while used > 0 and orders[used - 1, ORDER_STATE] == STATE_FREE:
        used -= 1
    meter[METER_USED] = used


@kernel
def rebound(orders: I8, meter: I8) -> None:
    """Find the best and worst prices of our resting orders anew."""
    bid_high = NO_BID
    bid_low = NO_ASK
    ask_low = NO_ASK
    ask_high = NO_BID
    for slot in range(meter[METER_USED]):
        if orders[slot, ORDER_STATE] == STATE_RESTING:
            price = orders[slot, ORDER_PRICE_TICKS]
            if orders[slot, ORDER_SIDE] == BUY:
                bid_high = max(bid_high, price)
                bid_low = min(bid_low, price)
            else:
                ask_low = min(ask_low, price)
                ask_high = max(ask_high, price)
    meter[METER_BID_HIGH] = bid_high
    meter[METER_BID_LOW] = bid_low
    meter[METER_ASK_LOW] = ask_low
    meter[METER_ASK_HIGH] = ask_high


@kernel
def precedes(orders: I8, first: int, second: int) -> bool:
    """Return whether the order in one row comes before that in another of the same side."""
    better = orders[first, ORDER_PRICE_TICKS] - orders[second, ORDER_PRICE_TICKS]
    if better != 0:
        return bool(orders[first, ORDER_SIDE] * better > 0)
    return bool(orders[first, ORDER_ID] < orders[second, ORDER_ID])


@kernel
def first_in_line(orders: I8, meter: I8, side: int, price_ticks: int, after: int) -> int:
    """Return the next of our resting orders on a side, at a price or better; -1 when none is.

    Best price first, then time (ids rise with time); `after` is the row served last, or -1.
    """
    pick = -1
    for slot in range(meter[METER_USED]):
        if orders[slot, ORDER_STATE] != STATE_RESTING or orders[slot, ORDER_SIDE] != side:
            continue
        if side * (orders[slot, ORDER_PRICE_TICKS] - price_ticks) < 0:
            continue
        if after >= 0 and not precedes(orders, after, slot):
            continue
        if pick < 0 or precedes(orders, slot, pick):
            pick = slot
    return pick


@kernel
def serve(
    orders: I8,
    reports: I8,
    meter: I8,
    delays: I8,
    side: int,
    price_ticks: int,
    lots: int,
    queued: bool,
    exch_ns: int,
) -> None:
    """Give `lots` that reached a price to our orders of a side, each lot once.

    Args:
        side: side of ours that is hit.
        price_ticks: the price reached; orders at better prices are served first.
        lots: i8, > 0.
        queued: the lots ahead of us at exactly this price are served before us (a print there);
            otherwise nobody is left ahead of us (liquidity that rests at or through our price).
        exch_ns: exchange time.
    """
    left = lots
    filled = False
    eaten = 0  # lots of others ahead of us at this price
    slot = first_in_line(orders, meter, side, price_ticks, -1)
    while slot >= 0:
        waits = queued and orders[slot, ORDER_PRICE_TICKS] == price_ticks
        if waits:
            gone = min(left, max(0, orders[slot, ORDER_AHEAD] - eaten))
            eaten += gone
            left -= gone
            orders[slot, ORDER_AHEAD] = max(0, orders[slot, ORDER_AHEAD] - eaten)
        else:
            orders[slot, ORDER_AHEAD] = 0
        part = min(left, orders[slot, ORDER_REMAINING])
        if part > 0:
            filled = True
            left -= part
            price = orders[slot, ORDER_PRICE_TICKS]
            report(orders, reports, meter, delays, slot, REPORT_FILL, price, part, exch_ns)
        slot = first_in_line(orders, meter, side, price_ticks, slot)
    if filled:
        for index in range(meter[METER_USED]):
            if orders[index, ORDER_STATE] == STATE_RESTING and orders[index, ORDER_REMAINING] == 0:
                remove(orders, meter, index)
        rebound(orders, meter)


@kernel
def cap_queue(orders: I8, meter: I8, side: int, price_ticks: int, lots: int) -> None:
    """Note that a level holds only so many lots: no more than these can be ahead of us."""
    for slot in range(meter[METER_USED]):
        if (
            orders[slot, ORDER_STATE] == STATE_RESTING
            and orders[slot, ORDER_PRICE_TICKS] == price_ticks
            and orders[slot, ORDER_SIDE] == side
        ):
            orders[slot, ORDER_AHEAD] = min(orders[slot, ORDER_AHEAD], lots)
