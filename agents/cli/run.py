"""`counterpoint run`: prepares a run's folder, starts its processes, and closes with the result."""

import json
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from agents.cli.desk import address_of, desks, prepare_desk
from agents.cli.exits import CONFIGURATION, OK, CommandError
from agents.cli.supervisor import Part, Supervisor
from agents.process import keep_settings
from agents.settings import Parameters, Settings
from protocol.errors import RosterError, printable
from protocol.settings import Loaded

if TYPE_CHECKING:
    from agents.cli.progress import Onlooker
    from agents.cli.venue import VenueOnlooker
    from agents.session import Session

LATEST = "latest"
Document: TypeAlias = dict[str, Any]


def say(line: str) -> None:
    """Tell a person what is going on, on stderr."""
    print(line, file=sys.stderr, flush=True)


def new_folder(settings: Settings) -> Path:
    """Make the folder of a new run and point `latest` at it."""
    runs = settings.data / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    stem = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    for attempt in range(1000):
        folder = runs / (stem if attempt == 0 else f"{stem}-{attempt}")
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            continue
        break
    link = runs / LATEST
    draft = runs / f".{LATEST}-{os.getpid()}"
    draft.unlink(missing_ok=True)
    draft.symlink_to(folder.name)
    draft.replace(link)
    return folder


def prepare(settings: Settings) -> None:
    """Do what is done once on a machine: keys, compiled kernels, the bundled day; say so."""
    from protocol.keys import new_keys

    if not (settings.keys_folder / "roster.json").exists():
        new_keys(settings.keys_folder)
        say(f"made keys in {settings.keys_folder}")
    demand_keys(settings)
    if settings.desk.open:
        prepare_desk(settings)
    make_ready(settings)


def make_ready(settings: Settings) -> None:
    """Compile the kernels and make the bundled day where either is missing; say so."""
    from agents.feeds import ensure_bundled, feed_path
    from market.jit_cache import STORE
    from market.warm import warm

    before = STORE.compiled
    took_s = warm()
    if STORE.compiled > before:
        say(f"compiled {STORE.compiled - before} functions in {took_s:.0f} s")
    if settings.venue.recorded and ensure_bundled(settings):
        say(f"made the bundled day {feed_path(settings)}")


def write_json(path: Path, document: Any) -> None:
    """Write a document whole or not at all, keys in their order."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    draft.replace(path)


def parts_of(settings: Settings, config: Path, folder: Path) -> list[Part]:
    """Return the processes of the stack; the coordinator hosts the hubs and starts first."""
    common = ("--config", str(config), "--run", str(folder))
    optimizers = [
        Part(each, ("agents.optimizer", *common, "--name", each)) for each in settings.started_seats
    ]
    return [
        Part("coordinator", ("agents.coordinator", *common)),
        Part(settings.account.executor, ("agents.executor", *common)),
        *optimizers,
    ]


def guardians(folder: Path, settings: Settings) -> list[Part]:
    """Return the guardian of a run at an exchange; say so when there is none.

    Raises:
        SecretError: its key cannot be used.
    """
    if not settings.venue.guarded:
        return []
    from agents.cli.guardian import PART, UNGUARDED, guarding

    arguments = guarding(folder, settings, os.environ)
    if arguments is None:
        say(UNGUARDED)
        return []
    return [Part(PART, ("exchange.guardian", *arguments))]


def demand_seats(settings: Settings) -> None:
    """Refuse to leave to others what is no seat.

    Raises:
        CommandError: which name, and what the seats are.
    """
    strangers = set(settings.foreign_seats) - set(settings.optimizer_seats)
    if strangers:
        seats = ", ".join(settings.optimizer_seats) or "none"
        raise CommandError(
            f"run.foreign must name seats of optimizers, found {printable(min(strangers))!r}; they "
            f"are {seats}: give more with --optimizers",
            CONFIGURATION,
        )


def demand_keys(settings: Settings) -> None:
    """Refuse keys that some part, or the operator in an emergency, could not use.

    Raises:
        RosterError: which key, and what to do.
    """
    from protocol.keys import load_identity, load_roster

    roster = load_roster(settings.keys_folder)
    seats = settings.started_seats
    for name in ("coordinator", settings.account.executor, *seats, "operator"):
        identity = load_identity(name, settings.keys_folder, os.environ)
        if name not in roster.members:
            raise RosterError(f"{settings.keys_folder}: the roster has no {name}; make new keys")
        if not roster.knows(identity):
            raise RosterError(
                f"{settings.keys_folder}: {name}.key is not the key that the roster lists; "
                "restore it, or move the folder away and run `counterpoint keys new`"
            )


class Teller:
    """Tells how far a run has come: one changing line on a terminal, a line a tenth elsewhere.

    With a name it is one of several, and the lines stay apart.
    """

    def __init__(self, onlooker: "Onlooker | VenueOnlooker", name: str = "") -> None:
        self._onlooker = onlooker
        self._name = name
        self._next = 0.0
        self._line = ""

    def __call__(self) -> None:
        """Look once, and tell when there is something to tell."""
        seen = self._onlooker.look()
        if seen is None or seen.line == self._line:
            return
        self._line = seen.line
        if sys.stderr.isatty() and not self._name:
            print(f"\r{seen.line:<100}", end="", file=sys.stderr, flush=True)
        elif seen.share >= self._next:
            self._next = seen.share + 0.1
            say(f"{self._name}  {seen.line}" if self._name else seen.line)

    def close(self) -> None:
        """End the line and let the journal go; a run shorter than a look still shows its end."""
        if not self._line:
            self()
        if sys.stderr.isatty() and self._line and not self._name:
            print(file=sys.stderr)
        self._onlooker.close()


@dataclass(frozen=True, slots=True)
class Opened:
    """A stack that is ready to start.

    Attributes:
        settings: resolved, as its parts read them.
        folder: of the run.
        session: of its recording; None at a venue.
    """

    settings: Settings
    folder: Path
    session: "Session | None"
    supervisor: Supervisor


def run(loaded: Loaded[Settings], *, as_json: bool) -> int:
    """Run the stack to the end of its recording, or until Ctrl-C, and print the result."""
    began = time.time()
    settings = loaded.settings
    demand_sound(settings)
    prepare(settings)
    told, session = located(settings)
    folder = new_folder(settings)
    sockets = settings.bus.folder or Path(tempfile.mkdtemp(prefix="counterpoint-"))
    opened = open_stack(told, session, folder, sockets)
    supervisor = opened.supervisor
    end_on_signals([supervisor])
    say(f"run {folder}")
    if settings.desk.open:
        say(address_of(settings))
    teller = Teller(onlooker_of(folder, opened.settings, session))
    try:
        supervisor.start()
        complete = supervisor.watch(every_s=0.25, on_look=teller)
        teller.close()
        if complete and settings.desk.open:
            supervisor.end(spare=False)
            code = close(opened, complete=True, began=began, as_json=as_json)
            say(f"{address_of(settings)}; Ctrl-C ends it")
            supervisor.stay()
            return code
    finally:
        teller.close()
        supervisor.end()
        if settings.bus.folder is None:
            shutil.rmtree(sockets, ignore_errors=True)
    code = close(opened, complete=complete, began=began, as_json=as_json)
    say("to see a run in a browser: counterpoint run --desk (docs/desk.md)")
    return code


def demand_sound(settings: Settings) -> None:
    """Refuse what no stack can be run with, before anything is made.

    Raises:
        CommandError, SettingsError, BusError: in one line.
    """
    from agents.bus import endpoints_of
    from agents.coordinator.rules import modes_of

    modes_of(settings)
    demand_seats(settings)
    if settings.bus.folder is not None or settings.bus.port is not None:
        endpoints_of(settings)


def open_stack(told: Settings, session: "Session | None", folder: Path, sockets: Path) -> Opened:
    """Write the configuration of a run into its folder; return its parts, not yet started."""
    bus = told.bus.model_copy(  # the parts are where the coordinator is
        update={"folder": sockets, "connect": None, "keys": told.keys_folder.resolve()}
    )
    parameters = told.parameters
    if session is not None:  # with all four told, who trades nothing starts without the recording
        parameters = Parameters(**session.baseline.model_dump())
    resolved = told.model_copy(update={"bus": bus, "parameters": parameters}).located(folder)
    config = keep_settings(folder, resolved)
    parts = [*parts_of(resolved, config, folder), *guardians(folder, resolved)]
    parts += desks(folder, resolved)
    supervisor = Supervisor(parts, main=resolved.account.executor, folder=folder)
    return Opened(resolved, folder, session, supervisor)


def end_on_signals(supervisors: Sequence[Supervisor]) -> None:
    """End every stack on Ctrl-C, on SIGTERM, and when the terminal is closed.

    Under `nohup` a hangup is ignored, and stays so.
    """

    def ask_to_end(*_: object) -> None:
        for each in supervisors:
            each.asked_to_end = True

    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signals.append(signal.SIGHUP)
    for each in signals:
        signal.signal(each, ask_to_end)


def located(settings: Settings) -> "tuple[Settings, Session | None]":
    """Return settings with absolute paths, and a recording's session; what is wrong is said here.

    Raises:
        RecordingError, SettingsError, AdviceError, VenueError: in one line each.
    """
    if not settings.venue.recorded:
        from agents.cli.venue import at_venue

        return at_venue(settings), None
    from agents.feeds import feed_path
    from agents.session import open_session

    path = feed_path(settings)
    feed = settings.feed.model_copy(update={"path": path.resolve(), "hours": hours_of(settings)})
    told = settings.model_copy(update={"feed": feed, "data": settings.data.resolve()})
    return told, open_session(told)


def onlooker_of(
    folder: Path, settings: Settings, session: "Session | None"
) -> "Onlooker | VenueOnlooker":
    """Return what looks at a run."""
    if session is None:
        from agents.cli.venue import VenueOnlooker, first_words

        say(first_words(folder, settings))
        return VenueOnlooker(folder, settings)
    from agents.cli.progress import Onlooker

    return Onlooker(folder, session)


def settle_journals(folder: Path) -> None:
    """Fold what stands beside each journal into it, so that one file is the whole journal."""
    for path in (*folder.glob("*.db"), *folder.glob("*.sqlite")):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def hours_of(settings: Settings) -> float | None:
    """Return the hours used: the bundled day is long, a run of it is not, unless told."""
    from agents.session import BUNDLED_HOURS

    if settings.feed.hours is None and settings.feed.path is None:
        return BUNDLED_HOURS
    return settings.feed.hours


def has_begun(folder: Path) -> bool:
    """Return whether the executor of a run has written down a decision."""
    from agents.executor.result import Watch

    watch = Watch(folder)
    try:
        return watch.look() is not None
    finally:
        watch.close()


def close(opened: Opened, *, complete: bool, began: float, as_json: bool) -> int:
    """Write result.json and run.json and print the table."""
    from agents.cli.table import render

    result, machine = settle(opened, complete=complete, began=began)
    if as_json:
        print(json.dumps(result))
    else:
        render(result, machine, str(opened.folder / "result.json"))
    return OK


def settle(opened: Opened, *, complete: bool, began: float) -> tuple[Document, Document]:
    """Write result.json and run.json of a stack whose parts have ended; return both."""
    from agents.cli.result import machine_part, result_of

    folder = opened.folder
    if not complete and not has_begun(folder):
        raise CommandError("interrupted before the executor had anything to show")
    result = result_of(opened.settings, folder, complete=complete)
    settle_journals(folder)
    machine = {
        "started": datetime.fromtimestamp(began, UTC).isoformat(),
        "wall_s": round(time.time() - began, 3),
        "parts": opened.supervisor.account(),
        "log": machine_part(folder),
    }
    write_json(folder / "result.json", result)
    write_json(folder / "run.json", machine)
    return result, machine
