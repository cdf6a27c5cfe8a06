"""What a synthetic market's construction says about the edge of a resting order.

The figures are those of one lot that always stands first in its queue, d ticks from the value,
on one side: sweeps that reach it an hour, and what each of them leaves it after the value has
moved and the fee is paid. A real maker stands behind others, is filled less, and holds a position
meanwhile; the curve tells where the best depth lies and whether there is an edge at all.
"""

import math
from typing import Any

import numpy as np

from market.synthetic_flow import (
    BLOCK_FACTOR,
    BLOCK_SHARE,
    MARKET_DECAY,
    MARKET_EXCITE,
    MARKET_FEE_RATE,
    MARKET_INFORMED,
    REGIME_DEPTH,
    REGIME_LEAVE,
    REGIME_NEWS,
    REGIME_NEXT,
    REGIME_SPREAD,
    REGIME_SWEEPS,
    REGIMES,
    SWEEP_TICKS_MAX,
)
from market.types import F8

DEPTHS = np.arange(0.5, 20.5, 0.5)  # ticks from the value


def time_shares(regimes: F8) -> F8:
    """Return f8[REGIMES]: the share of time that each regime lasts in the long run."""
    leave = regimes[:, REGIME_LEAVE]
    rates = regimes[:, REGIME_NEXT : REGIME_NEXT + REGIMES] * leave[:, None]
    system = rates.T - np.diag(leave)
    system[-1] = 1.0  # shares add up to one, in place of one redundant balance
    shares: F8 = np.linalg.solve(system, np.eye(REGIMES)[-1])
    return shares


def depth_chances(mean_ticks: float) -> F8:
    """Return f8[SWEEP_TICKS_MAX + 1]: chance that a sweep's limit stands k ticks behind."""
    edges = np.arange(SWEEP_TICKS_MAX + 2, dtype=float)
    plain = np.exp(-edges / mean_ticks)
    block = np.exp(-edges / (BLOCK_FACTOR * mean_ticks))
    tail = (1.0 - BLOCK_SHARE) * plain + BLOCK_SHARE * block
    tail[-1] = 0.0  # deeper ones stop at the deepest
    chances: F8 = tail[:-1] - tail[1:]
    return chances


def truth_of(market: F8, regimes: F8, *, fee_ticks: float) -> dict[str, Any]:
    """Return the edge curve, its best depth, and the volatility, in plain figures.

    Args:
        market: f8[MARKET_COLUMNS], as `synthetic_flow.run` takes it.
        regimes: f8[REGIMES, REGIME_COLUMNS], likewise.
        fee_ticks: the account's maker fee on one fill, in ticks.
    """
    shares = time_shares(regimes)
    branching = market[MARKET_EXCITE] / market[MARKET_DECAY]
    rates = regimes[:, REGIME_SWEEPS] / (1.0 - branching)
    fills = np.zeros(len(DEPTHS))  # an hour, one side
    gains = np.zeros(len(DEPTHS))  # ticks an hour, one side
    variance = float(shares @ regimes[:, REGIME_NEWS]) * 0.25
    model_fee = 2.0 * market[MARKET_FEE_RATE] * 10_000.0
    for row in range(REGIMES):
        chances = depth_chances(float(regimes[row, REGIME_DEPTH]))
        for wider in (0, 1):  # the value's parity: each half of the time
            reach = 0.5 * (regimes[row, REGIME_SPREAD] + wider) + np.arange(len(chances))
            jump = np.maximum(reach - math.floor(model_fee) / 2.0, 0.0)
            moved = market[MARKET_INFORMED] * jump
            weight = 0.5 * float(shares[row] * rates[row])
            variance += weight * market[MARKET_INFORMED] * float(chances @ jump**2)
            for index, depth in enumerate(DEPTHS):
                hit = 1800.0 * weight * chances * (reach >= depth)
                fills[index] += hit.sum()
                gains[index] += float(hit @ (depth - moved - fee_ticks))
    best = int(np.argmax(gains))
    earns = bool(gains[best] > 0.0)
    return {
        "informed_share": float(market[MARKET_INFORMED]),
        "sigma_ticks_per_sqrt_second": math.sqrt(variance),
        "sweeps_per_hour": 3600.0 * float(shares @ rates),
        "sweep_depth_ticks_mean": float(regimes[0, REGIME_DEPTH]),
        "spread_ticks_least": int(regimes[0, REGIME_SPREAD]),
        "depths_ticks": [float(depth) for depth in DEPTHS],
        "fills_per_hour": [round(float(figure), 6) for figure in fills],
        "net_ticks_per_fill": [round(float(g / f), 6) for g, f in zip(gains, fills, strict=True)],
        "edge_at_some_depth": earns,
        "best_depth_ticks": float(DEPTHS[best]) if earns else None,
        "best_ticks_per_hour": round(float(gains[best]), 6) if earns else 0.0,
    }
