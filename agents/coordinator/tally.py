"""Counts of refusals that have no entry of their own, told once a minute. Nothing here logs."""

from collections import Counter

from agents.coordinator.events import Tallied
from protocol.bus.gatekeeper import FORWARDED
from protocol.errors import NackCode

TALLY_S = 60.0
"""No flood of refusals can fill the disk: one entry in so many wall seconds."""


class Tally:
    """What was refused and dropped since it was told last.

    Attributes:
        dropped: the hub's own counts by reason, since its start; it goes on counting.
    """

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        self._told: Counter[str] = Counter()
        self._refused: Counter[tuple[str, str]] = Counter()

    def add(self, name: str, code: NackCode) -> None:
        """Count one refusal of something that somebody said."""
        self._refused[name, code.value] += 1

    def take(self) -> Tallied | None:
        """Return what is new, None when nothing is."""
        dropped = self.dropped - self._told
        del dropped[FORWARDED]
        if not self._refused and not dropped:
            return None
        self._told = Counter(self.dropped)
        refused: dict[str, dict[str, int]] = {}
        for (name, code), count in sorted(self._refused.items()):
            refused.setdefault(name, {})[code] = count
        self._refused.clear()
        return Tallied(refused, dict(sorted(dropped.items())))
