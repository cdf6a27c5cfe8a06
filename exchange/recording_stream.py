"""Reads recordings piece by piece, for tapes whose recording must not lie in memory whole.

Each source gives events in order through `read` (`market/tape_stream.py`); what it has read is
verified as it goes by, and again nothing here judges a market.
"""

import hashlib
import json
import mmap
import zipfile
import zlib
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

import numpy as np

from exchange.archive import demand_archive
from exchange.errors import RecordingError
from exchange.recording import Data, Meta, decode_into, demand_digest, meta_of
from market.layout import (
    EVENT_COLUMNS,
    EVENT_EXCH_NS,
    EVENT_LOCAL_NS,
    EVENT_SEEN,
    RECORDING_DTYPE,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
)
from market.tape_stream import EventSource
from market.types import I8

RECORD_BYTES = RECORDING_DTYPE.itemsize
DAMAGE = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)


class RecordSource:
    """Records that lie in memory or, as `np.memmap`, in a file.

    Args:
        data: contiguous, of RECORDING_DTYPE.
        tick: price step, decimal text.
        lot: quantity step, decimal text.
    """

    def __init__(self, data: Data, *, tick: str, lot: str) -> None:
        self.expected = data.shape[0]
        self._data = data
        self._tick = tick
        self._lot = lot
        self._read = 0
        self._released = 0
        found = getattr(data, "_mmap", None)
        self._map = cast("mmap.mmap | None", found)

    def read(self, events: I8) -> int:
        """Write the next events; the pages of a file that were read are given back.

        Raises:
            RecordingError: a price or quantity is off the grid, or a kind is unknown.
        """
        first = self._read
        part = self._data[first : first + events.shape[0]]
        decode_into(part, events[: part.shape[0]], tick=self._tick, lot=self._lot, first=self._read)
        self._read += part.shape[0]
        if self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
            # What was read counts as our memory until it is given back.
            behind = self._read * RECORD_BYTES // mmap.ALLOCATIONGRANULARITY
            behind *= mmap.ALLOCATIONGRANULARITY
            if behind > self._released:
                length = behind - self._released
                self._map.madvise(mmap.MADV_DONTNEED, self._released, length)
                self._released = behind
        return len(part)


class FileSource:
    """A recording file (`.npz`), unpacked as it is read; its SHA-256 is verified at the end.

    Use it as a context manager.

    Raises:
        RecordingError: no such file, damaged, changed since it was made, or without `meta`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self._digest = hashlib.sha256()
        try:
            demand_archive(path)
            self._zip = zipfile.ZipFile(path)
        except PermissionError:
            raise RecordingError(
                f"{path}: may not be read by this user; `chmod a+r` lets everybody read it"
            ) from None
        except FileNotFoundError:
            raise RecordingError(
                f"{path}: no such file; `counterpoint feed import` makes one"
            ) from None
        except DAMAGE as error:
            raise self._damaged(error) from None
        try:
            self.meta = self._open_meta()
            info = self._zip.getinfo("data.npy")
            # What tells its events from any other's, without reading them.
            facts = (self.meta.sha256, info.CRC, info.file_size, self.meta.tick, self.meta.lot)
            self.identity = ":".join(map(str, facts))
            self._member: IO[bytes] = self._zip.open(info)
            self._dtype, self.expected = self._open_data()
        except RecordingError:
            self._zip.close()
            raise
        except DAMAGE as error:
            self._zip.close()
            raise self._damaged(error) from None

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
        self._member.close()
        self._zip.close()

    def read(self, events: I8) -> int:
        """Write the next events.

        Raises:
            RecordingError: damaged, changed since it was made, or off the grid.
        """
        wanted = min(len(events), self.expected - self._read)
        if wanted == 0:
            demand_digest(self._path, self.meta, self._digest.hexdigest())
            return 0
        first, data = self._read, self._next(wanted)
        try:
            decode_into(data, events[:wanted], tick=self.meta.tick, lot=self.meta.lot, first=first)
        except RecordingError:
            self._verify_rest(wanted)  # a damaged file says so, and not that its grid is wrong
            raise
        return wanted

    def _next(self, wanted: int) -> Data:
        """Return the next records, taken into the digest."""
        try:
            raw = self._member.read(wanted * self._dtype.itemsize)
            if len(raw) != wanted * self._dtype.itemsize:
                raise EOFError("cut off")
        except DAMAGE as error:
            raise self._damaged(error) from None
        data = np.frombuffer(raw, self._dtype).astype(RECORDING_DTYPE, copy=False)
        self._digest.update(data.data)
        self._read += wanted
        return data

    def _verify_rest(self, rows: int) -> None:
        while self._read < self.expected:
            self._next(min(rows, self.expected - self._read))
        demand_digest(self._path, self.meta, self._digest.hexdigest())

    def _open_meta(self) -> Meta:
        names = self._zip.namelist()
        if "data.npy" not in names:
            raise RecordingError(
                f"{self._path}: no member `data` in it; a recording is an .npz with one; "
                "make it with `counterpoint feed import`"
            )
        if "meta.npy" not in names:
            return meta_of(self._path, None)
        with self._zip.open("meta.npy") as member:
            raw = np.lib.format.read_array(member, allow_pickle=False)
        return meta_of(self._path, json.loads(bytes(raw.astype("S").tobytes()).rstrip(b"\0")))

    def _open_data(self) -> "tuple[np.dtype[np.void], int]":
        """Read the header of `data`; return (dtype, records)."""
        version = np.lib.format.read_magic(self._member)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(self._member)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(self._member)
        if dtype.names != RECORDING_DTYPE.names or len(shape) != 1:
            raise RecordingError(
                f"{self._path}: `data` has columns {dtype.names or shape}; allowed are "
                f"{', '.join(RECORDING_DTYPE.names or ())}"
            )
        return dtype, int(shape[0])

    def _damaged(self, error: BaseException) -> RecordingError:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return RecordingError(f"{self._path}: damaged or no recording ({reason}); import it again")


class CutSource:
    """The recording as it stood at a time: what either clock had shown by then (`tape.cut`)."""

    def __init__(self, source: EventSource, until_ns: int) -> None:
        self.expected = source.expected
        self._source = source
        self._until_ns = until_ns

    def read(self, events: I8) -> int:
        """Write the next events that belong to it; the source is read to its end."""
        while (count := self._source.read(events)) > 0:
            rows = events[:count]
            seen = rows[:, EVENT_SEEN]
            late = (rows[:, EVENT_EXCH_NS] > self._until_ns) & (seen & SEEN_EXCHANGE != 0)
            seen[late] &= ~SEEN_EXCHANGE
            late = (rows[:, EVENT_LOCAL_NS] > self._until_ns) & (seen & SEEN_LOCAL != 0)
            seen[late] &= ~SEEN_LOCAL
            kept = np.flatnonzero(seen)
            if kept.size == count:
                return count
            if kept.size > 0:
                events[: kept.size] = rows[kept]
                return len(kept)
        return 0


def read_head(source: EventSource, until_ns: int, *, block_rows: int = 1 << 16) -> I8:
    """Return the events of a recording up to the first block whose local clock is past a time."""
    parts = [np.zeros((0, EVENT_COLUMNS), dtype=np.int64)]
    while True:
        block = np.empty((block_rows, EVENT_COLUMNS), dtype=np.int64)
        count = source.read(block)
        parts.append(block[:count])
        local = block[:count][(block[:count, EVENT_SEEN] & SEEN_LOCAL) != 0, EVENT_LOCAL_NS]
        if count == 0 or (local.size and local[-1] > until_ns):
            return np.concatenate(parts)
