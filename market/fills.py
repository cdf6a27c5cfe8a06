"""The exchange's side of our orders: arrival, queue, fills, cancels, and the reports of them.

The strict model, the default:

- an order joins its price level behind everything that rests there when it arrives;
- trades at its price, by the opposite aggressor, eat that queue first and then the order;
- a level that shrinks below the queue caps it: who left is assumed to have stood behind us as
  long as that is possible (risk-averse: only trades and the cap bring us forward);
- a trade through its price fills it, up to the trade's volume;
- liquidity of the other side that newly comes to rest at or through its price fills it, up to
  the increase of that level;
- one traded or posted lot never fills two of our orders: best price first, then time;
- a post-only order that would cross on arrival is rejected; an immediate-or-cancel order walks
  the visible book once and its rest is cancelled;
- what arrives at the time of an event comes after it; a cancel ends an order when it arrives,
  and a fill before that stands.

Own orders do not move the recorded market. What we believe of our orders is in `own.py`.
"""

import numpy as np

from market.book import apply, level_lots
from market.jit import kernel
from market.layout import (
    ASK_ROW,
    BID_ROW,
    BUY,
    DELAY_ORDER_NS,
    DELAY_RESPONSE_NS,
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
    REPORT_EXCH_NS,
    REPORT_FILL,
    REPORT_KIND,
    REPORT_LOTS,
    REPORT_MAKER,
    REPORT_ORDER_ID,
    REPORT_PRICE_TICKS,
    REPORT_REJECTED,
    REPORT_SIDE,
    REPORT_TRADE_ID,
    REPORT_VISIBLE_NS,
    REPORTS_MAX,
    SEEN_EXCHANGE,
    SELL,
    STATE_FREE,
    STATE_IN_FLIGHT,
    STATE_RESTING,
    TOUCH_ASK,
    TOUCH_BASE,
    TOUCH_BID,
)
from market.types import I8

# --- about the table of orders and the ring of reports: i8[METER_COLUMNS] -------------------
METER_CURSOR = 0  # next event to read
METER_WRITTEN = 1  # reports written so far
METER_READ = 2  # reports read so far
METER_TRADES = 3  # fills so far
METER_NEXT_NS = 4  # earliest arrival of an order or cancel; NEVER when none is under way
METER_OVERFLOW = 5  # reports lost because nobody read, orders lost because the table was full
METER_SLOTS = 6  # slots in use lie below this row
METER_BID_LOW = 7  # our resting bids lie in [low, high]; empty: low NO_ASK, high NO_BID
METER_BID_HIGH = 8
METER_ASK_LOW = 9
METER_ASK_HIGH = 10
METER_COLUMNS = 11

STATE_GONE = 3  # filled or rejected, but a cancel is still under way to it

OK = 0
FULL = -1


def new_exchange() -> tuple[I8, I8, I8]:
    """Return (orders, reports, meter): no order, no report, nothing read."""
    meter = np.zeros(METER_COLUMNS, dtype=np.int64)
    meter[METER_NEXT_NS] = NEVER
    meter[METER_BID_LOW] = NO_ASK
    meter[METER_BID_HIGH] = NO_BID
    meter[METER_ASK_LOW] = NO_ASK
    meter[METER_ASK_HIGH] = NO_BID
    return (
        np.zeros((ORDERS_MAX, ORDER_COLUMNS), dtype=np.int64),
        np.zeros((REPORTS_MAX, REPORT_COLUMNS), dtype=np.int64),
        meter,
    )


@kernel
def free_slot(orders: I8, meter: I8) -> int:
    """Return a free row, or FULL."""
    for slot in range(orders.shape[0]):
        if orders[slot, ORDER_STATE] == STATE_FREE:
            meter[METER_SLOTS] = max(meter[METER_SLOTS], slot + 1)
            return slot
    meter[METER_OVERFLOW] += 1
    return FULL


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
    """Send an order: it reaches the exchange DELAY_ORDER_NS later. Return OK or FULL."""
    slot = free_slot(orders, meter)
    if slot < 0:
        return FULL
    orders[slot, ORDER_ID] = order_id
    orders[slot, ORDER_SIDE] = side
    orders[slot, ORDER_PRICE_TICKS] = price_ticks
    orders[slot, ORDER_LOTS] = lots
    orders[slot, ORDER_REMAINING] = lots
    orders[slot, ORDER_AHEAD] = 0
    orders[slot, ORDER_STATE] = STATE_IN_FLIGHT
    orders[slot, ORDER_ARRIVES_NS] = now_ns + delays[DELAY_ORDER_NS]
    orders[slot, ORDER_CANCEL_NS] = NEVER
    orders[slot, ORDER_SENT_NS] = now_ns
    orders[slot, ORDER_TAKER] = taker
    meter[METER_NEXT_NS] = min(meter[METER_NEXT_NS], orders[slot, ORDER_ARRIVES_NS])
    return OK


@kernel
def cancel(orders: I8, meter: I8, order_id: int, now_ns: int, delays: I8) -> int:
    """Send a cancel: it reaches the exchange DELAY_ORDER_NS later. Return OK or FULL."""
    arrives_ns = now_ns + delays[DELAY_ORDER_NS]
    slot = -1
    for row in range(meter[METER_SLOTS]):
        if orders[row, ORDER_STATE] != STATE_FREE and orders[row, ORDER_ID] == order_id:
            slot = row
            break
    if slot < 0:
        slot = free_slot(orders, meter)
        if slot < 0:
            return FULL
        orders[slot, :] = 0
        orders[slot, ORDER_ID] = order_id
        orders[slot, ORDER_STATE] = STATE_GONE
        orders[slot, ORDER_CANCEL_NS] = NEVER
        orders[slot, ORDER_SENT_NS] = now_ns
    if orders[slot, ORDER_CANCEL_NS] == NEVER:
        orders[slot, ORDER_CANCEL_NS] = arrives_ns
        meter[METER_NEXT_NS] = min(meter[METER_NEXT_NS], arrives_ns)
    return OK


@kernel
def report(
    kind: int, orders: I8, slot: int, lots: int, exch_ns: int, delays: I8, reports: I8, meter: I8
) -> int:
    """Append one report about a slot; return its row in the ring."""
    if meter[METER_WRITTEN] - meter[METER_READ] >= reports.shape[0]:
        meter[METER_OVERFLOW] += 1
        meter[METER_READ] += 1
    row = meter[METER_WRITTEN] % reports.shape[0]
    reports[row, REPORT_KIND] = kind
    reports[row, REPORT_ORDER_ID] = orders[slot, ORDER_ID]
    reports[row, REPORT_SIDE] = orders[slot, ORDER_SIDE]
    reports[row, REPORT_PRICE_TICKS] = orders[slot, ORDER_PRICE_TICKS]
    reports[row, REPORT_LOTS] = lots
    reports[row, REPORT_EXCH_NS] = exch_ns
    reports[row, REPORT_VISIBLE_NS] = exch_ns + delays[DELAY_RESPONSE_NS]
    reports[row, REPORT_MAKER] = 1
    reports[row, REPORT_TRADE_ID] = 0
    meter[METER_WRITTEN] += 1
    return int(row)


@kernel
def release(orders: I8, slot: int) -> None:
    """End an order: its slot is free unless a cancel is still under way to it."""
    if orders[slot, ORDER_CANCEL_NS] == NEVER:
        orders[slot, ORDER_STATE] = STATE_FREE
        orders[slot, ORDER_ID] = 0
    else:
        orders[slot, ORDER_STATE] = STATE_GONE


@kernel
def bound(orders: I8, meter: I8) -> None:
    """Recompute where our resting orders lie and when the next message arrives."""
    meter[METER_NEXT_NS] = NEVER
    meter[METER_BID_LOW] = NO_ASK
    meter[METER_BID_HIGH] = NO_BID
    meter[METER_ASK_LOW] = NO_ASK
    meter[METER_ASK_HIGH] = NO_BID
    last = 0
    for slot in range(meter[METER_SLOTS]):
        state = orders[slot, ORDER_STATE]
        if state == STATE_FREE:
            continue
        last = slot + 1
        meter[METER_NEXT_NS] = min(meter[METER_NEXT_NS], orders[slot, ORDER_CANCEL_NS])
        if state == STATE_IN_FLIGHT:
            meter[METER_NEXT_NS] = min(meter[METER_NEXT_NS], orders[slot, ORDER_ARRIVES_NS])
        elif state == STATE_RESTING:
            price = orders[slot, ORDER_PRICE_TICKS]
            if orders[slot, ORDER_SIDE] == BUY:
                meter[METER_BID_LOW] = min(meter[METER_BID_LOW], price)
                meter[METER_BID_HIGH] = max(meter[METER_BID_HIGH], price)
            else:
                meter[METER_ASK_LOW] = min(meter[METER_ASK_LOW], price)
                meter[METER_ASK_HIGH] = max(meter[METER_ASK_HIGH], price)
    meter[METER_SLOTS] = last


@kernel
def fill_order(
    orders: I8,
    slot: int,
    price_ticks: int,
    lots: int,
    maker: int,
    exch_ns: int,
    delays: I8,
    reports: I8,
    meter: I8,
) -> None:
    """Fill part or all of an order and report it."""
    orders[slot, ORDER_REMAINING] -= lots
    row = report(REPORT_FILL, orders, slot, lots, exch_ns, delays, reports, meter)
    meter[METER_TRADES] += 1
    reports[row, REPORT_PRICE_TICKS] = price_ticks
    reports[row, REPORT_MAKER] = maker
    reports[row, REPORT_TRADE_ID] = meter[METER_TRADES]
    if orders[slot, ORDER_REMAINING] == 0:
        release(orders, slot)


@kernel
def walk_book(
    orders: I8,
    slot: int,
    levels: I8,
    touch: I8,
    exch_ns: int,
    delays: I8,
    reports: I8,
    meter: I8,
) -> None:
    """Fill an immediate-or-cancel order from the visible book up to its price; cancel the rest."""
    side = orders[slot, ORDER_SIDE]
    limit = orders[slot, ORDER_PRICE_TICKS]
    row = ASK_ROW if side == BUY else BID_ROW
    price = touch[TOUCH_ASK] if side == BUY else touch[TOUCH_BID]
    empty = price in (NO_ASK, NO_BID)
    while not empty and side * (limit - price) >= 0:
        column = price - touch[TOUCH_BASE]
        if column < 0 or column >= levels.shape[1] or orders[slot, ORDER_REMAINING] <= 0:
            break
        lots = min(levels[row, column], orders[slot, ORDER_REMAINING])
        if lots > 0:
            fill_order(orders, slot, price, lots, 0, exch_ns, delays, reports, meter)
        price += side
    if orders[slot, ORDER_REMAINING] > 0:
        left = orders[slot, ORDER_REMAINING]
        report(REPORT_CANCELLED, orders, slot, left, exch_ns, delays, reports, meter)
        release(orders, slot)


@kernel
def arrive(
    orders: I8,
    slot: int,
    levels: I8,
    touch: I8,
    exch_ns: int,
    delays: I8,
    reports: I8,
    meter: I8,
) -> None:
    """Let an order reach the book: it rests behind its level, crosses, or is rejected."""
    side = orders[slot, ORDER_SIDE]
    price = orders[slot, ORDER_PRICE_TICKS]
    if orders[slot, ORDER_TAKER] != 0:
        walk_book(orders, slot, levels, touch, exch_ns, delays, reports, meter)
        return
    crosses = price >= touch[TOUCH_ASK] if side == BUY else price <= touch[TOUCH_BID]
    left = orders[slot, ORDER_REMAINING]
    if crosses:
        report(REPORT_REJECTED, orders, slot, left, exch_ns, delays, reports, meter)
        release(orders, slot)
        return
    orders[slot, ORDER_STATE] = STATE_RESTING
    orders[slot, ORDER_AHEAD] = level_lots(levels, touch, side, price)
    report(REPORT_ACCEPTED, orders, slot, left, exch_ns, delays, reports, meter)


@kernel
def deliver_due(
    orders: I8,
    levels: I8,
    touch: I8,
    reports: I8,
    meter: I8,
    delays: I8,
    before_ns: int,
) -> None:
    """Let the orders and cancels that arrive before a time reach the book, in time order."""
    while meter[METER_NEXT_NS] < before_ns:
        due_ns = meter[METER_NEXT_NS]
        slot = -1
        is_cancel = 0
        for row in range(meter[METER_SLOTS]):
            state = orders[row, ORDER_STATE]
            if state == STATE_IN_FLIGHT and orders[row, ORDER_ARRIVES_NS] == due_ns:
                if slot < 0 or is_cancel != 0 or orders[row, ORDER_ID] < orders[slot, ORDER_ID]:
                    slot = row
                    is_cancel = 0
            elif (
                state != STATE_FREE
                and orders[row, ORDER_CANCEL_NS] == due_ns
                and (
                    slot < 0 or (is_cancel != 0 and orders[row, ORDER_ID] < orders[slot, ORDER_ID])
                )
            ):
                slot = row
                is_cancel = 1
        if slot < 0:
            bound(orders, meter)
            continue
        if is_cancel == 0:
            arrive(orders, slot, levels, touch, due_ns, delays, reports, meter)
        else:
            left = orders[slot, ORDER_REMAINING]
            gone = orders[slot, ORDER_STATE] == STATE_GONE
            kind = REPORT_CANCEL_REJECTED if gone else REPORT_CANCELLED
            report(kind, orders, slot, left, due_ns, delays, reports, meter)
            orders[slot, ORDER_CANCEL_NS] = NEVER
            release(orders, slot)
        bound(orders, meter)


@kernel
def next_best(orders: I8, meter: I8, side: int, limit: int, done_price: int, done_id: int) -> int:
    """Return the slot of our next resting order at or better than a price, or -1.

    Orders come best price first, then by id (time of sending); (done_price, done_id) is the last
    one handled, with id 0 for none.
    """
    best = -1
    for slot in range(meter[METER_SLOTS]):
        if orders[slot, ORDER_STATE] != STATE_RESTING or orders[slot, ORDER_SIDE] != side:
            continue
        price = orders[slot, ORDER_PRICE_TICKS]
        if side * (price - limit) < 0:
            continue
        if done_id != 0:
            behind = side * (done_price - price)
            if behind < 0 or (behind == 0 and orders[slot, ORDER_ID] <= done_id):
                continue
        if best >= 0:
            ahead = side * (price - orders[best, ORDER_PRICE_TICKS])
            if ahead < 0 or (ahead == 0 and orders[slot, ORDER_ID] > orders[best, ORDER_ID]):
                continue
        best = slot
    return best


@kernel
def match_flow(
    orders: I8,
    side: int,
    limit: int,
    lots: int,
    queued: int,
    exch_ns: int,
    delays: I8,
    reports: I8,
    meter: I8,
) -> None:
    """Fill our orders of a side with flow that reached a price.

    Args:
        side: of our orders.
        limit: the price that was reached; better-priced orders were passed through.
        lots: volume of the flow; no lot is used twice.
        queued: 1 when the queue at `limit` is served before us (a trade), 0 when the flow itself
            came to rest there (posted liquidity).
    """
    used = 0
    done_price = 0
    done_id = 0
    changed = False
    while used < lots:
        slot = next_best(orders, meter, side, limit, done_price, done_id)
        if slot < 0:
            break
        done_price = orders[slot, ORDER_PRICE_TICKS]
        done_id = orders[slot, ORDER_ID]
        room = lots - used
        if queued != 0 and done_price == limit:
            ahead = orders[slot, ORDER_AHEAD]
            orders[slot, ORDER_AHEAD] = max(0, ahead - room)
            room -= ahead
        take = min(room, orders[slot, ORDER_REMAINING])
        if take > 0:
            used += take
            fill_order(orders, slot, done_price, take, 1, exch_ns, delays, reports, meter)
            changed = True
    if changed:
        bound(orders, meter)


@kernel
def cap_queue(orders: I8, meter: I8, side: int, price_ticks: int, lots: int) -> None:
    """Bring our orders at a price forward to what the level still holds."""
    for slot in range(meter[METER_SLOTS]):
        if (
            orders[slot, ORDER_STATE] == STATE_RESTING
            and orders[slot, ORDER_SIDE] == side
            and orders[slot, ORDER_PRICE_TICKS] == price_ticks
        ):
            orders[slot, ORDER_AHEAD] = min(orders[slot, ORDER_AHEAD], lots)


@kernel
def aggressor(side: int, price_ticks: int, touch: I8) -> int:
    """Return the aggressor of a trade; an unknown one is told from the touch, else 0."""
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
    """Advance the exchange side to a time, arrivals included; return reports not yet read.

    Args:
        events: i8[n, EVENT_COLUMNS]; those with SEEN_EXCHANGE and exch time <= now_ns are read.
        levels: i8[2, width], the exchange's book, changed.
        touch: i8[TOUCH_COLUMNS], changed.
        orders: i8[ORDERS_MAX, ORDER_COLUMNS], changed.
        reports: i8[REPORTS_MAX, REPORT_COLUMNS], a ring, changed.
        meter: i8[METER_COLUMNS], changed.
        delays: i8[DELAY_COLUMNS].
        now_ns: i8.
    """
    index = meter[METER_CURSOR]
    count = events.shape[0]
    while index < count:
        if events[index, EVENT_SEEN] & SEEN_EXCHANGE == 0:
            index += 1
            continue
        exch_ns = events[index, EVENT_EXCH_NS]
        if exch_ns > now_ns:
            break
        if meter[METER_NEXT_NS] < exch_ns:
            deliver_due(orders, levels, touch, reports, meter, delays, exch_ns)
        kind = events[index, EVENT_KIND]
        side = events[index, EVENT_SIDE]
        price = events[index, EVENT_PRICE_TICKS]
        lots = events[index, EVENT_LOTS]
        index += 1
        if kind == KIND_TRADE:
            if price <= meter[METER_BID_HIGH] or price >= meter[METER_ASK_LOW]:
                hit = aggressor(side, price, touch)
                if hit == SELL and price <= meter[METER_BID_HIGH]:
                    match_flow(orders, BUY, price, lots, 1, exch_ns, delays, reports, meter)
                elif hit == BUY and price >= meter[METER_ASK_LOW]:
                    match_flow(orders, SELL, price, lots, 1, exch_ns, delays, reports, meter)
            continue
        previous = apply(levels, touch, kind, side, price, lots)
        if kind == KIND_CLEAR:
            continue
        if side == BUY:
            if meter[METER_BID_LOW] <= price <= meter[METER_BID_HIGH]:
                cap_queue(orders, meter, BUY, price, lots)
            if price >= meter[METER_ASK_LOW] and lots > previous:
                more = lots - previous
                match_flow(orders, SELL, price, more, 0, exch_ns, delays, reports, meter)
        else:
            if meter[METER_ASK_LOW] <= price <= meter[METER_ASK_HIGH]:
                cap_queue(orders, meter, SELL, price, lots)
            if price <= meter[METER_BID_HIGH] and lots > previous:
                more = lots - previous
                match_flow(orders, BUY, price, more, 0, exch_ns, delays, reports, meter)
    meter[METER_CURSOR] = index
    if meter[METER_NEXT_NS] <= now_ns:
        deliver_due(orders, levels, touch, reports, meter, delays, now_ns + 1)
    return int(meter[METER_WRITTEN] - meter[METER_READ])
