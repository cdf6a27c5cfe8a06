"""Funding of perpetual contracts: what longs pay shorts at fixed times, to the last unit.

By Binance's page "Introduction to Binance Futures Funding Rates": funding amount = nominal value
of the position x funding rate, nominal value = mark price x size; a positive rate is paid by
longs to shorts, at 00:00, 08:00 and 16:00 UTC, by whoever has a position then. Here it is paid at
the first guard step with a two-sided market at or after such a time, on the position known there,
at that step's mid (the venue's mark price follows an index, which a recording does not hold).
"""

import numpy as np

from market.jit import kernel
from market.layout import (
    FUNDING_COLUMNS,
    FUNDING_NS,
    FUNDING_RATE,
    LEDGER_EQUITY,
    LEDGER_FUNDED,
    LEDGER_FUNDING,
    LEDGER_MARK,
    LEDGER_OPEN_LOTS,
    LEDGER_QUOTE,
    LOT_FEE,
    LOT_SIGNED,
    NEVER,
    SCALE_TICK_LOT,
    UNITS,
)
from market.ledger import position_lots, revalue
from market.lots import LOTS_COUNT, LOTS_FIRST
from market.types import I8
from market.wide import divide

HOUR_NS = 3_600 * 1_000_000_000
NO_FUNDING: I8 = np.zeros((0, FUNDING_COLUMNS), dtype=np.int64)


def constant_funding(rate: int, *, hours: int, first_ns: int, last_ns: int) -> I8:
    """Return i8[n, FUNDING_COLUMNS], one rate at every whole multiple of some hours of UTC.

    Args:
        rate: 1e-8 of the notional, positive when longs pay.
        hours: between two fundings, a divisor of 24.
        first_ns: the times lie in [first_ns, last_ns].
        last_ns: the same.
    """
    every = hours * HOUR_NS
    times = np.arange(-(-first_ns // every) * every, last_ns + 1, every, dtype=np.int64)
    return np.column_stack([times, np.full(len(times), rate, dtype=np.int64)])


@kernel
def next_funding_ns(ledger: I8, schedule: I8) -> int:
    """Return the time of the next funding that is still to be settled, NEVER after the last."""
    row = ledger[LEDGER_FUNDED]
    return int(schedule[row, FUNDING_NS]) if row < schedule.shape[0] else NEVER


@kernel
def funding_units(position: int, half_ticks: int, rate: int, scale: I8) -> int:
    """Return the quote units that a position pays (negative: receives), rounded half-even.

    Exact while twice the notional is below 9e10 quote.

    Args:
        position: i8, lots, either sign.
        half_ticks: i8, twice the mark in ticks.
        rate: i8, 1e-8 of the notional.
        scale: i8[SCALE_COLUMNS].
    """
    return divide(position * half_ticks * scale[SCALE_TICK_LOT], rate, 2 * UNITS)


@kernel
def attach(paid: int, ledger: I8, lots_ring: I8, lots_meter: I8) -> None:
    """Share a payment among the open lots by their size, so that trips carry it; nothing is lost.

    Each share is the difference of two rounded running totals.
    """
    whole = abs(ledger[LEDGER_OPEN_LOTS])
    size = 0
    before = 0
    for index in range(lots_meter[LOTS_COUNT]):
        row = (lots_meter[LOTS_FIRST] + index) % lots_ring.shape[0]
        size += abs(lots_ring[row, LOT_SIGNED])
        after = divide(paid, size, whole)
        lots_ring[row, LOT_FEE] += after - before
        before = after


@kernel
def settle(
    ledger: I8,
    lots_ring: I8,
    lots_meter: I8,
    schedule: I8,
    half_ticks: int,
    now_ns: int,
    scale: I8,
) -> int:
    """Pay or receive every funding that is due by now; return how many were due.

    To be called before the step's `mark`, so that peak, drawdown and the opening of the day see
    it: what is due at midnight belongs to the day that ends. What was due before the books were
    opened is not ours.

    Args:
        ledger: i8[LEDGER_COLUMNS], changed.
        lots_ring: i8[LOTS_MAX, LOT_COLUMNS]; open lots take their share as a fee.
        lots_meter: i8[LOTS_METER_COLUMNS].
        schedule: i8[n, FUNDING_COLUMNS], ascending in time.
        half_ticks: i8, > 0, bid + ask of the step.
        now_ns: i8, time of the step.
        scale: i8[SCALE_COLUMNS].
    """
    row = ledger[LEDGER_FUNDED]
    if row >= schedule.shape[0] or schedule[row, FUNDING_NS] > now_ns:
        return 0
    first = row
    opened = ledger[LEDGER_MARK] != 0
    revalue(ledger, half_ticks, scale)
    position = position_lots(ledger, scale) if opened else 0
    while row < schedule.shape[0] and schedule[row, FUNDING_NS] <= now_ns:
        paid = funding_units(position, half_ticks, schedule[row, FUNDING_RATE], scale)
        ledger[LEDGER_QUOTE] -= paid
        ledger[LEDGER_EQUITY] -= paid
        ledger[LEDGER_FUNDING] -= paid
        if paid != 0 and lots_meter[LOTS_COUNT] > 0:
            attach(paid, ledger, lots_ring, lots_meter)
        row += 1
    ledger[LEDGER_FUNDED] = row
    return int(row - first)
