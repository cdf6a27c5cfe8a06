"""Starts the executor: `python -m agents.executor --config FILE --run FOLDER [--alone]`.

`--config` is a JSON file of resolved settings, as `counterpoint run` writes it. Without one the
settings come from the environment and the few flags here. With `bus.folder` or `bus.port` set the
executor joins the bus, otherwise, or with `--alone`, it trades the recording by itself.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog

from agents.settings import Settings
from protocol.settings import load_settings
from protocol.telemetry import setup_logging

log = structlog.get_logger()


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m agents.executor", description=__doc__)
    parser.add_argument("--config", type=Path, help="resolved settings, JSON")
    parser.add_argument("--run", type=Path, help="folder for journal, log and result")
    parser.add_argument("--alone", action="store_true", help="trade without a bus")
    parser.add_argument("--feed", type=Path, help="recording, over the settings")
    parser.add_argument("--hours", type=float, help="hours of it, over the settings")
    return parser.parse_args(argv)


def settings_of(told: argparse.Namespace) -> Settings:
    """Return the settings that were asked for.

    Raises:
        SettingsError: one of them is wrong.
    """
    if told.config is None:
        flags = {"feed.path": told.feed, "feed.hours": told.hours}
        return load_settings(Settings, environ=os.environ, flags=flags).settings
    settings = Settings.model_validate_json(told.config.read_bytes())
    change = {"path": told.feed, "hours": told.hours}
    given = {name: value for name, value in change.items() if value is not None}
    return settings.model_copy(update={"feed": settings.feed.model_copy(update=given)})


def main(argv: Sequence[str]) -> int:
    """Run one executor; return its exit code: 0 when the feed was traded to its end."""
    told = arguments(argv)
    try:
        settings = settings_of(told)
        folder: Path = told.run or settings.data / "runs" / "alone"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        setup_logging(settings.account.executor, folder)
        alone = told.alone or (settings.bus.folder is None and settings.bus.port is None)
        return asyncio.run(serve(settings, folder, alone=alone))
    except Exception as error:  # the last door: one line for people, the trace into the log
        code = getattr(error, "exit_code", None)
        kind = type(error).__name__
        if code is None:
            log.exception("executor_failed", kind=kind)
        sys.stderr.write(f"executor: {str(error) or kind}\n")
        return code if isinstance(code, int) else 1


async def serve(settings: Settings, folder: Path, *, alone: bool) -> int:
    """Run alone or on the bus, until the end or SIGTERM."""
    from agents.executor.standalone import Run

    loop = asyncio.get_running_loop()
    run = Run(settings, folder, alone=alone)
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, run.end)
    return await run.serve()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
