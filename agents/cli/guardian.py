"""`counterpoint guardian`: finds the executor and its account, and becomes its guardian.

`counterpoint run` at an exchange starts one too, as a part of the run.
"""

import os
import sys
from collections.abc import Mapping
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
SILENCE_S = 3.0
PART = "guardian"
UNGUARDED = (
    "no guardian: if the executor dies, its orders rest on until it is back; give an API key for "
    "one, with the right to trade alone: venue.guardian_key_file and venue.guardian_secret_file, "
    "or COUNTERPOINT_GUARDIAN_KEY and COUNTERPOINT_GUARDIAN_SECRET"
)
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
    silence: Silence = SILENCE_S,
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
    told = settings.venue
    files = {
        "key-file": key_file or told.guardian_key_file,
        "secret-file": secret_file or told.guardian_secret_file,
    }
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


def guarding(folder: Path, settings: "Settings", environ: Mapping[str, str]) -> list[str] | None:
    """Return what the guardian of a run is told; None when it needs none, or has no key.

    Raises:
        SecretError: its key or secret is readable by others, or one of them is missing.
    """
    from exchange.guardian.__main__ import credentials, has_key, parser

    told = settings.venue
    if not told.guarded:
        return None
    files = {"key-file": told.guardian_key_file, "secret-file": told.guardian_secret_file}
    arguments = arguments_of(folder, settings, silence=SILENCE_S, files=files)
    asked = parser().parse_args(arguments)
    if not has_key(asked, environ):
        return None
    credentials(asked, environ)
    return arguments


def arguments_of(
    folder: Path,
    settings: "Settings",
    *,
    silence: float,
    files: Mapping[str, Path | None] | None = None,
) -> list[str]:
    """Return what `python -m exchange.guardian` is told about an executor of settings.

    Args:
        folder: the executor's.
        settings: its settings.
        silence: seconds without a beat that count as death.
        files: of key and secret, by option; None: from the environment.

    Raises:
        CommandError: it trades in a recording, where nothing can be left behind.
        VenueError: the address is none.
    """
    from agents.bus_settings import GUARDIAN_PORT
    from agents.executor.account_keys import token_of
    from exchange.binance.client import environment_of

    told = settings.venue
    if told.recorded:
        raise CommandError(
            "an executor on a recording needs no guardian; give --venue, --url and --symbol", USAGE
        )
    place = environment_of(told.url, futures=told.futures)
    bus = settings.bus
    port = str(bus.metrics_port + GUARDIAN_PORT)
    metrics = ("--metrics-port", port, "--metrics-host", bus.metrics_host)
    return [
        *("--folder", str(folder), "--rest", place.rest),
        *("--symbol", told.code, "--token", token_of(settings.account.executor, told.code)),
        *("--window-ms", str(told.receive_window_ms), "--silence", f"{silence:g}"),
        *(("--futures",) if told.futures else ()),
        *(metrics if bus.metrics_port else ()),
        *(
            word
            for name, path in (files or {}).items()
            if path is not None
            for word in (f"--{name}", str(path))
        ),
    ]


def become(
    folder: Path, settings: "Settings", *, silence: float, files: dict[str, Path | None]
) -> NoReturn:
    """Be a guardian from here on: what was loaded to find the executor is let go."""
    arguments = arguments_of(folder, settings, silence=silence, files=files)
    flush()
    os.execv(sys.executable, [sys.executable, "-m", "exchange.guardian", *arguments])  # noqa: S606
