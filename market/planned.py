"""The plan by dynamic programming: depths from what resting orders would have met lately.

At each cycle edge the grid (cycles left, position, regime of imbalance) is walked backwards
(`stylised_plan.py`) over the fill chances and losses of `survey.py`, and the depths of its first
row, for the imbalance of now, become the same line in the position that the closed form speaks in
(`plan.py`). Positions are in units of `max_position`, so one plan serves every candidate.
"""

import math

from market.calibration import (
    MEMORY_DRIFT_XX,
    MEMORY_DRIFT_XY,
    MEMORY_RING,
    MEMORY_SURVEY,
    OBSERVER_AVERSION,
    OBSERVER_CYCLE_STEPS,
    OBSERVER_DRIFT_RIDGE,
    OBSERVER_DRIFT_SHARE,
    OBSERVER_DYNAMIC,
    OBSERVER_FEE,
    OBSERVER_KEEP_FILLS,
    OBSERVER_KEEP_QUICK,
    RING_COLUMNS,
    RING_HIGH,
    RING_LOW,
    shrunk_slope,
)
from market.jit import kernel
from market.layout import PLAN_ASK, PLAN_BID, PLAN_SLOPE, VIEW_IMBALANCE, VIEW_MID
from market.stylised_plan import plan_backward, write_envelope
from market.survey import (
    COUNTER_COLUMNS,
    COUNTER_CYCLES,
    COUNTER_SQUARES,
    NODES,
    REGIMES,
    SURVEY_COLUMNS,
    SURVEY_SEEN,
    mean_reach,
    note_sample,
    regime_of,
    write_chain,
    write_nodes,
)
from market.types import F8

HORIZON = 60
"""Cycles that are looked ahead."""
ORDERS = 2
"""Orders that make up max_position: with the suggested set, what all levels of a side hold."""
STATES = 2 * ORDERS + 1
ENOUGH = 20.0
"""Cycles seen below which the closed form plans."""
SUREST = 0.98
"""A chance beyond it says nothing of the rate behind it."""

CURVES = 10 * NODES  # five tables of both sides
CHAIN = REGIMES + REGIMES * REGIMES
TABLES = 2 * HORIZON * STATES * REGIMES
SCRATCH = CURVES + NODES + CHAIN + TABLES + 2 * STATES * REGIMES
"""Figures that a plan is made in; they lie behind the ring."""


def with_dynamic(settings: F8, *, quick_cycles: float = 5.0) -> F8:
    """Return f8[OBSERVER_COLUMNS] with which this plan is made as well.

    Args:
        settings: f8[OBSERVER_COLUMNS]; the survey's long memory is that of the fill depths.
        quick_cycles: memory of its quick counter, > 0.
    """
    row = settings.copy()
    row[OBSERVER_DYNAMIC] = 1.0
    row[OBSERVER_KEEP_QUICK] = math.exp(-1.0 / quick_cycles)
    return row


@kernel
def take_sample(
    memory: F8, settings: F8, past_mid: float, past_imbalance: float, view_row: F8
) -> None:
    """Look back over the cycle that ends now.

    Args:
        memory: f8[MEMORY_RING + RING_COLUMNS x cycle steps]; its ring holds this step already.
        settings: f8[OBSERVER_COLUMNS].
        past_mid: ticks, a cycle ago, > 0.
        past_imbalance: of then.
        view_row: f8[VIEW_COLUMNS].
    """
    steps = int(settings[OBSERVER_CYCLE_STEPS])
    low, high = 0.0, 0.0
    for step in range(steps):
        slot = MEMORY_RING + RING_COLUMNS * step
        price = memory[slot + RING_LOW]
        if price > 0.0 and (low == 0.0 or price < low):
            low = price
        high = max(high, memory[slot + RING_HIGH])
    bids = max(0.0, past_mid - low) / past_mid if low > 0.0 else -1.0
    asks = max(0.0, high - past_mid) / past_mid if high > 0.0 else -1.0
    move = view_row[VIEW_MID] - past_mid
    expected = past_imbalance * slope_of(memory, settings)
    note_sample(
        memory[MEMORY_SURVEY : MEMORY_SURVEY + SURVEY_COLUMNS],
        (bids, asks),
        1.0 / past_mid,
        move / past_mid,
        (move - expected) / past_mid,
        (settings[OBSERVER_KEEP_FILLS], settings[OBSERVER_KEEP_QUICK]),
        (regime_of(past_imbalance), regime_of(view_row[VIEW_IMBALANCE])),
    )


@kernel
def slope_of(memory: F8, settings: F8) -> float:
    """Return the expected move of mid over a cycle at an imbalance of 1, ticks."""
    sums = (memory[MEMORY_DRIFT_XX], memory[MEMORY_DRIFT_XY])
    return shrunk_slope(sums[0], sums[1], settings[OBSERVER_DRIFT_RIDGE])


@kernel
def mean_depth(depths: F8, chances: F8) -> float:
    """Return 1 / k of the exponential whose rates have the area of these, in units of `depths`."""
    area = 0.0
    first = -math.log(1.0 - min(SUREST, chances[0]))
    before = first
    for node in range(1, depths.shape[0]):
        rate = -math.log(1.0 - min(SUREST, chances[node]))
        area += 0.5 * (before + rate) * (depths[node] - depths[node - 1])
        before = rate
    return area / first if first > 0.0 else 0.0


@kernel
def write_dynamic_plan(view_row: F8, memory: F8, settings: F8, plan_row: F8) -> bool:
    """Write the plan of one step; return False, and write nothing, when data are thin.

    Args:
        view_row: f8[VIEW_COLUMNS].
        memory: f8[...], its survey is read.
        settings: f8[OBSERVER_COLUMNS].
        plan_row: f8[PLAN_DYNAMIC], written whole, ticks.
    """
    survey = memory[MEMORY_SURVEY : MEMORY_SURVEY + SURVEY_COLUMNS]
    if survey[SURVEY_SEEN] < ENOUGH or mean_reach(survey[:COUNTER_COLUMNS]) <= 0.0:
        return False
    mid = view_row[VIEW_MID]
    room = memory[MEMORY_RING + RING_COLUMNS * int(settings[OBSERVER_CYCLE_STEPS]) :]
    curves = room[:CURVES].reshape((5, 2, NODES))
    chances, earned, corners, best, chance = curves[0], curves[1], curves[2], curves[3], curves[4]
    depths = room[CURVES : CURVES + NODES]
    room = room[CURVES + NODES :]
    reach = 0.0
    for row in range(2):
        write_nodes(survey, row, depths, chances[row], earned[row])
        reach += 0.5 * mean_depth(depths, chances[row]) * mid
        for node in range(NODES):
            earned[row, node] = mid * (depths[node] - earned[row, node])
    if not reach > 0.0:
        return False
    bids = write_envelope(earned[0], chances[0], corners[0], best[0], chance[0])
    asks = write_envelope(earned[1], chances[1], corners[1], best[1], chance[1])
    variance = survey[COUNTER_SQUARES] / survey[COUNTER_CYCLES] * mid * mid
    # Mean-variance: g / 2 sigma^2 q^2 dt, with g = aversion x k per tick and order.
    phi = 0.5 * settings[OBSERVER_AVERSION] / reach * variance
    drift = room[:REGIMES]
    transition = room[REGIMES:CHAIN].reshape((REGIMES, REGIMES))
    write_chain(survey, transition)
    tables = room[CHAIN : CHAIN + TABLES].reshape((2, HORIZON, STATES, REGIMES))
    bid, ask = tables[0], tables[1]
    last = room[CHAIN + TABLES :].reshape((2, STATES, REGIMES))
    last[:] = 0.0
    slope = settings[OBSERVER_DRIFT_SHARE] * slope_of(memory, settings)
    for regime in range(REGIMES):
        drift[regime] = slope * ((2.0 * regime + 1.0) / REGIMES - 1.0)
    plan_backward(
        settings[OBSERVER_FEE] * mid,
        phi,
        phi,
        (bids, asks),
        corners,
        best,
        chance,
        drift,
        transition,
        bid,
        ask,
        last[0],
        last[1],
    )
    invert(bid[0], earned[0], depths, mid)
    invert(ask[0], earned[1], depths, mid)
    write_line(bid[0], ask[0], view_row[VIEW_IMBALANCE], plan_row)
    return True


@kernel
def invert(table: F8, earned: F8, depths: F8, mid: float) -> None:
    """Replace what fills earn, f8[states, regimes], by the depths at which they do, ticks."""
    for state in range(table.shape[0]):
        for regime in range(table.shape[1]):
            node = 0
            while node < NODES - 1 and earned[node] != table[state, regime]:
                node += 1
            table[state, regime] = depths[node] * mid


@kernel
def write_line(bid: F8, ask: F8, imbalance: float, plan_row: F8) -> None:
    """Write the line in x nearest to the depths, those near a position of 0 counting most.

    Args:
        bid, ask: f8[states, regimes], ticks.
        imbalance: of now; between the middles of regimes depths are interpolated.
        plan_row: f8[PLAN_DYNAMIC], written whole.
    """
    place = min(REGIMES - 1.0, max(0.0, 0.5 * (imbalance + 1.0) * REGIMES - 0.5))
    left = min(REGIMES - 2, int(place))
    far = place - left
    weight, bid_sum, ask_sum, square, product = 0.0, 0.0, 0.0, 0.0, 0.0
    middle = 0.0
    for state in range(2 * ORDERS):  # a bid below the highest position, the ask turned over
        q = state - ORDERS
        one = 1.0 / (1.0 + q * q)
        other = 2 * ORDERS - state
        weight += one
        middle += one * q
        bid_sum += one * ((1.0 - far) * bid[state, left] + far * bid[state, left + 1])
        ask_sum += one * ((1.0 - far) * ask[other, left] + far * ask[other, left + 1])
    middle /= weight
    bid_sum /= weight
    ask_sum /= weight
    for state in range(2 * ORDERS):
        q = state - ORDERS
        one = (q - middle) / (1.0 + q * q)
        other = 2 * ORDERS - state
        square += one * (q - middle)
        product += 0.5 * one * ((1.0 - far) * bid[state, left] + far * bid[state, left + 1])
        product += 0.5 * one * ((1.0 - far) * ask[other, left] + far * ask[other, left + 1])
    slope = max(0.0, product / square)
    plan_row[PLAN_BID] = bid_sum - slope * middle
    plan_row[PLAN_ASK] = ask_sum - slope * middle
    plan_row[PLAN_SLOPE] = slope * ORDERS
