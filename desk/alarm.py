"""What the desk knows of each executor at a moment, as the rules of alerts ask for it."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from desk.alert_rules import Facts
from desk.errors import StoreError
from desk.live import Live
from desk.view import View

NS: Final = 1e9
DRAWDOWN: Final = "peak_drawdown_limit"
ROLLED_BACK: Final = "rolled_back"


class Watch:
    """Turns what was said into facts; remembers since when something has not moved.

    Args:
        live: what was said last.
        view: counts what the store and the run's folder know.
        failing: why the store takes nothing; empty while it does.
        steady: time in ns that never jumps.
    """

    def __init__(
        self,
        live: Live,
        view: View,
        failing: Callable[[], str],
        *,
        steady: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._live, self._view = live, view
        self._failing, self._steady = failing, steady
        self._since: dict[tuple[str, str], tuple[Any, int]] = {}

    def facts(self) -> Iterator[Facts]:
        """Yield the facts of every executor; nothing is wrong with one whose recording is over.

        Asks the store: called in a thread.
        """
        restarts = self._view.restarts()
        for name in self._live.executors:
            status = self._live.said("status", name)
            facts = Facts(name, store_fails=self._failing(), restarts=restarts)
            if status and status["venue_time"] < status["last_ns"]:
                facts = self._trading(facts, status)
            yield facts

    def _trading(self, facts: Facts, status: Mapping[str, Any]) -> Facts:
        """Return the facts of an executor that has not come to an end."""
        name = facts.executor
        used, policy = status.get("used", {}), status.get("policy", {})
        return replace(
            facts,
            silent_s=self._live.age_s("status", name),
            feed_age_s=self._live.still_s(name),
            connected=status.get("connected"),
            risk=status["risk"],
            risk_reason=f"reason {status['risk_reason']}",
            stops=tuple(status["stops"]),
            drawdown_share=used.get(DRAWDOWN, 0.0),
            undecided_s=self._still_s(name, "pair", tuple(status["pair"])),
            sent_back=policy["reason"] if policy.get("stage") == ROLLED_BACK else "",
            refused=self._refused(),
        )

    def _refused(self) -> int:
        try:
            return self._view.refused_lately()
        except StoreError:
            return 0  # another rule tells that the store is out of reach

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
