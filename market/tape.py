"""What of a recording is the same for every candidate, computed once.

A tape holds the local rows of every guard step (steps, views, plans) and the exchange's side as a
`Stream`. It is built online: `TapeBuilder.advance(now_ns)` never reads an event later than
`now_ns` on its clock.
"""

from dataclasses import dataclass, field

import numpy as np

from market.book import window_for
from market.indexer import NO_IDS
from market.latency import NO_LATENCY, Latency
from market.layout import (
    EVENT_EXCH_NS,
    EVENT_LOCAL_NS,
    EVENT_SEEN,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
    STEP_NOW_NS,
)
from market.stream import Stream
from market.tape_sides import Making, TapeSides
from market.types import F8, I4, I8

__all__ = ["BLOCK_ROWS", "NO_IDS", "Tape", "TapeBuilder", "build_tape", "cut", "grid_of", "tape_of"]

BLOCK_ROWS = 1 << 16
"""Events read at once; at least the rows that the window of a book is told from."""


@dataclass(frozen=True, slots=True)
class Tape:
    """A recording as guard steps; shapes are those of `layout.py`, one row a step.

    A replay needs no events: a tape that was made block by block or stored has none.
    """

    events: I8
    base: int
    width: int
    interval_ns: int
    cycle_ns: int
    steps: I8
    views: F8
    plans: F8
    stream: Stream
    event_count: int = 0
    """Events that it was made of; those that are left out of a part do not count."""
    skims: dict[bytes, object] = field(default_factory=dict, compare=False, repr=False)
    """What replays made of it before, by the settings that it depends on (`replay.skim_of`)."""

    def until(self, now_ns: int) -> "Tape":
        """Return the tape as it was known at a time."""
        count = int(np.searchsorted(self.steps[:, STEP_NOW_NS], now_ns, side="right"))
        return Tape(
            self.events,
            self.base,
            self.width,
            self.interval_ns,
            self.cycle_ns,
            self.steps[:count],
            self.views[:count],
            self.plans[:count],
            self.stream._replace(
                frames=self.stream.frames[:count], delays=self.stream.delays[:count]
            ),
            self.event_count,
        )

    def step_at(self, now_ns: int) -> int:
        """Return the first step at or after a time."""
        return int(np.searchsorted(self.steps[:, STEP_NOW_NS], now_ns, side="left"))


def grid_of(events: I8, interval_ns: int) -> tuple[int, int]:
    """Return (first, last) time of the guard grid: multiples of the interval within the recording.

    The first lies after the first local event, the last at or before the last one.
    """
    local = events[(events[:, EVENT_SEEN] & SEEN_LOCAL) != 0, EVENT_LOCAL_NS]
    if local.size == 0:
        return 0, -1
    first = int(local[0]) // interval_ns * interval_ns + interval_ns
    return first, int(local[-1]) // interval_ns * interval_ns


class TapeBuilder:
    """Builds a tape online; `advance` may be called again and again with a later time.

    Args:
        events: i8[n, EVENT_COLUMNS], each clock's subset in its order.
        interval_ns: guard interval.
        cycle_ns: time between decisions.
        settings: f8[OBSERVER_COLUMNS].
        latency: of what is sent and heard.
        born: i4[n], event that added the order which changed (`births.py`); empty without ids.
    """

    def __init__(
        self,
        events: I8,
        *,
        interval_ns: int,
        cycle_ns: int,
        settings: F8,
        latency: Latency = NO_LATENCY,
        born: I4 = NO_IDS,
    ) -> None:
        self.events = np.ascontiguousarray(events)
        self.born = born
        self.interval_ns = interval_ns
        self.first_ns, last_ns = grid_of(events, interval_ns)
        self.count = max(0, (last_ns - self.first_ns) // interval_ns + 1)
        making = Making(interval_ns, cycle_ns, settings, latency)
        self._sides = TapeSides(making, window_for(events), self.first_ns, born=born)

    def advance(self, now_ns: int) -> Tape:
        """Observe every step up to a time and return the tape so far."""
        last = min(self.count, max(self._sides.done, self._sides.steps_until(now_ns)))
        self._sides.observe(self.events, 0, last)
        return tape_of(self._sides, self.events, self.events.shape[0])


def tape_of(sides: TapeSides, events: I8, count: int) -> Tape:
    """Return what two sides have seen so far of a recording of `count` events."""
    return Tape(
        events=events,
        base=sides.base,
        width=sides.width,
        interval_ns=sides.making.interval_ns,
        cycle_ns=sides.making.cycle_ns,
        steps=sides.steps[: sides.done],
        views=sides.views[: sides.done],
        plans=sides.plans[: sides.done],
        stream=sides.indexer.stream(),
        event_count=count,
    )


def build_tape(
    events: I8,
    *,
    interval_ns: int,
    cycle_ns: int,
    settings: F8,
    latency: Latency = NO_LATENCY,
    born: I4 = NO_IDS,
) -> Tape:
    """Return the tape of a whole recording; the arguments are those of `TapeBuilder`."""
    events = np.ascontiguousarray(events)
    first_ns, _ = grid_of(events, interval_ns)
    making = Making(interval_ns, cycle_ns, settings, latency)
    count = events.shape[0]
    sides = TapeSides(making, window_for(events), first_ns, expected=count, born=born)
    read = 0
    for end in range(BLOCK_ROWS, count, BLOCK_ROWS):  # a block stays within the cache
        sides.feed(events[read:end], read)
        read = sides.read
    sides.finish(events[read:], read)
    return tape_of(sides, events, count)


def cut(events: I8, now_ns: int, *, in_place: bool = False) -> I8:
    """Return the recording as it stood at a time: what either clock had shown by then.

    An event that only one clock had shown keeps that clock alone.

    Args:
        in_place: change `events` and return a part of them, where that is possible: to copy two
            days took a quarter of the time in which a killed process was back.
    """
    seen = events[:, EVENT_SEEN] if in_place else events[:, EVENT_SEEN].copy()
    seen[(seen & SEEN_EXCHANGE != 0) & (events[:, EVENT_EXCH_NS] > now_ns)] &= ~SEEN_EXCHANGE
    seen[(seen & SEEN_LOCAL != 0) & (events[:, EVENT_LOCAL_NS] > now_ns)] &= ~SEEN_LOCAL
    kept = np.flatnonzero(seen)
    if in_place and kept.size == (kept[-1] + 1 if kept.size else 0):
        return events[: kept.size]
    rows: I8 = events[kept]  # a copy already
    rows[:, EVENT_SEEN] = seen[kept]
    return rows
