"""When the public feed reaches us: as it was recorded, or with a delay of our own in its place.

With a delay of our own every event that the exchange saw reaches us, in the exchange's order;
rows that stood for the local clock alone are passed over, for they were the same events, late.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from market.latency import LONG_AGO_NS, lognormal, mixed
from market.layout import (
    EVENT_EXCH_NS,
    EVENT_LOCAL_NS,
    EVENT_SEEN,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
)
from market.tape_stream import EventSource
from market.types import I8

SALT = 101  # other draws than those of orders


class FeedDelay(Protocol):
    """A model of the feed's delay: events of one exchange time travel together."""

    def draw(self, exch_ns: I8) -> I8:
        """Return i8[n] of delays >= 0, for i8[n] exchange times."""
        ...

    def text(self) -> str:
        """Return what tells this model from any other."""
        ...


@dataclass(frozen=True, slots=True)
class ConstantFeed:
    """Always the same delay, >= 0."""

    delay_ns: int

    def draw(self, exch_ns: I8) -> I8:
        """Return it for each time."""
        return np.full(len(exch_ns), self.delay_ns, dtype=np.int64)

    def text(self) -> str:
        """Return the delay."""
        return f"{self.delay_ns}ns"


@dataclass(frozen=True, slots=True)
class SampledFeed:
    """Log-normal delays, told by the exchange's time; 0 < median <= 99th percentile."""

    median_ns: int
    p99_ns: int
    seed: int = 1

    def draw(self, exch_ns: I8) -> I8:
        """Return delays drawn for these times."""
        return lognormal(self.median_ns, self.p99_ns, mixed(self.seed, SALT, exch_ns))

    def text(self) -> str:
        """Return median, 99th percentile and seed."""
        return f"sampled:{self.median_ns}ns,{self.p99_ns}ns,{self.seed}"


class DelayedSource:
    """The events of a source, with a delay of our own; nothing overtakes what was sent before."""

    def __init__(self, source: EventSource, feed: FeedDelay) -> None:
        self.expected = source.expected
        self._source = source
        self._feed = feed
        self._last_ns = LONG_AGO_NS

    def read(self, events: I8) -> int:
        """Write the next events, their local times and clocks rewritten."""
        count = self._source.read(events)
        rows = events[:count]
        self._last_ns = delay_feed(rows, self._feed, self._last_ns)
        return count


def delay_feed(events: I8, feed: FeedDelay, last_ns: int = LONG_AGO_NS) -> int:
    """Rewrite the local times and clocks of events in place; return the last local time.

    Args:
        events: i8[n, EVENT_COLUMNS].
        feed: the model.
        last_ns: local time of the event before them.
    """
    seen = np.flatnonzero(events[:, EVENT_SEEN] & SEEN_EXCHANGE)
    events[:, EVENT_SEEN] = 0
    if seen.size == 0:
        return last_ns
    exch_ns = events[seen, EVENT_EXCH_NS]
    local_ns = exch_ns + feed.draw(exch_ns)
    local_ns[0] = max(last_ns, int(local_ns[0]))
    local_ns = np.maximum.accumulate(local_ns)
    events[seen, EVENT_LOCAL_NS] = local_ns
    events[seen, EVENT_SEEN] = SEEN_EXCHANGE | SEEN_LOCAL
    return int(local_ns[-1])
