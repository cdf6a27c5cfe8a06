"""The exchange's side of our orders again: every traded lot walks down the line alone."""

from dataclasses import dataclass, field

from market import layout
from tests.twins.book import Book


@dataclass
class Order:
    """One of our orders at the exchange."""

    order_id: int
    side: int
    price: int
    left: int
    taker: bool
    arrives: int
    cancel: int | None = None
    resting: bool = False
    over: bool = False
    ahead: int = 0


@dataclass
class Exchange:
    """What happens to our orders on a recorded market."""

    order_delay: int
    response_delay: int
    book: Book = field(default_factory=Book)
    orders: list[Order] = field(default_factory=list)
    reports: list[tuple] = field(default_factory=list)
    read: int = 0
    fills: int = 0

    def submit(self, order_id, side, price, lots, now, *, taker):
        """Send an order."""
        arrives = now + self.order_delay
        self.orders.append(Order(order_id, side, price, lots, taker, arrives))

    def cancel(self, order_id, now):
        """Send a cancel; one that finds nothing travels all the same."""
        arrives = now + self.order_delay
        for order in self.orders:
            if order.order_id == order_id:
                if order.cancel is None:
                    order.cancel = max(arrives, order.arrives)
                return
        gone = Order(order_id, 0, 0, 0, taker=False, arrives=0, cancel=arrives, over=True)
        self.orders.append(gone)

    def say(self, kind, order, price, lots, at):
        """Write a report; a fill takes its lots off the order."""
        maker = 0 if order.taker else 1
        trade = 0
        if kind == layout.REPORT_FILL:
            self.fills += 1
            trade = self.fills
            order.left -= lots
            order.over = order.left == 0
        self.reports.append(
            (kind, order.order_id, order.side, price, lots, at, at + self.response_delay, maker,
             trade)
        )  # fmt: skip

    def line(self, side):
        """Our resting orders of a side: best price first, then the earlier one."""
        resting = [order for order in self.orders if order.resting and order.side == side]
        return sorted(resting, key=lambda order: (-side * order.price, order.order_id))

    def reach(self, side, price, lots, at, *, queued):
        """Let `lots` reach a price, one after the other."""
        if lots <= 0:
            return
        got = {}
        for _ in range(lots):
            for order in self.line(side):
                through = side * (order.price - price) > 0 or not queued
                if side * (order.price - price) < 0 or order.left == got.get(order.order_id, 0):
                    continue
                if not through and order.ahead > 0:
                    for other in self.line(side):
                        if other.price == price and other.ahead > 0:
                            other.ahead -= 1
                    break
                got[order.order_id] = got.get(order.order_id, 0) + 1
                break
        for order in self.line(side):
            if side * (order.price - price) > 0 or (order.price == price and not queued):
                order.ahead = 0
            if order.order_id in got:
                self.say(layout.REPORT_FILL, order, order.price, got[order.order_id], at)
        for order in self.orders:
            if order.over:
                order.resting = False

    def arrive(self, order):
        """Let an order reach the book."""
        at, side = order.arrives, order.side
        best = self.book.ask if side == layout.BUY else self.book.bid
        crosses = side * (order.price - best) >= 0
        if order.taker:
            for price, held in sorted(
                self.book.side(-side).items(), key=lambda level: side * level[0]
            ):
                part = min(held, order.left)
                if side * (order.price - price) >= 0 and part > 0:
                    self.say(layout.REPORT_FILL, order, price, part, at)
            if order.left > 0:
                self.say(layout.REPORT_CANCELLED, order, order.price, order.left, at)
            order.over = True
        elif crosses:
            self.say(layout.REPORT_REJECTED, order, order.price, order.left, at)
            order.over = True
        else:
            ours = [other.ahead for other in self.line(side) if other.price == order.price]
            order.ahead = max([self.book.side(side).get(order.price, 0), *ours])
            order.resting = True
            self.say(layout.REPORT_ACCEPTED, order, order.price, order.left, at)

    def settle(self, before):
        """What we sent arrives: cancels first within an instant, then orders, each by id."""
        while True:
            due = []
            for order in self.orders:
                if not order.resting and not order.over:
                    due.append((order.arrives, 1, order.order_id, order))
                elif order.cancel is not None:
                    due.append((order.cancel, 0, order.order_id, order))
            due = sorted((one for one in due if one[0] < before), key=lambda one: one[:3])
            if not due:
                break
            at, arrival, _, order = due[0]
            if arrival:
                self.arrive(order)
            else:
                kind = layout.REPORT_CANCEL_REJECTED if order.over else layout.REPORT_CANCELLED
                self.say(kind, order, order.price, order.left, at)
                order.cancel, order.over, order.resting = None, True, False
            self.orders = [one for one in self.orders if not one.over or one.cancel is not None]

    def advance(self, events, now):
        """Read the exchange's events up to a time."""
        for row in events[self.read :]:
            kind, side, seen, at, _, price, lots = (int(figure) for figure in row)
            if seen & layout.SEEN_EXCHANGE and at > now:
                break
            self.read += 1
            if not seen & layout.SEEN_EXCHANGE:
                continue
            self.settle(at)
            if kind == layout.KIND_TRADE:
                if side == 0:
                    side = layout.SELL if price <= self.book.bid else side
                    side = layout.BUY if side == 0 and price >= self.book.ask else side
                if side:
                    self.reach(-side, price, lots, at, queued=True)
            else:
                held = self.book.apply(kind, side, price, lots)
                if kind != layout.KIND_CLEAR:
                    self.reach(-side, price, max(0, lots - held), at, queued=False)
                    for order in self.line(side):
                        if order.price == price:
                            order.ahead = min(order.ahead, lots)
            self.orders = [one for one in self.orders if not one.over or one.cancel is not None]
        self.settle(now + 1)
