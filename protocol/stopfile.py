"""The stop as a file, read and written: it works with the bus dead.

A file named `stop` in the executor's data directory holds stop ids, one a line, each optionally
followed by `flatten`, or by `silent` and a process: a guardian's stop is aimed at the process whose
beat ended, and whoever comes after it may outlive it. The file is looked at before every send and
at least every 200 ms. Ids that were lifted are passed over; a file without a readable id stops all
the same, under an id made of its content and time, so that a damaged file errs to the safe side,
and `touch stop` stops each time anew; if `flatten` is all that it holds, it flattens. Writers take
turns by a lock beside it and replace the file whole, so a reader never sees half of it.

An operator in a hurry and a guardian import this file alone: nothing heavy is loaded by it. A stop
can be made ready beforehand, so that it needs no room on a disc that is full when it is wanted.
"""

import fcntl
import hashlib
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

STOP_NAME = "stop"
LOCK_NAME = "stop.lock"
PREPARED_NAME = "stop.prepared"
FLATTEN = "flatten"
SILENT = "silent "
_ID = re.compile(r"[0-9a-f]{32}")


def read_stops(text: bytes, time_ns: int) -> dict[str, bool]:
    """Return by id whether each stop of a file also flattens; at least one stop.

    Args:
        text: its content.
        time_ns: of its last change.
    """
    return {name: rest == FLATTEN for name, rest in _lines(text, time_ns).items()}


def aims_of(text: bytes) -> dict[str, str]:
    """Return by id at which process (its beat's number, hexadecimal) a guardian's stop is aimed."""
    silent = {k: v.removeprefix(SILENT) for k, v in _lines(text, 0).items() if v.startswith(SILENT)}
    return {name: process for name, process in silent.items() if _ID.fullmatch(process)}


def stops_in(folder: Path) -> dict[str, bool]:
    """Return by id the stops of the file in an executor's data directory; none without a file."""
    return {name: rest == FLATTEN for name, rest in _lines_in(folder).items()}


def add_stop(folder: Path, stop_id: str, *, flatten: bool, silent: str = "") -> None:
    """Put a stop into the file; it is on disk when this returns.

    Args:
        silent: number of the process that it is aimed at; empty: whoever trades here.

    Raises:
        OSError: the file cannot be written.
    """
    rest = FLATTEN if flatten else f"{SILENT}{silent}" if silent else ""
    with _turn(folder):
        _replace(folder, {**_lines_in(folder), stop_id: rest})


def lift_stops(folder: Path, lifted: Collection[str]) -> None:
    """Take stops that an executor has lifted out of the file; an empty file is removed.

    Raises:
        OSError: the file cannot be written.
    """
    with _turn(folder):
        _replace(folder, {k: v for k, v in _lines_in(folder).items() if k not in lifted})


def prepare_stop(folder: Path, stop_id: str) -> None:
    """Make a stop ready for `add_prepared`; it is on disk when this returns.

    Raises:
        OSError: it cannot be written.
    """
    with _turn(folder):
        _write(folder / PREPARED_NAME, {stop_id: ""})


def add_prepared(folder: Path, stop_id: str, *, silent: str = "") -> None:
    """Put a prepared stop into force; where the file cannot be rewritten the prepared one is it.

    That one is aimed at nobody: it was made before anybody was silent.

    Raises:
        OSError: neither works, or the disc is full and other stops are in force already.
    """
    try:
        add_stop(folder, stop_id, flatten=False, silent=silent)
    except OSError:
        with _turn(folder):
            if (folder / STOP_NAME).exists():
                raise
            (folder / PREPARED_NAME).rename(folder / STOP_NAME)


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    lock = os.open(folder / LOCK_NAME, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _lines(text: bytes, time_ns: int) -> dict[str, str]:
    """Return by id what follows it on its line; at least one id."""
    lines = {}
    for line in text.decode("ascii", "replace").splitlines():
        name, _, rest = line.strip().partition(" ")
        if _ID.fullmatch(name):
            lines[name] = rest.strip()
    if lines:
        return lines
    made = hashlib.sha256(b"%d %b" % (time_ns, text)).hexdigest()[:32]
    return {made: FLATTEN if text.strip() == FLATTEN.encode() else ""}


def _lines_in(folder: Path) -> dict[str, str]:
    try:
        with (folder / STOP_NAME).open("rb") as file:
            return _lines(file.read(), os.fstat(file.fileno()).st_mtime_ns)
    except FileNotFoundError:
        return {}


def _replace(folder: Path, stops: dict[str, str]) -> None:
    path = folder / STOP_NAME
    if not stops:
        path.unlink(missing_ok=True)
        return
    draft = folder / f"{STOP_NAME}.draft"
    _write(draft, stops)
    draft.replace(path)


def _write(path: Path, stops: dict[str, str]) -> None:
    lines = [f"{name} {rest}".rstrip() + "\n" for name, rest in stops.items()]
    with path.open("w", encoding="ascii") as file:
        file.write("".join(lines))
        file.flush()
        os.fsync(file.fileno())
