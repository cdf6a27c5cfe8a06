"""The exchange's side of our orders over a tape: the reports of `fills.py`, in the same bytes.

A step reads its window of hits, and only when they reach us. An order's line is not looked up
when it arrives but when a trade first prints at its price: most orders never see one. From then
on the level's history is read row by row, up to each print.
"""

from market.hit_blocks import hits_until, next_hit
from market.jit import inlined_kernel, kernel
from market.layout import (
    ASK_ROW,
    BID_ROW,
    BUY,
    FRAME_ASK,
    FRAME_BID,
    FRAME_HIGH,
    FRAME_HIT,
    FRAME_LOW,
    FRAME_ORDER_EVENT,
    HIT_ON_ASKS,
    HIT_POSTED,
    HIT_SHIFT,
    LEVEL_DEPTH,
    LEVEL_FLAG_MASK,
    LEVEL_SHIFT,
    LEVEL_SIDE_SHIFT,
    NO_ASK,
    NO_BID,
    ORDER_ARRIVES_NS,
    ORDER_BEFORE,
    ORDER_CANCEL_NS,
    ORDER_CUT,
    ORDER_LOTS,
    ORDER_PRICE_TICKS,
    ORDER_REMAINING,
    ORDER_ROW,
    ORDER_ROW_END,
    ORDER_SEGMENT,
    ORDER_SIDE,
    ORDER_STATE,
    ORDER_STEP,
    ORDER_TAKER,
    ORDERS_MAX,
    REPORT_ACCEPTED,
    REPORT_CANCELLED,
    REPORT_FILL,
    SEGMENT_EVENT,
    SEGMENT_KEY,
    SEGMENT_KEY_END,
    STATE_RESTING,
)
from market.levels import find_key, find_segment, rows_before
from market.order_lines import (
    METER_ARRIVED,
    METER_ASK_LOW,
    METER_BID_HIGH,
    METER_BIDS,
    METER_NEXT_NS,
    METER_READ,
    METER_SEGMENT,
    METER_SENT,
    METER_WRITTEN,
    Exchange,
    enter_line,
    place_in_line,
    remove,
)
from market.pending import answer_next, cancel_is_next, end_order, note_next, take_next
from market.queueing import MODEL_KIND, NO_BIRTH, QUEUE_AHEAD, TOUCH, TRADE_THROUGH, change, join
from market.resting import admit, ours_before, report, serve, stand_behind
from market.stream import Stream
from market.types import F8, I8

UNREAD = -1  # in ORDER_ROW


@inlined_kernel
def open_level(stream: Stream, orders: I8, slot: int, segment: int) -> None:
    """Let an order read its level in a segment, from the level's first row there on."""
    row = (1 - orders[slot, ORDER_SIDE]) >> 1
    column = orders[slot, ORDER_PRICE_TICKS] - stream.base[0]
    orders[slot, ORDER_SEGMENT] = segment
    orders[slot, ORDER_ROW] = 0
    orders[slot, ORDER_ROW_END] = 0
    if segment < 0 or column < 0 or column >> LEVEL_SIDE_SHIFT != 0:
        return
    key = row << LEVEL_SIDE_SHIFT | column
    place = find_key(stream.level_keys, stream.segments, segment, key)
    if place < stream.segments[segment, SEGMENT_KEY_END] and stream.level_keys[place] == key:
        orders[slot, ORDER_ROW] = stream.level_starts[place]
        orders[slot, ORDER_ROW_END] = stream.level_starts[place + 1]


@inlined_kernel
def join_level(stream: Stream, exchange: Exchange, model: F8, slot: int) -> None:
    """Take an order's place behind all that its level held as it arrived."""
    orders = exchange.orders
    cut = orders[slot, ORDER_CUT]
    segment = find_segment(stream.segments, cut - 1, exchange.meter[METER_SEGMENT])
    exchange.meter[METER_SEGMENT] = max(0, segment)
    open_level(stream, orders, slot, segment)
    first = orders[slot, ORDER_ROW]
    row = rows_before(stream.level_events, first, orders[slot, ORDER_ROW_END], cut)
    lots = 0
    if row > first:
        lots = stream.level_lots[row - 1] >> LEVEL_SHIFT
    orders[slot, ORDER_ROW] = row
    orders[slot, ORDER_BEFORE] = lots
    join(model, exchange.queue[slot], float(lots), cut)


@inlined_kernel
def read_level(stream: Stream, exchange: Exchange, model: F8, slot: int, event: int) -> None:
    """Bring an order's place in line up to an event: the rows of its level before it are read."""
    orders = exchange.orders
    queue = exchange.queue[slot]
    level_lots = stream.level_lots
    if orders[slot, ORDER_ROW] == UNREAD:
        join_level(stream, exchange, model, slot)
    before = orders[slot, ORDER_BEFORE]
    ids = stream.level_born.shape[0] > 0
    while queue[QUEUE_AHEAD] > 0.0:
        row = orders[slot, ORDER_ROW]
        end = rows_before(stream.level_events, row, orders[slot, ORDER_ROW_END], event)
        while row < end and queue[QUEUE_AHEAD] > 0.0:
            lots = level_lots[row] >> LEVEL_SHIFT
            if level_lots[row] & LEVEL_FLAG_MASK == LEVEL_DEPTH:
                born = stream.level_born[row] if ids else NO_BIRTH
                change(model, queue, float(before), float(lots), born)
            before = lots
            row += 1
        orders[slot, ORDER_ROW] = row
        segment = orders[slot, ORDER_SEGMENT] + 1
        if (
            row < orders[slot, ORDER_ROW_END]
            or segment >= stream.segments.shape[0]
            or stream.segments[segment, SEGMENT_EVENT] >= event
        ):
            break
        open_level(stream, orders, slot, segment)
    orders[slot, ORDER_BEFORE] = before


@inlined_kernel
def read_levels(
    stream: Stream, exchange: Exchange, model: F8, side: int, price_ticks: int, event: int
) -> None:
    """Bring all our orders at a price up to an event."""
    orders = exchange.orders
    row = (1 - side) >> 1
    place = place_in_line(orders, exchange.lines, exchange.meter, side, price_ticks)
    for index in range(place, exchange.meter[METER_BIDS + row]):
        slot = exchange.lines[row, index]
        if orders[slot, ORDER_PRICE_TICKS] != price_ticks:
            break
        read_level(stream, exchange, model, slot, event)


@kernel
def take_levels(
    stream: Stream, exchange: Exchange, delays: I8, slot: int, best: int, exch_ns: int
) -> None:
    """Fill a taker order from what the levels held as it arrived, best first; cancel the rest."""
    orders = exchange.orders
    reports = exchange.reports
    meter = exchange.meter
    segments = stream.segments
    side = orders[slot, ORDER_SIDE]
    row = ASK_ROW if side == BUY else BID_ROW
    cut = orders[slot, ORDER_CUT]
    limit = orders[slot, ORDER_PRICE_TICKS]
    segment = find_segment(segments, cut - 1, meter[METER_SEGMENT])
    if segment >= 0 and NO_BID < best < NO_ASK and best >= stream.base[0]:
        key = row << LEVEL_SIDE_SHIFT | (best - stream.base[0])
        place = find_key(stream.level_keys, segments, segment, key)
        while segments[segment, SEGMENT_KEY] <= place < segments[segment, SEGMENT_KEY_END]:
            key = stream.level_keys[place]
            price = stream.base[0] + (key & ((1 << LEVEL_SIDE_SHIFT) - 1))
            if (
                key >> LEVEL_SIDE_SHIFT != row
                or side * (limit - price) < 0
                or orders[slot, ORDER_REMAINING] == 0
            ):
                break
            first = stream.level_starts[place]
            end = rows_before(stream.level_events, first, stream.level_starts[place + 1], cut)
            if end > first:
                held = stream.level_lots[end - 1] >> LEVEL_SHIFT
                part = min(held, orders[slot, ORDER_REMAINING])
                if part > 0:
                    report(orders, reports, meter, delays, slot, REPORT_FILL, price, part, exch_ns)
            place += side
    rest_lots = orders[slot, ORDER_REMAINING]
    if rest_lots > 0:
        report(orders, reports, meter, delays, slot, REPORT_CANCELLED, limit, rest_lots, exch_ns)
    remove(orders, slot)


@inlined_kernel
def share_line(stream: Stream, exchange: Exchange, model: F8, slot: int, other: int) -> None:
    """Join a level behind an order of our own, whose place must be known for that."""
    cut = exchange.orders[slot, ORDER_CUT]
    read_level(stream, exchange, model, other, cut)
    join_level(stream, exchange, model, slot)
    stand_behind(exchange.queue, slot, other)


@inlined_kernel
def turn_away(exchange: Exchange, delays: I8, slot: int, kind: int, exch_ns: int) -> None:
    """Report that an order does not come in."""
    orders = exchange.orders
    price = orders[slot, ORDER_PRICE_TICKS]
    lots = orders[slot, ORDER_REMAINING]
    report(orders, exchange.reports, exchange.meter, delays, slot, kind, price, lots, exch_ns)
    remove(orders, slot)


@inlined_kernel
def arrive_on_tape(
    stream: Stream, exchange: Exchange, model: F8, scale: I8, delays: I8, slot: int
) -> None:
    """Let the order in a row reach the book of its step's frame."""
    orders = exchange.orders
    meter = exchange.meter
    step = orders[slot, ORDER_STEP]
    best_bid = stream.frames[step, FRAME_BID]
    best_ask = stream.frames[step, FRAME_ASK]
    cut = stream.frames[step, FRAME_ORDER_EVENT]
    now_ns = orders[slot, ORDER_ARRIVES_NS]
    orders[slot, ORDER_CUT] = cut
    kind = admit(orders, meter, slot, best_bid, best_ask, scale)
    if kind != REPORT_ACCEPTED:
        turn_away(exchange, delays, slot, kind, now_ns)
    elif orders[slot, ORDER_TAKER] != 0:
        best = best_ask if orders[slot, ORDER_SIDE] == BUY else best_bid
        take_levels(stream, exchange, delays, slot, best, now_ns)
    else:
        join(model, exchange.queue[slot], 0.0, cut)
        blind = model[MODEL_KIND] == TOUCH or model[MODEL_KIND] == TRADE_THROUGH
        orders[slot, ORDER_ROW] = 0 if blind else UNREAD
        place = enter_line(orders, exchange.lines, meter, slot)
        other = ours_before(orders, exchange.lines, slot, place)
        if other >= 0 and not blind:
            share_line(stream, exchange, model, slot, other)
        orders[slot, ORDER_STATE] = STATE_RESTING
        price = orders[slot, ORDER_PRICE_TICKS]
        lots = orders[slot, ORDER_LOTS]
        report(orders, exchange.reports, meter, delays, slot, kind, price, lots, now_ns)
    if orders[slot, ORDER_CANCEL_NS] == now_ns:  # it rode with its order
        end_order(exchange, delays, slot, now_ns)


@inlined_kernel
def settle_on_tape(
    stream: Stream, exchange: Exchange, model: F8, scale: I8, delays: I8, before_ns: int
) -> None:
    """Let all orders and cancels arrive that are due before a time, in the order of arrival."""
    meter = exchange.meter
    while meter[METER_NEXT_NS] < before_ns:
        if cancel_is_next(exchange):
            answer_next(exchange, delays)
        else:
            arrive_on_tape(stream, exchange, model, scale, delays, take_next(exchange))
        note_next(exchange)


@inlined_kernel
def may_reach(exchange: Exchange, low: int, high: int, now_ns: int) -> bool:
    """Return whether hits down to `low` or up to `high` could reach an order of ours by now."""
    orders = exchange.orders
    meter = exchange.meter
    if low <= meter[METER_BID_HIGH] or high >= meter[METER_ASK_LOW]:
        return True
    for index in range(meter[METER_ARRIVED], meter[METER_SENT]):
        slot = exchange.arrivals[index & (ORDERS_MAX - 1)]
        if orders[slot, ORDER_ARRIVES_NS] > now_ns:
            break
        price = orders[slot, ORDER_PRICE_TICKS]
        if orders[slot, ORDER_SIDE] == BUY:
            if low <= price:
                return True
        elif high >= price:
            return True
    return False


@inlined_kernel
def meet_hits(
    stream: Stream,
    exchange: Exchange,
    model: F8,
    scale: I8,
    delays: I8,
    first: int,
    last: int,
    now_ns: int,
) -> None:
    """Let hits [first, last) meet our orders, and what we sent arrive between them, until now."""
    meter = exchange.meter
    base = stream.base[0]
    hit = first
    while hit < last:
        limit = last  # up to there nothing of ours arrives
        if meter[METER_NEXT_NS] <= now_ns:
            limit = hits_until(stream.hit_ns, hit, last, meter[METER_NEXT_NS])
        bid = meter[METER_BID_HIGH] - base
        ask = meter[METER_ASK_LOW] - base
        hit = next_hit(stream.hit_codes, stream.hit_blocks, hit, limit, bid, ask)
        if hit == last:
            return
        exch_ns = stream.hit_ns[hit]
        if hit == limit:
            settle_on_tape(stream, exchange, model, scale, delays, exch_ns)
            continue
        code = stream.hit_codes[hit]
        price = base + (code >> HIT_SHIFT)
        side = BUY - 2 * (code & HIT_ON_ASKS)
        queued = code & HIT_POSTED == 0
        if queued:
            read_levels(stream, exchange, model, side, price, stream.hit_events[hit])
        serve(exchange, model, delays, side, price, stream.hit_lots[hit], queued, exch_ns)
        hit += 1


@inlined_kernel
def advance_tape(
    stream: Stream, step: int, now_ns: int, exchange: Exchange, model: F8, scale: I8
) -> int:
    """Live through one guard step at the exchange; return the unread reports.

    It must be called for every step but those that are quiet for the exchange side: FRAME_LOW is
    above METER_BID_HIGH, FRAME_HIGH below METER_ASK_LOW, and METER_NEXT_NS after `now_ns`.

    Args:
        stream: of the tape.
        step: number of the guard step.
        now_ns: its time.
        exchange: changed; its levels and touch are not looked at.
        model: f8[MODEL_COLUMNS].
        scale: i8[SCALE_COLUMNS], for the filters.
    """
    frames = stream.frames
    advance_window(
        stream,
        stream.delays[step],
        now_ns,
        frames[step, FRAME_LOW],
        frames[step, FRAME_HIGH],
        frames[step - 1, FRAME_HIT] if step > 0 else 0,
        frames[step, FRAME_HIT],
        exchange,
        model,
        scale,
    )
    return int(exchange.meter[METER_WRITTEN] - exchange.meter[METER_READ])


@inlined_kernel
def advance_window(
    stream: Stream,
    delays: I8,
    now_ns: int,
    low: int,
    high: int,
    first: int,
    last: int,
    exchange: Exchange,
    model: F8,
    scale: I8,
) -> None:
    """Do the work of `advance_tape` with a step's delays, FRAME_LOW, FRAME_HIGH and hits given."""
    meter = exchange.meter
    due = meter[METER_NEXT_NS] <= now_ns
    if due or low <= meter[METER_BID_HIGH] or high >= meter[METER_ASK_LOW]:
        if may_reach(exchange, low, high, now_ns):
            meet_hits(stream, exchange, model, scale, delays, first, last, now_ns)
        settle_on_tape(stream, exchange, model, scale, delays, now_ns + 1)
