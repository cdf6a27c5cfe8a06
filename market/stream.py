"""The exchange's side of a tape: what could fill a resting order, and each price level's past.

A candidate never reads the events again. It walks the hits, and only when one reaches an order
of its own does it read the history of that one price level. Built by `indexing.py`, read by
`tape_fills.py` and `compat.py`; `layout.py` names the columns.
"""

from typing import NamedTuple

from market.types import I4, I8


class Stream(NamedTuple):
    """Arrays of one tape's exchange side; an event's number is its place in the recording."""

    hit_events: I4  # i4[hits], ascending
    hit_codes: I4  # i4[hits]: column << HIT_SHIFT | HIT_*
    hit_lots: I8  # i8[hits]: traded, or newly posted; > 0
    hit_ns: I8  # i8[hits]: exchange time
    segments: I8  # i8[segments, SEGMENT_COLUMNS], in order of time
    level_keys: I4  # i4[keys]: ascending within a segment
    level_starts: I8  # i8[keys + 1]: first row of each key
    level_events: I4  # i4[rows]: ascending within a key; -1 does not occur
    level_lots: I8  # i8[rows]: total of the level << LEVEL_SHIFT | LEVEL_*
    level_born: I4  # i4[rows]: event that added the order which changed; i4[0] without order ids
    frames: I8  # i8[steps, FRAME_COLUMNS]
    delays: I8  # i8[steps, DELAY_COLUMNS]
    base: I8  # i8[1]: tick of column 0
