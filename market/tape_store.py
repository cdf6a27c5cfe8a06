"""Keeps tapes on disk, one file each, named by what they were made of.

A tape is written beside its place and renamed, so no half file remains and two processes do no
harm; it is mapped copy-on-write, so that it loads at once and its arrays are plain and writable
(a read-only array would make every kernel compile anew). The file says its key and a checksum of
every array: what is damaged or foreign is not used.
"""

import hashlib
import json
import mmap
import os
import struct
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import market
from market.births import trace_orders
from market.both_clocks import find_marks, observe_marks
from market.decode import decode_records
from market.hit_blocks import note_blocks
from market.indexing import index_events
from market.jit_identity import function_digest
from market.layout import EVENT_COLUMNS
from market.segments import carry_levels, count_levels, lay_out
from market.stream import Stream
from market.tape import Tape
from market.tape_sides import Making, observe_steps

FORMAT = 2
MAGIC = b"cpt-tape"
PREFIX = struct.Struct("<8sIQ")  # magic, checksum of the header, its length
ALIGNED = 64
KEPT_BYTES = 8 << 30
"""A store larger than that loses the tapes that were used longest ago."""

KERNELS = (
    trace_orders,
    decode_records,
    index_events,
    note_blocks,
    count_levels,
    lay_out,
    carry_levels,
    find_marks,
    observe_marks,
    observe_steps,
)
SHELLS = (
    "births",
    "book",
    "calibration",
    "feed_delay",
    "hit_blocks",
    "indexer",
    "latency",
    "stream",
    "tape",
    "tape_sides",
    "tape_stream",
)
ROWS = ("steps", "views", "plans")


class StoreError(Exception):
    """A stored tape that cannot be used; its text is one line."""


def builder_digest() -> str:
    """Return what a tape depends on besides its input: the code that makes it."""
    digest = hashlib.sha256(np.__version__.encode())
    for function in KERNELS:
        digest.update(function_digest(getattr(function, "py_func", function), "").encode())
    folder = Path(market.__path__[0])
    for name in SHELLS:
        digest.update((folder / f"{name}.py").read_bytes())
    return digest.hexdigest()


def tape_key(
    *,
    content: str,
    making: Making,
    span: str = "",
    feed: str = "recorded",
    births: bool = False,
) -> str:
    """Return 32 hex digits that tell a tape from every other.

    Args:
        content: what tells the recording, such as its SHA-256.
        making: how the tape is made.
        span: which part of the recording.
        feed: text of the feed's delay.
        births: it knows when each order came to its place.
    """
    parts = {
        "births": births,
        "builder": builder_digest(),
        "content": content,
        "cycle_ns": making.cycle_ns,
        "feed": feed,
        "format": FORMAT,
        "interval_ns": making.interval_ns,
        "latency": making.latency.text(),
        "settings": making.settings.tobytes().hex(),
        "span": span,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def tape_path(store: Path, key: str) -> Path:
    """Return where a tape lies or would lie."""
    return store / f"{key}.tape"


@dataclass(frozen=True, slots=True)
class _Part:
    """One array in the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    checksum: int


def _arrays(tape: Tape) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    for name in ROWS:
        yield name, np.ascontiguousarray(getattr(tape, name))
    for name, array in tape.stream._asdict().items():
        yield f"stream.{name}", np.ascontiguousarray(array)


def save_tape(store: Path, key: str, tape: Tape) -> Path:
    """Write a tape, whole or not at all; return its path.

    Raises:
        OSError: it cannot be written.
    """
    store.mkdir(parents=True, exist_ok=True)
    arrays = list(_arrays(tape))
    parts, begin = [], 0
    for name, array in arrays:
        checksum = zlib.crc32(array.data.cast("B") if array.size else b"")
        parts.append([name, array.dtype.str, list(array.shape), begin, checksum])
        begin += -(-array.nbytes // ALIGNED) * ALIGNED
    header = json.dumps(
        {
            "base": tape.base,
            "cycle_ns": tape.cycle_ns,
            "event_count": tape.event_count,
            "interval_ns": tape.interval_ns,
            "key": key,
            "parts": parts,
            "width": tape.width,
        }
    ).encode()
    handle, beside = tempfile.mkstemp(prefix=f".{key}.", dir=store)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(PREFIX.pack(MAGIC, zlib.crc32(header), len(header)) + header)
            file.write(b"\0" * (-file.tell() % ALIGNED))
            for _, array in arrays:
                if array.size:
                    file.write(array.data.cast("B"))
                file.write(b"\0" * (-file.tell() % ALIGNED))
            file.flush()
            os.fsync(file.fileno())
        path = tape_path(store, key)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
    _sync_folder(store)
    _trim(store, keep=path)
    return path


def load_tape(store: Path, key: str) -> Tape | None:
    """Return a stored tape, None when there is none.

    Raises:
        StoreError: what lies there is damaged or another tape.
    """
    path = tape_path(store, key)
    try:
        with path.open("rb") as file:
            whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: {error}") from None
    try:
        tape = _read(whole, key)
    except (KeyError, TypeError, ValueError, struct.error) as error:
        raise StoreError(f"{path}: {error}") from None
    os.utime(path)  # the store forgets what was used longest ago
    return tape


def _read(whole: mmap.mmap, key: str) -> Tape:
    magic, checksum, length = PREFIX.unpack_from(whole)
    head = whole[PREFIX.size : PREFIX.size + length]
    if magic != MAGIC or zlib.crc32(head) != checksum:
        raise ValueError("its header is damaged")
    told = json.loads(head)
    if told["key"] != key:
        raise ValueError(f"it is the tape of {told['key']}")
    start = -(-(PREFIX.size + length) // ALIGNED) * ALIGNED
    arrays = {
        part.name: _array(whole, part, start)
        for part in (
            _Part(name, dtype, tuple(shape), *rest) for name, dtype, shape, *rest in told["parts"]
        )
    }
    return Tape(
        events=np.zeros((0, EVENT_COLUMNS), dtype=np.int64),
        base=told["base"],
        width=told["width"],
        interval_ns=told["interval_ns"],
        cycle_ns=told["cycle_ns"],
        steps=arrays["steps"],
        views=arrays["views"],
        plans=arrays["plans"],
        stream=Stream(**{name: arrays[f"stream.{name}"] for name in Stream._fields}),
        event_count=told["event_count"],
    )


def _array(whole: mmap.mmap, part: _Part, start: int) -> npt.NDArray[Any]:
    dtype, count = np.dtype(part.dtype), int(np.prod(part.shape))
    first = start + part.begin
    if first + count * dtype.itemsize > len(whole):
        raise ValueError("it is cut off")
    if count == 0:
        return np.zeros(part.shape, dtype=dtype)
    array = np.frombuffer(whole, dtype, count, first).reshape(part.shape)
    if zlib.crc32(array.data.cast("B")) != part.checksum:
        raise ValueError(f"its {part.name} are damaged")
    return array


def _sync_folder(folder: Path) -> None:
    """Make a rename last; where folders cannot be opened it lasts by itself."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _trim(store: Path, keep: Path) -> None:
    """Remove the tapes used longest ago until the store is small enough."""
    found = []
    for path in store.glob("*.tape"):
        try:
            facts = path.stat()
        except FileNotFoundError:
            continue  # another process was faster
        found.append((path != keep, -facts.st_mtime_ns, facts.st_size, path))
    total = 0
    for older, _, size, path in sorted(found):
        total += size
        if older and total > KEPT_BYTES:
            path.unlink(missing_ok=True)
