"""Decides, once a cycle, which sides to quote, how wide, how shifted and how large.

DESIGN.md 6: reservation shift, half width, action, size fraction. Prices and lots are written by
`quotes.py`; limits are judged in `breach.py`, whose state is the mask that comes last.
"""

import math

import numpy as np

from market.frame import followed_spread, width_and_shift
from market.guard import hold_ladder
from market.jit import inlined_kernel, kernel
from market.layout import (
    PARAMETER_BASE_QUANTITY,
    PARAMETER_LEVELS,
    PARAMETER_MAX_POSITION,
    PARAMETER_SPREAD,
    SCALE_LOT,
    STEP_ASK,
    STEP_BID,
    UNITS,
    VIEW_DRIFT,
    VIEW_FLOW,
    VIEW_MID,
    VIEW_READY,
)
from market.legality import (
    ASK_ONLY,
    BID_ONLY,
    BOTH,
    PULL_BOTH,
    REDUCE,
    legal_actions,
    masked,
)
from market.quotes import clear_ladder, order_lots, smallest_lots, write_ladder
from market.types import F8, I8

# --- what the policy may be told: f8[POLICY_COLUMNS] ----------------------------------------
POLICY_LEVEL_STEP = 0  # distance between levels, in units of the half width
POLICY_PROBE = 1  # smallest size_fraction
POLICY_START = 2  # size_fraction before Kelly has enough observations
POLICY_KELLY = 3  # share of the full Kelly fraction
POLICY_KELLY_MIN = 4  # observations before Kelly speaks
POLICY_KELLY_DECAY = 5  # weight kept by an observation from one cycle to the next
POLICY_FLOW_SHARE = 6  # most of recent flow on one side; 0: no such cap
POLICY_FLOW_SECONDS = 7  # what "recent" means
POLICY_DRIFT_ONE_SIDE = 8  # quote one side only when |drift| exceeds this many half widths; 0: off
POLICY_LEVEL_CHANGE = 9  # -1, 0 or 1 levels, by action
POLICY_CAPITAL = 10  # quote asset; the unit of Kelly's returns
POLICY_DYNAMIC = 11  # 1: the plan by dynamic programming proposes, 0: the closed form
POLICY_LEARNED = 12  # 1: with a residual
POLICY_VOLATILITY = 13  # at which the spread is meant, fraction per sqrt(second); 0: at any
POLICY_RESIDUAL = 14  # its coefficients (`residual.py`)
RESIDUALS = 8
POLICY_COLUMNS = POLICY_RESIDUAL + RESIDUALS

# --- Kelly's memory: f8[KELLY_COLUMNS], zeros at first ---------------------------------------
KELLY_COUNT = 0  # observations so far
KELLY_WEIGHT = 1  # decayed sum of weights
KELLY_SQUARES = 2  # decayed sum of squared weights
KELLY_SUM = 3  # decayed sum of returns
KELLY_SUM_SQUARES = 4  # and of their squares
KELLY_FRACTION = 5  # size_fraction in force; 0 while nothing is quoted or held
KELLY_COLUMNS = 6

# --- what a learned policy proposes: f8[PROPOSAL_COLUMNS]; zeros leave all to the closed form --
PROPOSE_WIDTH = 0  # half width in half spreads h of the frame, in [0.5, 3]; 0: the plan's
PROPOSE_SHIFT = 1  # reservation shift in half spreads, in [-2, 2]; read where a width is
PROPOSE_FRACTION = 2  # size_fraction, in [probe, 1]; 0: Kelly's
PROPOSE_ACTION = 3  # 1 + action (PULL_BOTH .. REDUCE); 0: by the expected drift
PROPOSE_LEVELS = 4  # levels more than the frame says: -1, 0 or 1
PROPOSE_STRETCH = 5  # natural log of the plan's width's factor; read where no width is
PROPOSE_LEAN = 6  # added to the plan's shift, in half spreads; read where no width is
PROPOSAL_COLUMNS = 7


def policy_settings(
    *,
    capital: float,
    level_step: float = 0.5,
    probe: float = 0.1,
    start_fraction: float = 1.0,
    kelly_share: float = 0.25,
    kelly_observations_min: int = 100,
    kelly_memory_cycles: float = 960.0,
    flow_share: float = 0.05,
    flow_seconds: float = 3600.0,
    drift_one_side: float = 1.0,
    level_change: int = 0,
    dynamic: bool = False,
    volatility: float = 0.0,
    residual: F8 | None = None,
) -> F8:
    """Build f8[POLICY_COLUMNS].

    Args:
        capital: quote asset, > 0.
        level_step: distance between levels, in half widths, >= 0.
        probe: smallest size_fraction, in (0, 1].
        start_fraction: size_fraction until Kelly has seen enough cycles, in [probe, 1].
        kelly_share: c of the fractional Kelly, in (0, 1].
        kelly_observations_min: cycles, >= 2.
        kelly_memory_cycles: cycles after which an observation keeps 1/e of its weight, >= 1.
        flow_share: most of the recent flow that one side may show, 0 for no cap.
        flow_seconds: what recent means, seconds.
        drift_one_side: half widths of expected move beyond which one side is quoted; 0 for never.
        level_change: -1, 0 or 1.
        dynamic: whether the plan by dynamic programming proposes.
        volatility: at which the frame's spread is meant, fraction per sqrt(second); 0 for any.
        residual: f8[RESIDUALS], or none.
    """
    if not capital > 0 or not 0 < probe <= start_fraction <= 1 or not kelly_memory_cycles >= 1:
        raise ValueError(
            "need capital > 0, 0 < probe <= start_fraction <= 1, kelly_memory_cycles >= 1, found "
            f"{capital}, {probe}, {start_fraction}, {kelly_memory_cycles}"
        )
    row = np.zeros(POLICY_COLUMNS)
    row[POLICY_LEVEL_STEP] = level_step
    row[POLICY_PROBE] = probe
    row[POLICY_START] = start_fraction
    row[POLICY_KELLY] = kelly_share
    row[POLICY_KELLY_MIN] = kelly_observations_min
    row[POLICY_KELLY_DECAY] = math.exp(-1.0 / kelly_memory_cycles)
    row[POLICY_FLOW_SHARE] = flow_share
    row[POLICY_FLOW_SECONDS] = flow_seconds
    row[POLICY_DRIFT_ONE_SIDE] = drift_one_side
    row[POLICY_LEVEL_CHANGE] = level_change
    row[POLICY_CAPITAL] = capital
    row[POLICY_DYNAMIC] = 1.0 if dynamic else 0.0
    row[POLICY_VOLATILITY] = volatility
    if residual is not None:
        row[POLICY_LEARNED] = 1.0
        row[POLICY_RESIDUAL:] = residual
    return row


def new_proposal() -> F8:
    """Return a proposal that leaves everything to the closed form, f8[PROPOSAL_COLUMNS]."""
    return np.zeros(PROPOSAL_COLUMNS)


def new_kelly() -> F8:
    """Return Kelly's memory before the first cycle, f8[KELLY_COLUMNS]."""
    return np.zeros(KELLY_COLUMNS)


@kernel
def lots_of(base: float, scale: I8) -> int:
    """Return an amount of the base asset in whole lots, rounded down."""
    return int(math.floor(base * UNITS + 0.5) // scale[SCALE_LOT])


@kernel
def cap_lots(parameters: F8, scale: I8) -> int:
    """Return max_position in whole lots, rounded down."""
    return int(lots_of(parameters[PARAMETER_MAX_POSITION], scale))


@kernel
def kelly_moments(kelly: F8) -> tuple[float, float, float]:
    """Return (mean, standard error of the mean, variance) of the net return per cycle.

    The weights decay, so the effective count is (sum w)^2 / sum w^2 and the variance is divided
    by sum w - sum w^2 / sum w. All 0 with fewer than two observations.
    """
    weight = kelly[KELLY_WEIGHT]
    if kelly[KELLY_COUNT] < 2 or weight <= 0.0:
        return 0.0, 0.0, 0.0
    mean = kelly[KELLY_SUM] / weight
    squares = kelly[KELLY_SUM_SQUARES] - weight * mean * mean
    variance = max(0.0, squares) / (weight - kelly[KELLY_SQUARES] / weight)
    effective = weight * weight / kelly[KELLY_SQUARES]
    return mean, math.sqrt(variance / effective), variance


@kernel
def observe_profit(profit: float, tuning: F8, kelly: F8) -> None:
    """Take in the net profit of the cycle that ends now, before the next size is decided.

    Args:
        profit: quote asset, net of fees, against holding the target. It is divided by capital
            and by the size_fraction it was made with: the return at full size.
        tuning: f8[POLICY_COLUMNS].
        kelly: f8[KELLY_COLUMNS], changed.
    """
    fraction = kelly[KELLY_FRACTION]
    if fraction <= 0.0:
        return  # nothing was quoted
    value = profit / (tuning[POLICY_CAPITAL] * fraction)
    decay = tuning[POLICY_KELLY_DECAY]
    kelly[KELLY_COUNT] += 1.0
    kelly[KELLY_WEIGHT] = decay * kelly[KELLY_WEIGHT] + 1.0
    kelly[KELLY_SQUARES] = decay * decay * kelly[KELLY_SQUARES] + 1.0
    kelly[KELLY_SUM] = decay * kelly[KELLY_SUM] + value
    kelly[KELLY_SUM_SQUARES] = decay * kelly[KELLY_SUM_SQUARES] + value * value


@kernel
def size_fraction(tuning: F8, kelly: F8) -> float:
    """Return c max(0, mean - 1 se) / variance of the net return per cycle, in [probe, 1].

    Before POLICY_KELLY_MIN observations there is no estimate: POLICY_START. Kelly 1956 as a
    fraction (learning.md 4.4). The returns are those of full size over capital, so 1 means that
    Kelly would at least let base_quantity stand.
    """
    if kelly[KELLY_COUNT] < tuning[POLICY_KELLY_MIN]:
        return float(tuning[POLICY_START])
    mean, error, variance = kelly_moments(kelly)
    edge = mean - error
    if edge <= 0.0:
        return float(tuning[POLICY_PROBE])
    if variance <= 0.0:
        return 1.0
    return float(min(1.0, max(tuning[POLICY_PROBE], tuning[POLICY_KELLY] * edge / variance)))


@kernel
def reward_score(kelly: F8) -> float:
    """Return the z-score of the decayed mean net return (0 when undefined)."""
    _, error, _ = kelly_moments(kelly)
    if error <= 0.0:
        return 0.0
    return float(kelly[KELLY_SUM] / kelly[KELLY_WEIGHT] / error)


@inlined_kernel
def proposed_width_and_shift(
    mid: float, spread_percentage: float, width: float, shift: float, proposal: F8
) -> tuple[float, float]:
    """Return (w, r) in ticks of a proposal in place of the plan's, or of what it adds to them."""
    half = spread_percentage / 200.0 * mid
    if proposal[PROPOSE_WIDTH] > 0.0:
        width = proposal[PROPOSE_WIDTH] * half
        shift = proposal[PROPOSE_SHIFT] * half
    else:
        width *= math.exp(proposal[PROPOSE_STRETCH])
        shift += proposal[PROPOSE_LEAN] * half
    return min(3.0 * half, max(0.5 * half, width)), min(2.0 * half, max(-2.0 * half, shift))


@inlined_kernel
def wanted_action(view_row: F8, width: float, tuning: F8, proposal: F8) -> int:
    """Return the action that is proposed; else one side where the drift is beyond the width."""
    if proposal[PROPOSE_ACTION] > 0.0:
        return int(min(float(REDUCE), proposal[PROPOSE_ACTION] - 1.0))
    edge = tuning[POLICY_DRIFT_ONE_SIDE] * width
    if edge > 0.0 and view_row[VIEW_DRIFT] > edge:
        return BID_ONLY  # an ask would be sold below where mid is expected
    if edge > 0.0 and view_row[VIEW_DRIFT] < -edge:
        return ASK_ONLY
    return BOTH


@kernel
def legal_action(
    action: int,
    position_lots: int,
    max_lots: int,
    dearest_ticks: int,
    view_row: F8,
    risk_state: int,
    scale: I8,
) -> int:
    """Return what the risk manager's mask (`legality.py`) leaves of an action; it comes last.

    With a full position the other side is quoted. What was pulled stays pulled. At the dearest
    quote the smallest order has fewest lots: by it no side is forbidden too early.
    """
    least = smallest_lots(dearest_ticks, scale)
    ready = view_row[VIEW_READY] >= 0.5
    legal = legal_actions(position_lots, max_lots, least, risk_state, ready)
    if position_lots >= max_lots and action in (BOTH, BID_ONLY):
        action = ASK_ONLY
    elif position_lots <= -max_lots and action in (BOTH, ASK_ONLY):
        action = BID_ONLY
    return masked(action, legal)


@kernel
def rooms(
    action: int, position_lots: int, max_lots: int, view_row: F8, tuning: F8
) -> tuple[int, int]:
    """Return the most lots of all bids and of all asks.

    All of a side filled must not carry the position past `max_lots`, nor may a side show more
    than its share of the recent flow beyond what closes the position.
    """
    bid_room = max_lots - position_lots
    ask_room = max_lots + position_lots
    if tuning[POLICY_FLOW_SHARE] > 0.0:
        flow = tuning[POLICY_FLOW_SHARE] * view_row[VIEW_FLOW] * tuning[POLICY_FLOW_SECONDS]
        bid_room = min(bid_room, int(flow) + max(0, -position_lots))
        ask_room = min(ask_room, int(flow) + max(0, position_lots))
    if action == ASK_ONLY:
        bid_room = 0
    if action == BID_ONLY:
        ask_room = 0
    return bid_room, ask_room


@kernel
def decide(
    step_row: I8,
    view_row: F8,
    plan_row: F8,
    position_lots: int,
    quote_units: int,
    base_units: int,
    risk_cap_lots: int,
    parameters: F8,
    scale: I8,
    tuning: F8,
    kelly: F8,
    risk_state: int,
    proposal: F8,
    guard_state: I8,
    ladder: I8,
) -> int:
    """Write the ladder of this cycle and return the action (PULL_BOTH .. REDUCE).

    Args:
        step_row: i8[STEP_COLUMNS].
        view_row: f8[VIEW_COLUMNS].
        plan_row: f8[PLAN_DYNAMIC], of the policy in force.
        position_lots: i8, signed, base over target in lots.
        quote_units: i8, balance held, that tied up in our orders included: the ladder replaces
            them.
        base_units: i8, the same for the base asset.
        risk_cap_lots: i8, largest position that risk allows (`carry.py`); LOTS_HUGE: no cap.
        parameters: f8[PARAMETER_COLUMNS].
        scale: i8[SCALE_COLUMNS].
        tuning: f8[POLICY_COLUMNS].
        kelly: f8[KELLY_COLUMNS]; KELLY_FRACTION is written.
        risk_state: of `breach.py`.
        proposal: f8[PROPOSAL_COLUMNS], of a learned policy; zeros: none.
        guard_state: i8[HELD_COLUMNS]; told in which market the ladder was made.
        ladder: i8[2, LEVELS_MAX, LADDER_COLUMNS], written whole.
    """
    fraction = size_fraction(tuning, kelly)
    if proposal[PROPOSE_FRACTION] > 0.0:
        fraction = min(1.0, max(tuning[POLICY_PROBE], proposal[PROPOSE_FRACTION]))
    kelly[KELLY_FRACTION] = fraction
    max_lots = max(0, min(cap_lots(parameters, scale), risk_cap_lots))
    x = 0.0
    if max_lots > 0:
        x = min(1.0, max(-1.0, position_lots / max_lots))
    mid = view_row[VIEW_MID]
    spread = followed_spread(parameters[PARAMETER_SPREAD], view_row, tuning[POLICY_VOLATILITY])
    planned = width_and_shift(mid, spread, plan_row, x)
    width, shift = proposed_width_and_shift(mid, spread, planned[0], planned[1], proposal)
    action = wanted_action(view_row, width, tuning, proposal)
    step = tuning[POLICY_LEVEL_STEP]
    change = min(1.0, max(-1.0, proposal[PROPOSE_LEVELS])) + tuning[POLICY_LEVEL_CHANGE]
    levels = max(1, int(parameters[PARAMETER_LEVELS]) + int(change))
    dearest = int(mid + shift + width * (1.0 + levels * step)) + 1
    told = (max_lots, dearest, view_row, risk_state, scale)
    action = legal_action(action, position_lots, *told)
    # The minimum notional binds first at the lowest price, the outermost bid.
    price = max(1, int(mid + shift - width * (1.0 + levels * step)))
    base = parameters[PARAMETER_BASE_QUANTITY]
    hold_ladder(step_row, max_lots, order_lots(base, 1.0, price, scale), levels, guard_state)
    if action == PULL_BOTH and position_lots == 0:
        kelly[KELLY_FRACTION] = 0.0  # a cycle without quotes and position is no observation
    if action in (PULL_BOTH, REDUCE):
        clear_ladder(ladder)  # a reduction is written, and followed, by the guard
        return action
    lots = order_lots(base, fraction, price, scale)
    bid_room, ask_room = rooms(action, position_lots, max_lots, view_row, tuning)
    rows = (bid_room, ask_room, quote_units, base_units, step_row[STEP_BID], step_row[STEP_ASK])
    write_ladder(mid, shift, width, step, levels, lots, *rows, scale, ladder)
    return action
