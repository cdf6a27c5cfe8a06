"""Fill curves from counts: chance of a fill by depth, monotone, as smooth as the counts allow.

The candidates are the exponential under either fill law and a penalised curve of log(rate), and
the information criterion of Schwarz decides; that of Akaike decides how smooth, and whether both
sides share one curve. Nothing here knows which law a market follows.
"""

import math
from dataclasses import dataclass

import numpy as np

from market.stylised_smooth import BAND, ETA_HIGH, ETA_LOW, smooth_curve
from market.types import F8

CHANCE_LOW, CHANCE_HIGH = 1e-12, 1.0 - 1e-12
CERTAIN = 1.0 - 1e-9
SMOOTHINGS = np.logspace(8.0, -12.0, 21)
ROUNDS = 40
AROUND, GAP = 6, 0.4  # nodes to either side, and the part of their mean gap that is too near
SHARED_SLACK = 4.0  # in units of the criterion: sides are apart only when the counts say so


@dataclass(frozen=True, slots=True)
class Curve:
    """Chance of a fill within one step, f8[points] by f8[points] rising depths.

    `intensity` (times dt) and `decay` are those of the exponential nearest to the counts;
    `criterion` is Akaike's, smaller is better.
    """

    depths: F8
    chances: F8
    intensity: float
    decay: float
    kind: str
    criterion: float


def fit_sides(depths: F8, counts: F8, grid: F8) -> tuple[Curve, Curve]:
    """Fit the curves of bid and ask.

    Args:
        depths: f8[nodes], rising.
        counts: f8[2, 3, nodes]; (bid, ask) x (trials, fills, certain misses), as of `share_out`.
        grid: f8[points], rising, where the curves are wanted.
    """
    bid, ask, shared = (
        fit_curve(depths, each, grid) for each in (counts[0], counts[1], counts[0] + counts[1])
    )
    apart = bid.criterion + ask.criterion
    # Likelihoods of pooled counts compare with the sum of both sides: same fills, same trials.
    return (shared, shared) if shared.criterion <= apart + SHARED_SLACK else (bid, ask)


def fit_curve(depths: F8, counts: F8, grid: F8) -> Curve:
    """Fit one curve to (trials, fills, certain misses): the candidate of smallest criterion."""
    seen = counts[0] > 0
    x, (n, k, misses) = depths[seen], counts[:, seen]
    k = np.clip(k, 0.0, n)
    level, decay = _exponential(x, n, k)
    found = [("poisson", 2.0, _chance(level - decay * x), _chance(level - decay * grid))]
    top, slope = _linear_law(x, n, k, misses, level=level, decay=decay)
    found.append(("linear", 2.0, _capped(top - slope * x), _capped(top - slope * grid)))
    if len(x) > 2 * AROUND:
        from scipy.interpolate import PchipInterpolator

        near, trials_near, fills_near = merged(x, n, k)
        eta = level - decay * near
        cost, log_rate = _smooth(near, trials_near, fills_near, eta, 1.0 / decay)
        line = PchipInterpolator(near, log_rate)
        at_x, at_grid = (line(np.clip(each, near[0], near[-1])) for each in (x, grid))
        found.append(("smooth", cost, _chance(at_x), _chance(at_grid)))
    # Schwarz's criterion: what Akaike's would rather have smooth wavers within its error.
    dear = math.log(float(n.sum()))
    scored = [
        (cost * dear - 2.0 * likelihood, 2.0 * cost - 2.0 * likelihood, kind, q)
        for kind, cost, p, q in found
        for likelihood in (_likelihood(n, k, misses, p),)
    ]
    _, criterion, kind, chances = min(scored, key=lambda each: each[0])
    if kind == "linear":
        level, decay = top, slope
    return Curve(grid, chances, float(np.exp(level)), float(decay), kind, float(criterion))


def merged(x: F8, n: F8, k: F8) -> tuple[F8, F8, F8]:
    """Return nodes and counts with those merged that stand far nearer than their neighbours do.

    Third differences of nodes that nearly coincide are so large that nothing is left of the
    counts beside them, in figures of sixteen digits.
    """
    last = len(x) - 1
    around = np.arange(len(x))
    high, low = np.minimum(around + AROUND, last), np.maximum(around - AROUND, 0)
    gaps = GAP * (x[high] - x[low]) / (high - low)
    begins = [0]
    for i in range(1, len(x)):
        if x[i] - x[begins[-1]] >= gaps[i]:
            begins.append(i)
    trials, fills = np.add.reduceat(n, begins), np.add.reduceat(k, begins)
    return np.add.reduceat(x * n, begins) / trials, trials, fills


def _chance(eta: F8) -> F8:
    return np.clip(-np.expm1(-np.exp(np.clip(eta, ETA_LOW, ETA_HIGH))), CHANCE_LOW, CHANCE_HIGH)


def _capped(log_rate: F8) -> F8:
    return np.exp(np.clip(log_rate, np.log(CHANCE_LOW), np.log(CHANCE_HIGH)))


def _likelihood(n: F8, k: F8, misses: F8, p: F8) -> float:
    # Where a law says that fills are certain, an unclear step was one. Its share came from other
    # chances; held against the law, that share would rule it out whatever the truth.
    k = np.where(p >= CERTAIN, n - misses, k)
    return float(np.sum(k * np.log(p) + (n - k) * np.log1p(-p)))


def _exponential(x: F8, n: F8, k: F8) -> tuple[float, float]:
    """Return (log(intensity dt), decay) of the likeliest 1 - exp(-A dt exp(-k d))."""
    centre, scale = float(np.average(x, weights=n)), float(x[-1] - x[0])
    u = (x - centre) / scale
    eta = np.log(-np.log1p(-np.clip((k + 0.5) / (n + 1.0), 0.0, 0.999)))
    level = slope = 0.0
    for _ in range(ROUNDS):
        eta = np.clip(eta, ETA_LOW, ETA_HIGH)
        rate, p = np.exp(eta), _chance(eta)
        steep = np.maximum(rate * np.exp(-rate), 1e-12)
        w = n * steep * steep / (p * (1.0 - p))
        y = eta + np.clip((k / n - p) / steep, -2.0, 2.0)
        total, first = float(w.sum()), float((w * u).sum())
        second, cross = float((w * u * u).sum()), float((w * u * y).sum())
        spread = max(1e-12 * second, second - first * first / total)
        before = slope
        slope = (cross - first * float((w * y).sum()) / total) / spread
        level = (float((w * y).sum()) - slope * first) / total
        eta = level + slope * u
        if abs(slope - before) < 1e-9 * (1.0 + abs(slope)):
            break
    decay = max(-slope / scale, 1e-9 / scale)
    return level + decay * centre, decay


def _linear_law(
    x: F8, n: F8, k: F8, misses: F8, *, level: float, decay: float
) -> tuple[float, float]:
    """Return (log(intensity dt), decay) of the likeliest min(1, A dt exp(-k d))."""
    from scipy.optimize import minimize

    def cost(point: F8) -> float:
        return -_likelihood(n, k, misses, _capped(point[0] - abs(point[1]) * x)) / float(n.sum())

    below = (k >= 1.0) & (k < 0.9 * n)
    starts = [(level, decay)]
    if below.sum() >= 2:
        line = np.polyfit(x[below], np.log(k[below] / n[below]), 1, w=np.sqrt(k[below]))
        starts.append((float(line[1]), float(-line[0])))
    best = np.array(min(starts, key=lambda each: cost(np.array(each))))
    options = {"xatol": 1e-9, "fatol": 1e-14, "maxiter": 300}
    found = minimize(cost, best, method="Nelder-Mead", options=options).x
    return float(found[0]), float(max(abs(found[1]), 1e-12))


def _smooth(x: F8, n: F8, k: F8, eta: F8, scale: float) -> tuple[float, F8]:
    """Return (effective parameters, log(rate) at x) of a penalised curve, falling.

    log(rate) at every node, with the squared third derivative held down (Whittaker 1923, Eilers
    and Marx 1996); the weight of the penalty by the same criterion. The derivative is taken by
    depth and by its logarithm (in `scale`), in which a power law is as straight as an exponential
    is in the other.
    """
    from scipy.optimize import isotonic_regression

    weights, room = np.empty(len(x)), np.empty((2 * BAND + 3, len(x)))
    best: tuple[float, float, F8, F8] | None = None
    for axis in (x, np.log1p((x - x[0]) / scale)):
        penalty = roughness(axis)
        now = np.clip(eta, ETA_LOW, ETA_HIGH)
        for smoothing in SMOOTHINGS:
            likelihood, cost = smooth_curve(n, k, penalty, smoothing, now, weights, room)
            criterion = 2.0 * cost - 2.0 * likelihood
            if best is None or criterion < best[0]:
                best = (criterion, cost, now.copy(), weights.copy())
    assert best is not None
    _, cost, now, weights = best
    falling = isotonic_regression(now, weights=np.maximum(weights, 1e-9), increasing=False).x
    return cost, np.array(falling)


def roughness(x: F8) -> F8:
    """Return the lower bands, f8[4, nodes], of the summed square of the third derivative.

    Divided differences on uneven nodes, the whole span counting as 1.
    """
    u = (x - x[0]) / (x[-1] - x[0])
    rows = np.zeros((len(x), len(x)))
    np.fill_diagonal(rows, 1.0)
    for order in range(1, BAND + 1):
        rows = np.diff(rows, axis=0) * (order / (u[order:] - u[:-order]))[:, None]
    bands = np.zeros((BAND + 1, len(x)))
    for start, span in enumerate((u[BAND:] - u[:-BAND]) / BAND):
        part = rows[start, start : start + BAND + 1]
        for k in range(BAND + 1):
            bands[k, start : start + BAND + 1 - k] += span * part[k:] * part[: BAND + 1 - k]
    return bands
