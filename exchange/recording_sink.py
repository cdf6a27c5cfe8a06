"""Records what a venue sees beside its work: a thread writes, the venue only hands over.

Trading never waits for the disk, and never stops with it. What cannot be written is held, up to
a bound; beyond it events are skipped and counted, the book moves on in memory, and once the disk
takes rows again the recording goes on behind a clear, with the book as it stands.
"""

import threading
from dataclasses import dataclass

import numpy as np
import structlog

from exchange.book_levels import NO_EVENTS
from exchange.errors import RecordingError
from exchange.recorder import Recorder
from exchange.recording_fundings import Funding
from market.layout import (
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOCAL_NS,
    EVENT_PRICE_TICKS,
    EVENT_SIDE,
    KIND_CLEAR,
    KIND_TRADE,
)
from market.types import I8

FLUSH_S = 0.5
"""Between two writes: a killed process loses what came since the last one."""
HELD_MAX = 1_000_000
"""Events held in memory while the disk takes none: 56 MB, or a quarter of an hour of a busy day."""
PART_ROWS = 4_096
"""Events that the recorder takes at once: some milliseconds."""
TELL_EVERY = 120
"""Failures between two lines of the log: a minute."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RecordingState:
    """How the recording stands.

    Attributes:
        taken: events handed over.
        held: of these, not on the disk yet.
        skipped: of these, missing for good.
        clears: times that the stream was lost.
        silences: pauses longer than the venue's threshold.
        longest_silence_ns: the longest pause.
        clock_raised: events whose times ran back, and were corrected.
        sealed: segments that became recordings.
        doubtful: of these, not passed by their audit.
        failures: writes that failed.
        failing: why the last write failed; empty when it did not.
    """

    taken: int
    held: int
    skipped: int
    clears: int
    silences: int
    longest_silence_ns: int
    clock_raised: int
    sealed: int
    doubtful: int
    failures: int
    failing: str


class RecordingSink:
    """A recorder with a thread of its own. Close it at the end: that writes and seals the rest.

    Args:
        recorder: used from here on by nobody else.
        flush_s: seconds between two writes.
        held_max: events that may be held on either side of the thread.
    """

    def __init__(
        self, recorder: Recorder, *, flush_s: float = FLUSH_S, held_max: int = HELD_MAX
    ) -> None:
        self._recorder = recorder
        self._flush_s, self._held_max = flush_s, held_max
        self._door = threading.Lock()  # of what comes in; never held while the disk works
        self._queue: list[I8] = []
        self._queued = 0
        self._passed: list[I8] = []  # came when the queue was full: all that matters is the book
        self._passed_count = self._passed_taken = 0
        self._taken = 0
        self._batch = NO_EVENTS  # taken from the queue, not by the recorder
        self._funded: tuple[Funding, ...] = ()  # told, not written yet
        self._failures = 0
        self._failing = ""
        self._begun = False
        self._stop = threading.Event()
        self._sealing: threading.Thread | None = None
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    @property
    def recorder(self) -> Recorder:
        """The recorder, to look at."""
        return self._recorder

    def add(self, events: I8) -> None:
        """Take events, whole messages, as they came; they are not changed any more. Never waits."""
        with self._door:
            self._taken += len(events)
            if self._queued + len(events) <= self._held_max and not self._passed:
                self._queue.append(events)
                self._queued += len(events)
                return
            self._passed.append(events)
            self._passed_count += len(events)
            self._passed_taken += len(events)
            if self._passed_count > self._held_max:
                first = self._passed[0][:1]  # it says when the hole began
                self._passed = [first, last_of_levels(np.concatenate(self._passed))]
                self._passed_count = 0

    def fund(self, rows: tuple[Funding, ...]) -> None:
        """Take fundings of the contract. Never waits."""
        with self._door:
            self._funded += rows

    def state(self) -> RecordingState:
        """Return how the recording stands."""
        recorder, tally = self._recorder, self._recorder.tally
        with self._door:
            held = self._queued + len(self._batch) + recorder.held
        return RecordingState(
            taken=self._taken,
            held=held,
            skipped=tally.skipped,
            clears=tally.clears,
            silences=tally.silences,
            longest_silence_ns=tally.longest_silence_ns,
            clock_raised=tally.clock_raised,
            sealed=len(recorder.sealed),
            doubtful=sum(not audit.passed for _, audit in recorder.sealed),
            failures=self._failures,
            failing=self._failing,
        )

    def close(self) -> RecordingState:
        """Write and seal the rest; return how the recording ended. Never raises for the disk."""
        self._stop.set()
        self._thread.join()
        if self._sealing is not None:
            self._sealing.join()
        try:
            self._recorder.close()
        except RecordingError as error:
            self._failed(str(error))
        except Exception:
            log.exception("recorder_broke")
        return self.state()

    # --- the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._flush_s):
                self._write()
            self._write()
        except Exception as error:
            self._failing = f"the recorder broke: {error!r}"
            log.exception("recorder_broke")
            while not self._stop.wait(self._flush_s):  # what comes is let go of, and counted
                self._recorder.skip(self._take())
                self._batch = NO_EVENTS
                self._skip_passed()

    def _take(self) -> I8:
        """Return all that is queued; what came too much is skipped when its turn comes."""
        with self._door:
            queue, self._queue, self._queued = self._queue, [], 0
        return np.concatenate((self._batch, *queue)) if queue else self._batch

    def _skip_passed(self) -> None:
        """Pass over what came when the queue was full, once its turn has come."""
        with self._door:
            if self._queue:
                return
            passed, self._passed, self._passed_count = self._passed, [], 0
            count, self._passed_taken = self._passed_taken, 0
        if passed:
            self._recorder.skip(np.concatenate(passed), count=count)

    def _write(self) -> None:
        """Hand over what is queued, and write it; what fails is tried again the next time."""
        recorder = self._recorder
        self._fund()
        self._batch = self._take()
        if not self._timed(self._batch):
            return
        try:
            while len(self._batch):
                full = recorder.held + len(self._batch) > self._held_max
                if full or (recorder.in_hole and self._failing):  # one hole, not many
                    recorder.skip(self._batch)
                    self._batch = NO_EVENTS
                    break
                count = part_of(self._batch, recorder.until_rotation(self._batch))
                recorder.append(self._batch[:count], 0)  # at time 0 it does not write by itself
                self._batch = self._batch[count:]
            recorder.flush(0)
        except RecordingError as error:
            self._failed(str(error))
        else:
            if self._failing:
                log.warning("recording_goes_on", skipped=recorder.tally.skipped)
            self._failing = ""
        if not len(self._batch):
            self._skip_passed()
        self._seal_beside()

    def _fund(self) -> None:
        """Write the fundings that were told; what fails is tried again the next time."""
        with self._door:
            rows, self._funded = self._funded, ()
        if not rows:
            return
        try:
            self._recorder.fund(rows)
        except RecordingError as error:
            self._failed(str(error))
            with self._door:
                self._funded = rows + self._funded

    def _timed(self, events: I8) -> bool:
        """Put what came before there was a time just before the first event that has one, in place.

        A replayed feed has none before its first message. Return whether every event has one.
        """
        if self._begun or not len(events):
            return True
        late = events[:, EVENT_LOCAL_NS] > 0
        if not late.any():
            return False
        first = int(late.argmax())
        events[:first, EVENT_LOCAL_NS] = int(events[first, EVENT_LOCAL_NS]) - 1
        unknown = events[:first, EVENT_EXCH_NS] <= 0
        events[:first][unknown, EVENT_EXCH_NS] = int(events[first, EVENT_EXCH_NS])
        self._begun = True
        return True

    def _failed(self, reason: str) -> None:
        if self._failures % TELL_EVERY == 0 or not self._failing:
            held = self._recorder.held + len(self._batch)
            log.error("recording_failed", reason=reason, held=held, trading="goes on")
        self._failures += 1
        self._failing = reason

    def _seal_beside(self) -> None:
        """Seal full segments in a thread of its own: that takes seconds."""
        busy = self._sealing is not None and self._sealing.is_alive()
        if self._recorder.unsealed and not busy and not self._failing:
            self._sealing = threading.Thread(target=self._seal, name="sealing", daemon=True)
            self._sealing.start()

    def _seal(self) -> None:
        try:
            for path, audit in self._recorder.seal():
                facts = {"file": path.name, "passed": audit.passed}
                log.info("segment_sealed", **facts)
        except RecordingError as error:
            log.error("segment_not_sealed", reason=str(error))  # noqa: TRY400  # it says it all


def part_of(events: I8, count: int) -> int:
    """Return how many of the first `count` events to take at once: whole messages, not too many.

    A long backlog in one go would keep the interpreter from everybody else for seconds.
    """
    if count <= PART_ROWS:
        return count
    ends = np.flatnonzero(np.diff(events[:count, EVENT_LOCAL_NS])) + 1
    before = ends[ends <= PART_ROWS]
    if before.size:
        return int(before[-1])
    return int(ends[0]) if ends.size else count


def last_of_levels(events: I8) -> I8:
    """Return the events that make the same book: each level's last change since the last clear."""
    cleared = np.flatnonzero((events[:, EVENT_KIND] == KIND_CLEAR) & (events[:, EVENT_SIDE] == 0))
    first = int(cleared[-1]) if cleared.size else 0
    events = events[first:]
    events = events[events[:, EVENT_KIND] != KIND_TRADE]
    keys = events[:, [EVENT_KIND, EVENT_SIDE, EVENT_PRICE_TICKS]].copy()
    keys[keys[:, 0] != KIND_CLEAR, 0] = 0
    _, last = np.unique(keys[::-1], axis=0, return_index=True)
    return events[np.sort(len(events) - 1 - last)]
