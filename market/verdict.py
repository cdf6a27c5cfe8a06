"""Says whether making this market paid, did not, or cannot be told (DESIGN.md 8, Edge).

The record is the net profit of each cycle against holding the target and not quoting. Its mean is
bounded by the stationary block bootstrap of Politis and Romano 1994 (J. Amer. Statist. Assoc. 89,
1303-1313) with the block length of Politis and White 2004 (Econometric Reviews 23, 53-70, with the
correction of Patton, Politis and White 2009, 28, 372-375).

Deflation. Whoever looks at n records and shows the best one must pay for it (Bailey and Lopez de
Prado 2014, "The deflated Sharpe ratio"). Their correction needs the spread of the trials' Sharpe
ratios, which a running system does not have, so the level is shared out as by Sidak 1967: a bound
at 1 - (1 - level)^(1/n), exact for independent trials and safe for positively dependent ones. n is
the number of parameter sets that this very record was chosen from or made with: in a run the sets
that were in force (each was searched on data from before, so the candidates behind it cost
nothing), in a search on the data that it is judged by every candidate that was tried.
"""

import math
from dataclasses import dataclass
from enum import Enum
from statistics import NormalDist

import numpy as np

from market.jit import inlined_kernel, kernel
from market.types import F8

ROUND_TRIPS_MIN = 100
CYCLES_MIN = 30
DRAWS_MIN = 2_000
DRAWS_MAX = 20_000
TAIL_DRAWS = 20  # draws wanted beyond the bound; fewer and the percentile itself is noise

# splitmix64 (Steele, Lea, Flood 2014): three constants and a counter, the same on every machine.
STRIDE = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
TO_UNIT = 1.0 / (1 << 53)


class Edge(Enum):
    """What can be said of a record."""

    EDGE = "edge"
    NO_EDGE = "no_edge"
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verdict with all that it rests on; money in the unit of the increments."""

    edge: Edge
    net: float  # total net profit against not quoting
    lower: float | None  # bounds of that total, None when there are too few cycles
    upper: float | None
    round_trips: int
    cycles: int
    trials: int
    level: float  # one-sided, of all trials together
    level_each: float  # after deflation, of this bound
    block_cycles: float | None  # mean block length
    draws: int
    seed: int
    reason: str

    def as_dict(self) -> dict[str, object]:
        """Return the verdict as plain JSON values."""
        return {
            "edge": self.edge.value,
            "net": self.net,
            "lower": self.lower,
            "upper": self.upper,
            "round_trips": self.round_trips,
            "cycles": self.cycles,
            "trials": self.trials,
            "level": self.level,
            "level_each": self.level_each,
            "block_cycles": self.block_cycles,
            "draws": self.draws,
            "seed": self.seed,
            "reason": self.reason,
        }


def block_length(values: F8) -> float:
    """Return the mean block length of the stationary bootstrap, Politis and White 2004.

    b = (2 G^2 / D)^(1/3) n^(1/3) with G = sum lambda(k/M) |k| R(k) and D = 2 g(0)^2, where
    g(0) = sum lambda(k/M) R(k), R the autocovariance, lambda the flat-top window and M twice the
    lag after which the autocorrelation stays insignificant. In [1, min(3 sqrt n, n/3)].
    """
    count = len(values)
    longest = max(1.0, min(3.0 * math.sqrt(count), count / 3.0))
    deviations = np.asarray(values, dtype=np.float64) - float(np.mean(values))
    run = max(5, math.ceil(math.log10(max(count, 2))))
    lags = min(count - 1, math.ceil(math.sqrt(count)) + run)
    covariance = np.array([deviations[: count - k] @ deviations[k:] for k in range(lags + 1)])
    covariance /= count
    if not covariance[0] > 0.0:
        return 1.0
    bound = 2.0 * math.sqrt(math.log10(count) / count)
    small = np.abs(covariance / covariance[0]) < bound
    last = lags
    for lag in range(lags - run + 1):
        if small[lag + 1 : lag + 1 + run].all():
            last = lag
            break
    window = min(2 * max(last, 1), lags)
    k = np.arange(1, window + 1)
    taper = np.minimum(1.0, 2.0 * (1.0 - k / window))
    spectrum = covariance[0] + 2.0 * float(taper @ covariance[1 : window + 1])
    curvature = 2.0 * float((taper * k) @ covariance[1 : window + 1])
    if spectrum == 0.0:
        return longest
    length = (curvature * curvature / (spectrum * spectrum) * count) ** (1.0 / 3.0)
    return min(longest, max(1.0, float(length)))


@kernel
def mixed(state: np.uint64) -> np.uint64:
    """Return the output of splitmix64 for a state."""
    z = (state ^ (state >> np.uint64(30))) * MIX_1
    z = (z ^ (z >> np.uint64(27))) * MIX_2
    return z ^ (z >> np.uint64(31))


@inlined_kernel
def next_block(
    state: np.uint64, count: int, left: int, length: float
) -> tuple[np.uint64, int, int]:
    """Draw a block of a stationary bootstrap sample of `count` rows, `left` of which are wanted.

    Returns:
        The state of chance, the block's first row, and its size, at most `left`.
    """
    state += STRIDE
    start = int((mixed(state) >> np.uint64(11)) * TO_UNIT * count)
    size = 1
    if length > 1.0:
        state += STRIDE
        # 1 - u lies in (0, 1], so the logarithm is finite.
        unit = 1.0 - (mixed(state) >> np.uint64(11)) * TO_UNIT
        size = 1 + int(min(float(left), math.log(unit) / math.log1p(-1.0 / length)))
    return state, start, min(size, left)


@kernel
def resample_means(sums: F8, length: float, seed: np.uint64, means: F8) -> None:
    """Draw the mean of a stationary bootstrap sample for each element of `means`.

    Blocks start anywhere with equal chance, wrap around the end, and have geometric lengths with
    mean `length`; the last one is cut so that a sample has n values. Block sums come from the
    running sums, so a draw costs n / length steps.

    Args:
        sums: f8[n + 1], running sums of the values, the first 0.
        length: mean block length, >= 1.
        seed: u8.
        means: f8[draws], written.
    """
    count = sums.shape[0] - 1
    state = seed
    for draw in range(means.shape[0]):
        left = count
        total = 0.0
        while left > 0:
            state, start, size = next_block(state, count, left, length)
            end = start + size
            if end <= count:
                total += sums[end] - sums[start]
            else:
                total += sums[count] - sums[start] + sums[end - count]
            left -= size
        means[draw] = total / count


def deflated_level(level: float, trials: int) -> float:
    """Return the level of one bound such that `trials` of them err with chance `level` (Sidak)."""
    return -math.expm1(math.log1p(-level) / max(1, trials))


def mean_bounds(values: F8, *, level: float, draws: int, seed: int) -> tuple[float, float, float]:
    """Return (lower, upper, mean block length): one-sided bounds of the mean at `level` each.

    The lower bound is the smaller of the bootstrap percentile and mean - z x bootstrap error, the
    upper one likewise: the percentile follows skewness, the normal one reaches further into the
    tail than the draws do.
    """
    length = block_length(values)
    sums = np.concatenate(([0.0], np.cumsum(values)))
    means = np.empty(draws)
    resample_means(sums, length, np.uint64(seed % (1 << 64)), means)
    mean = float(np.mean(values))
    reach = NormalDist().inv_cdf(1.0 - level) * float(np.std(means))
    below, above = np.quantile(means, [level, 1.0 - level])
    return min(float(below), mean - reach), max(float(above), mean + reach), length


def edge_verdict(
    increments: F8, *, round_trips: int, trials: int, seed: int, level: float = 0.05
) -> Verdict:
    """Judge a record: `edge` iff the lower bound is above 0, `no edge` iff the upper is below.

    Either needs at least 100 round trips; anything else cannot be told, nor can a record of fewer
    than 30 cycles.

    Args:
        increments: f8[cycles], net profit of each cycle against not quoting, any money unit.
        round_trips: closed round trips in the record.
        trials: parameter sets to pay for (see the module), >= 1.
        seed: any integer; the same seed gives the same bounds.
        level: one-sided error, in (0, 0.5).
    """
    if not 0.0 < level < 0.5 or trials < 1:
        raise ValueError(f"need 0 < level < 0.5 and trials >= 1, found {level} and {trials}")
    values = np.ascontiguousarray(increments, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("increments must be finite")
    count = len(values)
    each = deflated_level(level, trials)
    draws = int(min(DRAWS_MAX, max(DRAWS_MIN, math.ceil(TAIL_DRAWS / each))))
    lower = upper = length = None
    edge = Edge.CANNOT_TELL
    if count < CYCLES_MIN:
        reason = f"{count} cycles, {CYCLES_MIN} are needed"
        draws = 0
    else:
        below, above, length = mean_bounds(values, level=each, draws=draws, seed=seed)
        lower, upper = below * count, above * count
        if round_trips < ROUND_TRIPS_MIN:
            reason = f"{round_trips} round trips, {ROUND_TRIPS_MIN} are needed"
        elif lower > 0.0:
            edge, reason = Edge.EDGE, "the lower bound of net profit is above zero"
        elif upper < 0.0:
            edge, reason = Edge.NO_EDGE, "the upper bound of net profit is below zero"
        else:
            reason = "the bounds of net profit enclose zero"
    return Verdict(
        edge=edge,
        net=float(np.sum(values)),
        lower=lower,
        upper=upper,
        round_trips=round_trips,
        cycles=count,
        trials=trials,
        level=level,
        level_each=each,
        block_cycles=length,
        draws=draws,
        seed=seed,
        reason=reason,
    )
