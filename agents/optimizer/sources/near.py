"""The neighbourhood of the best points: the plainest local search, strong when little was told."""

import math

import numpy as np

from agents.optimizer.archive import Archive
from agents.optimizer.sources.source import folded
from market.types import F8

RADIUS_FIRST = 0.25
RADIUS_LAST = 0.02
RADIUS_TRIALS = 60
"""Points told after which the neighbourhood has shrunk to 1/e."""
ELITE = 3
"""Points looked around, or the whole front where there is one."""


class Near:
    """See the module."""

    name = "near"

    def propose(self, archive: Archive, count: int, rng: np.random.Generator) -> F8:
        """Return f8[count, d] points around the best ones, in turn."""
        elite = archive.order[: max(ELITE, len(archive.front))]
        radius = RADIUS_LAST + (RADIUS_FIRST - RADIUS_LAST) * math.exp(
            -len(archive) / RADIUS_TRIALS
        )
        centres = archive.points[elite[np.arange(count) % len(elite)]]
        return folded(centres + rng.normal(0.0, radius, centres.shape))
