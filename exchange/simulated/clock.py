"""What time it is at the exchange: feed time moves with the wall clock, or step by step."""

from dataclasses import dataclass

import numpy as np

from market.latency import DelayLine, Latency
from market.layout import DELAY_COLUMNS
from market.types import I8


@dataclass(slots=True)
class FeedClock:
    """Feed time that runs at a speed from a moment on.

    Attributes:
        feed_ns: feed time at that moment.
        wall_ns: the moment, on a clock that does not jump.
        speed: feed seconds a second.
    """

    feed_ns: int
    wall_ns: int
    speed: float

    def now_ns(self, wall_ns: int) -> int:
        """Return feed time at a moment."""
        return self.feed_ns + round((wall_ns - self.wall_ns) * self.speed)

    def wall_until(self, feed_ns: int, wall_ns: int) -> int:
        """Return how long it is until feed time comes to a point, ns of the wall clock."""
        return max(0, round((feed_ns - self.now_ns(wall_ns)) / self.speed))


class Delays:
    """The delays that hold at a feed time, drawn as a tape draws those of its steps."""

    def __init__(self, latency: Latency) -> None:
        self._line = DelayLine(latency)
        self._now_ns = -(1 << 62)
        self._row: I8 = np.zeros(DELAY_COLUMNS, dtype=np.int64)

    def at(self, now_ns: int, feed_ns: int) -> I8:
        """Return i8[DELAY_COLUMNS].

        Args:
            now_ns: not before the time asked for last.
            feed_ns: how long the last public event had been on its way.
        """
        if now_ns > self._now_ns:
            self._now_ns = now_ns
            row = self._line.extend(np.array([now_ns]), np.array([feed_ns]))
            self._row = row[0]
        return self._row
