"""How much of a result is the search's own doing: three diagnostics beside every result.

None of them is a confidence (`confidence.py`): they say whether the best of many is better than the
best of as many worthless ones would look.
"""

import math
from itertools import combinations

import numpy as np

from market.types import F8, I8

EULER = 0.5772156649015329
BLOCKS_MAX = 16
"""12 870 splits; two blocks more are four times as many."""


def sharpe_of_luck(trials: int, deviation: float) -> float:
    """Return the Sharpe ratio that the best of `trials` worthless candidates is expected to have.

    Bailey, Lopez de Prado 2014, "The deflated Sharpe ratio", equation 1.

    Args:
        trials: independent candidates tried, >= 1.
        deviation: standard deviation of the candidates' Sharpe ratios, per period as they are.
    """
    if trials < 1 or not deviation >= 0.0:
        raise ValueError(f"need trials >= 1 and a deviation >= 0, found {trials}, {deviation}")
    if trials == 1:
        return 0.0
    from scipy.special import ndtri

    first, second = ndtri(1.0 - 1.0 / trials), ndtri(1.0 - 1.0 / (trials * math.e))
    return deviation * float((1.0 - EULER) * first + EULER * second)


def deflated_sharpe(returns: F8, *, trials: int, deviation: float) -> float:
    """Return the probability that the true Sharpe ratio of f8[t] beats that of luck.

    Bailey, Lopez de Prado 2014, equation 2: skewness and kurtosis of the returns count.

    Args:
        returns: f8[t], t >= 3, of the chosen candidate, one per period.
        trials, deviation: see `sharpe_of_luck`; every candidate ever tried counts.
    """
    count = len(returns)
    if count < 3:
        raise ValueError(f"need at least 3 returns, found {count}")
    spread = float(returns.std(ddof=1))
    luck = sharpe_of_luck(trials, deviation)
    if spread == 0.0:
        return 0.0 if not returns.mean() > 0.0 else 1.0
    from scipy.special import ndtr

    sharpe = float(returns.mean()) / spread
    z = (returns - returns.mean()) / returns.std()
    skewness, kurtosis = float((z**3).mean()), float((z**4).mean())
    variance = max(1e-12, 1.0 - skewness * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2)
    return float(ndtr((sharpe - luck) * math.sqrt(count - 1) / math.sqrt(variance)))


def backtest_overfitting(returns: F8, *, blocks: int = BLOCKS_MAX) -> tuple[float, F8]:
    """Return the probability of backtest overfitting and the logits of all splits.

    Bailey, Borwein, Lopez de Prado, Zhu 2017, CSCV: the periods are cut into blocks; for each half
    of them the candidate with the best Sharpe ratio there is ranked on the other half. The
    probability is the share of splits in which it lies at or below the median: 0.5 for noise.

    Args:
        returns: f8[t, n], n >= 2 candidates; rows beyond a multiple of `blocks` are left out.
        blocks: even, in [2, BLOCKS_MAX].
    """
    length, count = len(returns) // max(1, blocks), returns.shape[1]
    if blocks % 2 or not 2 <= blocks <= BLOCKS_MAX or length * blocks < 4 or count < 2:
        raise ValueError(
            f"need an even number of blocks in [2, {BLOCKS_MAX}], 2 candidates and 4 periods, "
            f"found {blocks}, {count}, {len(returns)}"
        )
    cut = returns[: length * blocks].reshape(blocks, length, count)
    sums, squares = cut.sum(1), (cut**2).sum(1)
    halves = np.array(list(combinations(range(blocks), blocks // 2)))
    chosen = np.zeros((len(halves), blocks))
    np.put_along_axis(chosen, halves, 1.0, 1)
    periods = length * blocks // 2
    inside = _sharpes(chosen @ sums, chosen @ squares, periods)
    outside = _sharpes((1.0 - chosen) @ sums, (1.0 - chosen) @ squares, periods)
    best = np.argmax(inside, axis=1)
    found = np.take_along_axis(outside, best[:, None], 1)
    below, equal = (outside < found).sum(1), (outside == found).sum(1)
    share = (below + (equal + 1) / 2.0) / (count + 1.0)
    logits: F8 = np.log(share / (1.0 - share))
    return float((logits <= 0.0).mean()), logits


def _sharpes(sums: F8, squares: F8, periods: int) -> F8:
    mean = sums / periods
    variance = np.maximum(squares / periods - mean**2, 1e-300)
    ratio: F8 = mean / np.sqrt(variance)
    return ratio


def superior(gains: F8, rng: np.random.Generator, *, block: float, draws: int = 1000) -> float:
    """Return the p-value of "no candidate is better than the incumbent".

    Hansen 2005, the consistent version of the test for superior predictive ability, studentised,
    by stationary bootstrap (Politis, Romano 1994).

    Args:
        gains: f8[t, n], by how much each candidate beat the incumbent in each period, t >= 8.
        rng: of the bootstrap.
        block: mean length of a block, in periods, >= 1.
    """
    count = len(gains)
    if count < 8 or not block >= 1.0:
        raise ValueError(f"need 8 periods and a block >= 1, found {count}, {block}")
    mean = gains.mean(0)
    resampled = np.array([gains[row].mean(0) for row in _stationary(count, block, draws, rng)])
    scale = np.maximum(np.sqrt(count) * (resampled - mean).std(0), 1e-300)
    statistic = max(0.0, float((math.sqrt(count) * mean / scale).max()))
    # Candidates that are clearly worse do not make the test blunter.
    bound = -scale / math.sqrt(count) * math.sqrt(2.0 * math.log(math.log(count)))
    centre = np.where(mean >= bound, mean, 0.0)
    null = np.maximum(0.0, (math.sqrt(count) * (resampled - centre) / scale).max(1))
    return float((null >= statistic).mean())


def _stationary(count: int, block: float, draws: int, rng: np.random.Generator) -> I8:
    """Return i8[draws, count] row numbers: blocks of geometric length, wrapped around."""
    rows = rng.integers(count, size=(draws, count))
    starts = rng.random((draws, count)) < 1.0 / block
    starts[:, 0] = True
    place = np.arange(count)
    begun = np.maximum.accumulate(np.where(starts, place, 0), axis=1)
    drawn: I8 = (np.take_along_axis(rows, begun, 1) + place - begun) % count
    return drawn
