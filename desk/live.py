"""What the bus said last, and how long ago: status, profit, signs of life. Never asked, only heard.

Telemetry may be lost and is not kept; the store holds what happened. Who looks here sees how old
everything is, so that silence is shown as silence.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from protocol.bus.participant import COORDINATOR, Participant, Received
from protocol.messages import CoordinatorHeartbeat, Heartbeat, Snapshot

STALE_S: Final = 3.0
"""Heartbeats come once a second, telemetry five times: older than this is called stale."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One thing that was said.

    Attributes:
        said: plain values.
        at_ns: steady time at which it came.
    """

    said: Mapping[str, Any]
    at_ns: int


class Live:
    """Keeps the newest of each; safe to be read from other threads.

    Args:
        executors: who trades.
        members: everybody whose heartbeat is followed.
        steady: time in ns that never jumps.
        on_news: told the kind of what came: `status`, `pnl_report` or `heartbeat`, and from whom.
    """

    def __init__(
        self,
        executors: Iterable[str],
        seats: Iterable[str] = (),
        *,
        steady: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.executors = tuple(executors)
        self.members = (COORDINATOR, *self.executors, *seats)
        self.on_news: Callable[[str, str], None] = lambda _kind, _src: None
        self._steady = steady
        self._heard: dict[tuple[str, str], Heard] = {}
        self._moved: dict[str, int] = {}

    def attach(self, me: Participant) -> None:
        """Listen through a participant that was not entered yet."""
        for name in self.members:
            me.follow("heartbeat", name, self.hear)
        for name in self.members:
            me.listen("status", name, self.hear)
        for name in self.executors:
            me.listen("pnl_report", name, self.hear)

    def hear(self, received: Received) -> None:
        """Take in a word that somebody said."""
        word = received.word
        kind = word.type_name
        told = word.model_dump(mode="json")
        if isinstance(word, CoordinatorHeartbeat):
            told["state"] = "up"
        elif kind == Heartbeat.type_name and not isinstance(word, Heartbeat):
            return
        self.take(kind, received.header.src, told)

    def take(self, kind: str, src: str, said: Mapping[str, Any]) -> None:
        """Keep what was said."""
        now_ns = self._steady()
        if kind == "status" and said.get("venue_time") != self.said(kind, src).get("venue_time"):
            self._moved[src] = now_ns
        self._heard[kind, src] = Heard(said, now_ns)
        self.on_news(kind, src)

    def take_snapshot(self, snapshot: Snapshot) -> None:
        """Keep the state in force as joining was answered with."""
        self.take("snapshot", COORDINATOR, snapshot.model_dump(mode="json"))

    def said(self, kind: str, src: str) -> Mapping[str, Any]:
        """Return the newest of a kind from somebody; empty before the first."""
        heard = self._heard.get((kind, src))
        return {} if heard is None else heard.said

    def age_s(self, kind: str, src: str) -> float | None:
        """Return how many seconds ago it came; None: never."""
        heard = self._heard.get((kind, src))
        return None if heard is None else round((self._steady() - heard.at_ns) / 1e9, 3)

    def still_s(self, src: str) -> float | None:
        """Return for how many seconds the venue time that somebody tells has not moved."""
        moved_ns = self._moved.get(src)
        return None if moved_ns is None else round((self._steady() - moved_ns) / 1e9, 3)

    def is_stale(self, kind: str, src: str) -> bool:
        """Return whether it is too old to be taken for the present."""
        age_s = self.age_s(kind, src)
        return age_s is None or age_s > STALE_S

    def governed(self, executor: str) -> Mapping[str, Any]:
        """Return what the coordinator last said of an executor: pair, mode, generation, stops."""
        beat = self.said("heartbeat", COORDINATOR)
        for row in beat.get("executors", ()):
            if row["executor"] == executor:
                return {**row, "coordinator_epoch": beat["epoch"]}
        return {}
