"""The exchange's side of our orders again: whole lots walk down the line one by one.

Only where a probability splits a lot are amounts poured instead. Commands and reports are plain
tuples; one delays row a step, as the contract says.
"""

import math
from dataclasses import dataclass, field

from market import layout
from tests.twins.book import Book

WHOLE = ("risk-averse", "fifo", "touch", "trade-through")


@dataclass
class Order:
    """One of our orders at the exchange."""

    order_id: int
    side: int
    price: int
    left: int
    taker: bool
    arrives: int
    resting: bool = False
    ahead: float = 0
    traded: int = 0
    cut: int = 0


def share_behind(name, power, front, back):
    """The share of cancels behind us, as the sources write it; an empty back bears nothing."""
    if back <= 0:
        return 0.0
    if name.startswith("log"):
        front, back, whole = (math.log(1 + lots) for lots in (front, back, front + back))
        return back / (back + front) if name == "log" else back / whole
    if name == "power":
        return back**power / (back**power + front**power)
    if name == "power-share":
        return back**power / (back + front) ** power
    return 1 - (front / (front + back)) ** power


@dataclass
class Exchange:
    """What happens to our orders on a recorded market."""

    model: str = "risk-averse"
    power: float = 3.0
    least: int = 1  # lots of the smallest order
    book: Book = field(default_factory=Book)
    flying: list[Order] = field(default_factory=list)
    resting: list[Order] = field(default_factory=list)
    cancels: list[tuple] = field(default_factory=list)  # (due, order id), as sent
    last: dict[int, Order] = field(default_factory=dict)  # what a late cancel is told of
    reports: list[tuple] = field(default_factory=list)
    read: int = 0
    cut: int = 0
    fills: int = 0
    visible: int = 0
    response: int = 0

    def submit(self, order_id, side, price, lots, now, delays, *, taker):
        """Send an order."""
        arrives = now + delays[layout.DELAY_ORDER_NS]
        order = Order(order_id, side, price, lots, taker, arrives)
        self.flying.append(order)
        self.last[order_id] = order

    def cancel(self, order_id, now, delays):
        """Send a cancel; one that finds nothing travels all the same."""
        if order_id in self.last and any(known == order_id for _, known in self.cancels):
            return  # one is on its way
        order = next((one for one in self.flying if one.order_id == order_id), None)
        open_still = order is not None or any(one.order_id == order_id for one in self.resting)
        if not open_still:
            self.last.pop(order_id, None)  # forgotten: its cancel is told nothing about it
        due = now + delays[layout.DELAY_CANCEL_NS]
        self.cancels.append((max(due, order.arrives) if order else due, order_id))

    def say(self, kind, order, price, lots, at):
        """Write a report; a fill takes its lots off the order."""
        trade = 0
        if kind == layout.REPORT_FILL:
            self.fills += 1
            trade = self.fills
            order.left -= lots
        self.visible = max(self.visible, at + self.response)
        maker = 0 if order.taker else 1
        self.reports.append(
            (kind, order.order_id, order.side, price, lots, at, self.visible, maker, trade)
        )

    def line(self, side):
        """Our resting orders of a side: best price first, then the earlier one."""
        ours = [order for order in self.resting if order.side == side]
        return sorted(ours, key=lambda order: (-side * order.price, order.order_id))

    def reach(self, side, price, lots, at, *, queued):
        """Let `lots` reach a price."""
        if lots <= 0:
            return
        strict = self.model == "trade-through"
        line = [order for order in self.line(side) if side * (order.price - price) >= strict]
        pour = self.by_lots if self.model in WHOLE else self.by_amount
        got = pour(line, price, lots, queued=queued)
        for order in line:
            if order.price == price and queued:
                order.traded += lots
            else:
                order.ahead = 0
            if got[order.order_id]:
                self.say(layout.REPORT_FILL, order, order.price, got[order.order_id], at)
        self.resting = [order for order in self.resting if order.left > 0]

    def by_lots(self, line, price, lots, *, queued):
        """One lot after the other goes to the first who stands in its way."""
        got = {order.order_id: 0 for order in line}
        for _ in range(lots):
            for order in line:
                if order.left == got[order.order_id]:
                    continue
                if queued and order.price == price and order.ahead > 0:
                    for other in line:
                        if other.price == price and other.ahead > 0:
                            other.ahead -= 1
                    break
                got[order.order_id] += 1
                break
        return got

    def by_amount(self, line, price, lots, *, queued):
        """The furthest place of others before an order, and ours before it, are served first."""
        got = {order.order_id: 0 for order in line}
        before = 0.0
        for order in line:
            waits = queued and order.price == price
            reached = lots - sum(got.values())
            if waits:
                before = max(before, min(reached, order.ahead))
                order.ahead = max(0.0, order.ahead - reached)
            got[order.order_id] = min(order.left, math.floor(reached - before + 1e-9))
        return got

    def changed(self, order, before, after, born):
        """The level of an order changed."""
        fallen, ahead = before - after, order.ahead
        if ahead <= 0 or self.model == "trade-through":
            return
        if self.model == "fifo":
            if fallen > 0 and born < order.cut:
                told = min(fallen, order.traded)
                order.traded -= told
                ahead -= fallen - told
        elif self.model not in WHOLE:
            fallen, order.traded = fallen - order.traded, 0
            if fallen > 0:
                back = max(0.0, before - ahead)
                share = share_behind(self.model, self.power, ahead, back)
                ahead = ahead - (1 - share) * fallen + min(0.0, back - share * fallen)
        order.ahead = max(0, min(ahead, after))

    def arrive(self, order):
        """Let an order reach the book."""
        at, side = order.arrives, order.side
        best = self.book.ask if side == layout.BUY else self.book.bid
        ours = self.line(-side)
        if order.left < self.least:
            self.say(layout.REPORT_REFUSED, order, order.price, order.left, at)
        elif side * (order.price - best) >= 0 and not order.taker:
            self.say(layout.REPORT_REJECTED, order, order.price, order.left, at)
        elif ours and side * (order.price - ours[0].price) >= 0:
            self.say(layout.REPORT_REFUSED, order, order.price, order.left, at)
        elif order.taker:
            for price, held in sorted(
                self.book.side(-side).items(), key=lambda level: side * level[0]
            ):
                part = min(held, order.left)
                if side * (order.price - price) >= 0 and part > 0:
                    self.say(layout.REPORT_FILL, order, price, part, at)
            if order.left > 0:
                self.say(layout.REPORT_CANCELLED, order, order.price, order.left, at)
        else:
            order.cut = self.cut
            earlier = [other for other in self.line(side) if other.price == order.price]
            order.ahead = 0 if self.model == "touch" else self.book.side(side).get(order.price, 0)
            if earlier:
                order.ahead = max(order.ahead, earlier[-1].ahead)
            self.resting.append(order)
            self.say(layout.REPORT_ACCEPTED, order, order.price, order.left, at)

    def settle(self, before):
        """What we sent arrives: cancels first within an instant, then orders."""
        while True:
            flying = {order.order_id for order in self.flying}
            ready = [one for one in self.cancels if one[1] not in flying]
            due = min((one[0] for one in ready), default=layout.NEVER)
            arrives = self.flying[0].arrives if self.flying else layout.NEVER
            if min(due, arrives) >= before:
                return
            if due > arrives:
                self.arrive(self.flying.pop(0))
                continue
            sent = next(one for one in ready if one[0] == due)
            self.cancels.remove(sent)
            order = next((one for one in self.resting if one.order_id == sent[1]), None)
            kind = layout.REPORT_CANCELLED if order else layout.REPORT_CANCEL_REJECTED
            order = order or self.last.get(sent[1])
            order = order or Order(sent[1], 0, 0, 0, taker=False, arrives=0)
            self.resting = [one for one in self.resting if one is not order]
            self.say(kind, order, order.price, order.left, due)

    def advance(self, events, born, now, delays):
        """Read the exchange's events up to a time."""
        self.response = delays[layout.DELAY_RESPONSE_NS]
        for row in events[self.read :]:
            kind, side, seen, at, _, price, lots = (int(figure) for figure in row)
            if seen & layout.SEEN_EXCHANGE and at > now:
                break
            self.read += 1
            if not seen & layout.SEEN_EXCHANGE:
                continue
            self.settle(at)
            self.cut = self.read
            if kind == layout.KIND_TRADE:
                if side == 0:
                    side = (price >= self.book.ask) - (price <= self.book.bid)
                if side:
                    self.reach(-side, price, lots, at, queued=True)
                continue
            held = self.book.apply(kind, side, price, lots)
            if kind == layout.KIND_CLEAR:
                continue
            if price == (self.book.bid if side == layout.BUY else self.book.ask):
                self.reach(-side, price, max(0, lots - held), at, queued=False)
            for order in self.line(side):
                if order.price == price:
                    self.changed(
                        order, held, lots, int(born[self.read - 1]) if len(born) else layout.NEVER
                    )
        self.settle(now + 1)
