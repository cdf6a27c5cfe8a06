"""Our resting orders at the exchange: who may come in, who is filled, the reports of it.

Which orders and cancels are on their way is `pending.py`; when they arrive, and what the market
does, is `fills.py` (over events) and `tape_fills.py` (over a tape); one order's place in its line
is `queueing.py`.
"""

from market.jit import inlined_kernel, kernel
from market.layout import (
    BUY,
    DELAY_RESPONSE_NS,
    ORDER_ID,
    ORDER_LOTS,
    ORDER_PRICE_TICKS,
    ORDER_REMAINING,
    ORDER_ROW,
    ORDER_SIDE,
    ORDER_TAKER,
    REPORT_ACCEPTED,
    REPORT_EXCH_NS,
    REPORT_FILL,
    REPORT_KIND,
    REPORT_LOTS,
    REPORT_MAKER,
    REPORT_ORDER_ID,
    REPORT_PRICE_TICKS,
    REPORT_REFUSED,
    REPORT_REJECTED,
    REPORT_SIDE,
    REPORT_TRADE_ID,
    REPORT_VISIBLE_NS,
    REPORTS_MAX,
    SCALE_MIN_LOTS,
    SCALE_MIN_NOTIONAL,
    SCALE_TICK_LOT,
)
from market.order_lines import (
    METER_ASK_LOW,
    METER_BID_HIGH,
    METER_BIDS,
    METER_OVERFLOW,
    METER_READ,
    METER_TRADES,
    METER_VISIBLE_NS,
    METER_WRITTEN,
    Exchange,
    note_bounds,
    place_in_line,
    remove,
)
from market.queueing import QUEUE_AHEAD, change, cross, trade
from market.types import F8, I8

HAIR = 1e-9  # of a lot: a third of three lots is one lot, however it was rounded


@inlined_kernel
def write_report(
    reports: I8,
    meter: I8,
    delays: I8,
    kind: int,
    order_id: int,
    side: int,
    price_ticks: int,
    lots: int,
    maker: int,
    exch_ns: int,
) -> None:
    """Write one report; it is visible a response delay later, never before the one before it."""
    if meter[METER_WRITTEN] - meter[METER_READ] >= REPORTS_MAX:
        meter[METER_OVERFLOW] += 1
    row = meter[METER_WRITTEN] & (REPORTS_MAX - 1)
    meter[METER_WRITTEN] += 1
    visible_ns = max(meter[METER_VISIBLE_NS], exch_ns + delays[DELAY_RESPONSE_NS])
    meter[METER_VISIBLE_NS] = visible_ns
    trade_id = 0
    if kind == REPORT_FILL:
        meter[METER_TRADES] += 1
        trade_id = meter[METER_TRADES]
    reports[row, REPORT_KIND] = kind
    reports[row, REPORT_ORDER_ID] = order_id
    reports[row, REPORT_SIDE] = side
    reports[row, REPORT_PRICE_TICKS] = price_ticks
    reports[row, REPORT_LOTS] = lots
    reports[row, REPORT_EXCH_NS] = exch_ns
    reports[row, REPORT_VISIBLE_NS] = visible_ns
    reports[row, REPORT_MAKER] = maker
    reports[row, REPORT_TRADE_ID] = trade_id


@inlined_kernel
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
    """Write one report about the order in a row; a fill takes its lots off the order."""
    order_id = orders[slot, ORDER_ID]
    side = orders[slot, ORDER_SIDE]
    maker = 1 - orders[slot, ORDER_TAKER]
    write_report(reports, meter, delays, kind, order_id, side, price_ticks, lots, maker, exch_ns)
    if kind == REPORT_FILL:
        orders[slot, ORDER_REMAINING] -= lots


@inlined_kernel
def admit(orders: I8, meter: I8, slot: int, best_bid: int, best_ask: int, scale: I8) -> int:
    """Return REPORT_ACCEPTED for an order that may come in, or the kind of its refusal.

    Refused is what the filters forbid, and what would meet an order of ours: the newer one goes.
    A post-only order that would take is rejected.

    Args:
        orders: i8[ORDERS_MAX, ORDER_COLUMNS].
        meter: i8[METER_COLUMNS].
        slot: its row.
        best_bid: of the market as it arrives, ticks.
        best_ask: the same.
        scale: i8[SCALE_COLUMNS].
    """
    side = orders[slot, ORDER_SIDE]
    price = orders[slot, ORDER_PRICE_TICKS]
    lots = orders[slot, ORDER_LOTS]
    worth = price * scale[SCALE_TICK_LOT] * lots
    if lots < scale[SCALE_MIN_LOTS] or worth <= 0 or worth < scale[SCALE_MIN_NOTIONAL]:
        return REPORT_REFUSED
    taker = orders[slot, ORDER_TAKER] != 0
    if side == BUY:
        if price >= best_ask and not taker:
            return REPORT_REJECTED
        return REPORT_REFUSED if price >= meter[METER_ASK_LOW] else REPORT_ACCEPTED
    if price <= best_bid and not taker:
        return REPORT_REJECTED
    return REPORT_REFUSED if price <= meter[METER_BID_HIGH] else REPORT_ACCEPTED


@inlined_kernel
def serve(
    exchange: Exchange,
    model: F8,
    delays: I8,
    side: int,
    price_ticks: int,
    lots: int,
    queued: bool,
    exch_ns: int,
) -> None:
    """Give `lots` that reached a price to our orders of a side, each lot once.

    Of several orders in one line, what the first took does not reach the second, and nobody who
    stood before the first stands behind the second.

    Args:
        exchange: changed.
        model: f8[MODEL_COLUMNS].
        delays: i8[DELAY_COLUMNS].
        side: side of ours that is hit.
        price_ticks: the price reached; orders at better prices are served first.
        lots: i8, > 0.
        queued: the lots ahead of us at exactly this price are served before us (a print there);
            otherwise nobody is left ahead of us (liquidity that rests at or through our price).
        exch_ns: exchange time.
    """
    orders = exchange.orders
    queue = exchange.queue
    lines = exchange.lines
    meter = exchange.meter
    row = (1 - side) >> 1
    count = meter[METER_BIDS + row]
    printed = float(lots)
    reached = printed
    others = 0.0  # lots of others that must be served first
    done = 0
    for index in range(count):
        slot = lines[row, index]
        price = orders[slot, ORDER_PRICE_TICKS]
        beyond = side * (price - price_ticks)
        if beyond < 0:
            break
        if queued and beyond == 0:
            passed = trade(model, queue[slot], reached, printed)
        else:
            passed = cross(model, queue[slot], reached, beyond > 0)
            orders[slot, ORDER_ROW] = 0  # its level has nothing more to say
        others = max(others, reached - passed)
        part = min(int(reached - others + HAIR), orders[slot, ORDER_REMAINING])
        if part > 0:
            reached -= part
            kind = REPORT_FILL
            report(orders, exchange.reports, meter, delays, slot, kind, price, part, exch_ns)
            done += orders[slot, ORDER_REMAINING] == 0
    if done > 0:
        kept = 0
        for index in range(count):
            slot = lines[row, index]
            if orders[slot, ORDER_REMAINING] > 0:
                lines[row, kept] = slot
                kept += 1
            else:
                remove(orders, slot)
        meter[METER_BIDS + row] = kept
        note_bounds(orders, lines, meter, row)


@kernel
def change_level(
    exchange: Exchange,
    model: F8,
    side: int,
    price_ticks: int,
    before: int,
    after: int,
    born: int,
) -> None:
    """Let our orders at a price know that its level changed."""
    orders = exchange.orders
    row = (1 - side) >> 1
    place = place_in_line(orders, exchange.lines, exchange.meter, side, price_ticks)
    for index in range(place, exchange.meter[METER_BIDS + row]):
        slot = exchange.lines[row, index]
        if orders[slot, ORDER_PRICE_TICKS] != price_ticks:
            break
        change(model, exchange.queue[slot], float(before), float(after), born)


@inlined_kernel
def ours_before(orders: I8, lines: I8, slot: int, place: int) -> int:
    """Return the row of our order that is next before one in its line at its price, or -1."""
    if place == 0:
        return -1
    other = lines[(1 - orders[slot, ORDER_SIDE]) >> 1, place - 1]
    if orders[other, ORDER_PRICE_TICKS] != orders[slot, ORDER_PRICE_TICKS]:
        return -1
    return int(other)


@inlined_kernel
def stand_behind(queue: F8, slot: int, other: int) -> None:
    """Let nobody who is before one of our orders be behind a later one at its price.

    A level can look empty after a lost connection while the earlier order's line still stands.
    """
    queue[slot, QUEUE_AHEAD] = max(queue[slot, QUEUE_AHEAD], queue[other, QUEUE_AHEAD])
