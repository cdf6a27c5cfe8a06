"""Starts the desk: `python -m desk --config FILE`, a `desk.json` as the command line writes it."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from desk.errors import DeskError
from desk.settings import DeskSettings
from protocol.errors import ProtocolError
from protocol.refused import REFUSED, held
from protocol.telemetry import setup_logging

if TYPE_CHECKING:
    from desk.store import Store

NICE = 5
"""Steps by which those who trade go first, where the processor is short."""

log = structlog.get_logger()


def main(argv: Sequence[str]) -> int:
    """Run one desk; return its exit code: 0 when it was told to end."""
    parser = argparse.ArgumentParser(prog="python -m desk", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="what it must know, JSON")
    told = parser.parse_args(argv)
    give_way()
    try:
        return start(DeskSettings.read(told.config))
    except (DeskError, ProtocolError) as error:
        sys.stderr.write(f"desk: {error}\n")
        return held(REFUSED, os.environ)
    except ModuleNotFoundError as error:
        line = f"{error.name} is missing: pip install 'counterpoint[desk]'"
        sys.stderr.write(f"desk: {line}\n")
        return held(REFUSED, os.environ)


def give_way() -> None:
    """Let those who trade go first, and interrupt none of them on waking up."""
    os.nice(NICE)
    if hasattr(os, "SCHED_BATCH"):  # Linux
        with suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def start(settings: DeskSettings) -> int:
    """Open the store and serve."""
    from desk.store import Store

    setup_logging("desk", settings.folder)
    with Store.open(settings.database) as store:
        asyncio.run(serving(settings, store))
    return 0


async def serving(settings: DeskSettings, store: "Store") -> None:
    """Serve until SIGINT or SIGTERM."""
    from desk.serving import serve

    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, ending.set)
    log.info("desk_opened", address=f"http://{settings.host}:{settings.port}", run=settings.run)
    await serve(settings, store, ending)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
