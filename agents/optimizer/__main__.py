"""Starts the optimizer: `python -m agents.optimizer --config FILE --run FOLDER --name NAME`.

`--config` is a JSON file of resolved settings, as `counterpoint run` writes it. With `bus.folder`
or `bus.port` set it takes its seat on the bus. Otherwise, or with `--alone`, it walks over the
recording by itself and prints its report as JSON: `python -m agents.optimizer --feed DAY.npz`.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import structlog

from agents.settings import Settings
from protocol.settings import load_settings
from protocol.telemetry import serve_metrics, setup_logging

log = structlog.get_logger()


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m agents.optimizer", description=__doc__)
    parser.add_argument("--config", type=Path, help="resolved settings, JSON")
    parser.add_argument("--run", type=Path, help="folder for memory and log")
    parser.add_argument("--name", help="seat on the bus, over the settings")
    parser.add_argument("--alone", action="store_true", help="search without a bus, and report")
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
    """Run one optimizer; return its exit code: 0 when it ended as it should."""
    told = arguments(argv)
    try:
        settings = settings_of(told)
        name = told.name or settings.optimizer.name
        if told.alone or (settings.bus.folder is None and settings.bus.port is None):
            return alone(settings, name)
        folder: Path = told.run or settings.data / "runs" / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        setup_logging(name, folder)
        asyncio.run(serve(settings, folder, name))
    except Exception as error:  # the last door: one line for people, the trace into the log
        code = getattr(error, "exit_code", None)
        kind = type(error).__name__
        if code is None:
            log.exception("optimizer_failed", kind=kind)
        sys.stderr.write(f"optimizer: {str(error) or kind}\n")
        return code if isinstance(code, int) else 1
    return 0


def alone(settings: Settings, name: str) -> int:
    """Walk over the recording and print the report: data on stdout, talk on stderr.

    After SIGTERM or SIGINT the report is of the boundaries so far.
    """
    asked = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: asked.set())
    from agents.optimizer.standalone import report
    from agents.session import ensure_bundled

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


async def serve(settings: Settings, folder: Path, name: str) -> None:
    """Take the seat until SIGTERM or SIGINT."""
    from agents.optimizer.mind import seat_number
    from agents.optimizer.shell import Optimizer

    optimizer = Optimizer(settings, folder, name)
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, optimizer.end)
    # The coordinator has the first port, the executor the second.
    port = settings.bus.metrics_port
    with serve_metrics(port + 1 + seat_number(name)) if port else nullcontext():
        await optimizer.serve(dict(os.environ))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
