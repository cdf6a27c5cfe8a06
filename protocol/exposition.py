"""Figures of a process in Prometheus' text format. Pure: nothing is measured or served here.

Names have their unit last, counters end in `_total`, ratios are 0 to 1, and no label has more
values than a few: no order, message or trade ever is one. What is shown is copied from state that
is there already. (prometheus.io/docs/practices/naming, .../instrumenting/exposition_formats)
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

PREFIX: Final = "counterpoint_"
FOREIGN: Final = ("process_",)
"""Beginnings of names that everybody shows alike, and that get no prefix."""
Labels: TypeAlias = Mapping[str, str]
ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Kind(StrEnum):
    """What may be done with a figure."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Histogram:
    """Counts of observations by size; observing one is two additions and a search.

    Args:
        bounds: upper bounds, rising, in the unit of the name; the last one, infinite, is ours.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


@dataclass(frozen=True, slots=True)
class Figure:
    """One name and its samples.

    Attributes:
        name: without prefix.
        what: one line for people.
        samples: labels of each beside those of the process, and its value.
    """

    name: str
    what: str
    kind: Kind
    samples: tuple[tuple[Labels, float], ...] | Histogram


def gauge(name: str, what: str, value: float) -> Figure:
    """Return a figure that goes up and down."""
    return Figure(name, what, Kind.GAUGE, (({}, value),))


def gauges(name: str, what: str, label: str, values: Mapping[str, float]) -> Figure:
    """Return one that is told apart by a label."""
    return Figure(name, what, Kind.GAUGE, _told_apart(label, values))


def states(name: str, what: str, now: str, every: Iterable[str]) -> Figure:
    """Return a figure that is 1 for the state that holds and 0 for the others."""
    return gauges(name, what, "state", {each: float(each == now) for each in every})


def counter(name: str, what: str, value: float) -> Figure:
    """Return a figure that only grows, from the start of the process or of the session."""
    return Figure(name, what, Kind.COUNTER, (({}, value),))


def counters(name: str, what: str, label: str, values: Mapping[str, float]) -> Figure:
    """Return one that is told apart by a label."""
    return Figure(name, what, Kind.COUNTER, _told_apart(label, values))


def histogram(name: str, what: str, observed: Histogram) -> Figure:
    """Return a distribution."""
    return Figure(name, what, Kind.HISTOGRAM, observed)


def _told_apart(label: str, values: Mapping[str, float]) -> tuple[tuple[Labels, float], ...]:
    return tuple(({label: each}, value) for each, value in values.items())


def text_of(figures: Iterable[Figure], labels: Labels) -> str:
    """Return figures as Prometheus reads them.

    Args:
        labels: of the process, on every sample.
    """
    lines: list[str] = []
    for each in figures:
        name = each.name if each.name.startswith(FOREIGN) else PREFIX + each.name
        lines += (f"# HELP {name} {each.what}", f"# TYPE {name} {each.kind.value}")
        if isinstance(each.samples, Histogram):
            lines += _distribution(name, each.samples, labels)
        else:
            lines += (
                f"{name}{_braced({**labels, **own})} {number(value)}" for own, value in each.samples
            )
    return "\n".join(lines) + "\n"


def _distribution(name: str, seen: Histogram, labels: Labels) -> Iterable[str]:
    count = 0
    for bound, more in zip((*seen.bounds, math.inf), seen.counts, strict=True):
        count += more
        yield f"{name}_bucket{_braced({**labels, 'le': number(bound)})} {count}"
    yield f"{name}_sum{_braced(labels)} {number(seen.total)}"
    yield f"{name}_count{_braced(labels)} {count}"


def _braced(labels: Labels) -> str:
    if not labels:
        return ""
    inner = ",".join(f'{key}="{value.translate(ESCAPES)}"' for key, value in labels.items())
    return f"{{{inner}}}"


def number(value: float) -> str:
    """Return a value as the format writes it."""
    if math.isfinite(value):
        return repr(float(value))
    if math.isnan(value):
        return "NaN"
    return "+Inf" if value > 0 else "-Inf"
