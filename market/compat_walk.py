"""hftbacktest's exchange and a grid on it, candidate by candidate over a road: the fast twin.

A candidate walks steps. What it wants is one window of lattice cells a side, and after a step it
believes to hold exactly that window; so its orders are two masks of 64 bits over the lattice. A
window of hits that reaches neither best order is passed over whole, a place in line is looked up
when a trade prints at its price, and nothing else is remembered of an order. The order of events
is that of `compat_events.py`, which tests compare with to the last bit.
"""

from typing import NamedTuple

import numpy as np

from market.compat_book import traded
from market.compat_grid import (
    DIAL_INTERVAL,
    DIAL_LOTS,
    WINDOW_COLUMNS,
    lattice,
)
from market.compat_money import RESULT_CANCELS, RESULT_COLUMNS, RESULT_POSITION, book_fill
from market.compat_queue import (
    SEAT_BORN,
    SEAT_COLUMN,
    SEAT_WAITS,
    SEATS,
    Seats,
    catch_up,
    new_seats,
)
from market.compat_road import (
    BLOCK_MASK,
    BLOCK_SHIFT,
    FAR_ABOVE,
    FAR_BELOW,
    ROAD_ASK,
    ROAD_BID,
    ROAD_EXCHANGE_ASK,
    ROAD_HIGH,
    ROAD_HIT,
    ROAD_LATE,
    ROAD_LOW,
    Road,
)
from market.jit import kernel
from market.layout import (
    ASK_ROW,
    BID_ROW,
    HIT_ASK_POSTED,
    HIT_KIND_MASK,
    HIT_SHIFT,
    NO_ASK,
    NO_BID,
)
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


class Candidate(NamedTuple):
    """What one run is about."""

    dials: F8  # f8[DIAL_COLUMNS], at most LEVELS_MAX levels
    model: F8  # f8[MODEL_COLUMNS]
    costs: F8  # f8[COST_COLUMNS]


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
def strike(
    road: Road, walker: Walker, candidate: Candidate, first: int, end: int, seen: bool
) -> None:
    """Let the hits [first, end) meet our resting orders.

    Args:
        road: of the tape.
        walker: changed.
        candidate: of the run.
        first, end: i8, hits.
        seen: whether their reports are here at this step; else they wait for the next one.
    """
    live = walker.live
    seats = walker.places.seats
    base = road.stream.base[0]
    interval = int(candidate.dials[DIAL_INTERVAL])
    lots = int(candidate.dials[DIAL_LOTS])
    index = first
    while index < end:
        if index & BLOCK_MASK == 0 and index + BLOCK_MASK < end:
            block = index >> BLOCK_SHIFT
            if (
                road.block_low[block] > live[BID_ROW, LIVE_BEST]
                and road.block_high[block] < live[ASK_ROW, LIVE_BEST]
            ):
                index += 1 << BLOCK_SHIFT
                continue
        code = road.hit_codes[index]
        row = code & 1
        sign = 1 - 2 * row
        through = (live[row, LIVE_BEST] - (code >> HIT_SHIFT)) * sign
        while through >= 0:
            best = live[row, LIVE_BEST]
            cell = (best + base) // interval
            seat = cell & (SEATS - 1)
            if through == 0 and code & HIT_KIND_MASK < HIT_ASK_POSTED:
                place = row * SEATS + seat
                cut = road.cuts[seats[place, SEAT_BORN]]
                event = road.hit_events[index]
                catch_up(
                    road.stream,
                    road.found,
                    walker.places,
                    candidate.model,
                    place,
                    row,
                    best,
                    cut,
                    index,
                    event,
                )
                queue = walker.places.queues[place]
                if not traded(queue, candidate.model, road.hit_lots[index]):
                    break
            live[row, LIVE_RESTS] &= ~(1 << seat)
            if seen:
                live[row, LIVE_GONE] |= 1 << seat
                book_fill(walker.result, candidate.costs, sign, cell * interval, lots)
            else:
                late = walker.late[0]
                walker.unseen[late, UNSEEN_SIDE] = row
                walker.unseen[late, UNSEEN_CELL] = cell
                walker.late[0] = late + 1
            find_best(live, row, interval, base)
            through = (live[row, LIVE_BEST] - (code >> HIT_SHIFT)) * sign
        index += 1


@kernel
def hear(walker: Walker, candidate: Candidate) -> None:
    """Book the fills that were on their way at the last step, and know what they ended."""
    interval = int(candidate.dials[DIAL_INTERVAL])
    lots = int(candidate.dials[DIAL_LOTS])
    for place in range(walker.late[0]):
        sign = 1 - 2 * walker.unseen[place, UNSEEN_SIDE]
        ticks = walker.unseen[place, UNSEEN_CELL] * interval
        book_fill(walker.result, candidate.costs, sign, ticks, lots)
    walker.late[0] = 0
    for row in range(2):
        walker.live[row, LIVE_GONE] |= walker.live[row, LIVE_UNSEEN]
        walker.live[row, LIVE_UNSEEN] = 0


@kernel
def bits_in(mask: int, low: int, high: int) -> int:
    """Return how many seats of cells [low, high] have their bit set."""
    count = 0
    for cell in range(low, high + 1):
        count += (mask >> (cell & (SEATS - 1))) & 1
    return count


@kernel
def send(walker: Walker, row: int, cell: int, step: int, through: int) -> None:
    """Let the order of a cell, sent at `step`, arrive; post-only: it expires when it would trade.

    Args:
        walker: changed.
        row: BID_ROW or ASK_ROW.
        cell: i8.
        step: i8.
        through: i8, ticks by which its price is as good as the other side's best or better.
    """
    seat = cell & (SEATS - 1)
    if through >= 0:
        walker.live[row, LIVE_UNSEEN] |= 1 << seat
        return
    walker.live[row, LIVE_RESTS] |= 1 << seat
    walker.places.seats[row * SEATS + seat, SEAT_BORN] = step
    walker.places.seats[row * SEATS + seat, SEAT_WAITS] = 1


@kernel
def move_window(walker: Walker, row: int, step: int, edge: int, interval: int, base: int) -> int:
    """Go over to the window wanted now: cancels leave, orders arrive; return the cancels sent.

    Args:
        walker: changed; fills up to the arrival have been taken out.
        row: BID_ROW or ASK_ROW.
        step: i8.
        edge: i8, column of the other side's best price at the arrival.
        interval: i8, ticks between cells.
        base: i8, tick of column 0.
    """
    live = walker.live
    sign = 1 - 2 * row
    low, high = walker.window[2 * row], walker.window[2 * row + 1]
    old_low, old_high = live[row, LIVE_LOW], live[row, LIVE_HIGH]
    gone = live[row, LIVE_GONE]
    from_low, from_high = max(low, old_low), min(high, old_high)  # in both windows
    kept = max(0, from_high - from_low + 1)
    cancels = max(0, old_high - old_low + 1) - kept
    if kept == 0:
        from_low, from_high = high + 1, high
    if gone != 0:
        cancels -= bits_in(gone, old_low, old_high) - bits_in(gone, from_low, from_high)
    live[row, LIVE_LOW] = low
    live[row, LIVE_HIGH] = high
    live[row, LIVE_GONE] = 0
    live[row, LIVE_RESTS] &= mask_of(from_low, from_high)
    for place in range(walker.late[0]):  # filled a moment ago, and still believed to rest
        cell = walker.unseen[place, UNSEEN_CELL]
        if walker.unseen[place, UNSEEN_SIDE] == row and from_low <= cell <= from_high:
            live[row, LIVE_UNSEEN] |= 1 << (cell & (SEATS - 1))
    beyond = base + edge
    for cell in range(low, from_low):
        send(walker, row, cell, step, (cell * interval - beyond) * sign)
    for cell in range(from_high + 1, high + 1):
        send(walker, row, cell, step, (cell * interval - beyond) * sign)
    if gone != 0:
        for cell in range(from_low, from_high + 1):
            if (gone >> (cell & (SEATS - 1))) & 1 != 0:
                send(walker, row, cell, step, (cell * interval - beyond) * sign)
    find_best(live, row, interval, base)
    return int(cancels)


@kernel
def decide(
    road: Road, walker: Walker, candidate: Candidate, step: int, first: int, touched: bool
) -> bool:
    """Live through a step at which something may change; return whether no report is on its way.

    Args:
        road: of the tape.
        walker: changed.
        candidate: of the run.
        step: i8.
        first: i8, first hit of the step's window.
        touched: whether a hit of it reaches an order of ours.
    """
    live = walker.live
    window = walker.window
    base = road.stream.base[0]
    steps = road.road
    if touched:
        strike(road, walker, candidate, first, steps[step, ROAD_LATE], True)
    bid, ask = steps[step, ROAD_BID], steps[step, ROAD_ASK]
    lattice(
        bid + base if bid != FAR_BELOW else NO_BID,
        ask + base if ask != FAR_ABOVE else NO_ASK,
        int(walker.result[RESULT_POSITION]),
        candidate.dials,
        window,
    )
    if touched:
        first = steps[step, ROAD_LATE]
        strike(road, walker, candidate, first, steps[step, ROAD_HIT], False)
    interval = int(candidate.dials[DIAL_INTERVAL])
    quiet = walker.late[0] == 0
    for row in range(2):
        if (
            touched
            or live[row, LIVE_GONE] != 0
            or window[2 * row] != live[row, LIVE_LOW]
            or window[2 * row + 1] != live[row, LIVE_HIGH]
        ):
            edge = steps[step, ROAD_EXCHANGE_ASK - row]
            walker.result[RESULT_CANCELS] += move_window(walker, row, step, edge, interval, base)
            quiet = quiet and live[row, LIVE_UNSEEN] == 0
    return bool(quiet)


@kernel
def walk_road(road: Road, walker: Walker, candidate: Candidate, rows: F8) -> None:
    """Live through all steps of a road.

    Args:
        road: of the tape.
        walker: begun anew; its `result` is the run's.
        candidate: of the run.
        rows: f8[steps, RESULT_COLUMNS] to remember each step, f8[0, RESULT_COLUMNS] to not.
    """
    begin(walker)
    live = walker.live
    steps = road.road
    first = 0
    old_bid = FAR_ABOVE
    old_ask = FAR_BELOW
    quiet = True
    for step in range(steps.shape[0]):
        touched = (
            steps[step, ROAD_LOW] <= live[BID_ROW, LIVE_BEST]
            or steps[step, ROAD_HIGH] >= live[ASK_ROW, LIVE_BEST]
        )
        bid, ask = steps[step, ROAD_BID], steps[step, ROAD_ASK]
        if touched or not quiet or bid != old_bid or ask != old_ask:
            if not quiet:
                hear(walker, candidate)
            old_bid, old_ask = bid, ask
            quiet = decide(road, walker, candidate, step, first, touched)
        first = steps[step, ROAD_HIT]
        if rows.shape[0] > 0:
            for column in range(RESULT_COLUMNS):
                rows[step, column] = walker.result[column]


@kernel
def walk_batch(road: Road, walker: Walker, batch: Candidate, results: F8) -> None:
    """Live through a road once for each candidate.

    Args:
        road: of the tape.
        walker: begun anew for each.
        batch: `dials` is f8[n, DIAL_COLUMNS] here.
        results: f8[n, RESULT_COLUMNS], written.
    """
    nothing = results[:0]
    for index in range(results.shape[0]):
        candidate = Candidate(batch.dials[index], batch.model, batch.costs)
        walk_road(road, walker, candidate, nothing)
        for column in range(RESULT_COLUMNS):
            results[index, column] = walker.result[column]
