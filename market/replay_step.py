"""The columns of all that a replay returns, and the kernels that measure one step of it.

The loop over steps is `replay_loop.py`, what passes between account and exchange `post.py`.
"""

from typing import NamedTuple

import numpy as np

from market.account import Account
from market.breach import REFUSAL_CODES
from market.jit import inlined_kernel, kernel
from market.layout import (
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
    REPORT_ORDER_ID,
    REPORT_PRICE_TICKS,
    REPORT_VISIBLE_NS,
    SCALE_TICK_LOT,
    UNITS,
)
from market.ledger import position_lots
from market.own import both_open_lots
from market.skim import Skim
from market.strategy import excess_units
from market.stream import Stream
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

# --- one row of what was heard besides fills: i8[n, HEARD_COLUMNS] ---------------------------
HEARD_KIND = 0  # REPORT_*
HEARD_ORDER_ID = 1
HEARD_EXCH_NS = 2
HEARD_VISIBLE_NS = 3
HEARD_PRICE_TICKS = 4
HEARD_LOTS = 5  # that remained; of a funding quote units received
HEARD_COLUMNS = 6

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
COUNT_REFUSED = 11  # COUNT_REFUSED + code: places refused for it
COUNT_COLUMNS = COUNT_REFUSED + REFUSAL_CODES
REPORT_KINDS = COUNT_REFUSED - COUNT_REPORTS


HEARD_FROM = [
    REPORT_KIND,
    REPORT_ORDER_ID,
    REPORT_EXCH_NS,
    REPORT_VISIBLE_NS,
    REPORT_PRICE_TICKS,
    REPORT_LOTS,
]
"""Columns of a report, in the order of HEARD_*."""


def heard_rows(reports: I8) -> I8:
    """Return i8[n, HEARD_COLUMNS] of those of i8[m, REPORT_COLUMNS] that are no fills."""
    others = reports[reports[:, REPORT_KIND] != REPORT_FILL]
    return np.ascontiguousarray(others[:, HEARD_FROM])


class Rows(NamedTuple):
    """The candidate-independent rows of a tape."""

    steps: I8
    views: F8
    plans: F8
    stream: Stream
    skim: Skim  # without rows: no step counts as quiet


class Records(NamedTuple):
    """What is written down of one candidate; rows beyond an array's length are only counted."""

    placed: I8
    filled: I8
    heard: I8
    equity: I8
    counts: I8


@kernel
def heard_count(counts: I8) -> int:
    """Return the reports heard so far, fills apart."""
    total = 0
    for kind in range(REPORT_KINDS):
        total += 0 if kind == REPORT_FILL else counts[COUNT_REPORTS + kind]
    return total


@kernel
def measure(account: Account, scale: I8, out: F8) -> None:
    """Add one step to a slice: exposure, drawdown of net profit, what was quoted."""
    bids, asks = both_open_lots(account.own, account.own_meter)
    add_step(account.ledger, bids, asks, scale, out)


@inlined_kernel
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


@inlined_kernel
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
