"""Order-level recordings made by hand, and a small exchange that serves in order of time."""

import json
import random
from collections import defaultdict

import numpy as np

from exchange.ghosts import order_level
from exchange.recording import Meta, Recording
from market.layout import BUY, KIND_DEPTH, KIND_TRADE, SEEN_EXCHANGE, SEEN_LOCAL, SELL

SECOND_NS = 1_000_000_000


class OrderLog:
    """Writes events with order ids; prices are ticks around 0, mirrored when `mirror` is -1."""

    def __init__(self, *, mirror=1):
        self.mirror = mirror
        self.rows, self.ids = [], []
        self.totals = defaultdict(int)
        self.now_ns = SECOND_NS

    def _row(self, kind, side, price, lots, number):
        self.rows.append(
            (
                kind, side * self.mirror, SEEN_EXCHANGE | SEEN_LOCAL, self.now_ns, self.now_ns,
                1000 + price * self.mirror, lots,
            )
        )  # fmt: skip
        self.ids.append(number)
        self.now_ns += 1_000_000

    def change(self, number, side, price, lots):
        """Let an order add lots to its level, or take them from it."""
        self.totals[side, price] += lots
        self._row(KIND_DEPTH, side, price, self.totals[side, price], number)

    def buy(self, number, price, lots):
        """Let a buy order add lots, or lose them."""
        self.change(number, BUY, price, lots)

    def sell(self, number, price, lots):
        """Let a sell order add lots, or lose them."""
        self.change(number, SELL, price, lots)

    def sold(self, price, lots, *fills):
        """Write a seller's print, then the resting orders (id, lots) that it filled."""
        self._row(KIND_TRADE, SELL, price, lots, 0)
        for number, less in fills:
            self.change(number, BUY, price, -less)

    def bought(self, price, lots, *fills):
        """Write a buyer's print, then the resting orders that it filled."""
        self._row(KIND_TRADE, BUY, price, lots, 0)
        for number, less in fills:
            self.change(number, SELL, price, -less)

    def wait(self, seconds):
        """Let time pass."""
        self.now_ns += round(seconds * SECOND_NS)

    def recording(self):
        """Return what was written."""
        events = np.array(self.rows, np.int64)
        meta = Meta(
            venue="hand", symbol="AAA-BBB", base="AAA", quote="BBB", tick="0.01", lot="0.001",
            span_ns=(int(events[0, 3]), int(events[-1, 3])), source="by hand",
        )  # fmt: skip
        return Recording(meta, events)

    def orders(self):
        """Return it with its order ids."""
        return order_level(self.recording(), np.array(self.ids, np.int64))


class FairExchange:
    """A random market that serves orders at a price in order of time, and logs what happens."""

    def __init__(self, seed, *, steps, mirror=1, step_s=20.0, chances=(5, 3, 2)):
        self.chance = random.Random(seed)
        self.log = OrderLog(mirror=mirror)
        self.queues = {BUY: defaultdict(list), SELL: defaultdict(list)}  # price -> [id, lots]
        self.number = 0
        for _ in range(steps):
            self.log.wait(self.chance.random() * step_s)
            self.chance.choices((self.place, self.withdraw, self.market), chances)[0]()

    def best(self, side):
        """Return the best price of a side, a far one when it is empty."""
        prices = [price for price, line in self.queues[side].items() if line]
        return (max(prices) if side == BUY else min(prices)) if prices else -side * 3

    def place(self):
        """Let a new order rest."""
        side = self.chance.choice((BUY, SELL))
        price = self.best(-side) - side * self.chance.choice((1, 1, 2, 2, 3))
        self.number += 1
        lots = self.chance.randint(100, 900)
        self.queues[side][price].append([self.number, lots])
        self.log.change(self.number, side, price, lots)

    def withdraw(self):
        """Cancel any order."""
        side = self.chance.choice((BUY, SELL))
        lines = [(p, i) for p, line in self.queues[side].items() for i in range(len(line))]
        if lines:
            price, index = self.chance.choice(lines)
            number, lots = self.queues[side][price].pop(index)
            self.log.change(number, side, price, -lots)

    def market(self):
        """Hit a side: one print for each order that is met."""
        side = self.chance.choice((BUY, SELL))
        left = self.chance.randint(50, 1500)
        while left > 0:
            price = self.best(side)
            line = self.queues[side][price]
            if not line:
                return
            number, lots = line[0]
            part = min(left, lots)
            left -= part
            hit = self.log.sold if side == BUY else self.log.bought
            hit(price, part, (number, part))
            line[0][1] -= part
            if line[0][1] == 0:
                line.pop(0)


def bitstamp_lines(log):
    """Return the log as Bitstamp's public channels would have told it, a line an event."""
    start_ms, totals, left = 1_430_438_404_000, defaultdict(int), defaultdict(int)
    sample = {"bids": [["9.80", "1.0"]], "asks": [["10.20", "1.0"]]}
    lines = [f"{start_ms} order_book {json.dumps(sample)}"]
    for row, number in zip(log.rows, log.ids, strict=True):
        kind, side, _, at_ns, _, price, lots = row
        body = {"id": number, "price": f"{price / 100:.2f}"}
        name = "trade"
        if kind == KIND_TRADE:
            body["amount"] = f"{lots / 1000:.3f}"
        else:
            change = lots - totals[side, price]
            totals[side, price] = lots
            name = "order_changed" if left[number] else "order_created"
            left[number] += change
            name = name if left[number] else "order_deleted"
            body |= {"amount": f"{left[number] / 1000:.3f}", "order_type": 0 if side == BUY else 1}
        lines.append(f"{start_ms + at_ns // 1_000_000} {name} {json.dumps(body)}")
    return lines
