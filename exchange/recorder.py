"""Appends public events to growing segments (`segments.py`): what a venue saw, as it came.

A recorder that is killed loses what came since its last flush, at most a second. The next one
cuts off a torn row, seals what was left and begins a segment with a clear, since nobody saw what
happened between. Rotation begins a new segment with the book as it stands, so that each one
replays alone; whoever reads the folder as a whole passes these rows over.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from exchange.audit import OTHER_THRESHOLDS, THRESHOLDS, Audit, check
from exchange.book_levels import BOTH, NO_EVENTS, Levels
from exchange.errors import RecordingError
from exchange.event_clocks import EventClocks
from exchange.recording import Data, Meta, encode
from exchange.recording_fundings import Funding, add_fundings
from exchange.recording_stream import FileSource
from exchange.segments import (
    OPEN,
    SEALED,
    Header,
    SegmentSource,
    create_segment,
    seal_segment,
    segment_path,
    segments_in,
)
from market.layout import (
    EVENT_COLUMNS,
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOCAL_NS,
    EVENT_SEEN,
    KIND_CLEAR,
    SEEN_LOCAL,
)
from market.types import I8

SECOND_NS = 10**9
HOUR_NS = 3_600 * SECOND_NS
ROWS_MAX = 4_000_000
"""Rows of a segment: 256 MB."""


def clear_event(exch_ns: int, local_ns: int) -> I8:
    """Return i8[1, EVENT_COLUMNS] that says that the book is not known from now on."""
    row = np.zeros((1, EVENT_COLUMNS), dtype=np.int64)
    row[0, [EVENT_KIND, EVENT_SEEN]] = KIND_CLEAR, BOTH
    row[0, [EVENT_EXCH_NS, EVENT_LOCAL_NS]] = exch_ns, local_ns
    return row


@dataclass(slots=True)
class Tally:
    """What a recorder saw so far: its audit as it goes."""

    rows: int = 0
    clears: int = 0  # times that the stream was lost, the one of a restart included
    skipped: int = 0  # events that could not be written, and are missing
    clock_raised: int = 0  # times that ran back, or before the exchange's: corrected
    silences: int = 0  # pauses longer than the venue's threshold
    longest_silence_ns: int = 0


class Recorder:
    """Writes one folder; a second one there is refused. Use it as a context manager.

    Args:
        folder: made when it is not there.
        meta: the instrument; counts, span and digest are filled in as segments are sealed.
        rotate_ns: a new segment at each multiple of it, in local time.
        rotate_rows: or when one holds so many.
        durable: wait for the disk at each flush.

    Raises:
        RecordingError: another recorder is at work, another instrument was recorded there, or
            the folder cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        meta: Meta,
        *,
        rotate_ns: int = HOUR_NS,
        rotate_rows: int = ROWS_MAX,
        durable: bool = True,
    ) -> None:
        self.folder = folder
        self.meta = meta
        self.tally = Tally()
        self.sealed: list[tuple[Path, Audit]] = []
        self._rotate_ns, self._rotate_rows = rotate_ns, rotate_rows
        self._durable = durable
        self._silence_ns = round(THRESHOLDS.get(meta.venue, OTHER_THRESHOLDS).silence_s * SECOND_NS)
        self._book = Levels()
        self._pending: list[Data] = []
        self._flushed_ns = 0
        self._file: int | None = None
        self._size = self._rows = self._raised = 0  # of the open segment
        self._period = 0
        self._clocks = EventClocks()
        self._moved = 0  # events of the last message whose times were corrected
        self._hole: tuple[int, int] | None = None  # times of the first event that was skipped
        self._waiting: list[tuple[Path, int]] = []  # segments to be sealed, clock_raised of each
        with self._telling():
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder / "recorder.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            self._sequence = self._take_over()
        except BaseException:
            os.close(self._lock)
            raise
        self._torn = self._sequence > 0  # the next event comes after a time that nobody saw

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def append(self, events: I8, now_ns: int) -> None:
        """Take the next events, whole messages; they are on the disk within a second.

        Times that run back are raised to the last one, each clock's to its own, and an exchange's
        time after the local one is lowered to it: `tally` counts them.

        Args:
            events: i8[n, EVENT_COLUMNS], as they came.
            now_ns: any clock that does not run back; `flush` is told by it.

        Raises:
            RecordingError: the disk is full or gone; what was flushed stays readable.
        """
        if events.shape[0] == 0:
            return
        period = self._period_of(events[0])
        if self._file is None or self._rows >= self._rotate_rows or period > self._period:
            self._rotate(period)
        events = self._in_order(self._joined(events))
        self._note(events)
        self._book.apply(events)
        self._pending.append(encode(events, tick=self.meta.tick, lot=self.meta.lot))
        if now_ns - self._flushed_ns >= SECOND_NS:
            self.flush(now_ns)

    def lost(self, exch_ns: int, local_ns: int, now_ns: int) -> None:
        """Say that the stream was lost: nothing is known of the book until the next snapshot."""
        self.append(clear_event(exch_ns, local_ns), now_ns)

    def skip(self, events: I8, *, count: int | None = None) -> None:
        """Pass events over that cannot be written: the book moves on, the recording has a hole.

        The next `append` begins with a clear at the first time of the hole, and with the book.

        Args:
            events: that the book is told by.
            count: how many are missing, when these are not all of them.
        """
        if events.shape[0] == 0:
            return
        if self._hole is None:
            self._hole = int(events[0, EVENT_EXCH_NS]), int(events[0, EVENT_LOCAL_NS])
        self.tally.skipped += len(events) if count is None else count
        self._book.apply(events)

    def until_rotation(self, events: I8) -> int:
        """Return how many of some events, at least one, belong into the segment of the first."""
        later = events[:, EVENT_LOCAL_NS] // self._rotate_ns > self._period_of(events[0])
        return int(later.argmax()) if later.any() else len(events)

    @property
    def held(self) -> int:
        """Events taken and not on the disk yet."""
        return sum(map(len, self._pending))

    @property
    def in_hole(self) -> bool:
        """Whether the last events were skipped."""
        return self._hole is not None

    @property
    def unsealed(self) -> int:
        """Segments that are full and wait for `seal`."""
        return len(self._waiting)

    def flush(self, now_ns: int) -> None:
        """Write what is held; call it each second when no event comes.

        Raises:
            RecordingError: as `append`.
        """
        self._flushed_ns = now_ns
        if self._file is None or not self._pending:
            return
        raw = b"".join(part.tobytes() for part in self._pending)
        with self._telling():
            try:
                left = memoryview(raw)
                while left:
                    left = left[os.write(self._file, left) :]
                if self._durable:
                    os.fdatasync(self._file)
            except OSError:
                os.ftruncate(self._file, self._size)  # what is held may be written again
                raise
        self._size += len(raw)
        self._pending.clear()

    def fund(self, rows: tuple[Funding, ...]) -> None:
        """Write fundings beside the segments; those that are sealed from now on hold theirs.

        Raises:
            RecordingError: as `append`.
        """
        with self._telling():
            add_fundings(self.folder, rows)

    def seal(self) -> list[tuple[Path, Audit]]:
        """Seal the segments that are full; return each with its audit. May run in a thread.

        Raises:
            RecordingError: one cannot be written; it stays open and is tried again.
        """
        done = []
        while self._waiting:
            path, raised = self._waiting[0]
            recording = seal_segment(path, clock_raised=raised)
            self._waiting.pop(0)
            done.append((path.with_suffix(SEALED), check(recording)))
        self.sealed += done
        return done

    def close(self) -> None:
        """Write and seal everything and let the folder go."""
        try:
            self._end_segment()
            self.seal()
        finally:
            if self._file is not None:
                os.close(self._file)
                self._file = None
            os.close(self._lock)

    def _period_of(self, event: I8) -> int:
        return max(self._clocks.local_ns, int(event[EVENT_LOCAL_NS])) // self._rotate_ns

    def _joined(self, events: I8) -> I8:
        """Return events behind what says what was missed before them."""
        hole, torn = self._hole, self._torn
        self._hole, self._torn = None, False
        exch_ns, local_ns = int(events[0, EVENT_EXCH_NS]), int(events[0, EVENT_LOCAL_NS])
        if hole is not None:
            book = self._book.snapshot(exch_ns, local_ns)
            return np.concatenate((clear_event(*hole), book, events))
        if torn:  # the book was known until the last event of the life before
            last = self._clocks
            lost = clear_event(last.exch_ns or exch_ns, last.local_ns or local_ns)
            return np.concatenate((lost, events))
        return events

    def _take_over(self) -> int:
        """Lock the folder, cut off what is torn; return the number of the last segment."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RecordingError(
                f"{self.folder}: another recorder writes here; stop it, or name another folder"
            ) from None
        found = segments_in(self.folder)
        for path in found.values():
            if path.suffix != OPEN:
                with FileSource(path) as sealed:
                    last_ns = sealed.meta.span_ns[1]
                self._clocks.rise_to(last_ns)
                continue
            with SegmentSource(path) as source:
                ours, theirs = (
                    (meta.venue, meta.symbol, meta.tick, meta.lot)
                    for meta in (self.meta, source.meta)
                )
                end = source.end()
                self._note_last(source)
            if ours != theirs:
                raise RecordingError(
                    f"{self.folder}: holds {' '.join(theirs)}, found {' '.join(ours)}; "
                    "record into another folder"
                )
            with self._telling():
                os.truncate(path, end)
            self._waiting.append((path, 0))
        return max(found, default=0)

    def _note_last(self, source: SegmentSource) -> None:
        """Note the last times of a segment: nothing that comes is earlier."""
        local_ns = source.data(0, source.rows)["local_ts"]
        if local_ns.shape[0]:
            self._clocks.rise_to(int(local_ns.max()))

    def _in_order(self, events: I8) -> I8:
        last_ns = self._clocks.local_ns
        events, self._moved = self._clocks.put_in_order(events)
        shown = events[(events[:, EVENT_SEEN] & SEEN_LOCAL) != 0, EVENT_LOCAL_NS]
        pauses = np.diff(shown, prepend=last_ns) if last_ns else np.diff(shown)
        if pauses.size:
            tally = self.tally
            tally.silences += int((pauses > self._silence_ns).sum())
            tally.longest_silence_ns = max(tally.longest_silence_ns, int(pauses.max()))
        return events

    def _note(self, events: I8) -> None:
        self.tally.rows += len(events)
        self.tally.clears += int((events[:, EVENT_KIND] == KIND_CLEAR).sum())
        self.tally.clock_raised += self._moved
        self._raised += self._moved
        self._rows += len(events)

    def _rotate(self, period: int) -> None:
        opening = self._book.snapshot(self._clocks.exch_ns, self._clocks.local_ns)
        if self._hole is not None:
            opening = NO_EVENTS  # it moved on unseen; what comes begins with it
        self._end_segment()
        sequence = self._sequence + 1
        path = segment_path(self.folder, sequence)
        header = Header(sequence=sequence, opening=len(opening), meta=self.meta)
        with self._telling():
            create_segment(path, header, encode(opening, tick=self.meta.tick, lot=self.meta.lot))
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND)
            self._size = os.fstat(self._file).st_size
        self._sequence, self._rows, self._period = sequence, len(opening), period

    def _end_segment(self) -> None:
        """Write the rest of the open segment, and put it among those to be sealed."""
        if self._file is None:
            return
        self.flush(self._flushed_ns)
        os.close(self._file)
        self._file = None
        self._waiting.append((segment_path(self.folder, self._sequence), self._raised))
        self._raised = 0

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RecordingError(
                f"{self.folder}: cannot be written: {error.strerror or error}"
            ) from None
