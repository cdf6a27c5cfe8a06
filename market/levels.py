"""Finds a place in the level histories of a tape: segment, level, row.

Each is a search through memory that is not at hand, so a level is looked up only when something
of ours depends on it. What is read there is `stream.py` and `tape_fills.py`.
"""

from market.jit import kernel
from market.layout import (
    SEGMENT_EVENT,
    SEGMENT_KEY,
    SEGMENT_KEY_END,
)
from market.types import I4, I8


@kernel
def find_segment(segments: I8, event: int, hint: int) -> int:
    """Return the segment that an event lies in, from a guess; -1 before the first.

    Args:
        segments: i8[segments, SEGMENT_COLUMNS].
        event: number of the event.
        hint: any segment; the nearer, the faster.
    """
    found = min(hint, segments.shape[0] - 1)
    while found + 1 < segments.shape[0] and segments[found + 1, SEGMENT_EVENT] <= event:
        found += 1
    while found >= 0 and segments[found, SEGMENT_EVENT] > event:
        found -= 1
    return int(found)


@kernel
def find_key(level_keys: I4, segments: I8, segment: int, key: int) -> int:
    """Return the place of a level's key in a segment, or of the first greater one.

    Args:
        level_keys: i4[keys].
        segments: i8[segments, SEGMENT_COLUMNS].
        segment: which one.
        key: row << LEVEL_SIDE_SHIFT | column.
    """
    low = segments[segment, SEGMENT_KEY]
    high = segments[segment, SEGMENT_KEY_END]
    while low < high:
        middle = (low + high) >> 1
        if level_keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return int(low)


@kernel
def rows_before(level_events: I4, first: int, end: int, event: int) -> int:
    """Return the first of rows [first, end) that lies at or after an event, or `end`.

    It steps out from `first` in growing strides: most often the row is near.
    """
    stride = 1
    low = first
    while low + stride < end and level_events[low + stride] < event:
        low += stride
        stride *= 2
    high = min(end, low + stride)
    while low < high:
        middle = (low + high) >> 1
        if level_events[middle] < event:
            low = middle + 1
        else:
            high = middle
    return low
