"""The exchange's side of our orders: arrival, queue, fills, cancels, reports.

The default model is strict: we join behind everything at our price, only real prints and newly
posted crossing liquidity fill us, and one lot of it is used once. Our orders do not move the
recorded market. Who decides what to send is not known here.
"""

import numpy as np

from market.book import apply
from market.jit import kernel
from market.layout import (
    ASK_ROW,
    BID_ROW,
    BUY,
    DELAY_CANCEL_NS,
    DELAY_ORDER_NS,
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SEEN,
    EVENT_SIDE,
    KIND_CLEAR,
    KIND_TRADE,
    NEVER,
    NO_ASK,
    NO_BID,
    ORDER_AHEAD,
    ORDER_ARRIVES_NS,
    ORDER_CANCEL_NS,
    ORDER_COLUMNS,
    ORDER_ID,
    ORDER_LOTS,
    ORDER_PRICE_TICKS,
    ORDER_REMAINING,
    ORDER_SENT_NS,
    ORDER_SIDE,
    ORDER_STATE,
    ORDER_TAKER,
    ORDERS_MAX,
    REPORT_ACCEPTED,
    REPORT_CANCEL_REJECTED,
    REPORT_CANCELLED,
    REPORT_COLUMNS,
    REPORT_FILL,
    REPORT_REJECTED,
    REPORTS_MAX,
    SEEN_EXCHANGE,
    SELL,
    STATE_FREE,
    STATE_GONE,
    STATE_IN_FLIGHT,
    STATE_RESTING,
    TOUCH_ASK,
    TOUCH_BASE,
    TOUCH_BID,
    TOUCH_OUTSIDE,
)
from market.resting import (
    METER_ASK_HIGH,
    METER_ASK_LOW,
    METER_BID_HIGH,
    METER_BID_LOW,
    METER_COLUMNS,
    METER_CURSOR,
    METER_NEXT_NS,
    METER_OVERFLOW,
    METER_READ,
    METER_TRADES,
    METER_USED,
    METER_WRITTEN,
    cap_queue,
    rebound,
    remove,
    report,
    serve,
)
from market.types import I8

__all__ = [
    "FULL",
    "METER_ASK_HIGH",
    "METER_ASK_LOW",
    "METER_BID_HIGH",
    "METER_BID_LOW",
    "METER_COLUMNS",
    "METER_CURSOR",
    "METER_NEXT_NS",
    "METER_OVERFLOW",
    "METER_READ",
    "METER_TRADES",
    "METER_USED",
    "METER_WRITTEN",
    "OK",
    "UNKNOWN_ORDER",
    "advance",
    "cancel",
    "new_exchange",
    "submit",
]

OK = 0
UNKNOWN_ORDER = 1  # a cancel of an order that is gone; its refusal will be reported
FULL = -1  # no free row


def new_exchange() -> tuple[I8, I8, I8]:
    """Return (orders, reports, meter) of an exchange that knows no order of ours."""
    meter = np.zeros(METER_COLUMNS, dtype=np.int64)
    meter[METER_NEXT_NS] = NEVER
    meter[METER_BID_HIGH] = NO_BID
    meter[METER_BID_LOW] = NO_ASK
    meter[METER_ASK_LOW] = NO_ASK
    meter[METER_ASK_HIGH] = NO_BID
    orders = np.zeros((ORDERS_MAX, ORDER_COLUMNS), dtype=np.int64)
    return orders, np.zeros((REPORTS_MAX, REPORT_COLUMNS), dtype=np.int64), meter


@kernel
def free_slot(orders: I8, meter: I8) -> int:
    """Return the first free row and count it as used; -1 when there is none."""
    for slot in range(ORDERS_MAX):
        if orders[slot, ORDER_STATE] == STATE_FREE:
            meter[METER_USED] = max(meter[METER_USED], slot + 1)
            return slot
    return -1


@kernel
def submit(
    orders: I8,
    meter: I8,
    order_id: int,
    side: int,
    price_ticks: int,
    lots: int,
    now_ns: int,
    delays: I8,
    taker: int,
) -> int:
    """Send an order at local time `now_ns`; return OK or FULL.

    Args:
        orders: i8[ORDERS_MAX, ORDER_COLUMNS], changed.
        meter: i8[METER_COLUMNS], changed.
        order_id: i8, > 0, rising from order to order: it also breaks ties in time.
        side: BUY or SELL.
        price_ticks: i8, limit.
        lots: i8, > 0.
        now_ns: i8.
        delays: i8[DELAY_COLUMNS].
        taker: 0 post-only, 1 immediate or cancel.
    """
    slot = free_slot(orders, meter)
    if slot < 0:
        meter[METER_OVERFLOW] += 1
        return FULL
    arrives = now_ns + delays[DELAY_ORDER_NS]
    orders[slot, ORDER_ID] = order_id
    orders[slot, ORDER_SIDE] = side
    orders[slot, ORDER_PRICE_TICKS] = price_ticks
    orders[slot, ORDER_LOTS] = lots
    orders[slot, ORDER_REMAINING] = lots
    orders[slot, ORDER_AHEAD] = 0
    orders[slot, ORDER_STATE] = STATE_IN_FLIGHT
    orders[slot, ORDER_ARRIVES_NS] = arrives
    orders[slot, ORDER_CANCEL_NS] = NEVER
    orders[slot, ORDER_SENT_NS] = now_ns
    orders[slot, ORDER_TAKER] = taker
    meter[METER_NEXT_NS] = min(meter[METER_NEXT_NS], arrives)
    return OK


@kernel
def cancel(orders: I8, meter: I8, order_id: int, now_ns: int, delays: I8) -> int:
    """Send a cancel at local time `now_ns`; return OK, UNKNOWN_ORDER or FULL.

    It takes effect on arrival, after everything that the exchange did at that instant. The cancel
    of an order that is gone travels too, and is answered with REPORT_CANCEL_REJECTED; when no row
    is free for it (FULL) it is not.
    """
    code = OK
    slot = -1
    for index in range(meter[METER_USED]):
        if orders[index, ORDER_STATE] != STATE_FREE and orders[index, ORDER_ID] == order_id:
            slot = index
    if slot < 0:
        slot = free_slot(orders, meter)
        if slot < 0:
            return FULL
        code = UNKNOWN_ORDER
        orders[slot, :] = 0
        orders[slot, ORDER_ID] = order_id
        orders[slot, ORDER_STATE] = STATE_GONE
    elif orders[slot, ORDER_CANCEL_NS] != NEVER:
        return OK  # one is on its way
    arrives = max(now_ns + delays[DELAY_CANCEL_NS], orders[slot, ORDER_ARRIVES_NS])
    orders[slot, ORDER_CANCEL_NS] = arrives
    meter[METER_NEXT_NS] = min(meter[METER_NEXT_NS], arrives)
    return code


@kernel
def take(
    levels: I8, touch: I8, orders: I8, reports: I8, meter: I8, delays: I8, slot: int, exch_ns: int
) -> None:
    """Fill a taker order from what the book shows, best price first; cancel the rest.

    The book stays as it is: the recording goes on as if we had not been there.
    """
    side = orders[slot, ORDER_SIDE]
    row = ASK_ROW if side == BUY else BID_ROW
    price = touch[TOUCH_ASK] if side == BUY else touch[TOUCH_BID]
    base = touch[TOUCH_BASE]
    width = levels.shape[1]
    while side * (orders[slot, ORDER_PRICE_TICKS] - price) >= 0:
        if price < base or price >= base + width or orders[slot, ORDER_REMAINING] == 0:
            break
        part = min(levels[row, price - base], orders[slot, ORDER_REMAINING])
        if part > 0:
            report(orders, reports, meter, delays, slot, REPORT_FILL, price, part, exch_ns)
        price += side
    rest = orders[slot, ORDER_REMAINING]
    if rest > 0:
        price = orders[slot, ORDER_PRICE_TICKS]
        report(orders, reports, meter, delays, slot, REPORT_CANCELLED, price, rest, exch_ns)
    remove(orders, meter, slot)


@kernel
def arrive(
    levels: I8, touch: I8, orders: I8, reports: I8, meter: I8, delays: I8, slot: int
) -> None:
    """Let the order in a row reach the book."""
    now_ns = orders[slot, ORDER_ARRIVES_NS]
    side = orders[slot, ORDER_SIDE]
    price = orders[slot, ORDER_PRICE_TICKS]
    lots = orders[slot, ORDER_LOTS]
    if orders[slot, ORDER_TAKER] != 0:
        take(levels, touch, orders, reports, meter, delays, slot, now_ns)
        return
    if (side == BUY and price >= touch[TOUCH_ASK]) or (side == SELL and price <= touch[TOUCH_BID]):
        report(orders, reports, meter, delays, slot, REPORT_REJECTED, price, lots, now_ns)
        remove(orders, meter, slot)
        return
    ahead = 0
    column = price - touch[TOUCH_BASE]
    if 0 <= column < levels.shape[1]:
        ahead = levels[BID_ROW if side == BUY else ASK_ROW, column]
    for index in range(meter[METER_USED]):  # our earlier order there keeps its place before us
        if (
            orders[index, ORDER_STATE] == STATE_RESTING
            and orders[index, ORDER_PRICE_TICKS] == price
            and orders[index, ORDER_SIDE] == side
        ):
            ahead = max(ahead, orders[index, ORDER_AHEAD])
    orders[slot, ORDER_AHEAD] = ahead
    orders[slot, ORDER_STATE] = STATE_RESTING
    report(orders, reports, meter, delays, slot, REPORT_ACCEPTED, price, lots, now_ns)
    rebound(orders, meter)


@kernel
def settle(
    levels: I8, touch: I8, orders: I8, reports: I8, meter: I8, delays: I8, before_ns: int
) -> None:
    """Let all orders and cancels arrive that are due before a time, in the order of arrival.

    At one instant cancels come first (they are sent first), then orders, each by id; a cancel
    never overtakes its own order.
    """
    while True:
        pick = -1
        first = NEVER
        first_arrival = False
        for slot in range(meter[METER_USED]):
            state = orders[slot, ORDER_STATE]
            if state == STATE_FREE:
                continue
            arrival = state == STATE_IN_FLIGHT
            due = orders[slot, ORDER_ARRIVES_NS if arrival else ORDER_CANCEL_NS]
            if due > first or due == NEVER:
                continue
            if due == first and pick >= 0:
                if arrival and not first_arrival:
                    continue
                if arrival == first_arrival and orders[slot, ORDER_ID] > orders[pick, ORDER_ID]:
                    continue
            pick = slot
            first = due
            first_arrival = arrival
        meter[METER_NEXT_NS] = first
        if pick < 0 or first >= before_ns:
            return
        if first_arrival:
            arrive(levels, touch, orders, reports, meter, delays, pick)
            continue
        gone = orders[pick, ORDER_STATE] == STATE_GONE
        kind = REPORT_CANCEL_REJECTED if gone else REPORT_CANCELLED
        price = orders[pick, ORDER_PRICE_TICKS]
        rest = orders[pick, ORDER_REMAINING]
        report(orders, reports, meter, delays, pick, kind, price, rest, first)
        orders[pick, ORDER_CANCEL_NS] = NEVER
        remove(orders, meter, pick)
        rebound(orders, meter)


@kernel
def aggressor(side: int, price_ticks: int, touch: I8) -> int:
    """Return the aggressor of a trade; an unknown one is told from the touch, else it is 0."""
    if side != 0:
        return side
    if price_ticks <= touch[TOUCH_BID]:
        return SELL
    if price_ticks >= touch[TOUCH_ASK]:
        return BUY
    return 0


@kernel
def advance(
    events: I8,
    levels: I8,
    touch: I8,
    orders: I8,
    reports: I8,
    meter: I8,
    delays: I8,
    now_ns: int,
) -> int:
    """Advance the exchange over its events with exch_ts <= now; return the unread reports.

    At one instant the market comes before our arrivals and cancels: what we send cannot have
    been there first.

    Args:
        events: i8[n, EVENT_COLUMNS]; read from METER_CURSOR on.
        levels: i8[2, width], the exchange's book, changed.
        touch: i8[TOUCH_COLUMNS], changed.
        orders: i8[ORDERS_MAX, ORDER_COLUMNS], changed.
        reports: i8[REPORTS_MAX, REPORT_COLUMNS], a ring; rows WRITTEN - READ are unread.
        meter: i8[METER_COLUMNS], changed.
        delays: i8[DELAY_COLUMNS].
        now_ns: i8, exchange clock.
    """
    read = meter[METER_CURSOR]
    for index in range(read, events.shape[0]):
        if events[index, EVENT_SEEN] & SEEN_EXCHANGE == 0:
            continue
        exch_ns = events[index, EVENT_EXCH_NS]
        if exch_ns > now_ns:
            break
        read = index + 1
        if meter[METER_NEXT_NS] < exch_ns:
            settle(levels, touch, orders, reports, meter, delays, exch_ns)
        kind = events[index, EVENT_KIND]
        side = events[index, EVENT_SIDE]
        price = events[index, EVENT_PRICE_TICKS]
        lots = events[index, EVENT_LOTS]
        if kind == KIND_TRADE:
            if lots > 0 and (price <= meter[METER_BID_HIGH] or price >= meter[METER_ASK_LOW]):
                hit = -aggressor(side, price, touch)
                if (hit == BUY and price <= meter[METER_BID_HIGH]) or (
                    hit == SELL and price >= meter[METER_ASK_LOW]
                ):
                    serve(orders, reports, meter, delays, hit, price, lots, True, exch_ns)
            continue
        outside = touch[TOUCH_OUTSIDE]
        before = apply(levels, touch, kind, side, price, lots)
        if kind == KIND_CLEAR or touch[TOUCH_OUTSIDE] != outside:
            continue  # a lost connection: neither did the queue before us go, nor was any hit
        if side == BUY:
            if price >= meter[METER_ASK_LOW] and lots > before:
                more = lots - before
                serve(orders, reports, meter, delays, SELL, price, more, False, exch_ns)
            if meter[METER_BID_LOW] <= price <= meter[METER_BID_HIGH]:
                cap_queue(orders, meter, BUY, price, lots)
        else:
            if price <= meter[METER_BID_HIGH] and lots > before:
                more = lots - before
                serve(orders, reports, meter, delays, BUY, price, more, False, exch_ns)
            if meter[METER_ASK_LOW] <= price <= meter[METER_ASK_HIGH]:
                cap_queue(orders, meter, SELL, price, lots)
    meter[METER_CURSOR] = read
    if meter[METER_NEXT_NS] <= now_ns:
        settle(levels, touch, orders, reports, meter, delays, now_ns + 1)
    return int(meter[METER_WRITTEN] - meter[METER_READ])
