"""Both exchange sides and their twin under one small interface; times are small numbers.

A machine is told `submit`, `cancel` and `advance(now)`; each whole number is a guard step.
"""

import numpy as np

from market import book, fills
from market.account import open_tape_exchange
from market.indexer import Indexer
from market.layout import (
    DELAY_COLUMNS,
    EVENT_COLUMNS,
    ORDER_ID,
    ORDER_STATE,
    SCALE_COLUMNS,
    SCALE_LOT,
    SCALE_MIN_LOTS,
    SCALE_TICK_LOT,
    STATE_RESTING,
)
from market.queueing import QUEUE_AHEAD, fill_model
from market.tape_fills import advance_tape
from tests.twins.fills import Exchange
from tests.twins.tape_stream import stream_of

BASE, WIDTH = 90, 21
FIRST = 90  # time of step 0
NO_IDS = np.zeros(0, dtype=np.int32)


def scale_of(least=1):
    """An instrument whose smallest order has so many lots."""
    scale = np.zeros(SCALE_COLUMNS, dtype=np.int64)
    scale[[SCALE_TICK_LOT, SCALE_LOT, SCALE_MIN_LOTS]] = 1, 1, least
    return scale


def table(rows):
    """Event rows as i8[n, EVENT_COLUMNS]."""
    return np.array(rows, dtype=np.int64).reshape(-1, EVENT_COLUMNS)


def constant(order_delay=3, response_delay=2, cancel_delay=None, *, steps=2_000):
    """The same delays at every step."""
    cancel_delay = order_delay if cancel_delay is None else cancel_delay
    row = np.array([order_delay, response_delay, cancel_delay], dtype=np.int64)
    assert row.shape == (DELAY_COLUMNS,)
    return np.tile(row, (steps, 1))


class Fast:
    """The kernels over events."""

    def __init__(self, events=None, *, born=NO_IDS, delays=None, model=None, scale=None, **told):
        self.events = table([]) if events is None else events
        self.born = born
        self.delays = constant(**told) if delays is None else delays
        self.model = fill_model() if model is None else model
        self.scale = scale_of() if scale is None else scale
        self.side = self.opened()
        self.now = FIRST - 1

    def opened(self):
        """The exchange side of this machine."""
        return fills.open_exchange(*book.new_book(BASE, WIDTH))

    def step(self, now):
        """Live through one step."""
        return fills.advance(
            self.events, self.born, self.side, self.model, self.scale, self.delays[now - FIRST], now
        )

    def advance(self, now):
        """Live through every step up to a time; return the unread reports."""
        waiting = int(self.side.meter[1] - self.side.meter[2])
        for step in range(self.now + 1, now + 1):
            waiting = self.step(step)
        self.now = max(self.now, now)
        return waiting

    def submit(self, order_id, side, price, lots, now, *, taker=False):
        """Send an order."""
        ours, step = self.side, now - FIRST
        told = (order_id, side, price, lots, int(taker), now, self.delays[step], step)
        return fills.submit(ours.orders, ours.arrivals, ours.meter, *told)

    def cancel(self, order_id, now):
        """Send a cancel."""
        ours, delays = self.side, self.delays[now - FIRST]
        return fills.cancel(ours.orders, ours.cancels, ours.meter, order_id, now, delays)

    def said(self):
        """Every report so far."""
        rows = self.side.reports[: self.side.meter[1]]
        return [tuple(int(cell) for cell in row) for row in rows]

    def ahead(self):
        """The lots before each resting order."""
        return {
            int(row[ORDER_ID]): float(queue[QUEUE_AHEAD])
            for row, queue in zip(self.side.orders, self.side.queue, strict=True)
            if row[ORDER_STATE] == STATE_RESTING
        }


class Taped(Fast):
    """The kernels over a tape; the whole recording must be known when it is made."""

    def __init__(self, events=None, *, cuts=(), stream=None, **told):
        super().__init__(events, **told)
        self.stream = stream
        if stream is None:
            steps = np.arange(FIRST, FIRST + len(self.delays))
            self.stream = stream_of(
                self.events, self.born, steps, self.delays, base=BASE, cuts=cuts
            )

    def opened(self):
        """No book: the tape has it."""
        return open_tape_exchange()

    def step(self, now):
        """Live through one step."""
        return advance_tape(self.stream, now - FIRST, now, self.side, self.model, self.scale)


class Grown(Taped):
    """The kernels over a tape that is made while it is walked, a step at a time."""

    def __init__(self, events=None, *, segment_rows=5, born=NO_IDS, **told):
        grid = {"first_ns": FIRST, "interval_ns": 1}
        self.indexer = Indexer(BASE, WIDTH, segment_rows=segment_rows, born=born, **grid)
        super().__init__(events, stream=self.indexer.stream(), born=born, **told)

    def step(self, now):
        """See what has happened by now, then live through it."""
        step = now - FIRST
        self.indexer.add_steps(self.delays[step : step + 1])
        self.indexer.advance(self.events[self.indexer.read :], self.indexer.read, now)
        self.stream = self.indexer.stream()
        return super().step(now)


class Slow(Fast):
    """The twin."""

    def __init__(self, events=None, *, name="risk-averse", power=3.0, least=1, **told):
        super().__init__(events, **told)
        self.twin = Exchange(name, power, least)

    def step(self, now):
        """Live through one step."""
        self.twin.advance(self.events, self.born, now, self.delays[now - FIRST].tolist())
        return len(self.twin.reports)

    def submit(self, order_id, side, price, lots, now, *, taker=False):
        """Send an order."""
        delays = self.delays[now - FIRST].tolist()
        self.twin.submit(order_id, side, price, lots, now, delays, taker=taker)

    def cancel(self, order_id, now):
        """Send a cancel."""
        self.twin.cancel(order_id, now, self.delays[now - FIRST].tolist())

    def said(self):
        """Every report so far."""
        return self.twin.reports

    def ahead(self):
        """The lots before each resting order."""
        return {one.order_id: one.ahead for one in self.twin.resting}
