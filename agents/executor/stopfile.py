"""The stop as a file, read and written: it works with the bus dead.

A file named `stop` in the executor's data directory holds stop ids, one a line, each optionally
followed by the word `flatten`. It is looked at before every send and at least every 200 ms. Ids
that were lifted are passed over; a file without a readable id stops all the same, under an id made
of its content, so that a damaged file errs to the safe side. Writers take turns by a lock beside
it and replace the file whole, so a reader never sees half of it.

An operator in a hurry imports this file alone: what is compiled is not loaded by it.
"""

import fcntl
import hashlib
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agents.executor.events import StopHeard
    from agents.executor.state import State

STOP_NAME = "stop"
LOCK_NAME = "stop.lock"
_ID = re.compile(r"[0-9a-f]{32}")


class StopFile:
    """Looks for the stop file; reads it only when it is there and has changed."""

    def __init__(self, folder: Path) -> None:
        self._path = str(folder / STOP_NAME)
        self._seen: tuple[int, int, int] | None = None

    def look(self, state: "State") -> "list[StopHeard]":
        """Return the stops in the file that ask for more than is active, and are not lifted."""
        try:
            found = os.stat(self._path)  # noqa: PTH116 - looked at every step: 1 us, not 4
        except FileNotFoundError:
            self._seen = None
            return []
        mark = (found.st_mtime_ns, found.st_size, found.st_ino)
        if mark == self._seen:
            return []
        self._seen = mark
        text = Path(self._path).read_bytes()
        return [
            stop
            for stop in stops_of(text)
            if stop.id not in state.lifted
            and (stop.id not in state.stops or stop.flatten > state.stops[stop.id])
        ]


def stops_of(text: bytes) -> "list[StopHeard]":
    """Return the stops that a file's content asks for, at least one."""
    from agents.executor.events import StopHeard

    return [StopHeard(name, flatten=flatten) for name, flatten in read_stops(text).items()]


def read_stops(text: bytes) -> dict[str, bool]:
    """Return by id whether each stop of a file's content also flattens; at least one stop."""
    stops = {}
    for line in text.decode("ascii", "replace").splitlines():
        name, _, rest = line.strip().partition(" ")
        if _ID.fullmatch(name):
            stops[name] = rest.strip() == "flatten"
    if not stops:
        stops[hashlib.sha256(text).hexdigest()[:32]] = False
    return stops


def stops_in(folder: Path) -> dict[str, bool]:
    """Return by id the stops of the file in an executor's data directory; none without a file."""
    try:
        return read_stops((folder / STOP_NAME).read_bytes())
    except FileNotFoundError:
        return {}


def add_stop(folder: Path, stop_id: str, *, flatten: bool) -> None:
    """Put a stop into the file; it is on disk when this returns.

    Raises:
        OSError: the file cannot be written.
    """
    with _turn(folder):
        _replace(folder, {**stops_in(folder), stop_id: flatten})


def lift_stops(folder: Path, lifted: Collection[str]) -> None:
    """Take stops that an executor has lifted out of the file; an empty file is removed.

    Raises:
        OSError: the file cannot be written.
    """
    with _turn(folder):
        _replace(folder, {k: v for k, v in stops_in(folder).items() if k not in lifted})


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    lock = os.open(folder / LOCK_NAME, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _replace(folder: Path, stops: dict[str, bool]) -> None:
    path = folder / STOP_NAME
    if not stops:
        path.unlink(missing_ok=True)
        return
    lines = [f"{name} flatten\n" if flatten else f"{name}\n" for name, flatten in stops.items()]
    draft = folder / f"{STOP_NAME}.draft"
    with draft.open("w", encoding="ascii") as file:
        file.write("".join(lines))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
