"""The local side of a tape where both clocks have shown the same events in the same order.

Then one book serves both: the pass over the exchange's clock marks it where a step's time passes
on the local one, and the observer needs only these marks and the prints between them.
"""

from market.calibration import MEMORY_CURSOR, MEMORY_DEPTH
from market.features import cycle_ns_of, observe_market
from market.indexing import (
    MARK_ASK,
    MARK_ASK_LOTS,
    MARK_BID,
    MARK_BID_LOTS,
    MARK_CUT,
    MARK_EDGE,
    MARK_PRINTS,
)
from market.jit import kernel
from market.layout import (
    EVENT_EXCH_NS,
    EVENT_LOCAL_NS,
    EVENT_SEEN,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
    STEP_ASK,
    STEP_BID,
    STEP_NOW_NS,
)
from market.prints import read_prints
from market.types import F8, I4, I8


@kernel
def find_marks(
    events: I8, offset: int, now_ns: int, interval_ns: int, settings: F8, marks: I8
) -> int:
    """Write the cut of every step that an event of these has passed; return how many.

    Returns -1 when the clocks disagree: an event that only one of them shows, or one that shows
    locally before it happened.

    Args:
        events: i8[n, EVENT_COLUMNS]; the first one has number `offset`.
        offset: number of the first event.
        now_ns: time of the first step that has not been lived through.
        interval_ns: from one step to the next.
        settings: f8[OBSERVER_COLUMNS].
        marks: i8[room, MARK_COLUMNS], its cuts and edges are written; room for all of them.
    """
    count = 0
    cycle_ns = cycle_ns_of(settings)
    both = SEEN_EXCHANGE | SEEN_LOCAL
    for index in range(events.shape[0]):
        local_ns = events[index, EVENT_LOCAL_NS]
        if (events[index, EVENT_SEEN] != both) | (local_ns < events[index, EVENT_EXCH_NS]):
            return -1
        while local_ns > now_ns:
            marks[count, MARK_CUT] = offset + index
            marks[count, MARK_EDGE] = now_ns % cycle_ns == 0
            count += 1
            now_ns += interval_ns
    return count


@kernel
def observe_marks(
    events: I8,
    offset: int,
    prints: I4,
    marks: I8,
    depths: F8,
    memory: F8,
    cells: F8,
    settings: F8,
    first_ns: int,
    interval_ns: int,
    steps: I8,
    views: F8,
    plans: F8,
) -> None:
    """Write the rows of the steps that have a mark, as `features.observe` does.

    Args:
        events: i8[n, EVENT_COLUMNS]; the first one has number `offset`.
        offset: number of the first event, at most the first cut.
        prints: i4[m], numbers of all prints up to the last cut, from the first event on.
        marks: i8[k, MARK_COLUMNS].
        depths: f8[k, 2 x DEPTH_COLUMNS], of those at the end of a cycle.
        memory: changed.
        cells: f8[CELL_ROWS, BINS], changed.
        settings: f8[OBSERVER_COLUMNS].
        first_ns: time of the first of these steps.
        interval_ns: from one step to the next.
        steps: i8[k, STEP_COLUMNS], written.
        views: f8[k, VIEW_COLUMNS], written.
        plans: f8[k, PLAN_COLUMNS], written.
    """
    first = 0
    for step in range(marks.shape[0]):
        last = marks[step, MARK_PRINTS]
        traded = read_prints(events, offset, prints, first, last, memory, cells)
        first = last
        memory[MEMORY_CURSOR] = marks[step, MARK_CUT]
        if marks[step, MARK_EDGE] != 0:
            for column in range(depths.shape[1]):
                memory[MEMORY_DEPTH + column] = depths[step, column]
        steps[step, STEP_NOW_NS] = first_ns + step * interval_ns
        steps[step, STEP_BID] = marks[step, MARK_BID]
        steps[step, STEP_ASK] = marks[step, MARK_ASK]
        observe_market(
            traded,
            marks[step, MARK_BID_LOTS],
            marks[step, MARK_ASK_LOTS],
            memory,
            cells,
            settings,
            steps[step],
            views[step],
            plans[step],
        )
