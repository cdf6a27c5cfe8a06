"""Matches a whole history of fills first in, first out, with the lots of the ledger itself.

For whoever has only the fills and asks whether the round trips of a journal are theirs.
"""

from market.jit import kernel
from market.lots import LOTS_DUST, move_lots
from market.types import I8

RETOLD_TIME_NS = 0
RETOLD_SIDE = 1
RETOLD_PRICE_TICKS = 2
RETOLD_LOTS = 3
RETOLD_FEE = 4  # quote units, cost positive
RETOLD_FEE_BASE = 5  # base units that the fee took, 0 where it was paid in quote
RETOLD_COLUMNS = 6


@kernel
def retell(fills: I8, ledger: I8, lots_ring: I8, lots_meter: I8, trips: I8, scale: I8) -> None:
    """Move the lots by every fill, oldest first; nothing but lots and trips is booked.

    Args:
        fills: i8[n, RETOLD_COLUMNS], in the order of booking.
        ledger: i8[LEDGER_COLUMNS], zeros; its counts of trips, lots and cost change.
        lots_ring: i8[LOTS_MAX, LOT_COLUMNS], zeros.
        lots_meter: i8[LOTS_METER_COLUMNS], zeros.
        trips: i8[m, TRIP_COLUMNS]; what no longer fits is only counted.
        scale: i8[SCALE_COLUMNS]; lot and tick-lot are asked.
    """
    for row in range(fills.shape[0]):
        lots_meter[LOTS_DUST] += fills[row, RETOLD_FEE_BASE]
        move_lots(
            ledger,
            lots_ring,
            lots_meter,
            trips,
            fills[row, RETOLD_SIDE] * fills[row, RETOLD_LOTS],
            fills[row, RETOLD_PRICE_TICKS],
            fills[row, RETOLD_TIME_NS],
            fills[row, RETOLD_FEE],
            scale,
        )
