"""Plots over any axis, in the manner of `desk/report/charts.py`: shapes stretch, words do not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np

from desk.report.charts import WIDTH, Dots, Line, dots, line, nice, number
from market.types import F8

ROOM: Final = 0.05


@dataclass(frozen=True, slots=True)
class Band:
    """An area between two lines through f8[n] points."""

    name: str
    x: F8
    low: F8
    high: F8
    tone: int


@dataclass(frozen=True, slots=True)
class Sheaf:
    """Lines through the same f8[k] places, f8[n, k]."""

    name: str
    x: F8
    rows: F8
    tone: int


@dataclass(frozen=True, slots=True)
class Mark:
    """One point with a name of its own, drawn as a ring."""

    name: str
    x: float
    y: float
    tone: int


Series = Line | Dots | Band | Sheaf
Placing = Callable[[F8 | float], F8]


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot.

    Attributes:
        title: what is drawn; `told`, in a sentence, how to read it.
        across, up: what the axes are.
        series: in the order in which they are named; the first is on top.
        marks: above all series.
        ends: of the horizontal axis; None: as the series are.
        rise: ends of the vertical axis; None: as the series are.
        bounds: values of horizontal lines, `rules` of vertical ones.
        diagonal: whether the line of equal values is drawn.
    """

    title: str
    told: str
    across: str
    up: str
    series: tuple[Series, ...]
    marks: tuple[Mark, ...] = ()
    ends: tuple[float, float] | None = None
    rise: tuple[float, float] | None = None
    bounds: Sequence[float] = ()
    rules: Sequence[float] = ()
    diagonal: bool = False
    height: int = 240
    ticks: Sequence[tuple[float, str]] | None = None


def drawn(plot: Plot) -> str:
    """Return a plot as an HTML figure."""
    left, right = plot.ends or _ends([each.x for each in (*plot.series, *plot.marks)])
    low, high = plot.rise or _ends([*_heights(plot), np.asarray(plot.bounds, dtype=np.float64)])
    height = plot.height

    def across(x: F8 | float) -> F8:
        found: F8 = (np.asarray(x, dtype=np.float64) - left) / (right - left) * WIDTH
        return found

    def place(y: F8 | float) -> F8:
        found: F8 = height - (np.asarray(y, dtype=np.float64) - low) / (high - low) * height
        return found

    steps = nice(low, high)
    grid = "".join(f'<path class="g" d="M0 {float(place(each)):.1f}H{WIDTH}"/>' for each in steps)
    for bound in plot.bounds:
        grid += f'<path class="b" d="M0 {float(place(bound)):.1f}H{WIDTH}"/>'
    for rule in plot.rules:
        grid += f'<path class="r" d="M{float(across(rule)):.1f} 0V{height}"/>'
    if plot.diagonal:
        grid += (
            f'<path class="b" d="M{float(across(low)):.1f} {height}L{float(across(high)):.1f} 0"/>'
        )
    shapes = ""
    for each in reversed(plot.series):
        shapes += _shape(each, across, place)
    rings = "".join(
        f'<span class="ring r{each.tone}" title="{escape(each.name)}" style="left:'
        f'{float(across(each.x)) / 10:.2f}%;top:{float(place(each.y)):.1f}px"></span>'
        for each in plot.marks
    )
    return (
        f"<figure><figcaption><b>{escape(plot.title)}</b><i>{escape(plot.told)}</i>"
        f'{_names(plot)}</figcaption><div class="up">{escape(plot.up)}</div><div class="plot">'
        f'<div class="y">{_labels(steps, place, height)}</div><div class="area">'
        f'<svg viewBox="0 0 {WIDTH} {height}" style="height:{height}px" '
        f'preserveAspectRatio="none" role="img" aria-label="{escape(plot.title)}">'
        f'{grid}{shapes}</svg>{rings}</div><div class="x">{_below(plot, left, right)}</div></div>'
        f'<div class="across">{escape(plot.across)}</div></figure>'
    )


def _shape(each: Series, across: Placing, place: Placing) -> str:
    x = across(each.x)
    if isinstance(each, Dots):
        return dots(x, place(each.y), each.tone)
    if isinstance(each, Line):
        return line(x, place(each.y), each, float(place(0.0)))
    if isinstance(each, Sheaf):
        path = "".join(
            "M" + "L".join(f"{a:.0f} {b:.1f}" for a, b in zip(x, row, strict=True))
            for row in place(each.rows)
        )
        return f'<path class="l s{each.tone}" d="{path}"/>' if path else ""
    if len(x) == 0:
        return ""
    edge = [
        *zip(x, place(each.low), strict=True),
        *zip(x[::-1], place(each.high)[::-1], strict=True),
    ]
    points = "L".join(f"{a:.1f} {b:.1f}" for a, b in edge)
    return f'<path class="a f{each.tone}" d="M{points}Z"/>'


def _heights(plot: Plot) -> list[F8]:
    found = []
    for each in plot.series:
        if isinstance(each, Band):
            found += [each.low, each.high]
        else:
            found.append(each.rows.ravel() if isinstance(each, Sheaf) else each.y)
    return [*found, *(np.array([each.y]) for each in plot.marks)]


def _ends(values: Sequence[F8 | float]) -> tuple[float, float]:
    """Return the ends of an axis, with a little room."""
    every = np.concatenate([np.atleast_1d(np.asarray(each, dtype=np.float64)) for each in values])
    every = every[np.isfinite(every)]
    low, high = (float(every.min()), float(every.max())) if len(every) else (0.0, 1.0)
    if not high > low:
        low, high = low - (abs(low) * 0.01 or 1.0), high + (abs(high) * 0.01 or 1.0)
    room = ROOM * (high - low)
    return low - room, high + room


def _labels(steps: Sequence[float], place: Placing, height: int) -> str:
    return "".join(
        f'<span style="top:{100.0 * float(place(each)) / height:.2f}%">{number(each, steps)}</span>'
        for each in steps
    )


def _below(plot: Plot, left: float, right: float) -> str:
    steps = nice(left, right)
    ticks = plot.ticks or [(each, number(each, steps)) for each in steps]
    return "".join(
        f'<span style="left:{100.0 * (at - left) / (right - left):.2f}%">{escape(text)}</span>'
        for at, text in ticks
        if 0.0 <= (at - left) / (right - left) <= 1.0
    )


def _names(plot: Plot) -> str:
    found = [
        (f"k{each.tone}{' pale' if isinstance(each, Band) else ''}", each.name)
        for each in plot.series
        if each.name
    ]
    told = "".join(
        f'<span class="key"><u class="{tone}"></u>{escape(name)}</span>' for tone, name in found
    )
    rings = "".join(
        f'<span class="key"><u class="ring r{each.tone}"></u>{escape(each.name)}</span>'
        for each in plot.marks
    )
    return (told if len(found) > 1 or rings else "") + rings
