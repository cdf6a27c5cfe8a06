"""Writes the ladder: which prices and lots are wanted now (DESIGN.md 6, the formula whole).

Here live prices and quantities. Which sides are quoted is `policy.py`, what is done about the
difference to the resting orders is `guard.py`.
"""

import math

from market.jit import inlined_kernel, kernel
from market.layout import (
    ASK_ROW,
    BID_ROW,
    BUY,
    LADDER_LOTS,
    LADDER_PRICE_TICKS,
    LEVELS_MAX,
    NO_ASK,
    NO_BID,
    SCALE_LOT,
    SCALE_MAKER_FEE,
    SCALE_MIN_LOTS,
    SCALE_MIN_NOTIONAL,
    SCALE_SPOT,
    SCALE_TICK_LOT,
    UNITS,
)
from market.types import I8

LOTS_HUGE = 1 << 40  # more lots than any order; sums of a ladder of them still fit int64
PRODUCT_LOTS = 1 << 22  # products of factors below these fit int64
PRODUCT_UNIT = 1 << 40
PRICE_TICKS_FAR = 1 << 40  # a price beyond this is nonsense and is not quoted


@kernel
def smallest_lots(price_ticks: int, scale: I8) -> int:
    """Return the fewest lots that make a legal order at a price (minimum lots and notional)."""
    lots = max(1, scale[SCALE_MIN_LOTS])
    worth = price_ticks * scale[SCALE_TICK_LOT]  # quote units of one lot
    if worth <= 0:
        return LOTS_HUGE
    return int(max(lots, -(-scale[SCALE_MIN_NOTIONAL] // worth)))


@inlined_kernel
def is_legal(price_ticks: int, lots: int, scale: I8) -> bool:
    """Return lots >= smallest_lots(price_ticks), without its division."""
    worth = price_ticks * scale[SCALE_TICK_LOT]
    if worth <= 0:
        return bool(lots >= LOTS_HUGE)
    least = scale[SCALE_MIN_NOTIONAL]
    if lots < max(1, scale[SCALE_MIN_LOTS]):
        return False
    return bool(worth >= least or lots >= least or lots * worth >= least)


@inlined_kernel
def affordable(lots: int, unit: int, money: int) -> int:
    """Return min(lots, money // unit), mostly without a division; lots, money >= 0, unit > 0."""
    if lots < PRODUCT_LOTS and unit < PRODUCT_UNIT and lots * unit <= money:
        return lots
    return min(lots, money // unit)


@inlined_kernel
def cost_units(price_ticks: int, lots: int, scale: I8) -> int:
    """Return the quote units that a resting buy ties up, maker fee included, never too few."""
    notional = price_ticks * lots * scale[SCALE_TICK_LOT]
    if scale[SCALE_MAKER_FEE] <= 0:
        return int(notional)
    # The product of two 1e-8 figures may leave int64, so wholes and fraction are charged apart.
    whole = notional // UNITS
    rest = notional - whole * UNITS
    fee = scale[SCALE_MAKER_FEE]
    return int(notional + whole * fee - (-(rest * fee) // UNITS))


@kernel
def order_lots(base_quantity: float, size_fraction: float, price_ticks: int, scale: I8) -> int:
    """Return the lots of one order: base_quantity x size_fraction, whole lots, rounded down.

    The smallest legal order stays alive while `base_quantity` itself allows it (the probe of
    DESIGN.md 6); 0 when even the whole base_quantity makes no legal order.

    Args:
        base_quantity: base asset, > 0.
        size_fraction: in (0, 1].
        price_ticks: i8, the price at which the minimum notional is judged.
        scale: i8[SCALE_COLUMNS].
    """
    whole = math.floor(base_quantity * UNITS + 0.5) // scale[SCALE_LOT]
    least = smallest_lots(price_ticks, scale)
    if whole < least:
        return 0
    # A hair is added so that 0.3 of 10 lots is 3 lots and not 2.
    return int(min(whole, max(least, math.floor(whole * size_fraction + 1e-9))))


@kernel
def clear_ladder(ladder: I8) -> None:
    """Want nothing on either side."""
    ladder[:, :, :] = 0


@inlined_kernel
def set_quote(ladder: I8, row: int, level: int, price_ticks: int, lots: int) -> None:
    """Write one quote."""
    ladder[row, level, LADDER_PRICE_TICKS] = price_ticks
    ladder[row, level, LADDER_LOTS] = lots


@kernel
def write_ladder(
    mid: float,
    shift: float,
    half_width: float,
    level_step: float,
    levels: int,
    lots: int,
    bid_room_lots: int,
    ask_room_lots: int,
    quote_units: int,
    base_units: int,
    touch_bid: int,
    touch_ask: int,
    scale: I8,
    ladder: I8,
) -> int:
    """Write both sides outward from the mid, innermost level first; return the quotes written.

    bid_k = m + r - w (1 + k s), ask_k = m + r + w (1 + k s), outward to the tick, never crossing.
    Each level gets `lots` until room or balance ends; below the smallest legal order: nothing.

    Args:
        mid: m, ticks; may end in a half.
        shift: r, ticks.
        half_width: w, ticks, >= 0.
        level_step: s, in units of w.
        levels: i8, quotes a side, cut to [0, LEVELS_MAX].
        lots: i8, lots of a level.
        bid_room_lots: i8, most lots of all bids.
        ask_room_lots: i8, most lots of all asks.
        quote_units: i8, balance held; binds bids, on spot only.
        base_units: i8, balance held; binds asks, on spot only.
        touch_bid: i8, local best bid, ticks.
        touch_ask: i8, local best ask, ticks.
        scale: i8[SCALE_COLUMNS].
        ladder: i8[2, LEVELS_MAX, LADDER_COLUMNS], written whole.
    """
    clear_ladder(ladder)
    if touch_bid <= 0 or touch_ask >= NO_ASK or touch_bid >= touch_ask or lots <= 0:
        return 0
    spot = scale[SCALE_SPOT] != 0
    money = max(0, quote_units)
    if spot:
        ask_room_lots = min(ask_room_lots, max(0, base_units) // scale[SCALE_LOT])
    written = 0
    for level in range(min(levels, LEVELS_MAX)):
        offset = half_width * (1.0 + level * level_step)
        low = mid + shift - offset
        high = mid + shift + offset
        if not (low > -PRICE_TICKS_FAR and high < PRICE_TICKS_FAR):  # NaN too
            break
        price = min(math.floor(low), touch_ask - 1)
        wanted = min(lots, bid_room_lots)
        if price > 0 and wanted > 0:
            if spot:
                # One lot's fee is rounded up: the sum never exceeds the balance.
                wanted = affordable(wanted, cost_units(price, 1, scale), money)
            if is_legal(price, wanted, scale):
                set_quote(ladder, BID_ROW, level, price, wanted)
                bid_room_lots -= wanted
                money -= cost_units(price, wanted, scale)
                written += 1
        price = max(math.ceil(high), touch_bid + 1)
        wanted = min(lots, ask_room_lots)
        if is_legal(price, wanted, scale):
            set_quote(ladder, ASK_ROW, level, price, wanted)
            ask_room_lots -= wanted
            written += 1
    return written


@kernel
def write_reduction(
    position_lots: int,
    levels: int,
    lots: int,
    touch_bid: int,
    touch_ask: int,
    scale: I8,
    ladder: I8,
) -> int:
    """Want only the side that shrinks the position, at the touch, post-only; return the quotes.

    The position is spread over `levels` orders of `lots` each, so that a reducing order is hardly
    larger than a quoting one: the last one takes the rest when that is too small for an order of
    its own. A position too small to be legal stays (dust).

    Args:
        position_lots: i8, signed.
        levels: i8, most orders.
        lots: i8, lots of an order; raised to the smallest legal order.
        touch_bid: i8, local best bid, ticks.
        touch_ask: i8, local best ask, ticks.
        scale: i8[SCALE_COLUMNS].
        ladder: i8[2, LEVELS_MAX, LADDER_COLUMNS], written whole.
    """
    clear_ladder(ladder)
    if touch_bid == NO_BID or touch_ask == NO_ASK or touch_bid >= touch_ask:
        return 0
    row = ASK_ROW if position_lots > 0 else BID_ROW
    price = touch_ask if position_lots > 0 else touch_bid
    rest = abs(position_lots)
    least = smallest_lots(price, scale)
    size = max(lots, least)
    written = 0
    for level in range(max(1, min(levels, LEVELS_MAX))):
        wanted = min(size, rest)
        if rest - wanted < least:
            wanted = rest  # what would be left is too small ever to be closed
        if wanted < least:
            break
        set_quote(ladder, row, level, price, wanted)
        rest -= wanted
        written += 1
    return written


@kernel
def ladder_lots(ladder: I8, side: int) -> int:
    """Return the lots wanted on one side (BUY or SELL)."""
    row = BID_ROW if side == BUY else ASK_ROW
    total = 0
    for level in range(LEVELS_MAX):
        total += ladder[row, level, LADDER_LOTS]
    return int(total)
