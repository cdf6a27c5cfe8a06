"""Executors that trade without a bus: found by their lock, stopped and rearmed by a file.

They answer in their journal: a row tells that nothing of theirs is open any more, or that a stop
was lifted.
"""

import fcntl
import os
import time
from pathlib import Path

from agents.cli.exits import ERROR, TIMEOUT, CommandError
from agents.cli.stack import OPERATOR, settings_in
from protocol.bus.frames import NOTHING_MORE, header_for, seal
from protocol.codec import encode
from protocol.elements import SETS_MAX
from protocol.keys import load_identity
from protocol.messages import Rearm
from protocol.rearm_file import REFUSED_NAME, put, read, rearm_text
from protocol.stopfile import lift_stops, stops_in
from protocol.topics import Channel

LOCK_NAME = "executor.lock"
LOOK_S = 0.1


def live_executors(data: Path) -> list[Path]:
    """Return the folders of all live executors under a data folder, with a bus or without."""
    found = []
    for path in sorted(data.glob(f"runs/*/{LOCK_NAME}")):
        folder = path.parent
        if not folder.is_symlink() and _is_held(path):
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


def rearm_lone(folder: Path, reason: str, timeout_s: float) -> None:
    """Lift every stop of an executor without a bus, by a file that the operator's key has signed.

    Args:
        folder: of the executor.
        reason: of the operator; printable.
        timeout_s: for each file.

    Raises:
        CommandError: it refused, exit code 1; its journal did not say so in time, exit code 5.
        RosterError: the operator's key cannot be read.
    """
    ids = sorted(_stops_of(folder))
    if not ids:
        print(f"{folder.name}: no stop is in force")
        return
    for first in range(0, len(ids), SETS_MAX):
        _lift(folder, Rearm(lifts=tuple(ids[first : first + SETS_MAX]), reason=reason), timeout_s)
    lift_stops(folder, ids)
    print(f"{folder.name} may quote again; lifted {', '.join(ids)}")


def _stops_of(folder: Path) -> set[str]:
    """Return the stops in force: those that the journal heard, and those in the file."""
    from agents.executor import records
    from agents.executor.recovery import open_journal

    stops = set(stops_in(folder))
    with open_journal(folder, readonly=True) as journal:
        for row in journal.rows(records.HEARD, kinds=("stop", "rearm")):
            if row.kind == "stop":
                stops.add(row.body["id"])
            else:
                stops -= set(row.body["lifts"])
    return stops


def _lift(folder: Path, word: Rearm, timeout_s: float) -> None:
    """Put the file, and wait for the answer to it."""
    from agents.executor import records
    from agents.executor.recovery import open_journal

    settings = settings_in(folder)
    identity = load_identity(OPERATOR, settings.keys_folder, os.environ)
    name, ttl_ms = settings.account.executor, round(timeout_s * 1e3)
    header = header_for(OPERATOR, name, word.type_name, time.time_ns(), ttl_ms, NOTHING_MORE)
    text = rearm_text(seal(identity, Channel.CONTROL, header, encode(word)))
    put(folder, text)
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        refused = read(folder, REFUSED_NAME)
        if refused.startswith(text):
            why = refused.removeprefix(text).decode("ascii", "replace").strip()
            raise CommandError(f"{folder}: {name} refused the rearm: {why or 'see its log'}", ERROR)
        with open_journal(folder, readonly=True) as journal:
            last = journal.last(records.HEARD, "rearm")
        if last is not None and set(word.lifts) <= set(last.body["lifts"]):
            return
        time.sleep(LOOK_S)
    raise CommandError(f"{folder}: {name} did not answer the rearm within {timeout_s:g} s", TIMEOUT)
