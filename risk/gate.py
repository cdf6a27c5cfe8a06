"""The gate: the only maker of `Approved`, and so the only way for an order to reach a venue.

It asks the limit kernel that every replay asks (`market.breach.check_order`, with the figures that
`market.strategy.judge` takes from the account), and judges the parameter sets that an executor may
quote by. A refusal is a value that names the limit, the figure and the bound. Cancels pass always:
nothing here can hold one up.
"""

from collections.abc import Callable
from typing import Final

from market.account import Account, Setup
from market.breach import (
    APPROVED,
    HALTED,
    LIMIT_AGE_NS,
    LIMIT_BURST_NS,
    LIMIT_CAPITAL,
    LIMIT_COLLAR,
    LIMIT_NOTIONAL,
    LIMIT_OPEN_ORDERS,
    LIMIT_ORDER_LOTS,
    LIMIT_ORDER_NS,
    REFUSED_BALANCE,
    REFUSED_BOOK,
    REFUSED_COLLAR,
    REFUSED_LAST,
    REFUSED_LIQUIDITY,
    REFUSED_MINIMUM,
    REFUSED_NOTIONAL,
    REFUSED_OPEN_ORDERS,
    REFUSED_PORTFOLIO,
    REFUSED_POSITION,
    REFUSED_RATE,
    REFUSED_SELF,
    REFUSED_SIZE,
    REFUSED_STALE,
    REFUSED_STATE,
    REFUSED_STRESS,
    REFUSED_VALUE,
    RISK_LIQUID_LOTS,
    RISK_PORTFOLIO_LOTS,
    RISK_RATE_NS,
    RISK_STATE,
    RISK_VALUE_LOTS,
    position_cap_lots,
    stress_cap_lots,
)
from market.layout import (
    ACTION_LEVEL,
    ACTION_LOTS,
    ACTION_PRICE_TICKS,
    ACTION_SIDE,
    ACTION_TAKER,
    BUY,
    LEDGER_BASE,
    LEDGER_MARK,
    LEDGER_QUOTE,
    SCALE_LOT,
    SCALE_TICK_LOT,
    UNITS,
)
from market.ledger import position_lots
from market.own import (
    OWN_METER_COUNT,
    OWN_METER_NEXT_ID,
    free_base,
    free_quote,
    open_lots,
    own_touch,
)
from market.policy import lots_of
from market.quotes import cost_units, smallest_lots
from market.strategy import judge, market_of
from market.types import I8
from protocol.messages import QuoteParameters
from protocol.orders import Approved, ApprovedParameters, Order, Refused, claim_seal

_SEAL: Final = claim_seal()

LIMIT_NAMES: Final = {
    REFUSED_SIZE: "order_lots_max",
    REFUSED_COLLAR: "price_collar",
    REFUSED_POSITION: "max_position_size",
    REFUSED_BALANCE: "free_balance",
    REFUSED_OPEN_ORDERS: "open_orders_max",
    REFUSED_STATE: "risk_state",
    REFUSED_MINIMUM: "minimum_order",
    REFUSED_BOOK: "two_sided_book",
    REFUSED_STALE: "price_age_limit",
    REFUSED_NOTIONAL: "max_order_size",
    REFUSED_LAST: "last_trade_collar",
    REFUSED_RATE: "order_rate_max",
    REFUSED_SELF: "own_order",
    REFUSED_VALUE: "value_at_risk_limit",
    REFUSED_LIQUIDITY: "liquidity_limit",
    REFUSED_PORTFOLIO: "correlation_limits",
    REFUSED_STRESS: "stressed_loss_limit",
}
"""What each code of the limit kernel is called."""
STATE: Final = LIMIT_NAMES[REFUSED_STATE]


def check(action: I8, step_row: I8, account: Account, setup: Setup) -> Approved | Refused:
    """Judge one place action against the account as it stands; nothing is changed.

    Args:
        action: i8[ACTION_COLUMNS], an ACTION_PLACE.
        step_row: i8[STEP_COLUMNS] of now.
        account: its open orders, balances and risk state count.
        setup: scale and limits.
    """
    code = judge(action, step_row, account, setup)
    if code == APPROVED:
        order = Order(
            order_id=int(account.own_meter[OWN_METER_NEXT_ID]),
            side=int(action[ACTION_SIDE]),
            price_ticks=int(action[ACTION_PRICE_TICKS]),
            lots=int(action[ACTION_LOTS]),
            level=int(action[ACTION_LEVEL]),
            taker=bool(action[ACTION_TAKER]),
            reduce_only=bool(action[ACTION_TAKER]),
        )
        return Approved(order, _SEAL)
    figure, bound = _figures(code, action, step_row, account, setup)
    return Refused(LIMIT_NAMES[code], figure, bound)


def refused_code(refusal: Refused) -> int:
    """Return the code of the limit kernel that a refusal came from."""
    return next(code for code, name in LIMIT_NAMES.items() if name == refusal.limit)


def full() -> Refused:
    """Return the refusal of an order for which the executor's own list has no room."""
    return Refused(LIMIT_NAMES[REFUSED_OPEN_ORDERS], 0.0, 0.0)


def check_parameters(
    params: QuoteParameters, account: Account, setup: Setup
) -> ApprovedParameters | Refused:
    """Judge a parameter set that would come into force now; nothing is changed.

    Its position must hold the smallest legal order, and a halted account changes nothing. How much
    of the position may be used is judged order by order.
    """
    refused = check_bounds(params, account, setup)
    if refused is not None:
        return refused
    state = int(account.risk[RISK_STATE])
    if state == HALTED:
        return Refused(LIMIT_NAMES[REFUSED_STATE], float(state), 0.0)
    return ApprovedParameters(params, _SEAL)


def check_bounds(params: QuoteParameters, account: Account, setup: Setup) -> Refused | None:
    """Return why a set could never make a legal order; None before prices are known."""
    half = int(account.ledger[LEDGER_MARK])
    if half == 0:
        return None
    least = int(smallest_lots(max(1, half // 2), setup.scale))
    held = int(lots_of(params.max_position, setup.scale))
    if held < least:
        return Refused(LIMIT_NAMES[REFUSED_MINIMUM], float(held), float(least))
    return None


def _figures(
    code: int, action: I8, step_row: I8, account: Account, setup: Setup
) -> tuple[float, float]:
    """Return what was found and what is allowed, in the limit's own unit.

    Prices are ticks, sizes lots, money 1e-8 of its asset, ages seconds, a rate orders a second.
    """
    side = int(action[ACTION_SIDE])
    price = int(action[ACTION_PRICE_TICKS])
    lots = int(action[ACTION_LOTS])
    own, meter, limits = account.own, account.own_meter, setup.limits
    now_ns, half, last, heard_ns = market_of(step_row)
    if code in _CAPS:
        return _reached(side, lots, account, setup), _cap(code, half, account, setup)
    if code == REFUSED_BALANCE:
        return _balance(side, price, lots, account, setup)
    if code == REFUSED_RATE:
        order_ns = float(limits[LIMIT_ORDER_NS])
        taken_ns = float(account.risk[RISK_RATE_NS] - now_ns)
        burst = 1.0 + float(limits[LIMIT_BURST_NS]) / order_ns
        return 1.0 + taken_ns / order_ns, burst
    if code == REFUSED_SELF:
        bid, ask = own_touch(own, meter)
        return float(price), float(ask if side == BUY else bid)
    collar = float(limits[LIMIT_COLLAR])
    told: dict[int, tuple[Callable[[], float], float]] = {
        REFUSED_SIZE: (lambda: float(lots), float(limits[LIMIT_ORDER_LOTS])),
        REFUSED_COLLAR: (lambda: abs(2 * price - half) / half, collar),
        REFUSED_LAST: (lambda: abs(price - last) / last, collar),
        REFUSED_OPEN_ORDERS: (lambda: float(meter[OWN_METER_COUNT]), limits[LIMIT_OPEN_ORDERS]),
        REFUSED_STATE: (lambda: float(account.risk[RISK_STATE]), 0.0),
        REFUSED_STALE: (lambda: (now_ns - heard_ns) / 1e9, float(limits[LIMIT_AGE_NS]) / 1e9),
        REFUSED_NOTIONAL: (
            lambda: float(price) * lots * float(setup.scale[SCALE_TICK_LOT]) / UNITS,
            float(limits[LIMIT_NOTIONAL] * limits[LIMIT_CAPITAL]) / UNITS,
        ),
        REFUSED_MINIMUM: (
            lambda: float(lots),
            float(smallest_lots(price, setup.scale)) if price > 0 else 1.0,
        ),
        REFUSED_BOOK: (lambda: float(half), 1.0),
    }
    figure, bound = told[code]
    return figure(), float(bound)


_CAPS: Final = (
    REFUSED_POSITION,
    REFUSED_VALUE,
    REFUSED_LIQUIDITY,
    REFUSED_PORTFOLIO,
    REFUSED_STRESS,
)


def _reached(side: int, lots: int, account: Account, setup: Setup) -> float:
    """Return the position with this order and every open one of its side filled, lots."""
    held = side * position_lots(account.ledger, setup.scale)
    return float(held + open_lots(account.own, account.own_meter, side) + lots)


def _cap(code: int, half: int, account: Account, setup: Setup) -> float:
    """Return what bounds the position, lots."""
    if code == REFUSED_POSITION:
        return float(position_cap_lots(half, setup.limits, setup.scale))
    if code == REFUSED_STRESS:
        return float(stress_cap_lots(half, setup.limits, setup.scale))
    column = {
        REFUSED_VALUE: RISK_VALUE_LOTS,
        REFUSED_LIQUIDITY: RISK_LIQUID_LOTS,
        REFUSED_PORTFOLIO: RISK_PORTFOLIO_LOTS,
    }[code]
    return float(account.risk[column])


def _balance(
    side: int, price: int, lots: int, account: Account, setup: Setup
) -> tuple[float, float]:
    """Return what an order needs and what is free, 1e-8 of the asset."""
    own, meter, ledger, scale = account.own, account.own_meter, account.ledger, setup.scale
    if side == BUY:
        free = free_quote(own, meter, int(ledger[LEDGER_QUOTE]), scale)
        return float(cost_units(price, lots, scale)), float(free)
    free = free_base(own, meter, int(ledger[LEDGER_BASE]), scale)
    return float(lots * int(scale[SCALE_LOT])), float(free)
