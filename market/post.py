"""What passes between a candidate and the exchange of its tape: reports heard, actions sent.

Both in batches: a decision makes some eighty of each. Columns of what is written down are named in
`replay_step.py`.
"""

from market.account import Account, Exchange, Setup
from market.breach import APPROVED, REFUSED_OPEN_ORDERS, check_capped, position_cap_lots
from market.funding import book
from market.jit import inlined_kernel
from market.layout import (
    ACTION_CANCEL,
    ACTION_KIND,
    ACTION_LEVEL,
    ACTION_LOTS,
    ACTION_ORDER_ID,
    ACTION_PRICE_TICKS,
    ACTION_SIDE,
    ACTION_TAKER,
    BUY,
    LEDGER_BASE,
    LEDGER_MARK,
    LEDGER_QUOTE,
    OWN_CANCELLING,
    OWN_STATE,
    REPORT_ACCEPTED,
    REPORT_CANCEL_REJECTED,
    REPORT_CANCELLED,
    REPORT_EXCH_NS,
    REPORT_FILL,
    REPORT_FUNDING,
    REPORT_KIND,
    REPORT_LOTS,
    REPORT_MAKER,
    REPORT_ORDER_ID,
    REPORT_PRICE_TICKS,
    REPORT_SIDE,
    REPORT_TRADE_ID,
    REPORT_VISIBLE_NS,
    SCALE_LOT,
    SCALE_SPOT,
    STEP_NOW_NS,
)
from market.ledger import position_lots
from market.order_lines import METER_READ, METER_WRITTEN
from market.own import (
    FULL,
    OWN_GONE,
    OWN_METER_COUNT,
    OWN_METER_UNKNOWN,
    both_open_lots,
    find_near,
    note_report,
    own_touch,
    sweep_own,
    tied_quote,
)
from market.pending import cancel, submit
from market.quotes import cost_units
from market.replay_step import (
    COUNT_FILLED,
    COUNT_PLACED,
    COUNT_REFUSED,
    COUNT_REPORTS,
    FILLED_EXCH_NS,
    FILLED_FEE,
    FILLED_HALF_TICKS,
    FILLED_LOTS,
    FILLED_MAKER,
    FILLED_ORDER_ID,
    FILLED_PRICE_TICKS,
    FILLED_SIDE,
    FILLED_TRADE_ID,
    FILLED_VISIBLE_NS,
    HEARD_EXCH_NS,
    HEARD_KIND,
    HEARD_LOTS,
    HEARD_ORDER_ID,
    HEARD_PRICE_TICKS,
    HEARD_VISIBLE_NS,
    PLACED_CODE,
    PLACED_KIND,
    PLACED_LEVEL,
    PLACED_LOTS,
    PLACED_NOW_NS,
    PLACED_ORDER_ID,
    PLACED_PRICE_TICKS,
    PLACED_SIDE,
    Records,
    heard_count,
)
from market.strategy import enter_fill, enter_order, market_of
from market.types import I8


@inlined_kernel
def hear(now_ns: int, account: Account, exchange: Exchange, setup: Setup, records: Records) -> bool:
    """Take in every report that is visible by now, in order; return whether there was one.

    Does to the account what `strategy.take_report` does report by report; orders that are over
    leave the list of our own together, at the end.
    """
    reports = exchange.reports
    meter = exchange.meter
    own = account.own
    own_meter = account.own_meter
    counts = records.counts
    first = meter[METER_READ]
    read = first
    written = meter[METER_WRITTEN]
    gone = own_meter[OWN_METER_COUNT]  # first row to be taken out
    near = 0
    while read < written:
        row = reports[read % reports.shape[0]]
        if row[REPORT_VISIBLE_NS] > now_ns:
            break
        read += 1
        kind = row[REPORT_KIND]
        counts[COUNT_REPORTS + kind] += 1
        if kind == REPORT_FUNDING:
            book(row[REPORT_LOTS], account.ledger, account.lots, account.lots_meter)
            if records.heard.shape[0] > 0:
                note_heard(row, records)
            continue
        place = find_near(own, own_meter, row[REPORT_ORDER_ID], near)
        if place < 0 or own[place, OWN_STATE] == OWN_GONE:
            own_meter[OWN_METER_UNKNOWN] += 1
        else:
            near = place + 1
            if note_report(own, own_meter, place, row):
                own[place, OWN_STATE] = OWN_GONE
                gone = min(gone, place)
        if kind == REPORT_FILL:
            book_fill(row, account, setup, records)
        elif records.heard.shape[0] > 0:
            note_heard(row, records)
    meter[METER_READ] = read
    if gone < own_meter[OWN_METER_COUNT]:
        sweep_own(own, own_meter, gone)
    return bool(read > first)


@inlined_kernel
def only_mild(now_ns: int, exchange: Exchange) -> bool:
    """Return whether every report that is visible by now leaves the guard's answer as it is.

    That an order rests, or that its cancel was obeyed or came too late, does.
    """
    reports = exchange.reports
    meter = exchange.meter
    for read in range(meter[METER_READ], meter[METER_WRITTEN]):
        place = read % reports.shape[0]
        if reports[place, REPORT_VISIBLE_NS] > now_ns:
            break
        kind = reports[place, REPORT_KIND]
        if kind not in (REPORT_ACCEPTED, REPORT_CANCELLED, REPORT_CANCEL_REJECTED):
            return False
    return True


@inlined_kernel
def book_fill(row: I8, account: Account, setup: Setup, records: Records) -> None:
    """Book a fill in the ledger and write it down."""
    filled = records.filled
    mark = account.ledger[LEDGER_MARK]
    fee = enter_fill(row, account, setup)
    place = records.counts[COUNT_FILLED]
    records.counts[COUNT_FILLED] = place + 1
    if place < filled.shape[0]:
        filled[place, FILLED_EXCH_NS] = row[REPORT_EXCH_NS]
        filled[place, FILLED_VISIBLE_NS] = row[REPORT_VISIBLE_NS]
        filled[place, FILLED_ORDER_ID] = row[REPORT_ORDER_ID]
        filled[place, FILLED_SIDE] = row[REPORT_SIDE]
        filled[place, FILLED_PRICE_TICKS] = row[REPORT_PRICE_TICKS]
        filled[place, FILLED_LOTS] = row[REPORT_LOTS]
        filled[place, FILLED_MAKER] = row[REPORT_MAKER]
        filled[place, FILLED_TRADE_ID] = row[REPORT_TRADE_ID]
        filled[place, FILLED_HALF_TICKS] = mark
        filled[place, FILLED_FEE] = fee


@inlined_kernel
def note_heard(row: I8, records: Records) -> None:
    """Write down a report that is no fill and has been counted."""
    heard = records.heard
    place = heard_count(records.counts) - 1
    if place < heard.shape[0]:
        heard[place, HEARD_KIND] = row[REPORT_KIND]
        heard[place, HEARD_ORDER_ID] = row[REPORT_ORDER_ID]
        heard[place, HEARD_EXCH_NS] = row[REPORT_EXCH_NS]
        heard[place, HEARD_VISIBLE_NS] = row[REPORT_VISIBLE_NS]
        heard[place, HEARD_PRICE_TICKS] = row[REPORT_PRICE_TICKS]
        heard[place, HEARD_LOTS] = row[REPORT_LOTS]


@inlined_kernel
def send(
    count: int,
    step: int,
    step_row: I8,
    delays: I8,
    account: Account,
    exchange: Exchange,
    setup: Setup,
    records: Records,
) -> int:
    """Judge the first `count` actions, send what may be sent, write each down.

    Returns how many were refused.

    The answers are those of `strategy.judge`; what our open orders tie up is summed once and
    carried on from place to place.
    """
    now_ns = step_row[STEP_NOW_NS]
    own = account.own
    own_meter = account.own_meter
    ledger = account.ledger
    scale = setup.scale
    market = market_of(step_row)
    cap = position_cap_lots(market[1], setup.limits, scale)
    position = position_lots(ledger, scale)
    bids, asks = both_open_lots(own, own_meter)
    best_bid, best_ask = own_touch(own, own_meter)
    free = ledger[LEDGER_QUOTE]
    spot = scale[SCALE_SPOT] != 0  # elsewhere no balance binds
    if spot:
        free -= tied_quote(own, own_meter, scale)
    near = 0
    refused = 0
    for index in range(count):
        action = account.actions[index]
        code = APPROVED
        order_id = action[ACTION_ORDER_ID]
        side = action[ACTION_SIDE]
        price = action[ACTION_PRICE_TICKS]
        lots = action[ACTION_LOTS]
        if action[ACTION_KIND] == ACTION_CANCEL:
            row = find_near(own, own_meter, order_id, near)
            near = row + 1
            own[row, OWN_STATE] = OWN_CANCELLING
            cancel(exchange.orders, exchange.cancels, exchange.meter, order_id, now_ns, delays)
        else:
            worse = bids if side == BUY else asks
            base = ledger[LEDGER_BASE] - asks * scale[SCALE_LOT]
            touch = (best_bid, best_ask)
            money = (cap, position, worse, max(0, free), max(0, base))
            order_id, code = place(
                action, step, delays, market, touch, *money, account, exchange, setup
            )
            if code != APPROVED:
                refused += 1
                records.counts[COUNT_REFUSED + code] += 1
            elif side == BUY:
                bids += lots
                best_bid = max(best_bid, price)
                free -= cost_units(price, lots, scale) if spot else 0
            else:
                asks += lots
                best_ask = min(best_ask, price)
        write_down(action, now_ns, order_id, code, records)
    return refused


@inlined_kernel
def place(
    action: I8,
    step: int,
    delays: I8,
    market: tuple[int, int, int, int],
    touch: tuple[int, int],
    cap: int,
    position: int,
    worse: int,
    free_quote: int,
    free_base: int,
    account: Account,
    exchange: Exchange,
    setup: Setup,
) -> tuple[int, int]:
    """Judge one place (`breach.check_order` names the figures) and send it when it may be sent.

    Returns:
        The order's id, 0 when it was refused, and APPROVED or the limit that refuses it.
    """
    side = action[ACTION_SIDE]
    price = action[ACTION_PRICE_TICKS]
    lots = action[ACTION_LOTS]
    taker = action[ACTION_TAKER]
    code = check_capped(
        side,
        price,
        lots,
        position,
        worse,
        market,
        touch,
        cap,
        free_quote,
        free_base,
        account.own_meter[OWN_METER_COUNT],
        taker,
        setup.limits,
        account.risk,
        setup.scale,
    )
    if code != APPROVED:
        return 0, code
    now_ns = market[0]
    order_id = enter_order(action, now_ns, account, setup)
    if order_id == FULL:
        return 0, REFUSED_OPEN_ORDERS
    tables = (exchange.orders, exchange.arrivals, exchange.meter)
    submit(*tables, order_id, side, price, lots, taker, now_ns, delays, step)
    return order_id, APPROVED


@inlined_kernel
def write_down(action: I8, now_ns: int, order_id: int, code: int, records: Records) -> None:
    """Write down one action with its answer."""
    placed = records.placed
    place = records.counts[COUNT_PLACED]
    records.counts[COUNT_PLACED] = place + 1
    if place < placed.shape[0]:
        placed[place, PLACED_NOW_NS] = now_ns
        placed[place, PLACED_KIND] = action[ACTION_KIND]
        placed[place, PLACED_ORDER_ID] = order_id
        placed[place, PLACED_SIDE] = action[ACTION_SIDE]
        placed[place, PLACED_PRICE_TICKS] = action[ACTION_PRICE_TICKS]
        placed[place, PLACED_LOTS] = action[ACTION_LOTS]
        placed[place, PLACED_LEVEL] = action[ACTION_LEVEL]
        placed[place, PLACED_CODE] = code
