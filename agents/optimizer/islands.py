"""A search inside models: one island per draw, evolved side by side; then a batch by gain.

Bradford, Schweidtmann, Lapkin 2018 (TSEMO): the front of a posterior draw is found by a genetic
search that costs the objective nothing, and the batch is what adds most hypervolume by that draw.
"""

from collections.abc import Callable

import numpy as np

from agents.optimizer.fronts import Gains, crowding, dominated, hypervolume, reference
from agents.optimizer.sources.genetic import crossed, mutated
from agents.optimizer.sources.source import folded
from market.types import F8, I8

Predict = Callable[[F8], tuple[F8, F8]]
"""f8[k, p, d] -> values f8[k, p, m] and violations f8[k, p], each island by its own draw."""


def evolved(
    predict: Predict, start: F8, rng: np.random.Generator, *, generations: int
) -> tuple[F8, F8, F8]:
    """Return (points, values, violations) of the islands after `generations`.

    Args:
        predict: what an island believes of points.
        start: f8[k, p, d], where the islands begin.
    """
    points = start
    values, violations = predict(points)
    islands, size, _ = points.shape
    lines = np.arange(islands)[:, None]
    for _ in range(generations):
        # Survivors stand best first: the smaller number wins a tournament.
        picked = rng.integers(size, size=(4, islands, size)).astype(np.int64)
        mother = points[lines, np.minimum(picked[0], picked[1])]
        father = points[lines, np.minimum(picked[2], picked[3])]
        children = mutated(crossed(mother, father, rng), rng)
        half = size // 2
        force = rng.uniform(0.2, 0.9, (islands, half, 1))
        step = points[lines, picked[0, :, :half]] - points[lines, picked[2, :, :half]]
        children[:, :half] = folded(children[:, :half] + force * step)
        fresh, beyond = predict(children)
        points = np.concatenate([points, children], 1)
        values = np.concatenate([values, fresh], 1)
        violations = np.concatenate([violations, beyond], 1)
        kept = _survivors(values, violations, size)
        points, values, violations = (
            points[lines, kept],
            values[lines, kept],
            violations[lines, kept],
        )
    return points, values, violations


def _survivors(values: F8, violations: F8, size: int) -> I8:
    """Return i8[k, size]: by number of dominators, then the least crowded of the front."""
    count = dominated(values, violations)
    front = np.where((count == 0)[..., None], values, np.inf)
    spread = crowding(front)
    order: I8 = np.lexsort((-spread, count), axis=-1)
    return order[:, :size]


def batch_of(
    found: tuple[F8, F8, F8],
    front: F8,
    told: F8,
    count: int,
    rng: np.random.Generator,
) -> tuple[F8, F8]:
    """Return f8[count, d], chosen in turn from the islands by what each adds by its own draw.

    Also f8[k]: the share of the front's hypervolume that an island's points would add to it, were
    the island's draw the truth.

    Args:
        found: what `evolved` returns.
        front: f8[k, m], values of the front so far in the units of the draws; may be empty.
        told: f8[n, d], points that are known already.
        count: >= 1.
    """
    points, values, violations = found
    islands, _, dimensions = points.shape
    flat = points.reshape(-1, dimensions)
    worth = values.reshape(-1, values.shape[-1])
    beyond = violations.reshape(-1)
    island = np.repeat(np.arange(islands), points.shape[1])
    best = (dominated(values, violations) == 0).reshape(-1)
    fresh = best & (_nearest(flat, told) > 1e-9)
    if not fresh.any():
        fresh = np.ones(len(flat), dtype=bool)
    rows = np.flatnonzero(fresh)
    flat, worth, beyond, island = flat[rows], worth[rows], beyond[rows], island[rows]
    allowed = beyond <= 0.0
    if len(front) == 0:
        front = worth[:1] if not allowed.any() else worth[allowed].max(0, keepdims=True)
    bound = reference(front, worth[allowed])
    gains = Gains(front, worth, bound, rng)
    picked: list[int] = []
    added = np.zeros(islands)
    free = np.ones(len(flat), dtype=bool)
    for turn in range(min(count, len(flat))):
        own = free & (island == turn % islands)
        pool = own if own.any() else free
        gain = np.where(pool & allowed, gains.each(), -1.0)
        row = int(gain.argmax())
        if gain[row] > 0.0:
            added[island[row]] += gain[row]
        else:
            row = _lonely(flat, pool, picked, rng)
        picked.append(row)
        free[row] = False
        free &= np.abs(flat - flat[row]).max(1) > 1e-7
        gains.take(row)
        if not free.any():
            break
    chosen = flat[picked]
    if len(chosen) < count:
        more = chosen[rng.integers(len(chosen), size=count - len(chosen))]
        chosen = np.vstack([chosen, mutated(folded(more + rng.normal(0, 0.01, more.shape)), rng)])
    # Islands take turns, so a draw is heard of by its part of the batch: as if it had all of it.
    return chosen, islands * added / max(hypervolume(front, bound), 1e-300)


def _lonely(points: F8, pool: F8, picked: list[int], rng: np.random.Generator) -> int:
    """Return the row of the pool that is farthest from what was picked."""
    rows = np.flatnonzero(pool)
    if not picked:
        return int(rows[rng.integers(len(rows))])
    return int(rows[_nearest(points[rows], points[picked]).argmax()])


def _nearest(points: F8, others: F8) -> F8:
    """Return f8[n], squared distance of each row to the nearest of `others`."""
    square = (points**2).sum(1)[:, None] + (others**2).sum(1)[None, :] - 2.0 * points @ others.T
    nearest: F8 = np.maximum(square, 0.0).min(1)
    return nearest
