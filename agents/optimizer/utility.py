"""What a candidate is worth on each time slice: net profit per unit of risk.

Net profit is against holding the target and not quoting, all fees included. Risk is what the
candidate's own inventory and drawdown were in the same window, so doubling all quantities doubles
both and buys nothing. Where a set loses, more risk must not make the loss look smaller: it is then
divided by at most the incumbent's risk.
"""

import math

import numpy as np

from market.replay_step import REPLAY_DRAWDOWN, REPLAY_EXPOSURE, REPLAY_NET
from market.types import F8

RISK_FLOOR = 0.25
"""Least risk counted, as a share of the incumbent's: a set that hardly trades is not divided by
almost nothing."""
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
    counted = np.maximum(risk, RISK_FLOOR * held)
    loses = net.mean(1) < 0.0
    if held > 0.0:
        counted = np.where(loses, np.minimum(counted, held), counted)
    return np.where(counted[:, None] > 0.0, net / np.where(counted > 0.0, counted, 1.0)[:, None], 0)
