"""`counterpoint desk`: open one beside a stack; its store as files, and rid of what is old.

Nobody imports the desk: it is asked as a process (`python -m desk.keeping`).
"""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from agents.cli.exits import NOT_RUNNING, USAGE, CommandError
from agents.cli.options import Change, Config, Data, OneRun

app = typer.Typer(
    help="The desk: open one; of its store export a table, remove what is old.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
TABLES: Final = ("fills", "orders", "outcomes", "refusals", "cycles", "trips", "events")
FORMS: Final = ("csv", "parquet")
AGE: Final = re.compile(r"([1-9]\d{0,5})(d|h)")
HOURS: Final = {"d": 24, "h": 1}
HOUR_NS: Final = 3_600 * 10**9
Database = Annotated[
    str | None,
    typer.Option("--database", help="URL; default: desk.database, or desk.db in the data folder"),
]
Run = Annotated[str | None, typer.Option("--run", help="of one run alone: its name; default: all")]


@app.command("open")
def open_beside(
    *, run: OneRun = None, data: Data = None, config: Config = None, change: Change = None
) -> None:
    """Open a desk beside a stack that runs here, or behind bus.connect, until asked to end."""
    from agents.cli.desk import become
    from agents.cli.flags import resolve
    from agents.cli.stack import reachable

    settings = resolve(config, change, {"data": data}).settings
    stack = reachable(settings, run)[0]
    become(stack.folder, stack.settings.model_copy(update={"desk": settings.desk}))


@app.command()
def export(
    *,
    table: Annotated[str, typer.Option("--table", help=", ".join(TABLES))] = "fills",
    form: Annotated[str, typer.Option("--format", help="csv or parquet")] = "csv",
    out: Annotated[Path | None, typer.Option("--out", help="file; default: stdout")] = None,
    run: Run = None,
    database: Database = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Write a table as CSV or Parquet: amounts as decimals, times in nanoseconds of the venue."""
    if table not in TABLES:
        raise CommandError(f"--table must be one of {', '.join(TABLES)}, found {table}", USAGE)
    if form not in FORMS:
        raise CommandError(f"--format must be csv or parquet, found {form}", USAGE)
    if out is None and form == "parquet":
        raise CommandError("--format parquet needs --out FILE", USAGE)
    asked = {"what": "export", "table": table, "form": form, "run": run}
    asked["out"] = None if out is None else str(out)
    raise typer.Exit(desk(asked, url_of(database, data, config)))


@app.command()
def prune(
    *,
    older_than: Annotated[
        str, typer.Option("--older-than", help="days or hours of venue time: 90d, 36h")
    ],
    run: Run = None,
    database: Database = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Remove what is older; openings, sets in force and the sums of a run stay."""
    match = AGE.fullmatch(older_than)
    if match is None:
        raise CommandError(
            f"--older-than must be days or hours such as 90d or 36h, found {older_than[:40]}", USAGE
        )
    before_ns = time.time_ns() - int(match[1]) * HOURS[match[2]] * HOUR_NS
    asked = {"what": "prune", "run": run, "before_ns": before_ns}
    raise typer.Exit(desk(asked, url_of(database, data, config)))


def url_of(database: str | None, data: Path | None, config: Path | None) -> str:
    """Return where the store is: as told, as configured, or where `run --desk` puts it.

    Raises:
        CommandError: no desk has made one there yet; exit code 3.
    """
    from agents.cli.desk import database_of
    from agents.cli.flags import resolve

    if database is not None:
        return database
    settings = resolve(config, None, {"data": data}).settings
    path = settings.data / "desk.db"
    if settings.desk.database is None and not path.exists():
        raise CommandError(
            f"no desk's store at {path}; `counterpoint run --desk` makes one, or name another "
            "with --database",
            NOT_RUNNING,
        )
    return database_of(settings)


def desk(asked: dict[str, Any], database: str) -> int:
    """Have the desk do what is asked; return its exit code."""
    document = json.dumps({"wish": {**asked, "database": database}})
    done = subprocess.run(
        [sys.executable, "-m", "desk.keeping"], input=document, text=True, check=False
    )
    return done.returncode
