"""The exchange's side of a tape: what could fill a resting order, and each price level's past.

A candidate never reads the events again. It walks the hits, and only when one reaches an order
of its own does it read the history of that one price level. Built by `indexing.py`, read by
`tape_fills.py` and `compat.py`; `layout.py` names the columns.
"""

from typing import NamedTuple

from market.jit import kernel
from market.layout import (
    LEVEL_SHIFT,
    LEVEL_SIDE_SHIFT,
    SEGMENT_END,
    SEGMENT_KEY,
    SEGMENT_KEY_END,
)
from market.types import I4, I8


class Stream(NamedTuple):
    """Arrays of one tape's exchange side; an event's number is its place in the recording."""

    hit_events: I4  # i4[hits], ascending
    hit_codes: I4  # i4[hits]: column << HIT_SHIFT | HIT_*
    hit_lots: I8  # i8[hits]: traded, or newly posted; > 0
    hit_ns: I8  # i8[hits]: exchange time
    hit_blocks: I4  # i4[blocks, BLOCK_COLUMNS], see `hit_blocks.py`
    segments: I8  # i8[segments, SEGMENT_COLUMNS], in order of time
    level_keys: I4  # i4[keys]: ascending within a segment
    level_starts: I8  # i8[keys + 1]: first row of each key
    level_events: I4  # i4[rows]: ascending within a key; -1 does not occur
    level_lots: I8  # i8[rows]: total of the level << LEVEL_SHIFT | LEVEL_*
    level_born: I4  # i4[rows]: event that added the order which changed; i4[0] without order ids
    frames: I8  # i8[steps, FRAME_COLUMNS]
    delays: I8  # i8[steps, DELAY_COLUMNS]
    base: I8  # i8[1]: tick of column 0


@kernel
def find_segment(stream: Stream, event: int) -> int:
    """Return the segment that holds an event; the number of segments when none does yet."""
    low = 0
    high = stream.segments.shape[0]
    while low < high:
        middle = (low + high) // 2
        if stream.segments[middle, SEGMENT_END] > event:
            high = middle
        else:
            low = middle + 1
    return low


@kernel
def find_level(stream: Stream, segment: int, key: int) -> int:
    """Return the row of `level_keys` with a key in a segment; -1 when the level is unused in it."""
    low = stream.segments[segment, SEGMENT_KEY]
    high = stream.segments[segment, SEGMENT_KEY_END]
    end = high
    while low < high:
        middle = (low + high) // 2
        if stream.level_keys[middle] >= key:
            high = middle
        else:
            low = middle + 1
    if low < end and stream.level_keys[low] == key:
        return int(low)
    return -1


@kernel
def rows_before(stream: Stream, level: int, cut: int) -> int:
    """Return the row after a level's last one before a cut; its first row when there is none."""
    low = stream.level_starts[level]
    high = stream.level_starts[level + 1]
    while low < high:
        middle = (low + high) // 2
        if stream.level_events[middle] >= cut:
            high = middle
        else:
            low = middle + 1
    return int(low)


@kernel
def lots_at(stream: Stream, row: int, column: int, cut: int) -> int:
    """Return the lots that a level holds after the first `cut` events.

    Args:
        stream: of a tape that has read so far.
        row: BID_ROW or ASK_ROW.
        column: of the window; outside of it there are no lots.
        cut: >= 0.
    """
    segment = find_segment(stream, cut - 1)
    if cut <= 0 or segment >= stream.segments.shape[0] or column < 0:
        return 0
    level = find_level(stream, segment, (row << LEVEL_SIDE_SHIFT) | column)
    if level < 0:
        return 0
    place = rows_before(stream, level, cut)
    if place == stream.level_starts[level]:
        return 0
    return int(stream.level_lots[place - 1] >> LEVEL_SHIFT)
