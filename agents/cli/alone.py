"""One agent alone: `counterpoint executor`, `optimizer`, `coordinator`, each in this process's child.

An agent alone is the same program that a run starts, without a bus beside it.
"""

import json
import subprocess
import sys
from pathlib import Path

from agents.cli.run import hours_of, new_folder, prepare, write_json
from agents.settings import Settings


def resolved_config(settings: Settings) -> tuple[Settings, Path, Path]:
    """Prepare the machine and return (settings with every path, run folder, config file)."""
    from agents.session import feed_path

    prepare(settings)
    folder = new_folder(settings)
    feed = settings.feed.model_copy(
        update={"path": feed_path(settings).resolve(), "hours": hours_of(settings)}
    )
    bus = settings.bus.model_copy(update={"keys": settings.keys_folder.resolve()})
    resolved = settings.model_copy(
        update={"feed": feed, "bus": bus, "data": settings.data.resolve()}
    )
    config = folder / "config.json"
    write_json(config, json.loads(resolved.model_dump_json()))
    return resolved, folder, config


def child(*arguments: str) -> int:
    """Run `python -m ...` with this terminal and return its exit code."""
    process = subprocess.Popen([sys.executable, "-m", *arguments])
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # the child got the same Ctrl-C and ends by itself
