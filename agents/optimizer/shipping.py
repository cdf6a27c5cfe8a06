"""A tape cut into blocks that are named by their content, to be sent where it is not yet.

A tape that has grown shares all but the last blocks with what it was, so only those are sent
again. Whoever puts it together holds each block to its name. Nothing here knows of a network.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from market.layout import EVENT_COLUMNS
from market.stream import Stream
from market.tape import Tape

BLOCK_BYTES = 4 << 20
ROWS = ("steps", "views", "plans")

Array = npt.NDArray[Any]


class DamagedError(Exception):
    """A block is not what its name says."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One array of a tape: what it is, and the names of its blocks in order."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    blocks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Parcel:
    """A tape without its numbers; `key` tells it from every other."""

    base: int
    width: int
    interval_ns: int
    cycle_ns: int
    event_count: int
    pieces: tuple[Piece, ...]

    @property
    def key(self) -> str:
        """64 hex digits."""
        return hashlib.sha256(repr(self).encode()).hexdigest()


def name_of(block: Array) -> str:
    """Return the name of a block: SHA-256 of its bytes."""
    return hashlib.sha256(np.ascontiguousarray(block).data.cast("B")).hexdigest()


def packed(tape: Tape) -> tuple[Parcel, dict[str, Array]]:
    """Return a tape as a parcel, and its blocks by name; events are left out, no replay asks."""
    found: dict[str, Array] = {}
    pieces = []
    for name, array in _arrays(tape):
        named = [(name_of(block), block) for block in _blocks(array)]
        found.update(named)
        names = tuple(each for each, _ in named)
        pieces.append(Piece(name, array.dtype.str, array.shape, names))
    parcel = Parcel(
        tape.base, tape.width, tape.interval_ns, tape.cycle_ns, tape.event_count, tuple(pieces)
    )
    return parcel, found


def unpacked(parcel: Parcel, fetch: Callable[[tuple[str, ...]], list[Array]]) -> Tape:
    """Return the tape of a parcel; its arrays are copies, so plain and writable.

    A read-only array would make every kernel compile anew.

    Args:
        parcel: of `packed`.
        fetch: returns blocks by their names.

    Raises:
        DamagedError: a block is another than its name says.
    """
    arrays: dict[str, Array] = {}
    for piece in parcel.pieces:
        blocks = fetch(piece.blocks)
        for name, block in zip(piece.blocks, blocks, strict=True):
            if name_of(block) != name:
                raise DamagedError(f"a block of {piece.name} is not what it is called, {name[:12]}")
        whole = np.concatenate(blocks) if blocks else np.zeros(0, dtype=piece.dtype)
        arrays[piece.name] = whole.reshape(piece.shape)
    return Tape(
        events=np.zeros((0, EVENT_COLUMNS), dtype=np.int64),
        base=parcel.base,
        width=parcel.width,
        interval_ns=parcel.interval_ns,
        cycle_ns=parcel.cycle_ns,
        steps=arrays["steps"],
        views=arrays["views"],
        plans=arrays["plans"],
        stream=Stream(**{name: arrays[name] for name in Stream._fields}),
        event_count=parcel.event_count,
    )


def _arrays(tape: Tape) -> Iterator[tuple[str, Array]]:
    for name in ROWS:
        yield name, getattr(tape, name)
    yield from tape.stream._asdict().items()


def _blocks(array: Array) -> Iterator[Array]:
    """Yield an array in rows of at most BLOCK_BYTES; their edges do not move when it grows."""
    if array.size == 0:
        return
    rows = max(1, BLOCK_BYTES // (array.nbytes // len(array)))
    for first in range(0, len(array), rows):
        yield array[first : first + rows]
