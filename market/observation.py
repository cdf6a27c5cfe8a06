"""The eight numbers that a policy sees at a cycle edge.

DESIGN.md 6. Each number is stationary and without unit, so that what was learned on one instrument
and day means the same on another; each lies in [-LIMIT, LIMIT], and what cannot be told is 0. They
are taken after the account was marked and judged, and before anything of the cycle is decided, by
this kernel alone, in a replay, a training environment and the live executor alike.
"""

import math

import numpy as np

from market.breach import LIMIT_CAPITAL, LIMIT_DAILY_LOSS
from market.jit import inlined_kernel, kernel
from market.layout import (
    LEDGER_DAY_OPENING,
    LEDGER_EQUITY,
    LEDGER_MARK,
    LOT_TIME_NS,
    VIEW_IMBALANCE,
    VIEW_MID,
    VIEW_MID_AVERAGE,
    VIEW_RETURN,
    VIEW_SIGMA,
    VIEW_SIGMA_REFERENCE,
)
from market.lots import LOTS_COUNT, LOTS_FIRST
from market.policy import reward_score
from market.types import F8, I8

# --- what is seen: f8[OBSERVATION_COLUMNS] --------------------------------------------------
OBSERVE_BALANCE = 0  # profit of the UTC day, in units of the daily loss limit
OBSERVE_PRICE = 1  # mid above its own average, in standard deviations of a cycle
OBSERVE_CHANGE = 2  # move of mid over the last cycle, in the same unit
OBSERVE_VOLATILITY = 3  # log of volatility over its slow average
OBSERVE_IMBALANCE = 4  # of the top of the book, in [-1, 1]
OBSERVE_AGE = 5  # of the oldest open lot, hours
OBSERVE_SCORE = 6  # z-score of the mean profit per cycle, recent cycles counting most
OBSERVE_EXPOSURE = 7  # position over max_position
OBSERVATION_COLUMNS = 8

LIMIT = 3.0
DAILY_LOSS = 0.05  # of capital, where no limit is set: a unit, not a limit
MILLISECOND_NS = 1_000_000
HOUR_MS = 3600.0 * 1e3


@inlined_kernel
def clipped(value: float) -> float:
    """Return a value within [-LIMIT, LIMIT]; 0 when it is none."""
    if not math.isfinite(value):
        return 0.0
    return min(LIMIT, max(-LIMIT, value))


@kernel
def look(
    now_ns: int,
    view_row: F8,
    ledger: I8,
    lots: I8,
    lots_meter: I8,
    kelly: F8,
    position: int,
    max_lots: int,
    limits: F8,
    cycle_ns: int,
    seen: F8,
) -> None:
    """Write the eight numbers.

    Args:
        now_ns: a cycle edge.
        view_row: f8[VIEW_COLUMNS].
        ledger: i8[LEDGER_COLUMNS], marked at `now_ns`.
        lots: i8[LOTS_MAX, LOT_COLUMNS].
        lots_meter: i8[LOTS_METER_COLUMNS].
        kelly: f8[KELLY_COLUMNS], of the cycles before the one that ends now.
        position: lots, signed.
        max_lots: of max_position, the optimizer's.
        limits: f8[LIMIT_COLUMNS].
        cycle_ns: time between decisions.
        seen: f8[OBSERVATION_COLUMNS], written whole.
    """
    seen[:] = 0.0
    if ledger[LEDGER_MARK] != 0:
        loss = limits[LIMIT_DAILY_LOSS] if limits[LIMIT_DAILY_LOSS] > 0.0 else DAILY_LOSS
        profit = ledger[LEDGER_EQUITY] - ledger[LEDGER_DAY_OPENING]
        seen[OBSERVE_BALANCE] = clipped(profit / (loss * limits[LIMIT_CAPITAL]))
    sigma = view_row[VIEW_SIGMA]
    deviation = sigma * math.sqrt(cycle_ns / 1e9)
    if deviation > 0.0:
        away = view_row[VIEW_MID] - view_row[VIEW_MID_AVERAGE]
        seen[OBSERVE_PRICE] = clipped(away / deviation)
        seen[OBSERVE_CHANGE] = clipped(view_row[VIEW_RETURN] / deviation)
    if sigma > 0.0 and view_row[VIEW_SIGMA_REFERENCE] > 0.0:
        seen[OBSERVE_VOLATILITY] = clipped(math.log(sigma / view_row[VIEW_SIGMA_REFERENCE]))
    seen[OBSERVE_IMBALANCE] = clipped(view_row[VIEW_IMBALANCE])
    if lots_meter[LOTS_COUNT] > 0:
        # In whole milliseconds, as coarse as a fill's time is on any wire.
        oldest_ms = lots[lots_meter[LOTS_FIRST], LOT_TIME_NS] // MILLISECOND_NS
        seen[OBSERVE_AGE] = clipped((now_ns // MILLISECOND_NS - oldest_ms) / HOUR_MS)
    seen[OBSERVE_SCORE] = clipped(reward_score(kelly))
    if max_lots > 0:
        seen[OBSERVE_EXPOSURE] = clipped(position / max_lots)


def new_observation() -> F8:
    """Return the eight numbers before the first cycle."""
    return np.zeros(OBSERVATION_COLUMNS)
