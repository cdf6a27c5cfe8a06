"""The kernels of the exchange's side with their arrays, for tests; times are small numbers."""

import numpy as np

from market import book, fills
from market.layout import EVENT_COLUMNS, ORDER_AHEAD, ORDER_ID, ORDER_STATE, STATE_RESTING

BASE, WIDTH = 90, 21


class Fast:
    """The kernels with their arrays; times are small numbers."""

    def __init__(self, *, order_delay=3, response_delay=2):
        self.orders, self.reports, self.meter = fills.new_exchange()
        self.levels, self.touch = book.new_book(BASE, WIDTH)
        self.delays = np.array([order_delay, response_delay, order_delay], dtype=np.int64)

    def advance(self, events, now):
        """Run the exchange up to a time."""
        return fills.advance(
            events, self.levels, self.touch, self.orders, self.reports, self.meter, self.delays,
            now,
        )  # fmt: skip

    def submit(self, order_id, side, price, lots, now, *, taker=False):
        """Send an order."""
        return fills.submit(
            self.orders, self.meter, order_id, side, price, lots, now, self.delays, int(taker)
        )

    def cancel(self, order_id, now):
        """Send a cancel."""
        return fills.cancel(self.orders, self.meter, order_id, now, self.delays)

    def said(self):
        """Every report so far."""
        return [tuple(int(cell) for cell in self.reports[row]) for row in range(self.meter[1])]

    def ahead(self):
        """The lots before each resting order."""
        return {
            int(row[ORDER_ID]): int(row[ORDER_AHEAD])
            for row in self.orders
            if row[ORDER_STATE] == STATE_RESTING
        }


def table(rows):
    return np.array(rows, dtype=np.int64).reshape(-1, EVENT_COLUMNS)
