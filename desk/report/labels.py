"""What each figure of a report is called, in which unit it is shown, and what it means."""

from dataclasses import dataclass
from typing import Final

from desk.report.figures import HORIZONS_S
from market.metrics import Metric

PERCENT, BPS, RATIO, COUNT, QUOTE, SECONDS, TIMES = (
    "percent", "bps", "ratio", "count", "quote", "seconds", "times",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Label:
    """A line of the report: key of the figure, words, unit, how it is worked out."""

    key: str
    words: str
    unit: str
    how: str


def _markout(seconds: int) -> Label:
    words = "at the fill, against mid" if seconds == 0 else f"after {duration(float(seconds))}"
    how = "half spread that was captured" if seconds == 0 else "mid then, against the fill's price"
    return Label(f"markout_{seconds}s_bps", words, BPS, how)


def duration(seconds: float) -> str:
    """Return seconds in the unit that a person would use."""
    for size, unit in ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min")):
        if seconds >= 2.0 * size or (seconds >= size and seconds % size == 0.0):
            return f"{seconds / size:,.3g} {unit}"
    return f"{seconds:,.3g} s"


GROUPS: Final[tuple[tuple[str, tuple[Label, ...]], ...]] = (
    ("Orders", (
        Label("orders_placed", "orders placed", COUNT, "sent to the venue"),
        Label("success_rate", "success rate", PERCENT, "accepted / sent"),
        Label("fill_rate", "fill rate", PERCENT, "orders with a fill / accepted"),
        Label("win_rate", "win rate", PERCENT, "round trips with a profit / all"),
        Label("fills", "fills", COUNT, ""),
        Label("quote_to_trade", "quote-to-trade ratio", RATIO, "orders sent / fills"),
        Label("orders_refused", "refused by the risk gate", COUNT, "never sent"),
    )),
    ("Presence", (
        Label("two_sided_uptime", "two-sided uptime", PERCENT, "of the span, orders on both sides"),
        Label("quoted_uptime", "quoted on a side at least", PERCENT, "of the span"),
        Label("uptime", "uptime", PERCENT, "of the span, decision followed decision"),
    )),
    ("Round trips, first in, first out, net of fees", (
        Label("sqn", "SQN", RATIO, "root(N) x mean(R) / sd(R)"),
        Label("sqn100", "SQN100", RATIO, "the same with N at most 100"),
        Label("expectancy", "expectancy", QUOTE, "mean profit of a round trip"),
        Label("profit_factor", "profit factor", RATIO, "profits / losses"),
        Label("average_trade_duration_s", "average trade duration", SECONDS, ""),
    )),
    ("Net of holding the target", (
        Label("net_return", "return", PERCENT, "of the capital"),
        Label("net_volatility", "volatility, a year", PERCENT, "of the capital"),
        Label("net_sharpe", "Sharpe, a year", RATIO, "mean / sd of returns"),
        Label("net_sharpe_lo", "Sharpe, Lo's correction", RATIO, "for autocorrelation, Lo 2002"),
        Label("net_sortino", "Sortino, a year", RATIO, ""),
        Label("net_calmar", "Calmar", RATIO, "annualised return / drawdown"),
        Label("net_max_drawdown", "maximum drawdown", PERCENT, "of the peak, at decisions"),
        Label("net_drawdown_length_s", "longest time below a peak", SECONDS, ""),
    )),
    ("Equity, the target inventory included", (
        Label("return", "return", PERCENT, "of the capital"),
        Label("volatility", "volatility, a year", PERCENT, "of the capital"),
        Label("sharpe", "Sharpe, a year", RATIO, "mean / sd of returns"),
        Label("sharpe_lo", "Sharpe, Lo's correction", RATIO, "for autocorrelation, Lo 2002"),
        Label("sortino", "Sortino, a year", RATIO, ""),
        Label("calmar", "Calmar", RATIO, "annualised return / drawdown"),
        Label("max_drawdown", "maximum drawdown", PERCENT, "of the peak, at decisions"),
        Label("drawdown_length_s", "longest time below a peak", SECONDS, ""),
    )),
    ("Turnover and inventory", (
        Label("traded_quote", "traded", QUOTE, "sum of price x quantity"),
        Label("turnover_per_day", "turnover a day", TIMES, "traded / capital"),
        Label("inventory_mean", "mean position", PERCENT, "of the largest allowed"),
        Label("inventory_mean_size", "mean size", PERCENT, "of the largest allowed"),
        Label("inventory_p95_size", "95th percentile of size", PERCENT, "of the largest allowed"),
        Label("inventory_time_at_limit", "time at the limit", PERCENT, "of the decisions"),
    )),
    ("Markouts, in our favour if positive", tuple(_markout(each) for each in HORIZONS_S)),
)  # fmt: skip


def shown(figure: Metric, unit: str, quote: str) -> str:
    """Return a figure for a person, a dash where it is not defined."""
    value = figure.value
    if value is None:
        return "-"
    if unit == COUNT:
        return f"{value:,.0f}"
    if unit == PERCENT:
        small = abs(value) < 0.01
        return f"{100.0 * value:,.4f} %" if small else f"{100.0 * value:,.2f} %"
    if unit == BPS:
        return f"{value:+,.2f} bps"
    if unit == SECONDS:
        return duration(value)
    if unit == QUOTE:
        return f"{value:,.4f} {quote}" if abs(value) < 10.0 else f"{value:,.2f} {quote}"
    return f"{value:,.2f} x" if unit == TIMES else f"{value:,.2f}"


def basis(figure: Metric) -> str:
    """Return what a figure rests on: observations, their period, the factor it contains."""
    told = [f"n {figure.count:,}"]
    if figure.period_s and figure.value is not None:
        told.append(duration(figure.period_s))
    if figure.annualisation is not None and figure.value is not None:
        told.append(f"x {figure.annualisation:,.4g}")
    return ", ".join(told)
