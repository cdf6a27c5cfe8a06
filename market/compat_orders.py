"""Our orders on the peer's exchange as two masks over the lattice, and how a window moves.

What a candidate wants is one window of lattice cells a side, and after a step it believes to hold
exactly that window.
"""

from typing import NamedTuple

import numpy as np

from market.compat_grid import WINDOW_COLUMNS
from market.compat_money import RESULT_COLUMNS
from market.compat_queue import SEAT_BORN, SEAT_COLUMN, SEAT_WAITS, SEATS, Seats, new_seats
from market.compat_road import FAR_ABOVE, FAR_BELOW
from market.jit import kernel
from market.layout import ASK_ROW, BID_ROW
from market.types import F8, I8

# --- one side's orders: i8[2, LIVE_COLUMNS] -------------------------------------------------------
LIVE_LOW = 0  # cells that we believe to hold
LIVE_HIGH = 1
LIVE_RESTS = 2  # bit of each seat whose order rests at the exchange
LIVE_GONE = 3  # bit of each seat of the window whose order is gone, as we know at this step
LIVE_UNSEEN = 4  # the same, as we shall know at the next step
LIVE_BEST = 5  # column of the best resting order; FAR_BELOW (bids) or FAR_ABOVE when none
LIVE_COLUMNS = 6

# --- fills that we shall know at the next step: i8[1 + 2 * SEATS, 2], oldest first ----------------
UNSEEN_SIDE = 0
UNSEEN_CELL = 1


class Walker(NamedTuple):
    """What one candidate needs besides the road."""

    live: I8
    unseen: I8
    late: I8  # i8[1]: rows of `unseen` in use
    window: I8  # i8[WINDOW_COLUMNS]
    result: F8  # f8[RESULT_COLUMNS]
    places: Seats


@kernel
def begin(walker: Walker) -> None:
    """Stand before the first step, without an order."""
    walker.live[:] = 0
    walker.live[:, LIVE_LOW] = 1
    walker.live[BID_ROW, LIVE_BEST] = FAR_BELOW
    walker.live[ASK_ROW, LIVE_BEST] = FAR_ABOVE
    walker.late[0] = 0
    walker.result[:] = 0.0
    walker.places.seats[:] = 0
    walker.places.seats[:, SEAT_COLUMN] = -1
    walker.places.hint[:] = 0


def new_walker() -> Walker:
    """Return a walker for any number of runs."""
    return Walker(
        np.zeros((2, LIVE_COLUMNS), np.int64),
        np.zeros((2 * SEATS + 1, 2), np.int64),
        np.zeros(1, np.int64),
        np.zeros(WINDOW_COLUMNS, np.int64),
        np.zeros(RESULT_COLUMNS),
        new_seats(),
    )


@kernel
def mask_of(low: int, high: int) -> int:
    """Return the bits of the seats of cells [low, high], at most SEATS - 1 of them."""
    width = high - low + 1
    if width <= 0:
        return 0
    bits = (1 << width) - 1
    turn = low & (SEATS - 1)
    # What is turned over the top comes in at the bottom; `bits` is positive, so zeros follow.
    return (bits << turn) | (bits >> ((SEATS - turn) & (SEATS - 1)) if turn else 0)


@kernel
def find_best(live: I8, row: int, interval: int, base: int) -> None:
    """Find the best resting order of a side."""
    rests = live[row, LIVE_RESTS]
    if rests == 0:
        live[row, LIVE_BEST] = FAR_BELOW if row == BID_ROW else FAR_ABOVE
        return
    step = -1 if row == BID_ROW else 1
    cell = live[row, LIVE_HIGH] if row == BID_ROW else live[row, LIVE_LOW]
    while (rests >> (cell & (SEATS - 1))) & 1 == 0:
        cell += step
    live[row, LIVE_BEST] = cell * interval - base


@kernel
def bits_in(mask: int, low: int, high: int) -> int:
    """Return how many seats of cells [low, high] have their bit set."""
    count = 0
    for cell in range(low, high + 1):
        count += (mask >> (cell & (SEATS - 1))) & 1
    return count


@kernel
def send(live: I8, seats: I8, row: int, cell: int, step: int, through: int) -> None:
    """Let the order of a cell, sent at `step`, arrive; post-only: it expires when it would trade.

    Args:
        live: i8[2, LIVE_COLUMNS], changed.
        seats: i8[2 * SEATS, SEAT_COLUMNS], changed.
        row: BID_ROW or ASK_ROW.
        cell: i8.
        step: i8.
        through: i8, ticks by which its price is as good as the other side's best or better.
    """
    seat = cell & (SEATS - 1)
    if through >= 0:
        live[row, LIVE_UNSEEN] |= 1 << seat
        return
    live[row, LIVE_RESTS] |= 1 << seat
    seats[row * SEATS + seat, SEAT_BORN] = step
    seats[row * SEATS + seat, SEAT_WAITS] = 1


@kernel
def move_window(
    live: I8,
    seats: I8,
    row: int,
    low: int,
    high: int,
    step: int,
    edge: int,
    interval: int,
    base: int,
) -> int:
    """Go over to the window wanted now: cancels leave, orders arrive; return the cancels sent.

    Its arguments are few: a bundle of arrays costs more than the move itself.

    Args:
        live: i8[2, LIVE_COLUMNS], changed; fills up to the arrival have been taken out.
        seats: i8[2 * SEATS, SEAT_COLUMNS], changed.
        row: BID_ROW or ASK_ROW.
        low, high: i8, cells wanted.
        step: i8.
        edge: i8, column of the other side's best price at the arrival.
        interval: i8, ticks between cells.
        base: i8, tick of column 0.
    """
    sign = 1 - 2 * row
    old_low, old_high = live[row, LIVE_LOW], live[row, LIVE_HIGH]
    gone = live[row, LIVE_GONE]
    from_low, from_high = max(low, old_low), min(high, old_high)  # in both windows
    kept = max(0, from_high - from_low + 1)
    cancels = max(0, old_high - old_low + 1) - kept
    if kept == 0:
        from_low, from_high = high + 1, high
    live[row, LIVE_LOW] = low
    live[row, LIVE_HIGH] = high
    live[row, LIVE_RESTS] &= mask_of(from_low, from_high)
    beyond = base + edge
    for cell in range(low, from_low):
        send(live, seats, row, cell, step, (cell * interval - beyond) * sign)
    for cell in range(from_high + 1, high + 1):
        send(live, seats, row, cell, step, (cell * interval - beyond) * sign)
    if gone != 0:
        live[row, LIVE_GONE] = 0
        cancels -= bits_in(gone, old_low, old_high) - bits_in(gone, from_low, from_high)
        for cell in range(from_low, from_high + 1):
            if (gone >> (cell & (SEATS - 1))) & 1 != 0:
                send(live, seats, row, cell, step, (cell * interval - beyond) * sign)
    find_best(live, row, interval, base)
    return int(cancels)


@kernel
def believe(walker: Walker) -> None:
    """Mark the seats whose fill we shall know at the next step, once the window is the new one."""
    live = walker.live
    for place in range(walker.late[0]):
        row = walker.unseen[place, UNSEEN_SIDE]
        cell = walker.unseen[place, UNSEEN_CELL]
        if live[row, LIVE_LOW] <= cell <= live[row, LIVE_HIGH]:
            live[row, LIVE_UNSEEN] |= 1 << (cell & (SEATS - 1))
