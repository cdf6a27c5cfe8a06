"""What the desk knows of each executor at a moment, as the rules of alerts ask for it."""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from desk.alert_rules import Facts
from desk.live import Live

NS: Final = 1e9


class Watch:
    """Turns what was said into facts; remembers since when something has not moved.

    Args:
        live: what was said last.
        failing: why the store takes nothing; empty while it does.
        steady: time in ns that never jumps.
    """

    def __init__(
        self,
        live: Live,
        failing: Callable[[], str],
        *,
        steady: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._live, self._failing, self._steady = live, failing, steady
        self._since: dict[tuple[str, str], tuple[Any, int]] = {}

    def facts(self) -> Iterator[Facts]:
        """Yield the facts of every executor; nothing is wrong with one whose recording is over."""
        for name in self._live.executors:
            status = self._live.said("status", name)
            if not status or status["venue_time"] >= status["last_ns"]:
                yield Facts(name, store_fails=self._failing())
                continue
            yield Facts(
                executor=name,
                silent_s=self._live.age_s("status", name),
                feed_age_s=self._still_s(name, "feed", status["venue_time"]),
                connected=status.get("connected"),
                risk=status["risk"],
                risk_reason=f"reason {status['risk_reason']}",
                stops=tuple(status["stops"]),
                undecided_s=self._still_s(name, "pair", tuple(status["pair"])),
                store_fails=self._failing(),
            )

    def well(self) -> bool:
        """Return whether somebody may be told that all is well: every executor was heard lately."""
        names = self._live.executors
        return bool(names) and not any(self._live.is_stale("status", name) for name in names)

    def _still_s(self, name: str, what: str, value: object) -> float:
        """Return for how long a value has been the same."""
        now_ns = self._steady()
        known, since_ns = self._since.get((name, what), (None, now_ns))
        if known != value:
            since_ns = now_ns
        self._since[name, what] = value, since_ns
        return (now_ns - since_ns) / NS
