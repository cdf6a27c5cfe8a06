"""Which seat a replica takes: the first that is free in a folder that all replicas share.

A seat is held by a lock on a file, which the system gives back when its process dies, however it
dies. So replicas need no number of their own, and one that was killed finds its seat again.
"""

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

from protocol.errors import SettingsError


def claim(folder: Path, seats: Sequence[str]) -> tuple[str, int]:
    """Hold the first free seat for this process; return its name and the lock's descriptor.

    Args:
        folder: shared by all replicas.
        seats: in the order in which they are taken.

    Raises:
        SettingsError: all are taken, or the folder cannot be used.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in seats:
            lock = os.open(folder / f"{name}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
            else:
                return name, lock
    except OSError as error:
        raise SettingsError(f"{error.filename or folder}: {error.strerror}") from None
    raise SettingsError(
        f"a seat must be free, found all of {', '.join(seats)} taken; set run.optimizers (SEATS) "
        "to the number of optimizers"
    )
