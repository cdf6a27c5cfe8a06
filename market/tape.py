"""What of a recording is the same for every candidate, computed once.

A tape holds the local rows of every guard step (steps, views, plans) and the exchange's side as a
`Stream`. It is built online: `TapeBuilder.advance(now_ns)` never reads an event later than
`now_ns` on its clock.
"""

from dataclasses import dataclass

import numpy as np

from market.book import new_book, window_for
from market.features import new_observer, observe
from market.fills import METER_CURSOR, advance, new_exchange
from market.indexer import Indexer
from market.jit import kernel
from market.latency import NO_LATENCY, DelayLine, Latency
from market.layout import (
    DELAY_COLUMNS,
    EVENT_EXCH_NS,
    EVENT_LOCAL_NS,
    EVENT_SEEN,
    PLAN_COLUMNS,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
    STEP_COLUMNS,
    STEP_CURSOR,
    STEP_NOW_NS,
    VIEW_COLUMNS,
)
from market.stream import Stream
from market.types import F8, I8

CHECKPOINT_STEPS = 600


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
            orders, reports, meter = new_exchange()
            meter[METER_CURSOR] = cursor
            now_ns = int(self.steps[step - 1, STEP_NOW_NS])
            advance(self.events, levels, touch, orders, reports, meter, no_delay(), now_ns)
            cursor = int(meter[METER_CURSOR])
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


@kernel
def observe_steps(
    events: I8,
    levels: I8,
    touch: I8,
    memory: F8,
    cells: F8,
    settings: F8,
    first_ns: int,
    interval_ns: int,
    first: int,
    last: int,
    steps: I8,
    views: F8,
    plans: F8,
) -> None:
    """Write the rows of steps [first, last)."""
    for step in range(first, last):
        observe(
            events,
            levels,
            touch,
            memory,
            cells,
            first_ns + step * interval_ns,
            settings,
            steps[step],
            views[step],
            plans[step],
        )


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
        self.cycle_ns = cycle_ns
        self.settings = settings
        self.base, self.width = window_for(events)
        self.first_ns, last_ns = grid_of(events, interval_ns)
        self.count = max(0, (last_ns - self.first_ns) // interval_ns + 1)
        self.steps = np.zeros((self.count, STEP_COLUMNS), dtype=np.int64)
        self.views = np.zeros((self.count, VIEW_COLUMNS))
        self.plans = np.zeros((self.count, PLAN_COLUMNS))
        self.done = 0
        self._levels, self._touch = new_book(self.base, self.width)
        self._memory, self._cells = new_observer(settings)
        self._delays = DelayLine(latency)
        self._indexer = Indexer(
            self.base, self.width, first_ns=self.first_ns, interval_ns=interval_ns
        )
        self._exchange_levels, self._exchange_touch = new_book(self.base, self.width)
        self._orders, self._reports, self._meter = new_exchange()
        self._checkpoints: list[Checkpoint] = []

    def advance(self, now_ns: int) -> Tape:
        """Observe every step up to a time and return the tape so far."""
        last = min(self.count, max(self.done, (now_ns - self.first_ns) // self.interval_ns + 1))
        observe_steps(
            self.events,
            self._levels,
            self._touch,
            self._memory,
            self._cells,
            self.settings,
            self.first_ns,
            self.interval_ns,
            self.done,
            last,
            self.steps,
            self.views,
            self.plans,
        )
        self._checkpoint(last)
        self._index(self.done, last)
        self.done = last
        return Tape(
            self.events,
            self.base,
            self.width,
            self.interval_ns,
            self.cycle_ns,
            self.steps[:last],
            self.views[:last],
            self.plans[:last],
            self._indexer.stream(),
            tuple(self._checkpoints),
        )

    def _index(self, first: int, last: int) -> None:
        """Bring the exchange's side to the time of the last of the new steps."""
        if first == last:
            return
        cursors = self.steps[first:last, STEP_CURSOR] - 1  # the last event seen
        feed = self.events[cursors, EVENT_LOCAL_NS] - self.events[cursors, EVENT_EXCH_NS]
        now_ns = np.ascontiguousarray(self.steps[first:last, STEP_NOW_NS])
        self._indexer.add_steps(self._delays.extend(now_ns, feed))
        self._indexer.advance(self.events, 0, int(now_ns[-1]))

    def _checkpoint(self, last: int) -> None:
        first = len(self._checkpoints) * CHECKPOINT_STEPS
        for step in range(first, last, CHECKPOINT_STEPS):
            advance(
                self.events,
                self._exchange_levels,
                self._exchange_touch,
                self._orders,
                self._reports,
                self._meter,
                no_delay(),
                self.first_ns + step * self.interval_ns,
            )
            bids = np.flatnonzero(self._exchange_levels[0])
            asks = np.flatnonzero(self._exchange_levels[1])
            self._checkpoints.append(
                Checkpoint(
                    step,
                    int(self._meter[METER_CURSOR]),
                    bids,
                    self._exchange_levels[0, bids],
                    asks,
                    self._exchange_levels[1, asks],
                    self._exchange_touch.copy(),
                )
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
