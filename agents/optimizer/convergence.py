"""Whether a search has found what there is: by what it gained, and by what its model expects."""

import math
from enum import StrEnum

from agents.optimizer.archive import Archive
from agents.optimizer.fronts import hypervolume, reference

BATCHES = 4
FURTHER = 1000
"""Evaluations more that would have to be worth it."""
LEAST = 0.007
"""Share of the hypervolume below which so many are not worth it: less than the hundredth that is
promised, since the law by which they are foreseen errs either way."""
OUTLOOK = 0.005
"""Share of the hypervolume that is next to nothing for one batch."""


class Ending(StrEnum):
    """How a search ended."""

    CONVERGED = "converged"
    STALLED = "stalled"
    BUDGET = "budget"


def ending(archive: Archive, told: list[int], outlook: float) -> Ending:
    """Return how the search stands.

    Converged: going on as the last four batches did, FURTHER evaluations would gain less than
    LEAST, and the model expects less than OUTLOOK of another batch. Stalled: the first, not the
    second. Budget: not even the first, so far.

    Args:
        archive: everything told.
        told: how many points had been told after each batch, in order.
        outlook: share of the hypervolume that the model expects another batch to add.
    """
    if len(told) <= BATCHES:
        return Ending.BUDGET
    if further(archive, told[-1 - BATCHES]) >= LEAST:
        return Ending.BUDGET
    return Ending.CONVERGED if outlook < OUTLOOK else Ending.STALLED


def further(archive: Archive, before: int) -> float:
    """Return the share of hypervolume that FURTHER evaluations would gain, as things go.

    A search gains ever less: what the evaluation numbered t adds falls as 1 / t where a front of
    three objectives fills up, faster elsewhere. So what came after the first `before` points is
    continued by that law.
    """
    count = len(archive)
    return gained(archive, before) * math.log1p(FURTHER / count) / math.log(count / max(1, before))


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
