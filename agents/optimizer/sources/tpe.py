"""Batched tree-structured Parzen estimator: points likelier among the good than among the rest.

Bergstra et al. 2011 in the multivariate form, for several objectives the good ones by front and
crowding (as in MOTPE, Ozaki et al. 2020). A whole batch is scored at once.
"""

import math

import numpy as np

from agents.optimizer.archive import Archive
from agents.optimizer.sources.source import folded
from market.types import F8

GOOD_SHARE = 0.15
GOOD_MAX = 48
REST_MAX = 128
TRIES = 16
"""Draws from the good density, of which the best is proposed."""
WIDTH_MIN = 0.01
WALL = 0.05
"""Weight of the uniform density mixed into both."""


class Parzen:
    """See the module."""

    name = "tpe"

    def propose(self, archive: Archive, count: int, rng: np.random.Generator) -> F8:
        """Return f8[count, d]."""
        size = min(GOOD_MAX, max(4, math.ceil(GOOD_SHARE * len(archive))))
        good = archive.points[archive.order[:size]]
        rest = archive.order[size:]
        if len(rest) > REST_MAX:
            rest = rest[np.sort(rng.permutation(len(rest))[:REST_MAX])]
        bad = archive.points[rest]
        width = _widths(good)
        rows = rng.integers(len(good), size=count * TRIES)
        drawn = folded(good[rows] + rng.normal(size=(len(rows), good.shape[1])) * width)
        score = _density(drawn, good, width)
        if len(bad):
            score = score - _density(drawn, bad, _widths(bad))
        best = score.reshape(count, TRIES).argmax(1) + np.arange(count) * TRIES
        points: F8 = drawn[best]
        return points


def _widths(points: F8) -> F8:
    """Return f8[d], Scott's rule with a floor."""
    count, dimensions = points.shape
    spread = points.std(0) if count > 1 else np.full(dimensions, 0.25)
    width: F8 = np.maximum(WIDTH_MIN, spread * count ** (-1.0 / (dimensions + 4)))
    return width


def _density(points: F8, centres: F8, width: F8) -> F8:
    """Return f8[n], log of the mean of Gaussian products, up to what all points share."""
    a, b = points / width, centres / width
    square = (a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2.0 * a @ b.T
    scale = 1.0 / float(np.prod(width * math.sqrt(2.0 * math.pi)))
    density: F8 = np.log((1.0 - WALL) * scale * np.exp(-0.5 * square).mean(1) + WALL)
    return density
