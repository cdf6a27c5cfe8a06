"""Watches the public market: one guard step in, one row of steps, views and plans out.

Everything is an online function of what the local clock has shown, so cutting a recording at T
leaves every row before T as it was. Nothing here knows our orders or parameters: one tape of
features serves all candidates. The fits are in `calibration.py`, the formula in `plan.py`.
"""

import math

import numpy as np

from market.calibration import (
    MEMORY_CURSOR,
    MEMORY_DEPTH,
    MEMORY_DRIFT_XX,
    MEMORY_DRIFT_XY,
    MEMORY_FILL_SECONDS,
    MEMORY_FLOW,
    MEMORY_FLOW_SECONDS,
    MEMORY_HEARD,
    MEMORY_LAST,
    MEMORY_MID,
    MEMORY_PLAN,
    MEMORY_RING,
    MEMORY_SILENT,
    MEMORY_STEPS,
    MEMORY_SURVEY,
    MEMORY_VALUE,
    MEMORY_VIEW,
    OBSERVER_AVERSION,
    OBSERVER_COLUMNS,
    OBSERVER_CYCLE_STEPS,
    OBSERVER_DRIFT_RIDGE,
    OBSERVER_DRIFT_SHARE,
    OBSERVER_DYNAMIC,
    OBSERVER_FEE,
    OBSERVER_INTERVAL_S,
    OBSERVER_KEEP_DRIFT,
    OBSERVER_KEEP_FILLS,
    OBSERVER_KEEP_FLOW,
    OBSERVER_KEEP_MID,
    OBSERVER_KEEP_REFERENCE,
    OBSERVER_KEEP_SIGMA,
    OBSERVER_ORDERS,
    OBSERVER_PRIOR_ARRIVALS,
    OBSERVER_PRIOR_DEPTH,
    OBSERVER_PRIOR_SECONDS,
    OBSERVER_SIGMA_MIN,
    OBSERVER_WARMUP_STEPS,
    RING_COLUMNS,
    RING_HIGH,
    RING_IMBALANCE,
    RING_LOW,
    RING_MID,
    calibrate,
    new_cells,
    update_averages,
)
from market.jit import inlined_kernel, kernel
from market.layout import (
    ASK_ROW,
    BID_ROW,
    LEDGER_EQUITY,
    LEDGER_OPENING,
    NO_ASK,
    NO_BID,
    PLAN_COLUMNS,
    PLAN_DYNAMIC,
    STEP_ASK,
    STEP_BID,
    STEP_CURSOR,
    STEP_HEARD_NS,
    STEP_LAST,
    STEP_NOW_NS,
    TOUCH_ASK,
    TOUCH_BASE,
    TOUCH_BID,
    VIEW_COLUMNS,
    VIEW_DECAY_BID,
    VIEW_FLOW,
    VIEW_IMBALANCE,
    VIEW_MID,
    VIEW_MID_AVERAGE,
    VIEW_READY,
    VIEW_RETURN,
    VIEW_SIGMA,
    VIEW_SIGMA_REFERENCE,
)
from market.plan import write_plan
from market.planned import SCRATCH, take_sample, write_dynamic_plan
from market.prints import read_events
from market.risked import tell_risk, walk_both
from market.survey import SURVEY_HIGH, SURVEY_LOW
from market.types import F8, I8

STATE_NUMBERS = 8
STATE_BOUND = 3.0


def observer_settings(
    *,
    interval_s: float = 1.0,
    cycle_s: float = 30.0,
    maker_fee: float = 0.0,
    risk_aversion: float = 0.1,
    orders_per_position: float = 3.0,
    drift_share: float = 1.0,
    warmup_s: float = 300.0,
    mid_memory_s: float = 900.0,
    sigma_memory_s: float = 900.0,
    reference_memory_s: float = 14400.0,
    flow_memory_s: float = 1800.0,
    drift_memory_s: float = 14400.0,
    fill_memory_s: float = 3600.0,
    prior_depth: float = 5e-4,
    prior_seconds: float = 20.0,
    prior_arrivals: float = 1.0,
    drift_ridge: float = 100.0,
    sigma_min: float = 1e-7,
) -> F8:
    """Build f8[OBSERVER_COLUMNS]; with `planned.with_dynamic` and `risked.with_risk` for more.

    Args:
        interval_s: seconds between guard steps, > 0; steps are assumed to be that far apart.
        cycle_s: seconds between decisions, a whole number of steps.
        maker_fee: fraction of price; cost positive.
        risk_aversion: g / k of `plan.closed_form`, dimensionless, >= 0.
        orders_per_position: orders that make up max_position in the plan, > 0; fewer lean less.
            The default is below the usual number: as calibrated, the skew is too strong.
        drift_share: how much of the expected move the quotes follow, in [0, 1].
        warmup_s: seconds before anything is quoted.
        mid_memory_s: after so long an observation keeps 1/e of its weight; the same below.
        sigma_memory_s: of the volatility.
        reference_memory_s: of the volatility's slow average.
        flow_memory_s: of the traded volume.
        drift_memory_s: of the regression of the next move on imbalance.
        fill_memory_s: of the fill depths.
        prior_depth: mean depth of arrivals before there are data, fraction of mid, > 0.
        prior_seconds: seconds in which the prior's arrivals came, > 0.
        prior_arrivals: weight of the prior, arrivals, > 0.
        drift_ridge: prior sum of squared imbalances, in cycles; larger is nearer to no drift.
        sigma_min: least volatility, fraction of mid per sqrt(second), > 0.
    """
    steps = round(cycle_s / interval_s) if interval_s > 0 else 0
    if steps < 1 or abs(steps * interval_s - cycle_s) > 1e-9:
        raise ValueError(
            f"cycle_s must be a whole number of interval_s, found {cycle_s} and {interval_s}"
        )
    row = np.zeros(OBSERVER_COLUMNS)
    row[OBSERVER_INTERVAL_S] = interval_s
    row[OBSERVER_CYCLE_STEPS] = steps
    row[OBSERVER_KEEP_MID] = math.exp(-interval_s / mid_memory_s)
    row[OBSERVER_KEEP_SIGMA] = math.exp(-interval_s / sigma_memory_s)
    row[OBSERVER_KEEP_REFERENCE] = math.exp(-interval_s / reference_memory_s)
    row[OBSERVER_KEEP_FLOW] = math.exp(-interval_s / flow_memory_s)
    row[OBSERVER_KEEP_DRIFT] = math.exp(-interval_s / drift_memory_s)
    row[OBSERVER_KEEP_FILLS] = math.exp(-cycle_s / fill_memory_s)
    row[OBSERVER_WARMUP_STEPS] = math.ceil(warmup_s / interval_s)
    row[OBSERVER_PRIOR_DEPTH] = prior_depth
    row[OBSERVER_PRIOR_SECONDS] = prior_seconds
    row[OBSERVER_PRIOR_ARRIVALS] = prior_arrivals
    # The regression counts every step, so a cycle counts as many times as it has steps.
    row[OBSERVER_DRIFT_RIDGE] = drift_ridge * steps
    row[OBSERVER_SIGMA_MIN] = sigma_min
    row[OBSERVER_AVERSION] = risk_aversion
    row[OBSERVER_ORDERS] = orders_per_position
    row[OBSERVER_FEE] = maker_fee
    row[OBSERVER_DRIFT_SHARE] = drift_share
    return row


def new_observer(settings: F8) -> tuple[F8, F8]:
    """Return (memory, cells) before the first event, for f8[OBSERVER_COLUMNS]."""
    ring = RING_COLUMNS * int(settings[OBSERVER_CYCLE_STEPS])
    scratch = SCRATCH if settings[OBSERVER_DYNAMIC] != 0.0 else 0
    return np.zeros(MEMORY_RING + ring + scratch), new_cells()


@kernel
def observe(
    events: I8,
    offset: int,
    levels: I8,
    touch: I8,
    memory: F8,
    cells: F8,
    now_ns: int,
    settings: F8,
    step_row: I8,
    view_row: F8,
    plan_row: F8,
) -> None:
    """Advance the local side by one guard step and write its three rows.

    Args:
        events: i8[n, EVENT_COLUMNS], what comes next on the local clock, and more.
        offset: number of the first of them, at most MEMORY_CURSOR.
        levels: i8[2, width], the local book, changed.
        touch: i8[TOUCH_COLUMNS], changed.
        memory: f8[MEMORY_RING + RING_COLUMNS x cycle steps], changed.
        cells: f8[CELL_ROWS, BINS], changed.
        now_ns: i8, a multiple of the guard interval; the next one after the last call's.
        settings: f8[OBSERVER_COLUMNS].
        step_row: i8[STEP_COLUMNS], written whole.
        view_row: f8[VIEW_COLUMNS], written whole.
        plan_row: f8[PLAN_COLUMNS], written whole; new at cycle edges, else the last one.
    """
    traded = read_events(events, offset, levels, touch, memory, cells, now_ns)
    bid = touch[TOUCH_BID]
    ask = touch[TOUCH_ASK]
    bid_lots = levels[BID_ROW, bid - touch[TOUCH_BASE]] if bid != NO_BID else 0
    ask_lots = levels[ASK_ROW, ask - touch[TOUCH_BASE]] if ask != NO_ASK else 0
    step_row[STEP_NOW_NS] = now_ns
    step_row[STEP_BID] = bid
    step_row[STEP_ASK] = ask
    if now_ns % cycle_ns_of(settings) == 0:
        walk_both(levels, touch, settings, memory[MEMORY_DEPTH:MEMORY_VALUE])
    observe_market(
        traded, bid_lots, ask_lots, memory, cells, settings, step_row, view_row, plan_row
    )


@kernel
def observe_market(
    traded: float,
    bid_lots: int,
    ask_lots: int,
    memory: F8,
    cells: F8,
    settings: F8,
    step_row: I8,
    view_row: F8,
    plan_row: F8,
) -> None:
    """Write a step's rows from what the local clock has shown by then; see `observe`.

    Args:
        traded: lots since the step before.
        bid_lots: what the best bid holds.
        ask_lots: what the best ask holds.
        memory: changed; its cursor, last price, arrivals and, at cycle edges, depths are of now.
        cells: changed at cycle edges.
        settings: f8[OBSERVER_COLUMNS].
        step_row: its time and best prices are given, the rest is written.
        view_row: written whole.
        plan_row: written whole.
    """
    now_ns = step_row[STEP_NOW_NS]
    for column in range(VIEW_COLUMNS):
        view_row[column] = memory[MEMORY_VIEW + column]
    for column in range(PLAN_COLUMNS):
        plan_row[column] = memory[MEMORY_PLAN + column]
    step_row[STEP_CURSOR] = int(memory[MEMORY_CURSOR])
    step_row[STEP_LAST] = int(memory[MEMORY_LAST])
    step_row[STEP_HEARD_NS] = heard_ns(now_ns, memory, settings)
    interval = settings[OBSERVER_INTERVAL_S]
    keep = settings[OBSERVER_KEEP_FLOW]
    memory[MEMORY_FLOW] = keep * memory[MEMORY_FLOW] + traded
    memory[MEMORY_FLOW_SECONDS] = keep * memory[MEMORY_FLOW_SECONDS] + interval
    memory[MEMORY_FILL_SECONDS] += interval
    view_row[VIEW_FLOW] = memory[MEMORY_FLOW] / memory[MEMORY_FLOW_SECONDS]
    sound = view_book(step_row, bid_lots, ask_lots, memory, settings, view_row)
    memory[MEMORY_STEPS] += 1.0
    edge = now_ns % cycle_ns_of(settings) == 0
    if edge:
        tell_risk(sound, step_row[STEP_BID] + step_row[STEP_ASK], view_row, memory, settings)
    if edge and memory[MEMORY_MID] > 0.0:
        calibrate(view_row, memory, cells, settings)
        told = (settings[OBSERVER_AVERSION], settings[OBSERVER_ORDERS], settings[OBSERVER_FEE])
        write_plan(view_row, *told, settings[OBSERVER_DRIFT_SHARE], plan_row)
        if settings[OBSERVER_DYNAMIC] != 0.0:
            write_dynamic_plan(view_row, memory, settings, plan_row[PLAN_DYNAMIC:])
    ready = sound and view_row[VIEW_DECAY_BID] > 0.0  # a plan was made
    if memory[MEMORY_STEPS] <= settings[OBSERVER_WARMUP_STEPS]:
        ready = False
    view_row[VIEW_READY] = 1.0 if ready else 0.0
    for column in range(VIEW_COLUMNS):
        memory[MEMORY_VIEW + column] = view_row[column]
    for column in range(PLAN_COLUMNS):
        memory[MEMORY_PLAN + column] = plan_row[column]


@inlined_kernel
def cycle_ns_of(settings: F8) -> int:
    """Return the time between decisions."""
    cycle_ns: int = round(settings[OBSERVER_CYCLE_STEPS] * settings[OBSERVER_INTERVAL_S] * 1e9)
    return cycle_ns


@inlined_kernel
def heard_ns(now_ns: int, memory: F8, settings: F8) -> int:
    """Return the time of the step by which the newest event was read; 0 before the first.

    Silence is counted in steps: a float holds no time to the nanosecond.
    """
    cursor = memory[MEMORY_CURSOR]
    memory[MEMORY_SILENT] = memory[MEMORY_SILENT] + 1.0 if cursor == memory[MEMORY_HEARD] else 0.0
    memory[MEMORY_HEARD] = cursor
    if cursor == 0.0:
        return 0
    interval_ns = round(settings[OBSERVER_INTERVAL_S] * 1e9)
    return int(now_ns - int(memory[MEMORY_SILENT]) * interval_ns)


@kernel
def view_book(
    step_row: I8, bid_lots: int, ask_lots: int, memory: F8, settings: F8, view_row: F8
) -> bool:
    """Write what the local book says, and return whether it is sound.

    An unsound book (one-sided or crossed) leaves the view as it was, and a hole in the ring: no
    move is counted from or to it.
    """
    bid = step_row[STEP_BID]
    ask = step_row[STEP_ASK]
    steps = int(memory[MEMORY_STEPS])
    ring = int(settings[OBSERVER_CYCLE_STEPS])
    slot = MEMORY_RING + RING_COLUMNS * (steps % ring)
    past_mid = memory[slot + RING_MID]  # of one cycle ago, or 0
    past_imbalance = memory[slot + RING_IMBALANCE]
    memory[slot + RING_MID] = 0.0
    memory[slot + RING_LOW] = memory[MEMORY_SURVEY + SURVEY_LOW]
    memory[slot + RING_HIGH] = memory[MEMORY_SURVEY + SURVEY_HIGH]
    memory[MEMORY_SURVEY + SURVEY_LOW] = 0.0
    memory[MEMORY_SURVEY + SURVEY_HIGH] = 0.0
    if bid == NO_BID or ask == NO_ASK or bid >= ask:
        return False
    mid = 0.5 * (bid + ask)
    view_row[VIEW_MID] = mid
    view_row[VIEW_IMBALANCE] = (bid_lots - ask_lots) / max(1, bid_lots + ask_lots)
    view_row[VIEW_RETURN] = 0.0
    memory[slot + RING_MID] = mid
    memory[slot + RING_IMBALANCE] = view_row[VIEW_IMBALANCE]
    seconds = ring * settings[OBSERVER_INTERVAL_S]
    if past_mid > 0.0:
        view_row[VIEW_RETURN] = mid - past_mid
        keep = settings[OBSERVER_KEEP_DRIFT]
        product = past_imbalance * (mid - past_mid)
        memory[MEMORY_DRIFT_XX] = keep * memory[MEMORY_DRIFT_XX] + past_imbalance**2
        memory[MEMORY_DRIFT_XY] = keep * memory[MEMORY_DRIFT_XY] + product
    elif steps < ring:  # in the first cycle, volatility is counted from the first step
        past_mid = memory[MEMORY_RING + RING_MID]
        seconds = steps * settings[OBSERVER_INTERVAL_S]
    update_averages(view_row, past_mid, seconds, memory, settings)
    memory[MEMORY_MID] = mid
    edge = steps >= ring and step_row[STEP_NOW_NS] % cycle_ns_of(settings) == 0
    if edge and past_mid > 0.0 and settings[OBSERVER_DYNAMIC] != 0.0:
        take_sample(memory, settings, past_mid, past_imbalance, view_row)
    return True


@kernel
def state_vector(
    view_row: F8,
    ledger: I8,
    position_share: float,
    age_share: float,
    reward_score: float,
    loss_bound_units: int,
    cycle_s: float,
    out: F8,
) -> None:
    """Write the eight numbers of DESIGN.md 6 (learning.md 4.2), each clipped to [-3, 3].

    Args:
        view_row: f8[VIEW_COLUMNS].
        ledger: i8[LEDGER_COLUMNS].
        position_share: position / max_position.
        age_share: age of the oldest open lot over the horizon that counts as old; 0 when flat.
        reward_score: z-score of the decayed mean reward (`policy.reward_score`).
        loss_bound_units: quote units of the daily loss limit, > 0.
        cycle_s: seconds between decisions.
        out: f8[8], written: balance, price against its average, price change, volatility,
            imbalance, time decay, performance, exposure.
    """
    cycle_sigma = max(1e-12, view_row[VIEW_SIGMA] * math.sqrt(cycle_s))
    out[0] = (ledger[LEDGER_EQUITY] - ledger[LEDGER_OPENING]) / max(1, loss_bound_units)
    out[1] = 0.0
    out[3] = 0.0
    if view_row[VIEW_MID] > 0.0 and view_row[VIEW_MID_AVERAGE] > 0.0:
        ratio = math.log(view_row[VIEW_MID] / view_row[VIEW_MID_AVERAGE])
        out[1] = ratio * view_row[VIEW_MID] / cycle_sigma
    out[2] = view_row[VIEW_RETURN] / cycle_sigma
    if view_row[VIEW_SIGMA] > 0.0 and view_row[VIEW_SIGMA_REFERENCE] > 0.0:
        out[3] = math.log(view_row[VIEW_SIGMA] / view_row[VIEW_SIGMA_REFERENCE])
    out[4] = view_row[VIEW_IMBALANCE]
    out[5] = age_share
    out[6] = reward_score
    out[7] = position_share
    for index in range(STATE_NUMBERS):
        out[index] = min(STATE_BOUND, max(-STATE_BOUND, out[index]))
