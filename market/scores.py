"""How good predictions of classes are: calibrated by counting, scored, bounded by blocks of time.

A deterministic model says one of a few classes. What it says becomes probabilities by counting, on
another part of the data, how often each class came true when it said so (a half added to each
count, the Jeffreys prior). Scores of neighbours in time are not independent, so intervals come from
resampling whole blocks of time (Künsch 1989, Annals of Statistics 17, 1217-1241). Figures that are
to be compared are resampled with the same blocks: pass their difference.
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from market.types import F8, I8

Mask: TypeAlias = npt.NDArray[np.bool_]
PRIOR = 0.5
LEVEL = 0.95
SPARSE = 8
"""Blocks for one that a mask touches, from which on the others are left out of a product."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float

    def as_list(self) -> list[float | None]:
        """Return [value, low, high] as JSON values, None for what is not finite."""
        figures = (self.value, self.low, self.high)
        return [figure if math.isfinite(figure) else None for figure in figures]


def cell_probabilities(said: I8, came: I8, classes: int) -> F8:
    """Return f8[classes, classes]: row s holds the chance of each class when the model says s."""
    counts = np.zeros((classes, classes))
    np.add.at(counts, (said, came), 1.0)
    counts += PRIOR
    result: F8 = counts / counts.sum(axis=1, keepdims=True)
    return result


def log_scores(probabilities: F8, came: I8) -> F8:
    """Return f8[n]: the logarithm of the chance f8[n, classes] given to what came; 0 is best."""
    result: F8 = np.log(probabilities[np.arange(len(came)), came])
    return result


def brier_scores(probabilities: F8, came: I8) -> F8:
    """Return f8[n]: the squared distance from what came, over all classes; 0 is best, 2 worst."""
    truth = np.eye(probabilities.shape[1])[came]
    result: F8 = ((probabilities - truth) ** 2).sum(axis=1)
    return result


class Blocks:
    """Resamples of whole blocks of time, the same for every figure that is asked.

    Args:
        times_ns: i8[n] of the observations.
        block_ns: length of a block; blocks lie on its multiples.
        draws: resamples.
        rng: chance.
    """

    def __init__(
        self, times_ns: I8, *, block_ns: int, draws: int, rng: np.random.Generator
    ) -> None:
        _, self.block = np.unique(times_ns // block_ns, return_inverse=True)
        self.count = int(self.block.max()) + 1 if len(times_ns) else 0
        picks = rng.integers(0, max(1, self.count), (draws, self.count))
        self.weights = np.zeros((draws, self.count))
        np.add.at(self.weights, (np.arange(draws)[:, None], picks), 1.0)

    def mean(self, values: F8, where: Mask | None = None) -> Estimate:
        """Return the mean of f8[n] and its interval, over all or where a mask says so."""
        mask = np.ones(len(values), bool) if where is None else where
        if not mask.any():
            return Estimate(math.nan, math.nan, math.nan)
        sums = np.bincount(self.block[mask], values[mask], self.count)
        sizes = np.bincount(self.block[mask], minlength=self.count)
        weights, used = self.weights, np.flatnonzero(sizes)
        if SPARSE * len(used) < self.count:
            weights, sums, sizes = weights[:, used], sums[used], sizes[used]
        with np.errstate(invalid="ignore"):
            drawn = (weights @ sums) / (weights @ sizes)
        return self._between(float(values[mask].mean()), drawn)

    def quantile(self, values: F8, level: float, where: Mask) -> Estimate:
        """Return a quantile of f8[n] where a mask says so, and its interval."""
        if not where.any():
            return Estimate(math.nan, math.nan, math.nan)
        order = np.flatnonzero(where)[np.argsort(values[where], kind="stable")]
        ranked, blocks = values[order], self.block[order]
        reached = np.cumsum(self.weights[:, blocks], axis=1)
        wanted = np.maximum(1.0, np.ceil(level * reached[:, -1]))
        places = (reached < wanted[:, None]).sum(axis=1)
        whole = ranked[max(0, math.ceil(level * len(ranked)) - 1)]
        drawn = ranked[np.minimum(places, len(ranked) - 1)]
        return self._between(float(whole), drawn)

    @staticmethod
    def _between(value: float, drawn: F8) -> Estimate:
        usable = drawn[np.isfinite(drawn)]
        tail = (1.0 - LEVEL) / 2
        low, high = np.quantile(usable, [tail, 1.0 - tail]) if usable.size else (math.nan, math.nan)
        return Estimate(value, float(low), float(high))
