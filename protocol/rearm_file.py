"""A signed `rearm` as a file: how the operator's word reaches an executor that has no bus.

A file named `rearm` in the executor's data directory holds the four frames of the bus, one a line
in base64. The signature is what counts: anybody may write it, the operator's key alone lifts. One
that is refused is kept as `rearm.refused`, with the reason on a line of its own behind it.
"""

import base64
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

REARM_NAME = "rearm"
REFUSED_NAME = "rearm.refused"
SIZE_MAX = 131_072
"""Longest file that is read, bytes: a message of the bus and a half."""


def rearm_text(frames: Sequence[bytes]) -> bytes:
    """Return what a file holds for the frames of a message."""
    return b"".join(base64.b64encode(frame) + b"\n" for frame in frames)


def frames_of(text: bytes) -> list[bytes]:
    """Return the frames that a file holds; nothing of them is proved.

    Raises:
        ValueError: it is no such file.
    """
    return [base64.b64decode(line, validate=True) for line in text.splitlines()]


def put(folder: Path, text: bytes) -> None:
    """Put the file into a folder, whole or not at all; it is on disk when this returns.

    Raises:
        OSError: it cannot be written.
    """
    draft = folder / f"{REARM_NAME}.draft"
    with draft.open("wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / REARM_NAME)


def refuse(folder: Path, reason: str) -> None:
    """Lay the file aside; the reason behind it may be lost on a full disc.

    Raises:
        OSError: it cannot be moved.
    """
    (folder / REARM_NAME).replace(folder / REFUSED_NAME)
    with suppress(OSError), (folder / REFUSED_NAME).open("ab") as file:
        file.write(f"{reason}\n".encode())


def read(folder: Path, name: str) -> bytes:
    """Return what a file in a folder holds, its beginning if it is too long; nothing without one.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with (folder / name).open("rb") as file:
            return file.read(SIZE_MAX)
    except FileNotFoundError:
        return b""
