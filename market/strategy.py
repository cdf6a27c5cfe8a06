"""One guard step of the strategy: the order in which the kernels are asked, live and in replay.

The venue's part (exchange side, reports) comes before it, the gate and the sending after it. The
live executor calls these three kernels one step at a time; `replay.py` calls them in one compiled
loop. Nothing of the strategy may stand anywhere else.
"""

from market.breach import (
    APPROVED,
    RISK_STATE,
    check_order,
    evaluate,
    position_cap_lots,
)
from market.guard import guard
from market.jit import kernel
from market.layout import (
    ACTION_LEVEL,
    ACTION_LOTS,
    ACTION_PRICE_TICKS,
    ACTION_SIDE,
    ACTION_TAKER,
    LEDGER_BASE,
    LEDGER_EQUITY,
    LEDGER_MARK,
    LEDGER_QUOTE,
    LEDGER_TARGET,
    NO_ASK,
    NO_BID,
    REPORT_FILL,
    REPORT_KIND,
    STEP_ASK,
    STEP_BID,
    STEP_NOW_NS,
    UNITS,
    VIEW_SIGMA,
    VIEW_SIGMA_REFERENCE,
)
from market.ledger import fill, mark, position_lots, value
from market.own import (
    FULL,
    OWN_METER_COUNT,
    apply_report,
    free_base,
    free_quote,
    insert_own,
    open_lots,
)
from market.policy import decide, observe_profit
from market.types import F8, I8

# --- what the strategy remembers besides its parts: i8[MEMORY_COLUMNS], zeros at first -------
REMEMBER_EXCESS = 0  # equity less the worth of the target, quote units, at the last cycle
REMEMBER_CYCLES = 1  # cycles decided so far
REMEMBER_ACTION = 2  # last action chosen (policy.PULL_BOTH .. REDUCE)
REMEMBER_COLUMNS = 3


@kernel
def half_ticks_of(step_row: I8) -> int:
    """Return bid + ask, or 0 without a sound two-sided book."""
    bid = step_row[STEP_BID]
    ask = step_row[STEP_ASK]
    if bid == NO_BID or ask == NO_ASK or bid >= ask:
        return 0
    return int(bid + ask)


@kernel
def excess_units(ledger: I8, scale: I8) -> int:
    """Return equity less the worth of the target inventory at the last mark, quote units.

    Its change is the net profit against holding the target and not quoting.
    """
    return int(ledger[LEDGER_EQUITY] - value(ledger[LEDGER_TARGET], ledger[LEDGER_MARK], scale))


@kernel
def take_report(
    report_row: I8,
    own: I8,
    own_meter: I8,
    ledger: I8,
    lots: I8,
    lots_meter: I8,
    trips: I8,
    scale: I8,
) -> int:
    """Take in one report that has become visible; return a fill's fee in quote units, else 0."""
    apply_report(own, own_meter, report_row)
    if report_row[REPORT_KIND] != REPORT_FILL:
        return 0
    return fill(ledger, lots, lots_meter, trips, report_row, scale, ledger[LEDGER_MARK])


@kernel
def think(
    step_row: I8,
    view_row: F8,
    plan_row: F8,
    own: I8,
    own_meter: I8,
    ledger: I8,
    risk: I8,
    kelly: F8,
    guard_state: I8,
    ladder: I8,
    remember: I8,
    actions: I8,
    parameters: F8,
    scale: I8,
    limits: F8,
    policy: F8,
    guarding: F8,
    cycle_ns: int,
    quiet: int,
) -> int:
    """Mark, judge the limits, decide at a cycle edge, guard; return the number of actions.

    Args:
        step_row: i8[STEP_COLUMNS]; its time is now.
        view_row: f8[VIEW_COLUMNS].
        plan_row: f8[PLAN_COLUMNS].
        own: i8[ORDERS_MAX, OWN_COLUMNS].
        own_meter: i8[OWN_METER_COLUMNS], changed.
        ledger: i8[LEDGER_COLUMNS], marked.
        risk: i8[RISK_COLUMNS], changed.
        kelly: f8[KELLY_COLUMNS], changed.
        guard_state: i8[HELD_COLUMNS], changed.
        ladder: i8[2, LEVELS_MAX, LADDER_COLUMNS], changed.
        remember: i8[REMEMBER_COLUMNS], changed.
        actions: i8[ACTIONS_MAX, ACTION_COLUMNS]; the first rows are written.
        parameters: f8[PARAMETER_COLUMNS], in force now.
        scale: i8[SCALE_COLUMNS].
        limits: f8[LIMIT_COLUMNS].
        policy: f8[POLICY_COLUMNS].
        guarding: f8[GUARD_COLUMNS].
        cycle_ns: i8, time between decisions.
        quiet: 1 while nothing may be quoted (stopped, paused): everything is pulled.
    """
    now_ns = step_row[STEP_NOW_NS]
    half = half_ticks_of(step_row)
    position = position_lots(ledger, scale)
    if half > 0:
        mark(ledger, half, now_ns, scale)
        ratio = 0.0
        if view_row[VIEW_SIGMA_REFERENCE] > 0.0:
            ratio = view_row[VIEW_SIGMA] / view_row[VIEW_SIGMA_REFERENCE]
        evaluate(ledger, position, half, ratio, limits, risk, scale, now_ns)
    state = risk[RISK_STATE]
    if quiet != 0:
        state = 2  # HALTED for the policy and the guard; the account's own state is untouched
    if now_ns % cycle_ns == 0:
        if ledger[LEDGER_MARK] != 0:
            excess = excess_units(ledger, scale)
            if remember[REMEMBER_CYCLES] > 0:
                profit = (excess - remember[REMEMBER_EXCESS]) / UNITS
                observe_profit(profit, policy, kelly)
            remember[REMEMBER_EXCESS] = excess
            remember[REMEMBER_CYCLES] += 1
        remember[REMEMBER_ACTION] = decide(
            step_row,
            view_row,
            plan_row,
            position,
            ledger[LEDGER_QUOTE],
            ledger[LEDGER_BASE],
            position_cap_lots(half, limits, scale),
            parameters,
            scale,
            policy,
            kelly,
            state,
            guard_state,
            ladder,
        )
    return guard(
        step_row,
        view_row,
        ladder,
        own,
        own_meter,
        position,
        free_quote(own, own_meter, ledger[LEDGER_QUOTE], scale),
        free_base(own, own_meter, ledger[LEDGER_BASE], scale),
        state,
        scale,
        guarding,
        guard_state,
        actions,
    )


@kernel
def judge_action(
    action: I8,
    step_row: I8,
    own: I8,
    own_meter: I8,
    ledger: I8,
    risk: I8,
    limits: F8,
    scale: I8,
) -> int:
    """Return APPROVED, or the code of the limit that refuses a place (`breach.check_order`)."""
    side = action[ACTION_SIDE]
    return check_order(
        side,
        action[ACTION_PRICE_TICKS],
        action[ACTION_LOTS],
        position_lots(ledger, scale),
        open_lots(own, own_meter, side),
        half_ticks_of(step_row),
        free_quote(own, own_meter, ledger[LEDGER_QUOTE], scale),
        free_base(own, own_meter, ledger[LEDGER_BASE], scale),
        own_meter[OWN_METER_COUNT],
        action[ACTION_TAKER],
        limits,
        risk,
        scale,
    )


@kernel
def admit(
    action: I8,
    step_row: I8,
    own: I8,
    own_meter: I8,
    ledger: I8,
    risk: I8,
    limits: F8,
    scale: I8,
) -> tuple[int, int]:
    """Judge a place and, when approved, enter it among our orders; return (code, order id)."""
    code = judge_action(action, step_row, own, own_meter, ledger, risk, limits, scale)
    if code != APPROVED:
        return code, 0
    order_id = insert_own(
        own,
        own_meter,
        action[ACTION_SIDE],
        action[ACTION_PRICE_TICKS],
        action[ACTION_LOTS],
        action[ACTION_LEVEL],
        step_row[STEP_NOW_NS],
    )
    if order_id == FULL:
        return 5, 0  # REFUSED_OPEN_ORDERS
    return APPROVED, order_id
