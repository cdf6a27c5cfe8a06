"""`counterpoint report`: hands the journals of a run to the desk's report, which is a process.

The desk knows no journal of an executor, and nobody imports the desk: rows go over as lines of
plain values, as they go over the bus to a desk that watches (`agents/executor/pages.py`).
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from agents.cli.exits import NOT_RUNNING, USAGE, CommandError
from agents.cli.options import Config, Data, Json

COORDINATOR = "coordinator"


def report(
    *,
    run: Annotated[
        str | None,
        typer.Argument(help="a run's folder or its name; with --database its name", metavar="RUN"),
    ] = None,
    begin: Annotated[
        str | None, typer.Option("--from", help="UTC, as 2025-01-01T00:30", metavar="TIME")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="UTC", metavar="TIME")] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="write one self-contained page", metavar="FILE")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option("--database", help="read a desk's store, not the journals", metavar="URL"),
    ] = None,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Report a run: figures, profit, learning, identities; as text, JSON or a page."""
    from agents.cli.flags import resolve

    span = time_of("--from", begin), time_of("--to", end)
    settings = resolve(config, None, {"data": data}).settings
    folder = None if database is not None else folder_of(settings.data, run)
    asked: dict[str, Any] = {
        "run": run if folder is None else folder.name,
        "database": database,
        "from_ns": span[0],
        "to_ns": span[1],
        "html": None if html is None else str(html),
        "as_json": as_json,
        "seed": settings.seed,
        "replayed": None if folder is None else replayed(folder),
    }
    raise typer.Exit(desk(asked, iter(()) if folder is None else journals(folder)))


def replayed(folder: Path) -> dict[str, Any] | None:
    """Return what `replay-session` says of a run at a venue; None of any other.

    A recording that cannot be replayed is told in a line; the report goes on without.
    """
    from agents.cli.replay_session import document
    from agents.cli.stack import settings_in
    from agents.executor.agreement import agreement
    from agents.executor.recovery import RecoveryError
    from agents.facts import FACTS_NAME
    from agents.session import open_session
    from exchange.errors import ExchangeError

    if not (folder / FACTS_NAME).exists():
        return None
    try:
        settings = settings_in(folder).located(folder)
        return document(agreement(folder, open_session(settings)))
    except (RecoveryError, ExchangeError, OSError) as error:
        line = str(error).splitlines()[0]
        print(f"counterpoint: the session cannot be replayed: {line}", file=sys.stderr)
        return None


def desk(asked: dict[str, Any], lines: Iterator[dict[str, Any]]) -> int:
    """Run the desk's report on what is asked and on lines of journals; return its exit code."""
    command = [sys.executable, "-m", "desk.report"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None, "asked for a pipe"
        try:
            process.stdin.write(json.dumps(asked) + "\n")
            for line in lines:
                process.stdin.write(json.dumps(line) + "\n")
            process.stdin.close()
        except BrokenPipeError:
            return process.wait()  # it has said why it ended
    return process.returncode


def folder_of(data: Path, run: str | None) -> Path:
    """Return the folder of a run, the newest when none is named.

    Raises:
        CommandError: there is none; exit code 3.
    """
    from agents.executor.recovery import JOURNAL_NAME

    if run is not None:
        places = [Path(run), data / "runs" / run]
    else:
        places = sorted(
            (path.parent for path in data.glob(f"runs/*/{JOURNAL_NAME}")),
            key=lambda folder: (folder / JOURNAL_NAME).stat().st_mtime_ns,
            reverse=True,
        )
    for place in places:
        if (place / JOURNAL_NAME).exists():
            return place.resolve()
    where = f"{run} holds no executor's journal" if run is not None else f"no run under {data}"
    raise CommandError(
        f"{where}; start with `counterpoint run`, or name another folder with --data", NOT_RUNNING
    )


def journals(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of every journal in a run's folder, page by page.

    Raises:
        JournalError: one is damaged, or of another version.
    """
    from agents.cli.stack import settings_in
    from agents.coordinator.log import FILE, DecisionLog
    from agents.executor.pages import journal_page
    from agents.executor.records import TABLES
    from agents.executor.recovery import open_journal
    from agents.process import CONFIG
    from protocol.pages import page

    known = (folder / CONFIG).exists()
    owner = settings_in(folder).account.executor if known else "executor"
    with open_journal(folder, readonly=True) as journal, journal.unmoved():  # tables of one moment
        for table in ("judged", *(each for each in TABLES if each != "judged")):
            after = 0
            while rows := journal_page(journal, table, after):
                after = rows[-1].seq
                yield line_of(owner, table, rows)
    if (folder / FILE).exists():
        with DecisionLog.read(folder) as log:
            after = 0
            while rows := page(log.rows(after)):
                after = rows[-1].seq
                yield line_of(COORDINATOR, "log", rows)


def line_of(owner: str, source: str, rows: Any) -> dict[str, Any]:
    """Return one line for the desk."""
    return {"owner": owner, "source": source, "rows": [each.model_dump() for each in rows]}


def time_of(name: str, text: str | None) -> int | None:
    """Return nanoseconds of a time given as text; without a zone it is UTC.

    Raises:
        CommandError: it is no time; exit code 2.
    """
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f"{name} must be a time such as 2025-01-01T00:30, found {text[:40]}", USAGE
        ) from None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return int(at.timestamp()) * 1_000_000_000
