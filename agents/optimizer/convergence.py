"""Whether a search has found what there is: by what it gained, and by what its model expects."""

from enum import StrEnum

from agents.optimizer.archive import Archive
from agents.optimizer.fronts import hypervolume, reference

BATCHES = 4
LEAST = 0.005
"""Share of the hypervolume that is next to nothing."""


class Ending(StrEnum):
    """How a search ended."""

    CONVERGED = "converged"
    STALLED = "stalled"
    BUDGET = "budget"


def ending(archive: Archive, told: list[int], outlook: float) -> Ending:
    """Return how the search stands.

    Converged: four batches gained less than LEAST, and the model expects less than that of another
    one. Stalled: they gained as little, but the model expects more. Budget: neither, so far.

    Args:
        archive: everything told.
        told: how many points had been told after each batch, in order.
        outlook: share of the hypervolume that the model expects another batch to add.
    """
    if len(told) <= BATCHES:
        return Ending.BUDGET
    if gained(archive, told[-1 - BATCHES]) >= LEAST:
        return Ending.BUDGET
    return Ending.CONVERGED if outlook < LEAST else Ending.STALLED


def gained(archive: Archive, before: int) -> float:
    """Return the share of the front's hypervolume that came after the first `before` points."""
    front = archive.values[archive.front]
    if len(front) == 0:
        return 1.0
    earlier = Archive(
        archive.space,
        archive.points[:before],
        archive.values[:before],
        archive.violations[:before],
    )
    bound = reference(front, front)
    held = hypervolume(earlier.values[earlier.front], bound)
    return 1.0 - held / max(hypervolume(front, bound), 1e-300)
