"""What a shell notes about itself while it works, for whoever looks: wall times, orders by side.

Noting costs two readings of a clock a step, an addition an order. Nobody decides by it.
"""

import time

from exchange.port import MarketStep
from market.layout import BUY, STEP_HEARD_NS, STEP_NOW_NS
from protocol.exposition import Histogram

CYCLE_BOUNDS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


class Meter:
    """Of one shell.

    Args:
        cycle_ns: between two decisions.
        speed: feed seconds a wall second.

    Attributes:
        cycles: wall seconds of the steps at which a ladder was decided, from the market's step in
            hand until journal and venue had all of it.
        buys, sells, cancels: handed to the venue.
    """

    __slots__ = ("_cycle_ns", "_market", "_speed", "_stepped_s", "buys", "cancels", "cycles",
                 "sells")  # fmt: skip

    def __init__(self, cycle_ns: int, speed: float) -> None:
        self.cycles = Histogram(CYCLE_BOUNDS_S)
        self.buys = self.sells = self.cancels = 0
        self._cycle_ns = cycle_ns
        self._speed = speed
        self._market: MarketStep | None = None
        self._stepped_s = time.monotonic()

    def lived(self, market: MarketStep, began_s: float) -> None:
        """Note a step that was begun then, on the monotonic clock, and is done now."""
        self._market, self._stepped_s = market, time.monotonic()
        if market.now_ns % self._cycle_ns == 0:
            self.cycles.observe(self._stepped_s - began_s)

    def placed(self, side: int) -> None:
        """Note an order that was handed to the venue."""
        if side == BUY:
            self.buys += 1
        else:
            self.sells += 1

    def feed_age_s(self) -> float:
        """Return the wall seconds since the market last told anything; since the start before."""
        since_s = time.monotonic() - self._stepped_s
        if self._market is None:
            return since_s
        row = self._market.step_row
        return since_s + max(0, int(row[STEP_NOW_NS] - row[STEP_HEARD_NS])) / 1e9 / self._speed
