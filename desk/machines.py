"""The processes of a run as windows show them: who lives, how late each runs, what it says."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from desk.live import Live
from desk.logs import newest_lines, restarts, starts
from desk.wording import Row, progress
from protocol.bus.participant import COORDINATOR

HOUR_NS: Final = 3600 * 10**9


class Machines:
    """What is known of the processes.

    Args:
        live: what was said last.
        folder: the run's, for starts and logs; None: on another host.
        clock: wall time in ns.
    """

    def __init__(
        self, live: Live, folder: Path | None, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._live = live
        self._folder = folder
        self._clock = clock

    def processes(self) -> Row:
        """Return who lives, how late each runs and how often it was started again within an hour,
        None where no supervisor of ours says it; the seats; and whether the feeds move.
        """
        again = self.restarts()
        told = []
        for name in self._live.members:
            beat = self._live.said("heartbeat", name)
            stale = self._live.is_stale("heartbeat", name)
            told.append(
                {
                    "name": name,
                    "state": "silent" if stale else beat.get("state"),
                    "lag_ms": None if stale else beat.get("lag_ms"),
                    "restarts": again.get(name, 0) if again else None,
                    **self.age("heartbeat", name),
                }
            )
        conduct = self._live.said("status", COORDINATOR).get("conduct", [])
        seats = [{**each, **self._seat(each["name"])} for each in conduct]
        feeds = [self._feed(name) for name in self._live.executors]
        return {"processes": told, "seats": seats, "feeds": feeds}

    def restarts(self) -> Mapping[str, int]:
        """Return how often each process was started again in the last hour; nothing where the
        run's folder is on another host.
        """
        if self._folder is None:
            return {}
        return restarts(starts(self._folder), self._clock() - HOUR_NS)

    def logs(self, *, limit: int = 100) -> Row:
        """Return the newest log lines of every process, newest first; none from another host."""
        return {"logs": [] if self._folder is None else newest_lines(self._folder, limit)}

    def age(self, kind: str, owner: str) -> dict[str, Any]:
        """Return how old the newest of a kind is, and whether that is too old."""
        return {"age_s": self._live.age_s(kind, owner), "stale": self._live.is_stale(kind, owner)}

    def _seat(self, name: str) -> Row:
        """Return what a seat says of its work; an executor, a seat as well, says it in its beat."""
        told = self._live.said("status", name)
        stale = self._live.is_stale("heartbeat", name)
        beat = {} if stale else self._live.said("heartbeat", name)
        return {
            "state": told.get("state") or beat.get("state"),
            "answered": told.get("answered"),
        }

    def _feed(self, name: str) -> Row:
        told = self._live.said("status", name)
        return {
            "executor": name,
            "symbol": told.get("symbol"),
            "connected": told.get("connected"),
            "still_s": self._live.still_s(name),
            "progress": progress(told),
            **self.age("status", name),
        }
