"""How much of a result is the search's own doing: diagnostics beside every result.

None of them is a confidence (`confidence.py`): they say whether the best of many is better than the
best of as many worthless ones would look. `luck` and the test together decide whether anything is
published at all.
"""

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from market.deflation import deflated_sharpe
from market.types import F8, I8

BLOCKS_MAX = 16
"""12 870 splits; two blocks more are four times as many."""
BLOCKS = 12
"""Of the guards: 924 splits. With 16 blocks they took a fifth of a search of 1000 candidates."""


@dataclass(frozen=True, slots=True)
class Guards:
    """The diagnostics of one search; None where there was too little to say.

    Attributes:
        luck: p-value of the best candidate in training, were all as good as the incumbent.
        deflated_sharpe: probability that the chosen one's Sharpe ratio beats that of luck.
        overfitting: probability of backtest overfitting.
        superior: p-value of "no candidate is better than the incumbent".
    """

    luck: float
    deflated_sharpe: float | None
    overfitting: float | None
    superior: float | None


def guards_of(net: F8, gains: F8, whole: I8, *, row: int, rng: np.random.Generator) -> Guards:
    """Return the diagnostics of a search over slices of a window.

    Only `luck` looks at candidates that were left behind: the more there were, the luckier is the
    best of them.

    Args:
        net: f8[n, slices], profits of all candidates.
        gains: f8[n, slices], their utilities less that of the incumbent.
        whole: i8[w], those that were replayed on all slices, ascending.
        row: the chosen candidate, one that was replayed as a whole.
        rng: of what is drawn.
    """
    by_chance, trials = luck(gains, rng), len(net)
    net, gains, row = net[whole], gains[whole], int(np.searchsorted(whole, row))
    slices = net.shape[1]
    spread = net.std(1, ddof=1) if slices > 1 else np.zeros(len(net))
    ratios = np.where(spread > 0.0, net.mean(1) / np.where(spread > 0.0, spread, 1.0), 0.0)
    deflated = None
    if slices >= 3 and len(net) > 1:
        deflated = deflated_sharpe(net[row], trials=trials, deviation=float(ratios.std(ddof=1)))
    blocks = min(BLOCKS, slices // 2 * 2)
    split = None
    if blocks >= 4 and len(net) > 1:
        split = backtest_overfitting(gains.T, blocks=blocks)[0]
    test = superior(gains.T, rng, block=1.0, draws=500) if slices >= 8 else None
    return Guards(by_chance, deflated, split, test)


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


def luck(
    gains: F8, rng: np.random.Generator, *, row: int | None = None, draws: int = 1000
) -> float:
    """Return the p-value of the best candidate, were every candidate as good as the incumbent.

    Then a slice's gains are as likely to have the other sign, all candidates' together: the signs
    of whole slices are drawn anew, and the largest t-statistic of all candidates counted. It is
    exact for symmetric gains, whatever their tails and however much the candidates are alike
    (Romano, Wolf 2005, with sign changes for resampling).

    Args:
        gains: f8[n, slices], utilities less that of the incumbent.
        rng: of the signs.
        row: whose t-statistic the largest are compared with, whoever it was chosen by; None: the
            largest of all.
    """
    slices = gains.shape[1]
    rows = np.abs(gains).max(1, initial=0.0) > 0.0
    if slices < 2 or not rows.any() or not (row is None or rows[row]):
        return 1.0
    signs = rng.choice([-1.0, 1.0], (draws + 1, slices))
    signs[0] = 1.0
    mean = signs @ gains[rows].T / slices
    variance = ((gains[rows] ** 2).sum(1) / slices - mean**2) / (slices - 1)
    found = mean / np.sqrt(np.maximum(variance, 1e-300))
    best = found.max(1)
    told = best[0] if row is None else found[0, int(rows[:row].sum())]
    return float((best >= told).mean())


def combined(first: float, second: float) -> float:
    """Return one p-value of two that are independent (Stouffer's method)."""
    from scipy.special import ndtr, ndtri

    edge = 1e-6
    z = [ndtri(1.0 - min(max(each, edge), 1.0 - edge)) for each in (first, second)]
    return float(ndtr(-sum(z) / math.sqrt(2.0)))


def _stationary(count: int, block: float, draws: int, rng: np.random.Generator) -> I8:
    """Return i8[draws, count] row numbers: blocks of geometric length, wrapped around."""
    rows = rng.integers(count, size=(draws, count))
    starts = rng.random((draws, count)) < 1.0 / block
    starts[:, 0] = True
    place = np.arange(count)
    begun = np.maximum.accumulate(np.where(starts, place, 0), axis=1)
    drawn: I8 = (np.take_along_axis(rows, begun, 1) + place - begun) % count
    return drawn
