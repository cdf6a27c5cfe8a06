"""Starts the coordinator: `python -m agents.coordinator --config FILE --run FOLDER`.

`--config` is a JSON file of resolved settings, as `counterpoint run` writes it; without one they
come from the environment. The decision log lies in the run's folder. SIGTERM ends it cleanly.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from agents.bus_settings import COORDINATOR_PORT
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
from protocol.telemetry_server import Shown, serving


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
    asyncio.run(serve(settings.located(folder), folder))
    return 0


async def serve(settings: Settings, folder: Path) -> None:
    """Coordinate until SIGTERM or SIGINT."""
    from agents.coordinator.rules import rules_from
    from agents.coordinator.shell import Coordinator
    from agents.coordinator.showing import Noted

    bus, noted = settings.bus, Noted()
    async with AsyncExitStack() as stack:
        if bus.metrics_port:
            shown = Shown("coordinator", noted.figures, {})
            port = bus.metrics_port + COORDINATOR_PORT
            await stack.enter_async_context(serving(port, shown, host=bus.metrics_host))
        # What is not configured the warm-up tells.
        missing = None in settings.parameters.model_dump().values()
        if missing and not await session_begun(settings):
            return
        coordinator = Coordinator(rules_from(settings), settings, folder, noted=noted)
        end_on_signals(coordinator.end)
        settle_heap()
        await coordinator.serve(dict(os.environ))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
