"""Every figure of a report, from the arrays of a history. The arithmetic is `market/metrics.py`."""

from typing import Any, Final

import numpy as np

from desk.report.history import History
from desk.report.instrument import Instrument
from desk.report.quoting import filled_orders, quoted_shares, watched
from desk.rows import UNITS
from market.metrics import (
    DAY_S,
    SECOND_NS,
    Metric,
    corrected_sharpe,
    drawdown_figures,
    inventory_figures,
    markout_figures,
    return_figures,
    trip_figures,
)
from market.types import I8

HORIZONS_S: Final = (0, 30, 60, 300, 900)
"""Of markouts; mids are known at fills and at decisions, so shorter ones would be guesses."""
SHORT_S: Final = 600.0
DAYS_MIN: Final = 20
"""From so many days on, returns are daily; below, of ten minutes."""
Figures = dict[str, Metric]


def period_of(history: History) -> float:
    """Return the seconds of one return."""
    return float(DAY_S) if history.hours >= 24.0 * DAYS_MIN else SHORT_S


def figures_of(history: History, instrument: Instrument) -> Figures:
    """Return all figures by name."""
    span_s = (history.until_ns - history.since_ns) / SECOND_NS
    trips = instrument.trips(history.trips)
    found = order_figures(history)
    found |= curve_figures(history, instrument)
    tick_lot = instrument.tick_lot_units
    found |= trip_figures(trips, tick_lot_units=tick_lot, risk_fraction=instrument.risk_fraction)
    found["win_rate"] = found.pop("hit_rate")
    profits = history.trips["profit"]
    mean = float(np.mean(profits)) / UNITS if len(profits) else None
    found["expectancy"] = Metric(mean, len(profits))
    traded = float(np.sum(instrument.notionals(history.fills))) / UNITS
    count = len(history.fills["price"])
    found["traded_quote"] = Metric(traded, count, span_s)
    daily = traded * UNITS / instrument.capital_units * DAY_S / span_s
    found["turnover_per_day"] = Metric(daily, count, span_s, DAY_S / span_s)
    found |= markouts(history, instrument)
    found |= inventory_figures(
        instrument.lots(history.cycles["position"][1:]),
        max(1, instrument.max_position_units // instrument.lot_units),
        found["uptime"].period_s or 0.0,
    )
    return found


def order_figures(history: History) -> Figures:
    """Return orders, their success, what became of them, and how long quotes stood."""
    sent = len(history.orders["order_id"])
    accepted = history.outcomes.get("accepted", 0)
    fills = len(history.fills["price"])
    span_s = (history.until_ns - history.since_ns) / SECOND_NS
    filled = filled_orders(history)
    both, some = quoted_shares(history)
    uptime, decisions, usual_s = watched(history)
    return {
        "orders_placed": Metric(float(sent), sent, span_s),
        "orders_accepted": Metric(float(accepted), sent),
        "orders_refused": Metric(float(sum(history.refusals.values())), sent),
        "success_rate": Metric(accepted / sent if sent else None, sent),
        "fill_rate": Metric(filled / accepted if accepted else None, accepted),
        "fills": Metric(float(fills), fills, span_s),
        "quote_to_trade": Metric(sent / fills if fills else None, fills),
        "two_sided_uptime": Metric(both, sent, span_s),
        "quoted_uptime": Metric(some, sent, span_s),
        "uptime": Metric(uptime, decisions, usual_s),
    }


def curve_figures(history: History, instrument: Instrument) -> Figures:
    """Return what the equity curve gives, and the same net of holding, marked `net_`."""
    times, capital, period_s = (
        history.cycles["time_ns"], instrument.capital_units, period_of(history),
    )  # fmt: skip
    found: Figures = {}
    for prefix, curve in (("", history.cycles["equity"]), ("net_", net_curve(history, capital))):
        told = return_figures(times, curve, capital, period_s)
        told |= corrected_sharpe(times, curve, capital, period_s)
        told |= drawdown_figures(times, curve)
        found |= {prefix + name: figure for name, figure in told.items()}
    return found


def net_curve(history: History, capital_units: int) -> I8:
    """Return the capital and what was earned net of holding the target, at every mark."""
    net = history.cycles["net"]
    found: I8 = net - net[0] + capital_units
    return found


def markouts(history: History, instrument: Instrument) -> Figures:
    """Return mean markouts of fills: the last mid known at a horizon against the price.

    Mids are known at the step that booked a fill, and at decisions.
    """
    fills, cycles = history.fills, history.cycles
    times = np.concatenate((fills["time_ns"], cycles["time_ns"]))
    mids = instrument.mids(np.concatenate((fills["mark"], cycles["mark"])))
    order = np.argsort(times, kind="stable")
    return markout_figures(
        fills["time_ns"],
        fills["side"],
        instrument.ticks(fills["price"]),
        times[order],
        mids[order],
        HORIZONS_S,
    )


def profit_of(history: History) -> dict[str, int]:
    """Return the profit of the span and its parts, quote units; cost is negative."""
    cycles = history.cycles
    change = {name: int(cycles[name][-1] - cycles[name][0]) for name in
              ("equity", "spread", "fees", "inventory", "funding", "net")}  # fmt: skip
    total = change.pop("equity")
    return {"total": total, **change, "holding": total - change["net"]}


def order_outcomes(history: History) -> dict[str, Any]:
    """Return what the venue reported and what the gate refused, by name."""
    return {"outcomes": dict(history.outcomes), "refusals": dict(history.refusals)}
