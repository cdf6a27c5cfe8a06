"""Any Optuna sampler as a source: it sees what was told through a study of its own in memory."""

import logging
import warnings

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from agents.optimizer.archive import Archive
from market.types import F8

SEEN_MAX = 256
"""Points that the sampler is shown, half of them the best: most cost more with every point."""


class OptunaSource:
    """See the module.

    Args:
        sampler: any sampler; give it a seed, or the search cannot be repeated.
        name: under which credit is kept.
    """

    def __init__(self, sampler: optuna.samplers.BaseSampler, name: str = "optuna") -> None:
        self.name = name
        self.sampler = sampler

    def propose(self, archive: Archive, count: int, rng: np.random.Generator) -> F8:
        """Return f8[count, d]."""
        del rng
        names = [f"x{index}" for index in range(len(archive.space))]
        cube: dict[str, BaseDistribution] = {name: FloatDistribution(0.0, 1.0) for name in names}
        study = self._study(archive, cube)
        trials = [study.ask(cube) for _ in range(count)]
        return np.array([[trial.params[name] for name in names] for trial in trials])

    def _study(self, archive: Archive, cube: dict[str, BaseDistribution]) -> optuna.Study:
        """Return a study of the points that matter most."""
        optuna.logging.set_verbosity(logging.ERROR)
        rows = np.arange(len(archive))
        if len(rows) > SEEN_MAX:
            best = archive.order[: SEEN_MAX // 2]
            newest = rows[-SEEN_MAX // 2 :]
            rows = np.unique(np.concatenate([best, newest]))
        values = penalised(archive.values, archive.violations)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some options are called experimental
            study = optuna.create_study(
                directions=["minimize"] * archive.objectives, sampler=self.sampler
            )
        study.add_trials(
            [
                create_trial(
                    state=TrialState.COMPLETE,
                    params=dict(zip(cube, archive.points[row].tolist(), strict=True)),
                    distributions=dict(cube),
                    values=values[row].tolist(),
                )
                for row in rows
            ]
        )
        return study


def penalised(values: F8, violations: F8) -> F8:
    """Return values in which every infeasible point is worse than the worst feasible one.

    Deb 2000 (Comput. Methods Appl. Mech. Engrg. 186, 311-338): the penalty has no parameter, and
    no sampler needs to know of constraints.
    """
    beyond = np.maximum(0.0, violations)
    feasible = beyond <= 0.0
    worst = values[feasible].max(0) if feasible.any() else values.max(0)
    return np.where(feasible[:, None], values, worst[None, :] + beyond[:, None])
