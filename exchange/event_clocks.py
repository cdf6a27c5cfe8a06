"""Puts the times of a live feed in order: nothing runs back, nothing is known before it happened.

Live there is no second look: what was said stays said, so a time that would run back is raised.
"""

import numpy as np

from market.layout import EVENT_EXCH_NS, EVENT_LOCAL_NS, EVENT_SEEN, SEEN_EXCHANGE, SEEN_LOCAL
from market.types import I8

BOTH = SEEN_EXCHANGE | SEEN_LOCAL


class EventClocks:
    """Both clocks of one feed.

    Attributes:
        exch_ns, local_ns: of the last event.
    """

    def __init__(self) -> None:
        self.exch_ns = self.local_ns = 0

    def rise_to(self, now_ns: int) -> None:
        """Let whatever comes now stand at this time or later, on both clocks."""
        self.exch_ns = max(self.exch_ns, now_ns)
        self.local_ns = max(self.local_ns, now_ns)

    def put_in_order(self, events: I8) -> tuple[I8, int]:
        """Return a copy whose times are in order, and how many of them were corrected.

        Times that run back are raised to the last one, each clock's to its own; before that an
        exchange's time after the local one is lowered to it.

        Args:
            events: i8[n, EVENT_COLUMNS], as they came.
        """
        ordered = events.copy()
        self.local_ns = _raise(ordered, SEEN_LOCAL, EVENT_LOCAL_NS, self.local_ns)
        both = ordered[:, EVENT_SEEN] == BOTH
        early = both & (ordered[:, EVENT_EXCH_NS] > ordered[:, EVENT_LOCAL_NS])
        ordered[early, EVENT_EXCH_NS] = ordered[early, EVENT_LOCAL_NS]
        self.exch_ns = _raise(ordered, SEEN_EXCHANGE, EVENT_EXCH_NS, self.exch_ns)
        times = [EVENT_EXCH_NS, EVENT_LOCAL_NS]
        moved = (events[:, times] != ordered[:, times]).any(axis=1)
        return ordered, int(moved.sum())


def _raise(events: I8, bit: int, column: int, last_ns: int) -> int:
    """Let one clock's times never run back, in place; return the last one."""
    rows = np.flatnonzero(events[:, EVENT_SEEN] & bit)
    times = np.maximum.accumulate(np.append(last_ns, events[rows, column]))
    events[rows, column] = times[1:]
    return int(times[-1])
