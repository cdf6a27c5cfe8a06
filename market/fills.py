"""The exchange's side of our orders over a recording's events: what the market does, in time.

Partial fills reach the position; only real prints and newly posted crossing liquidity fill us,
and one lot of it is used once. Our orders do not move the recorded market. Who decides what to
send is not known here; the same over a tape, in the same bytes, is `tape_fills.py`.
"""

from market.book import apply
from market.jit import kernel
from market.layout import (
    ASK_ROW,
    BID_ROW,
    BUY,
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SEEN,
    EVENT_SIDE,
    KIND_CLEAR,
    KIND_TRADE,
    ORDER_ARRIVES_NS,
    ORDER_CANCEL_NS,
    ORDER_LOTS,
    ORDER_PRICE_TICKS,
    ORDER_REMAINING,
    ORDER_SIDE,
    ORDER_STATE,
    ORDER_TAKER,
    REPORT_ACCEPTED,
    REPORT_CANCELLED,
    REPORT_FILL,
    SEEN_EXCHANGE,
    SELL,
    STATE_RESTING,
    TOUCH_ASK,
    TOUCH_BASE,
    TOUCH_BID,
    TOUCH_OUTSIDE,
)
from market.order_lines import (
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
    METER_WRITTEN,
    Exchange,
    enter_line,
    open_exchange,
    remove,
)
from market.pending import (
    FULL,
    OK,
    UNKNOWN_ORDER,
    answer_next,
    cancel,
    cancel_is_next,
    end_order,
    note_next,
    submit,
    take_next,
)
from market.queueing import NO_BIRTH, join
from market.resting import admit, change_level, ours_before, report, serve, stand_behind
from market.types import F8, I4, I8

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
    "METER_WRITTEN",
    "OK",
    "UNKNOWN_ORDER",
    "Exchange",
    "advance",
    "cancel",
    "open_exchange",
    "submit",
]


@kernel
def take(exchange: Exchange, delays: I8, slot: int, exch_ns: int) -> None:
    """Fill a taker order from what the book shows, best price first; cancel the rest.

    The book stays as it is: the recording goes on as if we had not been there.
    """
    levels = exchange.levels
    orders = exchange.orders
    reports = exchange.reports
    meter = exchange.meter
    side = orders[slot, ORDER_SIDE]
    row = ASK_ROW if side == BUY else BID_ROW
    price = exchange.touch[row]
    base = exchange.touch[TOUCH_BASE]
    width = levels.shape[1]
    while side * (orders[slot, ORDER_PRICE_TICKS] - price) >= 0:
        if price < base or price >= base + width or orders[slot, ORDER_REMAINING] == 0:
            break
        part = min(levels[row, price - base], orders[slot, ORDER_REMAINING])
        if part > 0:
            report(orders, reports, meter, delays, slot, REPORT_FILL, price, part, exch_ns)
        price += side
    rest_lots = orders[slot, ORDER_REMAINING]
    if rest_lots > 0:
        price = orders[slot, ORDER_PRICE_TICKS]
        report(orders, reports, meter, delays, slot, REPORT_CANCELLED, price, rest_lots, exch_ns)
    remove(orders, slot)


@kernel
def arrive(exchange: Exchange, model: F8, scale: I8, delays: I8, slot: int, cut: int) -> None:
    """Let the order in a row reach the book, after the first `cut` events."""
    orders = exchange.orders
    meter = exchange.meter
    touch = exchange.touch
    now_ns = orders[slot, ORDER_ARRIVES_NS]
    side = orders[slot, ORDER_SIDE]
    price = orders[slot, ORDER_PRICE_TICKS]
    kind = admit(orders, meter, slot, touch[TOUCH_BID], touch[TOUCH_ASK], scale)
    if kind != REPORT_ACCEPTED:
        lots = orders[slot, ORDER_REMAINING]
        report(orders, exchange.reports, meter, delays, slot, kind, price, lots, now_ns)
        remove(orders, slot)
    elif orders[slot, ORDER_TAKER] != 0:
        take(exchange, delays, slot, now_ns)
    else:
        ahead = 0
        column = price - touch[TOUCH_BASE]
        if 0 <= column < exchange.levels.shape[1]:
            ahead = exchange.levels[BID_ROW if side == BUY else ASK_ROW, column]
        join(model, exchange.queue[slot], float(ahead), cut)
        place = enter_line(orders, exchange.lines, meter, slot)
        other = ours_before(orders, exchange.lines, slot, place)
        if other >= 0:
            stand_behind(exchange.queue, slot, other)
        orders[slot, ORDER_STATE] = STATE_RESTING
        lots = orders[slot, ORDER_LOTS]
        report(orders, exchange.reports, meter, delays, slot, kind, price, lots, now_ns)
    if orders[slot, ORDER_CANCEL_NS] == now_ns:  # it rode with its order
        end_order(exchange, delays, slot, now_ns)


@kernel
def settle(exchange: Exchange, model: F8, scale: I8, delays: I8, before_ns: int, cut: int) -> None:
    """Let all orders and cancels arrive that are due before a time, in the order of arrival."""
    meter = exchange.meter
    while meter[METER_NEXT_NS] < before_ns:
        if cancel_is_next(exchange):
            answer_next(exchange, delays)
        else:
            arrive(exchange, model, scale, delays, take_next(exchange), cut)
        note_next(exchange)


@kernel
def aggressor(side: int, price_ticks: int, touch: I8) -> int:
    """Return the aggressor of a trade; an unknown one is told from the touch, else it is 0.

    In a crossed book a price can be on both sides of it: then nobody knows either.
    """
    if side != 0:
        return side
    sold = price_ticks <= touch[TOUCH_BID]
    bought = price_ticks >= touch[TOUCH_ASK]
    if sold == bought:
        return 0
    return SELL if sold else BUY


@kernel
def meet_depth(
    exchange: Exchange,
    model: F8,
    delays: I8,
    side: int,
    price: int,
    before: int,
    lots: int,
    born: int,
    exch_ns: int,
) -> None:
    """Let our orders meet a level that has changed: crossing ones fill, those in it move up.

    Newly posted liquidity reaches our crossing orders only where it is its side's best price.
    """
    meter = exchange.meter
    grown = lots - before
    if side == BUY:
        if price >= meter[METER_ASK_LOW] and grown > 0 and price == exchange.touch[TOUCH_BID]:
            serve(exchange, model, delays, SELL, price, grown, False, exch_ns)
        if meter[METER_BID_LOW] <= price <= meter[METER_BID_HIGH]:
            change_level(exchange, model, BUY, price, before, lots, born)
    else:
        if price <= meter[METER_BID_HIGH] and grown > 0 and price == exchange.touch[TOUCH_ASK]:
            serve(exchange, model, delays, BUY, price, grown, False, exch_ns)
        if meter[METER_ASK_LOW] <= price <= meter[METER_ASK_HIGH]:
            change_level(exchange, model, SELL, price, before, lots, born)


@kernel
def advance(
    events: I8,
    born: I4,
    exchange: Exchange,
    model: F8,
    scale: I8,
    delays: I8,
    now_ns: int,
) -> int:
    """Advance the exchange over its events with exch_ts <= now; return the unread reports.

    At one instant the market comes before our arrivals and cancels: what we send cannot have
    been there first.

    Args:
        events: i8[n, EVENT_COLUMNS]; read from METER_CURSOR on.
        born: i4[n], event that added the order which changed; i4[0] without order ids.
        exchange: changed.
        model: f8[MODEL_COLUMNS].
        scale: i8[SCALE_COLUMNS], for the filters.
        delays: i8[DELAY_COLUMNS] of the step whose time is `now_ns`.
        now_ns: i8, exchange clock.
    """
    touch = exchange.touch
    meter = exchange.meter
    read = meter[METER_CURSOR]
    for index in range(read, events.shape[0]):
        if events[index, EVENT_SEEN] & SEEN_EXCHANGE == 0:
            continue
        exch_ns = events[index, EVENT_EXCH_NS]
        if exch_ns > now_ns:
            break
        if meter[METER_NEXT_NS] < exch_ns:
            settle(exchange, model, scale, delays, exch_ns, read)
        read = index + 1
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
                    serve(exchange, model, delays, hit, price, lots, True, exch_ns)
            continue
        outside = touch[TOUCH_OUTSIDE]
        before = apply(exchange.levels, touch, kind, side, price, lots)
        if kind == KIND_CLEAR or touch[TOUCH_OUTSIDE] != outside:
            continue  # a lost connection: neither did the queue before us go, nor was any hit
        added = born[index] if index < born.shape[0] else NO_BIRTH
        meet_depth(exchange, model, delays, side, price, before, lots, added, exch_ns)
    meter[METER_CURSOR] = read
    if meter[METER_NEXT_NS] <= now_ns:
        settle(exchange, model, scale, delays, now_ns + 1, read)
    return int(meter[METER_WRITTEN] - meter[METER_READ])
