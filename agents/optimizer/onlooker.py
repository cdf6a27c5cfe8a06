"""Who looks on while a window is searched: told of every batch, and asked for every replay."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from agents.optimizer.race import Run
from market.types import F8, I8

if TYPE_CHECKING:
    from agents.optimizer.window import Search


@dataclass(frozen=True, slots=True)
class Told:
    """What a tuner was told at once.

    Attributes:
        points: f8[n, d], of the unit cube.
        rows: i8[n], of the race; several points may be one candidate.
        sources: who proposed each.
        values: f8[n, m], minimised; violations: f8[n], feasible when <= 0.
    """

    points: F8
    rows: I8
    sources: tuple[str, ...]
    values: F8
    violations: F8


class Onlooker(Protocol):
    """It may answer for the replay, as long as it answers the same."""

    def runs(self, run: Run) -> Run:
        """Return what replays the candidates of the training span."""
        ...

    def told(self, search: "Search", batch: Told) -> None:
        """Take what the search's tuner has just been told."""
        ...
