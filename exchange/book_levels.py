"""A book as two dicts by price, of any width: to begin a segment with, or to go on after a hole."""

import numpy as np

from market.layout import (
    BUY,
    EVENT_COLUMNS,
    KIND_CLEAR,
    KIND_SNAPSHOT,
    KIND_TRADE,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
    SELL,
)
from market.types import I8

BOTH = SEEN_EXCHANGE | SEEN_LOCAL
NO_EVENTS: I8 = np.zeros((0, EVENT_COLUMNS), dtype=np.int64)


class Levels:
    """The book by price, to begin a segment with."""

    def __init__(self) -> None:
        self.sides: dict[int, dict[int, int]] = {BUY: {}, SELL: {}}

    def apply(self, events: I8) -> None:
        """Apply what the local clock saw, as `market.book.apply` does."""
        for kind, side, seen, _, _, price, lots in events.tolist():
            if not seen & SEEN_LOCAL or kind == KIND_TRADE:
                continue
            if kind == KIND_CLEAR:
                self._clear(side, price)
            elif lots > 0:
                self.sides[side][price] = lots
            else:
                self.sides[side].pop(price, None)

    def _clear(self, side: int, price: int) -> None:
        bids, asks = self.sides[BUY], self.sides[SELL]
        if side >= 0:
            kept = {at: lots for at, lots in bids.items() if side == BUY and at < price}
            self.sides[BUY] = kept
        if side <= 0:
            kept = {at: lots for at, lots in asks.items() if side == SELL and at > price > 0}
            self.sides[SELL] = kept

    def snapshot(self, exch_ns: int, local_ns: int) -> I8:
        """Return i8[n, EVENT_COLUMNS] that makes this book, best levels first."""
        rows = [
            (KIND_SNAPSHOT, side, BOTH, exch_ns, local_ns, price, self.sides[side][price])
            for side in (BUY, SELL)
            for price in sorted(self.sides[side], reverse=side == BUY)
        ]
        return np.array(rows, dtype=np.int64) if rows else NO_EVENTS
