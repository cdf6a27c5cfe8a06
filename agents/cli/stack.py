"""Finds what runs under a data folder, and joins its bus as the operator.

A run's folder tells everything: `processes.json` the process ids, `config.json` the resolved
settings. Nothing compiled is loaded here: whoever stops a run is in a hurry.
"""

import json
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from agents.bus import participant_of
from agents.cli.exits import CONFIGURATION, NOT_RUNNING, USAGE, CommandError
from agents.process import CONFIG
from agents.settings import Settings
from protocol.bus.participant import COORDINATOR, Participant
from protocol.errors import BusError
from protocol.messages import Snapshot

PROCESSES = "processes.json"
SUPERVISOR = "supervisor"
OPERATOR = "operator"
COMMANDS = ("counterpoint", "agents.cli.main", "agents/cli/main.py")
"""One of them stands in the command line of every supervisor."""


@dataclass(frozen=True, slots=True)
class Stack:
    """One run of which some process is alive.

    Attributes:
        folder: of the run.
        settings: resolved.
        pids: of the live processes, by name; `supervisor` restarts the others.
    """

    folder: Path
    settings: Settings
    pids: dict[str, int]

    @property
    def executors(self) -> tuple[str, ...]:
        """The configured executors."""
        return (self.settings.account.executor,)

    @property
    def optimizers(self) -> tuple[str, ...]:
        """The optimizers that have a seat."""
        return self.settings.optimizer_seats


def running(data: Path) -> list[Stack]:
    """Return every run under a data folder that is alive, the newest first.

    Raises:
        CommandError: the configuration of a live run cannot be read.
    """
    runs = data / "runs"
    found = []
    for path in sorted(runs.glob(f"*/{PROCESSES}"), reverse=True):
        folder = path.parent
        if folder.is_symlink():
            continue  # `latest` is one of the others
        pids = alive(folder)
        if pids:
            found.append(Stack(folder, settings_in(folder), pids))
    return found


def reachable(settings: Settings, run: str | None = None) -> list[Stack]:
    """Return whom the operator speaks to: the live runs, or who is behind `bus.connect`.

    Args:
        settings: data folder and bus are used.
        run: names one of the live runs.

    Raises:
        CommandError: nothing runs, exit code 3; `run` names none or several, exit code 2.
    """
    if settings.bus.connect is None:
        return must_run(settings.data, run)
    if run is not None:
        raise CommandError(
            f"--run {run} names a run of this machine, and bus.connect is that of another; give "
            "one of both",
            USAGE,
        )
    # Its processes are on other hosts, or in other containers: not ours to see.
    return [Stack(settings.venue.folder or settings.data, settings, {})]


def must_run(data: Path, run: str | None = None) -> list[Stack]:
    """Return the live runs, at least one; with `run` the one that it names.

    Raises:
        CommandError: there is none, exit code 3; `run` names none or several, exit code 2.
    """
    found = running(data)
    if not found:
        raise CommandError(
            f"nothing runs under {data}; start with `counterpoint run`, or name another folder "
            "with --data",
            NOT_RUNNING,
        )
    wanted = named([each.folder for each in found], run)
    return [each for each in found if each.folder in wanted]


def named(folders: Sequence[Path], run: str | None) -> list[Path]:
    """Return the folder that a text names, by name, path or the beginning of a name; or all.

    Raises:
        CommandError: it names none, or several; the line lists what runs.
    """
    if run is None:
        return list(folders)
    places = {Path(run).resolve(), *((each.parent / run).resolve() for each in folders)}
    found = [each for each in folders if each.resolve() in places]
    found = found or [each for each in folders if run and each.name.startswith(run)]
    if len(found) != 1:
        listed = ", ".join(each.name for each in found or folders)
        raise CommandError(
            f"--run must name one of the runs that are alive, found {run!r}, which names "
            f"{len(found) or 'none'}: {listed}",
            USAGE,
        )
    return found


def settings_in(folder: Path) -> Settings:
    """Return the resolved settings of a run."""
    try:
        return Settings.model_validate_json((folder / CONFIG).read_bytes())
    except (OSError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise CommandError(
            f"{folder / CONFIG} cannot be read: {first}; end its processes by hand (their ids are "
            f"in {folder / PROCESSES})",
            CONFIGURATION,
        ) from None


def alive(folder: Path) -> dict[str, int]:
    """Return the process ids of a run's live processes, by name."""
    try:
        document = json.loads((folder / PROCESSES).read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(document, dict):
        return {}
    return {
        name: pid
        for name, pid in document.items()
        if isinstance(pid, int) and is_ours(pid, name, folder)
    }


def is_ours(pid: int, name: str, folder: Path) -> bool:
    """Return whether a process lives and is the one meant: ids are used again after a while."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False  # another user's: the id was used again
    told = Path(f"/proc/{pid}/cmdline")
    if not told.parent.parent.joinpath("self").exists():
        return True  # a system without /proc
    try:
        line = told.read_bytes().decode("utf-8", "replace")
        state = told.with_name("stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    if state in "ZX":
        return False  # dead, and only waiting to be counted
    if not line:
        return True  # between fork and its own command line
    if name == SUPERVISOR:
        return any(each in line for each in COMMANDS)
    return folder.name in line


def wait_gone(folder: Path, timeout_s: float) -> bool:
    """Wait until no process of a run is alive; False when some still is."""
    deadline_s = time.monotonic() + timeout_s
    while alive(folder):
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.05)
    return True


@asynccontextmanager
async def unjoined(
    stack: Stack, prepare: Callable[[Participant], None] | None = None
) -> AsyncIterator[Participant]:
    """Enter a run's bus as the operator, who may say a stop at once and must join for the rest.

    Args:
        prepare: is given the participant before it is entered, to say what it listens to.

    Raises:
        RosterError: the operator's key is missing.
    """
    wants = prepare is not None
    me = participant_of(stack.settings, OPERATOR, os.environ, telemetry=wants, renews=False)
    if prepare is not None:
        prepare(me)
    async with me:
        yield me


@asynccontextmanager
async def operator(
    stack: Stack,
    timeout_s: float,
    prepare: Callable[[Participant], None] | None = None,
) -> AsyncIterator[tuple[Participant, Snapshot]]:
    """Join a run's bus as the operator; yield the participant and the state it was told.

    Args:
        prepare: as in `unjoined`.

    Raises:
        RosterError: the operator's key is missing.
        BusError: no coordinator answered in time.
    """
    async with unjoined(stack, prepare) as me:
        try:
            snapshot = await me.join(timeout_s=timeout_s)
        except BusError as error:
            raise BusError(silence_of(stack, timeout_s)) from error
        yield me, snapshot


def silence_of(stack: Stack, timeout_s: float) -> str:
    """Return what it may mean that a run's coordinator does not answer, and where to look."""
    pid = stack.pids.get(COORDINATOR)
    if stack.settings.bus.connect is not None:
        return (
            f"the coordinator at {stack.settings.bus.connect} did not answer within {timeout_s:g} "
            "s: it does not run, cannot be reached, or does not list the operator's key"
        )
    if pid is None:
        where = stack.folder / f"{COORDINATOR}.stderr"
        return f"the coordinator does not live, it is started again soon; {where} says why it ended"
    where = stack.folder / f"{COORDINATOR}.log"
    return (
        f"the coordinator (process {pid}) did not answer within {timeout_s:g} s: it is still "
        f"starting, or held up; see {where}"
    )
