"""The ensemble predictor: extremely randomised trees, sub-forests as draws.

Geurts, Ernst, Wehenkel 2006. Trees do not mind steps, kinks and categories, where a smooth
process does. One forest predicts all objectives and the violation together.
"""

import numpy as np

from agents.optimizer.archive import Archive
from agents.optimizer.islands import batch_of
from agents.optimizer.sources.genetic import offspring
from market.types import F8

TREES = 32
DRAWS = 4
POOL = 256
"""Candidates per draw, children of the best and of strangers."""
POINTS = 400


class Forest:
    """See the module."""

    name = "forest"

    def propose(self, archive: Archive, count: int, rng: np.random.Generator) -> F8:
        """Return f8[count, d]."""
        # Loaded only here: 0.7 s, which a search that never comes this far need not pay.
        from sklearn.ensemble import ExtraTreesRegressor

        rows = archive.order
        if len(rows) > POINTS:
            rest = rng.permutation(rows[POINTS // 2 :])[: POINTS // 2]
            rows = np.concatenate([rows[: POINTS // 2], rest])
        columns = [archive.scaled]
        if archive.limits is not None:
            columns.append(archive.limits[:, None])
        outputs = np.hstack(columns)[rows]
        middle, spread = outputs.mean(0), outputs.std(0)
        spread = np.where(spread > 0.0, spread, 1.0)
        forest = ExtraTreesRegressor(
            TREES, min_samples_leaf=2, n_jobs=1, random_state=int(rng.integers(2**31))
        )
        standard = (outputs - middle) / spread
        forest.fit(archive.features[rows], standard if standard.shape[1] > 1 else standard[:, 0])
        draws = min(DRAWS, count)
        parents = archive.points[archive.order[:64]]
        first = parents[rng.integers(len(parents), size=(draws * POOL, 2)).min(1)]
        second = parents[rng.integers(len(parents), size=draws * POOL)]
        strange = rng.random(first.shape)
        second = np.where(rng.random((len(second), 1)) < 0.3, strange, second)
        pool = archive.space.snap(offspring(first, second, rng))
        shape = (draws, POOL, pool.shape[1])
        seen = archive.space.features(pool).astype(np.float32)
        trees = np.array_split(np.array(forest.estimators_, dtype=object), draws)
        predicted = np.stack(
            [
                np.mean(
                    [
                        tree.predict(seen[each * POOL : (each + 1) * POOL]).reshape(POOL, -1)
                        for tree in group
                    ],
                    axis=0,
                )
                for each, group in enumerate(trees)
            ]
        )
        predicted = predicted * spread + middle
        m = archive.objectives
        values = predicted[..., :m]
        beyond = predicted[..., m] if predicted.shape[-1] > m else np.zeros(values.shape[:2])
        front = archive.scaled[archive.front]
        islands = pool.reshape(shape), values, beyond
        return batch_of(islands, front, archive.points, count, rng)[0]
