"""How sure the optimizer may be that a candidate beats the incumbent on the next horizon.

The question is predictive, not inferential: not "is the mean difference positive?" but "will the
mean of the *next* horizon be positive?", so the noise of that horizon counts. It is asked of all
that is known of both sets: the window, and as much of the record before it. A slice counts by its
own volatility, and outliers are drawn in: a few wild slices else decide. A logistic regression
recalibrates the answer. Its coefficients were fitted on many simulated markets
(`python -m bench.confidence --fit`) and give way, slowly, to the outcomes of one's own decisions.
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
"""Largest logit of evidence; a few dozen slices cannot say more."""
CALM_MIN = 0.3
"""Least volatility that a slice is measured by, as a share of the median slice's."""
OUTLIER = 2.0
"""Deviations (1.4826 times the median one, from the median) beyond which gains are drawn in."""
PRIOR_FILE = "prior.json"
NEWTON_STEPS = 12


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the record says for a candidate.

    Attributes:
        ahead: logit of the predictive probability that the next horizon's mean gain is positive.
    """

    ahead: float

    def row(self) -> F8:
        """Return f8[2], what the regression sees: a constant, then the logit."""
        return np.array([1.0, self.ahead])


def evidence_of(gains: F8, sigmas: F8, *, ahead: float) -> Evidence:
    """Return the evidence of paired differences per slice.

    Args:
        gains: f8[slices], utility less the incumbent's.
        sigmas: f8[slices], volatility of each slice.
        ahead: length of the horizon in slices.
    """
    share = sigmas / max(float(np.median(sigmas)), 1e-12)
    scaled = gains / np.maximum(share, CALM_MIN)
    middle = float(np.median(scaled))
    reach = OUTLIER * 1.4826 * float(np.median(np.abs(scaled - middle)))
    # More than half of the slices alike: then there is no scale to call anything an outlier by.
    held = np.clip(scaled, middle - reach, middle + reach) if reach > 0.0 else scaled
    mean, error = (float(each[0]) for each in mean_error(held[None]))
    p = predictive(mean, error, slices=len(held), ahead=ahead)
    edge = 1.0 / (1.0 + math.exp(SURE_MAX))
    p = min(max(p, edge), 1.0 - edge)
    return Evidence(math.log(p / (1.0 - p)))


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
