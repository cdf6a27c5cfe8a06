"""Starts the optimizer: `python -m agents.optimizer --config FILE --run FOLDER --name NAME`.

`--config` is a JSON file of resolved settings, as `counterpoint run` writes it. With `bus.folder`,
`bus.port` or `bus.connect` set it takes its seat on the bus. Otherwise, or with `--alone`, it walks
over the recording and prints its report as JSON: `python -m agents.optimizer --feed DAY.npz`.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from agents.bus_settings import EXECUTOR_PORT
from agents.optimizer.claiming import claim
from agents.process import (
    SIGNALS,
    add_feed,
    end_on_signals,
    feed_flags,
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
    parser = parser_of("optimizer", __doc__, run="folder for memory and log")
    parser.add_argument("--name", help="seat on the bus, over the settings")
    parser.add_argument(
        "--claim", action="store_true", help="take the first seat that is free in the folder"
    )
    parser.add_argument("--alone", action="store_true", help="search without a bus, and report")
    add_feed(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    """Run one optimizer; return its exit code: 0 when it ended as it should."""
    return last_door("optimizer", partial(start, arguments(argv)))


def start(told: argparse.Namespace) -> int:
    """Do what the command line says."""
    from agents.optimizer.mind import seat_number

    settings = settings_of(told.config, feed_flags(told))
    name = told.name or settings.optimizer.name
    if told.alone or not settings.bus.told:
        return alone(settings, name)
    if told.claim:
        place = told.run or settings.data / "runs" / "optimizers"
        name, _ = claim(place, settings.optimizer_seats)  # held until this process ends
    folder = open_folder(told.run, settings, name=name, component=name)
    # Who claims his seat is alone on his host, and is found there whichever he got.
    number = 1 if told.claim else seat_number(name)
    asyncio.run(serve(settings.located(folder), folder, name, number))
    return 0


def alone(settings: Settings, name: str) -> int:
    """Walk over the recording and print the report: data on stdout, talk on stderr.

    After SIGTERM or SIGINT the report is of the boundaries so far.
    """
    asked = threading.Event()
    for each in SIGNALS:
        signal.signal(each, lambda *_: asked.set())
    from agents.feeds import ensure_bundled
    from agents.optimizer.standalone import report

    ensure_bundled(settings)

    def talk(done: int, count: int) -> None:
        last = done == count
        if sys.stderr.isatty():
            sys.stderr.write(f"\rboundary {done} of {count}" + ("\n" if last else ""))
        elif last or done * 10 // count > (done - 1) * 10 // count:  # a line a tenth
            sys.stderr.write(f"boundary {done} of {count}\n")
        sys.stderr.flush()

    found = report(settings, name=name, on_step=talk, ending=asked.is_set)
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return 0


async def serve(settings: Settings, folder: Path, name: str, number: int) -> None:
    """Take the seat until SIGTERM or SIGINT; `number` says at which port figures are shown."""
    from agents.optimizer.shell import Optimizer

    if not await session_begun(settings):
        return
    optimizer = Optimizer(settings, folder, name)
    end_on_signals(optimizer.end)
    settle_heap()
    bus = settings.bus
    async with AsyncExitStack() as stack:
        if bus.metrics_port:
            shown = Shown("optimizer", optimizer.noted.figures, {"seat": name})
            port = bus.metrics_port + EXECUTOR_PORT + number
            await stack.enter_async_context(serving(port, shown, host=bus.metrics_host))
        await optimizer.serve(dict(os.environ))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
