"""What a cycle was worth to a learner: alpha x profit - beta x risk - gamma x consistency.

Everything is measured in *units*, the half spread h on one base_quantity: what one fill at the
frame's own distance earns. So a reward says the same on every instrument and size.

- **profit**: net profit against holding the target, of which gains from the position alone are
  damped (Spooner, Fearnley, Savani, Koukorinis 2018, "Market Making via Reinforcement Learning",
  AAMAS, the asymmetrically damped reward): a maker is paid for spread, not for bets that went well.
- **risk**: half the variance that the position carries over a cycle, over one unit, as in a
  mean-variance penalty (Cartea, Jaimungal, Penalva 2015, chapter 10), and what a drawdown grew by.
- **consistency**: root mean square of losing cycles, recent ones counting most.
"""

import math

import numpy as np

from market.jit import kernel
from market.layout import (
    LEDGER_FEES,
    LEDGER_FUNDING,
    LEDGER_MARK,
    LEDGER_SPREAD,
    PARAMETER_BASE_QUANTITY,
    PARAMETER_SPREAD,
    SCALE_LOT,
    SCALE_TICK_LOT,
    UNITS,
    VIEW_MID,
    VIEW_SIGMA,
)
from market.types import F8, I8

# --- weights: f8[WEIGHT_COLUMNS] ---------------------------------------------------------------
WEIGHT_PROFIT = 0  # alpha
WEIGHT_RISK = 1  # beta
WEIGHT_CONSISTENCY = 2  # gamma
WEIGHT_DAMPING = 3  # share of gains from the position that is not counted, in [0, 1]
WEIGHT_DECAY = 4  # weight that a losing cycle keeps from one cycle to the next
WEIGHT_COLUMNS = 5

# --- what is kept from one cycle to the next: f8[KEPT_COLUMNS], zeros at first -----------------
KEPT_NET = 0  # net profit against holding the target, quote asset
KEPT_EARNED = 1  # spread, fees and funding so far, quote asset
KEPT_PEAK = 2  # highest net profit
KEPT_FALL = 3  # deepest fall below it
KEPT_SQUARES = 4  # decayed mean square of losing cycles, units^2
KEPT_COLUMNS = 5

# --- the parts of one cycle, weighted, dimensionless: f8[REWARD_COLUMNS] ------------------------
REWARD_PROFIT = 0
REWARD_RISK = 1  # <= 0
REWARD_CONSISTENCY = 2  # <= 0
REWARD_COLUMNS = 3


def reward_weights(
    *,
    alpha: float = 1.0,
    beta: float = 0.15,
    gamma: float = 0.06,
    damping: float = 0.15,
    memory_cycles: float = 120.0,
) -> F8:
    """Build f8[WEIGHT_COLUMNS].

    By default risk and consistency are each 10 to 30 % of the mean size of profit, for the closed
    form on a real day (`python -m bench.environment`).

    Args:
        alpha: of profit, >= 0.
        beta: of risk, >= 0.
        gamma: of consistency, >= 0.
        damping: share of gains from the position that is not counted, in [0, 1].
        memory_cycles: cycles after which a losing one keeps 1/e of its weight, >= 1.

    Raises:
        ValueError: one of them is out of bounds.
    """
    if min(alpha, beta, gamma) < 0.0 or not 0.0 <= damping <= 1.0 or not memory_cycles >= 1.0:
        raise ValueError(
            "need alpha, beta, gamma >= 0, damping in [0, 1] and memory_cycles >= 1, found "
            f"{alpha}, {beta}, {gamma}, {damping}, {memory_cycles}"
        )
    return np.array([alpha, beta, gamma, damping, math.exp(-1.0 / memory_cycles)])


@kernel
def reward_cycle(
    net: float,
    position: int,
    view_row: F8,
    ledger: I8,
    parameters: F8,
    cycle_ns: int,
    scale: I8,
    weights: F8,
    kept: F8,
    parts: F8,
) -> float:
    """Return the reward of the cycle that ends now and write its three weighted parts.

    Args:
        net: net profit against holding the target since the opening, quote asset.
        position: lots held now, signed.
        view_row: f8[VIEW_COLUMNS], of now.
        ledger: i8[LEDGER_COLUMNS], marked.
        parameters: f8[PARAMETER_COLUMNS], of the frame.
        cycle_ns: time between decisions.
        scale: i8[SCALE_COLUMNS].
        weights: f8[WEIGHT_COLUMNS].
        kept: f8[KEPT_COLUMNS], changed.
        parts: f8[REWARD_COLUMNS], written whole.
    """
    parts[:] = 0.0
    mid = view_row[VIEW_MID]
    tick_worth = scale[SCALE_TICK_LOT] / UNITS
    lots = parameters[PARAMETER_BASE_QUANTITY] * UNITS / scale[SCALE_LOT]
    unit = parameters[PARAMETER_SPREAD] / 200.0 * mid * tick_worth * lots
    if ledger[LEDGER_MARK] == 0 or not unit > 0.0:
        return 0.0
    earned = (ledger[LEDGER_SPREAD] + ledger[LEDGER_FEES] + ledger[LEDGER_FUNDING]) / UNITS
    profit = net - kept[KEPT_NET]
    carried = profit - (earned - kept[KEPT_EARNED])
    profit = (profit - max(0.0, weights[WEIGHT_DAMPING] * carried)) / unit
    kept[KEPT_NET] = net
    kept[KEPT_EARNED] = earned
    kept[KEPT_PEAK] = max(kept[KEPT_PEAK], net)
    fall = max(kept[KEPT_FALL], kept[KEPT_PEAK] - net)
    deeper = (fall - kept[KEPT_FALL]) / unit
    kept[KEPT_FALL] = fall
    at_stake = position * view_row[VIEW_SIGMA] * tick_worth / unit
    variance = at_stake * at_stake * cycle_ns / 1e9
    loss = min(0.0, profit)
    decay = weights[WEIGHT_DECAY]
    kept[KEPT_SQUARES] = decay * kept[KEPT_SQUARES] + (1.0 - decay) * loss * loss
    parts[REWARD_PROFIT] = weights[WEIGHT_PROFIT] * profit
    parts[REWARD_RISK] = -weights[WEIGHT_RISK] * (0.5 * variance + deeper)
    parts[REWARD_CONSISTENCY] = -weights[WEIGHT_CONSISTENCY] * math.sqrt(kept[KEPT_SQUARES])
    return float(parts[REWARD_PROFIT] + parts[REWARD_RISK] + parts[REWARD_CONSISTENCY])
