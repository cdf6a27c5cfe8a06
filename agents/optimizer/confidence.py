"""How sure the optimizer may be that a candidate beats the incumbent on the next window.

The question is predictive, not inferential: not "is the mean difference positive?" but "will the
mean of the *next* window be positive?", so the noise of that window counts. Measured against
alternatives in the project's notes on search: asking this question was most of the gain. The
winner's curse is met by shrinking the winner's mean before it is asked.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from market.types import F8

DUE = 1.5
"""Error variances that the means must exceed before any of them is believed."""


@dataclass(frozen=True, slots=True)
class Paired:
    """Mean and standard error of paired slice differences, per candidate.

    Attributes:
        mean: f8[n].
        error: f8[n], standard error of the mean over slices.
        slices: number of paired differences behind each.
    """

    mean: F8
    error: F8
    slices: int


def paired(utilities: F8, incumbent: F8) -> Paired:
    """Return the paired differences of f8[n, slices] utilities to f8[slices]."""
    differences = np.asarray(utilities) - np.asarray(incumbent)[None, :]
    slices = differences.shape[1]
    deviation = np.std(differences, axis=1, ddof=1) if slices > 1 else np.zeros(len(differences))
    return Paired(np.mean(differences, axis=1), deviation / math.sqrt(max(1, slices)), slices)


def shrink(found: Paired) -> F8:
    """Return f8[n] in [0, 1]: how much of each mean to believe, by empirical Bayes.

    The true differences are taken as drawn around 0 (a candidate is as good as the incumbent)
    with a variance tau^2 that is what the means vary beyond their own errors; the posterior mean
    is tau^2 / (tau^2 + error^2) of the observed one (Efron, Morris 1973). Only the upper half
    speaks, tau^2 = 2 mean(max(0, mean)^2) - 1.5 mean(error^2): around an optimum most candidates
    are worse by much, which is no evidence for the one that looks better by a little. The half
    error beyond the due one is what this estimate of tau^2 itself errs by with two dozen
    candidates.
    """
    error2 = found.error**2
    if len(error2) == 0:
        return np.zeros(0)
    upward = 2.0 * float(np.mean(np.maximum(0.0, found.mean) ** 2))
    tau2 = max(0.0, upward - DUE * float(np.mean(error2)))
    total = tau2 + error2
    return np.where(total > 0.0, tau2 / np.where(total > 0.0, total, 1.0), 0.0)


def predictive(mean: float, error: float, *, slices: int, ahead: float) -> float:
    """Return p = T_{n-1}(z / sqrt(1 + n_in / n_out)), z = mean / error.

    Args:
        mean: of the paired differences, shrunk or not.
        error: standard error of that mean, >= 0.
        slices: n_in, paired differences behind the mean; fewer than 2 tell nothing: 0.5.
        ahead: n_out, length of the next window in slices, > 0.
    """
    if slices < 2 or not ahead > 0 or not math.isfinite(mean):
        return 0.5
    if error == 0.0:
        return 0.5 if mean == 0.0 else float(mean > 0.0)
    z = mean / error
    return float(stdtr(slices - 1, z / math.sqrt(1.0 + slices / ahead)))
