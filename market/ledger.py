"""Integer accounting of one account: balances, fees, profit split, FIFO lots.

Money is int64 in units of 1e-8 of its asset. After every fill and every mark

    EQUITY - OPENING == SPREAD + FEES + INVENTORY

holds to the last unit, since each part is the change of equity that it caused: the fill at fixed
mark, the fee at fixed mark, the move of the mark at fixed holdings. What may be sent is judged
elsewhere; here only what happened is booked.
"""

import numpy as np

from market.jit import kernel
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
    LEDGER_POSITION_COST,
    LEDGER_QUOTE,
    LEDGER_SOLD_LOTS,
    LEDGER_SPREAD,
    LEDGER_TARGET,
    LEDGER_TRIPS,
    LEDGER_TURNOVER,
    LEDGER_WINS,
    LOT_COLUMNS,
    LOT_FEE,
    LOT_PRICE_TICKS,
    LOT_SIGNED,
    LOT_TIME_NS,
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
    TRIP_CLOSE_NS,
    TRIP_CLOSE_TICKS,
    TRIP_COLUMNS,
    TRIP_OPEN_NS,
    TRIP_OPEN_TICKS,
    TRIP_PROFIT,
    TRIP_SIGNED_LOTS,
    UNITS,
)
from market.types import I8

# --- the ring of open lots: i8[LOTS_METER_COLUMNS] ------------------------------------------
LOTS_FIRST = 0  # row of the oldest open lot
LOTS_COUNT = 1  # open lots
LOTS_MERGED = 2  # times the two oldest were merged because the ring was full
LOTS_METER_COLUMNS = 3

DAY_NS = 86_400 * 10**9


def new_ledger(quote_units: int, base_units: int, target_units: int) -> I8:
    """Return i8[LEDGER_COLUMNS] with opening balances; equity begins at the first mark."""
    ledger = np.zeros(LEDGER_COLUMNS, dtype=np.int64)
    ledger[LEDGER_QUOTE] = quote_units
    ledger[LEDGER_BASE] = base_units
    ledger[LEDGER_TARGET] = target_units
    return ledger


def new_lots() -> tuple[I8, I8]:
    """Return (lots ring i8[LOTS_MAX, LOT_COLUMNS], its meter i8[LOTS_METER_COLUMNS])."""
    return (
        np.zeros((LOTS_MAX, LOT_COLUMNS), dtype=np.int64),
        np.zeros(LOTS_METER_COLUMNS, dtype=np.int64),
    )


def new_trips(rows: int) -> I8:
    """Return i8[rows, TRIP_COLUMNS] for closed round trips; LEDGER_TRIPS counts all of them."""
    return np.zeros((rows, TRIP_COLUMNS), dtype=np.int64)


@kernel
def half_even(numerator: int, denominator: int) -> int:
    """Return numerator / denominator rounded half to even; denominator > 0."""
    quotient = numerator // denominator
    rest = 2 * (numerator - quotient * denominator)
    if rest > denominator or (rest == denominator and quotient % 2 != 0):
        quotient += 1
    return int(quotient)


@kernel
def share(amount: int, rate: int) -> int:
    """Return amount x rate / 1e8 rounded half to even, without leaving int64.

    Args:
        amount: i8, units, of either sign.
        rate: i8, 1e-8; |rate| <= 1e8.
    """
    whole = amount // UNITS
    rest = amount - whole * UNITS
    return int(whole * rate + half_even(rest * rate, UNITS))


@kernel
def value(base_units: int, half_ticks: int, scale: I8) -> int:
    """Return the quote units that base units are worth at a mid, rounded half to even.

    Whole lots and dust are valued apart so that no product leaves int64 below 9e10 quote.

    Args:
        base_units: i8.
        half_ticks: i8, bid + ask.
        scale: i8[SCALE_COLUMNS].
    """
    lot = scale[SCALE_LOT]
    lots = base_units // lot
    dust = base_units - lots * lot
    double = lots * half_ticks * scale[SCALE_TICK_LOT]  # twice the worth of the whole lots
    # dust / lot of one lot's worth: dust x half_ticks x tick_lot / (2 lot)
    rest = half_ticks * scale[SCALE_TICK_LOT]
    whole = rest // lot
    dust_double = dust * whole + half_even(dust * (rest - whole * lot), lot)
    return half_even(double + dust_double, 2)


@kernel
def position_lots(ledger: I8, scale: I8) -> int:
    """Return (base - target) in whole lots, rounded toward zero."""
    units = ledger[LEDGER_BASE] - ledger[LEDGER_TARGET]
    if units >= 0:
        return int(units // scale[SCALE_LOT])
    return int(-((-units) // scale[SCALE_LOT]))


@kernel
def mark(ledger: I8, half_ticks: int, now_ns: int, scale: I8) -> None:
    """Value the account at a new mid: inventory result, equity, peak, drawdown, day.

    Args:
        ledger: i8[LEDGER_COLUMNS], changed.
        half_ticks: i8, bid + ask.
        now_ns: i8.
        scale: i8[SCALE_COLUMNS].
    """
    worth = value(ledger[LEDGER_BASE], half_ticks, scale)
    equity = ledger[LEDGER_QUOTE] + worth
    if ledger[LEDGER_MARK] == 0:
        ledger[LEDGER_OPENING] = equity
        ledger[LEDGER_PEAK] = equity
        ledger[LEDGER_DAY] = now_ns // DAY_NS
        ledger[LEDGER_DAY_OPENING] = equity
    else:
        ledger[LEDGER_INVENTORY] += equity - ledger[LEDGER_EQUITY]
    ledger[LEDGER_MARK] = half_ticks
    ledger[LEDGER_EQUITY] = equity
    if now_ns // DAY_NS != ledger[LEDGER_DAY]:
        ledger[LEDGER_DAY] = now_ns // DAY_NS
        ledger[LEDGER_DAY_OPENING] = equity
    ledger[LEDGER_PEAK] = max(ledger[LEDGER_PEAK], equity)
    ledger[LEDGER_DRAWDOWN] = max(ledger[LEDGER_DRAWDOWN], ledger[LEDGER_PEAK] - equity)


@kernel
def fill(
    ledger: I8, lots: I8, lots_meter: I8, trips: I8, report_row: I8, scale: I8, half_ticks: int
) -> int:
    """Book one fill; return the fee in quote units (cost positive).

    Args:
        ledger: i8[LEDGER_COLUMNS], changed. Without a mark yet, the fill's own price marks it.
        lots: i8[LOTS_MAX, LOT_COLUMNS], changed.
        lots_meter: i8[LOTS_METER_COLUMNS], changed.
        trips: i8[n, TRIP_COLUMNS]; closed trips beyond n are counted, not kept.
        report_row: i8[REPORT_COLUMNS], a REPORT_FILL.
        scale: i8[SCALE_COLUMNS].
        half_ticks: i8, the mid (bid + ask) at which spread is counted; the last mark.
    """
    side = report_row[REPORT_SIDE]
    price = report_row[REPORT_PRICE_TICKS]
    size = report_row[REPORT_LOTS]
    notional = price * size * scale[SCALE_TICK_LOT]
    if ledger[LEDGER_MARK] == 0:
        mark(ledger, 2 * price, report_row[REPORT_EXCH_NS], scale)
        half_ticks = 2 * price
    rate = scale[SCALE_MAKER_FEE] if report_row[REPORT_MAKER] != 0 else scale[SCALE_TAKER_FEE]
    before = ledger[LEDGER_QUOTE] + value(ledger[LEDGER_BASE], half_ticks, scale)
    ledger[LEDGER_QUOTE] -= side * notional
    ledger[LEDGER_BASE] += side * size * scale[SCALE_LOT]
    between = ledger[LEDGER_QUOTE] + value(ledger[LEDGER_BASE], half_ticks, scale)
    if side == BUY and scale[SCALE_FEE_IN_BASE] != 0:
        fee_base = share(size * scale[SCALE_LOT], rate)
        ledger[LEDGER_BASE] -= fee_base
        ledger[LEDGER_FEES_BASE] += fee_base
    else:
        fee_quote = share(notional, rate)
        ledger[LEDGER_QUOTE] -= fee_quote
        ledger[LEDGER_FEES_QUOTE] += fee_quote
    after = ledger[LEDGER_QUOTE] + value(ledger[LEDGER_BASE], half_ticks, scale)
    ledger[LEDGER_SPREAD] += between - before
    ledger[LEDGER_FEES] += after - between
    ledger[LEDGER_EQUITY] += after - before
    ledger[LEDGER_FILLS] += 1
    ledger[LEDGER_TURNOVER] += notional
    if side == BUY:
        ledger[LEDGER_BOUGHT_LOTS] += size
    else:
        ledger[LEDGER_SOLD_LOTS] += size
    fee = between - after
    match_lots(ledger, lots, lots_meter, trips, report_row, scale, fee)
    return int(fee)


@kernel
def match_lots(
    ledger: I8, lots: I8, lots_meter: I8, trips: I8, report_row: I8, scale: I8, fee: int
) -> None:
    """Close the oldest opposite lots, open a new one with the rest; fees are split by size."""
    side = report_row[REPORT_SIDE]
    price = report_row[REPORT_PRICE_TICKS]
    left = report_row[REPORT_LOTS]
    fee_left = fee
    while left > 0 and lots_meter[LOTS_COUNT] > 0:
        row = lots_meter[LOTS_FIRST]
        held = lots[row, LOT_SIGNED]
        if held * side > 0:
            break
        size = min(left, abs(held))
        fee_open = half_even(lots[row, LOT_FEE] * size, abs(held))
        fee_close = half_even(fee_left * size, left)
        gain = -side * (price - lots[row, LOT_PRICE_TICKS]) * size * scale[SCALE_TICK_LOT]
        close_trip(ledger, trips, lots, row, report_row, -side * size, gain - fee_open - fee_close)
        ledger[LEDGER_POSITION_COST] += (
            side * lots[row, LOT_PRICE_TICKS] * size * scale[SCALE_TICK_LOT]
        )
        lots[row, LOT_SIGNED] = held + side * size
        lots[row, LOT_FEE] -= fee_open
        fee_left -= fee_close
        left -= size
        if lots[row, LOT_SIGNED] == 0:
            lots_meter[LOTS_FIRST] = (row + 1) % lots.shape[0]
            lots_meter[LOTS_COUNT] -= 1
    if left > 0:
        if lots_meter[LOTS_COUNT] >= lots.shape[0]:
            merge_oldest(lots, lots_meter)
        row = (lots_meter[LOTS_FIRST] + lots_meter[LOTS_COUNT]) % lots.shape[0]
        lots[row, LOT_SIGNED] = side * left
        lots[row, LOT_PRICE_TICKS] = price
        lots[row, LOT_TIME_NS] = report_row[REPORT_EXCH_NS]
        lots[row, LOT_FEE] = fee_left
        lots_meter[LOTS_COUNT] += 1
        ledger[LEDGER_POSITION_COST] += side * price * left * scale[SCALE_TICK_LOT]


@kernel
def close_trip(
    ledger: I8, trips: I8, lots: I8, row: int, report_row: I8, signed_lots: int, profit: int
) -> None:
    """Count a closed round trip and keep it while there is room."""
    trip = ledger[LEDGER_TRIPS]
    if trip < trips.shape[0]:
        trips[trip, TRIP_OPEN_NS] = lots[row, LOT_TIME_NS]
        trips[trip, TRIP_CLOSE_NS] = report_row[REPORT_EXCH_NS]
        trips[trip, TRIP_SIGNED_LOTS] = signed_lots
        trips[trip, TRIP_OPEN_TICKS] = lots[row, LOT_PRICE_TICKS]
        trips[trip, TRIP_CLOSE_TICKS] = report_row[REPORT_PRICE_TICKS]
        trips[trip, TRIP_PROFIT] = profit
    ledger[LEDGER_TRIPS] = trip + 1
    if profit > 0:
        ledger[LEDGER_WINS] += 1


@kernel
def merge_oldest(lots: I8, lots_meter: I8) -> None:
    """Make room in a full ring: the two oldest lots become one at their mean price.

    They have one sign. The mean is rounded to the tick; balances and the profit split do not
    depend on lots, only the report of single round trips does.
    """
    first = lots_meter[LOTS_FIRST]
    second = (first + 1) % lots.shape[0]
    one = abs(lots[first, LOT_SIGNED])
    two = abs(lots[second, LOT_SIGNED])
    cost = one * lots[first, LOT_PRICE_TICKS] + two * lots[second, LOT_PRICE_TICKS]
    lots[second, LOT_PRICE_TICKS] = half_even(cost, one + two)
    lots[second, LOT_SIGNED] += lots[first, LOT_SIGNED]
    lots[second, LOT_TIME_NS] = lots[first, LOT_TIME_NS]
    lots[second, LOT_FEE] += lots[first, LOT_FEE]
    lots_meter[LOTS_FIRST] = second
    lots_meter[LOTS_COUNT] -= 1
    lots_meter[LOTS_MERGED] += 1
