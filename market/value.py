"""Value at risk of one lot from the returns of past cycles: the model that `bench.risk` holds up.

Filtered historical simulation, as in `risk/var.py` (twin): each past return in units of its own
forecast volatility, times the volatility now. Over one row it is that model's quantile; over
several its paths add up independent draws, whose cumulants are known, so no path is drawn: the
quantile is the Cornish-Fisher expansion of the sum (both cited there and in `var_quantile.py`).
"""

import math

from market.jit import kernel
from market.types import F8

WINDOW = 500  # rows looked back at
ROWS_MIN = 100  # fewer say nothing of a tail
SEED_ROWS = 50  # rows that the first volatility is taken from
DECAY = 0.97  # of the forecast volatility, from one row to the next
CHANCE = 0.01  # of a larger loss
SCORE = 2.3263478740408408  # quantile of the normal distribution at 99 %
FLOOR = 1e-12  # least volatility of a row, fraction
RANKS = 6  # more than CHANCE x (WINDOW - SEED_ROWS + 1)
KURTOSIS_MAX = 7.0

# --- what is remembered: f8[VALUE_COLUMNS], zeros at first -----------------------------------
VALUE_COUNT = 0  # returns so far
VALUE_MID = 1  # at the last row; 0: none
VALUE_RING = 2  # the last returns
VALUE_SUMS = VALUE_RING + WINDOW  # scratch

# --- sums over the residuals, and the largest losses of both sides: f8[SUM_COLUMNS] -----------
SUM_COUNT = 0
SUM_POWER = 1  # four columns: of the residuals' first to fourth powers
SUM_SQUARES = 5  # of the returns
SUM_VARIANCE = 6  # forecast for the row to come
SUM_LONG = 7  # RANKS columns, the largest first
SUM_SHORT = SUM_LONG + RANKS
SUM_COLUMNS = SUM_SHORT + RANKS
VALUE_COLUMNS = VALUE_SUMS + SUM_COLUMNS


@kernel
def note_mid(mid: float, memory: F8) -> None:
    """Take in the mid at the end of a row; 0 for none: no move is counted from or to a hole."""
    past = memory[VALUE_MID]
    memory[VALUE_MID] = mid
    if past > 0.0 and mid > 0.0:
        place = int(memory[VALUE_COUNT]) % WINDOW
        memory[VALUE_RING + place] = mid / past - 1.0
        memory[VALUE_COUNT] += 1.0


@kernel
def rank(loss: float, ranked: F8) -> None:
    """Enter a loss among the largest, if it is one of them."""
    place = ranked.shape[0] - 1
    if not loss > ranked[place]:
        return
    while place > 0 and loss > ranked[place - 1]:
        ranked[place] = ranked[place - 1]
        place -= 1
    ranked[place] = loss


@kernel
def residual_sums(memory: F8, sums: F8) -> None:
    """Filter the rows of the window, oldest first, and add up what is left of them.

    Args:
        memory: f8[VALUE_COLUMNS], at least ROWS_MIN returns.
        sums: f8[SUM_COLUMNS], written.
    """
    sums[:] = 0.0
    sums[SUM_LONG:] = -math.inf
    total = int(memory[VALUE_COUNT])
    rows = min(total, WINDOW)
    variance = 0.0
    for row in range(rows):
        each = memory[VALUE_RING + (total - rows + row) % WINDOW]
        sums[SUM_SQUARES] += each * each
        if row + 1 == SEED_ROWS:  # the first rows share their own mean square
            seed = sums[SUM_SQUARES] / SEED_ROWS
            variance = seed
            for early in range(SEED_ROWS):
                first = memory[VALUE_RING + (total - rows + early) % WINDOW]
                variance = DECAY * variance + (1.0 - DECAY) * first * first
        elif row >= SEED_ROWS:
            unit = each / math.sqrt(max(variance, FLOOR * FLOOR))
            variance = DECAY * variance + (1.0 - DECAY) * each * each
            power = 1.0
            for column in range(4):
                power *= unit
                sums[SUM_POWER + column] += power
            rank(-unit, sums[SUM_LONG : SUM_LONG + RANKS])
            rank(unit, sums[SUM_SHORT : SUM_SHORT + RANKS])
    sums[SUM_COUNT] = rows - SEED_ROWS
    sums[SUM_SQUARES] /= rows
    sums[SUM_VARIANCE] = max(variance, FLOOR * FLOOR)


@kernel
def ranked_loss(ranked: F8, count: float) -> float:
    """Return the loss exceeded with CHANCE; the k-th largest of n stands for k / (n + 1)."""
    place = CHANCE * (count + 1.0)
    if place <= 1.0:
        return float(ranked[0])
    below = int(place)
    return float(ranked[below - 1] + (place - below) * (ranked[below] - ranked[below - 1]))


@kernel
def expanded(skewness: float, kurtosis: float) -> float:
    """Return the Cornish-Fisher quantile at SCORE, of the nearest shape with which it rises."""
    kurtosis = min(KURTOSIS_MAX, max(0.0, kurtosis))
    while True:
        a = kurtosis / 8.0 - skewness**2 / 6.0
        b = skewness / 3.0
        c = 1.0 - kurtosis / 8.0 + 5.0 * skewness**2 / 36.0
        if c > 0.0 and a >= 0.0 and b * b <= 4.0 * a * c:
            break
        skewness *= 0.9
        kurtosis *= 0.99
    w = SCORE + (SCORE**2 - 1.0) * skewness / 6.0
    w += (SCORE**3 - 3.0 * SCORE) * kurtosis / 24.0
    return float(w - (2.0 * SCORE**3 - 5.0 * SCORE) * skewness**2 / 36.0)


@kernel
def summed_loss(sums: F8, steps: int, side: float) -> float:
    """Return the loss over several rows that is exceeded with CHANCE, as a fraction.

    The volatility goes back to its mean over them: v_k = mean + (now - mean) d^k. The n-th
    cumulant of sum(a_k x_k) is kappa_n sum(a_k^n), with a_k = sqrt(v_k).

    Args:
        sums: f8[SUM_COLUMNS].
        steps: rows, >= 2.
        side: 1 for a short position, which loses when the price rises; -1 for a long one.
    """
    count = sums[SUM_COUNT]
    first = sums[SUM_POWER] / count
    second, third, fourth = (
        sums[SUM_POWER + 1] / count,
        sums[SUM_POWER + 2] / count,
        sums[SUM_POWER + 3] / count,
    )
    variance = second - first**2
    if variance <= 0.0:
        return 0.0
    skew = third - 3.0 * first * second + 2.0 * first**3
    tail = fourth - 4.0 * first * third + 6.0 * first**2 * second - 3.0 * first**4
    tail -= 3.0 * variance**2
    level = sums[SUM_SQUARES] / max(second, FLOOR)
    gap = sums[SUM_VARIANCE] - level
    a1, a2, a3, a4 = 0.0, 0.0, 0.0, 0.0
    for _ in range(steps):
        ahead = max(0.0, level + gap)
        gap *= DECAY
        root = math.sqrt(ahead)
        a1 += root
        a2 += ahead
        a3 += ahead * root
        a4 += ahead * ahead
    spread = math.sqrt(a2 * variance)
    if spread <= 0.0:
        return 0.0
    w = expanded(side * a3 * skew / spread**3, a4 * tail / spread**4)
    return float(side * a1 * first + spread * w)


@kernel
def value_loss(memory: F8, steps: int) -> float:
    """Return the loss at 99 % over `steps` rows of the worse side, as a fraction of the price.

    0 while there are too few rows, and in a market that stood still.

    Args:
        memory: f8[VALUE_COLUMNS]; its scratch is changed.
        steps: rows of the horizon, >= 1.
    """
    if memory[VALUE_COUNT] < ROWS_MIN:
        return 0.0
    sums = memory[VALUE_SUMS:]
    residual_sums(memory, sums)
    if steps > 1:
        return max(0.0, summed_loss(sums, steps, -1.0), summed_loss(sums, steps, 1.0))
    worse = max(
        ranked_loss(sums[SUM_LONG : SUM_LONG + RANKS], sums[SUM_COUNT]),
        ranked_loss(sums[SUM_SHORT : SUM_SHORT + RANKS], sums[SUM_COUNT]),
    )
    return max(0.0, worse * math.sqrt(sums[SUM_VARIANCE]))
