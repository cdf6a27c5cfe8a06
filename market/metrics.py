"""Measures a record of trading: every figure with its count, period and annualisation.

A figure that is not defined (too few observations, no variance, no loss) is absent: its value is
None, never 0 or infinity. Years have 365 days. Returns are simple, on a fixed capital.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from market.layout import (
    TRIP_CLOSE_NS,
    TRIP_OPEN_NS,
    TRIP_OPEN_TICKS,
    TRIP_PROFIT,
    TRIP_SIGNED_LOTS,
    UNITS,
)
from market.types import F8, I8

YEAR_S = 365 * 86_400
DAY_S = 86_400
SECOND_NS = 1_000_000_000
RETURNS_MIN = 20  # below it a ratio of moments says nothing
TRIPS_MIN = 30  # the system quality number is a t-statistic (learning.md 5)
MARKOUT_SECONDS = (1, 10, 60)


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure and what it rests on."""

    value: float | None  # None: not defined
    count: int  # observations behind it
    period_s: float | None = None  # seconds of one observation, or of the span; None: no period
    annualisation: float | None = None  # factor that the value already contains; None: none

    def as_dict(self) -> dict[str, float | int | None]:
        """Return the figure as plain JSON values."""
        return {
            "value": self.value,
            "count": self.count,
            "period_s": self.period_s,
            "annualisation": self.annualisation,
        }


@dataclass(frozen=True, slots=True)
class Metrics:
    """All figures of a record by name."""

    figures: Mapping[str, Metric]

    def __getitem__(self, name: str) -> Metric:
        """Return a figure by name."""
        return self.figures[name]

    def value(self, name: str) -> float | None:
        """Return the bare value of a figure."""
        return self.figures[name].value

    def as_dict(self) -> dict[str, dict[str, float | int | None]]:
        """Return all figures as plain JSON values."""
        return {name: figure.as_dict() for name, figure in self.figures.items()}


def sampled(times_ns: I8, values: I8, period_s: float) -> I8:
    """Return the values standing at the multiples of `period_s` within the record's span.

    The last mark at or before each multiple counts, so the marks may be irregular.
    """
    period_ns = round(period_s * SECOND_NS)
    if len(times_ns) == 0:
        return values[:0]
    first = -(-int(times_ns[0]) // period_ns)
    last = int(times_ns[-1]) // period_ns
    edges = np.arange(first, last + 1, dtype=np.int64) * period_ns
    return values[np.searchsorted(times_ns, edges, side="right") - 1]


def return_figures(
    times_ns: I8, equity_units: I8, capital_units: int, period_s: float
) -> dict[str, Metric]:
    """Return return, volatility, Sharpe, Sortino and Calmar of an equity curve.

    Sharpe = mean / sd, Sortino = mean / sqrt(mean of min(r, 0)^2), both x sqrt(periods a year);
    Calmar = annualised return / maximum drawdown. No interest is subtracted.

    Args:
        times_ns: i8[n], rising.
        equity_units: i8[n], quote units at those times.
        capital_units: quote units, > 0.
        period_s: seconds of one return, e.g. 600.
    """
    span_s = float(times_ns[-1] - times_ns[0]) / SECOND_NS if len(times_ns) > 1 else 0.0
    whole = None
    if span_s > 0.0:
        whole = float(equity_units[-1] - equity_units[0]) / capital_units
    returns = np.diff(sampled(times_ns, equity_units, period_s)) / float(capital_units)
    count = len(returns)
    factor = math.sqrt(YEAR_S / period_s)
    mean = float(np.mean(returns)) if count else 0.0
    deviation = float(np.std(returns, ddof=1)) if count > 1 else 0.0
    downside = math.sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2))) if count else 0.0
    enough = count >= RETURNS_MIN
    drawdown = drawdown_figures(times_ns, equity_units)["max_drawdown"].value
    calmar = None
    if enough and whole is not None and drawdown:
        calmar = whole * YEAR_S / span_s / drawdown
    return {
        "return": Metric(whole, len(times_ns), span_s),
        "volatility": Metric(deviation * factor if count > 1 else None, count, period_s, factor),
        "sharpe": Metric(
            mean / deviation * factor if enough and deviation > 0.0 else None,
            count,
            period_s,
            factor,
        ),
        "sortino": Metric(
            mean / downside * factor if enough and downside > 0.0 else None,
            count,
            period_s,
            factor,
        ),
        "calmar": Metric(calmar, count, span_s, YEAR_S / span_s if span_s > 0.0 else None),
    }


def corrected_sharpe(
    times_ns: I8, equity_units: I8, capital_units: int, period_s: float
) -> dict[str, Metric]:
    """Return the Sharpe ratio annualised with the returns' own autocorrelation (Lo 2002, eq. 20).

    q / sqrt(q + 2 sum over k of (q - k) rho_k), with q periods a year, in place of sqrt(q); rho to
    lag 4 (n / 100)^(2/9) (Newey and West 1994), 0 beyond. Not defined where the root is not.

    Args:
        times_ns, equity_units, capital_units, period_s: as `return_figures`.
    """
    returns = np.diff(sampled(times_ns, equity_units, period_s)) / float(capital_units)
    count = len(returns)
    deviation = float(np.std(returns, ddof=1)) if count > 1 else 0.0
    if count < RETURNS_MIN or not deviation > 0.0:
        return {"sharpe_lo": Metric(None, count, period_s)}
    year = YEAR_S / period_s
    centred = returns - np.mean(returns)
    spread = float(np.dot(centred, centred))
    total = year
    for lag in range(1, int(4.0 * (count / 100.0) ** (2.0 / 9.0)) + 1):
        correlation = float(np.dot(centred[lag:], centred[:-lag])) / spread
        total += 2.0 * (year - lag) * correlation
    if not total > 0.0:
        return {"sharpe_lo": Metric(None, count, period_s)}
    factor = year / math.sqrt(total)
    value = float(np.mean(returns)) / deviation * factor
    return {"sharpe_lo": Metric(value, count, period_s, factor)}


def drawdown_figures(times_ns: I8, equity_units: I8) -> dict[str, Metric]:
    """Return the deepest fall below the highest equity so far, and the longest time below it.

    The depth is a fraction of that peak; the length runs from the peak to its recovery, or to the
    end of the record, in seconds. Both are judged at every mark given.
    """
    count = len(equity_units)
    if count < 2 or int(np.min(equity_units)) <= 0:
        return {"max_drawdown": Metric(None, count), "drawdown_length_s": Metric(None, count)}
    span_s = float(times_ns[-1] - times_ns[0]) / SECOND_NS
    peaks = np.maximum.accumulate(equity_units)
    depth = float(np.max((peaks - equity_units) / peaks))
    at_peak = equity_units == peaks
    peak_ns = np.maximum.accumulate(np.where(at_peak, times_ns, times_ns[0]))
    fallen = np.where(at_peak, 0, times_ns - peak_ns)
    # The mark of a recovery still belongs to the fall from the peak before it.
    recovered = np.where(at_peak[1:] & ~at_peak[:-1], times_ns[1:] - peak_ns[:-1], 0)
    longest = max(int(np.max(fallen)), int(np.max(recovered))) / SECOND_NS
    return {
        "max_drawdown": Metric(depth, count, span_s),
        "drawdown_length_s": Metric(longest, count, span_s),
    }


def trip_figures(trips: I8, *, tick_lot_units: int, risk_fraction: float) -> dict[str, Metric]:
    """Return SQN, SQN100, hit rate, profit factor and average duration of round trips.

    A round trip is a closed FIFO lot, net of both fees. R = profit / (risk_fraction x its cost),
    SQN = sqrt(N) mean(R) / sd(R), SQN100 the same with N at most 100 (Van Tharp 2008). Profit
    factor = sum of profits / sum of losses.

    Args:
        trips: i8[n, TRIP_COLUMNS].
        tick_lot_units: quote units of one tick on one lot.
        risk_fraction: the stop distance as a fraction of cost, > 0.
    """
    count = len(trips)
    profits = trips[:, TRIP_PROFIT].astype(np.float64)
    cost = np.abs(trips[:, TRIP_SIGNED_LOTS]) * trips[:, TRIP_OPEN_TICKS] * float(tick_lot_units)
    multiples = profits / (risk_fraction * cost)
    deviation = float(np.std(multiples, ddof=1)) if count > 1 else 0.0
    ratio = None
    if count >= TRIPS_MIN and deviation > 0.0:
        ratio = float(np.mean(multiples)) / deviation
    losses = -float(np.sum(profits[profits < 0.0]))
    gains = float(np.sum(profits[profits > 0.0]))
    held = (trips[:, TRIP_CLOSE_NS] - trips[:, TRIP_OPEN_NS]) / float(SECOND_NS)
    wins = int(np.count_nonzero(profits > 0.0))
    root = math.sqrt(count)
    return {
        "sqn": Metric(None if ratio is None else root * ratio, count),
        "sqn100": Metric(None if ratio is None else min(root, 10.0) * ratio, count),
        "hit_rate": Metric(wins / count if count else None, count),
        "profit_factor": Metric(gains / losses if losses > 0.0 else None, count),
        "average_trade_duration_s": Metric(float(np.mean(held)) if count else None, count),
    }


def markout_figures(
    fill_times_ns: I8,
    fill_sides: I8,
    fill_prices_ticks: I8,
    step_times_ns: I8,
    step_mids: F8,
    seconds: Sequence[int] = MARKOUT_SECONDS,
) -> dict[str, Metric]:
    """Return the mean markout of fills after each horizon, in basis points of mid at the fill.

    side x (mid after the horizon - price of the fill): positive is good for us, the captured
    half spread included. Mids are those of the last step at or before a time; a fill whose
    horizon ends after the last step does not count.

    Args:
        fill_times_ns: i8[n].
        fill_sides: i8[n], BUY or SELL, our side.
        fill_prices_ticks: i8[n].
        step_times_ns: i8[m], rising.
        step_mids: f8[m], ticks; 0 where there is none.
        seconds: horizons.
    """
    figures = {}
    at = np.searchsorted(step_times_ns, fill_times_ns, side="right") - 1
    for horizon in seconds:
        ends = fill_times_ns + horizon * SECOND_NS
        after = np.searchsorted(step_times_ns, ends, side="right") - 1
        known = np.zeros(len(fill_times_ns), dtype=bool)
        if len(step_times_ns):
            known = (at >= 0) & (ends <= step_times_ns[-1])
            known[known] = (step_mids[at[known]] > 0.0) & (step_mids[after[known]] > 0.0)
        moves = fill_sides[known] * (step_mids[after[known]] - fill_prices_ticks[known])
        count = int(np.count_nonzero(known))
        value = float(np.mean(moves / step_mids[at[known]])) * 1e4 if count else None
        figures[f"markout_{horizon}s_bps"] = Metric(value, count, float(horizon))
    return figures


def inventory_figures(
    position_lots: I8, max_position_lots: int, period_s: float
) -> dict[str, Metric]:
    """Return mean, mean size, 95th percentile and time at the limit of the position.

    All as shares: of max_position for the first three, of the marks for the last.

    Args:
        position_lots: i8[n], signed, at evenly spaced marks.
        max_position_lots: > 0, otherwise nothing is defined.
        period_s: seconds between the marks.
    """
    count = len(position_lots)
    if count == 0 or max_position_lots <= 0:
        names = ("mean", "mean_size", "p95_size", "time_at_limit")
        return {f"inventory_{name}": Metric(None, count, period_s) for name in names}
    shares = position_lots / float(max_position_lots)
    sizes = np.abs(shares)
    at_limit = float(np.mean(np.abs(position_lots) >= max_position_lots))
    return {
        "inventory_mean": Metric(float(np.mean(shares)), count, period_s),
        "inventory_mean_size": Metric(float(np.mean(sizes)), count, period_s),
        "inventory_p95_size": Metric(float(np.quantile(sizes, 0.95)), count, period_s),
        "inventory_time_at_limit": Metric(at_limit, count, period_s),
    }


def measure(
    *,
    times_ns: I8,
    equity_units: I8,
    position_lots: I8,
    capital_units: int,
    max_position_lots: int,
    trips: I8,
    fill_times_ns: I8,
    fill_sides: I8,
    fill_prices_ticks: I8,
    fill_lots: I8,
    orders_accepted: int,
    orders_filled: int,
    step_times_ns: I8,
    step_mids: F8,
    tick_lot_units: int,
    risk_fraction: float = 0.02,
    period_s: float = 600.0,
) -> Metrics:
    """Measure a whole record.

    Args:
        times_ns: i8[n], times of the marks, evenly spaced (cycles).
        equity_units: i8[n], quote units.
        position_lots: i8[n], signed, base over target.
        capital_units: quote units, > 0.
        max_position_lots: largest position in force.
        trips: i8[m, TRIP_COLUMNS].
        fill_times_ns: i8[f]; sides, prices and lots of the same fills follow.
        fill_sides: i8[f], our side.
        fill_prices_ticks: i8[f].
        fill_lots: i8[f].
        orders_accepted: orders that rested at the exchange.
        orders_filled: those of them with at least one fill.
        step_times_ns: i8[s], the tape's grid.
        step_mids: f8[s], ticks.
        tick_lot_units: SCALE_TICK_LOT.
        risk_fraction: stop distance of R-multiples.
        period_s: seconds of one return.

    Raises:
        ValueError: capital_units or period_s is not positive.
    """
    if not capital_units > 0 or not period_s > 0:
        raise ValueError(f"need capital > 0 and period_s > 0, found {capital_units}, {period_s}")
    count = len(times_ns)
    span_s = float(times_ns[-1] - times_ns[0]) / SECOND_NS if count > 1 else 0.0
    mark_s = span_s / (count - 1) if count > 1 else 0.0
    figures = return_figures(times_ns, equity_units, capital_units, period_s)
    figures |= drawdown_figures(times_ns, equity_units)
    figures |= trip_figures(trips, tick_lot_units=tick_lot_units, risk_fraction=risk_fraction)
    rate = orders_filled / orders_accepted if orders_accepted > 0 else None
    figures["fill_rate"] = Metric(rate, orders_accepted)
    traded = float(np.sum(fill_prices_ticks * fill_lots.astype(np.float64))) * tick_lot_units
    turnover = traded / capital_units * DAY_S / span_s if span_s > 0.0 else None
    figures["turnover_per_day"] = Metric(
        turnover, len(fill_lots), span_s, DAY_S / span_s if span_s > 0.0 else None
    )
    figures["traded_quote"] = Metric(traded / UNITS, len(fill_lots), span_s)
    figures |= markout_figures(
        fill_times_ns, fill_sides, fill_prices_ticks, step_times_ns, step_mids
    )
    figures |= inventory_figures(position_lots, max_position_lots, mark_s)
    return Metrics(figures)
