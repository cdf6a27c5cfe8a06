"""The limit kernel of orders: what the live gate and every replay ask before one is sent.

Here are the limits, the codes of refusal and `check_order`; in which risk state an account is, is
judged by `states.py`, how much it may carry by `carry.py`. All fractions are of the capital unless
said. Messages for people are made in `risk/gate.py`; here are only codes.
"""

import numpy as np

from market.jit import inlined_kernel, kernel
from market.layout import BUY, NO_ASK, NO_BID, SCALE_LOT, SCALE_SPOT, SCALE_TICK_LOT
from market.quotes import LOTS_HUGE, cost_units, is_legal
from market.types import F8, I8

# --- the limits: f8[LIMIT_COLUMNS]; 0 is off where it says so ----------------------------------
LIMIT_CAPITAL = 0  # quote units
LIMIT_POSITION = 1  # largest position, fraction of capital
LIMIT_STOP_LOSS = 2  # loss of the open position, fraction of its cost
LIMIT_DAILY_LOSS = 3  # loss in a UTC day and in any 24 hours, fraction of capital
LIMIT_DRAWDOWN = 4  # fall from the peak, fraction of capital
LIMIT_VOLATILITY = 5  # sigma over its slow average; 0: off
LIMIT_COLLAR = 6  # largest distance from mid, and from the last trade, fraction of it
LIMIT_ORDER_LOTS = 7  # largest order
LIMIT_OPEN_ORDERS = 8  # orders open at once
LIMIT_COOLDOWN_NS = 9  # rest after a stop loss
LIMIT_NOTIONAL = 10  # largest order, fraction of capital; 0: off
LIMIT_AGE_NS = 11  # oldest news of the market; 0: off
LIMIT_ORDER_NS = 12  # time that each order takes of the rate; 0: off
LIMIT_BURST_NS = 13  # time that may be taken in advance
LIMIT_VALUE = 14  # loss at 99 % over LIMIT_VALUE_S, fraction of capital; 0: off
LIMIT_VALUE_S = 15  # seconds
LIMIT_FLOW = 16  # share of recent flow in which a position is closed; 0: off
LIMIT_CLOSE_S = 17  # seconds in which it must be possible
LIMIT_IMPACT = 18  # what closing it at once may cost, fraction of its worth; 0: off
LIMIT_LOSS_OPERATOR = 19  # 1: only an operator ends the halt of a daily loss
LIMIT_REST_NS = 20  # rest after a drawdown; 0: only an operator ends the halt
LIMIT_SLACK = 21  # share by which a move of price may carry a position beyond its limit
LIMIT_STRESS = 22  # loss by LIMIT_MOVE that a position may have, fraction of capital; 0: off
LIMIT_MOVE = 23  # adverse move of the worst scenario, fraction of the price
LIMIT_LOSS_CLOSES = 24  # 1: a loss that halts closes the position, too
LIMIT_COLUMNS = 25

# --- the risk state: i8[RISK_COLUMNS], `new_risk` at first -------------------------------------
RISK_STATE = 0  # ACTIVE, REDUCING or HALTED
RISK_REASON = 1  # REASON_*
RISK_SINCE_NS = 2
RISK_UNTIL_NS = 3  # earliest return to ACTIVE; NEVER_RETURNS when only an operator may
RISK_DAY = 4  # UTC day of a daily halt
RISK_CHANGES = 5  # changes of state so far
RISK_PEAK = 6  # highest equity since the last return from a drawdown, quote units
RISK_RATE_NS = 7  # time until which the rate of orders is taken
RISK_VALUE_LOTS = 8  # largest position by value at risk, at the last decision
RISK_LIQUID_LOTS = 9  # and by what the market can take
RISK_PORTFOLIO_LOTS = 10  # and beside the other symbols of the same capital
RISK_QUARTER = 11  # 1 + number of the quarter of an hour of the newest row below; 0: none yet
RISK_RING = 12  # equity at the first mark of each of the last QUARTERS quarters, a ring
QUARTERS = 97  # the oldest is a day old, and at most a quarter more
RISK_LOG = RISK_RING + QUARTERS  # (time, state x REASONS + reason) of the last changes, a ring
LOGGED = 64
RISK_COLUMNS = RISK_LOG + 2 * LOGGED
QUARTER_NS = 900 * 10**9

ACTIVE = 0
REDUCING = 1
HALTED = 2

REASON_NONE = 0
REASON_STOP_LOSS = 1
REASON_DAILY_LOSS = 2
REASON_DRAWDOWN = 3
REASON_VOLATILITY = 4
REASON_POSITION = 5
REASON_ROLLING_LOSS = 6
REASON_STALE = 7
REASONS = 8

VOLATILITY_RETURN = 0.8  # of the cutoff: below it quoting returns, so that it does not flutter
LOSS_RETURN = 0.8  # of the daily loss, for the same reason, in any 24 hours
NEVER_RETURNS = 1 << 62

# --- answers of check_order -----------------------------------------------------------------
APPROVED = 0
REFUSED_SIZE = 1
REFUSED_COLLAR = 2
REFUSED_POSITION = 3
REFUSED_BALANCE = 4
REFUSED_OPEN_ORDERS = 5
REFUSED_STATE = 6
REFUSED_MINIMUM = 7
REFUSED_BOOK = 8
REFUSED_STALE = 9
REFUSED_NOTIONAL = 10
REFUSED_LAST = 11
REFUSED_RATE = 12
REFUSED_SELF = 13
REFUSED_VALUE = 14
REFUSED_LIQUIDITY = 15
REFUSED_PORTFOLIO = 16
REFUSED_STRESS = 17
REFUSAL_CODES = 18


def limit_settings(
    *,
    capital_units: int,
    max_position_fraction: float = 0.01,
    stop_loss_fraction: float = 0.02,
    daily_loss_fraction: float = 0.05,
    drawdown_fraction: float = 0.10,
    volatility_cutoff: float = 5.0,
    collar_fraction: float = 0.05,
    order_lots_max: int = LOTS_HUGE,
    open_orders_max: int = 200,
    cooldown_ns: int = 600 * 10**9,
    notional_fraction: float = 0.0,
    age_ns: int = 0,
    orders_per_second: float = 0.0,
    orders_burst: int = 1,
    value_fraction: float = 0.0,
    value_s: float = 3_600.0,
    flow_share: float = 0.0,
    close_s: float = 86_400.0,
    impact_fraction: float = 0.0,
    loss_operator: bool = False,
    rest_ns: int = 0,
    slack: float = 0.1,
    stress_fraction: float = 0.0,
    stress_move: float = 0.2,
    loss_closes: bool = False,
) -> F8:
    """Build f8[LIMIT_COLUMNS]; units as in the constants above, what is newer than these is off."""
    row = np.zeros(LIMIT_COLUMNS)
    row[LIMIT_CAPITAL] = capital_units
    row[LIMIT_POSITION] = max_position_fraction
    row[LIMIT_STOP_LOSS] = stop_loss_fraction
    row[LIMIT_DAILY_LOSS] = daily_loss_fraction
    row[LIMIT_DRAWDOWN] = drawdown_fraction
    row[LIMIT_VOLATILITY] = volatility_cutoff
    row[LIMIT_COLLAR] = collar_fraction
    row[LIMIT_ORDER_LOTS] = order_lots_max
    row[LIMIT_OPEN_ORDERS] = open_orders_max
    row[LIMIT_COOLDOWN_NS] = cooldown_ns
    row[LIMIT_NOTIONAL] = notional_fraction
    row[LIMIT_AGE_NS] = age_ns
    if orders_per_second > 0.0:
        row[LIMIT_ORDER_NS] = round(1e9 / orders_per_second)
        row[LIMIT_BURST_NS] = row[LIMIT_ORDER_NS] * (orders_burst - 1)
    row[LIMIT_VALUE] = value_fraction
    row[LIMIT_VALUE_S] = value_s
    row[LIMIT_FLOW] = flow_share
    row[LIMIT_CLOSE_S] = close_s
    row[LIMIT_IMPACT] = impact_fraction
    row[LIMIT_LOSS_OPERATOR] = float(loss_operator)
    row[LIMIT_REST_NS] = rest_ns
    row[LIMIT_SLACK] = slack
    row[LIMIT_STRESS] = stress_fraction
    row[LIMIT_MOVE] = stress_move
    row[LIMIT_LOSS_CLOSES] = float(loss_closes)
    return row


@inlined_kernel
def reopen_risk(risk: I8) -> None:
    """Leave i8[RISK_COLUMNS] as they are before the first mark: ACTIVE, no cap told."""
    risk[:] = 0
    risk[RISK_VALUE_LOTS] = LOTS_HUGE
    risk[RISK_LIQUID_LOTS] = LOTS_HUGE
    risk[RISK_PORTFOLIO_LOTS] = LOTS_HUGE


def new_risk() -> I8:
    """Return i8[RISK_COLUMNS] in state ACTIVE."""
    risk = np.zeros(RISK_COLUMNS, dtype=np.int64)
    reopen_risk(risk)
    return risk


@inlined_kernel
def position_cap_lots(half_ticks: int, limits: F8, scale: I8) -> int:
    """Return the largest position in lots that the limit allows at a mid (bid + ask)."""
    worth = 0.5 * half_ticks * scale[SCALE_TICK_LOT]  # quote units of one lot
    if worth <= 0.0:
        return 0
    return int(limits[LIMIT_POSITION] * limits[LIMIT_CAPITAL] / worth)


@inlined_kernel
def stress_cap_lots(half_ticks: int, limits: F8, scale: I8) -> int:
    """Return the largest position that loses no more than LIMIT_STRESS by a move of LIMIT_MOVE."""
    if limits[LIMIT_STRESS] <= 0.0:
        return LOTS_HUGE
    lost = limits[LIMIT_MOVE] * 0.5 * half_ticks * scale[SCALE_TICK_LOT]  # quote units a lot
    if not lost > 0.0:
        return 0
    return int(min(float(LOTS_HUGE), limits[LIMIT_STRESS] * limits[LIMIT_CAPITAL] / lost))


@inlined_kernel
def take_rate(now_ns: int, limits: F8, risk: I8) -> None:
    """Note that an order was sent: it takes its time of the rate."""
    risk[RISK_RATE_NS] = max(risk[RISK_RATE_NS], now_ns) + int(limits[LIMIT_ORDER_NS])


@inlined_kernel
def meets_own(side: int, price_ticks: int, own_bid: int, own_ask: int) -> bool:
    """Return whether an order would meet our best bid (NO_BID: none) or ask (NO_ASK: none)."""
    if side == BUY:
        return bool(own_ask != NO_ASK and price_ticks >= own_ask)
    return bool(own_bid != NO_BID and price_ticks <= own_bid)


@kernel
def check_order(
    side: int,
    price_ticks: int,
    lots: int,
    position_lots: int,
    worse_side_lots: int,
    market: tuple[int, int, int, int],
    own_touch: tuple[int, int],
    free_quote_units: int,
    free_base_units: int,
    open_count: int,
    taker: int,
    limits: F8,
    risk: I8,
    scale: I8,
) -> int:
    """Return APPROVED or the first limit that refuses an order.

    Args:
        side: BUY or SELL.
        price_ticks: i8.
        lots: i8.
        position_lots: i8, signed.
        worse_side_lots: i8, lots of our open orders on this side, before this one.
        market: now, ns; bid + ask, 0 when there is no two-sided book; the price of the last
            trade, 0 before the first; the time of the newest news, ns (`strategy.market_of`).
        own_touch: our best bid and ask, those being cancelled included; NO_BID and NO_ASK: none.
        free_quote_units: i8, not tied up in our orders.
        free_base_units: i8, the same.
        open_count: i8, our open orders.
        taker: 1 for an order of a flatten: it must shrink the position, a halt permits it, and
            neither size, last trade nor rate hold it up.
        limits: f8[LIMIT_COLUMNS].
        risk: i8[RISK_COLUMNS].
        scale: i8[SCALE_COLUMNS].
    """
    cap = position_cap_lots(market[1], limits, scale)
    return check_capped(
        side,
        price_ticks,
        lots,
        position_lots,
        worse_side_lots,
        market,
        own_touch,
        cap,
        free_quote_units,
        free_base_units,
        open_count,
        taker,
        limits,
        risk,
        scale,
    )


@inlined_kernel
def check_capped(
    side: int,
    price_ticks: int,
    lots: int,
    position_lots: int,
    worse_side_lots: int,
    market: tuple[int, int, int, int],
    own_touch: tuple[int, int],
    cap_lots: int,
    free_quote_units: int,
    free_base_units: int,
    open_count: int,
    taker: int,
    limits: F8,
    risk: I8,
    scale: I8,
) -> int:
    """Return the answer of `check_order`, given `position_cap_lots` of this step."""
    now_ns, half_ticks, last_ticks, heard_ns = market
    if half_ticks <= 0:
        return REFUSED_BOOK
    if now_ns - heard_ns > limits[LIMIT_AGE_NS] > 0.0:
        return REFUSED_STALE
    reduces = side * position_lots < 0 and lots + worse_side_lots <= abs(position_lots)
    if taker != 0:
        if not reduces:
            return REFUSED_STATE
    elif risk[RISK_STATE] == HALTED or (risk[RISK_STATE] == REDUCING and not reduces):
        return REFUSED_STATE
    if lots <= 0 or (taker == 0 and lots > limits[LIMIT_ORDER_LOTS]):
        return REFUSED_SIZE
    if price_ticks <= 0 or not is_legal(price_ticks, lots, scale):
        return REFUSED_MINIMUM
    if abs(2 * price_ticks - half_ticks) > limits[LIMIT_COLLAR] * half_ticks:
        return REFUSED_COLLAR
    if taker == 0:
        if abs(price_ticks - last_ticks) > limits[LIMIT_COLLAR] * last_ticks > 0.0:
            return REFUSED_LAST
        notional = float(price_ticks) * lots * scale[SCALE_TICK_LOT]
        if notional > limits[LIMIT_NOTIONAL] * limits[LIMIT_CAPITAL] > 0.0:
            return REFUSED_NOTIONAL
        if limits[LIMIT_ORDER_NS] > 0.0 and risk[RISK_RATE_NS] - now_ns > limits[LIMIT_BURST_NS]:
            return REFUSED_RATE
    if open_count >= limits[LIMIT_OPEN_ORDERS]:
        return REFUSED_OPEN_ORDERS
    if meets_own(side, price_ticks, own_touch[0], own_touch[1]):
        return REFUSED_SELF
    reached = side * position_lots + worse_side_lots + lots
    if not reduces:
        if reached > cap_lots:
            return REFUSED_POSITION
        if reached > risk[RISK_VALUE_LOTS]:
            return REFUSED_VALUE
        if reached > risk[RISK_LIQUID_LOTS]:
            return REFUSED_LIQUIDITY
        if reached > risk[RISK_PORTFOLIO_LOTS]:
            return REFUSED_PORTFOLIO
        if reached > stress_cap_lots(half_ticks, limits, scale):
            return REFUSED_STRESS
    if scale[SCALE_SPOT] != 0:
        if side == BUY:
            if cost_units(price_ticks, lots, scale) > free_quote_units:
                return REFUSED_BALANCE
        elif lots * scale[SCALE_LOT] > free_base_units:
            return REFUSED_BALANCE
    return APPROVED
