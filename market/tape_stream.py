"""Makes a tape of events that come block by block: memory holds the tape and one block.

Which file or stream they come from is their source's business.
"""

from typing import Protocol

import numpy as np

from market.book import HEAD_ROWS, window_for
from market.layout import EVENT_COLUMNS
from market.tape import BLOCK_ROWS, NO_IDS, Tape, tape_of
from market.tape_sides import NO_TIME, Making, TapeSides, first_local_ns
from market.types import I4, I8


class EventSource(Protocol):
    """Gives the events of a recording in their order, each once."""

    expected: int  # about how many there are; 0 when unknown

    def read(self, events: I8) -> int:
        """Write the next ones to i8[n, EVENT_COLUMNS]; return how many, 0 after the last."""
        ...


class ArraySource:
    """Events that are held in memory."""

    def __init__(self, events: I8) -> None:
        self.expected = events.shape[0]
        self._events = events
        self._read = 0

    def read(self, events: I8) -> int:
        """Copy the next ones."""
        part = self._events[self._read : self._read + events.shape[0]]
        events[: part.shape[0]] = part
        count = len(part)
        self._read += count
        return count


def stream_tape(
    source: EventSource, making: Making, *, block_rows: int = BLOCK_ROWS, born: I4 = NO_IDS
) -> Tape:
    """Return the tape of a whole recording; its `events` are empty.

    Args:
        source: read to its end.
        making: how.
        block_rows: events read at once, >= 1.
        born: i4[n], of every event that the source gives (`births.py`); empty without order ids.
    """
    buffer = np.empty((block_rows, EVENT_COLUMNS), dtype=np.int64)
    sides: TapeSides | None = None
    offset = 0  # number of the first event in the buffer
    held = 0  # events in it
    while True:
        if 2 * held > buffer.shape[0]:  # clocks that are far apart, or long steps
            larger = np.empty((2 * buffer.shape[0], EVENT_COLUMNS), dtype=np.int64)
            larger[:held] = buffer[:held]
            buffer = larger
        count = source.read(buffer[held:])
        held += count
        events = buffer[:held]
        if sides is None and (count == 0 or held >= HEAD_ROWS):
            sides = begin(events, making, source.expected, born, last=count == 0)
        if sides is None:
            continue
        if count == 0:
            sides.finish(events, offset)
            return tape_of(sides, np.zeros((0, EVENT_COLUMNS), dtype=np.int64), offset + held)
        sides.feed(events, offset)
        used = sides.read - offset
        held -= used
        offset += used
        buffer[:held] = events[used:].copy()


def begin(events: I8, making: Making, expected: int, born: I4, *, last: bool) -> TapeSides | None:
    """Return the two sides of a recording that begins with these events.

    None as long as the local clock has no event, unless these are the last ones.
    """
    local_ns = first_local_ns(events)
    if local_ns == NO_TIME:
        return TapeSides(making, window_for(events), 0) if last else None
    first_ns = local_ns // making.interval_ns * making.interval_ns + making.interval_ns
    return TapeSides(making, window_for(events), first_ns, expected=expected, born=born)
