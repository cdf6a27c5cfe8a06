"""Both sides of a tape as it grows: the local rows of its steps, and the exchange's stream.

Each side reads its own clock. Events come as an array and the number of its first one, so that
whoever calls may hold all of them or only those that are still needed.
"""

from dataclasses import dataclass

import numpy as np

from market.book import new_book
from market.both_clocks import find_marks, observe_marks
from market.calibration import MEMORY_CURSOR
from market.features import new_observer, observe
from market.growing import grown, projected, reserved, shifted
from market.indexer import NO_IDS, Indexer
from market.indexing import MARK_COLUMNS, MARK_CUT
from market.jit import kernel
from market.latency import DelayLine, Latency
from market.layout import (
    EVENT_EXCH_NS,
    EVENT_LOCAL_NS,
    EVENT_SEEN,
    LEVEL_SIDE_SHIFT,
    PLAN_COLUMNS,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
    STEP_COLUMNS,
    STEP_CURSOR,
    STEP_NOW_NS,
    VIEW_COLUMNS,
)
from market.liquidity import DEPTH_COLUMNS
from market.segments import COLUMN_MASK
from market.types import F8, I4, I8

NO_TIME = -(1 << 62)


@dataclass(frozen=True, slots=True)
class Making:
    """How a tape is made.

    Attributes:
        interval_ns: guard interval.
        cycle_ns: time between decisions.
        settings: f8[OBSERVER_COLUMNS].
        latency: of what is sent and heard.
    """

    interval_ns: int
    cycle_ns: int
    settings: F8
    latency: Latency


@kernel
def observe_steps(
    events: I8,
    offset: int,
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
            offset,
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


@kernel
def last_times(events: I8) -> tuple[int, int]:
    """Return the last (local, exchange) time among some events; NO_TIME for a clock without any."""
    local_ns = NO_TIME
    exch_ns = NO_TIME
    for back in range(events.shape[0]):
        index = events.shape[0] - 1 - back
        seen = events[index, EVENT_SEEN]
        if local_ns == NO_TIME and seen & SEEN_LOCAL != 0:
            local_ns = events[index, EVENT_LOCAL_NS]
        if exch_ns == NO_TIME and seen & SEEN_EXCHANGE != 0:
            exch_ns = events[index, EVENT_EXCH_NS]
        if NO_TIME not in (local_ns, exch_ns):
            break
    return local_ns, exch_ns


@kernel
def first_local_ns(events: I8) -> int:
    """Return the time of the first event of the local clock; NO_TIME when there is none."""
    for index in range(events.shape[0]):
        if events[index, EVENT_SEEN] & SEEN_LOCAL != 0:
            return int(events[index, EVENT_LOCAL_NS])
    return NO_TIME


class TapeSides:
    """Rows and stream of one tape.

    Args:
        making: how.
        window: (base, width) of both books.
        first_ns: time of step 0; a local event comes before it.
        expected: about how many events will come.
        born: i4[n], event that added the order which changed; empty without order ids.
        room: steps for which memory is taken at once.
    """

    def __init__(
        self,
        making: Making,
        window: tuple[int, int],
        first_ns: int,
        *,
        expected: int = 0,
        born: I4 = NO_IDS,
        room: int = 0,
    ) -> None:
        self.making = making
        self.base, self.width = window
        self.first_ns = first_ns
        self.done = 0
        self._expected = expected
        self.steps: I8 = reserved(room, STEP_COLUMNS, np.int64)
        self.views: F8 = reserved(room, VIEW_COLUMNS, np.float64)
        self.plans: F8 = reserved(room, PLAN_COLUMNS, np.float64)
        self.indexer = Indexer(
            self.base,
            self.width,
            first_ns=first_ns,
            interval_ns=making.interval_ns,
            expected=expected,
            born=born,
            room=room,
        )
        self._levels, self._touch = new_book(self.base, self.width)
        self._memory, self._cells = new_observer(making.settings)
        self._delays = DelayLine(making.latency)
        self._together = True  # both clocks have shown the same events: one book serves both
        self._feed_ns = 0  # how long the last event seen had been on its way
        self._ends_ns = (NO_TIME, NO_TIME)

    @property
    def read(self) -> int:
        """The number of the first event that either side still needs."""
        return min(self.indexer.read, int(self._memory[MEMORY_CURSOR]))

    def steps_until(self, now_ns: int) -> int:
        """Return how many steps stand at or before a time."""
        return max(0, (now_ns - self.first_ns) // self.making.interval_ns + 1)

    def observe(self, events: I8, offset: int, last: int) -> None:
        """Live through the steps before `last`; nothing later than them is read."""
        first = self.done
        if last <= first:
            return
        self._part()
        self._make_room(first, last)
        observe_steps(
            events,
            offset,
            self._levels,
            self._touch,
            self._memory,
            self._cells,
            self.making.settings,
            self.first_ns,
            self.making.interval_ns,
            first,
            last,
            self.steps,
            self.views,
            self.plans,
        )
        self._add_delays(events, offset, first, self.steps[first:last, STEP_CURSOR])
        self.indexer.advance(events, offset, int(self.steps[last - 1, STEP_NOW_NS]))
        self.done = last

    def forget(self, count: int) -> None:
        """Let go of the first steps: the one after them is step 0 from now on.

        What has been handed out stays as it is. Events keep their numbers.
        """
        self.indexer.forget(count)
        self.steps, self.views, self.plans = (
            shifted(self.steps, count, self.done),
            shifted(self.views, count, self.done),
            shifted(self.plans, count, self.done),
        )
        self.first_ns += count * self.making.interval_ns
        self.done -= count

    def feed(self, events: I8, offset: int) -> None:
        """Live through every step of which these events tell the whole story."""
        local_ns, exch_ns = last_times(events)
        local_ns = max(local_ns, self._ends_ns[0])
        exch_ns = max(exch_ns, self._ends_ns[1])
        self._ends_ns = (local_ns, exch_ns)
        if self._together:
            self._feed_together(events, offset)
        if self._together:
            return
        offset, events = self.read, events[self.read - offset :]
        # One more event may come at the very time of the last one.
        self.observe(events, offset, self.steps_until(min(local_ns, exch_ns) - 1))

    def finish(self, events: I8, offset: int) -> None:
        """Live through the rest; the grid ends with the last local event."""
        self.feed(events, offset)
        self._part()
        last = self.steps_until(self._ends_ns[0])
        self.observe(events, offset, last)
        if last > 0:
            now_ns = self.first_ns + (last - 1) * self.making.interval_ns
            self.indexer.advance(events, offset, now_ns)

    def _feed_together(self, events: I8, offset: int) -> None:
        """Live through what these events tell, with one book for both clocks while they agree."""
        making, first = self.making, self.done
        room = max(0, self.steps_until(self._ends_ns[0]) - first)
        marks = np.empty((room, MARK_COLUMNS), dtype=np.int64)
        now_ns = self.first_ns + first * making.interval_ns
        count = find_marks(events, offset, now_ns, making.interval_ns, making.settings, marks)
        if count < 0:
            self._part()
            return
        if count == 0:
            return
        marks, last = marks[:count], first + count
        self._make_room(first, last)
        self._add_delays(events, offset, first, marks[:, MARK_CUT])
        end = int(marks[-1, MARK_CUT])
        known_ns = min(
            now_ns + (count - 1) * making.interval_ns, int(events[end - offset, EVENT_EXCH_NS]) - 1
        )
        depths = np.zeros((count, 2 * DEPTH_COLUMNS))
        told = (marks, depths, making.settings, known_ns)
        prints = self.indexer.mark(events[: end - offset], offset, *told)
        observe_marks(
            events,
            offset,
            prints,
            marks,
            depths,
            self._memory,
            self._cells,
            making.settings,
            now_ns,
            making.interval_ns,
            self.steps[first:last],
            self.views[first:last],
            self.plans[first:last],
        )
        self.done = last

    def _part(self) -> None:
        """Give the local clock a book of its own, as it stands."""
        if not self._together:
            return
        self._together = False
        keys, lots, touch = self.indexer.in_use()
        self._levels[keys >> LEVEL_SIDE_SHIFT, keys & COLUMN_MASK] = lots
        self._touch[:] = touch

    def _make_room(self, first: int, last: int) -> None:
        likely = projected(last, self.read, self._expected)
        self.steps = grown(self.steps, first, last, likely)
        self.views = grown(self.views, first, last, likely)
        self.plans = grown(self.plans, first, last, likely)

    def _add_delays(self, events: I8, offset: int, first: int, cuts: I8) -> None:
        """Tell the indexer the delays of the steps from `first` on; `cuts` events were seen."""
        interval_ns = self.making.interval_ns
        now_ns = self.first_ns + interval_ns * np.arange(first, first + len(cuts))
        feed_ns = self._feed(events, cuts - 1 - offset)
        self.indexer.add_steps(self._delays.extend(now_ns, feed_ns))

    def _feed(self, events: I8, rows: I8) -> I8:
        """Return the feed delay of each of some rows; one before the first is that of the last."""
        if events.shape[0] == 0:
            return np.full(len(rows), self._feed_ns)
        here = np.maximum(rows, 0)
        delays: I8 = events[here, EVENT_LOCAL_NS] - events[here, EVENT_EXCH_NS]
        delays[rows < 0] = self._feed_ns
        self._feed_ns = int(delays[-1])
        return delays
