"""One guard step of the strategy: the order in which the kernels are asked, live and in replay.

The venue's part (exchange side, reports) comes before it, the gate and the sending after it. The
live executor calls these three kernels one step at a time; `replay.py` calls them in one compiled
loop. Nothing of the strategy may stand anywhere else.
"""

from market.account import (
    REMEMBER_ACTION,
    REMEMBER_CYCLES,
    REMEMBER_EXCESS,
    Account,
    Setup,
)
from market.breach import (
    ACTIVE,
    HALTED,
    LIMIT_LOSS_CLOSES,
    REDUCING,
    RISK_REASON,
    RISK_STATE,
    check_order,
    take_rate,
)
from market.carry import carry_lots
from market.closing import closing_units, flatten
from market.funding import book
from market.guard import replenish, survey
from market.jit import inlined_kernel, kernel
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
    PLAN_DYNAMIC,
    REPORT_FILL,
    REPORT_FUNDING,
    REPORT_KIND,
    REPORT_LOTS,
    SCALE_SPOT,
    STEP_ASK,
    STEP_BID,
    STEP_HEARD_NS,
    STEP_LAST,
    STEP_NOW_NS,
    UNITS,
    VIEW_SIGMA,
    VIEW_SIGMA_REFERENCE,
)
from market.ledger import fill, mark, position_lots, value
from market.legality import REDUCE
from market.observation import look
from market.own import (
    OWN_METER_COUNT,
    apply_report,
    free_base,
    free_quote,
    insert_own,
    open_lots,
    own_touch,
)
from market.policy import (
    POLICY_DYNAMIC,
    POLICY_LEARNED,
    PROPOSE_ACTION,
    cap_lots,
    decide,
    observe_profit,
)
from market.residual import propose_learned
from market.states import evaluate, is_of_loss
from market.types import F8, I8


@inlined_kernel
def half_ticks_of(step_row: I8) -> int:
    """Return bid + ask, or 0 without a sound two-sided book."""
    bid = step_row[STEP_BID]
    ask = step_row[STEP_ASK]
    if bid == NO_BID or ask == NO_ASK or bid >= ask:
        return 0
    return int(bid + ask)


@inlined_kernel
def market_of(step_row: I8) -> tuple[int, int, int, int]:
    """Return what a limit must know of the market: see `breach.check_order`."""
    now_ns = int(step_row[STEP_NOW_NS])
    return now_ns, half_ticks_of(step_row), int(step_row[STEP_LAST]), int(step_row[STEP_HEARD_NS])


@inlined_kernel
def excess_units(ledger: I8, scale: I8) -> int:
    """Return equity less the worth of the target inventory at the last mark, quote units.

    Its change is the net profit against holding the target and not quoting.
    """
    return int(ledger[LEDGER_EQUITY] - value(ledger[LEDGER_TARGET], ledger[LEDGER_MARK], scale))


@kernel
def take_report(report_row: I8, account: Account, setup: Setup) -> int:
    """Take in one report that has become visible; return a fill's fee in quote units, else 0."""
    if report_row[REPORT_KIND] == REPORT_FUNDING:
        book(report_row[REPORT_LOTS], account.ledger, account.lots, account.lots_meter)
        return 0
    apply_report(account.own, account.own_meter, report_row)
    if report_row[REPORT_KIND] != REPORT_FILL:
        return 0
    return enter_fill(report_row, account, setup)


@inlined_kernel
def enter_fill(report_row: I8, account: Account, setup: Setup) -> int:
    """Book a fill against the mid of the last mark; return its fee in quote units."""
    ledger = account.ledger
    return fill(
        ledger,
        account.lots,
        account.lots_meter,
        account.trips,
        report_row,
        setup.scale,
        ledger[LEDGER_MARK],
        setup.tiers,
    )


@inlined_kernel
def kept_units(step_row: I8, account: Account, setup: Setup) -> float:
    """Return what closing may cost, where a loss closes the position; else 0. The book is sound."""
    lots = position_lots(account.ledger, setup.scale)
    if setup.limits[LIMIT_LOSS_CLOSES] == 0.0 or lots == 0:
        return 0.0
    touch = (step_row[STEP_BID], step_row[STEP_ASK])
    return closing_units(lots, *touch, setup.scale, setup.guarding)


@inlined_kernel
def assess(step_row: I8, view_row: F8, account: Account, setup: Setup) -> int:
    """Mark the account and judge its limits; return the risk state."""
    half = half_ticks_of(step_row)
    if half > 0:
        ledger = account.ledger
        mark(ledger, half, step_row[STEP_NOW_NS], setup.scale)
        ratio = 0.0
        if view_row[VIEW_SIGMA_REFERENCE] > 0.0:
            ratio = view_row[VIEW_SIGMA] / view_row[VIEW_SIGMA_REFERENCE]
        evaluate(
            ledger,
            position_lots(ledger, setup.scale),
            half,
            ratio,
            step_row[STEP_HEARD_NS],
            kept_units(step_row, account, setup),
            setup.limits,
            account.risk,
            setup.scale,
            step_row[STEP_NOW_NS],
        )
    return int(account.risk[RISK_STATE])


@inlined_kernel
def see(step_row: I8, view_row: F8, account: Account, setup: Setup, parameters: F8) -> None:
    """Write the eight numbers of a cycle edge, the account marked and judged."""
    look(
        step_row[STEP_NOW_NS],
        view_row,
        account.ledger,
        account.lots,
        account.lots_meter,
        account.kelly,
        position_lots(account.ledger, setup.scale),
        cap_lots(parameters, setup.scale),
        setup.limits,
        setup.cycle[0],
        account.observation,
    )


@inlined_kernel
def decide_cycle(
    step_row: I8,
    view_row: F8,
    plan_row: F8,
    account: Account,
    setup: Setup,
    parameters: F8,
    state: int,
) -> None:
    """See, tell Kelly the profit of the cycle that ends here, then write the next ladder."""
    ledger = account.ledger
    remember = account.remember
    see(step_row, view_row, account, setup, parameters)
    if ledger[LEDGER_MARK] != 0:
        excess = excess_units(ledger, setup.scale)
        if remember[REMEMBER_CYCLES] > 0:
            profit = (excess - remember[REMEMBER_EXCESS]) / UNITS
            observe_profit(profit, setup.policy, account.kelly)
        remember[REMEMBER_EXCESS] = excess
        remember[REMEMBER_CYCLES] += 1
    plan = plan_row[:PLAN_DYNAMIC]
    if setup.policy[POLICY_DYNAMIC] != 0.0:
        plan = plan_row[PLAN_DYNAMIC:]
    if setup.policy[POLICY_LEARNED] != 0.0:
        propose_learned(account.observation, setup.policy, account.proposal)
    half = half_ticks_of(step_row)
    cap = carry_lots(half, view_row, setup.limits, setup.scale, account.risk)
    remember[REMEMBER_ACTION] = decide(
        step_row,
        view_row,
        plan,
        position_lots(ledger, setup.scale),
        ledger[LEDGER_QUOTE],
        ledger[LEDGER_BASE],
        cap,
        parameters,
        setup.scale,
        setup.policy,
        account.kelly,
        state,
        account.proposal,
        account.guard_state,
        account.ladder,
    )


@inlined_kernel
def reduces(account: Account) -> bool:
    """Return whether a policy proposed to reduce, and the mask let it."""
    proposed = account.proposal[PROPOSE_ACTION] == 1.0 + REDUCE
    return bool(proposed and account.remember[REMEMBER_ACTION] == REDUCE)


@inlined_kernel
def think(
    step_row: I8,
    view_row: F8,
    plan_row: F8,
    account: Account,
    setup: Setup,
    parameters: F8,
    quiet: int,
) -> int:
    """Mark, judge the limits, decide at a cycle edge, guard; return the number of actions.

    Args:
        step_row: i8[STEP_COLUMNS]; its time is now.
        view_row: f8[VIEW_COLUMNS].
        plan_row: f8[PLAN_COLUMNS].
        account: changed; the first rows of its actions are written.
        setup: unchanged.
        parameters: f8[PARAMETER_COLUMNS], in force now.
        quiet: 1 while nothing may be quoted (stopped, paused): everything is pulled.
    """
    state = assess(step_row, view_row, account, setup)
    if quiet != 0:
        state = HALTED  # for policy and guard; the account's own state is untouched
    if step_row[STEP_NOW_NS] % setup.cycle[0] == 0:
        decide_cycle(step_row, view_row, plan_row, account, setup, parameters, state)
    if state == ACTIVE and reduces(account):
        state = REDUCING  # for the guard; by its own will
    scale = setup.scale
    own = account.own
    own_meter = account.own_meter
    ledger = account.ledger
    position = position_lots(ledger, scale)
    if quiet == 0 and position != 0 and is_closing(account.risk, setup.limits):
        return close_position(step_row, account, setup)
    count, bids, asks = survey(
        step_row,
        view_row,
        account.ladder,
        own,
        own_meter,
        position,
        state,
        scale,
        setup.guarding,
        account.guard_state,
        account.actions,
    )
    if not (bids or asks):
        return int(count)
    free = 0
    base = 0
    if scale[SCALE_SPOT] != 0:  # elsewhere no balance binds
        free = free_quote(own, own_meter, ledger[LEDGER_QUOTE], scale)
        base = free_base(own, own_meter, ledger[LEDGER_BASE], scale)
    guarded = (account.guard_state, account.actions)
    return replenish(
        bids, asks, count, own, own_meter, position, free, base, state, scale, *guarded
    )


@inlined_kernel
def is_closing(risk: I8, limits: F8) -> bool:
    """Return whether a halt by loss closes the position now."""
    return bool(
        risk[RISK_STATE] == HALTED
        and limits[LIMIT_LOSS_CLOSES] != 0.0
        and is_of_loss(risk[RISK_REASON])
    )


@kernel
def close_position(step_row: I8, account: Account, setup: Setup) -> int:
    """Write the actions that bring the position to zero; return their number."""
    own = account.own
    own_meter = account.own_meter
    ledger = account.ledger
    scale = setup.scale
    return flatten(
        step_row,
        own,
        own_meter,
        position_lots(ledger, scale),
        free_quote(own, own_meter, ledger[LEDGER_QUOTE], scale),
        free_base(own, own_meter, ledger[LEDGER_BASE], scale),
        scale,
        setup.guarding,
        account.actions,
    )


@kernel
def judge(action: I8, step_row: I8, account: Account, setup: Setup) -> int:
    """Return APPROVED, or the code of the limit that refuses a place (`breach.check_order`)."""
    side = action[ACTION_SIDE]
    ledger = account.ledger
    own = account.own
    own_meter = account.own_meter
    return check_order(
        side,
        action[ACTION_PRICE_TICKS],
        action[ACTION_LOTS],
        position_lots(ledger, setup.scale),
        open_lots(own, own_meter, side),
        market_of(step_row),
        own_touch(own, own_meter),
        free_quote(own, own_meter, ledger[LEDGER_QUOTE], setup.scale),
        free_base(own, own_meter, ledger[LEDGER_BASE], setup.scale),
        own_meter[OWN_METER_COUNT],
        action[ACTION_TAKER],
        setup.limits,
        account.risk,
        setup.scale,
    )


@inlined_kernel
def enter_order(action: I8, now_ns: int, account: Account, setup: Setup) -> int:
    """Enter an approved place among our orders; return its id, or FULL."""
    if action[ACTION_TAKER] == 0:
        take_rate(now_ns, setup.limits, account.risk)
    return insert_own(
        account.own,
        account.own_meter,
        action[ACTION_SIDE],
        action[ACTION_PRICE_TICKS],
        action[ACTION_LOTS],
        action[ACTION_LEVEL],
        now_ns,
    )
