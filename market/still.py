"""The bounds of a quiet stretch of a replay: what the market may show, and what may be lost in it.

Within them the guard, asked again, would answer with nothing, and no limit changes the state of
risk. `quiet.py` walks such a stretch.
"""

import math

from market.account import Account, Setup
from market.breach import (
    HALTED,
    LIMIT_CAPITAL,
    LIMIT_DAILY_LOSS,
    LIMIT_DRAWDOWN,
    LIMIT_LOSS_CLOSES,
    LIMIT_POSITION,
    LIMIT_SLACK,
    LIMIT_STOP_LOSS,
    REASON_DAILY_LOSS,
    REASON_DRAWDOWN,
    REASON_NONE,
    REASON_ROLLING_LOSS,
    REDUCING,
    RISK_REASON,
    RISK_STATE,
)
from market.closing import closing_units
from market.guard import GUARD_PULL_SIGMA
from market.jit import inlined_kernel
from market.layout import (
    ASK_ROW,
    BID_ROW,
    BUY,
    LEDGER_DAY_OPENING,
    LEDGER_MARK,
    LEDGER_OPEN_LOTS,
    LEDGER_POSITION_COST,
    NO_ASK,
    NO_BID,
    OWN_PRICE_TICKS,
    OWN_REMAINING,
    OWN_SIDE,
    SCALE_TICK_LOT,
)
from market.ledger import position_lots
from market.own import OWN_METER_COUNT, OWN_METER_HIGHEST_BID, OWN_METER_LOWEST_ASK
from market.quotes import is_legal
from market.refresh import (
    HELD_BEST,
    HELD_DEPTH,
    HELD_HALF_TICKS,
    HELD_PULLED_ASK,
    HELD_PULLED_BID,
)
from market.skim import COLUMN_FAR, STATE_READY, Skim, near
from market.states import day_before, open_loss
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
NEAR = 1_000
"""A touch stays near for one part in so many of its price."""
STOP_FAR = 1 << 61


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
def bound_account(step: int, skim: Skim, account: Account, setup: Setup, still: I8) -> None:
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
    if limits[LIMIT_LOSS_CLOSES] != 0.0:
        bound_closing(step, skim, account, setup, still)
    if reason == REASON_NONE:
        bound_position(skim, ledger, limits, scale, still)


@inlined_kernel
def bound_closing(step: int, skim: Skim, account: Account, setup: Setup, still: I8) -> None:
    """Draw the bounds in by the most that closing may cost while the touch stays near.

    It costs most where the spread is widest; a tick a lot is for the rounding of the price.
    """
    lots = position_lots(account.ledger, setup.scale)
    if lots == 0:
        return
    base = skim.base[0]
    bid = skim.bid[step]
    ask = skim.ask[step]
    room = max(1, (base + bid) // NEAR)
    still[STILL_BID_LOW] = max(still[STILL_BID_LOW], bid - room)
    still[STILL_ASK_HIGH] = min(still[STILL_ASK_HIGH], ask + room)
    widest = (base + bid - room, base + ask + room)
    kept = closing_units(lots, *widest, setup.scale, setup.guarding)
    units = int(kept) + 1 + abs(lots) * setup.scale[SCALE_TICK_LOT]
    still[STILL_FALL] -= units
    still[STILL_FLOOR] += units


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
