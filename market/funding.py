"""Funding of perpetual contracts: what longs pay shorts at fixed times, to the last unit.

By Binance's page "Introduction to Binance Futures Funding Rates": funding amount = nominal value
of the position x funding rate, nominal value = mark price x size; a positive rate is paid by
longs to shorts, at 00:00, 08:00 and 16:00 UTC, by whoever has a position then. The exchange
charges it on the position that it knows, at the mid of the first guard step at or after such a time
(the venue's mark price follows an index, which a recording does not hold), and tells it by a report
of its own, a response delay later.
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
    LEDGER_OPEN_LOTS,
    LEDGER_QUOTE,
    LOT_FEE,
    LOT_SIGNED,
    NEVER,
    REPORT_EXCH_NS,
    REPORT_FILL,
    REPORT_FUNDING,
    REPORT_KIND,
    REPORT_LOTS,
    REPORT_SIDE,
    REPORTS_MAX,
    SCALE_TICK_LOT,
    UNITS,
)
from market.lots import LOTS_COUNT, LOTS_FIRST
from market.order_lines import METER_FUNDED, METER_WRITTEN
from market.resting import write_report
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
def next_funding_ns(meter: I8, schedule: I8) -> int:
    """Return the time of the next funding that was not charged yet, NEVER after the last."""
    row = meter[METER_FUNDED]
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
def charge(
    reports: I8,
    meter: I8,
    schedule: I8,
    position: int,
    read: int,
    half_ticks: int,
    now_ns: int,
    delays: I8,
    scale: I8,
) -> None:
    """Let the exchange charge every funding that is due by now, and report each.

    To be called once the exchange has lived up to the step. Without a position there is none.

    Args:
        reports: i8[REPORTS_MAX, REPORT_COLUMNS], written.
        meter: i8[METER_COLUMNS], changed.
        schedule: i8[n, FUNDING_COLUMNS], ascending in time.
        position: i8, lots, with the fills of the first `read` reports.
        read: i8; fills reported later are looked for in the ring.
        half_ticks: i8, bid + ask of the step, 0 when no market was ever seen.
        now_ns: i8, time of the step.
        delays: i8[DELAY_COLUMNS] of the step.
        scale: i8[SCALE_COLUMNS].
    """
    while next_funding_ns(meter, schedule) <= now_ns:
        row = meter[METER_FUNDED]
        meter[METER_FUNDED] += 1
        due_ns = schedule[row, FUNDING_NS]
        held = position
        for index in range(read, meter[METER_WRITTEN]):
            place = index & (REPORTS_MAX - 1)
            in_time = reports[place, REPORT_EXCH_NS] <= due_ns
            if in_time and reports[place, REPORT_KIND] == REPORT_FILL:
                held += reports[place, REPORT_SIDE] * reports[place, REPORT_LOTS]
        if held != 0 and half_ticks > 0:
            units = -funding_units(held, half_ticks, schedule[row, FUNDING_RATE], scale)
            write_report(reports, meter, delays, REPORT_FUNDING, 0, 0, 0, units, 0, due_ns)


@kernel
def book(units: int, ledger: I8, lots_ring: I8, lots_meter: I8) -> None:
    """Book what a funding brought (negative: cost), as it is heard of.

    Args:
        units: i8, quote units received.
        ledger: i8[LEDGER_COLUMNS], changed.
        lots_ring: i8[LOTS_MAX, LOT_COLUMNS]; open lots take their share as a fee.
        lots_meter: i8[LOTS_METER_COLUMNS].
    """
    ledger[LEDGER_QUOTE] += units
    ledger[LEDGER_EQUITY] += units
    ledger[LEDGER_FUNDING] += units
    ledger[LEDGER_FUNDED] += 1
    if units != 0 and lots_meter[LOTS_COUNT] > 0:
        attach(-units, ledger, lots_ring, lots_meter)
