"""Kernels of a penalised curve: log(rate) by node, likeliest under counts, rough at a price.

The penalty couples a node with three neighbours, so every system is banded: a curve of n nodes
costs O(n) a round, and no library decides by its number of threads what the last digit is.
"""

import math

from market.jit import kernel
from market.types import F8

ETA_LOW, ETA_HIGH = -25.0, 3.3  # log(rate dt): chances from 1e-11 to 1 - 1e-12
BAND = 3
ROUNDS_MAX = 60
SETTLED = 1e-7
STEP_MAX = 1.5  # a saturated node must not jump


@kernel
def bounded_chance(eta: float) -> float:
    """Return 1 - exp(-exp(eta)), eta held to [ETA_LOW, ETA_HIGH]."""
    return -math.expm1(-math.exp(min(ETA_HIGH, max(ETA_LOW, eta))))


@kernel
def factor_banded(bands: F8) -> None:
    """Turn the lower bands of a positive matrix into those of L and D, A = L D L', in place.

    Args:
        bands: f8[BAND + 1, n]; bands[k, i] = A[i + k, i].
    """
    n = bands.shape[1]
    for i in range(n):
        pivot = bands[0, i]
        for k in range(1, BAND + 1):
            if i + k < n:
                share = bands[k, i] / pivot
                for l in range(k, BAND + 1):
                    if i + l < n:
                        bands[l - k, i + k] -= share * bands[l, i]
        for k in range(1, BAND + 1):
            bands[k, i] = bands[k, i] / pivot if i + k < n else 0.0


@kernel
def solve_banded(bands: F8, right: F8) -> None:
    """Solve L D L' x = right in place."""
    n = bands.shape[1]
    for i in range(n):
        for k in range(1, min(BAND, n - 1 - i) + 1):
            right[i + k] -= bands[k, i] * right[i]
    for back in range(n):
        i = n - 1 - back
        right[i] /= bands[0, i]
        for k in range(1, min(BAND, n - 1 - i) + 1):
            right[i] -= bands[k, i] * right[i + k]


@kernel
def inverse_diagonal(bands: F8, inverse: F8) -> None:
    """Write the inverse within the band, from its factors (Takahashi, Fagan, Chin 1973).

    Args:
        bands: f8[BAND + 1, n]; L and D.
        inverse: f8[BAND + 1, n]; inverse[k, i] = inverse of A at (i + k, i); written.
    """
    n = bands.shape[1]
    for back in range(n):
        i = n - 1 - back
        reach = min(BAND, n - 1 - i)
        for down in range(reach + 1):
            j = reach - down
            total = 1.0 / bands[0, i] if j == 0 else 0.0
            for k in range(1, reach + 1):
                low, high = min(k, j), max(k, j)
                total -= bands[k, i] * inverse[high - low, i + low]
            inverse[j, i] = total


@kernel
def smooth_curve(
    trials: F8, fills: F8, penalty: F8, smoothing: float, eta: F8, weights: F8, room: F8
) -> tuple[float, float]:
    """Fit log(rate) by node; return (log likelihood, effective parameters).

    Fisher scoring of binomial counts with the complementary log-log link.

    Args:
        trials, fills: f8[n].
        penalty: f8[BAND + 1, n]; lower bands of the roughness.
        smoothing: weight of the penalty.
        eta: f8[n]; where to begin, changed to the fit.
        weights: f8[n]; information by node, written.
        room: f8[2 BAND + 3, n].
    """
    n = trials.shape[0]
    bands, inverse, right = room[: BAND + 1], room[BAND + 1 : 2 * BAND + 2], room[2 * BAND + 2]
    for _ in range(ROUNDS_MAX):
        heaviest = 0.0
        for i in range(n):
            rate = math.exp(eta[i])
            chance = bounded_chance(eta[i])
            slope = max(1e-12, rate * math.exp(-rate))
            weights[i] = trials[i] * slope * slope / (chance * (1.0 - chance))
            heaviest = max(heaviest, weights[i])
            step = (fills[i] / trials[i] - chance) / slope
            right[i] = weights[i] * (eta[i] + min(STEP_MAX, max(-STEP_MAX, step)))
        for i in range(n):
            for k in range(BAND + 1):
                bands[k, i] = smoothing * penalty[k, i]
            bands[0, i] += weights[i] + 1e-10 * heaviest
        factor_banded(bands)
        solve_banded(bands, right)
        change = 0.0
        for i in range(n):
            after = min(ETA_HIGH, max(ETA_LOW, right[i]))
            # In units of its own error: a node that hardly says anything need not settle.
            change = max(change, abs(after - eta[i]) * min(1.0, math.sqrt(weights[i])))
            eta[i] = after
        if change < SETTLED:
            break
    inverse_diagonal(bands, inverse)
    likelihood = parameters = 0.0
    for i in range(n):
        chance = bounded_chance(eta[i])
        likelihood += fills[i] * math.log(chance)
        likelihood += (trials[i] - fills[i]) * math.log1p(-chance)
        parameters += weights[i] * inverse[0, i]
    return likelihood, parameters
