"""The limit kernels: what the live gate and every replay ask before something is sent.

Two questions: may this order go (`check_order`), and in which risk state is the account
(`evaluate`). All fractions are of the capital unless said. Messages for people are made in
`risk/gate.py`; here are only codes.
"""

import numpy as np

from market.jit import inlined_kernel, kernel
from market.layout import (
    BUY,
    LEDGER_DAY,
    LEDGER_DAY_OPENING,
    LEDGER_EQUITY,
    LEDGER_OPEN_LOTS,
    LEDGER_PEAK,
    LEDGER_POSITION_COST,
    SCALE_LOT,
    SCALE_SPOT,
    SCALE_TICK_LOT,
)
from market.quotes import cost_units, is_legal
from market.types import F8, I8

# --- the limits: f8[LIMIT_COLUMNS] ----------------------------------------------------------
LIMIT_CAPITAL = 0  # quote units
LIMIT_POSITION = 1  # largest position, fraction of capital
LIMIT_STOP_LOSS = 2  # loss of the open position, fraction of its cost
LIMIT_DAILY_LOSS = 3  # loss since the UTC day's opening, fraction of capital
LIMIT_DRAWDOWN = 4  # fall from the peak, fraction of capital
LIMIT_VOLATILITY = 5  # sigma over its slow average; 0: off
LIMIT_COLLAR = 6  # largest distance from mid, fraction of mid
LIMIT_ORDER_LOTS = 7  # largest order
LIMIT_OPEN_ORDERS = 8  # orders open at once
LIMIT_COOLDOWN_NS = 9  # rest after a stop loss
LIMIT_COLUMNS = 10

# --- the risk state: i8[RISK_COLUMNS], zeros at first ---------------------------------------
RISK_STATE = 0  # ACTIVE, REDUCING or HALTED
RISK_REASON = 1  # REASON_*
RISK_SINCE_NS = 2
RISK_UNTIL_NS = 3  # earliest return to ACTIVE; NEVER_RETURNS when only an operator may
RISK_DAY = 4  # UTC day of a daily halt
RISK_CHANGES = 5  # changes of state so far
RISK_COLUMNS = 6

ACTIVE = 0
REDUCING = 1
HALTED = 2

REASON_NONE = 0
REASON_STOP_LOSS = 1
REASON_DAILY_LOSS = 2
REASON_DRAWDOWN = 3
REASON_VOLATILITY = 4
REASON_POSITION = 5

VOLATILITY_RETURN = 0.8  # of the cutoff: below it quoting returns, so that it does not flutter
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
REFUSAL_CODES = 9


def limit_settings(
    *,
    capital_units: int,
    max_position_fraction: float = 0.01,
    stop_loss_fraction: float = 0.02,
    daily_loss_fraction: float = 0.05,
    drawdown_fraction: float = 0.10,
    volatility_cutoff: float = 5.0,
    collar_fraction: float = 0.05,
    order_lots_max: int = 1 << 40,
    open_orders_max: int = 200,
    cooldown_ns: int = 600 * 10**9,
) -> F8:
    """Build f8[LIMIT_COLUMNS]; units as in the constants above."""
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
    return row


def new_risk() -> I8:
    """Return i8[RISK_COLUMNS] in state ACTIVE."""
    return np.zeros(RISK_COLUMNS, dtype=np.int64)


@inlined_kernel
def position_cap_lots(half_ticks: int, limits: F8, scale: I8) -> int:
    """Return the largest position in lots that the limit allows at a mid (bid + ask)."""
    worth = 0.5 * half_ticks * scale[SCALE_TICK_LOT]  # quote units of one lot
    if worth <= 0.0:
        return 0
    return int(limits[LIMIT_POSITION] * limits[LIMIT_CAPITAL] / worth)


@inlined_kernel
def open_loss(ledger: I8, half_ticks: int, scale: I8) -> float:
    """Return what the open FIFO lots lose at a mid, before fees, quote units; a gain is negative.

    Lots and not the position are counted: base fees make the two differ by less than a lot, which
    is much when the position is small.
    """
    worth = 0.5 * half_ticks * scale[SCALE_TICK_LOT] * ledger[LEDGER_OPEN_LOTS]
    return float(ledger[LEDGER_POSITION_COST] - worth)


@inlined_kernel
def enter(risk: I8, state: int, reason: int, now_ns: int, until_ns: int) -> None:
    """Change the risk state unless it is already there for the same reason."""
    if risk[RISK_STATE] == state and risk[RISK_REASON] == reason:
        return
    risk[RISK_STATE] = state
    risk[RISK_REASON] = reason
    risk[RISK_SINCE_NS] = now_ns
    risk[RISK_UNTIL_NS] = until_ns
    risk[RISK_CHANGES] += 1


@inlined_kernel
def evaluate(
    ledger: I8,
    position_lots: int,
    half_ticks: int,
    sigma_ratio: float,
    limits: F8,
    risk: I8,
    scale: I8,
    now_ns: int,
) -> int:
    """Judge the account at a mark and return the risk state.

    Drawdown halts until an operator returns it; a daily loss halts until the next UTC day; a
    volatility above the cutoff halts until it is below 0.8 of it; a stop loss reduces until the
    position is closed and the cool-down is over.

    Args:
        ledger: i8[LEDGER_COLUMNS], marked.
        position_lots: i8, signed.
        half_ticks: i8, bid + ask.
        sigma_ratio: volatility over its slow average; 0 when unknown.
        limits: f8[LIMIT_COLUMNS].
        risk: i8[RISK_COLUMNS], changed.
        scale: i8[SCALE_COLUMNS].
        now_ns: i8.
    """
    capital = limits[LIMIT_CAPITAL]
    fall = ledger[LEDGER_PEAK] - ledger[LEDGER_EQUITY]
    if fall >= limits[LIMIT_DRAWDOWN] * capital:
        enter(risk, HALTED, REASON_DRAWDOWN, now_ns, NEVER_RETURNS)
    if risk[RISK_REASON] == REASON_DRAWDOWN:
        return int(risk[RISK_STATE])
    loss = ledger[LEDGER_DAY_OPENING] - ledger[LEDGER_EQUITY]
    if loss >= limits[LIMIT_DAILY_LOSS] * capital:
        enter(risk, HALTED, REASON_DAILY_LOSS, now_ns, 0)
        risk[RISK_DAY] = ledger[LEDGER_DAY]
    if risk[RISK_REASON] == REASON_DAILY_LOSS:
        if ledger[LEDGER_DAY] == risk[RISK_DAY]:
            return HALTED
        enter(risk, ACTIVE, REASON_NONE, now_ns, 0)
    cutoff = limits[LIMIT_VOLATILITY]
    if cutoff > 0.0 and sigma_ratio > cutoff:
        enter(risk, HALTED, REASON_VOLATILITY, now_ns, 0)
    if risk[RISK_REASON] == REASON_VOLATILITY:
        if sigma_ratio > VOLATILITY_RETURN * cutoff:
            return HALTED
        enter(risk, ACTIVE, REASON_NONE, now_ns, 0)
    cost = ledger[LEDGER_POSITION_COST]
    bound = limits[LIMIT_STOP_LOSS] * abs(cost)
    dust = not is_legal(max(1, half_ticks // 2), abs(position_lots), scale)
    if not dust and cost != 0 and open_loss(ledger, half_ticks, scale) >= bound:
        until_ns = now_ns + int(limits[LIMIT_COOLDOWN_NS])
        enter(risk, REDUCING, REASON_STOP_LOSS, now_ns, until_ns)
    if risk[RISK_REASON] == REASON_STOP_LOSS:
        # Dust below the smallest legal order cannot be closed and counts as closed.
        if not dust or now_ns < risk[RISK_UNTIL_NS]:
            return REDUCING
        enter(risk, ACTIVE, REASON_NONE, now_ns, 0)
    return int(risk[RISK_STATE])


@kernel
def check_order(
    side: int,
    price_ticks: int,
    lots: int,
    position_lots: int,
    worse_side_lots: int,
    half_ticks: int,
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
        half_ticks: i8, bid + ask; 0 when there is no two-sided book.
        free_quote_units: i8, not tied up in our orders.
        free_base_units: i8, the same.
        open_count: i8, our open orders.
        taker: 1 for an order of a flatten: it must shrink the position, and a halt permits it.
        limits: f8[LIMIT_COLUMNS].
        risk: i8[RISK_COLUMNS].
        scale: i8[SCALE_COLUMNS].
    """
    cap = position_cap_lots(half_ticks, limits, scale)
    return check_capped(
        side,
        price_ticks,
        lots,
        position_lots,
        worse_side_lots,
        half_ticks,
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
    half_ticks: int,
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
    if half_ticks <= 0:
        return REFUSED_BOOK
    reduces = side * position_lots < 0 and lots + worse_side_lots <= abs(position_lots)
    if taker != 0:
        if not reduces:
            return REFUSED_STATE
    elif risk[RISK_STATE] == HALTED or (risk[RISK_STATE] == REDUCING and not reduces):
        return REFUSED_STATE
    if lots <= 0 or lots > limits[LIMIT_ORDER_LOTS]:
        return REFUSED_SIZE
    if price_ticks <= 0 or not is_legal(price_ticks, lots, scale):
        return REFUSED_MINIMUM
    if abs(2 * price_ticks - half_ticks) > limits[LIMIT_COLLAR] * half_ticks:
        return REFUSED_COLLAR
    if open_count >= limits[LIMIT_OPEN_ORDERS]:
        return REFUSED_OPEN_ORDERS
    reached = side * position_lots + worse_side_lots + lots
    if not reduces and reached > cap_lots:
        return REFUSED_POSITION
    if scale[SCALE_SPOT] != 0:
        if side == BUY:
            if cost_units(price_ticks, lots, scale) > free_quote_units:
                return REFUSED_BALANCE
        elif lots * scale[SCALE_LOT] > free_base_units:
            return REFUSED_BALANCE
    return APPROVED
