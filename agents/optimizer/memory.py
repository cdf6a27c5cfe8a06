"""What an optimizer remembers of its own windows; durable, so that a restart forgets nothing.

An answer for boundary k depends on what was kept for boundaries before k alone, and is kept before
it is said: whoever was killed says the same again.
"""

from collections import deque
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any, Self

from agents.optimizer.confidence import Evidence
from agents.optimizer.judgement import Judgement
from protocol.journal import Entry, Journal
from protocol.messages import QuoteParameters

SCHEMA_VERSION = 2
TABLE = "windows"
FRONTS = 2
"""Newest windows whose fronts stay in memory; of older ones they are read from the file."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of one boundary.

    Attributes:
        now_ns: venue time of the boundary.
        incumbent: the set in force.
        chosen, evidence: the candidate that was looked at last, None when there was none.
        whole: the window was as long as asked for; a shorter one is warm-up.
        horizon_s: for which the verdict was meant.
        slice_s: seconds of a slice.
        front: sets to begin the next search with.
        promoted: the executor's candidate quoted, and the window was replayed by it.
    """

    index: int
    now_ns: int
    incumbent: QuoteParameters
    chosen: QuoteParameters | None
    evidence: Evidence | None
    whole: bool
    horizon_s: float
    slice_s: float
    front: tuple[QuoteParameters, ...]
    promoted: bool = False

    def over_ns(self, latency_ns: int) -> int:
        """Return the venue time at which the horizon has passed."""
        return self.now_ns + latency_ns + round(self.horizon_s) * 1_000_000_000


def kept(
    index: int, now_ns: int, incumbent: QuoteParameters, found: Judgement, *, promoted: bool = False
) -> Kept:
    """Return what is worth keeping of a judgement."""
    return Kept(
        index=index,
        now_ns=now_ns,
        incumbent=incumbent,
        chosen=found.chosen,
        evidence=found.evidence,
        whole=found.whole,
        horizon_s=found.horizon_s,
        slice_s=found.slice_s,
        front=found.front,
        promoted=promoted,
    )


class Memory:
    """Windows by boundary.

    Args:
        journal: where they are kept; None: in this process alone.
    """

    def __init__(self, journal: Journal | None = None) -> None:
        self._journal = journal
        self._held: dict[int, Kept] = {}
        self._whole: deque[int] = deque()  # whose fronts are here
        if journal is not None:
            for row in journal.rows(TABLE):
                self._hold(_read(row.body))

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the file at `path`, made if it is missing.

        Raises:
            JournalError: it is damaged.
        """
        return cls(Journal.open(path, schema_version=SCHEMA_VERSION, tables=(TABLE,)))

    def keep(self, window: Kept) -> None:
        """Remember a window; the first word on a boundary stands."""
        if window.index in self._held:
            return
        if self._journal is not None:
            entry = Entry(TABLE, window.now_ns, "window", _body(window), key=str(window.index))
            self._journal.append((entry,))
        self._hold(window)

    def before(self, index: int) -> tuple[Kept, ...]:
        """Return the windows of all earlier boundaries, in order; older ones without their front.

        A front is ten times what else is known of a window, and that of the newest alone is used.
        """
        return tuple(self._held[each] for each in sorted(self._held) if each < index)

    @property
    def promoted(self) -> bool:
        """Whether the executor's candidate quoted at the newest boundary that is known."""
        return bool(self._held) and self._held[max(self._held)].promoted

    def front_before(self, index: int) -> tuple[QuoteParameters, ...]:
        """Return the sets that the newest earlier window left to begin with."""
        last = max((each for each in self._held if each < index), default=None)
        if last is None:
            return ()
        if last in self._whole or self._journal is None:
            return self._held[last].front
        rows = self._journal.rows(TABLE)
        return next(_read(row.body).front for row in rows if row.body["index"] == last)

    def _hold(self, window: Kept) -> None:
        self._held[window.index] = window
        self._whole.append(window.index)
        if self._journal is not None and len(self._whole) > FRONTS:
            old = self._whole.popleft()
            self._held[old] = replace(self._held[old], front=())

    def close(self) -> None:
        """Close the file."""
        if self._journal is not None:
            self._journal.close()


def _body(window: Kept) -> dict[str, Any]:
    return {
        "index": window.index,
        "now_ns": window.now_ns,
        "incumbent": window.incumbent.model_dump(),
        "chosen": None if window.chosen is None else window.chosen.model_dump(),
        "evidence": None if window.evidence is None else list(astuple(window.evidence)),
        "whole": window.whole,
        "horizon_s": window.horizon_s,
        "slice_s": window.slice_s,
        "front": [each.model_dump() for each in window.front],
        "promoted": window.promoted,
    }


def _read(body: dict[str, Any]) -> Kept:
    def params(document: Any) -> QuoteParameters:
        return QuoteParameters.model_validate(document)

    return Kept(
        index=body["index"],
        now_ns=body["now_ns"],
        incumbent=params(body["incumbent"]),
        chosen=None if body["chosen"] is None else params(body["chosen"]),
        evidence=None if body["evidence"] is None else Evidence(*body["evidence"]),
        whole=body["whole"],
        horizon_s=body["horizon_s"],
        slice_s=body["slice_s"],
        front=tuple(params(each) for each in body["front"]),
        promoted=body.get("promoted", False),
    )
