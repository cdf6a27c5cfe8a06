"""Estimates what `counterpoint risk var` prints, as a document and as a table."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from agents.cli.exits import CONFIGURATION, USAGE, CommandError
from exchange.importers.bars import CLOSE, Bars
from market.types import F8
from risk.sizing import exposure_within
from risk.var import DEFAULT, Method, Model, Tail, tail
from risk.var_coverage import Coverage
from risk.var_returns import Closes, returns_of, rows_for
from risk.var_walk import calibrate, walk

LEVELS = (0.95, 0.99)
JUDGED_MAX = 1000
"""Youngest rows that a method is calibrated on and judged by."""
JUDGED_MIN = 100
HEAD = (
    "side      method      level  value at risk       shortfall  decay  "
    "exceeded        Kupiec  clusters  both"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """One estimate, and how the same would have done on the rows that it was calibrated on."""

    side: str
    model: Model
    tail: Tail
    coverage: Coverage | None


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """All estimates of one portfolio; exposures and losses in the quote asset."""

    symbols: tuple[str, ...]
    quote: str
    exposures: tuple[float, ...]
    horizon_ns: int
    row_ns: int
    steps: int
    rows: int
    still: tuple[float, ...]
    lines: tuple[Line, ...]

    @property
    def gross(self) -> float:
        """The exposures without their signs."""
        return sum(abs(each) for each in self.exposures)

    def held_within(self, line: Line, limit: float | None) -> float | None:
        """Return the gross exposure that a limit of one estimate allows; None: no limit, or any."""
        if limit is None or self.gross <= 0.0:
            return None
        most = exposure_within(line.tail, self.gross, limit)
        return most if math.isfinite(most) else None


def estimate(
    bars: Sequence[Bars], exposures: Sequence[float] | None, horizon_ns: int | None, seed: int
) -> Report:
    """Estimate all methods, levels and sides.

    Args:
        bars: of each symbol.
        exposures: of each, quote asset; None: one unit in equal parts.
        horizon_ns: None: the longest period among the bars.
        seed: of the paths of a horizon of several rows.

    Raises:
        CommandError: quotes that differ, or too little data.
    """
    symbols = tuple(each.meta.symbol for each in bars)
    quotes = sorted({symbol.rsplit("-", 1)[-1] for symbol in symbols})
    if len(quotes) != 1:
        raise CommandError(f"symbols must have one quote asset, found {', '.join(quotes)}", USAGE)
    period_ns = max(each.meta.period_ns for each in bars)
    closes = [
        Closes(each.times_ns + each.meta.period_ns, each.figures[:, CLOSE].copy()) for each in bars
    ]
    span_ns = min(int(each.known_ns[-1]) for each in closes) - max(
        int(each.known_ns[0]) for each in closes
    )
    held = np.array([1.0 / len(bars)] * len(bars) if exposures is None else exposures)
    horizon_ns = horizon_ns or period_ns
    try:
        row_ns, steps = rows_for(span_ns, period_ns, horizon_ns, DEFAULT.window + JUDGED_MIN)
        returns = returns_of(closes, row_ns)
        lines = [
            line
            for side, signed in (("as given", held), ("reversed", -held))
            for method in Method
            for line in lines_of(returns.figures, signed, method, side, steps, seed)
        ]
    except ValueError as error:
        raise CommandError(f"{', '.join(symbols)}: {error}", CONFIGURATION) from None
    return Report(
        symbols=symbols,
        quote=quotes[0],
        exposures=tuple(float(each) for each in held),
        horizon_ns=horizon_ns,
        row_ns=row_ns,
        steps=steps,
        rows=len(returns.figures),
        still=tuple(float(each) for each in returns.still),
        lines=tuple(lines),
    )


def lines_of(
    returns: F8, exposures: F8, method: Method, side: str, steps: int, seed: int
) -> list[Line]:
    """Return one method's estimates at both levels."""
    model = Model(method=method)
    count = len(returns)
    first = max(model.window, count - JUDGED_MAX)
    judged = count - first >= JUDGED_MIN
    if judged:
        model = calibrate(
            returns, exposures, level=max(LEVELS), model=model, first=first, last=count
        )
    lines = []
    for level in LEVELS:
        rng = np.random.default_rng(seed)
        found = tail(returns, exposures, level=level, model=model, steps=steps, rng=rng)
        past = (
            walk(returns, exposures, level=level, model=model, first=first, last=count).coverage()
            if judged and steps == 1
            else None
        )
        lines.append(Line(side, model, found, past))
    return lines


def as_dict(report: Report, limit: float | None) -> dict[str, Any]:
    """Return a report as plain JSON values; `limit` is money that may be at risk."""
    lines = [
        {
            "side": line.side,
            "method": line.model.method.value,
            "default": line.model.method is DEFAULT.method,
            "level": line.tail.level,
            "value_at_risk": line.tail.value_at_risk,
            "expected_shortfall": line.tail.shortfall,
            "gross_within_limit": report.held_within(line, limit),
            "rows": line.tail.rows,
            "decay": decay_of(line.model),
            "coverage": None if line.coverage is None else dataclasses.asdict(line.coverage),
        }
        for line in report.lines
    ]
    return {
        "symbols": list(report.symbols),
        "quote": report.quote,
        "exposures": list(report.exposures),
        "limit": limit,
        "horizon_s": report.horizon_ns / 1e9,
        "row_s": report.row_ns / 1e9,
        "steps": report.steps,
        "rows": report.rows,
        "still_share": list(report.still),
        "estimates": lines,
    }


def decay_of(model: Model) -> float:
    """Return the decay that the method uses."""
    return model.age_decay if model.method is Method.HISTORICAL else model.decay


def duration(nanoseconds: int) -> str:
    """Return a duration as a person writes it."""
    seconds = nanoseconds / 1e9
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def as_text(report: Report, limit: float | None) -> str:
    """Return a report as a trader reads it; `limit` is money that may be at risk."""
    gross = report.gross
    held = ", ".join(
        f"{exposure:+,.6g} {report.quote} of {symbol}"
        for exposure, symbol in zip(report.exposures, report.symbols, strict=True)
    )
    cut = f", {report.steps} steps of {duration(report.row_ns)}" if report.steps > 1 else ""
    past_rows = f"{report.rows:,} past rows, no price in {max(report.still):.1%} of them"
    lines = [f"{held}; horizon {duration(report.horizon_ns)}{cut}; {past_rows}", HEAD]
    for line in report.lines:
        found, past = line.tail, line.coverage
        figures = "  ".join(
            f"{1e4 * money / gross if gross else 0.0:9.2f} bps"
            for money in (found.value_at_risk, found.shortfall)
        )
        judged = (
            "not judged"
            if past is None
            else f"{past.exceeded:3d} of {past.observations:<5d}    {past.kupiec:6.3f}"
            f"  {past.independence:8.3f}  {past.conditional:.3f}"
        )
        star = "*" if line.model.method is DEFAULT.method else " "
        lines.append(
            f"{line.side:<9} {line.model.method:<10}{star} {found.level:.0%}  {figures}  "
            f"{decay_of(line.model):5.3f}  {judged}"
        )
        most = report.held_within(line, limit)
        if most is not None and star == "*":
            lines.append(f"          at most {most:,.6g} {report.quote} gross within {limit:,.6g}")
    lines.append(
        f"bps of {gross:,.6g} {report.quote} gross; * the default; p-values below 0.05 say that a "
        "method is wrong here (docs/risk.md)"
    )
    return "\n".join(lines)
