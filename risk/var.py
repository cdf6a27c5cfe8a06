"""Value at risk and expected shortfall of signed exposures, as pure functions of past returns.

Three methods answer one question: which loss over the horizon is exceeded with probability
1 - level, and how large is the loss when it is.

    historical  past portfolio returns, younger ones heavier: weights a^age
                (Boudoukh, Richardson, Whitelaw 1998, "The best of both worlds", Risk 11(5), 64-67)
    normal      EWMA volatility, s2 <- d s2 + (1 - d) r^2 (RiskMetrics Technical Document 1996,
                section 5.2), shrunk correlation, Cornish-Fisher quantile (`var_quantile.py`)
    filtered    past returns in units of their own forecast volatility, times the volatility now
                (Barone-Adesi, Giannopoulos, Vosper 1999, "VaR without correlations for portfolios
                of derivative securities", J. Futures Markets 19, 583-602); the residuals of all
                symbols at one time stay together, so no correlation has to be assumed

Units: a return is a fraction, an exposure is signed money (long > 0), results are money, and a
loss is positive. Row k of the returns is one horizon; a longer one is `steps` rows, over which the
volatility goes back to its mean at the pace of the decay.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import numpy as np
from numpy.random import Generator

from market.types import F8
from risk.var_covariance import shrunk_correlation
from risk.var_quantile import cornish_fisher_tail, weighted_tail

ROWS_MIN = 100
"""Fewer past returns say nothing of a tail."""
SEED_ROWS = 50
"""Rows that the first volatility is taken from; their residuals are not used."""
PATHS = 10_000
FLOOR = 1e-12
"""Least volatility of one row, a fraction: a market that stood still divides by no zero."""


class Method(StrEnum):
    """How a tail is estimated."""

    HISTORICAL = "historical"
    NORMAL = "normal"
    FILTERED = "filtered"


@dataclass(frozen=True, slots=True)
class Model:
    """A method with its settings; the default is the one that `bench.risk` holds to its tests.

    Attributes:
        method: of the three.
        decay: d of the EWMA volatility, in (0, 1); `historical` has none.
        age_decay: a of the age weights, in (0, 1]; only `historical` has them.
        window: rows that are looked back at, >= ROWS_MIN.
    """

    method: Method = Method.FILTERED
    decay: float = 0.97
    age_decay: float = 0.995
    window: int = 500

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        if not 0.0 < self.decay < 1.0:
            raise ValueError(f"decay must be in (0, 1), found {self.decay}")
        if not 0.0 < self.age_decay <= 1.0:
            raise ValueError(f"age_decay must be in (0, 1], found {self.age_decay}")
        if self.window < ROWS_MIN:
            raise ValueError(f"window must be at least {ROWS_MIN}, found {self.window}")


DEFAULT = Model()


@dataclass(frozen=True, slots=True)
class Tail:
    """The tail of a loss.

    Attributes:
        value_at_risk: loss exceeded with probability 1 - level; >= 0.
        shortfall: mean of the losses beyond it; >= value_at_risk.
        level: in (0.5, 1).
        rows: past returns that it rests on.
        steps: rows of the horizon.
    """

    value_at_risk: float
    shortfall: float
    level: float
    rows: int
    steps: int = 1


def tail(
    returns: F8,
    exposures: F8,
    *,
    level: float,
    model: Model = DEFAULT,
    steps: int = 1,
    rng: Generator | None = None,
) -> Tail:
    """Estimate the tail of the loss over the next `steps` rows.

    Args:
        returns: f8[n, symbols], oldest first; only the last `model.window` are looked at.
        exposures: f8[symbols], signed money.
        level: 0.95 or 0.99, say; in (0.5, 1).
        model: what to believe.
        steps: rows of the horizon, >= 1.
        rng: draws the paths of `filtered` when there is more than one step.

    Raises:
        ValueError: shapes, ranges, figures that are not finite, or too few rows.
    """
    demand(returns, exposures, level, steps)
    past = returns[-model.window :]
    if model.method is Method.HISTORICAL:
        losses = -(past @ exposures) * math.sqrt(steps)
        ages = np.arange(len(losses) - 1, -1, -1, dtype=np.float64)
        figures = weighted_tail(losses, np.power(model.age_decay, ages), level)
        return _tail(figures, level, len(past), steps)
    sigmas = volatilities(past, model.decay)
    residuals = past[SEED_ROWS:] / sigmas[SEED_ROWS:-1]
    means = (past * past).mean(axis=0) / np.maximum((residuals * residuals).mean(axis=0), FLOOR)
    ahead = np.sqrt(variances_ahead(sigmas[-1] ** 2, means, model.decay, steps)) * exposures
    match model.method:
        case Method.NORMAL:
            unit = np.sqrt((residuals * residuals).mean(axis=0))
            near = ahead * unit
            correlation = shrunk_correlation(residuals)
            scale = math.sqrt(max(0.0, float(np.einsum("ki,ij,kj->", near, correlation, near))))
            figures = cornish_fisher_tail(-(residuals @ ahead[0]), scale, level, steps)
        case Method.FILTERED if steps == 1:
            losses = -(residuals @ ahead[0])
            figures = weighted_tail(losses, np.ones(len(losses)), level)
        case Method.FILTERED:
            if rng is None:
                raise ValueError("a horizon of several steps draws its paths: give an rng")
            losses = path_losses(residuals, ahead, rng)
            figures = weighted_tail(losses, np.ones(len(losses)), level)
        case _:
            assert_never(model.method)
    return _tail(figures, level, len(past), steps)


def _tail(figures: tuple[float, float], level: float, rows: int, steps: int) -> Tail:
    """Return a tail that is no gain, with a shortfall that is no smaller than its bound."""
    bound = max(0.0, figures[0])
    return Tail(bound, max(bound, figures[1]), level, rows, steps)


def demand(returns: F8, exposures: F8, level: float, steps: int) -> None:
    """Refuse what no tail can be estimated from.

    Raises:
        ValueError: what, allowed, found.
    """
    if returns.ndim != 2 or exposures.shape != returns.shape[1:]:
        raise ValueError(
            f"returns are f8[n, symbols] and exposures f8[symbols], found {returns.shape} "
            f"and {exposures.shape}"
        )
    if len(returns) < ROWS_MIN:
        raise ValueError(f"at least {ROWS_MIN} past returns are needed, found {len(returns)}")
    if not (np.isfinite(returns).all() and np.isfinite(exposures).all()):
        raise ValueError("returns and exposures must be finite")
    if not 0.5 < level < 1.0:
        raise ValueError(f"level must be in (0.5, 1), found {level}")
    if steps < 1:
        raise ValueError(f"steps must be at least 1, found {steps}")


def volatilities(returns: F8, decay: float) -> F8:
    """Return f8[n + 1, symbols]: the volatility forecast for each row and for the one to come.

    Row k knows the rows before k only, except that the first SEED_ROWS share their own mean square.
    """
    from scipy.signal import lfilter  # a third of an executor's start, which never needs it

    squares = returns * returns
    first = squares[:SEED_ROWS].mean(axis=0)
    kept = lfilter([1.0 - decay], [1.0, -decay], squares, axis=0, zi=decay * first[None, :])[0]
    variances = np.vstack([first[None, :], kept])
    return np.asarray(np.sqrt(np.maximum(variances, FLOOR * FLOOR)))


def variances_ahead(now: F8, means: F8, decay: float, steps: int) -> F8:
    """Return f8[steps, symbols]: mean + (now - mean) d^k for k = 0 .. steps - 1.

    An EWMA alone would keep today's variance for ever, which a horizon of a day does not bear out.
    """
    return np.asarray(means + (now - means) * decay ** np.arange(steps)[:, None])


def path_losses(residuals: F8, ahead: F8, rng: Generator) -> F8:
    """Return f8[PATHS]: losses whose residuals are drawn from the past, a row for each step.

    Args:
        residuals: f8[n, symbols].
        ahead: f8[steps, symbols], volatility times exposure.
        rng: draws the rows.
    """
    losses = np.zeros(PATHS)
    for near in ahead:
        losses -= (residuals @ near)[rng.integers(0, len(residuals), PATHS)]
    return losses
