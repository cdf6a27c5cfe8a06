"""Starts the coordinator: `python -m agents.coordinator --config FILE --run FOLDER`.

`--config` is a JSON file of resolved settings, as `counterpoint run` writes it; without one they
come from the environment. The decision log lies in the run's folder. SIGTERM ends it cleanly.
"""

import argparse
import asyncio
import os
import signal
import sys
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
    parser = argparse.ArgumentParser(prog="python -m agents.coordinator", description=__doc__)
    parser.add_argument("--config", type=Path, help="resolved settings, JSON")
    parser.add_argument("--run", type=Path, help="folder of the decision log")
    parser.add_argument("--optimizers", type=int, help="optimizers that have a seat")
    return parser.parse_args(argv)


def settings_of(told: argparse.Namespace) -> Settings:
    """Return the settings that were asked for.

    Raises:
        SettingsError: one of them is wrong.
    """
    if told.config is None:
        flags = {"run.optimizers": told.optimizers}
        return load_settings(Settings, environ=os.environ, flags=flags).settings
    settings = Settings.model_validate_json(told.config.read_bytes())
    if told.optimizers is None:
        return settings
    run = settings.run.model_copy(update={"optimizers": told.optimizers})
    return settings.model_copy(update={"run": run})


def main(argv: Sequence[str]) -> int:
    """Run one coordinator; return its exit code: 0 after SIGTERM or SIGINT."""
    told = arguments(argv)
    try:
        settings = settings_of(told)
        folder: Path = told.run or settings.data / "runs" / "coordinator"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        setup_logging("coordinator", folder)
        port = settings.bus.metrics_port
        with serve_metrics(port) if port else nullcontext():
            asyncio.run(serve(settings, folder))
    except Exception as error:  # the last door: one line for people, the trace into the log
        code = getattr(error, "exit_code", None)
        kind = type(error).__name__
        log.exception("coordinator_failed", kind=kind)
        sys.stderr.write(f"coordinator: {str(error) or kind}\n")
        return code if isinstance(code, int) else 1
    return 0


async def serve(settings: Settings, folder: Path) -> None:
    """Coordinate until SIGTERM or SIGINT."""
    from agents.coordinator.rules import rules_from
    from agents.coordinator.shell import Coordinator

    coordinator = Coordinator(rules_from(settings), settings, folder)
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, coordinator.end)
    await coordinator.serve(dict(os.environ))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
