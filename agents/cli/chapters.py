"""Chapters and lines of the story that `chronicle` tells, and figures of the log as words."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from agents.coordinator.records import Body
from protocol.messages import Pair, utc_text


@dataclass(frozen=True, slots=True)
class Line:
    """One entry of the log, told.

    Attributes:
        time_ns: venue time; 0 before any is known.
        quiet: whether a person can do without it.
        facts: the entry's figures, seats by name instead of message ids.
    """

    time_ns: int
    kind: str
    text: str
    facts: dict[str, Any]
    quiet: bool = False


@dataclass(slots=True)
class Chapter:
    """What belongs together.

    Attributes:
        boundaries: first and last index, where it is of boundaries.
        resting: seats that found nothing better.
        free: whether it is a group of proposals that further ones may join.
    """

    time_ns: int
    title: str
    lines: list[Line] = field(default_factory=list)
    boundaries: tuple[int, int] | None = None
    resting: list[str] = field(default_factory=list)
    free: bool = False

    @property
    def dull(self) -> bool:
        """Whether it is of boundaries at which nobody proposed and nothing happened."""
        return self.boundaries is not None and all(line.quiet for line in self.lines)


def woven(chapters: Iterable[Chapter], beside: Iterable[Chapter]) -> list[Chapter]:
    """Return chapters in their order, each of `beside` before the first that is later than it."""
    told, rest = [], list(beside)
    for chapter in chapters:
        while rest and rest[0].time_ns < chapter.time_ns:
            told.append(rest.pop(0))
        told.append(chapter)
    return told + rest


def outcomes_line(body: Body) -> str:
    """Return whose applied sets beat what they replaced."""
    won = ", ".join(seat for seat, each in body["won"].items() if each)
    lost = ", ".join(seat for seat, each in body["won"].items() if not each)
    if not won:
        return f"on replay {lost} did not beat what they replaced" if lost else ""
    return f"on replay {won} beat what they replaced" + (f" and {lost} did not" if lost else "")


def supervisor_line(body: Body) -> str:
    """Return what the supervisor found and whom it lets run."""
    told = body["supervisor"]
    if told is None:
        return ""
    weights = ", ".join(f"{name} {float(each):.3f}" for name, each in body["weights"].items())
    return f"the supervisor runs {told['running']['expert']} (weights {weights})"


def tallied(body: Body) -> str:
    """Return counts of refusals by name and code, and of what the hub dropped."""
    parts = [
        f"{name} {code} x {count}"
        for name, codes in body["refused"].items()
        for code, count in codes.items()
    ]
    parts += [f"dropped ({why}) x {count}" for why, count in body["dropped"].items()]
    return ", ".join(parts)


def set_line(params: Body) -> str:
    """Return four parameters as one line."""
    return (
        f"spread {params['spread_percentage']:.4g} %, levels {params['levels']}, base "
        f"{params['base_quantity']:.6g}, max {params['max_position']:.6g}"
    )


def named(pair: Iterable[int]) -> str:
    """Return a pair as people and `--decision` write it."""
    return ".".join(map(str, pair))


def as_pair(value: Iterable[int]) -> Pair:
    """Return a pair of the log."""
    epoch, version = value
    return (int(epoch), int(version))


def clock(time_ns: int) -> str:
    """Return the time of day of a venue time, whole seconds."""
    return utc_text(time_ns)[11:19]
