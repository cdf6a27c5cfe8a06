"""hftbacktest's exchange, event by event: slow, plain, and the twin of `compat_walk.py`.

Every event of both clocks is read in time's order, as the peer does. At one instant the local
feed comes first, then reports, then the exchange's feed, then what we sent. A fill takes the whole
order; one trade may fill any number of our orders; an order at a better price than the trade, or
met by a best price, is filled at once. Our orders are never in the book.
"""

from market.compat_book import (
    EDGE_ASK,
    EDGE_BID,
    QUEUE_FRONT,
    QUEUE_TRADED,
    changed,
    joined,
    put,
    traded,
)
from market.compat_grid import (
    DIAL_INTERVAL,
    DIAL_LOTS,
    WINDOW_ASK_HIGH,
    WINDOW_ASK_LOW,
    WINDOW_BID_HIGH,
    WINDOW_BID_LOW,
    lattice,
)
from market.compat_money import RESULT_CANCELS, RESULT_COLUMNS, RESULT_POSITION, book_fill
from market.jit import kernel
from market.layout import (
    ASK_ROW,
    BID_ROW,
    BUY,
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOCAL_NS,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SEEN,
    EVENT_SIDE,
    KIND_CLEAR,
    KIND_TRADE,
    NEVER,
    NO_ASK,
    NO_BID,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
    SELL,
)
from market.types import F8, I8

# --- one order: i8[REST_MAX, REST_COLUMNS] ----------------------------------------------------
REST_CELL = 0  # of the lattice
REST_SIDE = 1
REST_STATE = 2
REST_SEEN_NS = 3  # local time at which we know that it is gone; NEVER while it lives
REST_CANCEL = 4  # 1: its cancel is on the way
REST_COLUMNS = 5
REST_MAX = 512
SENT = 0
RESTING = 1
FILLED = 2
OVER = 3  # expired on arrival, or cancelled

# --- a fill at the exchange that we have not seen: i8[REST_MAX, FILL_COLUMNS], oldest first ---
FILL_CELL = 0
FILL_SIDE = 1
FILL_SEEN_NS = 2
FILL_COLUMNS = 3

# --- where the two clocks stand: i8[CLOCK_COLUMNS] --------------------------------------------
CLOCK_EXCHANGE = 0  # next event of the exchange's tape
CLOCK_LOCAL = 1
CLOCK_ORDERS = 2  # rows of orders in use
CLOCK_FILLS = 3  # fills at the exchange that we have not seen
CLOCK_COLUMNS = 4

# --- times: i8[TIME_COLUMNS] ------------------------------------------------------------------
TIME_FIRST_NS = 0  # local time of the first step
TIME_INTERVAL_NS = 1
TIME_ENTRY_NS = 2  # sent -> at the exchange
TIME_RESPONSE_NS = 3  # at the exchange -> known here
TIME_COLUMNS = 4


@kernel
def fill(orders: I8, fills: I8, clocks: I8, row: int, seen_ns: int) -> None:
    """Fill an order at the exchange; we shall know at `seen_ns`."""
    orders[row, REST_STATE] = FILLED
    orders[row, REST_SEEN_NS] = seen_ns
    place = clocks[CLOCK_FILLS]
    fills[place, FILL_CELL] = orders[row, REST_CELL]
    fills[place, FILL_SIDE] = orders[row, REST_SIDE]
    fills[place, FILL_SEEN_NS] = seen_ns
    clocks[CLOCK_FILLS] = place + 1


@kernel
def meet(
    orders: I8,
    queues: F8,
    fills: I8,
    clocks: I8,
    model: F8,
    interval: int,
    side: int,
    price: int,
    lots: int,
    seen_ns: int,
) -> None:
    """Let a trade, or with `lots` < 0 a new best price, meet our resting orders of a side.

    The best one comes first; the peer takes them as its hash map has them, which changes no sum
    by more than its last bits.
    """
    while True:
        pick = -1
        for row in range(clocks[CLOCK_ORDERS]):
            if orders[row, REST_STATE] != RESTING or orders[row, REST_SIDE] != side:
                continue
            if pick < 0 or (orders[row, REST_CELL] - orders[pick, REST_CELL]) * side > 0:
                pick = row
        if pick < 0:
            return
        through = (orders[pick, REST_CELL] * interval - price) * side  # > 0: better than it
        if through < 0 or (through == 0 and lots >= 0 and not traded(queues[pick], model, lots)):
            return
        fill(orders, fills, clocks, pick, seen_ns)


@kernel
def exchange_until(
    events: I8,
    levels: I8,
    edges: I8,
    base: int,
    orders: I8,
    queues: F8,
    fills: I8,
    clocks: I8,
    model: F8,
    times: I8,
    interval: int,
    until_ns: int,
) -> None:
    """Let the exchange live through its events up to a time, that time included."""
    row = clocks[CLOCK_EXCHANGE]
    while row < events.shape[0]:
        if events[row, EVENT_SEEN] & SEEN_EXCHANGE == 0:
            row += 1
            continue
        now_ns = events[row, EVENT_EXCH_NS]
        if now_ns > until_ns:
            break
        kind = events[row, EVENT_KIND]
        side = events[row, EVENT_SIDE]
        price = events[row, EVENT_PRICE_TICKS]
        lots = events[row, EVENT_LOTS]
        seen_ns = now_ns + times[TIME_RESPONSE_NS]
        row += 1
        if kind == KIND_TRADE:
            if side != 0:
                meet(orders, queues, fills, clocks, model, interval, -side, price, lots, seen_ns)
            continue
        bid = edges[EDGE_BID]
        ask = edges[EDGE_ASK]
        before = put(levels, edges, kind, side, price - base, lots)
        if kind == KIND_CLEAR:
            continue
        for slot in range(clocks[CLOCK_ORDERS]):
            if (
                orders[slot, REST_STATE] == RESTING
                and orders[slot, REST_SIDE] == side
                and orders[slot, REST_CELL] * interval == price
            ):
                changed(queues[slot], model, before, lots)
        if (side == BUY and edges[EDGE_BID] > bid) or (side == SELL and edges[EDGE_ASK] < ask):
            meet(orders, queues, fills, clocks, model, interval, -side, price, -1, seen_ns)
    clocks[CLOCK_EXCHANGE] = row


@kernel
def arrivals(
    levels: I8,
    edges: I8,
    base: int,
    orders: I8,
    queues: F8,
    clocks: I8,
    model: F8,
    interval: int,
    seen_ns: int,
) -> None:
    """Let what was sent at the last step reach the exchange: cancels, then orders."""
    for row in range(clocks[CLOCK_ORDERS]):
        if orders[row, REST_CANCEL] != 0 and orders[row, REST_STATE] == RESTING:
            orders[row, REST_STATE] = OVER
            orders[row, REST_SEEN_NS] = seen_ns
    for row in range(clocks[CLOCK_ORDERS]):
        if orders[row, REST_STATE] != SENT:
            continue
        column = orders[row, REST_CELL] * interval - base
        buy = orders[row, REST_SIDE] == BUY
        if (buy and column >= edges[EDGE_ASK]) or (not buy and column <= edges[EDGE_BID]):
            orders[row, REST_STATE] = OVER
            orders[row, REST_SEEN_NS] = seen_ns
            continue
        ahead = 0
        if 0 <= column < levels.shape[1]:
            ahead = levels[BID_ROW if buy else ASK_ROW, column]
        joined(queues[row], model, ahead)
        orders[row, REST_STATE] = RESTING


@kernel
def local_until(events: I8, levels: I8, edges: I8, base: int, clocks: I8, until_ns: int) -> None:
    """Let our own book follow the local tape up to a time, that time included."""
    row = clocks[CLOCK_LOCAL]
    while row < events.shape[0]:
        if events[row, EVENT_SEEN] & SEEN_LOCAL != 0:
            if events[row, EVENT_LOCAL_NS] > until_ns:
                break
            kind = events[row, EVENT_KIND]
            if kind != KIND_TRADE:
                column = events[row, EVENT_PRICE_TICKS] - base
                side = events[row, EVENT_SIDE]
                put(levels, edges, kind, side, column, events[row, EVENT_LOTS])
        row += 1
    clocks[CLOCK_LOCAL] = row


@kernel
def copy_row(table: I8, into: int, row: int) -> None:
    """Copy one row over another one."""
    for column in range(table.shape[1]):
        table[into, column] = table[row, column]


@kernel
def learn(
    orders: I8,
    queues: F8,
    fills: I8,
    clocks: I8,
    result: F8,
    costs: F8,
    interval: int,
    lots: int,
    now_ns: int,
) -> None:
    """Book the fills that we know by now, in their order, and forget the orders that are gone."""
    late = 0
    for place in range(clocks[CLOCK_FILLS]):
        if fills[place, FILL_SEEN_NS] <= now_ns:
            ticks = fills[place, FILL_CELL] * interval
            book_fill(result, costs, fills[place, FILL_SIDE], ticks, lots)
        else:
            copy_row(fills, late, place)
            late += 1
    clocks[CLOCK_FILLS] = late
    kept = 0
    for row in range(clocks[CLOCK_ORDERS]):
        if orders[row, REST_SEEN_NS] > now_ns:
            copy_row(orders, kept, row)
            queues[kept, QUEUE_FRONT] = queues[row, QUEUE_FRONT]
            queues[kept, QUEUE_TRADED] = queues[row, QUEUE_TRADED]
            kept += 1
    clocks[CLOCK_ORDERS] = kept


@kernel
def quote(orders: I8, clocks: I8, window: I8) -> int:
    """Cancel what left the window and place what is missing; return the number of cancels."""
    cancels = 0
    known = clocks[CLOCK_ORDERS]
    for row in range(known):
        low, high = window[WINDOW_ASK_LOW], window[WINDOW_ASK_HIGH]
        if orders[row, REST_SIDE] == BUY:
            low, high = window[WINDOW_BID_LOW], window[WINDOW_BID_HIGH]
        if not low <= orders[row, REST_CELL] <= high:
            orders[row, REST_CANCEL] = 1
            cancels += 1
    for side in (BUY, SELL):
        low, high = window[WINDOW_ASK_LOW], window[WINDOW_ASK_HIGH]
        if side == BUY:
            low, high = window[WINDOW_BID_LOW], window[WINDOW_BID_HIGH]
        for cell in range(low, high + 1):
            held = False
            for row in range(known):
                held |= orders[row, REST_CELL] == cell and orders[row, REST_SIDE] == side
            row = clocks[CLOCK_ORDERS]
            if held or row >= REST_MAX:
                continue
            orders[row, :] = 0
            orders[row, REST_CELL] = cell
            orders[row, REST_SIDE] = side
            orders[row, REST_STATE] = SENT
            orders[row, REST_SEEN_NS] = NEVER
            clocks[CLOCK_ORDERS] = row + 1
    return cancels


@kernel
def walk(
    events: I8,
    base: int,
    books: I8,
    edges: I8,
    orders: I8,
    queues: F8,
    fills: I8,
    clocks: I8,
    window: I8,
    dials: F8,
    model: F8,
    costs: F8,
    times: I8,
    result: F8,
    rows: F8,
) -> None:
    """Live through all steps; `rows` f8[steps, RESULT_COLUMNS] remembers each.

    Args:
        events: i8[n, EVENT_COLUMNS], each clock's subset in its order.
        base: i8, tick of column 0.
        books: i8[2, 2, width]: the exchange's levels, ours.
        edges: i8[2, EDGE_COLUMNS].
        orders: i8[REST_MAX, REST_COLUMNS]; queues f8[REST_MAX, QUEUE_COLUMNS].
        fills: i8[REST_MAX, FILL_COLUMNS].
        clocks: i8[CLOCK_COLUMNS]; window i8[WINDOW_COLUMNS]: zeros.
        dials: f8[DIAL_COLUMNS].
        model: f8[MODEL_COLUMNS].
        costs: f8[COST_COLUMNS].
        times: i8[TIME_COLUMNS].
        result: f8[RESULT_COLUMNS], zeros.
        rows: f8[steps, RESULT_COLUMNS], written.
    """
    interval = int(dials[DIAL_INTERVAL])
    lots = int(dials[DIAL_LOTS])
    arrives_ns = -1
    for step in range(rows.shape[0]):
        now_ns = times[TIME_FIRST_NS] + step * times[TIME_INTERVAL_NS]
        for until_ns in (arrives_ns, now_ns):
            exchange_until(
                events,
                books[0],
                edges[0],
                base,
                orders,
                queues,
                fills,
                clocks,
                model,
                times,
                interval,
                until_ns,
            )
            if until_ns == arrives_ns:
                seen_ns = arrives_ns + times[TIME_RESPONSE_NS]
                arrivals(books[0], edges[0], base, orders, queues, clocks, model, interval, seen_ns)
        local_until(events, books[1], edges[1], base, clocks, now_ns)
        learn(orders, queues, fills, clocks, result, costs, interval, lots, now_ns)
        bid = edges[1, EDGE_BID]
        ask = edges[1, EDGE_ASK]
        bid = bid + base if bid != NO_BID else NO_BID
        ask = ask + base if ask != NO_ASK else NO_ASK
        lattice(bid, ask, int(result[RESULT_POSITION]), dials, window)
        result[RESULT_CANCELS] += quote(orders, clocks, window)
        arrives_ns = now_ns + times[TIME_ENTRY_NS]
        for column in range(RESULT_COLUMNS):
            rows[step, column] = result[column]
