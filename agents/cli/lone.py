"""Executors that trade without a bus: found by their lock, stopped by their file.

They answer in their journal: a row tells that nothing of theirs is open any more.
"""

import fcntl
import os
import time
from collections.abc import Collection
from pathlib import Path

LOCK_NAME = "executor.lock"
LOOK_S = 0.1


def lone_executors(data: Path, known: Collection[Path]) -> list[Path]:
    """Return the folders of live executors under a data folder that belong to none of `known`."""
    found = []
    for path in sorted(data.glob(f"runs/*/{LOCK_NAME}")):
        folder = path.parent
        if not folder.is_symlink() and folder not in known and _is_held(path):
            found.append(folder)
    return found


def _is_held(path: Path) -> bool:
    lock = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def says_stopped(folder: Path, stop_id: str, *, flatten: bool, deadline_s: float) -> bool:
    """Wait until an executor's journal tells that it stopped; return whether it did in time.

    Args:
        folder: of the executor.
        stop_id: of the stop.
        flatten: whether it asked for a flat position.
        deadline_s: on the monotonic clock.
    """
    # Loaded when the file is in force: what reads the journal takes a second to load.
    from agents.executor import records
    from agents.executor.judged import STOP
    from agents.executor.recovery import open_journal
    from protocol.errors import JournalError
    from risk.emergency import Phase

    while True:
        try:
            with open_journal(folder, readonly=True) as journal:
                # In this order: a stop that came to one that stands still changes no phase, and
                # nothing is sent between the phase `stopped` and the one that follows it.
                heard = any(
                    row.body["id"] == stop_id for row in journal.rows(records.HEARD, kinds=(STOP,))
                )
                row = journal.last(records.JUDGED, STOP)
                if row is not None and row.body["phase"] == Phase.STOPPED:
                    told = row.body["stops"].get(stop_id) is flatten
                    if told or (heard and not flatten):
                        return True
        except JournalError:
            pass  # not made yet: the executor warms up, and has sent nothing
        if time.monotonic() > deadline_s:
            return False
        time.sleep(LOOK_S)
