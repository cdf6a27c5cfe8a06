"""The ask-and-tell searcher. `Tuner` is the only public class; Optuna works behind it.

It knows the unit cube and nothing of markets: any number of dimensions and objectives, all
minimised, with one violation per point (feasible when <= 0). A batch is mixed from three sources:
a scrambled Sobol sequence first, then the neighbourhood of the best points told so far, and
Optuna (TPE for one objective, NSGA-II for several). All of it follows from the seed.
"""

import logging
import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from agents.optimizer.space import Space
from market.types import F8, I8

START_PER_DIMENSION = 2
"""Sobol points per dimension before anything is modelled, at least 8 in all."""
NEIGHBOURS = 0.5
"""Share of a later batch that is drawn around the best points."""
RADIUS_FIRST = 0.25
RADIUS_LAST = 0.02
RADIUS_TRIALS = 60
"""Points told after which the neighbourhood has shrunk to 1/e."""
ELITE = 3
MODELLED_MAX = 64
"""Points that the model looks at: TPE's cost grows with them, 3 ms a point is the bound."""


@dataclass(frozen=True, slots=True)
class _Told:
    points: F8
    values: F8
    violations: F8


class Tuner:
    """Proposes points of the unit cube and learns from their values.

    Args:
        space: only its number of dimensions matters here.
        objectives: how many values a point has, >= 1.
        batch: points that a caller usually asks for at once.
        seed: the same seed and the same answers give the same points.
        neighbours: share of a later batch that is drawn around the best points, in [0, 1]; the
            model proposes the others.
    """

    def __init__(
        self,
        space: Space,
        objectives: int,
        *,
        batch: int,
        seed: int,
        neighbours: float = NEIGHBOURS,
    ) -> None:
        if objectives < 1 or batch < 1 or len(space) < 1:
            raise ValueError(
                "need at least one dimension, objective and point a batch, found "
                f"{len(space)}, {objectives}, {batch}"
            )
        self.space = space
        self.objectives = objectives
        self.batch = batch
        self.neighbours = neighbours
        # Loaded only here: 0.4 s, in which an optimizer that was killed has joined again.
        from scipy.stats import qmc

        self._rng = np.random.default_rng(np.random.SeedSequence(seed))
        self._sobol = qmc.Sobol(len(space), scramble=True, rng=self._rng)
        self._told = _Told(np.empty((0, len(space))), np.empty((0, objectives)), np.empty(0))
        self._asked = 0

    @property
    def told(self) -> int:
        """How many points have been told."""
        return len(self._told.points)

    def ask(self, count: int) -> F8:
        """Return f8[count, d] points of the unit cube to evaluate."""
        start = max(8, START_PER_DIMENSION * len(self.space))
        first = max(0, min(count, start - self._asked)) if self._asked < start else 0
        if self.told == 0:
            first = count
        parts = [self._start(first)]
        left = count - first
        near = math.ceil(left * self.neighbours)
        parts += [self._neighbours(near), self._modelled(left - near)]
        self._asked += count
        points = np.vstack(parts)
        return np.ascontiguousarray(np.clip(points, 0.0, 1.0))

    def tell(self, points: F8, values: F8, violations: F8) -> None:
        """Learn from evaluated points, asked for or not.

        Args:
            points: f8[n, d].
            values: f8[n, m], minimised; finite.
            violations: f8[n], feasible when <= 0.
        """
        rows = np.asarray(points, dtype=np.float64)
        found = np.asarray(values, dtype=np.float64)
        beyond = np.asarray(violations, dtype=np.float64)
        shape = (len(rows), len(self.space))
        if rows.shape != shape or found.shape != (len(rows), self.objectives):
            raise ValueError(
                f"need [n, {len(self.space)}] points and [n, {self.objectives}] values, found "
                f"{rows.shape} and {found.shape}"
            )
        if beyond.shape != (len(rows),) or not np.isfinite(found).all():
            raise ValueError(f"need one violation a point and finite values, found {beyond.shape}")
        old = self._told
        self._told = _Told(
            np.vstack([old.points, rows]),
            np.vstack([old.values, found]),
            np.concatenate([old.violations, beyond]),
        )

    def best(self) -> F8:
        """Return f8[k, d], the feasible points that no feasible one dominates, best first."""
        told = self._told
        feasible = np.flatnonzero(told.violations <= 0.0)
        values = told.values[feasible]
        order = np.array(_ranked(values, np.zeros(len(values))), dtype=np.int64)
        front = _dominated(values)[order] == 0
        points: F8 = told.points[feasible[order[front]]]
        return points

    def _start(self, count: int) -> F8:
        if count == 0:
            return np.empty((0, len(self.space)))
        with warnings.catch_warnings():
            # A count that is no power of two costs balance, which nothing here relies on.
            warnings.simplefilter("ignore", UserWarning)
            return np.asarray(self._sobol.random(count))

    def _elite(self, limit: int | None) -> list[int]:
        told = self._told
        order = _ranked(told.values, np.maximum(0.0, told.violations))
        return order if limit is None else order[:limit]

    def _neighbours(self, count: int) -> F8:
        elite = self._elite(ELITE)
        if count == 0 or not elite:
            return self._start(count)
        fade = math.exp(-self.told / RADIUS_TRIALS)
        radius = RADIUS_LAST + (RADIUS_FIRST - RADIUS_LAST) * fade
        centres = self._told.points[[elite[each % len(elite)] for each in range(count)]]
        moved = centres + self._rng.normal(0.0, radius, centres.shape)
        # Mirrored at the walls: clipping would pile the points up there.
        folded = np.abs(np.mod(moved, 2.0))
        return np.where(folded > 1.0, 2.0 - folded, folded)

    def _modelled(self, count: int) -> F8:
        if count == 0:
            return np.empty((0, len(self.space)))
        study = self._study()
        names = [f"x{index}" for index in range(len(self.space))]
        distributions: dict[str, Any] = {name: FloatDistribution(0.0, 1.0) for name in names}
        trials: list[Trial] = [study.ask(distributions) for _ in range(count)]
        return np.array([[trial.params[name] for name in names] for trial in trials])

    def _study(self) -> optuna.Study:
        """Return an in-memory study of the points that matter most."""
        optuna.logging.set_verbosity(logging.ERROR)
        seed = int(self._rng.integers(2**31))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some options are called experimental
            study = optuna.create_study(
                directions=["minimize"] * self.objectives, sampler=self._sampler(seed)
            )
        study.add_trials(self._trials())
        return study

    def _sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        if self.objectives == 1:
            return optuna.samplers.TPESampler(
                seed=seed, multivariate=True, constant_liar=True, n_startup_trials=1
            )
        population = max(8, min(50, self.told // 2))
        return optuna.samplers.NSGAIISampler(seed=seed, population_size=population)

    def _trials(self) -> list[FrozenTrial]:
        told = self._told
        if self.told <= MODELLED_MAX:
            chosen = list(range(self.told))
        else:
            newest = range(self.told - MODELLED_MAX // 2, self.told)
            chosen = sorted({*self._elite(MODELLED_MAX // 2), *newest})
        distributions = {f"x{i}": FloatDistribution(0.0, 1.0) for i in range(len(self.space))}
        values = _penalised(told.values, told.violations)
        return [
            create_trial(
                state=TrialState.COMPLETE,
                params={f"x{i}": float(u) for i, u in enumerate(told.points[row])},
                distributions=dict(distributions),
                values=[float(value) for value in values[row]],
            )
            for row in chosen
        ]


def _penalised(values: F8, violations: F8) -> F8:
    """Return values in which every infeasible point is worse than the worst feasible one.

    Deb 2000 (Comput. Methods Appl. Mech. Engrg. 186, 311-338): the penalty has no parameter, and
    no sampler needs to know of constraints.
    """
    beyond = np.maximum(0.0, violations)
    feasible = beyond <= 0.0
    worst = values[feasible].max(0) if feasible.any() else values.max(0)
    return np.where(feasible[:, None], values, worst[None, :] + beyond[:, None])


def _dominated(values: F8) -> I8:
    """Return i8[n], by how many others each row of f8[n, m] is dominated."""
    better = (values[:, None, :] <= values[None, :, :]).all(2)
    strictly = (values[:, None, :] < values[None, :, :]).any(2)
    count: I8 = (better & strictly).sum(0)
    return count


def _ranked(values: F8, violations: F8) -> list[int]:
    """Return row numbers, best first: feasible, then undominated, then by mean rank."""
    if len(values) == 0:
        return []
    if values.shape[1] == 1:
        return list(np.lexsort((values[:, 0], violations)))
    spread = np.argsort(np.argsort(values, axis=0), axis=0).mean(1)
    return list(np.lexsort((spread, _dominated(values), violations)))
