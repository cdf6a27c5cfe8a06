"""Draws plots as SVG text: panels of lines and marks over one axis, or rows of bars.

The text is a whole file: no script, no font, no address, readable on a light and on a dark page.
Long lines are thinned to what a pixel can show, so that a day of marks stays far below 300 KB. What
is drawn is decided elsewhere.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from itertools import pairwise

import numpy as np

from market.types import F8

WIDTH = 960
LEFT, RIGHT = 84, 24
PLOT = WIDTH - LEFT - RIGHT
HEADER, FOOTER = 64, 34
TITLE = 30
"""Height of a panel's own title, above its plot."""
GAP = 18
TICKS = 4
COLUMNS = 500
"""Columns that a line is thinned to: each keeps its first, lowest, highest and last point."""
MARKS_MAX = 2_500
TONES = 5
STEPS_S = (60, 300, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 2 * 86_400, 7 * 86_400)
TIME_TICKS = 9
SECOND_NS = 1_000_000_000
DAY_S = 86_400
LABEL = 230
"""Width of a bar's label."""
BAR, BAR_STEP = 14, 26

STYLE = """
text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;fill:#52514e}
.page{fill:#fcfcfb}.big{font-size:16px;font-weight:600;fill:#0b0b0b}.bold{font-weight:600;fill:#0b0b0b}
.grid{stroke:#e6e5df;stroke-width:1}.zero{stroke:#a3a19a;stroke-width:1}
.line{fill:none;stroke-width:1.5;stroke-linejoin:round}.whisker{stroke:#52514e;stroke-width:1.2}
.s0{stroke:#2a78d6}.s1{stroke:#d95926}.s2{stroke:#168f64}.s3{stroke:#7a5bd0}.s4{stroke:#8a8880}
.f0{fill:#2a78d6}.f1{fill:#d95926}.f2{fill:#168f64}.f3{fill:#7a5bd0}.f4{fill:#8a8880}
.thin{stroke-width:1.1;opacity:.85}
@media (prefers-color-scheme:dark){
text{fill:#c3c2b7}.page{fill:#1a1a19}.big,.bold{fill:#fff}
.grid{stroke:#30302d}.zero{stroke:#77756e}.whisker{stroke:#c3c2b7}
.s0{stroke:#5598e7}.s1{stroke:#e8763f}.s2{stroke:#23b07e}.s3{stroke:#9c8cf0}.s4{stroke:#98968e}
.f0{fill:#5598e7}.f1{fill:#e8763f}.f2{fill:#23b07e}.f3{fill:#9c8cf0}.f4{fill:#98968e}}
""".strip()


@dataclass(frozen=True, slots=True)
class Line:
    """A line through f8[n] points, x rising; `tone` in [0, TONES) is its colour."""

    name: str
    x: F8
    y: F8
    tone: int = 0
    thin: bool = False


@dataclass(frozen=True, slots=True)
class Marks:
    """Triangles at f8[n] points, upward or downward."""

    name: str
    x: F8
    y: F8
    tone: int = 0
    up: bool = True


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot with its own vertical axis, in a stack that shares the horizontal one.

    Attributes:
        title: what is drawn, with its unit.
        series: named in this order, drawn in the other, so that the first is on top.
        zero: whether 0 belongs into the picture.
        height: of the plot, pixels.
    """

    title: str
    series: tuple[Line | Marks, ...]
    zero: bool = True
    height: int = 150


@dataclass(frozen=True, slots=True)
class Axis:
    """The horizontal axis: its ends, its marked values with their labels, what it measures."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    title: str = ""

    def place(self, x: F8) -> F8:
        """Return pixels of values."""
        span = self.high - self.low or 1.0
        pixels: F8 = LEFT + (np.asarray(x, dtype=np.float64) - self.low) / span * PLOT
        return pixels


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; `low` and `high` bound what is known of its value, NaN when nothing is."""

    label: str
    value: float
    low: float = math.nan
    high: float = math.nan
    tone: int = 0


def nice_ticks(low: float, high: float, count: int = TICKS) -> list[float]:
    """Return about `count` round values within [low, high]."""
    span = high - low
    if not 0.0 < span < math.inf:
        return [low]
    rough = span / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1.0, 2.0, 2.5, 5.0, 10.0) if m * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def labels(values: Sequence[float]) -> list[str]:
    """Return values with just the decimals that tell them apart."""
    step = min((abs(b - a) for a, b in pairwise(values)), default=1.0)
    places = 0
    while places < 9 and abs(round(step, places) - step) > step * 1e-6:
        places += 1
    return [f"{value + 0.0:,.{places}f}" for value in values]


def time_axis(first_ns: int, last_ns: int) -> Axis:
    """Return an axis in seconds since the epoch; labels are UTC, a date where a day begins."""
    low, high = first_ns / SECOND_NS, last_ns / SECOND_NS
    fitting = (step for step in STEPS_S if (high - low) / step <= TIME_TICKS)
    step = next(fitting, STEPS_S[-1])
    ticks = []
    for index in range(math.ceil(low / step), math.floor(high / step) + 1):
        at = datetime.fromtimestamp(index * step, UTC)
        midnight = index * step % DAY_S == 0
        ticks.append((float(index * step), f"{at:%b %d}" if midnight else f"{at:%H:%M}"))
    begin = datetime.fromtimestamp(low, UTC)
    return Axis(low, high, tuple(ticks), f"UTC, from {begin:%Y-%m-%d %H:%M}")


def number_axis(low: float, high: float, title: str) -> Axis:
    """Return a plain axis."""
    ticks = nice_ticks(low, high, 8)
    return Axis(low, high, tuple(zip(ticks, labels(ticks), strict=True)), title)


def thinned(x: F8, y: F8, columns: int = COLUMNS) -> tuple[F8, F8]:
    """Return the points that show: of each column the first, lowest, highest and last.

    Points without a finite value are left out.
    """
    sound = np.isfinite(x) & np.isfinite(y)
    x, y = x[sound], y[sound]
    if len(x) <= 4 * columns:
        return x, y
    span = x[-1] - x[0] or 1.0
    column = np.minimum((x - x[0]) / span * columns, columns - 1).astype(np.int64)
    starts = np.flatnonzero(np.diff(column, prepend=-1))
    ends = np.append(starts[1:], len(x))
    kept: set[int] = set()
    for start, end in zip(starts, ends, strict=True):
        part = y[start:end]
        kept |= {int(start), int(start + part.argmin()), int(start + part.argmax()), int(end - 1)}
    rows = np.array(sorted(kept))
    return x[rows], y[rows]


def _bounds(panel: Panel) -> tuple[float, float]:
    """Return the lowest and highest value to be drawn, with a little air."""
    values = [each.y[np.isfinite(each.y)] for each in panel.series]
    flat = np.concatenate([*values, np.zeros(1 if panel.zero else 0)])
    if not flat.size:
        return 0.0, 1.0
    low, high = float(flat.min()), float(flat.max())
    air = 0.06 * (high - low) or max(1e-9, abs(high) * 0.01, 0.0 if high else 1.0)
    return low - air, high + air


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    held = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}"{named}{held}>{escape(words)}</text>'


def _rule(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def _draw_line(line: Line, axis: Axis, place: Callable[[F8], F8]) -> str:
    x, y = thinned(line.x, line.y)
    points = np.round(np.stack([axis.place(x), place(y)], axis=1), 1)
    if not len(points):
        return ""
    path = " ".join(f"{a:.1f} {b:.1f}".replace(".0 ", " ").removesuffix(".0") for a, b in points)
    thin = " thin" if line.thin else ""
    return f'<path class="line s{line.tone % TONES}{thin}" d="M{path}"/>'


def _draw_marks(marks: Marks, axis: Axis, place: Callable[[F8], F8]) -> str:
    sound = np.isfinite(marks.x) & np.isfinite(marks.y)
    spots = np.stack([axis.place(marks.x[sound]), place(marks.y[sound])], axis=1)
    spots = np.unique(np.round(spots), axis=0)  # what lies on one pixel is one mark
    if len(spots) > MARKS_MAX:
        spots = spots[np.linspace(0, len(spots) - 1, MARKS_MAX).astype(np.int64)]
    shape = "l3 5h-6z" if marks.up else "l-3-5h6z"  # the tip is at the value
    path = "".join(f"M{x:.0f} {y:.0f}{shape}" for x, y in spots)
    return f'<path class="f{marks.tone % TONES}" opacity=".8" d="{path}"/>'


def _legend(panel: Panel, top: float) -> Iterable[str]:
    """Name the series at the right end of a panel's title."""
    if len(panel.series) < 2:
        return
    x = float(WIDTH - RIGHT)
    for each in reversed(panel.series):
        x -= 6.6 * len(each.name)
        yield _text(x, top, each.name)
        if isinstance(each, Line):
            yield f'<path class="line s{each.tone % TONES}" d="M{x - 22:.1f} {top - 4:.1f}h16"/>'
        else:
            shape = "m-11-9l4 7h-8z" if each.up else "m-11-2l-4-7h8z"
            yield f'<path class="f{each.tone % TONES}" d="M{x:.1f} {top:.1f}{shape}"/>'
        x -= 36


def _draw_panel(panel: Panel, axis: Axis, top: float) -> Iterable[str]:
    low, high = _bounds(panel)
    bottom = top + panel.height

    def place(y: F8) -> F8:
        pixels: F8 = bottom - (np.asarray(y, dtype=np.float64) - low) / (high - low) * panel.height
        return pixels

    yield _text(LEFT, top - 12, panel.title, "bold")
    yield from _legend(panel, top - 12)
    ticks = nice_ticks(low, high)
    for value, label in zip(ticks, labels(ticks), strict=True):
        y = float(place(np.array(value)))
        kind = "zero" if value == 0.0 and panel.zero else "grid"
        yield _rule(LEFT, y, WIDTH - RIGHT, y, kind)
        yield _text(LEFT - 8, y + 4, label, anchor="end")
    for value, _ in axis.ticks:
        x = float(axis.place(np.array(value)))
        yield _rule(x, top, x, bottom, "grid")
    for each in reversed(panel.series):
        if isinstance(each, Line):
            yield _draw_line(each, axis, place)
        else:
            yield _draw_marks(each, axis, place)


def _page(height: float, title: str, subtitle: str, parts: Iterable[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
        f'width="{WIDTH}" height="{height:.0f}" role="img"><title>{escape(title)}</title>'
        f"<desc>{escape(subtitle)}</desc><style>{STYLE}</style>"
        f'<rect class="page" width="{WIDTH}" height="{height:.0f}" rx="6"/>'
    )
    top = [_text(20, 28, title, "big"), _text(20, 48, subtitle)]
    return "\n".join([head, *top, *(part for part in parts if part), "</svg>\n"])


def plot(panels: Sequence[Panel], axis: Axis, *, title: str, subtitle: str = "") -> str:
    """Return an SVG of panels under one another over the same horizontal axis."""
    parts: list[str] = []
    top = float(HEADER)
    for panel in panels:
        top += TITLE
        parts += _draw_panel(panel, axis, top)
        top += panel.height + GAP
    bottom = top - GAP
    for value, label in axis.ticks:
        parts.append(_text(float(axis.place(np.array(value))), bottom + 18, label, anchor="middle"))
    parts.append(_text(WIDTH - RIGHT, bottom + 34, axis.title, anchor="end"))
    return _page(bottom + FOOTER + 12, title, subtitle, parts)


def bars(rows: Sequence[Bar], *, title: str, subtitle: str = "", unit: str = "") -> str:
    """Return an SVG of horizontal bars from 0, one a row, in the order given.

    A row whose value is not finite keeps its label and shows a dash.
    """
    ends = [v for row in rows for v in (row.value, row.low, row.high) if math.isfinite(v)]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    span = (high - low) or 1.0
    left, width = 20 + LABEL, WIDTH - LABEL - RIGHT - 110
    ticks = nice_ticks(low, high, 6)
    bottom = HEADER + BAR_STEP * len(rows) + 6
    parts: list[str] = []

    def place(value: float) -> float:
        return left + (value - low) / span * width

    for value, label in zip(ticks, labels(ticks), strict=True):
        x = place(value)
        parts.append(_rule(x, HEADER - 4, x, bottom, "zero" if value == 0.0 else "grid"))
        parts.append(_text(x, bottom + 18, label, anchor="middle"))
    places = min(6, max(0, 3 - math.ceil(math.log10(span))))  # three figures of the longest bar
    for index, row in enumerate(rows):
        y = HEADER + BAR_STEP * index + 4
        middle = y + BAR / 2
        parts.append(_text(left - 10, middle + 4, row.label, anchor="end"))
        if not math.isfinite(row.value):
            parts.append(_text(place(0.0) + 6, middle + 4, "-"))
            continue
        start, end = sorted((place(0.0), place(row.value)))
        parts.append(
            f'<rect class="f{row.tone % TONES}" x="{start:.1f}" y="{y:.1f}" '
            f'width="{max(1.0, end - start):.1f}" height="{BAR}" rx="2"/>'
        )
        if math.isfinite(row.low) and math.isfinite(row.high):
            a, b = place(row.low), place(row.high)
            parts.append(_rule(a, middle, b, middle, "whisker"))
            parts += [_rule(x, middle - 4, x, middle + 4, "whisker") for x in (a, b)]
            end = max(end, b)
        parts.append(_text(end + 8, middle + 4, f"{row.value:,.{places}f}"))
    parts.append(_text(WIDTH - RIGHT, bottom + 34, unit, anchor="end"))
    return _page(bottom + FOOTER + 12, title, subtitle, parts)
