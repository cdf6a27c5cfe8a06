"""Everything that was told, and the views of it that sources share. Append-only."""

from functools import cached_property

import numpy as np

from agents.optimizer.fronts import crowding, ranks
from agents.optimizer.space import Space
from market.types import F8, I8

BEND = 2.0
"""Scaled values above this grow by logarithm alone: far from the front only the order matters."""


class Archive:
    """Told points of the unit cube with their values; views are computed once per archive.

    Attributes:
        points: f8[n, d], snapped to what the space can tell apart.
        values: f8[n, m], minimised.
        violations: f8[n], feasible when <= 0.
    """

    def __init__(self, space: Space, points: F8, values: F8, violations: F8) -> None:
        self.space = space
        self.points, self.values, self.violations = points, values, violations

    @classmethod
    def empty(cls, space: Space, objectives: int) -> "Archive":
        """Return an archive without a point."""
        return cls(space, np.empty((0, len(space))), np.empty((0, objectives)), np.empty(0))

    def added(self, points: F8, values: F8, violations: F8) -> "Archive":
        """Return this archive and more rows."""
        return Archive(
            self.space,
            np.vstack([self.points, points]),
            np.vstack([self.values, values]),
            np.concatenate([self.violations, violations]),
        )

    def __len__(self) -> int:
        return len(self.points)

    @property
    def objectives(self) -> int:
        """Return m."""
        return int(self.values.shape[1])

    @cached_property
    def features(self) -> F8:
        """f8[n, e], the points as models see them: categories as corners of their own."""
        return self.space.features(self.points)

    @cached_property
    def ranks(self) -> I8:
        """i8[n], number of the front of each point, constraints first."""
        return ranks(self.values, self.violations)

    @cached_property
    def order(self) -> I8:
        """i8[n], row numbers, best first: by front, within it the least crowded first."""
        spread = np.zeros(len(self))
        for level in range(int(self.ranks.max(initial=-1)) + 1):
            rows = np.flatnonzero(self.ranks == level)
            spread[rows] = crowding(self.values[rows])
        first: I8 = np.lexsort((-spread, self.ranks))
        return first

    @cached_property
    def front(self) -> I8:
        """i8[k], rows of feasible points that no feasible one dominates, least crowded first."""
        best = self.order[self.ranks[self.order] == 0]
        rows: I8 = best[self.violations[best] <= 0.0]
        return rows

    @cached_property
    def scaled(self) -> F8:
        """f8[n, m], values in units of the front's range, zero at its best; bent above BEND."""
        rows = self.front
        if len(rows) == 0:
            rows = self.order[: max(2, len(self) // 4)]
        best, worst = self.values[rows].min(0), self.values[rows].max(0)
        spread = np.quantile(self.values, 0.5, axis=0) - best
        # A front of few points says little of its own range yet.
        span = np.maximum(worst - best, spread if len(rows) < 8 else 0.0)
        span = np.where(span > 0.0, span, 1.0)
        plain = (self.values - best) / span
        high = np.maximum(plain, BEND)
        bent: F8 = np.where(plain > BEND, BEND + np.log1p(high - BEND), plain)
        return bent

    @cached_property
    def limits(self) -> F8 | None:
        """f8[n], signed violations of order one for a model; None when nothing ever was violated.

        Logarithmic in the violation. Where feasible points know no margin (all exactly 0), they
        stand a little below, so that the border lies between the two kinds.
        """
        beyond = self.violations > 0.0
        if not beyond.any():
            return None
        unit = float(np.median(self.violations[beyond]))
        margin = np.minimum(self.violations, 0.0)
        if not (margin < 0.0).any():
            margin = np.where(beyond, 0.0, -0.1 * unit)
        else:
            margin = np.maximum(margin, -10.0 * unit)
        signed = np.where(beyond, self.violations, margin) / unit
        bent: F8 = np.sign(signed) * np.log1p(np.abs(signed))
        return bent
