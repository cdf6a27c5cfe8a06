"""The compiled pass over the exchange clock: keeps its book, notes hits, level changes, frames.

A segment's level changes are noted in order of time; `segments.py` lays them out by price level.
Both are driven by `indexer.py`, which owns the arrays. Nothing here knows our orders.
"""

from typing import NamedTuple

from market.book import apply, set_level
from market.fills import aggressor
from market.jit import kernel
from market.layout import (
    ASK_ROW,
    BID_ROW,
    BUY,
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SEEN,
    EVENT_SIDE,
    FRAME_ASK,
    FRAME_BID,
    FRAME_CANCEL_EVENT,
    FRAME_CANCEL_NS,
    FRAME_EVENT,
    FRAME_HIGH,
    FRAME_HIT,
    FRAME_LOW,
    FRAME_ORDER_EVENT,
    FRAME_ORDER_NS,
    HIT_ASK_POSTED,
    HIT_BETTER,
    HIT_BID_POSTED,
    HIT_BUY_TRADE,
    HIT_SELL_TRADE,
    HIT_SHIFT,
    KIND_CLEAR,
    KIND_TRADE,
    LEVEL_CLEARED,
    LEVEL_DEPTH,
    LEVEL_SHIFT,
    LEVEL_SIDE_SHIFT,
    NEVER,
    NO_ASK,
    NO_BID,
    SEEN_EXCHANGE,
    SELL,
    TOUCH_ASK,
    TOUCH_ASKS,
    TOUCH_BASE,
    TOUCH_BID,
    TOUCH_BIDS,
    TOUCH_OUTSIDE,
)
from market.risked import walk_both
from market.types import F8, I4, I8

HIT_COLUMN_MAX = 1 << 27
"""A print farther than this from the window's first tick counts as being that far."""

# --- how far the pass has come: i8[PASS_COLUMNS] ---------------------------------------------
PASS_CUT = 0  # number after the last event of the exchange's clock that was read
PASS_FRAME = 1  # first step whose own time has not passed
PASS_ORDER = 2  # first step whose order has not arrived
PASS_CANCEL = 3  # first step whose cancel has not arrived
PASS_DUE_NS = 4  # the earliest of these three times; NEVER when no step waits
PASS_HITS = 5
PASS_ROWS = 6  # level changes of the open segment
PASS_LOW = 7  # FRAME_LOW and FRAME_HIGH of the step to come
PASS_HIGH = 8
PASS_MARK = 9  # first mark that is not written
PASS_PRINTS = 10  # prints noted since the pass began
PASS_COLUMNS = 11

# --- the book after the first MARK_CUT events: i8[n, MARK_COLUMNS] ---------------------------
MARK_CUT = 0  # rising
MARK_PRINTS = 1  # prints of the pass among them
MARK_BID = 2
MARK_ASK = 3
MARK_BID_LOTS = 4  # 0 without a best price
MARK_ASK_LOTS = 5
MARK_EDGE = 6  # 1: a cycle ends here; given, like MARK_CUT
MARK_COLUMNS = 7

DONE = 0
HITS_FULL = 1  # grow the arrays of hits, then go on
ROWS_FULL = 2  # close the segment, or grow its arrays when it is empty, then go on


class Pass(NamedTuple):
    """The arrays that the pass writes."""

    state: I8  # i8[PASS_COLUMNS]
    levels: I8  # i8[2, width], the exchange's book
    touch: I8  # i8[TOUCH_COLUMNS]
    row_keys: I4  # i4[room]: key of each level change
    row_events: I4  # i4[room]
    row_lots: I8  # i8[room]: lots << LEVEL_SHIFT | LEVEL_*
    hit_events: I4  # i4[room]
    hit_codes: I4
    hit_lots: I8
    hit_ns: I8
    frames: I8  # i8[room, FRAME_COLUMNS]; FRAME_ORDER_NS and FRAME_CANCEL_NS are given
    marks: I8  # i8[n, MARK_COLUMNS]; MARK_CUT and MARK_EDGE are given
    depths: F8  # f8[n, 2 x DEPTH_COLUMNS]: how far both sides go at an edge
    asked: F8  # f8[OBSERVER_COLUMNS]: how far is asked
    prints: I4  # i4[room]: number of every print of this pass


@kernel
def find_due(work: Pass, first_ns: int, interval_ns: int, steps: int) -> None:
    """Find the earliest time at which one of `steps` steps has something to be written."""
    state = work.state
    due = NEVER
    if state[PASS_FRAME] < steps:
        due = first_ns + state[PASS_FRAME] * interval_ns
    if state[PASS_ORDER] < steps:
        due = min(due, work.frames[state[PASS_ORDER], FRAME_ORDER_NS])
    if state[PASS_CANCEL] < steps:
        due = min(due, work.frames[state[PASS_CANCEL], FRAME_CANCEL_NS])
    state[PASS_DUE_NS] = due


@kernel
def pass_time(work: Pass, first_ns: int, interval_ns: int, steps: int, until_ns: int) -> None:
    """Write what the exchange showed at every step, arrival and cancel up to a time."""
    state = work.state
    frames = work.frames
    while state[PASS_FRAME] < steps and first_ns + state[PASS_FRAME] * interval_ns <= until_ns:
        step = state[PASS_FRAME]
        frames[step, FRAME_EVENT] = state[PASS_CUT]
        frames[step, FRAME_HIT] = state[PASS_HITS]
        frames[step, FRAME_LOW] = state[PASS_LOW]
        frames[step, FRAME_HIGH] = state[PASS_HIGH]
        state[PASS_LOW] = NO_ASK
        state[PASS_HIGH] = NO_BID
        state[PASS_FRAME] += 1
    while state[PASS_ORDER] < steps and frames[state[PASS_ORDER], FRAME_ORDER_NS] <= until_ns:
        step = state[PASS_ORDER]
        frames[step, FRAME_ORDER_EVENT] = state[PASS_CUT]
        frames[step, FRAME_BID] = work.touch[TOUCH_BID]
        frames[step, FRAME_ASK] = work.touch[TOUCH_ASK]
        state[PASS_ORDER] += 1
    while state[PASS_CANCEL] < steps and frames[state[PASS_CANCEL], FRAME_CANCEL_NS] <= until_ns:
        frames[state[PASS_CANCEL], FRAME_CANCEL_EVENT] = state[PASS_CUT]
        state[PASS_CANCEL] += 1
    find_due(work, first_ns, interval_ns, steps)


@kernel
def write_marks(work: Pass, number: int) -> int:
    """Write the marks of the book as it stands before an event; return the cut of the next one."""
    state = work.state
    marks = work.marks
    touch = work.touch
    bid = touch[TOUCH_BID]
    ask = touch[TOUCH_ASK]
    bid_lots = 0
    ask_lots = 0
    if bid != NO_BID:
        bid_lots = work.levels[BID_ROW, bid - touch[TOUCH_BASE]]
    if ask != NO_ASK:
        ask_lots = work.levels[ASK_ROW, ask - touch[TOUCH_BASE]]
    while state[PASS_MARK] < marks.shape[0] and marks[state[PASS_MARK], MARK_CUT] <= number:
        mark = state[PASS_MARK]
        state[PASS_MARK] += 1
        marks[mark, MARK_PRINTS] = state[PASS_PRINTS]
        marks[mark, MARK_BID] = bid
        marks[mark, MARK_ASK] = ask
        marks[mark, MARK_BID_LOTS] = bid_lots
        marks[mark, MARK_ASK_LOTS] = ask_lots
        if marks[mark, MARK_EDGE] != 0:
            walk_both(work.levels, touch, work.asked, work.depths[mark])
    if state[PASS_MARK] < marks.shape[0]:
        return int(marks[state[PASS_MARK], MARK_CUT])
    return NEVER


@kernel
def note_hit(work: Pass, number: int, flags: int, price: int, lots: int, exch_ns: int) -> None:
    """Write one hit, and widen the range of the step to come."""
    state = work.state
    column = min(HIT_COLUMN_MAX, max(-HIT_COLUMN_MAX, price - work.touch[TOUCH_BASE]))
    place = state[PASS_HITS]
    state[PASS_HITS] += 1
    work.hit_events[place] = number
    work.hit_codes[place] = (column << HIT_SHIFT) | flags
    work.hit_lots[place] = lots
    work.hit_ns[place] = exch_ns
    if flags == HIT_SELL_TRADE or flags & ~HIT_BETTER == HIT_ASK_POSTED:
        state[PASS_LOW] = min(state[PASS_LOW], price)
    else:
        state[PASS_HIGH] = max(state[PASS_HIGH], price)


@kernel
def note_level(work: Pass, number: int, row: int, column: int, cell: int) -> None:
    """Write one level change; `cell` is lots << LEVEL_SHIFT | LEVEL_*."""
    place = work.state[PASS_ROWS]
    work.state[PASS_ROWS] += 1
    work.row_keys[place] = (row << LEVEL_SIDE_SHIFT) | column
    work.row_events[place] = number
    work.row_lots[place] = cell


@kernel
def note_clear(work: Pass, number: int, side: int, price: int) -> None:
    """Write a row of no lots for every level that a clear is about to empty."""
    touch = work.touch
    base = touch[TOUCH_BASE]
    if side >= 0 and touch[TOUCH_BID] != NO_BID:
        column = touch[TOUCH_BID] - base
        last = max(0, price - base) if side == BUY else 0
        left = touch[TOUCH_BIDS]
        while column >= last and left > 0:
            if work.levels[BID_ROW, column] > 0:
                note_level(work, number, BID_ROW, column, LEVEL_CLEARED)
                left -= 1
            column -= 1
    if side <= 0 and touch[TOUCH_ASK] != NO_ASK:
        column = touch[TOUCH_ASK] - base
        last = work.levels.shape[1] - 1
        if side == SELL and price > 0:
            last = min(last, price - base)
        left = touch[TOUCH_ASKS]
        while column <= last and left > 0:
            if work.levels[ASK_ROW, column] > 0:
                note_level(work, number, ASK_ROW, column, LEVEL_CLEARED)
                left -= 1
            column += 1


@kernel
def note_touch(
    work: Pass, number: int, side: int, price: int, more: int, best: int, exch_ns: int
) -> None:
    """Write a hit when lots were added at what is now the best price; it was `best` before."""
    row = (1 - side) >> 1
    if more > 0:  # then the price is the best now: it was as good as the best before
        posted = HIT_BID_POSTED if row == BID_ROW else HIT_ASK_POSTED
        if best != price:
            posted |= HIT_BETTER
        note_hit(work, number, posted, price, more, exch_ns)


@kernel
def note_print(work: Pass, number: int, side: int, price: int, lots: int, exch_ns: int) -> None:
    """Note a print, and write a hit when its aggressor is known."""
    work.prints[work.state[PASS_PRINTS]] = number
    work.state[PASS_PRINTS] += 1
    taker = aggressor(side, price, work.touch)
    if lots > 0 and taker != 0:
        flags = HIT_SELL_TRADE if taker == SELL else HIT_BUY_TRADE
        note_hit(work, number, flags, price, lots, exch_ns)


@kernel
def take_depth(work: Pass, number: int, side: int, price: int, lots: int, exch_ns: int) -> None:
    """Apply a depth or snapshot event; write its row, and a hit when it is news at the touch."""
    touch = work.touch
    column = price - touch[TOUCH_BASE]
    if column < 0 or column >= work.levels.shape[1] or side == 0:
        touch[TOUCH_OUTSIDE] += 1
        return
    row = (1 - side) >> 1
    best = touch[row]
    before = set_level(work.levels, touch, side, column, lots)
    note_level(work, number, row, column, (lots << LEVEL_SHIFT) | LEVEL_DEPTH)
    if side * (price - best) >= 0:
        note_touch(work, number, side, price, lots - before, best, exch_ns)


@kernel
def index_events(
    events: I8,
    offset: int,
    work: Pass,
    first_ns: int,
    interval_ns: int,
    steps: int,
    until_ns: int,
    known_ns: int,
) -> int:
    """Read every event with exch_ts <= until; return DONE, HITS_FULL or ROWS_FULL.

    Args:
        events: i8[n, EVENT_COLUMNS]; the first one has number `offset`.
        offset: at most PASS_CUT.
        work: changed.
        first_ns: time of step 0.
        interval_ns: from one step to the next.
        steps: steps whose delays are known; frames of later ones are not written.
        until_ns: exchange clock.
        known_ns: until when nothing else can have happened by then.
    """
    state = work.state
    levels = work.levels
    touch = work.touch
    room = work.row_keys.shape[0]
    hits_room = work.hit_events.shape[0]
    find_due(work, first_ns, interval_ns, steps)
    due_ns = state[PASS_DUE_NS]
    cut = write_marks(work, state[PASS_CUT])
    for index in range(state[PASS_CUT] - offset, events.shape[0]):
        if events[index, EVENT_SEEN] & SEEN_EXCHANGE == 0:
            continue
        exch_ns = events[index, EVENT_EXCH_NS]
        if exch_ns > until_ns:
            break
        if exch_ns > due_ns:
            pass_time(work, first_ns, interval_ns, steps, exch_ns - 1)
            due_ns = state[PASS_DUE_NS]
        number = offset + index
        if number >= cut:
            cut = write_marks(work, number)
        if state[PASS_HITS] >= hits_room:
            return HITS_FULL
        kind = events[index, EVENT_KIND]
        side = events[index, EVENT_SIDE]
        price = events[index, EVENT_PRICE_TICKS]
        lots = events[index, EVENT_LOTS]
        place = state[PASS_ROWS]
        if kind == KIND_CLEAR:
            if place + touch[TOUCH_BIDS] + touch[TOUCH_ASKS] > room:
                return ROWS_FULL
            note_clear(work, number, side, price)
            apply(levels, touch, kind, side, price, lots)
        elif kind == KIND_TRADE:
            note_print(work, number, side, price, lots, exch_ns)
        elif place >= room:
            return ROWS_FULL
        else:
            take_depth(work, number, side, price, lots, exch_ns)
        state[PASS_CUT] = number + 1
    write_marks(work, state[PASS_CUT])
    pass_time(work, first_ns, interval_ns, steps, known_ns)
    return DONE
