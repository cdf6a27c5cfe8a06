"""`counterpoint audit`: was anything altered, and what was decided at any minute, for export."""

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.exits import CONFIGURATION, NOT_RUNNING, USAGE, CommandError
from agents.cli.options import Config, Data, Json
from agents.cli.output import put

if TYPE_CHECKING:
    from protocol.chain_check import Head, Report

app = typer.Typer(
    help="Audit: every decision, chained by hash.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
Run = Annotated[Path | None, typer.Option("--run", help="folder of a run; default: the newest")]
DAY = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?)?")
HEAD = re.compile(r"([1-9]\d{0,17}):([0-9a-f]{64})")
FAULTS_SHOWN = 20


@app.command()
def verify(
    *,
    run: Run = None,
    head: Annotated[
        str | None, typer.Option("--head", help="a record noted elsewhere, NUMBER:HASH")
    ] = None,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Check that no record and no row of the journals was altered; exit code 4 if one was."""
    known = None if head is None else head_of(head)
    folder = folder_of(run, data, config)
    found = reports(folder, known)
    documents = {name: document_of(report) for name, report in found.items()}
    if as_json:
        put(json.dumps({"run": str(folder), "chains": documents}, indent=1))
    else:
        for name, report in found.items():
            put(told(name, report))
    if not all(report.sound for report in found.values()):
        raise typer.Exit(CONFIGURATION)


@app.command()
def export(
    what: Annotated[str, typer.Argument(help="decisions or lots", metavar="WHAT")] = "decisions",
    *,
    run: Run = None,
    since: Annotated[str | None, typer.Option("--from", help="UTC, 2024-07-23T16:05")] = None,
    until: Annotated[str | None, typer.Option("--to", help="UTC, not included")] = None,
    form: Annotated[str, typer.Option("--format", help="csv or json")] = "csv",
    out: Annotated[Path | None, typer.Option("--out", help="file; default: stdout")] = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Write every decision with the figures it was made on, or the FIFO lots for tax."""
    from agents.executor.audited import DECISIONS, LOTS, Audited
    from agents.executor.recovery import open_journal

    if what not in ("decisions", "lots") or form not in ("csv", "json"):
        raise CommandError(
            f"WHAT is decisions or lots, --format csv or json, found {what}, {form}", USAGE
        )
    first_ns = 0 if since is None else time_ns(since)
    until_ns = 1 << 62 if until is None else time_ns(until)
    folder = folder_of(run, data, config)
    report = reports(folder, None)["audit"]
    with open_journal(folder, readonly=True) as journal:
        audited = Audited(journal, report.checked.records)
        columns: Sequence[str] = DECISIONS if what == "decisions" else LOTS
        lines = audited.decisions(first_ns, until_ns)
        if what == "lots":
            lines = (each for each in audited.lots() if within(each, since, until))
        text = as_csv(lines, columns) if form == "csv" else as_json_lines(lines)
    if out is None:
        put(text)
    else:
        out.write_text(text + "\n", encoding="utf-8")
    if not report.sound:
        raise CommandError(
            f"exported, but {len(report.faults)} things were altered: `counterpoint audit verify`",
            CONFIGURATION,
        )


def folder_of(run: Path | None, data: Path | None, config: Path | None) -> Path:
    """Return the run that is asked for, by default the one whose executor wrote last.

    Raises:
        CommandError: there is none; exit code 3.
    """
    from agents.cli.flags import resolve
    from agents.executor.recovery import JOURNAL_NAME

    if run is not None:
        if not (run / JOURNAL_NAME).exists():
            raise CommandError(f"{run} holds no journal of an executor", NOT_RUNNING)
        return run
    place = resolve(config, None, {"data": data}).settings.data
    found = [path for path in place.glob(f"runs/*/{JOURNAL_NAME}") if not path.parent.is_symlink()]
    if not found:
        raise CommandError(
            f"no run under {place}; start with `counterpoint run`, or name a folder with --run",
            NOT_RUNNING,
        )
    return max(found, key=lambda path: path.stat().st_mtime_ns).parent


def reports(folder: Path, known: "Head | None") -> "dict[str, Report]":
    """Return what was found, by chain: the executor's, and the coordinator's where there is one."""
    from agents.coordinator.log import AUDIT, FILE, SCHEMA_VERSION, TABLE
    from agents.executor import records
    from agents.executor.recovery import open_journal
    from protocol.chain_check import contents, verify
    from protocol.chain_file import FOLDER
    from protocol.journal import Journal

    files = contents(folder / FOLDER)
    with open_journal(folder, readonly=True) as journal:
        found = {FOLDER: verify(files, journal, records.TABLES, known)}
    if (folder / FILE).exists():
        files = contents(folder / AUDIT)
        with Journal.open(
            folder / FILE, schema_version=SCHEMA_VERSION, tables=(TABLE,), readonly=True
        ) as journal:
            found[AUDIT] = verify(files, journal, (TABLE,))
    return found


def told(name: str, report: "Report") -> str:
    """Return what was found of one chain, for a person."""
    seq, last = report.checked.head
    lines = [
        f"{name}: {seq} records, {report.rows} rows of the journal",
        f"  {fault_line(report)}",
        *(f"  {fault}" for fault in report.faults[:FAULTS_SHOWN]),
    ]
    if len(report.faults) > FAULTS_SHOWN:
        lines.append(f"  and {len(report.faults) - FAULTS_SHOWN} more; --json shows all")
    if report.unwritten:
        lines.append(
            f"  the last {report.unwritten} records are not written yet; the next start does it"
        )
    lines.append(f"  head {seq}:{last}  (note it elsewhere; check it with --head)")
    return "\n".join(lines)


def fault_line(report: "Report") -> str:
    """Return the verdict."""
    count = len(report.faults)
    return "nothing was altered" if not count else f"ALTERED, in {count} places:"


def document_of(report: "Report") -> dict[str, Any]:
    """Return what was found as plain JSON values."""
    seq, last = report.checked.head
    return {
        "sound": report.sound,
        "records": seq,
        "rows": report.rows,
        "unwritten": report.unwritten,
        "head": f"{seq}:{last}",
        "faults": [{"place": each.place, "what": each.what} for each in report.faults],
    }


def head_of(text: str) -> "Head":
    """Return the record that `NUMBER:HASH` names."""
    found = HEAD.fullmatch(text)
    if found is None:
        raise CommandError(
            f"--head is NUMBER:HASH as `audit verify` prints it, found {text}", USAGE
        )
    return int(found[1]), found[2]


def time_ns(text: str) -> int:
    """Return nanoseconds of a day or a minute in UTC."""
    from datetime import UTC, datetime

    wrong = CommandError(f"times are UTC like 2024-07-23 or 2024-07-23T16:05, found {text}", USAGE)
    if DAY.fullmatch(text) is None:
        raise wrong
    try:
        return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9
    except ValueError:
        raise wrong from None


def within(lot: dict[str, Any], since: str | None, until: str | None) -> bool:
    """Return whether a lot was disposed of within a span; open lots are of no span's past."""
    at = lot.get("disposed", "9999")
    return (since is None or at >= since) and (until is None or at < until)


def as_csv(lines: Iterable[dict[str, Any]], columns: Sequence[str]) -> str:
    """Return lines as CSV with a header, without its last line end."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue().rstrip("\n")


def as_json_lines(lines: Iterable[dict[str, Any]]) -> str:
    """Return lines as one JSON array, an object a line."""
    return "[" + ",\n ".join(json.dumps(each) for each in lines) + "]"
