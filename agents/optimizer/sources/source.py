"""What every searcher is: something that proposes points, given all that was told."""

from typing import Protocol

import numpy as np

from agents.optimizer.archive import Archive
from market.types import F8


class Source(Protocol):
    """A searcher of the unit cube. It may remember, but only what follows from what it was given.

    Attributes:
        name: under which credit is kept.
    """

    name: str

    def propose(self, archive: Archive, count: int, rng: np.random.Generator) -> F8:
        """Return f8[count, d] points of the unit cube.

        Args:
            archive: never empty.
            count: >= 1.
            rng: the only chance there is.
        """
        ...


def folded(points: F8) -> F8:
    """Return points mirrored at the walls of the cube: clipping would pile them up there."""
    inside = np.abs(np.mod(points, 2.0))
    return np.where(inside > 1.0, 2.0 - inside, inside)
