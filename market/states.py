"""The risk states of an account: ACTIVE, REDUCING, HALTED, and what moves it between them.

`evaluate` is asked at every mark, so at every guard step and at every fill heard in it, live and
in replay. `risk/states.py` shows the same rules as a table. What a state permits is judged where
orders are (`breach.py`) and where quotes are (`guard.py`, `policy.py`).
"""

from market.breach import (
    ACTIVE,
    HALTED,
    LIMIT_AGE_NS,
    LIMIT_CAPITAL,
    LIMIT_COOLDOWN_NS,
    LIMIT_DAILY_LOSS,
    LIMIT_DRAWDOWN,
    LIMIT_LOSS_OPERATOR,
    LIMIT_POSITION,
    LIMIT_REST_NS,
    LIMIT_SLACK,
    LIMIT_STOP_LOSS,
    LIMIT_VOLATILITY,
    LOGGED,
    LOSS_RETURN,
    NEVER_RETURNS,
    QUARTER_NS,
    QUARTERS,
    REASON_DAILY_LOSS,
    REASON_DRAWDOWN,
    REASON_NONE,
    REASON_POSITION,
    REASON_ROLLING_LOSS,
    REASON_STALE,
    REASON_STOP_LOSS,
    REASON_VOLATILITY,
    REASONS,
    REDUCING,
    RISK_CHANGES,
    RISK_DAY,
    RISK_LOG,
    RISK_PEAK,
    RISK_QUARTER,
    RISK_REASON,
    RISK_RING,
    RISK_SINCE_NS,
    RISK_STATE,
    RISK_UNTIL_NS,
    VOLATILITY_RETURN,
)
from market.jit import inlined_kernel, kernel
from market.layout import (
    LEDGER_DAY,
    LEDGER_DAY_OPENING,
    LEDGER_EQUITY,
    LEDGER_OPEN_LOTS,
    LEDGER_POSITION_COST,
    SCALE_TICK_LOT,
)
from market.quotes import is_legal
from market.types import F8, I8


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
    place = RISK_LOG + 2 * (risk[RISK_CHANGES] % LOGGED)
    risk[place] = now_ns
    risk[place + 1] = state * REASONS + reason
    risk[RISK_CHANGES] += 1


@inlined_kernel
def remember_equity(equity: int, now_ns: int, risk: I8) -> None:
    """Keep the equity of the first mark of each quarter of an hour.

    A quarter without a mark keeps what the one before began with, so that no gap hides a loss.
    """
    quarter = now_ns // QUARTER_NS
    if risk[RISK_QUARTER] == 0:
        risk[RISK_RING : RISK_RING + QUARTERS] = equity
        risk[RISK_PEAK] = equity
        risk[RISK_QUARTER] = quarter + 1
    newest = risk[RISK_QUARTER] - 1
    if quarter == newest:
        return
    before = risk[RISK_RING + newest % QUARTERS]
    for missed in range(max(newest + 1, quarter - QUARTERS + 1), quarter):
        risk[RISK_RING + missed % QUARTERS] = before
    risk[RISK_RING + quarter % QUARTERS] = equity
    risk[RISK_QUARTER] = quarter + 1


@inlined_kernel
def day_before(risk: I8) -> int:
    """Return the equity of 24 hours ago, at most a quarter of an hour older; the first if later."""
    return int(risk[RISK_RING + risk[RISK_QUARTER] % QUARTERS])


@inlined_kernel
def is_drawn_down(ledger: I8, kept: float, limits: F8, risk: I8, now_ns: int) -> bool:
    """Judge the fall from the peak: it halts until an operator, or a long rest, ends it."""
    equity = ledger[LEDGER_EQUITY]
    risk[RISK_PEAK] = max(risk[RISK_PEAK], equity)
    until_ns = NEVER_RETURNS
    if limits[LIMIT_REST_NS] > 0.0:
        until_ns = now_ns + int(limits[LIMIT_REST_NS])
    if risk[RISK_PEAK] - equity + kept >= limits[LIMIT_DRAWDOWN] * limits[LIMIT_CAPITAL]:
        enter(risk, HALTED, REASON_DRAWDOWN, now_ns, until_ns)
    if risk[RISK_REASON] != REASON_DRAWDOWN:
        return False
    if now_ns < risk[RISK_UNTIL_NS]:
        return True
    risk[RISK_PEAK] = equity
    return False


@inlined_kernel
def is_loss_of_day(ledger: I8, kept: float, limits: F8, risk: I8, now_ns: int) -> bool:
    """Judge the loss of the UTC day and of 24 hours.

    The first halts until the next UTC day, the second until a quarter of an hour begins with less
    than LOSS_RETURN of it; where an operator is wanted, both until he comes.
    """
    bound = limits[LIMIT_DAILY_LOSS] * limits[LIMIT_CAPITAL]
    forever = limits[LIMIT_LOSS_OPERATOR] != 0.0
    if ledger[LEDGER_DAY_OPENING] - ledger[LEDGER_EQUITY] + kept >= bound:
        enter(risk, HALTED, REASON_DAILY_LOSS, now_ns, NEVER_RETURNS if forever else 0)
        if not forever:
            risk[RISK_DAY] = ledger[LEDGER_DAY]
    if risk[RISK_REASON] == REASON_DAILY_LOSS and (
        risk[RISK_UNTIL_NS] == NEVER_RETURNS or ledger[LEDGER_DAY] == risk[RISK_DAY]
    ):
        return True
    loss = day_before(risk) - ledger[LEDGER_EQUITY] + kept
    next_ns = (now_ns // QUARTER_NS + 1) * QUARTER_NS
    if loss >= bound:
        enter(risk, HALTED, REASON_ROLLING_LOSS, now_ns, NEVER_RETURNS if forever else next_ns)
    if risk[RISK_REASON] != REASON_ROLLING_LOSS:
        return False
    if now_ns >= risk[RISK_UNTIL_NS]:
        risk[RISK_UNTIL_NS] = next_ns
        return bool(loss >= LOSS_RETURN * bound)
    return True


@inlined_kernel
def is_of_loss(reason: int) -> bool:
    """Return whether a reason is a loss of the account."""
    return reason in (REASON_DRAWDOWN, REASON_DAILY_LOSS, REASON_ROLLING_LOSS)


@inlined_kernel
def is_wild(sigma_ratio: float, limits: F8, risk: I8, now_ns: int) -> bool:
    """Judge volatility: it halts above the cutoff, until it is below VOLATILITY_RETURN of it."""
    cutoff = limits[LIMIT_VOLATILITY]
    if cutoff > 0.0 and not sigma_ratio <= cutoff:  # no number is no calm
        enter(risk, HALTED, REASON_VOLATILITY, now_ns, 0)
    if risk[RISK_REASON] != REASON_VOLATILITY:
        return False
    return not sigma_ratio <= VOLATILITY_RETURN * cutoff


@inlined_kernel
def is_stopped(
    ledger: I8, dust: bool, half_ticks: int, limits: F8, risk: I8, scale: I8, now_ns: int
) -> bool:
    """Judge the open position's loss: it reduces until closed, and then until the rest is over.

    Dust below the smallest legal order cannot be closed and counts as closed.
    """
    cost = ledger[LEDGER_POSITION_COST]
    bound = limits[LIMIT_STOP_LOSS] * abs(cost)
    if not dust and cost != 0 and open_loss(ledger, half_ticks, scale) >= bound:
        until_ns = now_ns + int(limits[LIMIT_COOLDOWN_NS])
        enter(risk, REDUCING, REASON_STOP_LOSS, now_ns, until_ns)
    if risk[RISK_REASON] != REASON_STOP_LOSS:
        return False
    return bool(not dust or now_ns < risk[RISK_UNTIL_NS])


@inlined_kernel
def is_oversized(
    position_lots: int, dust: bool, half_ticks: int, limits: F8, risk: I8, scale: I8, now_ns: int
) -> bool:
    """Judge the position's worth: beyond limit and slack it reduces, until within the limit."""
    worth = 0.5 * half_ticks * scale[SCALE_TICK_LOT] * abs(position_lots)
    bound = limits[LIMIT_POSITION] * limits[LIMIT_CAPITAL]
    if not dust and worth > (1.0 + limits[LIMIT_SLACK]) * bound:
        enter(risk, REDUCING, REASON_POSITION, now_ns, 0)
    if risk[RISK_REASON] != REASON_POSITION:
        return False
    return bool(not dust and worth > bound)


@inlined_kernel
def evaluate(
    ledger: I8,
    position_lots: int,
    half_ticks: int,
    sigma_ratio: float,
    heard_ns: int,
    kept: float,
    limits: F8,
    risk: I8,
    scale: I8,
    now_ns: int,
) -> int:
    """Judge the account at a mark and return the risk state.

    The reasons are asked from the gravest on; the first that holds decides, and those behind it
    are not asked.

    Args:
        ledger: i8[LEDGER_COLUMNS], marked.
        position_lots: i8, signed.
        half_ticks: i8, bid + ask.
        sigma_ratio: volatility over its slow average; 0 when unknown.
        heard_ns: i8, time of the newest news of the market.
        kept: quote units that closing the position may cost, where a loss closes it; else 0.
        limits: f8[LIMIT_COLUMNS].
        risk: i8[RISK_COLUMNS], changed.
        scale: i8[SCALE_COLUMNS].
        now_ns: i8.
    """
    remember_equity(ledger[LEDGER_EQUITY], now_ns, risk)
    if is_drawn_down(ledger, kept, limits, risk, now_ns):
        return HALTED
    if is_loss_of_day(ledger, kept, limits, risk, now_ns):
        return HALTED
    if is_wild(sigma_ratio, limits, risk, now_ns):
        return HALTED
    if now_ns - heard_ns > limits[LIMIT_AGE_NS] > 0.0:
        enter(risk, HALTED, REASON_STALE, now_ns, 0)
        return HALTED
    dust = not is_legal(max(1, half_ticks // 2), abs(position_lots), scale)
    if is_stopped(ledger, dust, half_ticks, limits, risk, scale, now_ns):
        return REDUCING
    if is_oversized(position_lots, dust, half_ticks, limits, risk, scale, now_ns):
        return REDUCING
    enter(risk, ACTIVE, REASON_NONE, now_ns, 0)
    return ACTIVE


@kernel
def release(ledger: I8, risk: I8, now_ns: int) -> bool:
    """Let an operator end a halt that waits for one; return whether there was one.

    Peak, day and the last 24 hours count from now on, else the same halt would come at once.
    """
    if risk[RISK_UNTIL_NS] != NEVER_RETURNS:
        return False
    risk[RISK_PEAK] = ledger[LEDGER_EQUITY]
    risk[RISK_RING : RISK_RING + QUARTERS] = ledger[LEDGER_EQUITY]
    ledger[LEDGER_DAY_OPENING] = ledger[LEDGER_EQUITY]
    enter(risk, ACTIVE, REASON_NONE, now_ns, 0)
    return True
