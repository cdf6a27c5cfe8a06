"""How sure the optimizer may be that a candidate beats the incumbent on the next window.

The question is predictive, not inferential: not "is the mean difference positive?" but "will the
mean of the *next* window be positive?", so the noise of that window counts. Measured against
alternatives in the project's notes on search: asking this question was most of the gain. The
winner's curse is met by shrinking the winner's mean before it is asked.
"""

import math
from dataclasses import dataclass

import numpy as np

from market.types import F8

DUE = 1.5
"""What the upper half of squared z must exceed, doubled, in units of what noise gives on average,
before any candidate is believed: with two dozen of them that average itself errs by half."""


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


def shrink(found: Paired) -> float:
    """Return how much of the winner's mean to believe, in [0, 1), by empirical Bayes.

    In units of its own error each observed mean is z = true + noise of variance 1. The true part
    is taken as drawn around 0 (a candidate is as good as the incumbent) with a variance s^2 that
    is what the z vary beyond noise; the posterior mean is s^2 / (s^2 + 1) of the observed one
    (Efron, Morris 1973). Only the upper half speaks, s^2 = 2 mean(max(0, z)^2) - 1.5 v, where
    v = (n - 1) / (n - 3) is the variance of Student's t over n slices: around an optimum most
    candidates are worse by much, which is no evidence for the one that looks better by a little.
    """
    known = found.error > 0.0
    if found.slices <= 3 or not known.any():
        return 0.0
    noise = (found.slices - 1) / (found.slices - 3)
    z = found.mean[known] / found.error[known]
    signal = max(0.0, 2.0 * float(np.mean(np.maximum(0.0, z) ** 2)) - DUE * noise)
    return signal / (signal + 1.0)


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
    # Loaded only here, and not before an optimizer that was killed has joined again.
    from scipy.special import stdtr

    z = mean / error
    return float(stdtr(slices - 1, z / math.sqrt(1.0 + slices / ahead)))
