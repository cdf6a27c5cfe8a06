"""Starts the executor: `python -m agents.executor --config FILE --run FOLDER [--alone]`.

`--config` is a JSON file of resolved settings, as `counterpoint run` writes it. Without one the
settings come from the environment and the few flags here, and are kept in the folder. With
`bus.folder`, `bus.port` or `bus.connect` set the executor joins the bus, otherwise, or with
`--alone`, it trades by itself.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from agents.process import (
    add_feed,
    end_on_signals,
    feed_flags,
    keep_settings,
    last_door,
    open_folder,
    parser_of,
    settings_of,
)
from agents.settings import Settings


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = parser_of("executor", __doc__, run="folder for journal, log and result")
    parser.add_argument("--alone", action="store_true", help="trade without a bus")
    add_feed(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    """Run one executor; return its exit code: 0 when the feed was traded to its end."""
    return last_door("executor", partial(start, arguments(argv)))


def start(told: argparse.Namespace) -> int:
    """Do what the command line says."""
    settings = settings_of(told.config, feed_flags(told))
    executor = settings.account.executor
    folder = open_folder(told.run, settings, name="alone", component=executor)
    settings = settings.located(folder)
    if told.config is None:
        keep_settings(folder, settings)
    alone = told.alone or not settings.bus.told
    return asyncio.run(serve(settings, folder, alone=alone))


async def serve(settings: Settings, folder: Path, *, alone: bool) -> int:
    """Run alone or on the bus, until the end or SIGTERM."""
    from agents.executor.standalone import Run

    run = Run(settings, folder, alone=alone)
    end_on_signals(run.end)
    return await run.serve()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
