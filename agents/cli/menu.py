"""`counterpoint menu`: the numbered control interface, as a process of the desk."""

import os
import sys
from importlib.util import find_spec

from agents.cli.exits import CONFIGURATION, CommandError
from agents.cli.flags import resolve
from agents.cli.options import Config, Data


def menu(*, data: Data = None, config: Config = None) -> None:
    """Open the numbered control interface in this terminal."""
    if find_spec("textual") is None:
        line = "the menu needs the extra desk: pip install 'counterpoint[desk]'"
        raise CommandError(line, CONFIGURATION)
    folder = resolve(config, None, {"data": data}).settings.data
    told = ["--data", str(folder)] + ([] if config is None else ["--config", str(config)])
    os.execv(sys.executable, (sys.executable, "-m", "desk.terminal", *told))  # noqa: S606 - no shell
