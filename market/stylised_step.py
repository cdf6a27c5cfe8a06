"""Kernels of one step of the stylised market: chance, fills, reward, for many copies at once.

Chance is a function of (seed, copy, step) and of nothing else: no stream is shared, so the same
seed gives the same bytes whatever the quotes, the order of the copies and the number of threads.
That makes common random numbers exact: two tables that are run on one seed see the same noise.
"""

import math

import numpy as np

from market.jit import inlined_kernel, kernel
from market.types import F8, I8, U8

# --- what a market is made of: f8[NUMBER_COLUMNS] -------------------------------------------
NUMBER_LOG_RATE = 0  # log(intensity dt)
NUMBER_DECAY = 1  # per unit of depth
NUMBER_NOISE = 2  # sigma sqrt(dt)
NUMBER_PHI = 3  # phi dt
NUMBER_ALPHA = 4
NUMBER_FEE = 5  # cost positive
NUMBER_LOW = 6  # depths are clipped to [low, high]
NUMBER_HIGH = 7
NUMBER_LINEAR = 8  # 1: min(1, r dt); 0: 1 - exp(-r dt)
NUMBER_COLUMNS = 9

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_ONE = np.uint64(0xBF58476D1CE4E5B9)
MIX_TWO = np.uint64(0x94D049BB133111EB)
SHIFT_ONE = np.uint64(30)
SHIFT_TWO = np.uint64(27)
SHIFT_THREE = np.uint64(31)
HALF = np.uint64(32)
LOW_WORD = np.uint64(0xFFFFFFFF)
TWO = np.uint64(2)
WORD = 2.0**-32


@inlined_kernel
def mixed(x: np.uint64) -> np.uint64:
    """Return x through the finaliser of splitmix64 (Steele, Lea, Flood 2014)."""
    x = (x ^ (x >> SHIFT_ONE)) * MIX_ONE
    x = (x ^ (x >> SHIFT_TWO)) * MIX_TWO
    return x ^ (x >> SHIFT_THREE)


@inlined_kernel
def normal(u: float) -> float:
    """Return the standard normal quantile of u in (0, 1), to 1e-15.

    Wichura 1988, algorithm AS 241 (PPND16). Seven draws in eight need no logarithm.
    """
    q = u - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        top = 2509.0809287301226727 * r + 33430.575583588128105
        top = (top * r + 67265.770927008700853) * r + 45921.953931549871457
        top = (top * r + 13731.693765509461125) * r + 1971.5909503065514427
        top = (top * r + 133.14166789178437745) * r + 3.387132872796366608
        low = 5226.495278852854561 * r + 28729.085735721942674
        low = (low * r + 39307.89580009271061) * r + 21213.794301586595867
        low = (low * r + 5394.1960214247511077) * r + 687.1870074920579083
        low = (low * r + 42.313330701600911252) * r + 1.0
        return q * top / low
    r = math.sqrt(-math.log(min(u, 1.0 - u)))
    if r <= 5.0:
        r -= 1.6
        top = 7.7454501427834140764e-4 * r + 0.0227238449892691845833
        top = (top * r + 0.24178072517745061177) * r + 1.27045825245236838258
        top = (top * r + 3.64784832476320460504) * r + 5.7694972214606914055
        top = (top * r + 4.6303378461565452959) * r + 1.42343711074968357734
        low = 1.05075007164441684324e-9 * r + 5.475938084995344946e-4
        low = (low * r + 0.0151986665636164571966) * r + 0.14810397642748007459
        low = (low * r + 0.68976733498510000455) * r + 1.6763848301838038494
        low = (low * r + 2.05319162663775882187) * r + 1.0
    else:
        r -= 5.0
        top = 2.01033439929228813265e-7 * r + 2.71155556874348757815e-5
        top = (top * r + 1.24266094738807843860e-3) * r + 0.026532189526576123093
        top = (top * r + 0.29656057182850489123) * r + 1.7848265399172913358
        top = (top * r + 5.4637849111641143699) * r + 6.6579046435011037772
        low = 2.04426310338993978564e-15 * r + 1.4215117583164458887e-7
        low = (low * r + 1.8463183175100546818e-5) * r + 7.868691311456132591e-4
        low = (low * r + 0.0148753612908506148525) * r + 0.13692988092273580531
        low = (low * r + 0.59983220655588793769) * r + 1.0
    return math.copysign(top / low, q)


@kernel
def table_rate(depth: float, depths: F8, rates: F8) -> float:
    """Return the rate at a depth: straight between the points, level beyond the ends."""
    last = depths.shape[0] - 1
    if depth <= depths[0]:
        return float(rates[0])
    if depth >= depths[last]:
        return float(rates[last])
    low, high = 0, last
    while high - low > 1:
        middle = (low + high) // 2
        if depths[middle] <= depth:
            low = middle
        else:
            high = middle
    share = (depth - depths[low]) / (depths[high] - depths[low])
    return float(rates[low] + share * (rates[high] - rates[low]))


@kernel
def fill_chance(depth: float, numbers: F8, depths: F8, rates: F8) -> float:
    """Return the probability that a quote at `depth`, already clipped, fills within one step.

    Args:
        depth: from mid, in [low, high].
        numbers: f8[NUMBER_COLUMNS].
        depths, rates: f8[points], rates already times dt; no points: the exponential.
    """
    if depths.shape[0] > 0:
        rate = table_rate(depth, depths, rates)
    else:
        rate = math.exp(numbers[NUMBER_LOG_RATE] - numbers[NUMBER_DECAY] * depth)
    if numbers[NUMBER_LINEAR] > 0.0:
        return min(1.0, rate)
    return -math.expm1(-rate)


@kernel
def clip_depth(depth: float, numbers: F8) -> float:
    """Return the depth within [low, high]; a depth that is no number counts as high."""
    if not depth < numbers[NUMBER_HIGH]:
        return float(numbers[NUMBER_HIGH])
    return float(max(numbers[NUMBER_LOW], depth))


@kernel
def start_copies(seed: int, keys: U8) -> None:
    """Write the key of each copy, u8[copies]."""
    base = mixed(np.uint64(seed) * GOLDEN + GOLDEN)
    for copy in range(keys.shape[0]):
        keys[copy] = mixed(base + np.uint64(copy) * GOLDEN)


@kernel
def step_copies(
    bid: F8,
    ask: F8,
    t: int,
    last: bool,
    q_max: int,
    numbers: F8,
    depths: F8,
    rates: F8,
    drift: F8,
    cumulative: F8,
    keys: U8,
    q: I8,
    regime: I8,
    reward: F8,
) -> None:
    """Move every copy from t to t + 1: fills, mid, penalty, regime, in this order.

    Args:
        bid, ask: f8[copies]; depths from mid.
        t: the step, from 0.
        last: whether the terminal penalty falls due.
        q_max: bound on |q|.
        numbers: f8[NUMBER_COLUMNS].
        depths, rates: f8[points]; rates times dt.
        drift: f8[regimes]; of mid within one step.
        cumulative: f8[regimes, regimes]; running sums of the rows of the transition matrix.
        keys: u8[copies].
        q, regime: i8[copies]; changed.
        reward: f8[copies]; written.
    """
    regimes = drift.shape[0]
    for copy in range(q.shape[0]):
        base = keys[copy] + np.uint64(t) * TWO * GOLDEN
        word = mixed(base + GOLDEN)
        held = q[copy]
        earned = 0.0
        gained = 0
        if held < q_max:
            depth = clip_depth(bid[copy], numbers)
            chance = fill_chance(depth, numbers, depths, rates)
            if (float(word >> HALF) + 0.5) * WORD < chance:
                gained += 1
                earned += depth - numbers[NUMBER_FEE]
        if held > -q_max:
            depth = clip_depth(ask[copy], numbers)
            chance = fill_chance(depth, numbers, depths, rates)
            if (float(word & LOW_WORD) + 0.5) * WORD < chance:
                gained -= 1
                earned += depth - numbers[NUMBER_FEE]
        held += gained
        word = mixed(base + TWO * GOLDEN)
        now = regime[copy]
        if held != 0:
            move = drift[now]
            move += numbers[NUMBER_NOISE] * normal((float(word >> HALF) + 0.5) * WORD)
            square = float(held * held)
            earned += held * move - numbers[NUMBER_PHI] * square
            if last:
                earned -= numbers[NUMBER_ALPHA] * square
        q[copy] = held
        reward[copy] = earned
        if regimes > 1:
            u = (float(word & LOW_WORD) + 0.5) * WORD
            following = 0
            while following < regimes - 1 and u >= cumulative[now, following]:
                following += 1
            regime[copy] = following
