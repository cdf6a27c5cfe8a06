"""One account's resting orders in the recorded market: `market.fills` over the events.

Every account has a book of its own, which lags behind until it is needed. Prints and posted lots
fill each account as if it were alone: the recording does not know of any of them.
"""

from collections.abc import Iterator

import numpy as np

from exchange.simulated.matching import recorded_levels
from market.book import new_book
from market.fills import FULL, advance, open_exchange
from market.hosting import lots_ahead, rest, withdraw
from market.layout import (
    DELAY_COLUMNS,
    NO_ASK,
    NO_BID,
    REPORT_FILL,
    REPORT_KIND,
    TOUCH_ASK,
    TOUCH_BID,
)
from market.order_lines import METER_ASKS, METER_BIDS, METER_OVERFLOW, METER_READ, METER_WRITTEN
from market.types import F8, I4, I8

NO_DELAYS: I8 = np.zeros(DELAY_COLUMNS, dtype=np.int64)
LONG_AGO_NS = -(1 << 62)


class RecordedSide:
    """The exchange side of one account.

    Args:
        events: i8[n, EVENT_COLUMNS], shared.
        born: i4[n], event that added the order which changed; empty without order ids.
        window: (base, width) of the book.
        model: f8[MODEL_COLUMNS].
        scale: i8[SCALE_COLUMNS].
    """

    def __init__(self, events: I8, born: I4, window: tuple[int, int], model: F8, scale: I8) -> None:
        self._events = events
        self._born = born
        self._model = model
        self._scale = scale
        self._side = open_exchange(*new_book(*window))
        self.now_ns = LONG_AGO_NS

    @property
    def idle(self) -> bool:
        """Whether nothing rests, so that the market can wait."""
        meter = self._side.meter
        return bool(meter[METER_BIDS] == 0 and meter[METER_ASKS] == 0)

    def advance(self, now_ns: int) -> list[list[int]]:
        """Let the market do all it did up to a time; return the fills, rows of REPORT_COLUMNS."""
        if now_ns <= self.now_ns:
            return []
        self.now_ns = now_ns
        side = self._side
        advance(self._events, self._born, side, self._model, self._scale, NO_DELAYS, now_ns)
        meter = side.meter
        first, written = int(meter[METER_READ]), int(meter[METER_WRITTEN])
        if first == written:
            return []
        if meter[METER_OVERFLOW]:
            raise RuntimeError(f"{written - first} fills at once are more than the ring holds")
        rows = side.reports[np.arange(first, written) % side.reports.shape[0]]
        meter[METER_READ] = written
        fills: list[list[int]] = rows[rows[:, REPORT_KIND] == REPORT_FILL].tolist()
        return fills

    def touch(self) -> tuple[int | None, int | None]:
        """Return best bid and ask of the recorded book, ticks; None for an empty side."""
        bid, ask = int(self._side.touch[TOUCH_BID]), int(self._side.touch[TOUCH_ASK])
        return (None if bid == NO_BID else bid), (None if ask == NO_ASK else ask)

    def levels(self, side: int, limit_ticks: int) -> Iterator[tuple[int, int]]:
        """Yield (price, lots) of what an order of a side meets there, best first."""
        return recorded_levels(self._side.levels, self._side.touch, side, limit_ticks)

    def rest(self, order_id: int, side: int, price_ticks: int, lots: int, now_ns: int) -> bool:
        """Put an order into its line; return whether there was room."""
        told = (order_id, side, price_ticks, lots, now_ns)
        return bool(rest(self._side, self._model, *told) != FULL)

    def withdraw(self, order_id: int, lots: int) -> None:
        """Take lots off a resting order, and the order out when none are left."""
        withdraw(self._side, order_id, lots)

    def ahead(self, order_id: int) -> int:
        """Return the recorded lots before a resting order."""
        return int(np.ceil(lots_ahead(self._side, order_id)))
