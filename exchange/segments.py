"""The files of a recording that grows: `000001.segment`, sealed as `000001.npz`.

A segment is a header (one line that says what it is, a length, a `Header` as JSON, padded to 64
bytes) and rows of RECORDING_DTYPE, appended and never changed. A row that is half there, or that
the disk left empty, ends it: nothing behind is read. What is written here is whole or not there
at all: a segment appears by a rename, and is taken away only when its `.npz` is on the disk.
"""

import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from exchange.errors import RecordingError
from exchange.recording import Counts, Data, Meta, Recording, decode, decode_into, save
from exchange.recording_fundings import funded
from market.layout import (
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOCAL_NS,
    EVENT_SEEN,
    KIND_CLEAR,
    KIND_DEPTH,
    KIND_SNAPSHOT,
    KIND_TRADE,
    RECORDING_DTYPE,
    SEEN_LOCAL,
)
from market.types import I8

MAGIC = b"counterpoint segment 1\n"
LENGTH_DIGITS = 8
ROW_BYTES = RECORDING_DTYPE.itemsize
OPEN, SEALED = ".segment", ".npz"


class Header(BaseModel):
    """What a segment knows about itself before its first row."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    sequence: int = Field(ge=1)
    opening: int = Field(ge=0, description="rows in front: the book as the last segment left it")
    meta: Meta


def segment_path(folder: Path, sequence: int, suffix: str = OPEN) -> Path:
    """Return where a segment lies, open or sealed."""
    return folder / f"{sequence:06d}{suffix}"


def segments_in(folder: Path) -> dict[int, Path]:
    """Return the segments of a folder by number, ascending; empty when it holds none.

    While one is being sealed both files are there, and the rows are the truth.

    Raises:
        RecordingError: one in the middle is missing, or the folder cannot be read.
    """
    found: dict[int, Path] = {}
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise RecordingError(f"{folder}: cannot be read: {error.strerror or error}") from None
    for suffix in (SEALED, OPEN):
        for name in names:
            stem, dot, rest = name.partition(".")
            if dot + rest == suffix and len(stem) >= 6 and stem.isdecimal():
                found[int(stem)] = folder / name
    for sequence in found:
        if sequence - 1 not in found and sequence != min(found):
            raise RecordingError(f"{folder}: segment {sequence - 1} is missing; put it back")
    return dict(sorted(found.items()))


def is_segment_folder(path: Path) -> bool:
    """Return whether a path is a folder of segments."""
    return path.is_dir() and any(
        child.suffix in {OPEN, SEALED} and len(child.stem) >= 6 and child.stem.isdecimal()
        for child in path.iterdir()
    )


def header_bytes(header: Header) -> bytes:
    """Return the header as it stands in the file."""
    text = header.model_dump_json().encode()
    front = len(MAGIC) + LENGTH_DIGITS + 1
    size = -(-(front + len(text) + 1) // ROW_BYTES) * ROW_BYTES
    padded = text.ljust(size - front - 1) + b"\n"
    return MAGIC + f"{len(padded):0{LENGTH_DIGITS}d}\n".encode() + padded


def create_segment(path: Path, header: Header, rows: Data) -> None:
    """Make a segment with its first rows, whole or not at all."""
    beside = path.with_name(path.name + ".partial")
    with beside.open("wb") as file:
        file.write(header_bytes(header))
        file.write(rows.tobytes())
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder outlive a power cut."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


class SegmentSource:
    """The rows of a segment, as far as they are there; more may come, ask again.

    Use it as a context manager.

    Raises:
        RecordingError: it is no segment, or one of another version.
        FileNotFoundError: it is not there (any more: it may have been sealed).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("rb")
        try:
            self.header, self._start = self._read_header()
        except BaseException:
            self._file.close()
            raise
        self.meta = self.header.meta
        self._read = 0
        self.expected = self.rows

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
        """Close the file."""
        self._file.close()

    @property
    def rows(self) -> int:
        """Rows that are whole by their length."""
        size = os.fstat(self._file.fileno()).st_size
        return int(max(0, size - self._start) // ROW_BYTES)

    def read(self, events: I8) -> int:
        """Write the next rows that are there; 0 when there is none yet.

        Raises:
            RecordingError: a price or quantity is off the grid, or a kind is unknown.
        """
        data = self.data(self._read, events.shape[0])
        count = len(data)
        meta = self.meta
        decode_into(data, events[:count], tick=meta.tick, lot=meta.lot, first=self._read)
        self._read += count
        return count

    def data(self, first: int, count: int) -> Data:
        """Return up to `count` rows from number `first` on; what is torn or empty ends them."""
        at = self._start + first * ROW_BYTES
        count = min(count, self.rows - first)
        raw = os.pread(self._file.fileno(), max(0, count) * ROW_BYTES, at)
        whole = len(raw) // ROW_BYTES
        data = np.frombuffer(raw, RECORDING_DTYPE, count=whole).copy()
        empty = np.flatnonzero(data["ev"] == 0)
        return data[: int(empty[0])] if empty.size else data

    def end(self) -> int:
        """Return the bytes up to the end of the last good row."""
        return self._start + len(self.data(0, self.rows)) * ROW_BYTES

    def _read_header(self) -> tuple[Header, int]:
        front = self._file.read(len(MAGIC) + LENGTH_DIGITS + 1)
        length = front[len(MAGIC) : -1]
        if not (front.startswith(MAGIC) and length.isdigit()):
            raise RecordingError(
                f"{self.path}: is no segment of this program's; take it out of the folder"
            )
        try:
            header = Header.model_validate_json(self._file.read(int(length)))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "header"
            raise RecordingError(
                f"{self.path}: header is wrong at {place}: {first['msg']}"
            ) from None
        return header, len(front) + int(length)


def count_events(events: I8, *, clock_raised: int = 0) -> Counts:
    """Return what a meta counts, told from the events; a batch of one time is one message."""
    local = events[(events[:, EVENT_SEEN] & SEEN_LOCAL) != 0]
    kinds, times = local[:, EVENT_KIND], local[:, [EVENT_EXCH_NS, EVENT_LOCAL_NS]]

    def batches(kind: int) -> int:
        chosen = times[kinds == kind]
        changes = (chosen[1:] != chosen[:-1]).any(axis=1).sum()
        return int(changes) + 1 if chosen.shape[0] else 0

    return Counts(
        depth_messages=batches(KIND_DEPTH),
        level_changes=int((kinds == KIND_DEPTH).sum()),
        snapshots=batches(KIND_SNAPSHOT),
        snapshot_levels=int((kinds == KIND_SNAPSHOT).sum()),
        clears=int((kinds == KIND_CLEAR).sum()),
        trades=int((kinds == KIND_TRADE).sum()),
        clock_raised=clock_raised,
    )


def span_of(events: I8) -> tuple[int, int]:
    """Return (first, last) local time; (0, 0) without an event."""
    if events.shape[0] == 0:
        return 0, 0
    return int(events[:, EVENT_LOCAL_NS].min()), int(events[:, EVENT_LOCAL_NS].max())


def recording_of(source: SegmentSource, *, clock_raised: int = 0) -> tuple[Recording, Data]:
    """Return what a segment holds as a recording of its own, and its records."""
    header, meta = source.header, source.meta
    data = source.data(0, source.rows)
    events = decode(data, tick=meta.tick, lot=meta.lot)
    notes: dict[str, Any] = {"sequence": header.sequence, "opening": header.opening}
    meta = meta.model_copy(
        update={
            "span_ns": span_of(events),
            "counts": count_events(events, clock_raised=clock_raised),
            "notes": {**meta.notes, **notes},
        }
    )
    return Recording(meta, events), data


def seal_segment(path: Path, *, clock_raised: int = 0) -> Recording:
    """Make an ordinary recording of a segment that nobody writes to any more; return it.

    Raises:
        RecordingError: the segment is damaged, or the file cannot be written.
    """
    with SegmentSource(path) as source:
        recording, data = recording_of(source, clock_raised=clock_raised)
    recording = Recording(funded(recording.meta, path.parent), recording.events)
    sealed = path.with_suffix(SEALED)
    meta = save(sealed, recording, data)
    try:
        with sealed.open("rb") as file:
            os.fsync(file.fileno())
        sync_folder(path.parent)
        path.unlink()
    except OSError as error:
        raise RecordingError(
            f"{path}: cannot be sealed: {error.strerror or error}; free the disk, start again"
        ) from None
    return Recording(meta, recording.events)


def digest_of(data: Data) -> str:
    """Return the SHA-256 of records."""
    return hashlib.sha256(data.tobytes()).hexdigest()
