"""How sure the optimizer may be that a candidate beats the incumbent on the next horizon.

The question is predictive, not inferential: not "is the mean difference positive?" but "will the
mean of the *next* horizon be positive?", so the noise of that horizon counts. It is asked twice, of
the slices that the candidate was chosen on and of those that it was tested on; a logistic
regression makes one probability of both and of the spread captured. Its coefficients were fitted
on many simulated markets (`python -m bench.confidence --fit`) and give way, slowly, to the outcomes
of one's own decisions.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Self

import numpy as np

from agents.optimizer.objectives import mean_error
from market.types import F8

SURE_MAX = 6.0
"""Largest logit of evidence; two dozen slices cannot say more."""
CAPTURED_MAX = 10.0
PRIOR_FILE = "prior.json"
NEWTON_STEPS = 12


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the slices of one window say for a candidate.

    Attributes:
        trained: logit of the predictive probability by the slices that it was chosen on.
        tested: the same by those it was not chosen on.
        captured: t-statistic of the spread captured less fees, per unit of inventory, over all
            slices: it says less than the profit, but says it surely, for what mid did to the
            inventory is left out.
    """

    trained: float
    tested: float
    captured: float

    def row(self) -> F8:
        """Return f8[4], what the regression sees: a constant, then the three."""
        return np.array([1.0, self.trained, self.tested, self.captured])


def evidence_of(trained: F8, tested: F8, captured: F8, *, ahead: float) -> Evidence:
    """Return the evidence of paired differences per slice.

    Args:
        trained, tested: f8[slices], utility less the incumbent's.
        captured: f8[slices], see `objectives.captured`.
        ahead: length of the horizon in slices.
    """

    def logit(gains: F8) -> float:
        mean, error = mean_error(gains[None])
        p = predictive(float(mean[0]), float(error[0]), slices=len(gains), ahead=ahead)
        edge = 1.0 / (1.0 + math.exp(SURE_MAX))
        p = min(max(p, edge), 1.0 - edge)
        return math.log(p / (1.0 - p))

    mean, error = (float(each[0]) for each in mean_error(captured[None]))
    surely = min(max(mean / error, -CAPTURED_MAX), CAPTURED_MAX) if error > 0.0 else 0.0
    return Evidence(logit(trained), logit(tested), surely)


def predictive(mean: float, error: float, *, slices: int, ahead: float) -> float:
    """Return p = T_{n-1}(z / sqrt(1 + n_in / n_out)), z = mean / error.

    Args:
        mean: of the paired differences.
        error: standard error of that mean, >= 0.
        slices: n_in, paired differences behind the mean; fewer than 2 tell nothing: 0.5.
        ahead: n_out, length of the next window in slices, > 0.
    """
    if slices < 2 or not ahead > 0 or not math.isfinite(mean):
        return 0.5
    if error == 0.0:
        return 0.5 if mean == 0.0 else float(mean > 0.0)
    # Loaded only here, and not before an optimizer that was killed has joined again.
    from scipy.special import stdtr

    z = mean / error
    return float(stdtr(slices - 1, z / math.sqrt(1.0 + slices / ahead)))


@dataclass(frozen=True, slots=True)
class Calibrator:
    """A logistic regression, known as well as `precision` says.

    Attributes:
        weights: of `Evidence.row`.
        precision: rows of the inverse covariance of the weights.
    """

    weights: tuple[float, ...]
    precision: tuple[tuple[float, ...], ...]

    @classmethod
    def shipped(cls) -> Self:
        """Return the calibrator that was fitted on simulated markets."""
        text = (files("agents.optimizer") / PRIOR_FILE).read_text(encoding="utf-8")
        held = json.loads(text)
        return cls(tuple(held["weights"]), tuple(tuple(row) for row in held["precision"]))

    def probability(self, evidence: Evidence) -> float:
        """Return the confidence in a candidate."""
        return 1.0 / (1.0 + math.exp(-float(np.dot(self.weights, evidence.row()))))

    def updated(self, known: Sequence[tuple[Evidence, bool]], *, weight: float) -> Self:
        """Return the calibrator after outcomes of one's own: the most likely weights (Newton).

        Args:
            known: evidence of decisions, and whether they won.
            weight: of one outcome, in (0, 1]; horizons that overlap tell less.
        """
        if not known:
            return self
        rows = np.array([each.row() for each, _ in known])
        won = [each for _, each in known]
        prior, precision = np.array(self.weights), np.array(self.precision)
        y = np.array(won, dtype=np.float64)
        weights = prior.copy()
        for _ in range(NEWTON_STEPS):
            p = 1.0 / (1.0 + np.exp(-rows @ weights))
            slope = weight * rows.T @ (p - y) + precision @ (weights - prior)
            curve = weight * (rows * (p * (1.0 - p))[:, None]).T @ rows + precision
            weights = weights - np.linalg.solve(curve, slope)
        return type(self)(tuple(weights.tolist()), tuple(tuple(row) for row in curve.tolist()))
