"""Walks the quiet steps of a replay: those at which nothing of ours can change but the mark.

When the guard asked for nothing, or all it asked for is on its way and leaves nothing to be wished,
it would answer the next steps with nothing as well, until a fill or a refusal is heard or the
market shows it something else. That is known beforehand as bounds on what the market shows; a step
that breaks one, or might, is lived through in full. What is walked leaves every byte as full steps
would have.
"""

import math

from market.account import Account, Setup
from market.breach import (
    HALTED,
    LIMIT_CAPITAL,
    LIMIT_DAILY_LOSS,
    LIMIT_DRAWDOWN,
    LIMIT_POSITION,
    LIMIT_SLACK,
    LIMIT_STOP_LOSS,
    QUARTER_NS,
    REASON_DAILY_LOSS,
    REASON_DRAWDOWN,
    REASON_NONE,
    REASON_ROLLING_LOSS,
    REASON_STOP_LOSS,
    REDUCING,
    RISK_PEAK,
    RISK_REASON,
    RISK_STATE,
    RISK_UNTIL_NS,
)
from market.guard import GUARD_PULL_SIGMA
from market.jit import inlined_kernel
from market.layout import (
    ASK_ROW,
    BID_ROW,
    BUY,
    LEDGER_BASE,
    LEDGER_DAY,
    LEDGER_DAY_OPENING,
    LEDGER_DRAWDOWN,
    LEDGER_EQUITY,
    LEDGER_INVENTORY,
    LEDGER_MARK,
    LEDGER_OPEN_LOTS,
    LEDGER_PEAK,
    LEDGER_POSITION_COST,
    LEDGER_TARGET,
    NO_ASK,
    NO_BID,
    OWN_PRICE_TICKS,
    OWN_REMAINING,
    OWN_SIDE,
    SCALE_LOT,
    SCALE_TICK_LOT,
    UNITS,
)
from market.ledger import DAY_NS, position_lots, value
from market.own import OWN_METER_COUNT, OWN_METER_HIGHEST_BID, OWN_METER_LOWEST_ASK
from market.quotes import is_legal
from market.refresh import (
    HELD_BEST,
    HELD_DEPTH,
    HELD_HALF_TICKS,
    HELD_PULLED_ASK,
    HELD_PULLED_BID,
)
from market.replay_step import (
    REPLAY_DRAWDOWN,
    REPLAY_EXPOSURE,
    REPLAY_PEAK,
    REPLAY_QUOTED,
    REPLAY_QUOTED_WORTH,
    REPLAY_STEPS,
)
from market.skim import COLUMN_FAR, STATE_READY, STATE_UNSOUND, Skim, near
from market.states import day_before, open_loss
from market.strategy import is_closing
from market.types import F8, I8

# --- the bounds of a quiet stretch: i8[STILL_COLUMNS]; prices as in `Skim` -------------------
STILL_STATE = 0  # the skim's state of every step
STILL_BID_LOW = 1  # the local touch stays within
STILL_BID_HIGH = 2
STILL_ASK_LOW = 3
STILL_ASK_HIGH = 4
STILL_HALF_LOW = 5  # and its sum
STILL_HALF_HIGH = 6
STILL_BEST_BID = 7  # our best prices: a hit at or beyond them may be ours
STILL_BEST_ASK = 8
STILL_HELD = 9  # bid + ask that pulls count from
STILL_PULL_BID = 10  # 1: a fall pulls the bids
STILL_PULL_ASK = 11
STILL_FALL = 12  # quote units: falling so far from the peak, or
STILL_FLOOR = 13  # an equity of so much or less, changes the state of risk
STILL_STOP = 14  # the step after the last that may be quiet
STILL_HIT = 15  # 1: the look ahead ended only because a hit may be ours
STILL_MET = 16  # a step whose hits have met our orders already
STILL_BIDS = 17  # lots of our open bids, and asks
STILL_ASKS = 18
STILL_COLUMNS = 19

MARGIN = 1e-9
"""Share by which bounds in floating point are drawn in; the full step then judges exactly."""
STOP_FAR = 1 << 61


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
def note_open(account: Account, skim: Skim, still: I8) -> None:
    """Note the lots and the best prices of our open orders, those on their way included."""
    own = account.own
    best_bid = NO_BID
    best_ask = NO_ASK
    bids = 0
    asks = 0
    for index in range(account.own_meter[OWN_METER_COUNT]):
        price = own[index, OWN_PRICE_TICKS]
        if own[index, OWN_SIDE] == BUY:
            best_bid = max(best_bid, price)
            bids += own[index, OWN_REMAINING]
        else:
            best_ask = min(best_ask, price)
            asks += own[index, OWN_REMAINING]
    still[STILL_BIDS] = bids
    still[STILL_ASKS] = asks
    still[STILL_BEST_BID] = near(best_bid, skim.base[0])
    still[STILL_BEST_ASK] = near(best_ask, skim.base[0])


@inlined_kernel
def bound_market(step: int, skim: Skim, account: Account, guarding: F8, still: I8) -> None:
    """Write the bounds within which the guard, asked again, sees the same prices wanted."""
    guard_state = account.guard_state
    base = skim.base[0]
    still[STILL_STATE] = skim.state[step]
    still[STILL_BID_LOW] = -COLUMN_FAR
    still[STILL_BID_HIGH] = COLUMN_FAR
    still[STILL_ASK_LOW] = -COLUMN_FAR
    still[STILL_ASK_HIGH] = COLUMN_FAR
    still[STILL_PULL_BID] = 0
    still[STILL_PULL_ASK] = 0
    still[STILL_HELD] = 0
    ready = (skim.state[step] - 1) & STATE_READY != 0
    if not ready or account.risk[RISK_STATE] == HALTED or account.risk[RISK_STATE] == REDUCING:
        return  # nothing is quoted
    meter = account.own_meter
    bids = guard_state[HELD_PULLED_BID] == 0
    asks = guard_state[HELD_PULLED_ASK] == 0
    if bids and guard_state[HELD_DEPTH + BID_ROW] > 0:
        wanted = min(guard_state[HELD_BEST + BID_ROW], meter[OWN_METER_HIGHEST_BID])
        still[STILL_ASK_LOW] = near(wanted + 1, base)
        if skim.ask[step] < still[STILL_ASK_LOW]:  # the ask of now decides what is wanted
            still[STILL_ASK_LOW] = skim.ask[step]
            still[STILL_ASK_HIGH] = skim.ask[step]
    if asks and guard_state[HELD_DEPTH + ASK_ROW] > 0:
        wanted = max(guard_state[HELD_BEST + ASK_ROW], meter[OWN_METER_LOWEST_ASK])
        still[STILL_BID_HIGH] = near(wanted - 1, base)
        if skim.bid[step] > still[STILL_BID_HIGH]:
            still[STILL_BID_HIGH] = skim.bid[step]
            still[STILL_BID_LOW] = skim.bid[step]
    if guarding[GUARD_PULL_SIGMA] > 0.0 and guard_state[HELD_HALF_TICKS] != 0:
        still[STILL_HELD] = guard_state[HELD_HALF_TICKS] - 2 * base
        still[STILL_PULL_BID] = 1 if bids else 0
        still[STILL_PULL_ASK] = 1 if asks else 0


@inlined_kernel
def bound_account(skim: Skim, account: Account, setup: Setup, still: I8) -> None:
    """Write the bounds within which no limit is crossed and no halt ends."""
    ledger = account.ledger
    scale = setup.scale
    limits = setup.limits
    reason = account.risk[RISK_REASON]
    capital = limits[LIMIT_CAPITAL] * (1.0 - MARGIN)
    still[STILL_HALF_LOW] = -2 * COLUMN_FAR
    still[STILL_HALF_HIGH] = 2 * COLUMN_FAR
    still[STILL_FALL] = STOP_FAR
    still[STILL_FLOOR] = -STOP_FAR
    if reason == REASON_DRAWDOWN:
        return
    still[STILL_FALL] = int(min(float(STOP_FAR), limits[LIMIT_DRAWDOWN] * capital)) - 1
    if reason == REASON_DAILY_LOSS:
        return
    since = ledger[LEDGER_DAY_OPENING]
    if reason != REASON_ROLLING_LOSS:
        since = max(since, day_before(account.risk))
    loss = int(min(float(STOP_FAR), limits[LIMIT_DAILY_LOSS] * capital)) - 1
    still[STILL_FLOOR] = max(-STOP_FAR, since - loss)
    if reason == REASON_NONE:
        bound_position(skim, ledger, limits, scale, still)


@inlined_kernel
def bound_position(skim: Skim, ledger: I8, limits: F8, scale: I8, still: I8) -> None:
    """Write the bounds of bid + ask within which the position neither loses nor weighs too much."""
    cost = ledger[LEDGER_POSITION_COST]
    half = ledger[LEDGER_MARK]
    base = 2 * skim.base[0]
    lots = abs(position_lots(ledger, scale))
    if not is_legal(max(1, half // 2), lots, scale):
        if lots > 0:  # dust at this price may be legal at a higher one
            still[STILL_HALF_HIGH] = half - base
        return
    # It weighs W(half) = half x lots, too much when W > (1 + slack) x limit x capital.
    most = (1.0 + limits[LIMIT_SLACK]) * limits[LIMIT_POSITION] * limits[LIMIT_CAPITAL]
    most /= 0.5 * scale[SCALE_TICK_LOT] * lots
    high = min(2.0 * COLUMN_FAR, math.floor(most * (1.0 - MARGIN)) - 2.0 - base)
    still[STILL_HALF_HIGH] = int(max(-2.0 * COLUMN_FAR, high))
    if cost == 0:
        return
    # The open lots lose L(half) = cost - half x tilt, and a stop is at L >= share x |cost|.
    tilt = 0.5 * scale[SCALE_TICK_LOT] * ledger[LEDGER_OPEN_LOTS]
    bound = limits[LIMIT_STOP_LOSS] * abs(cost)
    if open_loss(ledger, half, scale) >= bound or tilt == 0.0:
        still[STILL_HALF_HIGH] = -2 * COLUMN_FAR
        return
    edge = (cost - bound) / tilt
    margin = MARGIN * (abs(edge) + abs(cost / tilt)) + 2.0
    if tilt > 0.0:
        low = max(-2.0 * COLUMN_FAR, math.ceil(edge + margin) - base)
        still[STILL_HALF_LOW] = int(min(2.0 * COLUMN_FAR, low))
    else:
        high = min(float(still[STILL_HALF_HIGH]), math.floor(edge - margin) - base)
        still[STILL_HALF_HIGH] = int(max(-2.0 * COLUMN_FAR, high))


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
    bound_account(skim, account, setup, still)
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
