"""What the command line does for a desk: its tokens, what it must know as a file, its process."""

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from agents.bus import endpoints_of
from agents.cli.exits import CONFIGURATION, CommandError
from agents.cli.supervisor import Part
from agents.settings import Settings
from protocol.keys import load_identity
from protocol.tokens import load_tokens, new_tokens

PART = "desk"
FILE = "desk.json"
HOST = "127.0.0.1"
NEEDED = ("fastapi", "uvicorn", "sqlalchemy")


def prepare_desk(settings: Settings) -> None:
    """Make what a desk needs and is missing; refuse to start one that could not.

    Raises:
        CommandError: its libraries are not installed.
        RosterError, SecretError: its key or a token cannot be used.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise CommandError(
            f"{missing[0]} is missing for the desk: pip install 'counterpoint[desk]'",
            CONFIGURATION,
        )
    load_identity(PART, settings.keys_folder, os.environ)
    for path in new_tokens(settings.keys_folder):
        print(f"made {path}", file=sys.stderr, flush=True)
    load_tokens(settings.keys_folder, os.environ)


def address_of(settings: Settings) -> str:
    """Return where a desk is seen, and with what, as a line."""
    folder = settings.keys_folder
    return (
        f"desk http://{HOST}:{settings.desk.port} (tokens: {folder / 'desk-read.token'} looks, "
        f"{folder / 'desk-act.token'} also acts; docs/desk.md)"
    )


def database_of(settings: Settings) -> str:
    """Return the URL of the desk's store."""
    return settings.desk.database or f"sqlite:///{settings.data.resolve() / 'desk.db'}"


def desk_document(settings: Settings, folder: Path) -> dict[str, Any]:
    """Return what `desk/settings.py` reads; settings are resolved, with the bus of the run."""
    hubs = endpoints_of(settings)
    names = ("control_in", "control_out", "telemetry_in", "telemetry_out", "server")
    return {
        "run": folder.name,
        "executors": [settings.account.executor],
        "seats": list(settings.optimizer_seats),
        "hubs": {name: getattr(hubs, name) for name in names},
        "keys": str(settings.keys_folder.resolve()),
        "database": database_of(settings),
        "host": HOST,
        "port": settings.desk.port,
        "folder": str(folder.resolve()),
        "alerts": None if settings.desk.alerts is None else str(settings.desk.alerts.resolve()),
        "quiet": settings.desk.quiet,
        "ping": settings.desk.ping,
        "ping_s": settings.desk.ping_s,
    }


def desks(folder: Path, settings: Settings) -> list[Part]:
    """Write what a run's desk must know; return its process, none where none is wanted."""
    if not settings.desk.open:
        return []
    path = folder / FILE
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:  # a URL may hold a password
        file.write(json.dumps(desk_document(settings, folder), indent=1) + "\n")
    return [Part(PART, ("desk", "--config", str(path)), spare=True)]
