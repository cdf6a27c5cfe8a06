"""One agent alone: `counterpoint executor`, `optimizer`, `coordinator`, each in a child process.

An agent alone is the same program that a run starts. Executor and optimizer have no bus beside
them; the coordinator hosts one and waits for whoever joins. Ctrl-C and SIGTERM are handed on to the
child, which ends after its present step, and what there is by then is shown.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agents.bus import endpoints_of
from agents.cli.exits import ERROR, OK, CommandError
from agents.cli.run import (
    Teller,
    hours_of,
    located,
    new_folder,
    onlooker_of,
    prepare,
    say,
    write_json,
)
from agents.cli.stack import PROCESSES, SUPERVISOR
from agents.process import keep_settings
from agents.settings import Settings
from protocol.settings import Loaded

END_GRACE_S = 20.0
"""A child that was asked to end and does not is killed after so long."""
LOOK_S = 0.25
REPORT = "optimizer.json"


def resolved(settings: Settings, **bus: Path | None) -> Settings:
    """Return the settings with every path absolute, as a child in any folder needs them."""
    from agents.feeds import feed_path

    feed = {"path": feed_path(settings).resolve(), "hours": hours_of(settings)}
    change: dict[str, Any] = {"keys": settings.keys_folder.resolve(), **bus}
    return settings.model_copy(
        update={
            "feed": settings.feed.model_copy(update=feed),
            "bus": settings.bus.model_copy(update=change),
            "data": settings.data.resolve(),
        }
    )


def begin(settings: Settings) -> tuple[Path, tuple[str, ...]]:
    """Make the run's folder and configuration; return it and the child's common arguments."""
    folder = new_folder(settings)
    config = keep_settings(folder, settings)
    return folder, ("--config", str(config), "--run", str(folder))


class Child:
    """One agent as a child process with its own terminal session.

    Args:
        arguments: of `python -m`.
        output: file that takes its standard output; None: nobody does.
        errors: file that takes its standard error; None: ours.
    """

    def __init__(
        self, *arguments: str, output: Path | None = None, errors: Path | None = None
    ) -> None:
        self.asked_to_end = False
        self.killed = False
        out = subprocess.DEVNULL if output is None else os.open(output, *_WRITE)
        err = None if errors is None else os.open(errors, *_WRITE)
        self._process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,  # Ctrl-C reaches us alone, and we hand it on
            env={**os.environ, "PYTHONUNBUFFERED": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        for each in (out, err):
            if each is not None and each >= 0:
                os.close(each)
        self.pid = self._process.pid

    def wait(self, on_look: Callable[[], None] | None = None) -> int:
        """Wait for its end, looking on now and then; return its exit code."""
        asks = (signal.SIGINT, signal.SIGTERM)
        before = {each: signal.signal(each, self._end) for each in asks}
        kill_at_s = None
        try:
            while True:
                try:
                    return self._process.wait(timeout=LOOK_S)
                except subprocess.TimeoutExpired:
                    pass
                if on_look is not None:
                    on_look()
                now_s = time.monotonic()
                if self.asked_to_end and kill_at_s is None:
                    kill_at_s = now_s + END_GRACE_S
                if kill_at_s is not None and now_s > kill_at_s:
                    self._process.kill()
                    self.killed = True
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            for each, handler in before.items():
                signal.signal(each, handler)

    def _end(self, *_: object) -> None:
        self.asked_to_end = True
        self._process.terminate()


_WRITE = (os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)


def last_line(path: Path | None, otherwise: str) -> str:
    """Return what a child said last."""
    if path is None:
        return otherwise
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else otherwise


def failed(name: str, code: int, child: Child, errors: Path | None) -> CommandError:
    """Return the one line for a child that brought no result."""
    if child.asked_to_end:
        how = "killed" if child.killed else "interrupted"
        return CommandError(f"{how} before the {name} had anything to show", ERROR)
    why = f"the {name} ended with code {code}"
    return CommandError(last_line(errors, why), code if code > 0 else ERROR)


# --- executor --------------------------------------------------------------------------------
def executor(loaded: Loaded[Settings], *, as_json: bool) -> int:
    """Trade a recording with the starting parameters, without a bus, and show the result."""
    prepare(loaded.settings)
    settings, session = located(resolved(loaded.settings, folder=None))
    folder, common = begin(settings)
    say(f"run {folder}")
    if settings.venue.guarded:
        say("nobody guards this executor: start `counterpoint guardian` beside it")
    errors = folder / f"{settings.account.executor}.stderr"
    child = Child("agents.executor", "--alone", *common, errors=errors)
    teller = Teller(onlooker_of(folder, settings, session))
    try:
        code = child.wait(teller)
    finally:
        teller.close()
    path = folder / "executor.json"
    if code != OK or not path.exists():
        raise failed("executor", code, child, errors)
    document = json.loads(path.read_bytes())
    if as_json:
        print(json.dumps(document))
    else:
        show_executor(document, path)
    return OK


def show_executor(document: dict[str, Any], path: Path) -> None:
    """Print an executor's result as a table of one column."""
    from rich.markup import escape
    from rich.table import Table

    from agents.cli.console import Screen
    from agents.cli.table import has_funding, parameters_line, rows

    console = Screen(108, markup=True)
    quote = document["symbol"].partition("-")[2]
    console.print(
        f"\n[bold]{escape(document['symbol'])}[/bold], {document['first']} to "
        f"{document['ended_at']}, the executor alone"
    )
    if not document["complete"]:
        console.print(f"[bold]ended early[/bold] at {document['ended_at']}")
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column("")
    table.add_column("", justify="right")
    for title, text in rows(document["figures"], quote, funding=has_funding(document["figures"])):
        table.add_row(title, text)
    console.print(table)
    console.print(f"\nparameters  {parameters_line(document['parameters']['final'])}")
    found = document["figures"]["verdict"]
    console.print(f"verdict     {found['edge']}: {found['reason']}")
    console.print(f"result {path}", markup=False)


# --- optimizer -------------------------------------------------------------------------------
def optimizer(loaded: Loaded[Settings], *, as_json: bool) -> int:
    """Search at every boundary of a recording and show what would have been proposed."""
    prepare(loaded.settings)
    settings = resolved(loaded.settings, folder=None)
    folder, common = begin(settings)
    say(f"run {folder}")
    path = folder / REPORT
    child = Child("agents.optimizer", "--alone", *common, output=path)
    code = child.wait()
    text = path.read_text(encoding="utf-8")
    if code != OK or not text:
        path.unlink()
        if code > 0:
            return code  # it has said why on our standard error
        raise failed("optimizer", code, child, None)
    document = json.loads(text)
    if as_json:
        print(json.dumps(document))
    else:
        show_optimizer(document, path)
    return OK


def show_optimizer(document: dict[str, Any], path: Path) -> None:
    """Print an optimizer's report: what it looked at, proposed, and why it proposed nothing."""
    from rich.markup import escape

    from agents.cli.console import Screen
    from agents.cli.table import parameters_line

    console = Screen(108, markup=True)
    console.print(
        f"\n[bold]{escape(document['symbol'])}[/bold] on {escape(document['venue'])}, "
        f"{document['first']} to {document['last']}, maker fee "
        f"{document['maker_fee_bps']:g} bps, the optimizer alone: nothing was published"
    )
    looked = f"{document['boundaries']} boundaries looked at"
    early = " (ended early)" if document["ended"] != "complete" else ""
    console.print(
        f"{looked}{early}; window {document['window_hours']:g} h, budget {document['budget']}"
    )
    console.print(f"{document['proposed']} proposals it would have made")
    show_proposals(console, document)
    reasons = Counter(kind_of(row["reason"]) for row in document["rows"] if not row["proposed"])
    for reason, count in reasons.most_common():
        console.print(f"{count:>4} times nothing: {reason}")
    console.print(f"confidence  {reliability_line(document['reliability'])}")
    console.print(f"parameters  first  {parameters_line(document['initial'])}")
    console.print(f"            last   {parameters_line(document['final'])}")
    console.print(f"result {path}", markup=False)


def show_proposals(console: Any, document: dict[str, Any]) -> None:
    """Print a line for each set that would have been proposed."""
    from rich.table import Table

    from agents.cli.table import DASH, parameters_line

    if not document["proposed"]:
        return
    quote = document["symbol"].partition("-")[2]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("at")
    for title in ("confidence", "window", "next"):
        table.add_column(title, justify="right")
    table.add_column("parameters")
    for row in document["rows"]:
        if not row["proposed"]:
            continue
        gain = row["net_profit"] - row["net_profit_incumbent"]
        seen = row["ahead"]
        later = (
            DASH if seen is None else f"{seen['net_profit'] - seen['net_profit_incumbent']:+.2f}"
        )
        table.add_row(
            row["at"][:16],
            f"{row['confidence_score']:.2f}",
            f"{gain:+.2f}",
            later,
            parameters_line(row["params"]),
        )
    console.print(table)
    console.print(f"window, next: net profit beyond that of the set in force, {quote}")
    console.print(
        f"{document['won_ahead']} of {document['judged_ahead']} did better than the set that they "
        f"replaced in the next {document['horizon_hours']:g} h"
    )


def reliability_line(scored: dict[str, Any]) -> str:
    """Return how far the stated confidence came true, warm-up left out."""
    if not scored["decisions"]:
        return "no candidate after the warm-up whose horizon has passed"
    skill = "undefined" if scored["skill"] is None else f"{scored['skill']:+.2f}"
    return (
        f"{scored['decisions']} candidates, {scored['base_rate']:.0%} did better; Brier "
        f"{scored['brier']:.3f}, skill {skill}, calibration error "
        f"{scored['calibration_error']:.2f}"
    )


def kind_of(reason: str) -> str:
    """Return what many reasons have in common: the text before the figures."""
    return reason.partition(":")[0]


# --- coordinator -----------------------------------------------------------------------------
def coordinator(loaded: Loaded[Settings]) -> int:
    """Host both hubs and coordinate whoever joins, until SIGTERM or Ctrl-C."""
    given = loaded.settings
    prepare(given)
    sockets = given.bus.folder
    if sockets is None and given.bus.port is None:
        sockets = given.data / "bus"
    settings = resolved(given, folder=None if sockets is None else sockets.resolve(), connect=None)
    ends = endpoints_of(settings)
    folder, common = begin(settings)
    errors = folder / "coordinator.stderr"
    child = Child("agents.coordinator", *common, errors=errors)
    write_json(folder / PROCESSES, {SUPERVISOR: os.getpid(), "coordinator": child.pid})
    say(f"run {folder}")
    say(f"hubs at {ends.control_in} and {ends.telemetry_in}")
    if settings.bus.listen is not None:
        say(f"other hosts come in at {settings.bus.listen} and the three ports above, by CURVE")
    say(f"an executor joins with `python -m agents.executor {' '.join(common)}`")
    code = child.wait()
    if code != OK and not child.asked_to_end:
        raise failed("coordinator", code, child, errors)
    return OK
