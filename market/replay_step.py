"""The compiled loop of one candidate over a tape. The contract's step order, nothing else."""

from typing import NamedTuple

from market.account import Account, Exchange, Setup
from market.breach import APPROVED, REFUSED_OPEN_ORDERS
from market.fills import METER_READ, METER_WRITTEN, advance, cancel, submit
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
    LEDGER_EQUITY,
    LEDGER_FEES,
    LEDGER_FILLS,
    LEDGER_MARK,
    LEDGER_SPREAD,
    LEDGER_TRIPS,
    LEDGER_TURNOVER,
    LEDGER_WINS,
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
    SCALE_TICK_LOT,
    SELL,
    STEP_NOW_NS,
    UNITS,
)
from market.ledger import position_lots
from market.own import FULL, mark_cancelling, open_lots
from market.strategy import enter_order, excess_units, judge, take_report, think
from market.types import F8, I8

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
COUNT_REFUSED = 9  # COUNT_REFUSED + code: places refused for it
COUNT_COLUMNS = 18


class Rows(NamedTuple):
    """The candidate-independent rows of a tape."""

    events: I8
    steps: I8
    views: F8
    plans: F8


class Records(NamedTuple):
    """What is written down of one candidate; rows beyond an array's length are only counted."""

    placed: I8
    filled: I8
    equity: I8
    counts: I8


@kernel
def hear(now_ns: int, account: Account, exchange: Exchange, setup: Setup, records: Records) -> None:
    """Take in every report that is visible by now, in order."""
    reports = exchange.reports
    meter = exchange.meter
    counts = records.counts
    filled = records.filled
    while meter[METER_READ] < meter[METER_WRITTEN]:
        row = reports[meter[METER_READ] % reports.shape[0]]
        if row[REPORT_VISIBLE_NS] > now_ns:
            return
        meter[METER_READ] += 1
        mark = account.ledger[LEDGER_MARK]
        fee = take_report(row, account, setup)
        counts[COUNT_REPORTS + row[REPORT_KIND]] += 1
        if row[REPORT_KIND] != REPORT_FILL:
            continue
        place = counts[COUNT_FILLED]
        counts[COUNT_FILLED] += 1
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
def act(
    action: I8,
    step_row: I8,
    account: Account,
    exchange: Exchange,
    setup: Setup,
    records: Records,
) -> None:
    """Judge one action, send what may be sent, write it down."""
    now_ns = step_row[STEP_NOW_NS]
    counts = records.counts
    placed = records.placed
    code = APPROVED
    order_id = action[ACTION_ORDER_ID]
    if action[ACTION_KIND] == ACTION_CANCEL:
        mark_cancelling(account.own, account.own_meter, order_id)
        cancel(exchange.orders, exchange.meter, order_id, now_ns, setup.delays)
    else:
        code = judge(action, step_row, account, setup)
        if code == APPROVED:
            order_id = enter_order(action, now_ns, account)
            if order_id == FULL:
                code = REFUSED_OPEN_ORDERS
        if code == APPROVED:
            submit(
                exchange.orders,
                exchange.meter,
                order_id,
                action[ACTION_SIDE],
                action[ACTION_PRICE_TICKS],
                action[ACTION_LOTS],
                now_ns,
                setup.delays,
                action[ACTION_TAKER],
            )
        else:
            order_id = 0
            counts[COUNT_REFUSED + code] += 1
    place = counts[COUNT_PLACED]
    counts[COUNT_PLACED] += 1
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
    ledger = account.ledger
    out[REPLAY_STEPS] += 1.0
    if ledger[LEDGER_MARK] == 0:
        return
    worth = 0.5 * ledger[LEDGER_MARK] * scale[SCALE_TICK_LOT] / UNITS
    held = position_lots(ledger, scale) * worth
    out[REPLAY_EXPOSURE] += held * held
    excess = excess_units(ledger, scale) / UNITS
    out[REPLAY_PEAK] = max(out[REPLAY_PEAK], excess)
    out[REPLAY_DRAWDOWN] = max(out[REPLAY_DRAWDOWN], out[REPLAY_PEAK] - excess)
    bids = open_lots(account.own, account.own_meter, BUY)
    asks = open_lots(account.own, account.own_meter, SELL)
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


@kernel
def run_steps(
    rows: Rows,
    first: int,
    last: int,
    account: Account,
    exchange: Exchange,
    setup: Setup,
    parameters: F8,
    records: Records,
    out: F8,
) -> None:
    """Live through steps [first, last) with one set of parameters and fill one slice's row."""
    scale = setup.scale
    counts = records.counts
    ledger = account.ledger
    meter = exchange.meter
    out[REPLAY_PEAK] = -1e300
    tally(account, counts, scale, -1.0, out)
    unmarked = ledger[LEDGER_MARK] == 0
    for step in range(first, last):
        row = rows.steps[step]
        now_ns = row[STEP_NOW_NS]
        waiting = advance(
            rows.events,
            exchange.levels,
            exchange.touch,
            exchange.orders,
            exchange.reports,
            meter,
            setup.delays,
            now_ns,
        )
        if waiting > 0:
            hear(now_ns, account, exchange, setup, records)
        count = think(row, rows.views[step], rows.plans[step], account, setup, parameters, 0)
        for index in range(count):
            act(account.actions[index], row, account, exchange, setup, records)
        if unmarked and ledger[LEDGER_MARK] != 0:
            out[REPLAY_NET] -= excess_units(ledger, scale) / UNITS
            unmarked = False
        measure(account, scale, out)
        if now_ns % setup.cycle[0] == 0:
            note_equity(now_ns, account, scale, records)
    tally(account, counts, scale, 1.0, out)
    steps_count = max(1.0, out[REPLAY_STEPS])
    out[REPLAY_EXPOSURE] /= steps_count
    out[REPLAY_QUOTED] /= steps_count
    out[REPLAY_QUOTED_WORTH] /= steps_count
