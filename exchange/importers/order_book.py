"""A book of single orders, from which level totals are read: what an order log needs.

Orders that are known only as part of a level (those resting before the log begins) are kept as an
*anonymous* remainder of that level, which only ever shrinks. Nothing here knows a file format.
"""

import dataclasses
import heapq
from collections import defaultdict

BID = 0
ASK = 1


@dataclasses.dataclass(slots=True)
class Resting:
    """One order of the log; amounts are integers of 1e-8."""

    side: int
    price: float
    amount: int
    held_ns: int = -1  # since when it waits outside the book; -1: it rests in it


class OrderBook:
    """Orders by id and totals by level.

    `changed` gathers levels whose total moved, `entered` the orders that came in from beside.
    """

    def __init__(self) -> None:
        self.orders: dict[int, Resting] = {}
        self.gone: set[int] = set()
        self.held: set[int] = set()
        self.anonymous: tuple[dict[float, int], dict[float, int]] = ({}, {})
        self.changed: dict[tuple[int, float], int] = {}
        self.entered: dict[tuple[int, float], int] = {}
        self._totals: tuple[defaultdict[float, int], defaultdict[float, int]] = (
            defaultdict(int),
            defaultdict(int),
        )
        self._heaps: tuple[list[float], list[float]] = ([], [])

    def total(self, side: int, price: float) -> int:
        """Return what rests at a level."""
        return self._totals[side].get(price, 0)

    def levels(self, side: int) -> list[tuple[float, int]]:
        """Return (price, total) of a side, best first."""
        found = [(price, total) for price, total in self._totals[side].items() if total > 0]
        return sorted(found, reverse=side == BID)

    def best(self, side: int) -> float | None:
        """Return the best price of a side, None when it is empty."""
        heap, totals = self._heaps[side], self._totals[side]
        while heap:
            price = heap[0] if side == ASK else -heap[0]
            if totals.get(price, 0) > 0:
                return price
            heapq.heappop(heap)
            totals.pop(price, None)
        return None

    def add(self, side: int, price: float, amount: int) -> None:
        """Add to a level."""
        totals = self._totals[side]
        if totals.get(price, 0) <= 0:
            heapq.heappush(self._heaps[side], price if side == ASK else -price)
        totals[price] += amount
        self.changed[side, price] = totals[price]

    def take(self, side: int, price: float, amount: int) -> None:
        """Take from a level; a level never falls below nothing."""
        totals = self._totals[side]
        totals[price] = max(0, totals.get(price, 0) - amount)
        self.changed[side, price] = totals[price]

    def would_cross(self, side: int, price: float) -> bool:
        """Return whether an order at `price` meets the best of the other side."""
        other = self.best(1 - side)
        return other is not None and (price >= other if side == BID else price <= other)

    def place(self, number: int, order: Resting, now_ns: int) -> None:
        """Put an order into the book, or beside it while it would cross: it is being matched."""
        self.orders[number] = order
        if self.would_cross(order.side, order.price):
            order.held_ns = now_ns if order.held_ns < 0 else order.held_ns
            self.held.add(number)
        else:
            order.held_ns = -1
            self.held.discard(number)
            self.add(order.side, order.price, order.amount)

    def withdraw(self, number: int) -> Resting:
        """Take an order out of the book and return it."""
        order = self.orders.pop(number)
        if number in self.held:
            self.held.discard(number)
        else:
            self.take(order.side, order.price, order.amount)
        return order

    def settle(self, now_ns: int, patience_ns: int) -> None:
        """Let orders into the book that no longer cross, or that have waited long enough."""
        for number in sorted(self.held):
            order = self.orders[number]
            crosses = self.would_cross(order.side, order.price)
            if not crosses or now_ns - order.held_ns > patience_ns:
                self.held.discard(number)
                order.held_ns = -1
                self.add(order.side, order.price, order.amount)
                self.entered[order.side, order.price] = number

    def seed(self, side: int, price: float, amount: int) -> None:
        """Bring a level up to `amount`; what no known order explains is anonymous."""
        missing = amount - self.total(side, price)
        if missing > 0:
            self.anonymous[side][price] = self.anonymous[side].get(price, 0) + missing
            self.add(side, price, missing)

    def shrink(self, side: int, price: float, amount: int) -> None:
        """Take up to `amount` from a level's anonymous remainder."""
        left = self.anonymous[side].get(price, 0)
        taken = min(left, amount)
        if taken > 0:
            self.take(side, price, taken)
            self.anonymous[side][price] = left - taken
        if left - taken <= 0:
            self.anonymous[side].pop(price, None)

    def reconcile(self, side: int, shown: dict[float, int], last: float) -> None:
        """Shrink anonymous remainders to what the exchange's own book shows, down to `last`."""
        for price, left in list(self.anonymous[side].items()):
            if price >= last if side == BID else price <= last:
                known = self.total(side, price) - left
                self.shrink(side, price, left - min(left, max(0, shown.get(price, 0) - known)))
