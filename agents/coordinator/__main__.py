"""Starts the coordinator: `python -m agents.coordinator --config FILE --run FOLDER`.

`--config` is a JSON file of resolved settings, as `counterpoint run` writes it; without one they
come from the environment. The decision log lies in the run's folder. SIGTERM ends it cleanly.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from agents.process import (
    end_on_signals,
    last_door,
    open_folder,
    parser_of,
    session_begun,
    settings_of,
)
from agents.settings import Settings
from protocol.heap import settle_heap
from protocol.telemetry import serve_metrics


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = parser_of("coordinator", __doc__, run="folder of the decision log")
    parser.add_argument("--optimizers", type=int, help="optimizers that have a seat")
    parser.add_argument("--accept-plain", type=int, help="port for unsigned parameter_update")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    """Run one coordinator; return its exit code: 0 after SIGTERM or SIGINT."""
    return last_door("coordinator", partial(start, arguments(argv)), trace_all=True)


def start(told: argparse.Namespace) -> int:
    """Do what the command line says."""
    flags = {"run.optimizers": told.optimizers, "coordinator.accept_plain": told.accept_plain}
    settings = settings_of(told.config, flags)
    folder = open_folder(told.run, settings, name="coordinator", component="coordinator")
    settings = settings.located(folder)
    port = settings.bus.metrics_port
    with serve_metrics(port) if port else nullcontext():
        asyncio.run(serve(settings, folder))
    return 0


async def serve(settings: Settings, folder: Path) -> None:
    """Coordinate until SIGTERM or SIGINT."""
    from agents.coordinator.rules import rules_from
    from agents.coordinator.shell import Coordinator

    # What is not configured the warm-up tells.
    missing = None in settings.parameters.model_dump().values()
    if missing and not await session_begun(settings):
        return
    coordinator = Coordinator(rules_from(settings), settings, folder)
    end_on_signals(coordinator.end)
    settle_heap()
    await coordinator.serve(dict(os.environ))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
