"""What of a recording is the same for every candidate, computed once.

A tape holds the local rows of every guard step (steps, views, plans) and the exchange's side as a
`Stream`. It is built online: `TapeBuilder.advance(now_ns)` never reads an event later than
`now_ns` on its clock.
"""

from dataclasses import dataclass

import numpy as np

from market.book import new_book, window_for
from market.fills import METER_CURSOR, advance, open_exchange
from market.latency import NO_LATENCY, Latency
from market.layout import (
    DELAY_COLUMNS,
    EVENT_EXCH_NS,
    EVENT_LOCAL_NS,
    EVENT_SEEN,
    SCALE_COLUMNS,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
    STEP_NOW_NS,
)
from market.queueing import fill_model
from market.stream import Stream
from market.tape_sides import Making, TapeSides
from market.types import F8, I4, I8

CHECKPOINT_STEPS = 600
NO_IDS: I4 = np.zeros(0, dtype=np.int32)
NO_SCALE: I8 = np.zeros(SCALE_COLUMNS, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The exchange's book after every event up to the time of one step, without our orders."""

    step: int
    cursor: int
    bid_columns: I8
    bid_lots: I8
    ask_columns: I8
    ask_lots: I8
    touch: I8


@dataclass(frozen=True, slots=True)
class Tape:
    """A recording as guard steps; shapes are those of `layout.py`, one row a step."""

    events: I8
    base: int
    width: int
    interval_ns: int
    cycle_ns: int
    steps: I8
    views: F8
    plans: F8
    stream: Stream
    checkpoints: tuple[Checkpoint, ...]

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
            tuple(point for point in self.checkpoints if point.step < count),
        )

    def step_at(self, now_ns: int) -> int:
        """Return the first step at or after a time."""
        return int(np.searchsorted(self.steps[:, STEP_NOW_NS], now_ns, side="left"))

    def exchange_before(self, step: int) -> tuple[I8, I8, int]:
        """Return (levels, touch, cursor) of the exchange just before a step is lived through."""
        levels, touch = new_book(self.base, self.width)
        cursor = 0
        usable = [point for point in self.checkpoints if point.step < step]
        if usable:
            point = usable[-1]
            levels[0, point.bid_columns] = point.bid_lots
            levels[1, point.ask_columns] = point.ask_lots
            touch[:] = point.touch
            cursor = point.cursor
        if step > 0:
            exchange = open_exchange(levels, touch)
            exchange.meter[METER_CURSOR] = cursor
            now_ns = int(self.steps[step - 1, STEP_NOW_NS])
            advance(self.events, NO_IDS, exchange, fill_model(), NO_SCALE, no_delay(), now_ns)
            cursor = int(exchange.meter[METER_CURSOR])
        return levels, touch, cursor


def no_delay() -> I8:
    """Return i8[DELAY_COLUMNS] of zeros."""
    return np.zeros(DELAY_COLUMNS, dtype=np.int64)


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
    """

    def __init__(
        self,
        events: I8,
        *,
        interval_ns: int,
        cycle_ns: int,
        settings: F8,
        latency: Latency = NO_LATENCY,
    ) -> None:
        self.events = np.ascontiguousarray(events)
        self.interval_ns = interval_ns
        self.first_ns, last_ns = grid_of(events, interval_ns)
        self.count = max(0, (last_ns - self.first_ns) // interval_ns + 1)
        making = Making(interval_ns, cycle_ns, settings, latency)
        self._sides = TapeSides(making, window_for(events), self.first_ns)
        self._exchange_levels, self._exchange_touch = new_book(self._sides.base, self._sides.width)
        self._exchange = open_exchange(self._exchange_levels, self._exchange_touch)
        self._checkpoints: list[Checkpoint] = []

    def advance(self, now_ns: int) -> Tape:
        """Observe every step up to a time and return the tape so far."""
        last = min(self.count, max(self._sides.done, self._sides.steps_until(now_ns)))
        self._sides.observe(self.events, 0, last)
        self._checkpoint(last)
        return tape_of(self._sides, self.events, tuple(self._checkpoints))

    def _checkpoint(self, last: int) -> None:
        first = len(self._checkpoints) * CHECKPOINT_STEPS
        for step in range(first, last, CHECKPOINT_STEPS):
            advance(
                self.events,
                NO_IDS,
                self._exchange,
                fill_model(),
                NO_SCALE,
                no_delay(),
                self.first_ns + step * self.interval_ns,
            )
            bids = np.flatnonzero(self._exchange_levels[0])
            asks = np.flatnonzero(self._exchange_levels[1])
            self._checkpoints.append(
                Checkpoint(
                    step,
                    int(self._exchange.meter[METER_CURSOR]),
                    bids,
                    self._exchange_levels[0, bids],
                    asks,
                    self._exchange_levels[1, asks],
                    self._exchange_touch.copy(),
                )
            )


def tape_of(sides: TapeSides, events: I8, checkpoints: tuple[Checkpoint, ...]) -> Tape:
    """Return what two sides have seen so far."""
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
        checkpoints=checkpoints,
    )


def build_tape(
    events: I8,
    *,
    interval_ns: int,
    cycle_ns: int,
    settings: F8,
    latency: Latency = NO_LATENCY,
) -> Tape:
    """Return the tape of a whole recording."""
    builder = TapeBuilder(
        events, interval_ns=interval_ns, cycle_ns=cycle_ns, settings=settings, latency=latency
    )
    return builder.advance(builder.first_ns + builder.count * interval_ns)


def cut(events: I8, now_ns: int) -> I8:
    """Return the recording as it stood at a time: what either clock had shown by then.

    An event that only one clock had shown keeps that clock alone.
    """
    seen = events[:, EVENT_SEEN].copy()
    seen[(seen & SEEN_EXCHANGE != 0) & (events[:, EVENT_EXCH_NS] > now_ns)] &= ~SEEN_EXCHANGE
    seen[(seen & SEEN_LOCAL != 0) & (events[:, EVENT_LOCAL_NS] > now_ns)] &= ~SEEN_LOCAL
    kept = np.flatnonzero(seen)
    rows = events[kept].copy()
    rows[:, EVENT_SEEN] = seen[kept]
    return np.ascontiguousarray(rows)
