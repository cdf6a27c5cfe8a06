"""What a coordinator shows on its metrics endpoint: what it told on telemetry, and its log's."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from agents.coordinator.records import Kind, Record
from agents.coordinator.state import Phase
from protocol.errors import NackCode
from protocol.exposition import Figure, counters, gauge, gauges, states
from protocol.messages import Mode

DROPPED = "control_"
"""How what the hub dropped is named on telemetry."""


class Noted:
    """Counts of what was put into the log since the start of the process.

    Attributes:
        told: the newest status, as it went out on telemetry.
    """

    def __init__(self) -> None:
        self.told: Mapping[str, Any] = {}
        self._entries: Counter[str] = Counter({kind.value: 0 for kind in Kind})
        self._refused: Counter[str] = Counter({code.value: 0 for code in NackCode})
        self._decided_s = time.monotonic()

    def take(self, record: Record) -> None:
        """Count one entry."""
        self._entries[record.kind.value] += 1
        if record.kind is Kind.REFUSED:
            self._refused[record.body["code"]] += 1
        renewed = record.kind is Kind.DONE and record.body["not_after"] is not None
        if renewed or record.kind is Kind.DECISION:
            self._decided_s = time.monotonic()

    def figures(self) -> Iterator[Figure]:
        """Yield every figure; before the first status only those of the log."""
        age_s = time.monotonic() - self._decided_s
        yield gauge("decision_age_seconds", "Since a set was decided on or renewed", age_s)
        yield counters("log_entries_total", "Since the start", "kind", self._entries)
        yield counters("updates_refused_total", "Since the start", "code", self._refused)
        if self.told:
            yield from of_status(self.told)


def of_status(told: Mapping[str, Any]) -> Iterator[Figure]:
    """Yield the figures of a status."""
    yield states("phase", "1 for the phase that holds", told["phase"], Phase)
    yield states("mode", "1 for the mode that holds", told["mode"], Mode)
    yield gauge("generation", "Number of changes of mode", told["generation"])
    yield gauge("coordinator_epoch", "Number of starts", told["epoch"])
    yield gauge("decided_version", "Of the newest decision", told["version"])
    yield gauge("coordinator_stops", "Stops that are not lifted", told["stops"])
    frames = {
        name.removeprefix(DROPPED): float(count)
        for name, count in told.items()
        if name.startswith(DROPPED)
    }
    yield counters("frames_total", "Control frames, by what became of them", "outcome", frames)
    seats = told["conduct"]
    for name, what, key in (
        ("seat_weight", "Of its vote", "weight"),
        ("seat_reliability_ratio", "Wins of its applied sets, smoothed", "reliability"),
        ("seat_faults", "Faults in a row", "faults"),
    ):
        yield gauges(name, what, "seat", {each["name"]: float(each[key]) for each in seats})
    benched = {each["name"]: float(each["benched_until"] is not None) for each in seats}
    yield gauges("seat_benched", "1 while it is not heard", "seat", benched)
