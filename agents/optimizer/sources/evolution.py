"""Differential evolution as a source: steps along differences of good points.

Storn, Price 1997, rand/1/bin, on the best of everything told (as in GDE3, Kukkonen and Lampinen
2005). Differences carry the scale and the direction of the front along with them.
"""

import numpy as np

from agents.optimizer.archive import Archive
from agents.optimizer.sources.genetic import bred_from, mutated
from agents.optimizer.sources.source import folded
from market.types import F8

FORCE = (0.2, 0.9)
EXCHANGE = 0.9


class Evolution:
    """See the module."""

    name = "evolution"

    def propose(self, archive: Archive, count: int, rng: np.random.Generator) -> F8:
        """Return f8[count, d]: good points moved by differences of others."""
        pool = bred_from(archive)
        base = pool[rng.integers(len(pool), size=(count, 2)).min(1)]
        pairs = rng.integers(len(pool), size=(2, count))
        force = rng.uniform(*FORCE, (count, 1))
        moved = folded(base + force * (pool[pairs[0]] - pool[pairs[1]]))
        kept = rng.random(base.shape) < EXCHANGE
        return mutated(np.where(kept, moved, base), rng)
