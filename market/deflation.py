"""How sure a Sharpe ratio is: its own noise, and what the best of many worthless ones would show.

Ratios here are per period, as the returns are; an annual one is divided by sqrt(periods a year)
first. Bailey and Lopez de Prado 2012, "The Sharpe ratio efficient frontier", Journal of Risk 15(2),
and 2014, "The deflated Sharpe ratio", Journal of Portfolio Management 40(5).
"""

import math
from statistics import NormalDist

from market.types import F8

EULER = 0.5772156649015329
NORMAL = NormalDist()
RETURNS_LEAST = 3


def sharpe_of_luck(trials: int, deviation: float) -> float:
    """Return the Sharpe ratio that the best of `trials` worthless candidates is expected to have.

    Bailey, Lopez de Prado 2014, equation 1.

    Args:
        trials: independent candidates tried, >= 1.
        deviation: standard deviation of the candidates' Sharpe ratios, per period as they are.
    """
    if trials < 1 or not deviation >= 0.0:
        raise ValueError(f"need trials >= 1 and a deviation >= 0, found {trials}, {deviation}")
    if trials == 1:
        return 0.0
    first = NORMAL.inv_cdf(1.0 - 1.0 / trials)
    second = NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e))
    return deviation * ((1.0 - EULER) * first + EULER * second)


def probable_sharpe(
    sharpe: float, benchmark: float, *, count: int, skewness: float, kurtosis: float
) -> float:
    """Return the probability that the true Sharpe ratio is above `benchmark`.

    Bailey, Lopez de Prado 2012: Phi((SR - SR*) sqrt(T - 1) / sqrt(1 - g3 SR + (g4 - 1) / 4 SR^2)).

    Args:
        sharpe, benchmark: per period.
        count: returns, >= 2.
        skewness: of the returns, 0 for normal ones.
        kurtosis: likewise, 3 for normal ones.
    """
    if count < 2:
        raise ValueError(f"need at least 2 returns, found {count}")
    variance = max(1e-12, 1.0 - skewness * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2)
    return NORMAL.cdf((sharpe - benchmark) * math.sqrt((count - 1) / variance))


def deflated_sharpe(returns: F8, *, trials: int, deviation: float) -> float:
    """Return the probability that the true Sharpe ratio of f8[t] beats that of luck.

    Bailey, Lopez de Prado 2014, equation 2: skewness and kurtosis of the returns count.

    Args:
        returns: f8[t], t >= 3, of the chosen candidate, one per period.
        trials, deviation: see `sharpe_of_luck`; every candidate ever tried counts.
    """
    count = len(returns)
    if count < RETURNS_LEAST:
        raise ValueError(f"need at least {RETURNS_LEAST} returns, found {count}")
    spread = float(returns.std(ddof=1))
    luck = sharpe_of_luck(trials, deviation)
    if spread == 0.0:
        return 0.0 if not returns.mean() > 0.0 else 1.0
    z = (returns - returns.mean()) / returns.std()
    return probable_sharpe(
        float(returns.mean()) / spread,
        luck,
        count=count,
        skewness=float((z**3).mean()),
        kurtosis=float((z**4).mean()),
    )
