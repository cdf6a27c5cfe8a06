"""Draws charts as HTML with SVG inside: the plot stretches with the page, its words do not.

What is drawn keeps its line width at any size (`non-scaling-stroke`), and labels are text of the
page beside the plot, so that a chart reads the same on a wall and on a phone. Long lines are
thinned to their lowest and highest point per column. Every word is escaped.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Final, TypeVar

import numpy as np

from market.types import F8

WIDTH: Final = 1000
COLUMNS: Final = 500
DOTS_MAX: Final = 1_500
TICKS: Final = 5
STEPS_S: Final = (
    60, 300, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000,
)  # fmt: skip
TIMES_MAX: Final = 6
Placed = TypeVar("Placed", float, F8)


@dataclass(frozen=True, slots=True)
class Line:
    """A line, or an area down to zero, through f8[n] points; `steps` holds each until the next."""

    name: str
    x: F8
    y: F8
    tone: int
    area: bool = False
    steps: bool = False


@dataclass(frozen=True, slots=True)
class Dots:
    """Dots at f8[n] points."""

    name: str
    x: F8
    y: F8
    tone: int


@dataclass(frozen=True, slots=True)
class Chart:
    """One plot over time, seconds since the epoch.

    Attributes:
        title: what is drawn.
        unit: of the vertical axis.
        series: in the order in which they are named; the first is on top.
        zero: whether 0 belongs into the picture.
        rules: where vertical lines stand, seconds.
        bound: values of horizontal lines.
        height: pixels.
    """

    title: str
    unit: str
    series: tuple[Line | Dots, ...]
    zero: bool = False
    rules: Sequence[float] = ()
    bounds: Sequence[float] = ()
    height: int = 220


def drawn(chart: Chart, low_s: float, high_s: float) -> str:
    """Return a chart over a span as an HTML figure."""
    low, high = _ends(chart)
    steps = nice(low, high)
    height = chart.height

    def place(y: Placed) -> Placed:
        return height - (y - low) / (high - low) * height

    def across(x: Placed) -> Placed:
        return (x - low_s) / (high_s - low_s) * WIDTH

    grid = "".join(f'<path class="g" d="M0 {place(each):.1f}H{WIDTH}"/>' for each in steps)
    for each in chart.bounds:
        grid += f'<path class="b" d="M0 {place(each):.1f}H{WIDTH}"/>'
    for each in chart.rules:
        grid += f'<path class="r" d="M{across(each):.1f} 0V{height}"/>'
    shapes = ""
    for series in reversed(chart.series):
        x, y = across(series.x), place(np.asarray(series.y, dtype=np.float64))
        if isinstance(series, Dots):
            shapes += dots(x, y, series.tone)
        else:
            bottom = place(max(low, min(high, 0.0)))
            shapes += line(x, y, series, bottom)
    labels = "".join(
        f'<span style="top:{100.0 * place(each) / height:.2f}%">{number(each, steps)}</span>'
        for each in steps
    )
    times = "".join(
        f'<span style="left:{100.0 * (at - low_s) / (high_s - low_s):.2f}%">{text}</span>'
        for at, text in moments(low_s, high_s)
    )
    return (
        f"<figure><figcaption><b>{escape(chart.title)}</b><i>{escape(chart.unit)}</i>"
        f"{legend(chart.series)}</figcaption>"
        f'<div class="plot"><div class="y">{labels}</div>'
        f'<svg viewBox="0 0 {WIDTH} {height}" style="height:{height}px" preserveAspectRatio="none" '
        f'role="img" aria-label="{escape(chart.title)}">{grid}{shapes}</svg>'
        f'<div class="x">{times}</div></div></figure>'
    )


def legend(series: Sequence[Line | Dots]) -> str:
    """Return the names of several series with their colours; a single one needs none."""
    if len(series) < 2:
        return ""
    return "".join(
        f'<span class="key"><u class="k{each.tone}"></u>{escape(each.name)}</span>'
        for each in series
    )


def line(x: F8, y: F8, series: Line, bottom: float) -> str:
    """Return a line in pixels, thinned; with `area` filled down to `bottom`."""
    if len(x) == 0:
        return ""
    if series.steps:
        x, y = np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]
    x, y = thinned(x, y)
    points = "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    path = f'<path class="l s{series.tone}" d="M{points}"/>'
    if series.area:
        closed = f"M{x[0]:.1f} {bottom:.1f}L{points}L{x[-1]:.1f} {bottom:.1f}Z"
        path = f'<path class="a f{series.tone}" d="{closed}"/>' + path
    return path


def dots(x: F8, y: F8, tone: int) -> str:
    """Return dots, at most `DOTS_MAX`, evenly chosen: lines of no length with round ends."""
    if len(x) == 0:
        return ""
    chosen = np.unique(np.linspace(0, len(x) - 1, min(DOTS_MAX, len(x))).astype(np.int64))
    path = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(x[chosen], y[chosen], strict=True))
    return f'<path class="d s{tone}" d="{path}"/>'


def thinned(x: F8, y: F8) -> tuple[F8, F8]:
    """Return the lowest and the highest point of each column, in order, when there are many."""
    if len(x) <= 2 * COLUMNS:
        return x, y
    bounds = np.linspace(0, len(x), COLUMNS + 1).astype(np.int64)
    kept = {0, len(x) - 1}
    for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        part = y[first:last]
        kept |= {first + int(np.argmin(part)), first + int(np.argmax(part))}
    chosen = np.array(sorted(kept))
    return x[chosen], y[chosen]


def _ends(chart: Chart) -> tuple[float, float]:
    """Return the ends of the vertical axis, with a little room."""
    values = [np.asarray(each.y, dtype=np.float64) for each in chart.series if len(each.y)]
    every = np.concatenate([*values, np.asarray(chart.bounds, dtype=np.float64)])
    every = every[np.isfinite(every)]
    low, high = (float(np.min(every)), float(np.max(every))) if len(every) else (0.0, 1.0)
    if chart.zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if not high > low:
        low, high = low - (abs(low) * 0.01 or 1.0), high + (abs(high) * 0.01 or 1.0)
    room = 0.06 * (high - low)
    return low - room, high + room


def nice(low: float, high: float) -> list[float]:
    """Return round values between two."""
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(each * power for each in (1.0, 2.0, 2.5, 5.0, 10.0) if each * power >= rough)
    first = math.ceil(low / step)
    return [place * step for place in range(first, math.floor(high / step) + 1)]


def number(value: float, steps: Sequence[float]) -> str:
    """Return a value with the decimals that its neighbours differ in."""
    step = abs(steps[1] - steps[0]) if len(steps) > 1 else abs(value) or 1.0
    places = max(0, -math.floor(math.log10(step) + 1e-9))
    if places and round(step, places) != round(step, places + 1):
        places += 1
    return f"{value + 0.0:,.{places}f}"


def moments(low_s: float, high_s: float) -> list[tuple[float, str]]:
    """Return times to mark with their words."""
    step = next((each for each in STEPS_S if (high_s - low_s) / each <= TIMES_MAX), STEPS_S[-1])
    form = "%H:%M" if step < 86_400 else "%d %b"
    found = []
    for place in range(math.ceil(low_s / step), math.floor(high_s / step) + 1):
        at = float(place * step)
        if 0.03 <= (at - low_s) / (high_s - low_s) <= 0.97:
            found.append((at, datetime.fromtimestamp(at, UTC).strftime(form)))
    return found


def bars(title: str, unit: str, rows: Sequence[tuple[str, float | None, str]]) -> str:
    """Return horizontal bars from zero: label, value, the value in words."""
    known = [value for _, value, _ in rows if value is not None]
    low, high = min(0.0, *known, 0.0), max(0.0, *known, 0.0)
    span = (high - low) or 1.0
    zero = -low / span * 100.0
    told = ""
    for label, value, words in rows:
        left = zero if value is None or value >= 0 else (value - low) / span * 100.0
        wide = 0.0 if value is None else abs(value) / span * 100.0
        tone = "up" if value is None or value >= 0 else "down"
        told += (
            f'<div class="bar"><span>{escape(label)}</span><div><s class="{tone}" '
            f'style="left:{left:.2f}%;width:{wide:.2f}%"></s><s class="zero" '
            f'style="left:{zero:.2f}%"></s></div><span>{escape(words)}</span></div>'
        )
    return (
        f"<figure><figcaption><b>{escape(title)}</b><i>{escape(unit)}</i></figcaption>"
        f'<div class="bars">{told}</div></figure>'
    )
