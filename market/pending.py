"""Orders and cancels on their way to the exchange: two rings, each in the order of arrival.

At one instant the market comes first, then cancels, then orders. A cancel never overtakes its own
order: one that would rides with it, and is answered as soon as the order has arrived. Orders do
not overtake each other, nor do cancels; a cancel may overtake an order sent before it.
"""

from market.jit import inlined_kernel
from market.layout import (
    DELAY_CANCEL_NS,
    DELAY_ORDER_NS,
    NEVER,
    ORDER_ARRIVES_NS,
    ORDER_CANCEL_NS,
    ORDER_ID,
    ORDER_LOTS,
    ORDER_PRICE_TICKS,
    ORDER_REMAINING,
    ORDER_SENT_NS,
    ORDER_SIDE,
    ORDER_STATE,
    ORDER_STEP,
    ORDER_TAKER,
    ORDERS_MAX,
    REPORT_CANCEL_REJECTED,
    REPORT_CANCELLED,
    STATE_IN_FLIGHT,
    STATE_RESTING,
)
from market.order_lines import (
    CANCEL_DUE_NS,
    CANCEL_ORDER_ID,
    CANCEL_SLOT,
    CANCELS_MAX,
    METER_ARRIVED,
    METER_ARRIVES_NS,
    METER_CANCEL_NS,
    METER_CANCELS_ARRIVED,
    METER_CANCELS_SENT,
    METER_NEXT_NS,
    METER_OVERFLOW,
    METER_SENT,
    Exchange,
    find_row,
    free_row,
    leave_line,
    remove,
)
from market.resting import report, write_report
from market.types import I8

OK = 0
UNKNOWN_ORDER = 1  # a cancel of an order that is gone; its refusal will be reported
FULL = -1  # no free row


@inlined_kernel
def submit(
    orders: I8,
    arrivals: I8,
    meter: I8,
    order_id: int,
    side: int,
    price_ticks: int,
    lots: int,
    taker: int,
    now_ns: int,
    delays: I8,
    step: int,
) -> int:
    """Send an order at local time `now_ns`; return OK or FULL.

    Args:
        orders: i8[ORDERS_MAX, ORDER_COLUMNS], changed.
        arrivals: i8[ORDERS_MAX], changed.
        meter: i8[METER_COLUMNS], changed.
        order_id: i8, > 0, rising from order to order: it also breaks ties in time.
        side: BUY or SELL.
        price_ticks: i8, limit.
        lots: i8, > 0.
        taker: 0 post-only, 1 immediate or cancel.
        now_ns: i8.
        delays: i8[DELAY_COLUMNS] of the step.
        step: guard step at which it is sent; only `tape_fills.py` reads it.
    """
    slot = free_row(orders, meter, order_id)
    if slot < 0:
        meter[METER_OVERFLOW] += 1
        return FULL
    arrives = max(meter[METER_ARRIVES_NS], now_ns + delays[DELAY_ORDER_NS])
    meter[METER_ARRIVES_NS] = arrives
    orders[slot, ORDER_ID] = order_id
    orders[slot, ORDER_SIDE] = side
    orders[slot, ORDER_PRICE_TICKS] = price_ticks
    orders[slot, ORDER_LOTS] = lots
    orders[slot, ORDER_REMAINING] = lots
    orders[slot, ORDER_STEP] = step
    orders[slot, ORDER_STATE] = STATE_IN_FLIGHT
    orders[slot, ORDER_ARRIVES_NS] = arrives
    orders[slot, ORDER_CANCEL_NS] = NEVER
    orders[slot, ORDER_SENT_NS] = now_ns
    orders[slot, ORDER_TAKER] = taker
    arrivals[meter[METER_SENT] & (ORDERS_MAX - 1)] = slot
    meter[METER_SENT] += 1
    meter[METER_NEXT_NS] = min(meter[METER_NEXT_NS], arrives)
    return OK


@inlined_kernel
def cancel(orders: I8, cancels: I8, meter: I8, order_id: int, now_ns: int, delays: I8) -> int:
    """Send a cancel at local time `now_ns`; return OK, UNKNOWN_ORDER or FULL.

    It takes effect on arrival, after everything that the market did at that instant. The cancel
    of an order that is gone travels too, and is answered with REPORT_CANCEL_REJECTED; when the
    ring has no room for it (FULL) it is not.

    Args:
        orders: i8[ORDERS_MAX, ORDER_COLUMNS], changed.
        cancels: i8[CANCELS_MAX, CANCEL_COLUMNS], changed.
        meter: i8[METER_COLUMNS], changed.
        order_id: of an order sent before.
        now_ns: i8.
        delays: i8[DELAY_COLUMNS] of the step.
    """
    slot = find_row(orders, meter, order_id)
    if slot >= 0 and orders[slot, ORDER_CANCEL_NS] != NEVER:
        return OK  # one is on its way
    due = max(meter[METER_CANCEL_NS], now_ns + delays[DELAY_CANCEL_NS])
    if slot >= 0 and orders[slot, ORDER_STATE] == STATE_IN_FLIGHT:
        arrives = orders[slot, ORDER_ARRIVES_NS]
        if due <= arrives:
            orders[slot, ORDER_CANCEL_NS] = arrives
            return OK
    if meter[METER_CANCELS_SENT] - meter[METER_CANCELS_ARRIVED] >= CANCELS_MAX:
        return FULL
    row = meter[METER_CANCELS_SENT] & (CANCELS_MAX - 1)
    cancels[row, CANCEL_DUE_NS] = due
    cancels[row, CANCEL_ORDER_ID] = order_id
    cancels[row, CANCEL_SLOT] = slot
    meter[METER_CANCELS_SENT] += 1
    meter[METER_CANCEL_NS] = due
    meter[METER_NEXT_NS] = min(meter[METER_NEXT_NS], due)
    if slot < 0:
        return UNKNOWN_ORDER
    orders[slot, ORDER_CANCEL_NS] = due
    return OK


@inlined_kernel
def note_next(exchange: Exchange) -> None:
    """Note when the next order or cancel arrives."""
    meter = exchange.meter
    next_ns = NEVER
    if meter[METER_ARRIVED] < meter[METER_SENT]:
        slot = exchange.arrivals[meter[METER_ARRIVED] & (ORDERS_MAX - 1)]
        next_ns = exchange.orders[slot, ORDER_ARRIVES_NS]
    if meter[METER_CANCELS_ARRIVED] < meter[METER_CANCELS_SENT]:
        row = meter[METER_CANCELS_ARRIVED] & (CANCELS_MAX - 1)
        next_ns = min(next_ns, exchange.cancels[row, CANCEL_DUE_NS])
    meter[METER_NEXT_NS] = next_ns


@inlined_kernel
def cancel_is_next(exchange: Exchange) -> bool:
    """Return whether it is a cancel that arrives at METER_NEXT_NS; at one instant it is."""
    meter = exchange.meter
    if meter[METER_CANCELS_ARRIVED] == meter[METER_CANCELS_SENT]:
        return False
    row = meter[METER_CANCELS_ARRIVED] & (CANCELS_MAX - 1)
    return bool(exchange.cancels[row, CANCEL_DUE_NS] <= meter[METER_NEXT_NS])


@inlined_kernel
def answer_next(exchange: Exchange, delays: I8) -> None:
    """Take the next cancel from its ring and answer it."""
    meter = exchange.meter
    row = meter[METER_CANCELS_ARRIVED] & (CANCELS_MAX - 1)
    meter[METER_CANCELS_ARRIVED] += 1
    due = exchange.cancels[row, CANCEL_DUE_NS]
    order_id = exchange.cancels[row, CANCEL_ORDER_ID]
    slot = exchange.cancels[row, CANCEL_SLOT]
    if slot >= 0:
        end_order(exchange, delays, slot, due)
    else:
        kind = REPORT_CANCEL_REJECTED
        write_report(exchange.reports, meter, delays, kind, order_id, 0, 0, 0, 1, due)


@inlined_kernel
def take_next(exchange: Exchange) -> int:
    """Take the next order from its ring; return its row."""
    meter = exchange.meter
    slot = exchange.arrivals[meter[METER_ARRIVED] & (ORDERS_MAX - 1)]
    meter[METER_ARRIVED] += 1
    return int(slot)


@inlined_kernel
def end_order(exchange: Exchange, delays: I8, slot: int, exch_ns: int) -> None:
    """Answer the cancel of the order in a row: it ends now, or it is told that it was gone."""
    orders = exchange.orders
    kind = REPORT_CANCEL_REJECTED
    if orders[slot, ORDER_STATE] == STATE_RESTING:
        kind = REPORT_CANCELLED
        leave_line(orders, exchange.lines, exchange.meter, slot)
    price = orders[slot, ORDER_PRICE_TICKS]
    lots = orders[slot, ORDER_REMAINING]
    report(orders, exchange.reports, exchange.meter, delays, slot, kind, price, lots, exch_ns)
    orders[slot, ORDER_CANCEL_NS] = NEVER
    remove(orders, slot)
