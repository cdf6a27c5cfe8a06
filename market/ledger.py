"""The ledger: what is held, what was earned by what, and the round trips. Integer money, exactly.

Always, to the last unit: EQUITY - OPENING == SPREAD + FEES + INVENTORY + FUNDING (the last is
`funding.py`). Which orders to send is not known here. Money is 1e-8 of its asset.
"""

import numpy as np

from market.jit import inlined_kernel, kernel
from market.layout import (
    BUY,
    LEDGER_BASE,
    LEDGER_BOUGHT_LOTS,
    LEDGER_COLUMNS,
    LEDGER_DAY,
    LEDGER_DAY_OPENING,
    LEDGER_DRAWDOWN,
    LEDGER_EQUITY,
    LEDGER_FEES,
    LEDGER_FEES_BASE,
    LEDGER_FEES_QUOTE,
    LEDGER_FILLS,
    LEDGER_INVENTORY,
    LEDGER_MARK,
    LEDGER_OPENING,
    LEDGER_PEAK,
    LEDGER_QUOTE,
    LEDGER_SOLD_LOTS,
    LEDGER_SPREAD,
    LEDGER_TARGET,
    LEDGER_TURNOVER,
    LOT_COLUMNS,
    LOTS_MAX,
    REPORT_EXCH_NS,
    REPORT_LOTS,
    REPORT_MAKER,
    REPORT_PRICE_TICKS,
    REPORT_SIDE,
    SCALE_FEE_IN_BASE,
    SCALE_LOT,
    SCALE_MAKER_FEE,
    SCALE_TAKER_FEE,
    SCALE_TICK_LOT,
    TIER_COLUMNS,
    TIER_FROM,
    TIER_MAKER,
    TIER_TAKER,
    TRIP_COLUMNS,
    UNITS,
)
from market.lots import (
    LOTS_COUNT,
    LOTS_DUST,
    LOTS_FIRST,
    LOTS_MERGED,
    LOTS_METER_COLUMNS,
    move_lots,
)
from market.types import I8
from market.wide import divide, multiply_divide

__all__ = [
    "LOTS_COUNT",
    "LOTS_FIRST",
    "LOTS_MERGED",
    "LOTS_METER_COLUMNS",
    "ONE_TIER",
    "fill",
    "mark",
    "new_ledger",
    "new_lots",
    "new_trips",
    "position_lots",
    "value",
]

ONE_TIER: I8 = np.zeros((0, TIER_COLUMNS), dtype=np.int64)
"""No tiers: the fees of the scale, whatever is traded."""
DAY_NS = 86_400 * 1_000_000_000


def new_ledger(quote_units: int, base_units: int, target_units: int) -> I8:
    """Return i8[LEDGER_COLUMNS] of an account before its first mark."""
    ledger = np.zeros(LEDGER_COLUMNS, dtype=np.int64)
    ledger[LEDGER_QUOTE] = quote_units
    ledger[LEDGER_BASE] = base_units
    ledger[LEDGER_TARGET] = target_units
    return ledger


def new_lots() -> tuple[I8, I8]:
    """Return (lots_ring i8[LOTS_MAX, LOT_COLUMNS], lots_meter i8[LOTS_METER_COLUMNS]), empty."""
    ring = np.zeros((LOTS_MAX, LOT_COLUMNS), dtype=np.int64)
    return ring, np.zeros(LOTS_METER_COLUMNS, dtype=np.int64)


def new_trips(rows: int) -> I8:
    """Return i8[rows, TRIP_COLUMNS] for closed round trips; LEDGER_TRIPS counts all of them."""
    return np.zeros((rows, TRIP_COLUMNS), dtype=np.int64)


@inlined_kernel
def value(base_units: int, half_ticks: int, scale: I8) -> int:
    """Return the quote units that base units are worth at a price, rounded half-even.

    Exact as long as the result is below 9e10 quote. With p the worth of two lots and
    base = lots x SCALE_LOT + dust, worth = (lots x p + dust x p / SCALE_LOT) / 2.

    Args:
        base_units: i8, either sign.
        half_ticks: i8, >= 0, twice the price (bid + ask for mid).
        scale: i8[SCALE_COLUMNS].
    """
    size = abs(base_units)
    lot = scale[SCALE_LOT]
    worth = half_ticks * scale[SCALE_TICK_LOT]
    lots = size // lot
    dust = size - lots * lot
    total, halves = multiply_divide(lots, worth, 2)
    rest = 0  # of a half, in parts of SCALE_LOT
    if dust > 0:
        part, rest = multiply_divide(dust, worth, lot)
        halves += part
        total += halves // 2
    if halves % 2 == 1 and (rest > 0 or total % 2 == 1):
        total += 1
    return int(-total if base_units < 0 else total)


@inlined_kernel
def position_lots(ledger: I8, scale: I8) -> int:
    """Return the position, base held over the target, in whole lots toward zero."""
    units = ledger[LEDGER_BASE] - ledger[LEDGER_TARGET]
    if units < 0:
        return int(-(-units // scale[SCALE_LOT]))
    return int(units // scale[SCALE_LOT])


@inlined_kernel
def revalue(ledger: I8, half_ticks: int, scale: I8) -> None:
    """Value the base at another mid; the first one opens the books."""
    base = ledger[LEDGER_BASE]
    after = value(base, half_ticks, scale)
    if ledger[LEDGER_MARK] == 0:
        ledger[LEDGER_OPENING] = ledger[LEDGER_QUOTE] + after
        ledger[LEDGER_EQUITY] = ledger[LEDGER_OPENING]
        ledger[LEDGER_PEAK] = ledger[LEDGER_OPENING]
        ledger[LEDGER_DAY_OPENING] = ledger[LEDGER_OPENING]
    elif ledger[LEDGER_MARK] != half_ticks:
        change = after - value(base, ledger[LEDGER_MARK], scale)
        ledger[LEDGER_INVENTORY] += change
        ledger[LEDGER_EQUITY] += change
    ledger[LEDGER_MARK] = half_ticks


@inlined_kernel
def mark(ledger: I8, half_ticks: int, now_ns: int, scale: I8) -> None:
    """Mark the account at mid: inventory, equity, peak, drawdown, opening of the UTC day.

    Args:
        ledger: i8[LEDGER_COLUMNS], changed.
        half_ticks: i8, bid + ask; 0 (no two-sided market) leaves the last mark.
        now_ns: i8.
        scale: i8[SCALE_COLUMNS].
    """
    if half_ticks <= 0:
        return
    revalue(ledger, half_ticks, scale)
    equity = ledger[LEDGER_EQUITY]
    day = now_ns // DAY_NS
    if day != ledger[LEDGER_DAY]:
        ledger[LEDGER_DAY] = day
        ledger[LEDGER_DAY_OPENING] = equity
    ledger[LEDGER_PEAK] = max(ledger[LEDGER_PEAK], equity)
    ledger[LEDGER_DRAWDOWN] = max(ledger[LEDGER_DRAWDOWN], ledger[LEDGER_PEAK] - equity)


@kernel
def fee_rate(volume: int, maker: int, scale: I8, tiers: I8) -> int:
    """Return the fee of a fill, 1e-8 of its notional; negative is a rebate.

    Args:
        volume: i8, quote units traded before it, since the opening.
        maker: 1 maker, 0 taker.
        scale: i8[SCALE_COLUMNS], asked when there is no tier.
        tiers: i8[n, TIER_COLUMNS], ascending; the last one that begins at `volume` or below holds.
    """
    rate = scale[SCALE_MAKER_FEE] if maker != 0 else scale[SCALE_TAKER_FEE]
    column = TIER_MAKER if maker != 0 else TIER_TAKER
    for row in range(tiers.shape[0]):
        if tiers[row, TIER_FROM] > volume:
            break
        rate = tiers[row, column]
    return int(rate)


@kernel
def charge(
    ledger: I8,
    lots_meter: I8,
    side: int,
    lots: int,
    notional: int,
    maker: int,
    scale: I8,
    tiers: I8,
) -> int:
    """Take the fee of a fill in its own asset, half-even; return what it cost in quote units.

    A buy's fee is base where SCALE_FEE_IN_BASE says so. Its cost is the fall of equity at the mark.
    The fill is in the turnover already; its tier is the one reached before it.
    """
    rate = fee_rate(ledger[LEDGER_TURNOVER] - notional, maker, scale, tiers)
    if scale[SCALE_FEE_IN_BASE] == 0 or side != BUY:
        fee = divide(notional, rate, UNITS)
        ledger[LEDGER_QUOTE] -= fee
        ledger[LEDGER_FEES_QUOTE] += fee
        cost = fee
    else:
        fee = divide(lots * scale[SCALE_LOT], rate, UNITS)
        cost = value(ledger[LEDGER_BASE], ledger[LEDGER_MARK], scale)
        ledger[LEDGER_BASE] -= fee
        cost -= value(ledger[LEDGER_BASE], ledger[LEDGER_MARK], scale)
        ledger[LEDGER_FEES_BASE] += fee
        lots_meter[LOTS_DUST] += fee  # taken from the lots by `move_lots`
    ledger[LEDGER_FEES] -= cost
    ledger[LEDGER_EQUITY] -= cost
    return int(cost)


@kernel
def fill(
    ledger: I8,
    lots_ring: I8,
    lots_meter: I8,
    trips: I8,
    report_row: I8,
    scale: I8,
    mark_half_ticks: int,
    tiers: I8,
) -> int:
    """Book one fill: balances, fee, profit against mid, FIFO lots, round trips.

    Spread is the change of equity at the mark before fees, FEES the change caused by the fee.

    Args:
        ledger: i8[LEDGER_COLUMNS], changed.
        lots_ring: i8[LOTS_MAX, LOT_COLUMNS], changed.
        lots_meter: i8[LOTS_METER_COLUMNS], changed.
        trips: i8[n, TRIP_COLUMNS]; round trips that no longer fit are only counted.
        report_row: i8[REPORT_COLUMNS] of a REPORT_FILL.
        scale: i8[SCALE_COLUMNS].
        mark_half_ticks: i8, the mid that the fill is measured against: that of the last mark. 0,
            before the first, means the fill's own price.
        tiers: i8[n, TIER_COLUMNS]; empty when the fees of the scale hold.

    Returns:
        What the fee cost, quote units.
    """
    side = report_row[REPORT_SIDE]
    price = report_row[REPORT_PRICE_TICKS]
    lots = report_row[REPORT_LOTS]
    if mark_half_ticks <= 0:
        mark_half_ticks = 2 * price
    if mark_half_ticks != ledger[LEDGER_MARK]:
        revalue(ledger, mark_half_ticks, scale)
    notional = price * lots * scale[SCALE_TICK_LOT]
    base = ledger[LEDGER_BASE]
    earned = -value(base, mark_half_ticks, scale) - side * notional
    ledger[LEDGER_QUOTE] -= side * notional
    ledger[LEDGER_BASE] = base + side * lots * scale[SCALE_LOT]
    earned += value(ledger[LEDGER_BASE], mark_half_ticks, scale)
    ledger[LEDGER_SPREAD] += earned
    ledger[LEDGER_EQUITY] += earned
    ledger[LEDGER_TURNOVER] += notional
    ledger[LEDGER_FILLS] += 1
    if side == BUY:
        ledger[LEDGER_BOUGHT_LOTS] += lots
    else:
        ledger[LEDGER_SOLD_LOTS] += lots
    maker = report_row[REPORT_MAKER]
    cost = charge(ledger, lots_meter, side, lots, notional, maker, scale, tiers)
    time_ns = report_row[REPORT_EXCH_NS]
    move_lots(ledger, lots_ring, lots_meter, trips, side * lots, price, time_ns, cost, scale)
    return cost
