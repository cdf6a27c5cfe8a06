"""Who dominates whom, and by how much hypervolume. Any number of objectives, all minimised.

Constraints follow Deb et al. 2002: feasible before infeasible, less violation before more, and
only among the feasible does dominance decide. Arrays may carry leading axes (islands of a search).
"""

import numpy as np
from numpy.typing import NDArray

from market.types import F8, I8

Bool = NDArray[np.bool_]

REFERENCE = 0.1
"""How far beyond the front's extremes its reference point lies, as a share of their range."""
REACH = 1.0
SAMPLES = 32
"""Points that a candidate's own gain is estimated from."""


def dominated(values: F8, violations: F8) -> I8:
    """Return i8[..., n], by how many others each of f8[..., n, m] is dominated, constraints first.

    Args:
        values: f8[..., n, m].
        violations: f8[..., n], feasible when <= 0.
    """
    matrix = _matrix(values, violations)
    count: I8 = matrix.sum(-2)
    return count


def _matrix(values: F8, violations: F8) -> Bool:
    """Return bool[..., n, n]: the row dominates the column."""
    rows, columns = values[..., :, None, :], values[..., None, :, :]
    no_worse = rows[..., 0] <= columns[..., 0]
    better = rows[..., 0] < columns[..., 0]
    for objective in range(1, values.shape[-1]):
        no_worse &= rows[..., objective] <= columns[..., objective]
        better |= rows[..., objective] < columns[..., objective]
    beyond = np.maximum(violations, 0.0)
    if not beyond.any():
        return no_worse & better
    less = beyond[..., :, None] < beyond[..., None, :]
    both = (beyond[..., :, None] <= 0.0) & (beyond[..., None, :] <= 0.0)
    return np.where(both, no_worse & better, less)


def ranks(values: F8, violations: F8) -> I8:
    """Return i8[n], the number of the front that each row of f8[n, m] lies on, 0 the best."""
    matrix = _matrix(values, violations)
    left: I8 = matrix.sum(0)
    rank = np.full(len(values), -1, dtype=np.int64)
    level = 0
    while (rank < 0).any():
        front = np.flatnonzero((left == 0) & (rank < 0))
        rank[front] = level
        left -= matrix[front].sum(0)
        level += 1
    return rank


def crowding(values: F8) -> F8:
    """Return f8[..., n] crowding distances within the rows of f8[..., n, m]; extremes are inf.

    Rows of infinite values stand aside: they come last and get nothing.
    """
    total = np.zeros(values.shape[:-1])
    for objective in range(values.shape[-1]):
        column = values[..., objective]
        order = np.argsort(column, axis=-1, kind="stable")
        ranked = np.take_along_axis(column, order, -1)
        known = np.isfinite(ranked)
        floor = np.where(known, ranked, -np.inf).max(-1, keepdims=True)
        span = np.maximum(floor - ranked[..., :1], 1e-300)
        gap = np.full(ranked.shape, np.inf)
        with np.errstate(invalid="ignore"):
            gap[..., 1:-1] = (ranked[..., 2:] - ranked[..., :-2]) / span
        gap = np.where(known, gap, 0.0)
        spread = np.empty_like(gap)
        np.put_along_axis(spread, order, gap, -1)
        total += spread
    return total


def reference(front: F8, candidates: F8) -> F8:
    """Return f8[m], a point a little beyond the extremes of the front that both would make.

    Without the candidates a piece of the front farther out than all that is known would gain
    nothing, and was never found (ZDT3: 0.91 of the hypervolume in place of 0.99). They may move it
    by REACH ranges of the front at most: an objective can be given away almost for ever.

    Args:
        front: f8[k, m], k >= 1, as it stands.
        candidates: f8[c, m], all feasible.
    """
    both = np.vstack([front, candidates])
    both = both[dominated(both, np.zeros(len(both))) == 0]
    worst, span = front.max(0), np.ptp(both, axis=0)
    # A front of one point has no range: its distance from zero stands in.
    span = np.where(span > 0.0, span, np.maximum(np.abs(worst), 1.0) * 1e-3)
    known = np.ptp(front, axis=0)
    farthest = np.where(known > 0.0, worst + REACH * known, np.inf)
    beyond: F8 = np.maximum(worst, np.minimum(both.max(0), farthest)) + REFERENCE * span
    return beyond


def hypervolume(values: F8, bound: F8) -> float:
    """Return the exact hypervolume of f8[n, 1 to 3] against f8[m], the reference point."""
    inside = values[(values < bound).all(1)]
    if len(inside) == 0:
        return 0.0
    if inside.shape[1] == 1:
        return float(bound[0] - inside.min())
    if inside.shape[1] == 2:
        order = np.lexsort((inside[:, 1], inside[:, 0]))
        heights = np.minimum.accumulate(inside[order, 1])
        edges = np.append(inside[order, 0], bound[0])
        return float(((bound[1] - heights) * np.diff(edges)).sum())
    # Swept along the last objective; each slab holds the area of what has come so far.
    order = np.argsort(inside[:, 2], kind="stable")
    edges = np.append(inside[order, 2], bound[2])
    total, kept = 0.0, np.empty((0, 2))
    for row, thickness in zip(inside[order, :2], np.diff(edges), strict=True):
        if not (kept <= row).all(1).any():
            kept = np.vstack([kept[~(row <= kept).all(1)], row])
        if thickness > 0.0:
            total += float(thickness) * hypervolume(kept, bound[:2])
    return total


class Gains:
    """Hypervolume that candidates would add to a front, and that they leave to each other.

    A candidate's own gain lies in the box from its values up to where, going along one axis,
    the front begins to dominate. Points are drawn in these boxes, those that the front
    dominates are dropped, and each stands for the inverse of the density of all boxes there
    (balance heuristic, Veach and Guibas 1995): however thin the gains, they are resolved.

    Args:
        front: f8[k, m], k >= 1.
        candidates: f8[c, m].
        bound: f8[m], reference point.
        rng: of the points drawn.
    """

    def __init__(
        self, front: F8, candidates: F8, bound: F8, rng: np.random.Generator, samples: int = SAMPLES
    ) -> None:
        count, objectives = candidates.shape
        self.weights = np.zeros(0)
        self.covers = np.zeros((count, 0))
        corner = np.repeat(bound[None, :], count, 0)
        below = front[None, :, :] <= candidates[:, None, :]
        for axis in range(objectives):
            others = np.delete(below, axis, 2).all(2)
            nearest = np.where(others, front[None, :, axis], np.inf).min(1)
            corner[:, axis] = np.minimum(corner[:, axis], nearest)
        live = (corner > candidates).all(1)
        if not live.any():
            return
        low, high = candidates[live], corner[live]
        drawn = (
            low[:, None, :] + rng.random((len(low), samples, objectives)) * (high - low)[:, None]
        )
        points = drawn.reshape(-1, objectives)
        points = points[~_covered(front, points).any(0)]
        inside = _covered(low, points)
        within = inside & _covered(-high, -points)
        density = samples * (within / np.prod(high - low, 1)[:, None]).sum(0)
        self.weights = 1.0 / density
        self.covers = np.zeros((count, len(points)))
        self.covers[live] = inside

    def each(self) -> F8:
        """Return f8[c], what each would add alone, given what was taken."""
        gain: F8 = self.covers @ self.weights
        return gain

    def take(self, row: int) -> None:
        """Count a candidate as part of the front."""
        self.weights = self.weights * (1.0 - self.covers[row])


def _covered(low: F8, points: F8) -> Bool:
    """Return bool[k, n]: row of f8[k, m] is <= point of f8[n, m] in everything."""
    inside = low[:, None, 0] <= points[None, :, 0]
    for axis in range(1, low.shape[1]):
        inside &= low[:, None, axis] <= points[None, :, axis]
    return inside
