"""The executor's look at the stop file (`protocol.stopfile`): before every send, each 200 ms.

A guardian's stop is aimed at the process whose beat ended. In that process it is a stop like any
other. A later process of the same folder has reconciled before it looks here, so it lifts the stop
by itself: in its journal first, then in the file. One that was in force already it leaves alone:
then the silent process had come back and been told, which is no matter of a restart.
"""

import os
from pathlib import Path

import structlog

from agents.executor.events import RearmHeard, StopHeard
from agents.executor.rearm_file import RearmFile
from agents.executor.state import State
from protocol.stopfile import STOP_NAME, aims_of, lift_stops, read_stops

log = structlog.get_logger()


class StopFile:
    """Looks for the stop file; reads it only when it is there and has changed.

    Args:
        folder: the executor's data directory.
        run: number of this process, as its beat has it.
        rearm: the file that lifts stops, looked at and tidied together with this one.
    """

    def __init__(self, folder: Path, run: bytes, rearm: RearmFile | None = None) -> None:
        self._folder = folder
        self._rearm = rearm
        self._path = str(folder / STOP_NAME)
        self._run = run.hex()
        self._seen: tuple[int, int, int] | None = None
        self._outlived: set[str] = set()

    def look(self, state: State) -> list[StopHeard | RearmHeard]:
        """Return the stops in the file that are news, and what lifts stops."""
        return [*self._stops(state), *(self._rearm.look(state) if self._rearm else ())]

    def _stops(self, state: State) -> list[StopHeard | RearmHeard]:
        try:
            found = os.stat(self._path)  # noqa: PTH116 - looked at every step: 1 us, not 4
        except FileNotFoundError:
            self._seen = None
            return []
        mark = (found.st_mtime_ns, found.st_size, found.st_ino)
        if mark == self._seen:
            return []
        self._seen = mark
        text = Path(self._path).read_bytes()
        aims = aims_of(text)
        self._outlived = {
            key for key, run in aims.items() if run != self._run and key not in state.stops
        }
        heard: list[StopHeard | RearmHeard] = []
        fresh = tuple(sorted(self._outlived - state.lifted.keys()))
        if fresh:
            log.warning("guardians_stop_outlived", ids=fresh, silent=[aims[key] for key in fresh])
            heard.append(RearmHeard("", f"outlived {fresh[0]}", fresh))
        return heard + [
            StopHeard(key, flatten=flatten)
            for key, flatten in read_stops(text, found.st_mtime_ns).items()
            if key not in self._outlived and is_news(state, key, flatten=flatten)
        ]

    def tidy(self, state: State) -> None:
        """Take what was outlived out of the file, once the journal has it; before any send."""
        done = self._outlived & state.lifted.keys()
        if done:
            lift_stops(self._folder, done)
            self._outlived -= done
        if self._rearm is not None:
            self._rearm.tidy(state)


def is_news(state: State, key: str, *, flatten: bool) -> bool:
    """Return whether a stop asks for more than is in force; a lifted one never does."""
    return key not in state.lifted and (key not in state.stops or flatten > state.stops[key])
