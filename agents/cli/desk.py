"""What the command line does for a desk: its tokens, what it must know as a file, its process.

`counterpoint run --desk` starts one as a part of the run, `counterpoint desk open` one beside a
stack that runs, here or behind `bus.connect`.
"""

import json
import os
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

from agents.bus import endpoints_of, far_endpoints_of
from agents.bus_settings import DESK_PORT
from agents.cli.exits import CONFIGURATION, CommandError
from agents.cli.output import flush
from agents.cli.supervisor import Part
from agents.settings import Settings
from protocol.bus.endpoints import Endpoints
from protocol.keys import load_identity, load_roster
from protocol.tokens import load_tokens, new_tokens

PART = "desk"
FILE = "desk.json"
NEEDED = ("fastapi", "uvicorn", "sqlalchemy")
TOKENS = ("COUNTERPOINT_DESK_READ_TOKEN", "COUNTERPOINT_DESK_READ_TOKEN_FILE")
"""One of them says that the tokens are told by the environment."""


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
    if not any(name in os.environ for name in TOKENS):
        for path in new_tokens(settings.keys_folder):
            print(f"made {path}", file=sys.stderr, flush=True)
    load_tokens(settings.keys_folder, os.environ)


def address_of(settings: Settings) -> str:
    """Return where a desk is seen, and with what, as a line."""
    folder, where = settings.keys_folder, f"{settings.desk.host}:{settings.desk.port}"
    return (
        f"desk http://{where} (tokens: {folder / 'desk-read.token'} looks, "
        f"{folder / 'desk-act.token'} also acts; docs/desk.md)"
    )


def database_of(settings: Settings) -> str:
    """Return the URL of the desk's store."""
    return settings.desk.database or f"sqlite:///{settings.data.resolve() / 'desk.db'}"


def hubs_of(settings: Settings) -> Endpoints:
    """Return where the hubs are: behind `bus.connect`, else on this host."""
    if settings.bus.connect is None:
        return endpoints_of(settings)
    return far_endpoints_of(settings.bus.connect, load_roster(settings.keys_folder))


def desk_document(settings: Settings, folder: Path) -> dict[str, Any]:
    """Return what `desk/settings.py` reads; settings are resolved, with the bus of the run."""
    hubs, bus = hubs_of(settings), settings.bus
    names = ("control_in", "control_out", "telemetry_in", "telemetry_out", "server")
    return {
        "run": folder.name,
        "executors": [settings.account.executor],
        "seats": list(settings.optimizer_seats),
        "hubs": {name: getattr(hubs, name) for name in names},
        "keys": str(settings.keys_folder.resolve()),
        "database": database_of(settings),
        "host": settings.desk.host,
        "port": settings.desk.port,
        "folder": str(folder.resolve()),
        "alerts": None if settings.desk.alerts is None else str(settings.desk.alerts.resolve()),
        "quiet": settings.desk.quiet,
        "ping": settings.desk.ping,
        "ping_s": settings.desk.ping_s,
        "metrics_port": bus.metrics_port + DESK_PORT if bus.metrics_port else 0,
        "metrics_host": bus.metrics_host,
    }


def desks(folder: Path, settings: Settings) -> list[Part]:
    """Write what a run's desk must know; return its process, none where none is wanted."""
    if not settings.desk.open:
        return []
    path = write_document(folder / FILE, desk_document(settings, folder))
    return [Part(PART, ("desk", "--config", str(path)), spare=True)]


def write_document(path: Path, document: dict[str, Any]) -> Path:
    """Write what a desk must know, for its owner alone: a URL may hold a password."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(json.dumps(document, indent=1) + "\n")
    return path


def become(folder: Path, settings: Settings) -> NoReturn:
    """Be the desk of a stack from here on.

    Args:
        folder: of the run; where it lies elsewhere, of its session or of the data.
        settings: of the stack, with the desk's own.
    """
    prepare_desk(settings)
    path = Path(tempfile.mkdtemp(prefix="counterpoint-desk-")) / FILE
    write_document(path, desk_document(settings, folder))
    print(address_of(settings), file=sys.stderr, flush=True)
    flush()
    os.execv(sys.executable, [sys.executable, "-m", "desk", "--config", str(path)])  # noqa: S606
