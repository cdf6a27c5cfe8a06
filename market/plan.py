"""The closed-form plan: Gueant, Lehalle and Fernandez-Tapia depths as a line in the position.

Here lives the formula; its inputs come from `calibration.py`, what is made of its depths stands in
`policy.py`. The plan speaks in units of `max_position`, so that all candidates share it.
"""

import math

from market.jit import kernel
from market.layout import (
    PLAN_ASK,
    PLAN_BID,
    PLAN_SLOPE,
    VIEW_DECAY_ASK,
    VIEW_DECAY_BID,
    VIEW_DRIFT,
    VIEW_INTENSITY_ASK,
    VIEW_INTENSITY_BID,
    VIEW_MID,
    VIEW_SIGMA,
)
from market.types import F8

TINY = 1e-12
FEE_EXPONENT = 2.0  # bound on |k x fee| where the fee thins the fills; beyond it skew explodes
DEPTH_TICKS_MAX = 1e9


@kernel
def closed_form(
    sigma: float, intensity: float, decay: float, aversion: float
) -> tuple[float, float]:
    """Return (c, s) of the closed-form depths for one order size.

    Gueant, Lehalle, Fernandez-Tapia 2013, "Dealing with the inventory risk", Math. Finan. Econ. 7,
    477-507 (arXiv 1105.3115), the asymptotic closed-form approximation:

        bid depth(q) = c + (2q + 1)/2 s      ask depth(q) = c - (2q - 1)/2 s
        c = ln(1 + g/k) / g                  s = sqrt(sigma^2 g / (2 k A) (1 + g/k)^(1 + k/g))

    q is the position in orders; fills arrive at A exp(-k depth) a second.

    Args:
        sigma: ticks per sqrt(second).
        intensity: A, per second.
        decay: k, per tick.
        aversion: g / k, dimensionless, so that one figure serves every tick size; g is per tick
            and order. As it goes to 0, c goes to 1/k and s to 0.

    Returns:
        (c, s), ticks.
    """
    rate = max(intensity, TINY)
    slope = max(decay, TINY)
    if aversion < TINY:
        return 1.0 / slope, 0.0
    spread = math.log1p(aversion) / (aversion * slope)
    power = math.exp((1.0 + 1.0 / aversion) * math.log1p(aversion))
    return spread, math.sqrt(sigma * sigma * aversion / (2.0 * rate) * power)


@kernel
def write_plan(
    view_row: F8,
    aversion: float,
    orders: float,
    fee: float,
    drift_share: float,
    plan_row: F8,
) -> None:
    """Write the depths of one step as a line in x = position / max_position.

    bid depth = PLAN_BID + PLAN_SLOPE x, ask depth = PLAN_ASK - PLAN_SLOPE x. A maker fee f moves
    the depth by f and thins the fills by exp(-k f): earning (depth - f) at rate A exp(-k depth)
    is the same problem with depth' = depth - f and A' = A exp(-k f). At x = 0 no depth is below
    the fee plus half a tick. An expected move of mid shifts both quotes along with it.

    Args:
        view_row: f8[VIEW_COLUMNS].
        aversion: g / k, dimensionless, >= 0.
        orders: how many orders make up max_position, > 0 (q = x times orders).
        fee: maker fee as a fraction of price; cost positive.
        drift_share: how much of the expected move is followed, in [0, 1].
        plan_row: f8[PLAN_COLUMNS], written whole, ticks.
    """
    fee_ticks = fee * view_row[VIEW_MID]
    sigma = view_row[VIEW_SIGMA]
    thinning = view_row[VIEW_DECAY_BID] * fee_ticks
    thinning = math.exp(-min(FEE_EXPONENT, max(-FEE_EXPONENT, thinning)))
    bid, bid_skew = closed_form(
        sigma, view_row[VIEW_INTENSITY_BID] * thinning, view_row[VIEW_DECAY_BID], aversion
    )
    thinning = view_row[VIEW_DECAY_ASK] * fee_ticks
    thinning = math.exp(-min(FEE_EXPONENT, max(-FEE_EXPONENT, thinning)))
    ask, ask_skew = closed_form(
        sigma, view_row[VIEW_INTENSITY_ASK] * thinning, view_row[VIEW_DECAY_ASK], aversion
    )
    floor = fee_ticks + 0.5
    shift = drift_share * view_row[VIEW_DRIFT]
    skew = math.sqrt(bid_skew * ask_skew)
    bid = max(floor, fee_ticks + bid + 0.5 * bid_skew) - shift
    ask = max(floor, fee_ticks + ask + 0.5 * ask_skew) + shift
    plan_row[PLAN_BID] = min(DEPTH_TICKS_MAX, bid)
    plan_row[PLAN_ASK] = min(DEPTH_TICKS_MAX, ask)
    plan_row[PLAN_SLOPE] = min(DEPTH_TICKS_MAX, skew * orders)
