"""Reads a folder of segments as one recording, at once or while it grows.

The rows that begin a segment with the book as it stood are passed over when the segment before is
there: the recorder wrote them for whoever reads that file alone.
"""

import hashlib
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from exchange.errors import RecordingError
from exchange.recording import Counts, Meta, Recording
from exchange.recording_fundings import funded
from exchange.recording_stream import FileSource
from exchange.segments import (
    OPEN,
    SegmentSource,
    digest_of,
    is_segment_folder,
    recording_of,
    segments_in,
)
from market.layout import EVENT_COLUMNS
from market.types import I8

BLOCK_ROWS = 1 << 14
"""Rows that are unpacked, verified and decoded at once: they stay within the cache."""
SKIP_ROWS = 1 << 12
OPENING_TRIES = 5
"""Between looking and opening a segment may be sealed; then it is looked for again."""


class FolderSource:
    """The events of a folder, each once, in order. Use it as a context manager.

    Args:
        folder: of segments, sealed and open.
        follow: read on as the recorder writes, 0 meaning nothing new yet; else what is there now.
        newest: begin with the last so many segments; 0: with the first.

    Raises:
        RecordingError: no segment in it, one is missing, or one is damaged.
    """

    def __init__(self, folder: Path, *, follow: bool = False, newest: int = 0) -> None:
        self.folder = folder
        found = segments_in(folder)
        if not found:
            raise RecordingError(f"{folder}: no segment in it; `Recorder` writes them")
        found = {each: found[each] for each in sorted(found)[-newest:]}
        self.first = min(found)
        self._follow = follow
        self._limits: dict[int, int] = {}
        self.expected, self.identity = 0, ""
        self._sequence, self._read = self.first, 0
        self._source, self.meta, _ = self._open(self.first)
        if not follow:
            try:
                self._survey(sorted(found))
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the segment in work."""
        self._source.close()

    def read(self, events: I8) -> int:
        """Write the next events; 0 when there is none (yet).

        Raises:
            RecordingError: a segment is damaged or missing.
        """
        while True:
            count = self._read_here(events)
            if count or self._sequence + 1 not in self._next():
                return count
            # The recorder may have written between our last look and the next segment's birth.
            count = self._read_here(events)
            if count:
                return count
            self._step()

    def _read_here(self, events: I8) -> int:
        room = events.shape[0]
        if not self._follow:
            room = min(room, self._limits[self._sequence] - self._read)
            if room == 0 and isinstance(self._source, SegmentSource):
                return 0
        count = self._source.read(events[:room])
        self._read += count
        return count

    def _next(self) -> "dict[int, Path] | dict[int, int]":
        return segments_in(self.folder) if self._follow else self._limits

    def _step(self) -> None:
        """Go on with the next segment, behind its opening rows."""
        source, _, opening = self._open(self._sequence + 1)
        self._source.close()
        self._source, self._read = source, 0
        self._sequence += 1
        skipped = np.empty((SKIP_ROWS, EVENT_COLUMNS), dtype=np.int64)
        while self._read < opening:
            count = self._source.read(skipped[: opening - self._read])
            if count == 0:
                raise RecordingError(
                    f"{self.folder}: segment {self._sequence} ends within its first {opening} "
                    "rows; it is damaged: read the folder up to it"
                )
            self._read += count

    def _open(self, sequence: int) -> "tuple[FileSource | SegmentSource, Meta, int]":
        """Return a segment, its meta, and its opening rows."""
        for _ in range(OPENING_TRIES):
            path = segments_in(self.folder).get(sequence)
            if path is None:
                break
            if path.suffix != OPEN:
                sealed = FileSource(path)
                return sealed, sealed.meta, opening_of(sealed.meta)
            try:
                source = SegmentSource(path)
            except FileNotFoundError:
                continue
            return source, source.meta, source.header.opening
        raise RecordingError(f"{self.folder}: segment {sequence} is missing; put it back")

    def _survey(self, sequences: list[int]) -> None:
        """Note how much there is now, and what it counts; the recorder may go on writing."""
        digest = hashlib.sha256()
        total = dict.fromkeys(Counts.model_fields, 0)
        spans: list[tuple[int, int]] = []
        fundings: dict[int, int] = {}
        for sequence in sequences:
            with ExitStack() as stack:
                source, meta, opening = self._open(sequence)
                stack.callback(source.close)
                if isinstance(source, SegmentSource):
                    recording, data = recording_of(source)
                    meta, rows, content = recording.meta, len(data), digest_of(data)
                else:
                    rows, content = source.expected, meta.sha256
            self._limits[sequence] = rows
            fundings.update(meta.funding)
            skipped = opening if sequence != self.first else 0
            counts = meta.counts.model_dump()
            if skipped:
                counts["snapshot_levels"] -= skipped
                counts["snapshots"] -= 1
            for name, value in counts.items():
                total[name] += value
            if rows > skipped:
                spans.append(meta.span_ns)
            self.expected += rows - skipped
            digest.update(f"{sequence}:{rows}:{skipped}:{content}\n".encode())
        update: dict[str, Any] = {
            "counts": Counts(**total),
            "funding": tuple(sorted(fundings.items())),
            "span_ns": (spans[0][0], spans[-1][1]) if spans else (0, 0),
            "source": f"segments {sequences[0]} to {sequences[-1]}",
            "sha256": "",
            "notes": {},
        }
        self.meta = funded(self.meta.model_copy(update=update), self.folder)
        facts = (digest.hexdigest(), self.meta.tick, self.meta.lot)
        self.identity = ":".join(facts)


def opening_of(meta: Meta) -> int:
    """Return how many rows in front of a sealed segment carry the book over."""
    opening = meta.notes.get("opening", 0)
    return opening if isinstance(opening, int) else 0


def open_source(path: Path, *, newest: int = 0) -> FileSource | FolderSource:
    """Return the events of a recording: a file, or a folder of segments as it stands now.

    Raises:
        RecordingError: as `FileSource` and `FolderSource`.
    """
    return FolderSource(path, newest=newest) if is_segment_folder(path) else FileSource(path)


def load_recording(path: Path, *, newest: int = 0) -> Recording:
    """Read a recording: a file, or a folder of segments as it stands now.

    Args:
        path: of either.
        newest: of a folder, read the last so many segments only; 0: all.

    Raises:
        RecordingError: damaged, changed since it was made, or without `meta`.
    """
    with open_source(path, newest=newest) as source:
        events = np.empty((source.expected, EVENT_COLUMNS), dtype=np.int64)
        held = 0
        while held < source.expected and (count := source.read(events[held : held + BLOCK_ROWS])):
            held += count
        if held != source.expected:
            raise RecordingError(f"{path}: {held} of {source.expected} rows can be read")
        source.read(np.empty((1, EVENT_COLUMNS), dtype=np.int64))  # the last digest
        return Recording(source.meta, events)
