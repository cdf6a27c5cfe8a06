"""The open FIFO lots of the position, and the round trips that close them.

A trip is one part of a lot that one fill closed, net of its share of both fees. The target
inventory is no trade: lots are counted from there.
"""

from market.jit import kernel
from market.layout import (
    LEDGER_OPEN_LOTS,
    LEDGER_POSITION_COST,
    LEDGER_TRIPS,
    LEDGER_WINS,
    LOT_FEE,
    LOT_PRICE_TICKS,
    LOT_SIGNED,
    LOT_TIME_NS,
    SCALE_LOT,
    SCALE_TICK_LOT,
    TRIP_CLOSE_NS,
    TRIP_CLOSE_TICKS,
    TRIP_OPEN_NS,
    TRIP_OPEN_TICKS,
    TRIP_PROFIT,
    TRIP_SIGNED_LOTS,
)
from market.types import I8
from market.wide import divide

# --- about the ring of open lots: i8[LOTS_METER_COLUMNS], zeros at first --------------------
LOTS_FIRST = 0  # row of the oldest lot
LOTS_COUNT = 1  # open lots
LOTS_MERGED = 2  # lots merged into their neighbour because the ring was full
LOTS_DUST = 3  # base units taken as fees and not yet taken from the lots
LOTS_FEE = 4  # quote units of fees of lots that went as dust; the next lot carries them
LOTS_METER_COLUMNS = 5


@kernel
def merge_oldest(ledger: I8, ring: I8, lots_meter: I8, scale: I8) -> None:
    """Merge the two oldest lots, which have one sign, to make room.

    The price becomes their mean, to the nearest tick, and the rest of the cost goes to the fee, so
    that the profit of the trips to come is right to the unit. The time stays that of the older.
    """
    first = lots_meter[LOTS_FIRST]
    second = (first + 1) % ring.shape[0]
    signed = ring[first, LOT_SIGNED] + ring[second, LOT_SIGNED]
    exact = ring[first, LOT_SIGNED] * ring[first, LOT_PRICE_TICKS]
    exact += ring[second, LOT_SIGNED] * ring[second, LOT_PRICE_TICKS]
    price = divide(abs(exact), 1, abs(signed))
    rest = (exact - signed * price) * scale[SCALE_TICK_LOT]
    ring[second, LOT_SIGNED] = signed
    ring[second, LOT_PRICE_TICKS] = price
    ring[second, LOT_TIME_NS] = ring[first, LOT_TIME_NS]
    ring[second, LOT_FEE] += ring[first, LOT_FEE] + rest
    ledger[LEDGER_POSITION_COST] -= rest
    lots_meter[LOTS_FIRST] = second
    lots_meter[LOTS_COUNT] -= 1
    lots_meter[LOTS_MERGED] += 1


@kernel
def open_lot(
    ledger: I8,
    ring: I8,
    lots_meter: I8,
    signed: int,
    price_ticks: int,
    time_ns: int,
    fee: int,
    scale: I8,
) -> None:
    """Append a lot as the newest; when the ring is full the two oldest are merged."""
    if lots_meter[LOTS_COUNT] == ring.shape[0]:
        merge_oldest(ledger, ring, lots_meter, scale)
    row = (lots_meter[LOTS_FIRST] + lots_meter[LOTS_COUNT]) % ring.shape[0]
    ring[row, LOT_SIGNED] = signed
    ring[row, LOT_PRICE_TICKS] = price_ticks
    ring[row, LOT_TIME_NS] = time_ns
    ring[row, LOT_FEE] = fee + lots_meter[LOTS_FEE]
    lots_meter[LOTS_FEE] = 0
    lots_meter[LOTS_COUNT] += 1
    ledger[LEDGER_OPEN_LOTS] += signed
    ledger[LEDGER_POSITION_COST] += signed * price_ticks * scale[SCALE_TICK_LOT]


@kernel
def shrink_oldest(ledger: I8, ring: I8, lots_meter: I8, signed: int, scale: I8) -> int:
    """Take `signed` lots (of its sign, at most all) off the oldest lot; return their fee."""
    row = lots_meter[LOTS_FIRST]
    fee = divide(ring[row, LOT_FEE], abs(signed), abs(ring[row, LOT_SIGNED]))
    ring[row, LOT_SIGNED] -= signed
    ring[row, LOT_FEE] -= fee
    ledger[LEDGER_OPEN_LOTS] -= signed
    ledger[LEDGER_POSITION_COST] -= signed * ring[row, LOT_PRICE_TICKS] * scale[SCALE_TICK_LOT]
    if ring[row, LOT_SIGNED] == 0:
        lots_meter[LOTS_FIRST] = (row + 1) % ring.shape[0]
        lots_meter[LOTS_COUNT] -= 1
    return fee


@kernel
def move_lots(
    ledger: I8,
    ring: I8,
    lots_meter: I8,
    trips: I8,
    signed: int,
    price_ticks: int,
    time_ns: int,
    cost: int,
    scale: I8,
) -> None:
    """Let a fill close the oldest lots of the other sign, and open what is left of it.

    Args:
        ledger: i8[LEDGER_COLUMNS]; trips, wins, open lots and their cost change.
        ring: i8[LOTS_MAX, LOT_COLUMNS], changed.
        lots_meter: i8[LOTS_METER_COLUMNS], changed.
        trips: i8[n, TRIP_COLUMNS]; LEDGER_TRIPS counts those that no longer fit, too.
        signed: i8, lots, positive for a buy.
        price_ticks: i8.
        time_ns: i8.
        cost: quote units of the fill's fee; each part of the fill carries its share.
        scale: i8[SCALE_COLUMNS].
    """
    left = signed
    while left != 0 and left * ledger[LEDGER_OPEN_LOTS] < 0:
        row = lots_meter[LOTS_FIRST]
        held = ring[row, LOT_SIGNED]
        part = -left if abs(left) < abs(held) else held
        opened = ring[row, LOT_PRICE_TICKS]
        opened_ns = ring[row, LOT_TIME_NS]
        share = divide(cost, abs(part), abs(left))
        fee = share + shrink_oldest(ledger, ring, lots_meter, part, scale)
        profit = part * (price_ticks - opened) * scale[SCALE_TICK_LOT] - fee
        at = ledger[LEDGER_TRIPS]
        ledger[LEDGER_TRIPS] = at + 1
        if profit > 0:
            ledger[LEDGER_WINS] += 1
        if at < trips.shape[0]:
            trips[at, TRIP_OPEN_NS] = opened_ns
            trips[at, TRIP_CLOSE_NS] = time_ns
            trips[at, TRIP_SIGNED_LOTS] = part
            trips[at, TRIP_OPEN_TICKS] = opened
            trips[at, TRIP_CLOSE_TICKS] = price_ticks
            trips[at, TRIP_PROFIT] = profit
        cost -= share
        left += part
    if left != 0:
        open_lot(ledger, ring, lots_meter, left, price_ticks, time_ns, cost, scale)
    take_dust(ledger, ring, lots_meter, price_ticks, time_ns, scale)


@kernel
def take_dust(
    ledger: I8, ring: I8, lots_meter: I8, price_ticks: int, time_ns: int, scale: I8
) -> None:
    """Take whole lots that went as base fees off the oldest lots, without profit or trip.

    Their price was paid as the fee, which the trips carry already. When the position is flat or
    short, a lot that went as a fee is one more lot short.
    """
    while abs(lots_meter[LOTS_DUST]) >= scale[SCALE_LOT]:
        sign = 1 if lots_meter[LOTS_DUST] > 0 else -1
        owed = sign * (abs(lots_meter[LOTS_DUST]) // scale[SCALE_LOT])
        if owed * ledger[LEDGER_OPEN_LOTS] <= 0:
            open_lot(ledger, ring, lots_meter, -owed, price_ticks, time_ns, 0, scale)
        else:
            row = lots_meter[LOTS_FIRST]
            held = ring[row, LOT_SIGNED]
            owed = owed if abs(owed) < abs(held) else held
            lots_meter[LOTS_FEE] += shrink_oldest(ledger, ring, lots_meter, owed, scale)
        lots_meter[LOTS_DUST] -= owed * scale[SCALE_LOT]
