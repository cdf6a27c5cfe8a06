"""Walks the quiet steps of a replay: those at which nothing of ours can change but the mark.

When the guard asked for nothing, or all it asked for is on its way and leaves nothing to be wished,
it would answer the next steps with nothing as well, until a fill or a refusal is heard or the
market shows it something else. That is known beforehand as bounds on what the market shows; a step
that breaks one, or might, is lived through in full. What is walked leaves every byte as full steps
would have.
"""

from market.account import Account, Setup
from market.breach import (
    QUARTER_NS,
    REASON_STOP_LOSS,
    REDUCING,
    RISK_PEAK,
    RISK_REASON,
    RISK_STATE,
    RISK_UNTIL_NS,
)
from market.jit import inlined_kernel
from market.layout import (
    LEDGER_BASE,
    LEDGER_DAY,
    LEDGER_DRAWDOWN,
    LEDGER_EQUITY,
    LEDGER_INVENTORY,
    LEDGER_MARK,
    LEDGER_PEAK,
    LEDGER_TARGET,
    NO_BID,
    SCALE_LOT,
    SCALE_TICK_LOT,
    UNITS,
)
from market.ledger import DAY_NS, position_lots, value
from market.own import OWN_METER_COUNT
from market.replay_step import (
    REPLAY_DRAWDOWN,
    REPLAY_EXPOSURE,
    REPLAY_PEAK,
    REPLAY_QUOTED,
    REPLAY_QUOTED_WORTH,
    REPLAY_STEPS,
)
from market.skim import STATE_UNSOUND, Skim
from market.still import (
    STILL_ASK_HIGH,
    STILL_ASK_LOW,
    STILL_ASKS,
    STILL_BEST_ASK,
    STILL_BEST_BID,
    STILL_BID_HIGH,
    STILL_BID_LOW,
    STILL_BIDS,
    STILL_FALL,
    STILL_FLOOR,
    STILL_HALF_HIGH,
    STILL_HALF_LOW,
    STILL_HELD,
    STILL_HIT,
    STILL_MET,
    STILL_PULL_ASK,
    STILL_PULL_BID,
    STILL_STATE,
    STILL_STOP,
    bound_account,
    bound_market,
)
from market.strategy import is_closing
from market.types import F8, I8


@inlined_kernel
def is_still(account: Account, skim: Skim, step: int, limits: F8) -> bool:
    """Return whether the steps after `step` may be quiet, as far as market and limits go."""
    risk = account.risk
    if skim.state[step] == STATE_UNSOUND or account.ledger[LEDGER_MARK] == 0:
        return False
    flat = account.ledger[LEDGER_BASE] == account.ledger[LEDGER_TARGET]
    if risk[RISK_STATE] != REDUCING:
        return bool(flat or not is_closing(risk, limits))
    # A reduction follows the touch; with nothing to reduce it only waits for its time.
    idle = flat and account.own_meter[OWN_METER_COUNT] == 0
    return bool(idle and risk[RISK_REASON] == REASON_STOP_LOSS)


@inlined_kernel
def stop_before(
    step: int, last: int, now_ns: int, interval_ns: int, due_ns: int, account: Account, setup: Setup
) -> int:
    """Return the first step after `step` at which something is due by the clock, at most `last`."""
    cycle = setup.cycle[0]
    due_ns = min(due_ns, (now_ns // cycle + 1) * cycle)
    due_ns = min(due_ns, (account.ledger[LEDGER_DAY] + 1) * DAY_NS)
    due_ns = min(due_ns, (now_ns // QUARTER_NS + 1) * QUARTER_NS)
    if account.risk[RISK_UNTIL_NS] > now_ns:
        due_ns = min(due_ns, account.risk[RISK_UNTIL_NS])
    ahead = -((now_ns - due_ns) // interval_ns)
    return int(min(last, step + max(1, ahead)))


@inlined_kernel
def prepare(
    step: int,
    last: int,
    now_ns: int,
    interval_ns: int,
    due_ns: int,
    skim: Skim,
    account: Account,
    setup: Setup,
    still: I8,
) -> None:
    """Write all bounds of the quiet that may follow `step`; something is due at `due_ns`."""
    bound_market(step, skim, account, setup.guarding, still)
    bound_account(step, skim, account, setup, still)
    still[STILL_STOP] = stop_before(step, last, now_ns, interval_ns, due_ns, account, setup)


@inlined_kernel
def slope(units: int, scale: I8) -> int:
    """Return `value` per half tick when that is a whole number for every price, else NO_BID."""
    lots = units // scale[SCALE_LOT]
    twice = lots * scale[SCALE_TICK_LOT]
    if lots * scale[SCALE_LOT] != units or twice % 2 != 0:
        return NO_BID
    return int(twice // 2)


@inlined_kernel
def look_ahead(first: int, last: int, skim: Skim, still: I8) -> int:
    """Return the first of steps [first, last) whose market breaks a bound or may hit us, or `last`.

    STILL_HIT is written; the hits of step STILL_MET are known not to fill us.
    """
    still[STILL_HIT] = 0
    for step in range(first, last):
        if not within(step, skim, still):
            return step
        near_us = (
            skim.low[step] <= still[STILL_BEST_BID] or skim.high[step] >= still[STILL_BEST_ASK]
        )
        if near_us and step != still[STILL_MET]:
            still[STILL_HIT] = 1
            return step
    return last


@inlined_kernel
def within(step: int, skim: Skim, still: I8) -> bool:
    """Return whether a step's market lies within the bounds."""
    bid = skim.bid[step]
    ask = skim.ask[step]
    both = bid + ask
    moved = both - still[STILL_HELD]
    if skim.state[step] != still[STILL_STATE]:
        return False
    if bid < still[STILL_BID_LOW] or bid > still[STILL_BID_HIGH]:
        return False
    if ask < still[STILL_ASK_LOW] or ask > still[STILL_ASK_HIGH]:
        return False
    if both < still[STILL_HALF_LOW] or both > still[STILL_HALF_HIGH]:
        return False
    if still[STILL_PULL_BID] != 0 and -moved > skim.reach[step]:
        return False
    return not (still[STILL_PULL_ASK] != 0 and moved > skim.reach[step])


@inlined_kernel
def walk(
    first: int,
    last: int,
    skim: Skim,
    ledger: I8,
    risk: I8,
    scale: I8,
    still: I8,
    out: F8,
) -> int:
    """Mark and measure steps [first, last), as full ones do; return the one after the last.

    It ends earlier, before a step at which a limit of the account may be crossed. The arguments
    are those of `replay_step.add_step`, whose arithmetic this repeats with its figures at hand.
    """
    bids = still[STILL_BIDS]
    asks = still[STILL_ASKS]
    base = 2 * skim.base[0]
    per_half = slope(ledger[LEDGER_BASE], scale)
    per_target = slope(ledger[LEDGER_TARGET], scale)
    straight = per_half > NO_BID and per_target > NO_BID
    half = ledger[LEDGER_MARK]
    equity = ledger[LEDGER_EQUITY]
    cash = equity - value(ledger[LEDGER_BASE], half, scale)
    peak = ledger[LEDGER_PEAK]
    watched = risk[RISK_PEAK]
    deepest = ledger[LEDGER_DRAWDOWN]
    position = position_lots(ledger, scale)
    exposure = out[REPLAY_EXPOSURE]
    quoted_worth = out[REPLAY_QUOTED_WORTH]
    highest = out[REPLAY_PEAK]
    fall = out[REPLAY_DRAWDOWN]
    step = first
    while step < last:
        now = base + skim.bid[step] + skim.ask[step]
        if straight:
            held = cash + now * per_half
            target = now * per_target
        else:
            held = cash + value(ledger[LEDGER_BASE], now, scale)
            target = value(ledger[LEDGER_TARGET], now, scale)
        if max(watched, held) - held >= still[STILL_FALL] or held <= still[STILL_FLOOR]:
            break
        watched = max(watched, held)
        half = now
        equity = held
        peak = max(peak, equity)
        deepest = max(deepest, peak - equity)
        worth = 0.5 * half * scale[SCALE_TICK_LOT] / UNITS
        exposed = position * worth
        exposure += exposed * exposed
        excess = (equity - target) / UNITS
        highest = max(highest, excess)
        fall = max(fall, highest - excess)
        quoted_worth += (bids + asks) * worth
        step += 1
    ledger[LEDGER_INVENTORY] += equity - ledger[LEDGER_EQUITY]
    ledger[LEDGER_MARK] = half
    ledger[LEDGER_EQUITY] = equity
    ledger[LEDGER_PEAK] = peak
    risk[RISK_PEAK] = watched
    ledger[LEDGER_DRAWDOWN] = deepest
    out[REPLAY_STEPS] += step - first
    out[REPLAY_QUOTED] += step - first if bids > 0 and asks > 0 else 0
    out[REPLAY_EXPOSURE] = exposure
    out[REPLAY_QUOTED_WORTH] = quoted_worth
    out[REPLAY_PEAK] = highest
    out[REPLAY_DRAWDOWN] = fall
    return step
