"""What hftbacktest's exchange shows at each step, laid out for `compat_walk.py`.

Made once per tape. A recording whose book never crosses is read off the `Stream`; in a crossed one
the peer's book goes its own way (`compat_book.py`), so its events are read once more.
"""

from typing import NamedTuple

import numpy as np

from market.compat_book import EDGE_ASK, EDGE_BID, new_edges, put
from market.compat_queue import UNKNOWN
from market.jit import kernel
from market.layout import (
    ASK_ROW,
    BID_ROW,
    BUY,
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOCAL_NS,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SEEN,
    EVENT_SIDE,
    FRAME_ASK,
    FRAME_BID,
    FRAME_ORDER_EVENT,
    HIT_ASK_POSTED,
    HIT_BETTER,
    HIT_BID_POSTED,
    HIT_BUY_TRADE,
    HIT_KIND_MASK,
    HIT_SELL_TRADE,
    HIT_SHIFT,
    KIND_CLEAR,
    KIND_TRADE,
    NO_ASK,
    NO_BID,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
    SELL,
    STEP_ASK,
    STEP_BID,
    STEP_NOW_NS,
)
from market.stream import Stream
from market.tape import Tape
from market.types import I4, I8

# --- one step: i4[steps, ROAD_COLUMNS]; prices are columns of the tape's window ------------------
# Orders of step i are at the exchange from its arrival time on, A(i); window i is (A(i-1), A(i)].
ROAD_BID = 0  # best prices as the strategy sees them; FAR_BELOW, FAR_ABOVE when none
ROAD_ASK = 1
ROAD_LOW = 2  # lowest column of the window's hits on bids, FAR_ABOVE when none
ROAD_HIGH = 3  # highest column of its hits on asks, FAR_BELOW when none
ROAD_LATE = 4  # its first hit whose report is not here yet at the step's time
ROAD_HIT = 5  # hits until A(i)
ROAD_EXCHANGE_BID = 6  # the exchange's best prices at A(i)
ROAD_EXCHANGE_ASK = 7
ROAD_COLUMNS = 8
FAR_BELOW = -(1 << 29)
FAR_ABOVE = 1 << 29
APART = -1  # the peer's book and the tape's levels no longer agree
BLOCK_MASK = 63
BLOCK_SHIFT = 6  # hits of a block, whose lowest and highest are known: 64


class Road(NamedTuple):
    """A tape as the peer's exchange lives through it."""

    hit_events: I4  # i4[hits]: trades and improvements of a best price
    hit_codes: I4  # i4[hits]: column << HIT_SHIFT | HIT_*
    hit_lots: I8  # i8[hits]
    block_low: I4  # i4[blocks]: as ROAD_LOW
    block_high: I4
    road: I4  # i4[steps, ROAD_COLUMNS]
    cuts: I4  # i4[steps]: events until A(i)
    stream: Stream
    found: I8  # i8[hits], see `compat_queue.py`; filled as candidates ask


class Hits(NamedTuple):
    """Hits before they are laid out."""

    events: I4
    codes: I4
    lots: I8
    ns: I8


@kernel
def near(ticks: int, base: int) -> int:
    """Return a price as a column; an absent one is far away."""
    if ticks == NO_BID:
        return FAR_BELOW
    if ticks == NO_ASK:
        return FAR_ABOVE
    return int(min(max(ticks - base, FAR_BELOW), FAR_ABOVE))


@kernel
def pick_hits(hits: Hits, into: Hits) -> int:
    """Copy the hits that the peer acts on; return how many: not what was added at a known best."""
    count = 0
    for index in range(hits.codes.shape[0]):
        code = hits.codes[index]
        if code & HIT_KIND_MASK >= HIT_ASK_POSTED and code & HIT_BETTER == 0:
            continue
        into.events[count] = hits.events[index]
        into.codes[count] = code
        into.lots[count] = hits.lots[index]
        into.ns[count] = hits.ns[index]
        count += 1
    return count


@kernel
def take_touches(steps: I8, frames: I8, base: int, road: I4, cuts: I4) -> None:
    """Copy the best prices and cuts of every step from the tape."""
    for step in range(road.shape[0]):
        road[step, ROAD_BID] = near(steps[step, STEP_BID], base)
        road[step, ROAD_ASK] = near(steps[step, STEP_ASK], base)
        road[step, ROAD_EXCHANGE_BID] = near(frames[step, FRAME_BID], base)
        road[step, ROAD_EXCHANGE_ASK] = near(frames[step, FRAME_ASK], base)
        cuts[step] = frames[step, FRAME_ORDER_EVENT]


@kernel
def lay_road(
    hits: Hits, steps: I8, response_ns: int, road: I4, cuts: I4, block_low: I4, block_high: I4
) -> None:
    """Write the columns of the road that come from hits, and the blocks."""
    block_low[:] = FAR_ABOVE
    block_high[:] = FAR_BELOW
    count = hits.codes.shape[0]
    index = 0
    for step in range(road.shape[0]):
        low = FAR_ABOVE
        high = FAR_BELOW
        late = -1
        seen_ns = steps[step, STEP_NOW_NS] - response_ns
        last = step == road.shape[0] - 1  # its arrival may lie behind the end
        while index < count and (last or hits.events[index] < cuts[step]):
            if late < 0 and hits.ns[index] > seen_ns:
                late = index
            column = hits.codes[index] >> HIT_SHIFT
            block = index >> BLOCK_SHIFT
            kind = hits.codes[index] & HIT_KIND_MASK
            if kind & 1 == HIT_SELL_TRADE:  # or HIT_ASK_POSTED: even kinds meet bids
                low = min(low, column)
                block_low[block] = min(block_low[block], column)
            else:
                high = max(high, column)
                block_high[block] = max(block_high[block], column)
            index += 1
        road[step, ROAD_LOW] = low
        road[step, ROAD_HIGH] = high
        road[step, ROAD_LATE] = index if late < 0 else late
        road[step, ROAD_HIT] = index


@kernel
def read_local(events: I8, base: int, levels: I8, edges: I8, steps: I8, road: I4) -> None:
    """Write the best prices that the peer's strategy sees at each step."""
    row = 0
    for step in range(road.shape[0]):
        now_ns = steps[step, STEP_NOW_NS]
        while row < events.shape[0]:
            if events[row, EVENT_SEEN] & SEEN_LOCAL != 0:
                if events[row, EVENT_LOCAL_NS] > now_ns:
                    break
                kind = events[row, EVENT_KIND]
                column = events[row, EVENT_PRICE_TICKS] - base
                if kind != KIND_TRADE:
                    side = events[row, EVENT_SIDE]
                    put(levels, edges, kind, side, column, events[row, EVENT_LOTS])
            row += 1
        road[step, ROAD_BID] = near(edges[EDGE_BID], 0)
        road[step, ROAD_ASK] = near(edges[EDGE_ASK], 0)


@kernel
def passed_over(levels: I8, edges: I8, side: int) -> bool:
    """Return whether a side holds lots at a better price than its best: left by a crossed book."""
    if side == BUY:
        for column in range(max(edges[EDGE_BID] + 1, 0), levels.shape[1]):
            if levels[BID_ROW, column] > 0:
                return True
        return False
    for column in range(min(edges[EDGE_ASK], levels.shape[1])):
        if levels[ASK_ROW, column] > 0:
            return True
    return False


@kernel
def read_exchange(
    events: I8, base: int, levels: I8, edges: I8, hits: Hits, road: I4, cuts: I4
) -> int:
    """Write the peer's hits and its best prices at every arrival; return the number of hits.

    A clear of one side leaves what a crossed book passed over where it was, in the peer, and
    empties it on the tape: then APART is returned.
    """
    count = 0
    step = 0
    for row in range(events.shape[0]):
        while step < road.shape[0] and cuts[step] <= row:
            road[step, ROAD_EXCHANGE_BID] = near(edges[EDGE_BID], 0)
            road[step, ROAD_EXCHANGE_ASK] = near(edges[EDGE_ASK], 0)
            step += 1
        if events[row, EVENT_SEEN] & SEEN_EXCHANGE == 0:
            continue
        kind = events[row, EVENT_KIND]
        side = events[row, EVENT_SIDE]
        column = events[row, EVENT_PRICE_TICKS] - base
        code = -1
        if kind == KIND_TRADE:
            if side != 0:
                code = HIT_BUY_TRADE if side == BUY else HIT_SELL_TRADE
        else:
            bid = edges[EDGE_BID]
            ask = edges[EDGE_ASK]
            if kind == KIND_CLEAR and side != 0 and passed_over(levels, edges, side):
                return APART
            put(levels, edges, kind, side, column, events[row, EVENT_LOTS])
            if kind != KIND_CLEAR and side == BUY and edges[EDGE_BID] > bid:
                code = HIT_BID_POSTED
            elif kind != KIND_CLEAR and side == SELL and edges[EDGE_ASK] < ask:
                code = HIT_ASK_POSTED
        if code >= 0:
            column = min(max(column, FAR_BELOW >> HIT_SHIFT), FAR_ABOVE >> HIT_SHIFT)
            hits.events[count] = row
            hits.codes[count] = (column << HIT_SHIFT) | code
            hits.lots[count] = events[row, EVENT_LOTS]
            hits.ns[count] = events[row, EVENT_EXCH_NS]
            count += 1
    while step < road.shape[0]:
        road[step, ROAD_EXCHANGE_BID] = near(edges[EDGE_BID], 0)
        road[step, ROAD_EXCHANGE_ASK] = near(edges[EDGE_ASK], 0)
        step += 1
    return count


def room_for(count: int) -> Hits:
    """Return arrays for so many hits."""
    return Hits(
        np.empty(count, np.int32),
        np.empty(count, np.int32),
        np.empty(count, np.int64),
        np.empty(count, np.int64),
    )


def road_of(tape: Tape, *, response_ns: int, events: I8 | None = None) -> Road:
    """Return the road of a tape.

    Args:
        tape: made with the latencies of the comparison.
        response_ns: at the exchange -> known here.
        events: i8[n, EVENT_COLUMNS] of the recording when its book crosses; None: read off the
            tape's stream.

    Raises:
        ValueError: a one-sided clear in a book that crossed before.
    """
    stream: Stream = tape.stream
    base = tape.base
    road = np.zeros((tape.steps.shape[0], ROAD_COLUMNS), np.int32)
    cuts = np.zeros(tape.steps.shape[0], np.int32)
    take_touches(tape.steps, stream.frames, base, road, cuts)
    if events is None:
        given = Hits(stream.hit_events, stream.hit_codes, stream.hit_lots, stream.hit_ns)
        hits = room_for(given.codes.shape[0])
        count = pick_hits(given, hits)
    else:
        hits = room_for(events.shape[0])
        read_local(events, base, np.zeros((2, tape.width), np.int64), new_edges(), tape.steps, road)
        levels = np.zeros((2, tape.width), np.int64)
        count = read_exchange(events, base, levels, new_edges(), hits, road, cuts)
        if count == APART:
            raise ValueError(
                "one side is cleared while the book is crossed: walk its events with compat_events"
            )
    hits = Hits(hits.events[:count], hits.codes[:count], hits.lots[:count], hits.ns[:count])
    blocks = (count >> BLOCK_SHIFT) + 1
    low, high = np.empty(blocks, np.int32), np.empty(blocks, np.int32)
    lay_road(hits, tape.steps, response_ns, road, cuts, low, high)
    found = np.full(count, UNKNOWN, np.int64)
    return Road(hits.events, hits.codes, hits.lots, low, high, road, cuts, stream, found)
