"""What a candidate is worth on each time slice: net profit per unit of risk.

Net profit is against holding the target and not quoting, all fees included. Risk is what the
candidate's own inventory and drawdown were in the same window. Size alone buys nothing, either way:

- a set that earns is divided by its own risk where that is above the incumbent's, so doubling all
  quantities changes nothing; below, by the geometric mean of the two, so that less risk at equal
  profit is better while halving all quantities is worse;
- a set that loses is divided by its own risk, but by at most the incumbent's: more risk must not
  make a loss look smaller, and a smaller loss from smaller quantities is no improvement (the size
  of a losing market is Kelly's business, not the tuner's).
"""

import math

import numpy as np

from market.replay_step import REPLAY_DRAWDOWN, REPLAY_EXPOSURE, REPLAY_NET
from market.types import F8

RISK_FLOOR = 0.25
"""Least risk counted, as a share of the incumbent's: a set that hardly trades is not divided by
almost nothing."""
CREDIT = 0.5
"""Exponent of the credit for less risk than the incumbent's, in [0, 1]."""
DRAWDOWN_SHARE = 0.5
"""Weight of the mean drawdown of a slice beside the inventory's standard deviation."""


def risks(figures: F8, *, sigma: float, slice_s: float) -> F8:
    """Return f8[n], the risk of each candidate in one slice, quote.

    sqrt(mean square of the position's worth) x sigma x sqrt(slice) is the standard deviation of
    the profit of that inventory; half the mean drawdown is added.

    Args:
        figures: f8[n, slices, REPLAY_COLUMNS].
        sigma: volatility of mid, fraction per sqrt(second).
        slice_s: seconds of a slice.
    """
    exposure = np.sqrt(np.maximum(0.0, figures[:, :, REPLAY_EXPOSURE].mean(1)))
    drawdown = figures[:, :, REPLAY_DRAWDOWN].mean(1)
    risk: F8 = exposure * sigma * math.sqrt(slice_s) + DRAWDOWN_SHARE * drawdown
    return risk


def utilities(figures: F8, *, sigma: float, slice_s: float) -> F8:
    """Return f8[n, slices] utilities, dimensionless; row 0 of `figures` is the incumbent."""
    net: F8 = figures[:, :, REPLAY_NET]
    risk = risks(figures, sigma=sigma, slice_s=slice_s)
    held = float(risk[0])
    if held > 0.0:
        share = np.maximum(risk / held, RISK_FLOOR)
        earning = held * np.where(share < 1.0, share**CREDIT, share)
        losing = held * np.minimum(share, 1.0)
        risk = np.where(net.mean(1) < 0.0, losing, earning)
    divisor = np.where(risk > 0.0, risk, 1.0)[:, None]
    return np.where(risk[:, None] > 0.0, net / divisor, 0.0)
