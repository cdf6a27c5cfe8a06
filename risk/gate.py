"""The gate: the only maker of `Approved`, and so the only way for an order to reach a venue.

It asks the limit kernel that every replay asks (`market.breach.check_order`, with the figures that
`market.strategy.judge` takes from the account). A refusal is a value that names the limit, the
figure and the bound. Cancels pass always: nothing here can hold one up.
"""

from typing import Final

from market.account import Account, Setup
from market.breach import (
    APPROVED,
    LIMIT_COLLAR,
    LIMIT_OPEN_ORDERS,
    LIMIT_ORDER_LOTS,
    REFUSED_BALANCE,
    REFUSED_BOOK,
    REFUSED_COLLAR,
    REFUSED_MINIMUM,
    REFUSED_OPEN_ORDERS,
    REFUSED_POSITION,
    REFUSED_SIZE,
    REFUSED_STATE,
    RISK_STATE,
    position_cap_lots,
)
from market.layout import (
    ACTION_LEVEL,
    ACTION_LOTS,
    ACTION_PRICE_TICKS,
    ACTION_SIDE,
    ACTION_TAKER,
    BUY,
    LEDGER_BASE,
    LEDGER_QUOTE,
    SCALE_LOT,
)
from market.ledger import position_lots
from market.own import (
    OWN_METER_COUNT,
    OWN_METER_NEXT_ID,
    free_base,
    free_quote,
    open_lots,
)
from market.quotes import cost_units, smallest_lots
from market.strategy import half_ticks_of, judge
from market.types import I8
from protocol.orders import Approved, Order, Refused, claim_seal

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
}
"""What each code of the limit kernel is called."""


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


def _figures(
    code: int, action: I8, step_row: I8, account: Account, setup: Setup
) -> tuple[float, float]:
    """Return what was found and what is allowed, in the limit's own unit."""
    side = int(action[ACTION_SIDE])
    price = int(action[ACTION_PRICE_TICKS])
    lots = int(action[ACTION_LOTS])
    half = half_ticks_of(step_row)
    ledger, own, meter = account.ledger, account.own, account.own_meter
    scale, limits = setup.scale, setup.limits
    if code == REFUSED_SIZE:
        return float(lots), float(limits[LIMIT_ORDER_LOTS])
    if code == REFUSED_COLLAR:
        return abs(2 * price - half) / half, float(limits[LIMIT_COLLAR])
    if code == REFUSED_POSITION:
        held = side * position_lots(ledger, scale) + open_lots(own, meter, side) + lots
        return float(held), float(position_cap_lots(half, limits, scale))
    if code == REFUSED_BALANCE and side == BUY:
        free = free_quote(own, meter, int(ledger[LEDGER_QUOTE]), scale)
        return float(cost_units(price, lots, scale)), float(free)
    if code == REFUSED_BALANCE:
        free = free_base(own, meter, int(ledger[LEDGER_BASE]), scale)
        return float(lots * int(scale[SCALE_LOT])), float(free)
    if code == REFUSED_OPEN_ORDERS:
        return float(meter[OWN_METER_COUNT]), float(limits[LIMIT_OPEN_ORDERS])
    if code == REFUSED_STATE:
        return float(account.risk[RISK_STATE]), 0.0
    if code == REFUSED_MINIMUM:
        return float(lots), float(smallest_lots(price, scale)) if price > 0 else 1.0
    return float(half), 1.0
