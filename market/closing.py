"""Closing a position at once, as a taker: the order, and what it may cost.

`guard.py` keeps quotes; this takes their place while a stop, or a halt by a loss, closes. What it
may cost is kept back where a loss that halts also closes, so that the limit holds afterwards.
"""

import math

from market.guard import GUARD_FLATTEN_SHARE
from market.jit import inlined_kernel, kernel
from market.layout import (
    ACTION_KIND,
    ACTION_LOTS,
    ACTION_PLACE,
    ACTION_PRICE_TICKS,
    ACTION_SIDE,
    ACTION_TAKER,
    BUY,
    NO_ASK,
    NO_BID,
    OWN_CANCELLING,
    OWN_ID,
    OWN_SIDE,
    OWN_STATE,
    SCALE_LOT,
    SCALE_SPOT,
    SCALE_TAKER_FEE,
    SCALE_TICK_LOT,
    SELL,
    STEP_ASK,
    STEP_BID,
    UNITS,
)
from market.own import OWN_METER_COUNT
from market.quotes import cost_units, smallest_lots
from market.refresh import write_cancel
from market.types import F8, I8


@inlined_kernel
def closing_price(side: int, bid: int, ask: int, settings: F8) -> int:
    """Return the worst price that an order which closes may get, ticks.

    Args:
        side: of that order, SELL for a long position.
        bid: ticks.
        ask: ticks.
        settings: f8[GUARD_COLUMNS].
    """
    if side == SELL:
        return int(max(1, math.floor(bid * (1.0 - settings[GUARD_FLATTEN_SHARE]))))
    price: int = math.ceil(ask * (1.0 + settings[GUARD_FLATTEN_SHARE]))
    return price


@inlined_kernel
def closing_units(position_lots: int, bid: int, ask: int, scale: I8, settings: F8) -> float:
    """Return what closing at once may cost at most, quote units: against mid, and the fee.

    The order of `flatten` gets its own price at worst; what the book does not hold down to it
    stays open, and is not counted.
    """
    side = SELL if position_lots > 0 else BUY
    price = closing_price(side, bid, ask, settings)
    under = abs(0.5 * (bid + ask) - price)
    fee = max(0.0, scale[SCALE_TAKER_FEE] / UNITS) * price
    return float(abs(position_lots) * scale[SCALE_TICK_LOT] * (under + fee))


@kernel
def flatten(
    step_row: I8,
    own: I8,
    own_meter: I8,
    position_lots: int,
    free_quote_units: int,
    free_base_units: int,
    scale: I8,
    settings: F8,
    actions: I8,
) -> int:
    """Write what brings the position to zero now; return the number of actions.

    First everything is cancelled; once nothing of ours is open, one taker order closes the
    position, reaching at most GUARD_FLATTEN_SHARE through the touch. It is called each step until
    the position is zero or too small to be legal. The arguments are those of `guard`.
    """
    count = 0
    for index in range(own_meter[OWN_METER_COUNT]):
        if own[index, OWN_STATE] != OWN_CANCELLING:
            write_cancel(own[index, OWN_ID], own[index, OWN_SIDE], count, actions)
            count += 1
    bid = step_row[STEP_BID]
    ask = step_row[STEP_ASK]
    if own_meter[OWN_METER_COUNT] > 0 or position_lots == 0 or bid == NO_BID or ask == NO_ASK:
        return count
    lots = abs(position_lots)
    side = SELL if position_lots > 0 else BUY
    price = closing_price(side, bid, ask, settings)
    if side == SELL:
        if scale[SCALE_SPOT] != 0:
            lots = min(lots, free_base_units // scale[SCALE_LOT])
    elif scale[SCALE_SPOT] != 0:
        lots = min(lots, free_quote_units // cost_units(price, 1, scale))
    if lots < smallest_lots(price, scale):
        return count
    actions[count, :] = 0
    actions[count, ACTION_KIND] = ACTION_PLACE
    actions[count, ACTION_SIDE] = side
    actions[count, ACTION_PRICE_TICKS] = price
    actions[count, ACTION_LOTS] = lots
    actions[count, ACTION_TAKER] = 1
    return count + 1
