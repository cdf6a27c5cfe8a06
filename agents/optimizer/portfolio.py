"""Our search as an Optuna sampler: `study.optimize`, its plots and its dashboard work unchanged.

study = optuna.create_study(directions=["minimize", "maximize"], sampler=PortfolioSampler(seed=1))
study.optimize(objective, n_trials=1000)
"""

import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from agents.optimizer.space import Dimension, Scale, Space
from agents.optimizer.tuner import Tuner
from market.types import F8

BATCH = 32
CONSTRAINTS = "counterpoint:violation"

Constraints = Callable[[FrozenTrial], Sequence[float]]


class PortfolioSampler(BaseSampler):
    """A tuner behind Optuna's interface.

    Points are asked for in batches and handed out one by one; what has finished meanwhile is told
    before the next batch. Parameters of a conditional space, which not every trial has, are drawn
    at random, as Optuna's own relative samplers do.

    Args:
        seed: of the tuner.
        batch: points asked for at once: more cost less, and know less of each other.
        space: distributions known beforehand; else the first trial, a random one, tells them.
        constraints: trial -> figures, each feasible when <= 0.
    """

    def __init__(
        self,
        *,
        seed: int,
        batch: int = BATCH,
        space: dict[str, BaseDistribution] | None = None,
        constraints: Constraints | None = None,
    ) -> None:
        self._seed, self._batch, self._constraints = seed, batch, constraints
        self._given = space
        self._seen = IntersectionSearchSpace()
        self._random = RandomSampler(seed=seed)
        self._lock = threading.Lock()
        self._tuner: Tuner | None = None
        self._space: dict[str, BaseDistribution] = {}
        self._queue: list[F8] = []
        self._asked: dict[int, F8] = {}
        self._told: set[int] = set()

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the parameters that every trial has."""
        del trial
        found = self._given or self._seen.calculate(study)
        return {name: each for name, each in found.items() if not each.single()}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the next point of the batch."""
        if not search_space:
            return {}
        with self._lock:
            if self._tuner is None or search_space != self._space:
                self._begin(study, search_space)
            tuner = self._tuner
            assert tuner is not None
            if not self._queue:
                self._tell(study, tuner)
                self._queue = list(tuner.ask(self._batch))
            point = self._queue.pop(0)
            self._asked[trial.number] = point
        values = tuner.space.decode(point[None])[0]
        return {
            name: _external(each, float(value))
            for (name, each), value in zip(search_space.items(), values, strict=True)
        }

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return a random value of a parameter that not every trial has."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Keep the violation of a finished trial in the study, where a later process finds it."""
        del values
        if self._constraints is None or state is not TrialState.COMPLETE:
            return
        figures = [float(each) for each in self._constraints(trial)]
        worst = max(figures, default=0.0)
        total = sum(max(0.0, each) for each in figures) if worst > 0.0 else worst
        study._storage.set_trial_system_attr(trial._trial_id, CONSTRAINTS, total)  # noqa: SLF001

    def _begin(self, study: optuna.Study, search_space: dict[str, BaseDistribution]) -> None:
        dimensions = tuple(_dimension(name, each) for name, each in search_space.items())
        self._space = dict(search_space)
        self._tuner = Tuner(
            Space(dimensions), len(study.directions), batch=self._batch, seed=self._seed
        )
        self._queue, self._asked, self._told = [], {}, set()

    def _tell(self, study: optuna.Study, tuner: Tuner) -> None:
        """Tell every finished trial that has all parameters and was not told before."""
        signs = np.array(
            [-1.0 if each is StudyDirection.MAXIMIZE else 1.0 for each in study.directions]
        )
        rows: list[F8] = []
        values: list[F8] = []
        beyond: list[float] = []
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            if trial.number in self._told or not set(self._space) <= set(trial.params):
                continue
            found = np.array(trial.values) * signs
            if not np.isfinite(found).all():
                continue
            self._told.add(trial.number)
            point = self._asked.pop(trial.number, None)
            if point is None:
                inner = [_internal(self._space[name], trial.params[name]) for name in self._space]
                point = tuner.space.encode(np.array([inner]))[0]
            rows.append(point)
            values.append(found)
            beyond.append(float(trial.system_attrs.get(CONSTRAINTS, 0.0)))
        if rows:
            tuner.tell(np.array(rows), np.array(values), np.array(beyond))


def _dimension(name: str, given: BaseDistribution) -> Dimension:
    if isinstance(given, CategoricalDistribution):
        return Dimension(name, 0.0, len(given.choices) - 1.0, Scale.CATEGORICAL)
    assert isinstance(given, (FloatDistribution, IntDistribution))
    if given.log:
        # Half an integer more on both sides, so that the ends are as likely as the others.
        edge = 0.5 if isinstance(given, IntDistribution) else 0.0
        return Dimension(name, given.low - edge, given.high + edge, Scale.LOG)
    if given.step is not None:
        return Dimension(
            name, 0.0, float(round((given.high - given.low) / given.step)), Scale.INTEGER
        )
    return Dimension(name, given.low, given.high)


def _external(given: BaseDistribution, value: float) -> Any:
    """Return what an objective sees of a decoded value."""
    if isinstance(given, CategoricalDistribution):
        return given.choices[round(value)]
    assert isinstance(given, (FloatDistribution, IntDistribution))
    if isinstance(given, IntDistribution):
        if given.log:
            return min(max(math.floor(value + 0.5), given.low), given.high)
        return given.low + round(value) * given.step
    if given.step is not None:
        return min(given.low + value * given.step, given.high)
    return min(max(value, given.low), given.high)


def _internal(given: BaseDistribution, value: Any) -> float:
    """Return the value to encode of what an objective saw."""
    if isinstance(given, CategoricalDistribution):
        return given.to_internal_repr(value)
    assert isinstance(given, (FloatDistribution, IntDistribution))
    if given.log or given.step is None:
        return float(value)
    return (float(value) - given.low) / given.step
