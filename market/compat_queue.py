"""The place in line of one order on the peer's exchange, read off a level's history when needed.

A seat is a cell of the lattice modulo SEATS, one row of them a side. It remembers where in its
level's history it stands, so that reading goes on from there: time only moves forward.
"""

from typing import NamedTuple

import numpy as np

from market.compat_book import QUEUE_COLUMNS, changed, joined
from market.jit import kernel
from market.layout import (
    LEVEL_CARRIED,
    LEVEL_DEPTH,
    LEVEL_FLAG_MASK,
    LEVEL_SHIFT,
    LEVEL_SIDE_SHIFT,
    SEGMENT_END,
    SEGMENT_EVENT,
    SEGMENT_KEY,
    SEGMENT_KEY_END,
)
from market.stream import Stream
from market.types import F8, I8

SEATS = 64  # a side; a window has at most LEVELS_MAX cells, so no two of it share one

# --- one seat: i8[2 * SEATS, SEAT_COLUMNS] -------------------------------------------------------
SEAT_BORN = 0  # step at which its order was sent
SEAT_WAITS = 1  # 1: its order's queue has not been read yet
SEAT_COLUMN = 2  # of the book, whose history it reads; -1: none yet
SEAT_SEGMENT = 3
SEAT_ROW = 4  # next row of the history
SEAT_END = 5  # the one after the last row of the level in this segment
SEAT_LOTS = 6  # of the level after the rows read
SEAT_COLUMNS = 7

# --- where a level was last found: i8[HINT_COLUMNS] ----------------------------------------------
HINT_SEGMENT = 0
HINT_KEY = 1  # place in level_keys
HINT_COLUMNS = 2


# --- where a hit stands in the history of its level: i8[hits], row << FOUND_SHIFT | place ------
FOUND_SHIFT = 24  # the place is that of the level's key, the row its first one not before the hit
FOUND_MASK = (1 << FOUND_SHIFT) - 1
ABSENT = -1  # the level has no history in the hit's segment
UNKNOWN = -2  # nobody asked yet


class Seats(NamedTuple):
    """What one candidate remembers of its orders' queues."""

    seats: I8
    queues: F8  # f8[2 * SEATS, QUEUE_COLUMNS]
    hint: I8


def new_seats() -> Seats:
    """Return arrays for seats; a run empties them first."""
    seats = np.zeros((2 * SEATS, SEAT_COLUMNS), np.int64)
    return Seats(seats, np.zeros((2 * SEATS, QUEUE_COLUMNS)), np.zeros(HINT_COLUMNS, np.int64))


@kernel
def find_key(stream: Stream, hint: I8, segment: int, key: int) -> int:
    """Return the place of a key among a segment's, -1 when it has none.

    Levels near the touch follow one another, so it is mostly as far from the last one found as
    its column is.
    """
    keys = stream.level_keys
    first = stream.segments[segment, SEGMENT_KEY]
    end = stream.segments[segment, SEGMENT_KEY_END]
    if hint[HINT_SEGMENT] == segment and first <= hint[HINT_KEY] < end:
        place = hint[HINT_KEY] + (key - keys[hint[HINT_KEY]])
        if first <= place < end and keys[place] == key:
            hint[HINT_KEY] = place
            return int(place)
    low = first
    high = end
    while low < high:
        middle = (low + high) >> 1
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    if low == end or keys[low] != key:
        return -1
    hint[HINT_SEGMENT] = segment
    hint[HINT_KEY] = low
    return int(low)


@kernel
def open_segment(stream: Stream, work: Seats, seat: int, side_row: int, segment: int) -> None:
    """Let a seat stand before its level's first row in a segment."""
    seats = work.seats
    key = (side_row << LEVEL_SIDE_SHIFT) | seats[seat, SEAT_COLUMN]
    place = find_key(stream, work.hint, segment, key)
    seats[seat, SEAT_SEGMENT] = segment
    seats[seat, SEAT_LOTS] = 0
    if place < 0:
        seats[seat, SEAT_ROW] = 0
        seats[seat, SEAT_END] = 0
    else:
        seats[seat, SEAT_ROW] = stream.level_starts[place]
        seats[seat, SEAT_END] = stream.level_starts[place + 1]


@kernel
def sit_down(stream: Stream, work: Seats, seat: int, side_row: int, column: int, cut: int) -> None:
    """Bring a seat to where its level stands after the first `cut` events."""
    seats = work.seats
    segment = seats[seat, SEAT_SEGMENT]
    last = stream.segments.shape[0] - 1
    moved = seats[seat, SEAT_COLUMN] != column
    if moved:
        seats[seat, SEAT_COLUMN] = column
        segment = work.hint[HINT_SEGMENT]
        while segment > 0 and stream.segments[segment, SEGMENT_EVENT] > cut:
            segment -= 1
    while segment < last and stream.segments[segment + 1, SEGMENT_EVENT] <= cut:
        segment += 1
        moved = True
    if moved:
        open_segment(stream, work, seat, side_row, segment)
    low = seats[seat, SEAT_ROW]
    high = seats[seat, SEAT_END]
    if low < high and stream.level_lots[low] & LEVEL_FLAG_MASK == LEVEL_CARRIED:
        seats[seat, SEAT_LOTS] = stream.level_lots[low] >> LEVEL_SHIFT
        low += 1
    start = low
    jump = 1
    while low + jump < high and stream.level_events[low + jump] < cut:
        low += jump
        jump += jump
    high = min(high, low + jump)
    while low < high:
        middle = (low + high) >> 1
        if stream.level_events[middle] < cut:
            low = middle + 1
        else:
            high = middle
    if low > start:
        seats[seat, SEAT_LOTS] = stream.level_lots[low - 1] >> LEVEL_SHIFT
    seats[seat, SEAT_ROW] = low


@kernel
def find_hit(stream: Stream, found: I8, hint: I8, hit: int, key: int, event: int) -> int:
    """Return where a hit stands: row << FOUND_SHIFT | place, or ABSENT.

    It is looked up once a tape: what was found is kept for the candidates to come. It is one word,
    so two threads that look at once can only write and read the same.
    """
    known = found[hit]
    if known != UNKNOWN:
        return int(known)
    segment = hint[HINT_SEGMENT]
    while segment > 0 and stream.segments[segment, SEGMENT_EVENT] > event:
        segment -= 1
    last = stream.segments.shape[0] - 1  # a hit may lie behind the tape's end
    while segment < last and stream.segments[segment, SEGMENT_END] <= event:
        segment += 1
    place = find_key(stream, hint, segment, key)
    known = ABSENT
    if 0 <= place <= FOUND_MASK:
        low = stream.level_starts[place]
        high = stream.level_starts[place + 1]
        while low < high:
            middle = (low + high) >> 1
            if stream.level_events[middle] < event:
                low = middle + 1
            else:
                high = middle
        known = (low << FOUND_SHIFT) | place
    found[hit] = known
    return int(known)


@kernel
def sit_beside(stream: Stream, work: Seats, seat: int, column: int, known: int, cut: int) -> bool:
    """Bring a seat to its order's arrival, looking back from a hit; False when that lies too far.

    Most orders met by a print came moments before it, a few rows back.
    """
    if known == ABSENT:
        return False
    place = known & FOUND_MASK
    segment = work.hint[HINT_SEGMENT]
    while segment > 0 and stream.segments[segment, SEGMENT_KEY] > place:
        segment -= 1
    while stream.segments[segment, SEGMENT_KEY_END] <= place:
        segment += 1
    if stream.segments[segment, SEGMENT_EVENT] > cut:
        return False
    seats = work.seats
    start = stream.level_starts[place]
    row = known >> FOUND_SHIFT
    while row > start and stream.level_events[row - 1] >= cut:
        row -= 1
    if row == start and stream.level_lots[row] & LEVEL_FLAG_MASK == LEVEL_CARRIED:
        row += 1  # what is carried in counts as before the cut
    seats[seat, SEAT_COLUMN] = column
    seats[seat, SEAT_SEGMENT] = segment
    seats[seat, SEAT_ROW] = row
    seats[seat, SEAT_END] = stream.level_starts[place + 1]
    seats[seat, SEAT_LOTS] = stream.level_lots[row - 1] >> LEVEL_SHIFT if row > start else 0
    return True


@kernel
def catch_up(
    stream: Stream,
    found: I8,
    work: Seats,
    model: F8,
    seat: int,
    side_row: int,
    column: int,
    cut: int,
    hit: int,
    event: int,
) -> None:
    """Bring the queue of a seat's order to just before a hit at its price.

    Args:
        stream: of the tape.
        found: of the road.
        work: changed.
        model: f8[MODEL_COLUMNS].
        seat: i8.
        side_row: BID_ROW or ASK_ROW.
        column: of the order's price.
        cut: events until the order arrived.
        hit: number of the hit.
        event: its event.
    """
    seats = work.seats
    queue = work.queues[seat]
    if seats[seat, SEAT_WAITS] != 0:
        key = (side_row << LEVEL_SIDE_SHIFT) | column
        known = find_hit(stream, found, work.hint, hit, key, event)
        if not sit_beside(stream, work, seat, column, known, cut):
            sit_down(stream, work, seat, side_row, column, cut)
        joined(queue, model, seats[seat, SEAT_LOTS])
        seats[seat, SEAT_WAITS] = 0
    read_on(stream, work, model, seat, side_row, event)


@kernel
def read_on(stream: Stream, work: Seats, model: F8, seat: int, side_row: int, event: int) -> None:
    """Let a seat's queue live through its level's changes before an event."""
    seats = work.seats
    queue = work.queues[seat]
    last = stream.segments.shape[0] - 1
    while True:
        row = seats[seat, SEAT_ROW]
        end = seats[seat, SEAT_END]
        lots = seats[seat, SEAT_LOTS]
        while row < end and stream.level_events[row] < event:
            cell = stream.level_lots[row]
            flag = cell & LEVEL_FLAG_MASK
            after = cell >> LEVEL_SHIFT
            if flag == LEVEL_DEPTH:
                changed(queue, model, lots, after)
            lots = after
            row += 1
        seats[seat, SEAT_ROW] = row
        seats[seat, SEAT_LOTS] = lots
        segment = seats[seat, SEAT_SEGMENT]
        if row < end or segment == last or stream.segments[segment, SEGMENT_END] > event:
            return
        open_segment(stream, work, seat, side_row, segment + 1)
