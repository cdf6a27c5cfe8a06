"""A judgement as words: what the coordinator hears from this seat at a boundary.

The performance figures of a proposal are those of its own replay over the window, measured by the
same functions as the report of a run; a figure that is not defined there is 0 in the three that
the contract demands, and absent among the others.
"""

import numpy as np

from agents.optimizer.judgement import Judgement
from agents.session import parameter_row
from market.account import Setup
from market.breach import LIMIT_CAPITAL
from market.layout import (
    LEDGER_TRIPS,
    REPORT_ACCEPTED,
    SCALE_TICK_LOT,
    STEP_NOW_NS,
    VIEW_MID,
)
from market.metrics import Metrics, measure
from market.policy import cap_lots
from market.replay import Record, replay_one
from market.replay_step import (
    COUNT_REPORTS,
    EQUITY_NOW_NS,
    EQUITY_POSITION_LOTS,
    EQUITY_UNITS,
    FILLED_EXCH_NS,
    FILLED_LOTS,
    FILLED_ORDER_ID,
    FILLED_PRICE_TICKS,
    FILLED_SIDE,
)
from market.tape import Tape
from protocol.errors import printable
from protocol.merge import digest
from protocol.messages import (
    NoUpdate,
    ParameterUpdate,
    PerformanceMetrics,
    QuoteParameters,
    UpdateData,
    utc_text,
)

RETURN_S = 120.0
"""Seconds of one return: an hour's window has 30 of them."""
EXTRA = (
    "return",
    "volatility",
    "sortino",
    "hit_rate",
    "profit_factor",
    "fill_rate",
    "turnover_per_day",
    "average_trade_duration_s",
    "markout_10s_bps",
    "inventory_mean_size",
    "inventory_p95_size",
)


def measured(
    tape: Tape, setup: Setup, parameters: QuoteParameters, first: int, last: int
) -> Metrics:
    """Return all figures of one set replayed over steps [first, last)."""
    row = parameter_row(parameters)
    record = replay_one(tape, row, setup, first_step=first, last_step=last)
    return metrics_of(tape, setup, record, int(cap_lots(row, setup.scale)), first, last)


def metrics_of(
    tape: Tape, setup: Setup, record: Record, most_lots: int, first: int, last: int
) -> Metrics:
    """Return all figures of a record; `most_lots` is its max_position."""
    filled, equity = record.filled, record.equity
    trips = min(int(record.account.ledger[LEDGER_TRIPS]), len(record.account.trips))
    return measure(
        times_ns=equity[:, EQUITY_NOW_NS],
        equity_units=equity[:, EQUITY_UNITS],
        position_lots=equity[:, EQUITY_POSITION_LOTS],
        capital_units=int(setup.limits[LIMIT_CAPITAL]),
        max_position_lots=most_lots,
        trips=record.account.trips[:trips],
        fill_times_ns=filled[:, FILLED_EXCH_NS],
        fill_sides=filled[:, FILLED_SIDE],
        fill_prices_ticks=filled[:, FILLED_PRICE_TICKS],
        fill_lots=filled[:, FILLED_LOTS],
        orders_accepted=int(record.counts[COUNT_REPORTS + REPORT_ACCEPTED]),
        orders_filled=len(np.unique(filled[:, FILLED_ORDER_ID])),
        step_times_ns=tape.steps[first:last, STEP_NOW_NS],
        step_mids=tape.views[first:last, VIEW_MID],
        tick_lot_units=int(setup.scale[SCALE_TICK_LOT]),
        period_s=RETURN_S,
    )


def performance(figures: Metrics, judgement: Judgement) -> PerformanceMetrics:
    """Return the figures as the wire's performance_metrics."""
    known = {name: figures.value(name) for name in EXTRA}
    extra = {name: float(value) for name, value in known.items() if value is not None}
    window_s = (judgement.window[1] - judgement.window[0]) / 1e9
    extra |= {
        "fills": float(judgement.fills),
        "round_trips": float(figures["sqn"].count),
        "net_profit": judgement.net,
        "net_profit_incumbent": judgement.net_incumbent,
        "utility_gain": judgement.gain,
        "utility_gain_error": judgement.error,
        "candidates": float(judgement.evaluated),
        "window_hours": window_s / 3600.0,
        "horizon_hours": judgement.horizon_s / 3600.0,
        "by_chance": judgement.chance,
    }
    drawdown = figures.value("max_drawdown") or 0.0
    return PerformanceMetrics(
        sqn_score=figures.value("sqn") or 0.0,
        sharpe_ratio=figures.value("sharpe") or 0.0,
        max_drawdown=min(1.0, max(0.0, drawdown)),
        **extra,
    )


def words_of(
    judgement: Judgement,
    *,
    tape: Tape,
    setup: Setup,
    incumbent: QuoteParameters,
    now_ns: int,
    source: str,
    target: str,
) -> ParameterUpdate | NoUpdate:
    """Return the answer to a boundary at venue time `now_ns`."""
    if not judgement.better or judgement.chosen is None:
        return NoUpdate(
            window=judgement.window,
            digest=digest(incumbent),
            reason=printable(judgement.reason),
        )
    chosen = judgement.chosen
    figures = measured(tape, setup, chosen, judgement.first_step, judgement.last_step)
    return ParameterUpdate(
        timestamp=utc_text(now_ns),
        source_agent=source,
        target_agent=target,
        message_type="parameter_update",
        data=UpdateData(
            optimized_params=chosen,
            performance_metrics=performance(figures, judgement),
            confidence_score=min(1.0, max(0.0, judgement.confidence)),
        ),
    )
