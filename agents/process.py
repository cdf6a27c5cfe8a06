"""How a process of an agent starts and ends: arguments, settings, folder, signals, the last door.

What the agent then does is its own `__main__`'s affair. Nothing heavy is imported here, so that a
process is told of a wrong argument at once.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from agents.settings import Settings
from protocol.refused import held
from protocol.settings import load_settings
from protocol.telemetry import setup_logging

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Both ask for a clean end."""

CONFIG = "config.json"
"""In a run's folder: its resolved settings, for whoever reads the run later."""

LOOK_S = 0.2
"""Between two looks whether the executor's warm-up is over."""

log = structlog.get_logger()


def parser_of(agent: str, description: str | None, *, run: str) -> argparse.ArgumentParser:
    """Return a parser of the two arguments that every agent takes.

    Args:
        run: what the folder of `--run` is for.
    """
    parser = argparse.ArgumentParser(prog=f"python -m agents.{agent}", description=description)
    parser.add_argument("--config", type=Path, help="resolved settings, JSON")
    parser.add_argument("--run", type=Path, help=run)
    return parser


def add_feed(parser: argparse.ArgumentParser) -> None:
    """Take `--feed` and `--hours` too; `feed_flags` reads them."""
    parser.add_argument("--feed", type=Path, help="recording, over the settings")
    parser.add_argument("--hours", type=float, help="hours of it, over the settings")


def feed_flags(told: argparse.Namespace) -> dict[str, object]:
    """Return what `--feed` and `--hours` said, by the key of the setting."""
    return {"feed.path": told.feed, "feed.hours": told.hours}


def settings_of(config: Path | None, flags: Mapping[str, object]) -> Settings:
    """Return resolved settings from their file, or from the environment, with flags over them.

    Args:
        config: JSON, as `counterpoint run` writes it.
        flags: by `section.key`; None means not given.

    Raises:
        SettingsError: one of them is wrong.
    """
    if config is None:
        return load_settings(Settings, environ=os.environ, flags=flags).settings
    settings = Settings.model_validate_json(config.read_bytes())
    for key, value in flags.items():
        if value is not None:
            section, _, name = key.partition(".")
            changed = getattr(settings, section).model_copy(update={name: value})
            settings = settings.model_copy(update={section: changed})
    return settings


def keep_settings(folder: Path, settings: Settings) -> Path:
    """Write the settings of a run into its folder, whole or not at all; return the file."""
    path = folder / CONFIG
    draft = path.with_suffix(".draft")
    draft.write_text(settings.model_dump_json(indent=1) + "\n", encoding="utf-8")
    draft.replace(path)
    return path


def open_folder(asked: Path | None, settings: Settings, *, name: str, component: str) -> Path:
    """Make the run's folder, by default `name` among the runs, and send the log there."""
    folder = asked or settings.data / "runs" / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    setup_logging(component, folder)
    return folder


def end_on_signals(end: Callable[[], None]) -> None:
    """Call `end` in the running loop on SIGINT and SIGTERM."""
    loop = asyncio.get_running_loop()
    for each in SIGNALS:
        loop.add_signal_handler(each, end)


async def session_begun(settings: Settings) -> bool:
    """Wait until a session at a venue has begun; return False when asked to end before."""
    place = settings.venue.folder
    if settings.venue.recorded or place is None:
        return True
    from agents.facts import has_facts

    asked = asyncio.Event()
    end_on_signals(asked.set)
    while not has_facts(place):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asked.wait(), LOOK_S)
        if asked.is_set():
            return False
    return True


def last_door(agent: str, work: Callable[[], int], *, trace_all: bool = False) -> int:
    """Return the exit code of `work`, also when it fails: one line for people, the trace logged.

    One that was refused for its configuration waits here where `protocol.refused` says so.

    Args:
        trace_all: log the trace of our own errors too, not only of those without an exit code.
    """
    event = f"{agent}_failed"
    try:
        return work()
    except Exception as error:
        code = getattr(error, "exit_code", None)
        kind = type(error).__name__
        if code is None or trace_all:
            log.exception(event, kind=kind)
        sys.stderr.write(f"{agent}: {str(error) or kind}\n")
        return held(code if isinstance(code, int) else 1, os.environ)
