"""Makes a tape of a recording that grows: `advance` takes what has come, `finish` the rest.

Whoever reads the same events up to the same time has the same tape, however they came: a step is
shown once both clocks have shown an event behind it, and nothing later than the time asked for
is looked at. At the end it is the tape that `build_tape` makes of the whole.

Whoever lives long asks for the newest steps alone. Memory for these is taken at once, so that a
process that has begun stays as large as it is. Nothing is forgotten before the window is told.
"""

import numpy as np

from market.book import HEAD_ROWS, window_for
from market.growing import reserved
from market.layout import (
    DELAY_COLUMNS,
    EVENT_COLUMNS,
    FRAME_COLUMNS,
    PLAN_COLUMNS,
    STEP_COLUMNS,
    VIEW_COLUMNS,
)
from market.tape import BLOCK_ROWS, Tape, cut, tape_of
from market.tape_sides import NO_TIME, Making, TapeSides, first_local_ns, last_times
from market.tape_stream import EventSource
from market.types import I8

SPARE = 4
"""A tape that forgets has room for one part in so many more steps than it must keep."""

ROW_COLUMNS = STEP_COLUMNS + VIEW_COLUMNS + PLAN_COLUMNS + FRAME_COLUMNS + DELAY_COLUMNS
"""Figures of a step, eight bytes each."""

NO_EVENTS: I8 = np.zeros((0, EVENT_COLUMNS), dtype=np.int64)


class GrowingTape:
    """Like `TapeBuilder`, of a source whose `read` gives 0 when nothing new is there yet.

    The window of the book is told from the first rows of the recording. Until these have come
    it is told from those that were known at the time asked for, and the tape, which is short
    then, is made anew each time.

    Args:
        source: of events.
        making: guard interval, cycle, observer settings and latency.
        head_rows: rows that the window is told from.
        kept_ns: how long ago a step must be to be forgotten; None: none is.
    """

    def __init__(
        self,
        source: EventSource,
        making: Making,
        *,
        head_rows: int = HEAD_ROWS,
        kept_ns: int | None = None,
    ) -> None:
        self.making = making
        self.known_ns = NO_TIME
        """Every event until then has come, on both clocks."""
        self._source = source
        self._head_rows = head_rows
        self._events = np.empty((BLOCK_ROWS, EVENT_COLUMNS), dtype=np.int64)
        self._held = 0
        self._offset = 0  # number of the first event that is held
        self._ends_ns = (NO_TIME, NO_TIME)
        self._sides: TapeSides | None = None
        self._kept = self._room = 0
        if kept_ns is not None:
            self._kept = -(-kept_ns // making.interval_ns) + 1
            self._room = self._kept + self._kept // SPARE + 1
        # Held until the rows of the tape need it.
        self._ballast = reserved(self._room, ROW_COLUMNS, np.int64)

    def advance(self, now_ns: int) -> Tape:
        """Take what has come; return the tape until a time, as far as it can be told.

        It ends before `now_ns` when `known_ns` does. An earlier time than before gives the steps
        until then.
        """
        while self._pull():
            self._fix()
            if self._sides is not None:
                self._observe(self._sides, min(now_ns, self.known_ns))
                self._drop()
        sides = self._sides
        if sides is None:
            events = self._events[: self._held]
            sides = self._begin(events, window_for(cut(events[: self._head_rows], now_ns)))
        self._observe(sides, min(now_ns, self.known_ns))
        read = sides.read
        tape = tape_of(sides, NO_EVENTS, read)
        if sides is self._sides:
            self._drop()
        return tape.until(now_ns)

    def finish(self) -> Tape:
        """Take what has come as the last; return the tape of the whole."""
        while self._pull():
            self._fix()
        events = self._events[: self._held]
        if self._sides is None:
            self._sides = self._begin(events, window_for(events[: self._head_rows]))
        self._sides.finish(events, self._offset)
        return tape_of(self._sides, NO_EVENTS, self._offset + self._held)

    def _pull(self) -> int:
        """Read once into the buffer; return how many came."""
        room = self._events.shape[0]
        if 2 * self._held > room:
            larger = np.empty((2 * room, EVENT_COLUMNS), dtype=np.int64)
            larger[: self._held] = self._events[: self._held]
            self._events = larger
        count = self._source.read(self._events[self._held :])
        if count:
            came = last_times(self._events[self._held : self._held + count])
            self._ends_ns = max(self._ends_ns[0], came[0]), max(self._ends_ns[1], came[1])
            # One more event may come at the very time of the last one.
            self.known_ns = min(self._ends_ns) - 1
            self._held += count
        return count

    def _fix(self) -> None:
        """Begin for good once the head of the recording is there."""
        events = self._events[: self._held]
        if self._sides is None and self._held >= self._head_rows:
            if first_local_ns(events) == NO_TIME:
                return
            self._ballast = NO_EVENTS
            window = window_for(events[: self._head_rows])
            self._sides = self._begin(events, window, room=self._room)

    def _begin(self, events: I8, window: tuple[int, int], *, room: int = 0) -> TapeSides:
        local_ns, interval_ns = first_local_ns(events), self.making.interval_ns
        first_ns = 0
        if local_ns != NO_TIME:
            first_ns = local_ns // interval_ns * interval_ns + interval_ns
        return TapeSides(self.making, window, first_ns, room=room)

    def _observe(self, sides: TapeSides, until_ns: int) -> None:
        if self._ends_ns[0] == NO_TIME or until_ns < sides.first_ns:
            return
        events, last = self._events[: self._held], sides.steps_until(until_ns)
        while self._room and sides is self._sides and last > self._room:
            sides.observe(events, self._offset, self._room)
            forgotten = self._room - self._kept
            sides.forget(forgotten)
            last -= forgotten
        sides.observe(events, self._offset, last)

    def _drop(self) -> None:
        """Let go of the events that neither side needs any more."""
        assert self._sides is not None
        used = self._sides.read - self._offset
        if 2 * used < self._held:
            return
        self._held -= used
        self._offset += used
        self._events[: self._held] = self._events[used : used + self._held].copy()
