"""Reads the public feed on the local clock, for the observer: the book and the prints.

Prints of one side with one exchange time are one arrival, which reached as deep as the deepest of
them, counted from the mid of the step before.
"""

from market.book import apply
from market.calibration import (
    CELL_ASK,
    CELL_BID,
    MEMORY_CURSOR,
    MEMORY_LAST,
    MEMORY_MID,
    MEMORY_SURVEY,
    depth_bin,
)
from market.jit import kernel
from market.layout import (
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOCAL_NS,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SEEN,
    EVENT_SIDE,
    KIND_TRADE,
    SEEN_LOCAL,
    SELL,
)
from market.survey import note_price
from market.types import F8, I4, I8

NO_ROW = -1


@kernel
def take_print(
    events: I8, index: int, memory: F8, cells: F8, row: int, when: int, reach: float
) -> tuple[int, int, float]:
    """Take in one print; return the arrival being gathered (row of cells or NO_ROW, time, depth).

    Args:
        events: i8[n, EVENT_COLUMNS].
        index: of the print.
        memory: its last price is changed.
        cells: f8[CELL_ROWS, BINS]; an arrival that is over is counted.
        row: the arrival so far: whose quotes it reached,
        when: at what exchange time,
        reach: and how deep, as a fraction of mid.
    """
    price = events[index, EVENT_PRICE_TICKS]
    side = events[index, EVENT_SIDE]
    mid = memory[MEMORY_MID]
    memory[MEMORY_LAST] = price
    if mid <= 0.0 or side == 0:
        return row, when, reach
    note_price(side, price, memory[MEMORY_SURVEY:])
    hit = CELL_BID if side == SELL else CELL_ASK
    depth = side * (price - mid) / mid
    exch_ns = events[index, EVENT_EXCH_NS]
    if hit == row and exch_ns == when:
        return row, when, max(reach, depth)
    end_arrival(cells, row, reach)
    return hit, exch_ns, depth


@kernel
def end_arrival(cells: F8, row: int, reach: float) -> None:
    """Count an arrival that is over."""
    if row >= 0:
        cells[row, depth_bin(reach, cells)] += 1.0


@kernel
def read_events(
    events: I8, offset: int, levels: I8, touch: I8, memory: F8, cells: F8, now_ns: int
) -> float:
    """Advance the local book over the events seen by `now_ns`; return the lots traded.

    Args:
        events: i8[n, EVENT_COLUMNS]; the first one has number `offset`.
        offset: at most MEMORY_CURSOR.
        levels: i8[2, width], the local book, changed.
        touch: i8[TOUCH_COLUMNS], changed.
        memory: changed.
        cells: f8[CELL_ROWS, BINS], changed.
        now_ns: local clock.
    """
    read = int(memory[MEMORY_CURSOR])
    traded = 0
    row = NO_ROW
    when = 0
    reach = 0.0
    for index in range(read - offset, events.shape[0]):
        if events[index, EVENT_SEEN] & SEEN_LOCAL == 0:
            continue
        if events[index, EVENT_LOCAL_NS] > now_ns:
            break
        # Events for the exchange alone are passed only together with a local one behind them:
        # a cursor that ran ahead over them would tell of a time that is still to come.
        read = offset + index + 1
        kind = events[index, EVENT_KIND]
        lots = events[index, EVENT_LOTS]
        if kind == KIND_TRADE:
            traded += lots
            row, when, reach = take_print(events, index, memory, cells, row, when, reach)
        else:
            side = events[index, EVENT_SIDE]
            apply(levels, touch, kind, side, events[index, EVENT_PRICE_TICKS], lots)
    end_arrival(cells, row, reach)
    memory[MEMORY_CURSOR] = read
    return float(traded)


@kernel
def read_prints(
    events: I8, offset: int, prints: I4, first: int, last: int, memory: F8, cells: F8
) -> float:
    """Take in prints [first, last) of a step as `read_events` does; return the lots traded.

    Args:
        events: i8[n, EVENT_COLUMNS]; the first one has number `offset`.
        offset: number of the first event.
        prints: i4[m], numbers of the prints.
        first: first print of the step.
        last: the one after its last.
        memory: changed, but for its cursor.
        cells: f8[CELL_ROWS, BINS], changed.
    """
    traded = 0
    row = NO_ROW
    when = 0
    reach = 0.0
    for place in range(first, last):
        index = prints[place] - offset
        traded += events[index, EVENT_LOTS]
        row, when, reach = take_print(events, index, memory, cells, row, when, reach)
    end_arrival(cells, row, reach)
    return float(traded)
