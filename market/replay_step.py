"""What a replay does besides the strategy: hear reports, send actions, measure, write down.

The loop over steps is `replay_loop.py`; here are its parts, and the columns of all it returns.
"""

from typing import NamedTuple

from market.account import Account, Exchange, Setup
from market.breach import APPROVED, REFUSED_OPEN_ORDERS, check_capped, position_cap_lots
from market.fills import METER_READ, METER_WRITTEN, cancel, submit
from market.jit import kernel
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
    LEDGER_EQUITY,
    LEDGER_FEES,
    LEDGER_FILLS,
    LEDGER_MARK,
    LEDGER_QUOTE,
    LEDGER_SPREAD,
    LEDGER_TRIPS,
    LEDGER_TURNOVER,
    LEDGER_WINS,
    OWN_CANCELLING,
    OWN_STATE,
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
    SCALE_LOT,
    SCALE_SPOT,
    SCALE_TICK_LOT,
    STEP_NOW_NS,
    UNITS,
)
from market.ledger import position_lots
from market.own import (
    FULL,
    OWN_GONE,
    OWN_METER_COUNT,
    OWN_METER_UNKNOWN,
    both_open_lots,
    find_near,
    note_report,
    sweep_own,
    tied_quote,
)
from market.quotes import cost_units
from market.skim import Skim
from market.strategy import enter_fill, enter_order, excess_units, half_ticks_of
from market.types import F8, I4, I8

# --- one slice of one candidate: f8[REPLAY_COLUMNS]; money in quote asset -------------------
REPLAY_NET = 0  # net profit against holding the target
REPLAY_SPREAD = 1
REPLAY_FEES = 2  # negative when paid
REPLAY_FILLS = 3
REPLAY_TRIPS = 4
REPLAY_WINS = 5
REPLAY_TURNOVER = 6
REPLAY_EXPOSURE = 7  # mean square of the position's worth over steps, quote^2
REPLAY_DRAWDOWN = 8  # deepest fall of net profit within the slice
REPLAY_QUOTED = 9  # share of steps with orders on both sides
REPLAY_ORDERS = 10
REPLAY_STEPS = 11
REPLAY_QUOTED_WORTH = 12  # mean worth of what was quoted on both sides together
REPLAY_PEAK = 13  # highest net profit within the slice, for the drawdown
REPLAY_COLUMNS = 14

# --- one row of the order record: i8[n, PLACED_COLUMNS] -------------------------------------
PLACED_NOW_NS = 0
PLACED_KIND = 1  # ACTION_PLACE, ACTION_CANCEL
PLACED_ORDER_ID = 2  # 0 for a refused place
PLACED_SIDE = 3
PLACED_PRICE_TICKS = 4
PLACED_LOTS = 5
PLACED_LEVEL = 6
PLACED_CODE = 7  # APPROVED or REFUSED_*
PLACED_COLUMNS = 8

# --- one row of the fill record: i8[n, FILLED_COLUMNS] --------------------------------------
FILLED_EXCH_NS = 0
FILLED_VISIBLE_NS = 1
FILLED_ORDER_ID = 2
FILLED_SIDE = 3
FILLED_PRICE_TICKS = 4
FILLED_LOTS = 5
FILLED_MAKER = 6
FILLED_TRADE_ID = 7
FILLED_HALF_TICKS = 8  # the mark (bid + ask) at which it was booked
FILLED_FEE = 9  # quote units, cost positive
FILLED_COLUMNS = 10

# --- one row of the equity record, a cycle each: i8[n, EQUITY_COLUMNS] ----------------------
EQUITY_NOW_NS = 0
EQUITY_UNITS = 1
EQUITY_EXCESS = 2  # equity less the worth of the target
EQUITY_POSITION_LOTS = 3
EQUITY_HALF_TICKS = 4
EQUITY_COLUMNS = 5

# --- counters of the records and refusals: i8[COUNT_COLUMNS] --------------------------------
COUNT_PLACED = 0
COUNT_FILLED = 1
COUNT_EQUITY = 2
COUNT_REPORTS = 3  # COUNT_REPORTS + kind: reports of that kind
COUNT_REFUSED = 10  # COUNT_REFUSED + code: places refused for it
COUNT_COLUMNS = 19


class Rows(NamedTuple):
    """The candidate-independent rows of a tape."""

    events: I8
    born: I4
    steps: I8
    views: F8
    plans: F8
    skim: Skim  # without rows: no step counts as quiet


class Records(NamedTuple):
    """What is written down of one candidate; rows beyond an array's length are only counted."""

    placed: I8
    filled: I8
    equity: I8
    counts: I8


@kernel
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
    meter[METER_READ] = read
    if gone < own_meter[OWN_METER_COUNT]:
        sweep_own(own, own_meter, gone)
    return bool(read > first)


@kernel
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


@kernel
def send(
    count: int,
    step_row: I8,
    account: Account,
    exchange: Exchange,
    setup: Setup,
    records: Records,
) -> None:
    """Judge the first `count` actions, send what may be sent, write each down.

    The answers are those of `strategy.judge`; what our open orders tie up is summed once and
    carried on from place to place.
    """
    now_ns = step_row[STEP_NOW_NS]
    own = account.own
    own_meter = account.own_meter
    ledger = account.ledger
    scale = setup.scale
    half = half_ticks_of(step_row)
    cap = position_cap_lots(half, setup.limits, scale)
    position = position_lots(ledger, scale)
    bids, asks = both_open_lots(own, own_meter)
    free = ledger[LEDGER_QUOTE]
    spot = scale[SCALE_SPOT] != 0  # elsewhere no balance binds
    if spot:
        free -= tied_quote(own, own_meter, scale)
    near = 0
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
            orders, cancels, meter = exchange.orders, exchange.cancels, exchange.meter
            cancel(orders, cancels, meter, order_id, now_ns, setup.delays)
        else:
            worse = bids if side == BUY else asks
            base = ledger[LEDGER_BASE] - asks * scale[SCALE_LOT]
            money = (half, cap, position, worse, max(0, free), max(0, base))
            order_id, code = place(action, now_ns, *money, account, exchange, setup)
            if code != APPROVED:
                records.counts[COUNT_REFUSED + code] += 1
            elif side == BUY:
                bids += lots
                free -= cost_units(price, lots, scale) if spot else 0
            else:
                asks += lots
        write_down(action, now_ns, order_id, code, records)


@kernel
def place(
    action: I8,
    now_ns: int,
    half: int,
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
        half,
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
    order_id = enter_order(action, now_ns, account)
    if order_id == FULL:
        return 0, REFUSED_OPEN_ORDERS
    orders, meter, delays = exchange.orders, exchange.meter, setup.delays
    arrivals = exchange.arrivals
    submit(orders, arrivals, meter, order_id, side, price, lots, taker, now_ns, delays, 0)
    return order_id, APPROVED


@kernel
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


@kernel
def measure(account: Account, scale: I8, out: F8) -> None:
    """Add one step to a slice: exposure, drawdown of net profit, what was quoted."""
    bids, asks = both_open_lots(account.own, account.own_meter)
    add_step(account.ledger, bids, asks, scale, out)


@kernel
def add_step(ledger: I8, bids: int, asks: int, scale: I8, out: F8) -> None:
    """Do the work of `measure`, given the open lots of both sides."""
    out[REPLAY_STEPS] += 1.0
    if ledger[LEDGER_MARK] == 0:
        return
    worth = 0.5 * ledger[LEDGER_MARK] * scale[SCALE_TICK_LOT] / UNITS
    held = position_lots(ledger, scale) * worth
    out[REPLAY_EXPOSURE] += held * held
    excess = excess_units(ledger, scale) / UNITS
    out[REPLAY_PEAK] = max(out[REPLAY_PEAK], excess)
    out[REPLAY_DRAWDOWN] = max(out[REPLAY_DRAWDOWN], out[REPLAY_PEAK] - excess)
    if bids > 0 and asks > 0:
        out[REPLAY_QUOTED] += 1.0
    out[REPLAY_QUOTED_WORTH] += (bids + asks) * worth


@kernel
def tally(account: Account, counts: I8, scale: I8, sign: float, out: F8) -> None:
    """Add (sign 1) or take away (sign -1) the account's running totals."""
    ledger = account.ledger
    if ledger[LEDGER_MARK] != 0:
        out[REPLAY_NET] += sign * excess_units(ledger, scale) / UNITS
    out[REPLAY_SPREAD] += sign * ledger[LEDGER_SPREAD] / UNITS
    out[REPLAY_FEES] += sign * ledger[LEDGER_FEES] / UNITS
    out[REPLAY_FILLS] += sign * ledger[LEDGER_FILLS]
    out[REPLAY_TRIPS] += sign * ledger[LEDGER_TRIPS]
    out[REPLAY_WINS] += sign * ledger[LEDGER_WINS]
    out[REPLAY_TURNOVER] += sign * ledger[LEDGER_TURNOVER] / UNITS
    out[REPLAY_ORDERS] += sign * counts[COUNT_PLACED]


@kernel
def note_equity(now_ns: int, account: Account, scale: I8, records: Records) -> None:
    """Write the equity row of a cycle."""
    counts = records.counts
    equity = records.equity
    ledger = account.ledger
    place = counts[COUNT_EQUITY]
    counts[COUNT_EQUITY] += 1
    if place < equity.shape[0]:
        equity[place, EQUITY_NOW_NS] = now_ns
        equity[place, EQUITY_UNITS] = ledger[LEDGER_EQUITY]
        equity[place, EQUITY_EXCESS] = excess_units(ledger, scale)
        equity[place, EQUITY_POSITION_LOTS] = position_lots(ledger, scale)
        equity[place, EQUITY_HALF_TICKS] = ledger[LEDGER_MARK]
