"""A scrambled Sobol sequence: where a search begins, and a source like any other later."""

import warnings

import numpy as np

from agents.optimizer.archive import Archive
from market.types import F8


class Sobol:
    """See the module.

    Args:
        dimensions: d.
        rng: scrambles the sequence, once.
    """

    name = "sobol"

    def __init__(self, dimensions: int, rng: np.random.Generator) -> None:
        # Loaded only here: 0.4 s, in which an optimizer that was killed has joined again.
        from scipy.stats import qmc

        self._sequence = qmc.Sobol(dimensions, scramble=True, rng=rng)

    def first(self, count: int) -> F8:
        """Return the next f8[count, d] of the sequence."""
        with warnings.catch_warnings():
            # A count that is no power of two costs balance, which nothing here relies on.
            warnings.simplefilter("ignore", UserWarning)
            return np.asarray(self._sequence.random(count), dtype=np.float64)

    def propose(self, archive: Archive, count: int, rng: np.random.Generator) -> F8:
        """Return the next f8[count, d] of the sequence; what was told does not matter."""
        del archive, rng
        return self.first(count)
