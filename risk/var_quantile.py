"""Quantiles and tail means: of weighted observations, and of a Cornish-Fisher expansion."""

import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from market.types import F8

NORMAL = NormalDist()
TAIL_POINTS = 200
"""Midpoints over which the shortfall of an expansion is averaged."""
KURTOSIS_MAX = 7.0
"""Excess kurtosis beyond which the expansion is no longer monotone (Maillard 2012: below 8)."""


def weighted_tail(losses: F8, weights: F8, level: float) -> tuple[float, float]:
    """Return the quantile of weighted losses and the weighted mean from it upwards.

    One place is kept for the loss to come, with the weight of the youngest: of n equal weights the
    k-th largest loss is exceeded with probability k / (n + 1), exactly so when all are exchangeable
    (Weibull's plotting position). The plain quantile is exceeded too often in small samples. Where
    the tail is thinner than one observation, the largest loss stands for it.

    Args:
        losses: f8[n], oldest first.
        weights: f8[n], > 0, any scale.
        level: in (0.5, 1).
    """
    order = np.argsort(losses)[::-1]
    ranked, heavy = losses[order], weights[order]
    reached = np.cumsum(heavy) / (float(weights.sum()) + float(weights[-1]))
    bound = float(np.interp(1.0 - level, reached, ranked))
    beyond = ranked >= bound
    return bound, float(np.average(ranked[beyond], weights=heavy[beyond]))


def cornish_fisher_tail(
    losses: F8, scale: float, level: float, steps: int = 1
) -> tuple[float, float]:
    """Return quantile and tail mean of a loss with mean 0, a scale, and the shape of a sample.

    w = z + (z^2 - 1) S / 6 + (z^3 - 3 z) K / 24 - (2 z^3 - 5 z) S^2 / 36 for the normal quantile z,
    skewness S and excess kurtosis K (Cornish and Fisher 1938, Revue de l'Institut International de
    Statistique 5, 307-320; for value at risk: Zangari 1996, RiskMetrics Monitor, Q1, 5-12). Over n
    independent steps S falls by sqrt(n) and K by n. Both are held to where w rises with z.

    Args:
        losses: f8[n], whose shape is taken; their scale does not matter.
        scale: standard deviation of the loss to come.
        level: in (0.5, 1).
        steps: rows of the horizon.
    """
    spread = float(losses.std())
    if spread <= 0.0 or scale <= 0.0:
        return 0.0, 0.0
    unit = (losses - losses.mean()) / spread
    kurtosis = float(np.clip(np.mean(unit**4) - 3.0, 0.0, KURTOSIS_MAX * steps)) / steps
    skewness = float(np.mean(unit**3)) / math.sqrt(steps)
    while not rises(skewness, kurtosis):
        skewness *= 0.9
        kurtosis *= 0.99
    quantiles = expansion(normal_quantiles(level), skewness, kurtosis)
    return scale * float(quantiles[0]), scale * float(quantiles[1:].mean())


@lru_cache(maxsize=16)
def normal_quantiles(level: float) -> F8:
    """Return f8[1 + TAIL_POINTS]: the normal quantile at a level, then those of its tail."""
    above = level + (1.0 - level) * (np.arange(TAIL_POINTS) + 0.5) / TAIL_POINTS
    return np.array([NORMAL.inv_cdf(chance) for chance in (level, *above)])


def expansion(z: F8, skewness: float, kurtosis: float) -> F8:
    """Return the Cornish-Fisher quantiles of normal quantiles."""
    return np.asarray(
        z
        + (z**2 - 1.0) * skewness / 6.0
        + (z**3 - 3.0 * z) * kurtosis / 24.0
        - (2.0 * z**3 - 5.0 * z) * skewness**2 / 36.0
    )


def rises(skewness: float, kurtosis: float) -> bool:
    """Return whether the expansion is monotone: its derivative, a parabola in z, has no root.

    That derivative is a z^2 + b z + c with a = K / 8 - S^2 / 6, b = S / 3 and
    c = 1 - K / 8 + 5 S^2 / 36 (Maillard 2012, "A user's guide to the Cornish Fisher expansion").
    """
    a = kurtosis / 8.0 - skewness**2 / 6.0
    b = skewness / 3.0
    c = 1.0 - kurtosis / 8.0 + 5.0 * skewness**2 / 36.0
    return c > 0.0 and (a >= 0.0 and b * b <= 4.0 * a * c)
