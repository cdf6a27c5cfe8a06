"""The strategy of the equality gate: a lattice of prices around a reservation price.

It is the grid that market makers know from hftbacktest's own pages, written once more in
`bench/peer_grid.py` for the peer. Both read whole ticks and whole lots and do the same arithmetic
in the same order, so that they decide alike to the last bit. Nothing else in the house quotes
with it.
"""

import math

from market.jit import kernel
from market.layout import NO_ASK, NO_BID
from market.types import F8, I8

# --- a candidate: f8[DIAL_COLUMNS] -----------------------------------------------------------
DIAL_SPREAD = 0  # spread_percentage: full spread, percent of mid
DIAL_LEVELS = 1  # orders a side
DIAL_LOTS = 2  # of each order
DIAL_MAX_LOTS = 3  # no more bids from this position on, no more asks from minus it on
DIAL_INTERVAL = 4  # ticks between the cells of the lattice
DIAL_SKEW = 5  # half spreads by which a full position moves the reservation price
DIAL_COLUMNS = 6

# --- cells of the lattice that are wanted: i8[WINDOW_COLUMNS], a side is empty when low > high ---
WINDOW_BID_LOW = 0
WINDOW_BID_HIGH = 1
WINDOW_ASK_LOW = 2
WINDOW_ASK_HIGH = 3
WINDOW_COLUMNS = 4


@kernel
def lattice(bid_ticks: int, ask_ticks: int, position_lots: int, dials: F8, window: I8) -> None:
    """Write the cells that should hold an order; a cell's price is cell * DIAL_INTERVAL ticks.

    Args:
        bid_ticks, ask_ticks: i8, best prices as the strategy sees them; NO_BID, NO_ASK when none.
        position_lots: i8.
        dials: f8[DIAL_COLUMNS].
        window: i8[WINDOW_COLUMNS], written.
    """
    window[WINDOW_BID_LOW] = 1
    window[WINDOW_BID_HIGH] = 0
    window[WINDOW_ASK_LOW] = 1
    window[WINDOW_ASK_HIGH] = 0
    if bid_ticks == NO_BID or ask_ticks == NO_ASK:
        return
    interval = int(dials[DIAL_INTERVAL])
    levels = int(dials[DIAL_LEVELS])
    max_lots = int(dials[DIAL_MAX_LOTS])
    mid = (bid_ticks + ask_ticks) / 2.0
    half = mid * dials[DIAL_SPREAD] / 200.0
    reservation = mid - dials[DIAL_SKEW] * half * (position_lots / max_lots)
    if position_lots < max_lots:
        high = math.floor(min(reservation - half, float(bid_ticks)) / interval)
        window[WINDOW_BID_HIGH] = high
        window[WINDOW_BID_LOW] = high - levels + 1
    if position_lots > -max_lots:
        low = math.ceil(max(reservation + half, float(ask_ticks)) / interval)
        window[WINDOW_ASK_LOW] = low
        window[WINDOW_ASK_HIGH] = low + levels - 1
