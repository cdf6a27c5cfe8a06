"""Replacing a participant's keys while everybody goes on: first both hold, then the new ones alone.

`rotate` and `retire` change files; running processes notice (`protocol/keyring.py`). Each step is
on disk before the next, and whatever moment a crash falls into, `NAME.key` is one that the roster
lists, and `rotate` again finishes the work.
"""

import base64
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import zmq

from protocol.errors import RosterError
from protocol.keys import (
    Row,
    load_identity,
    load_listed,
    new_pair,
    roster_of,
    write_private,
    write_roster,
)


def rotate(folder: Path, name: str) -> Row:
    """Give a member a second signing key and a new CURVE key beside the old; return its row.

    The new private key becomes `NAME.key`, the old one `NAME.key.old`.

    Raises:
        RosterError: it has two already, is unknown, or files cannot be read or written.
    """
    path, draft = folder / f"{name}.key", folder / f".{name}.key.new"
    with _changing(folder):
        rows, row = _find(folder, name)
        load_identity(name, folder, {})
        if len(row.keys) > 1 and not draft.exists():
            raise RosterError(
                f"{name} has two keys already; when all use the new one, "
                f"`counterpoint keys retire {name}`"
            )
        if len(row.keys) == 1:
            draft.unlink(missing_ok=True)
            key, public, curve = new_pair(name)
            write_private(draft, key)
            change = {"keys": (*row.keys, public), "curve": curve, "curve_old": row.curve}
            row = row.model_copy(update=change)
            _write(folder, rows, row)
        kept = folder / f"{name}.key.old"
        kept.unlink(missing_ok=True)
        os.link(path, kept)
        _take_place(draft, path)
    return row


def retire(folder: Path, name: str) -> Row:
    """Drop every key of a member but those of its `NAME.key`; return its row.

    Raises:
        RosterError: there is nothing to drop, a rotation is unfinished, or see `rotate`.
    """
    with _changing(folder):
        rows, row = _find(folder, name)
        identity = load_identity(name, folder, {})
        if (folder / f".{name}.key.new").exists() and len(row.keys) > 1:
            raise RosterError(f"a rotation was cut short: `counterpoint keys rotate {name}` first")
        public = base64.b64encode(identity.public).decode()
        if public not in row.keys:
            raise RosterError(f"{folder}: {name}.key is none of the roster's keys; nothing retired")
        if len(row.keys) == 1 and row.curve_old is None:
            raise RosterError(
                f"{name} has one key; `counterpoint keys rotate {name}` makes its successor"
            )
        curve = zmq.curve_public(identity.curve.encode()).decode()
        row = row.model_copy(update={"keys": (public,), "curve": curve, "curve_old": None})
        _write(folder, rows, row)
        (folder / f"{name}.key.old").unlink(missing_ok=True)
    return row


def _find(folder: Path, name: str) -> tuple[tuple[Row, ...], Row]:
    """Return all rows and that of a name."""
    listed = load_listed(folder)
    roster_of(listed, folder)
    for row in listed.members:
        if row.name == name:
            return listed.members, row
    raise RosterError(f"{folder}: the roster has no {name}; `counterpoint keys show` lists it")


def _write(folder: Path, rows: tuple[Row, ...], changed: Row) -> None:
    write_roster(folder, (changed if row.name == changed.name else row for row in rows))
    _sync(folder)


def _take_place(draft: Path, path: Path) -> None:
    draft.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Have the names in a folder on disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _changing(folder: Path) -> Iterator[None]:
    """Let one command at a time change a folder of keys; errors of files become ours."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise RosterError(
            f"{folder}: {error.strerror}; make keys with `counterpoint keys new`"
        ) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    except OSError as error:
        raise RosterError(f"{folder}: keys cannot be changed: {error.strerror}") from None
    finally:
        os.close(handle)
