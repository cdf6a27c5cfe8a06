"""hftbacktest's exchange and a grid on it, candidate by candidate over a road: the fast twin.

A candidate walks steps; its orders are two masks over the lattice (`compat_orders.py`). A window
of hits that reaches neither best order is passed over whole, a place in line is looked up
when a trade prints at its price, and nothing else is remembered of an order. The order of events
is that of `compat_events.py`, which tests compare with to the last bit.
"""

from typing import NamedTuple

from market.compat_book import traded
from market.compat_grid import (
    DIAL_INTERVAL,
    DIAL_LOTS,
    lattice,
)
from market.compat_money import RESULT_CANCELS, RESULT_COLUMNS, RESULT_POSITION, book_fill
from market.compat_orders import (
    LIVE_BEST,
    LIVE_GONE,
    LIVE_HIGH,
    LIVE_LOW,
    LIVE_RESTS,
    LIVE_UNSEEN,
    UNSEEN_CELL,
    UNSEEN_SIDE,
    Walker,
    begin,
    believe,
    find_best,
    move_window,
)
from market.compat_queue import (
    SEAT_BORN,
    SEATS,
    catch_up,
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
from market.types import F8, I4, I8


class Candidate(NamedTuple):
    """What one run is about."""

    dials: F8  # f8[DIAL_COLUMNS], at most LEVELS_MAX levels
    model: F8  # f8[MODEL_COLUMNS]
    costs: F8  # f8[COST_COLUMNS]


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
def want(steps: I4, step: int, base: int, position_lots: int, dials: F8, window: I8) -> None:
    """Write the window wanted at a step."""
    bid, ask = steps[step, ROAD_BID], steps[step, ROAD_ASK]
    lattice(
        bid + base if bid != FAR_BELOW else NO_BID,
        ask + base if ask != FAR_ABOVE else NO_ASK,
        position_lots,
        dials,
        window,
    )


@kernel
def decide(road: Road, walker: Walker, candidate: Candidate, step: int, first: int) -> None:
    """Live through a step at which a hit reaches an order of ours or a report comes in.

    Args:
        road: of the tape.
        walker: changed.
        candidate: of the run.
        step: i8.
        first: i8, first hit of the step's window.
    """
    live = walker.live
    window = walker.window
    base = road.stream.base[0]
    steps = road.road
    hear(walker, candidate)
    strike(road, walker, candidate, first, steps[step, ROAD_LATE], True)
    position = int(walker.result[RESULT_POSITION])
    want(steps, step, base, position, candidate.dials, window)
    strike(road, walker, candidate, steps[step, ROAD_LATE], steps[step, ROAD_HIT], False)
    interval = int(candidate.dials[DIAL_INTERVAL])
    seats = walker.places.seats
    for row in range(2):
        low, high = window[2 * row], window[2 * row + 1]
        edge = steps[step, ROAD_EXCHANGE_ASK - row]
        cancels = move_window(live, seats, row, low, high, step, edge, interval, base)
        walker.result[RESULT_CANCELS] += cancels
    believe(walker)


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
    live, window, result = walker.live, walker.window, walker.result
    seats, dials = walker.places.seats, candidate.dials
    interval = int(dials[DIAL_INTERVAL])
    base = road.stream.base[0]
    steps = road.road
    first = 0
    old_bid = FAR_ABOVE
    old_ask = FAR_BELOW
    position = 0
    quiet = True
    for step in range(steps.shape[0]):
        bid, ask = steps[step, ROAD_BID], steps[step, ROAD_ASK]
        if (
            not quiet
            or steps[step, ROAD_LOW] <= live[BID_ROW, LIVE_BEST]
            or steps[step, ROAD_HIGH] >= live[ASK_ROW, LIVE_BEST]
        ):
            decide(road, walker, candidate, step, first)
            position = int(result[RESULT_POSITION])
            quiet = not (live[BID_ROW, LIVE_UNSEEN] | live[ASK_ROW, LIVE_UNSEEN] | walker.late[0])
        elif bid != old_bid or ask != old_ask:  # most steps: the touch moved, and nothing else
            want(steps, step, base, position, dials, window)
            for row in range(2):
                low, high = window[2 * row], window[2 * row + 1]
                if low != live[row, LIVE_LOW] or high != live[row, LIVE_HIGH]:
                    edge = steps[step, ROAD_EXCHANGE_ASK - row]
                    result[RESULT_CANCELS] += move_window(
                        live, seats, row, low, high, step, edge, interval, base
                    )
            quiet = not (live[BID_ROW, LIVE_UNSEEN] | live[ASK_ROW, LIVE_UNSEEN])
        old_bid, old_ask = bid, ask
        first = steps[step, ROAD_HIT]
        if rows.shape[0] > 0:
            for column in range(RESULT_COLUMNS):
                rows[step, column] = result[column]


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
