"""`counterpoint guardian`: finds the executor and its account, and becomes its guardian."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from agents.cli.exits import USAGE, CommandError
from agents.cli.options import Change, Config, Data
from agents.cli.output import flush
from agents.cli.venue_options import KeyFile, SecretFile, Symbol, Url, Venue, venue_flags

if TYPE_CHECKING:
    from agents.settings import Settings

RunFolder = Annotated[
    Path | None, typer.Option("--run", help="the executor's folder; default: the newest run")
]
Silence = Annotated[
    float, typer.Option("--silence", help="seconds without a beat that count as death")
]


def guardian(
    *,
    run_folder: RunFolder = None,
    venue: Venue = None,
    url: Url = None,
    symbol: Symbol = None,
    key_file: KeyFile = None,
    secret_file: SecretFile = None,
    silence: Silence = 3.0,
    data: Data = None,
    config: Config = None,
    change: Change = None,
) -> None:
    """Cancel our orders when the executor's beat stops: one small process beside it, own key."""
    from agents.cli.flags import resolve

    flags = venue_flags(venue, url, symbol, None, None, None, None) | {"data": data}
    settings = resolve(config, change, flags).settings
    folder = (run_folder or newest(settings.data)).absolute()
    written = folder / "config.json"
    asked = any(each is not None for each in (venue, url, symbol, config))
    if written.exists() and not asked:
        from agents.cli.stack import settings_in

        settings = settings_in(folder)
    files = {"key-file": key_file, "secret-file": secret_file}
    become(folder, settings, silence=silence, files=files)


def newest(data: Path) -> Path:
    """Return the folder of the newest run; a later one has a guardian of its own.

    Raises:
        CommandError: there is none.
    """
    latest = data / "runs" / "latest"
    if not latest.exists():
        raise CommandError(f"no run under {data}; give --run FOLDER, the executor's folder", USAGE)
    return latest.resolve()


def arguments_of(folder: Path, settings: "Settings", *, silence: float) -> list[str]:
    """Return what `python -m exchange.guardian` is told about an executor of settings.

    Raises:
        CommandError: it trades in a recording, where nothing can be left behind.
        VenueError: the address is none.
    """
    from agents.executor.account_keys import token_of
    from exchange.binance.client import environment_of

    told = settings.venue
    if told.recorded:
        raise CommandError(
            "an executor on a recording needs no guardian; give --venue, --url and --symbol", USAGE
        )
    place = environment_of(told.url, futures=told.futures)
    return [
        *("--folder", str(folder), "--rest", place.rest),
        *("--symbol", told.code, "--token", token_of(settings.account.executor, told.code)),
        *("--window-ms", str(told.receive_window_ms), "--silence", f"{silence:g}"),
        *(("--futures",) if told.futures else ()),
    ]


def become(
    folder: Path, settings: "Settings", *, silence: float, files: dict[str, Path | None]
) -> NoReturn:
    """Be a guardian from here on: what was loaded to find the executor is let go."""
    arguments = arguments_of(folder, settings, silence=silence)
    for name, path in files.items():
        if path is not None:
            arguments += [f"--{name}", str(path)]
    flush()
    os.execv(sys.executable, [sys.executable, "-m", "exchange.guardian", *arguments])  # noqa: S606
