"""What the search minimises, and what it must not violate, of candidates replayed over slices.

Three objectives, each per unit of risk, so that size alone buys nothing: the lower bound of the
utility gained over the set in force (`utility.py`), the ratio of mean to deviation of the slices'
profits, and the drawdown against the deviation that the inventory held would give. All come from
the ledger's net profit after fees, which is also what the report of a run states.
"""

import math
from dataclasses import dataclass

import numpy as np

from agents.optimizer.utility import RISK_FLOOR, utilities
from market.breach import LIMIT_CAPITAL, LIMIT_DAILY_LOSS, LIMIT_DRAWDOWN, LIMIT_POSITION
from market.layout import UNITS
from market.replay_step import (
    REPLAY_DRAWDOWN,
    REPLAY_EXPOSURE,
    REPLAY_NET,
)
from market.types import F8

OBJECTIVES = 3
GAIN, STEADINESS, DRAWDOWN = range(OBJECTIVES)
DAY_S = 86_400.0
VALUE_AT_RISK_Z = 1.645
"""Of the 95 % value at risk."""
NEVER = -1.0
"""Violation of a candidate that is as far from every limit as can be."""


@dataclass(frozen=True, slots=True)
class Scale:
    """What turns figures into units of risk.

    Attributes:
        sigma: volatility of mid, fraction per sqrt(second).
        slice_s: seconds of a slice.
        limits: f8[LIMIT_COLUMNS].
    """

    sigma: float
    slice_s: float
    limits: F8


@dataclass(frozen=True, slots=True)
class Valued:
    """Candidates valued on the same slices.

    Attributes:
        gains: f8[n, slices], utility less that of the set in force.
        values: f8[n, OBJECTIVES], minimised.
        violations: f8[n], feasible when <= 0.
    """

    gains: F8
    values: F8
    violations: F8


def valued(figures: F8, held: F8, scale: Scale) -> Valued:
    """Value f8[n, slices, REPLAY_COLUMNS] beside the set in force, f8[slices, REPLAY_COLUMNS]."""
    both = np.concatenate([held[None], figures])
    worth = utilities(both, sigma=scale.sigma, slice_s=scale.slice_s)
    gains = worth[1:] - worth[0]
    mean, error = mean_error(gains)
    net = figures[:, :, REPLAY_NET]
    values = np.stack(
        [error - mean, -steadiness(net), drawdown_share(figures, held, scale)], axis=1
    )
    return Valued(gains, values, violations(figures, scale))


def mean_error(gains: F8) -> tuple[F8, F8]:
    """Return means and standard errors over the slices of f8[n, slices]."""
    slices = gains.shape[1]
    deviation = np.std(gains, axis=1, ddof=1) if slices > 1 else np.zeros(len(gains))
    return gains.mean(1), deviation / math.sqrt(max(1, slices))


def steadiness(net: F8) -> F8:
    """Return f8[n], mean over deviation of f8[n, slices] profits; 0 where nothing varies."""
    deviation = net.std(1, ddof=1) if net.shape[1] > 1 else np.zeros(len(net))
    ratio: F8 = np.where(deviation > 0.0, net.mean(1) / np.where(deviation > 0.0, deviation, 1), 0)
    return ratio


def drawdown_share(figures: F8, held: F8, scale: Scale) -> F8:
    """Return f8[n], mean drawdown of a slice over the deviation of the inventory's profit.

    Whoever hardly trades is measured against a share of the inventory of the set in force.
    """
    unit = scale.sigma * math.sqrt(scale.slice_s)
    own = np.sqrt(np.maximum(0.0, figures[:, :, REPLAY_EXPOSURE].mean(1))) * unit
    least = RISK_FLOOR * math.sqrt(max(0.0, float(held[:, REPLAY_EXPOSURE].mean()))) * unit
    divisor = np.maximum(np.maximum(own, least), 1e-12)
    share: F8 = figures[:, :, REPLAY_DRAWDOWN].mean(1) / divisor
    return share


def violations(figures: F8, scale: Scale) -> F8:
    """Return f8[n]: by which share of a limit the worst of four figures exceeds it.

    Deepest drawdown of a slice against the drawdown limit; the 95 % value at risk of a day, by
    the slices' mean and deviation, and the worst slice against the daily loss limit; the inventory
    held (twice its root mean square) against the position limit.
    """
    limits = scale.limits
    capital = float(limits[LIMIT_CAPITAL]) / UNITS
    net = figures[:, :, REPLAY_NET]
    days = DAY_S / scale.slice_s
    deviation = net.std(1, ddof=1) if net.shape[1] > 1 else np.zeros(len(net))
    at_risk = VALUE_AT_RISK_Z * deviation * math.sqrt(days) - net.mean(1) * days
    held = 2.0 * np.sqrt(np.maximum(0.0, figures[:, :, REPLAY_EXPOSURE].max(1)))
    shares = np.stack(
        [
            figures[:, :, REPLAY_DRAWDOWN].max(1) / (capital * float(limits[LIMIT_DRAWDOWN])),
            at_risk / (capital * float(limits[LIMIT_DAILY_LOSS])),
            -net.min(1) / (capital * float(limits[LIMIT_DAILY_LOSS])),
            held / (capital * 2.0 * float(limits[LIMIT_POSITION])),
        ]
    )
    worst: F8 = np.maximum(shares.max(0) - 1.0, NEVER)
    return worst
