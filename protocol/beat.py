"""The beat: a file of 32 bytes that an executor rewrites in place while its loop turns.

A guardian reads it. What it holds is a random number of the process and a count; a clean end is a
count of its own. Nothing is synced to disk: after a power cut nobody is alive on this host anyway.
"""

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

BEAT_NAME = "beat"
EVERY_S = 0.1
"""Shortest time between two beats."""
ENDED = 2**64 - 1
"""Count of a process that ended cleanly: it has cancelled what it had."""
RUN_BYTES = 16
_LAYOUT = struct.Struct("<4s16sQI")
_MAGIC = b"CPB1"


@dataclass(frozen=True, slots=True)
class Beat:
    """One beat.

    Attributes:
        run: 16 random bytes of the process.
        count: rises with each beat.
    """

    run: bytes
    count: int

    @property
    def ended(self) -> bool:
        """Whether the process ended cleanly."""
        return self.count == ENDED


class BeatFile:
    """Writes the beat of one process.

    Args:
        folder: the executor's data directory.
        run: 16 random bytes, another process's differ.
    """

    def __init__(self, folder: Path, run: bytes) -> None:
        self._path = folder / BEAT_NAME
        self._run = run
        self._file = -1
        self._count = 0
        self._due_s = float("-inf")

    def beat(self, now_s: float) -> None:
        """Beat, unless it did so a moment ago.

        Args:
            now_s: monotonic.

        Raises:
            OSError: the file cannot be made; one that is there is rewritten on a full disc too.
        """
        if now_s < self._due_s:
            return
        self._due_s = now_s + EVERY_S
        self._count += 1
        self._write(self._count)

    def end(self) -> None:
        """Say that the process ends cleanly, if it ever beat; nothing is written after it."""
        if self._file < 0:
            return
        self._write(ENDED)
        os.close(self._file)
        self._file = -1
        self._due_s = float("inf")

    def _write(self, count: int) -> None:
        if self._file < 0:
            self._file = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        os.pwrite(self._file, pack(Beat(self._run, count)), 0)


def pack(beat: Beat) -> bytes:
    """Return a beat as the file holds it."""
    body = _LAYOUT.pack(_MAGIC, beat.run, beat.count, 0)[:-4]
    return body + zlib.crc32(body).to_bytes(4, "little")


def unpack(data: bytes) -> Beat | None:
    """Return the beat in a file's content; None when it is none, or torn."""
    if len(data) != _LAYOUT.size:
        return None
    magic, run, count, check = _LAYOUT.unpack(data)
    if magic != _MAGIC or zlib.crc32(data[:-4]) != check:
        return None
    return Beat(run, count)


def read_beat(folder: Path) -> Beat | None:
    """Return the newest beat in an executor's data directory; None when none can be read."""
    try:
        file = os.open(folder / BEAT_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return unpack(os.read(file, _LAYOUT.size + 1))
    except OSError:
        return None
    finally:
        os.close(file)
