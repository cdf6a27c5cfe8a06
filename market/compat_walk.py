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
from market.compat_events import (
    RESULT_CANCELS,
    RESULT_COLUMNS,
    RESULT_POSITION,
    book_fill,
)
from market.compat_grid import (
    DIAL_INTERVAL,
    DIAL_LOTS,
    WINDOW_COLUMNS,
    lattice,
)
from market.compat_queue import (
    SEAT_BORN,
    SEAT_WAITS,
    SEATS,
    Seats,
    catch_up,
    new_seats,
)
from market.compat_road import (
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
from market.stream import Stream
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
    places: Seats


def new_walker() -> Walker:
    """Return a walker at its first step, without an order."""
    live = np.zeros((2, LIVE_COLUMNS), np.int64)
    live[:, LIVE_LOW] = 1
    live[BID_ROW, LIVE_BEST] = FAR_BELOW
    live[ASK_ROW, LIVE_BEST] = FAR_ABOVE
    return Walker(
        live,
        np.zeros((2 * SEATS + 1, 2), np.int64),
        np.zeros(1, np.int64),
        np.zeros(WINDOW_COLUMNS, np.int64),
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
    road: Road,
    stream: Stream,
    walker: Walker,
    base: int,
    first: int,
    end: int,
    seen: bool,
    interval: int,
    lots: int,
    model: F8,
    costs: F8,
    result: F8,
) -> None:
    """Let the hits [first, end) meet our resting orders.

    Args:
        road, stream: of the tape.
        walker: changed.
        base: i8, tick of column 0.
        first, end: i8, hits.
        seen: whether their reports are here at this step; else they wait for the next one.
        interval: i8, ticks between cells.
        lots: i8, of an order.
        model: f8[MODEL_COLUMNS].
        costs: f8[COST_COLUMNS].
        result: f8[RESULT_COLUMNS], changed.
    """
    live = walker.live
    index = first
    while index < end:
        if index & ((1 << BLOCK_SHIFT) - 1) == 0 and index + (1 << BLOCK_SHIFT) <= end:
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
                event = road.hit_events[index]
                cut = road.cuts[walker.places.seats[place, SEAT_BORN]]
                catch_up(stream, walker.places, model, place, row, best, cut, event)
                if not traded(walker.places.queues[place], model, road.hit_lots[index]):
                    break
            live[row, LIVE_RESTS] &= ~(1 << seat)
            if seen:
                live[row, LIVE_GONE] |= 1 << seat
                book_fill(result, costs, sign, cell * interval, lots)
            else:
                count = walker.late[0]
                walker.unseen[count, UNSEEN_SIDE] = row
                walker.unseen[count, UNSEEN_CELL] = cell
                walker.late[0] = count + 1
            find_best(live, row, interval, base)
            through = (live[row, LIVE_BEST] - (code >> HIT_SHIFT)) * sign
        index += 1


@kernel
def hear(walker: Walker, interval: int, lots: int, costs: F8, result: F8) -> None:
    """Book the fills that were on their way at the last step, and know what they ended."""
    for place in range(walker.late[0]):
        sign = 1 - 2 * walker.unseen[place, UNSEEN_SIDE]
        book_fill(result, costs, sign, walker.unseen[place, UNSEEN_CELL] * interval, lots)
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
def send(walker: Walker, row: int, cell: int, step: int, edge: int, price: int) -> None:
    """Let the order of a cell, sent at `step`, arrive; post-only: it expires at or over `edge`."""
    live = walker.live
    seat = cell & (SEATS - 1)
    sign = 1 - 2 * row
    if (price - edge) * sign >= 0:
        live[row, LIVE_UNSEEN] |= 1 << seat
        return
    live[row, LIVE_RESTS] |= 1 << seat
    walker.places.seats[row * SEATS + seat, SEAT_BORN] = step
    walker.places.seats[row * SEATS + seat, SEAT_WAITS] = 1


@kernel
def move_window(
    walker: Walker,
    row: int,
    low: int,
    high: int,
    step: int,
    edge: int,
    interval: int,
    base: int,
) -> int:
    """Go over to the window wanted now: cancels leave, orders arrive; return the cancels sent.

    Args:
        walker: changed; fills up to the arrival have been taken out.
        row: BID_ROW or ASK_ROW.
        low, high: i8, cells wanted.
        step: i8.
        edge: i8, column of the other side's best price at the arrival.
        interval: i8, ticks between cells.
        base: i8, tick of column 0.
    """
    live = walker.live
    old_low, old_high = live[row, LIVE_LOW], live[row, LIVE_HIGH]
    gone = live[row, LIVE_GONE]
    from_low, from_high = max(low, old_low), min(high, old_high)  # in both windows
    kept = max(0, from_high - from_low + 1)
    cancels = max(0, old_high - old_low + 1) - kept
    if gone != 0:
        cancels -= bits_in(gone, old_low, old_high)
        if kept > 0:
            cancels += bits_in(gone, from_low, from_high)
    live[row, LIVE_LOW] = low
    live[row, LIVE_HIGH] = high
    live[row, LIVE_GONE] = 0
    live[row, LIVE_RESTS] &= mask_of(from_low, from_high)
    for place in range(walker.late[0]):  # filled a moment ago, and still believed to rest
        cell = walker.unseen[place, UNSEEN_CELL]
        if walker.unseen[place, UNSEEN_SIDE] == row and from_low <= cell <= from_high:
            live[row, LIVE_UNSEEN] |= 1 << (cell & (SEATS - 1))
    if kept == 0:
        from_low = high + 1
    for cell in range(low, min(high + 1, from_low)):
        send(walker, row, cell, step, edge, cell * interval - base)
    if kept > 0:
        for cell in range(from_high + 1, high + 1):
            send(walker, row, cell, step, edge, cell * interval - base)
        if gone != 0:
            for cell in range(from_low, from_high + 1):
                if (gone >> (cell & (SEATS - 1))) & 1 != 0:
                    send(walker, row, cell, step, edge, cell * interval - base)
    find_best(live, row, interval, base)
    return int(cancels)


@kernel
def walk_road(
    road: Road,
    stream: Stream,
    base: int,
    dials: F8,
    model: F8,
    costs: F8,
    walker: Walker,
    result: F8,
    rows: F8,
) -> None:
    """Live through all steps of a road; with rows f8[steps, RESULT_COLUMNS], remember each.

    Args:
        road, stream: of the tape.
        base: i8, tick of column 0.
        dials: f8[DIAL_COLUMNS], at most LEVELS_MAX levels.
        model: f8[MODEL_COLUMNS].
        costs: f8[COST_COLUMNS].
        walker: new, changed.
        result: f8[RESULT_COLUMNS], zeros, written.
        rows: f8[0, RESULT_COLUMNS] to remember nothing.
    """
    live = walker.live
    window = walker.window
    interval = int(dials[DIAL_INTERVAL])
    lots = int(dials[DIAL_LOTS])
    steps = road.road
    first = 0
    old_bid = FAR_ABOVE
    old_ask = FAR_BELOW
    position = 0
    quiet = True
    for step in range(steps.shape[0]):
        late, end = steps[step, ROAD_LATE], steps[step, ROAD_HIT]
        touched = (
            steps[step, ROAD_LOW] <= live[BID_ROW, LIVE_BEST]
            or steps[step, ROAD_HIGH] >= live[ASK_ROW, LIVE_BEST]
        )
        bid, ask = steps[step, ROAD_BID], steps[step, ROAD_ASK]
        if touched or not quiet or bid != old_bid or ask != old_ask:
            if not quiet:
                hear(walker, interval, lots, costs, result)
            if touched:
                strike(
                    road,
                    stream,
                    walker,
                    base,
                    first,
                    late,
                    True,
                    interval,
                    lots,
                    model,
                    costs,
                    result,
                )
            position = int(result[RESULT_POSITION])
            old_bid, old_ask = bid, ask
            lattice(
                bid + base if bid != FAR_BELOW else NO_BID,
                ask + base if ask != FAR_ABOVE else NO_ASK,
                position,
                dials,
                window,
            )
            if touched:
                strike(
                    road,
                    stream,
                    walker,
                    base,
                    late,
                    end,
                    False,
                    interval,
                    lots,
                    model,
                    costs,
                    result,
                )
            cancels = 0
            for row in range(2):
                low, high = window[2 * row], window[2 * row + 1]
                if (
                    touched
                    or live[row, LIVE_GONE] != 0
                    or low != live[row, LIVE_LOW]
                    or high != live[row, LIVE_HIGH]
                ):
                    edge = steps[step, ROAD_EXCHANGE_ASK - row]
                    cancels += move_window(walker, row, low, high, step, edge, interval, base)
            result[RESULT_CANCELS] += cancels
            quiet = (
                walker.late[0] == 0
                and live[BID_ROW, LIVE_UNSEEN] == 0
                and live[ASK_ROW, LIVE_UNSEEN] == 0
            )
        first = end
        if rows.shape[0] > 0:
            for column in range(RESULT_COLUMNS):
                rows[step, column] = result[column]


def walk_one(
    road: Road, stream: Stream, base: int, dials: F8, model: F8, costs: F8, *, told: bool
) -> tuple[F8, F8]:
    """Return (result f8[RESULT_COLUMNS], rows of every step or of none) of one candidate."""
    result = np.zeros(RESULT_COLUMNS)
    rows = np.zeros((road.road.shape[0] if told else 0, RESULT_COLUMNS))
    walk_road(road, stream, base, dials, model, costs, new_walker(), result, rows)
    return result, rows
