"""The recorded trades in the order in which the public sees them, and bars made of them."""

from typing import Any

import numpy as np

from exchange.simulated.commands import Ns
from exchange.simulated.instrument import Instrument, text
from market.layout import (
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SIDE,
    KIND_TRADE,
    SELL,
)
from market.types import I8

SECOND_NS = 10**9
MINUTE_NS = 60 * SECOND_NS
DAY_NS = 86_400 * SECOND_NS
INTERVALS_NS = {
    "1s": SECOND_NS,
    **{f"{count}m": count * MINUTE_NS for count in (1, 3, 5, 15, 30)},
    **{f"{count}h": count * 60 * MINUTE_NS for count in (1, 2, 4, 6, 8, 12)},
    "1d": DAY_NS,
}
FIRST_ID = 1_000_000_001
"""Number of the first recorded trade: numbers below are those of the accounts' own trades."""


class TradeTape:
    """Trades of a recording; the first `count` of them are public.

    Args:
        events: i8[n, EVENT_COLUMNS] of the local clock, in its order.
        instrument: the symbol.
    """

    def __init__(self, events: I8, instrument: Instrument) -> None:
        rows = events[events[:, EVENT_KIND] == KIND_TRADE]
        self._instrument = instrument
        self._times: I8 = np.ascontiguousarray(rows[:, EVENT_EXCH_NS])
        self._prices: I8 = np.ascontiguousarray(rows[:, EVENT_PRICE_TICKS])
        self._lots: I8 = np.ascontiguousarray(rows[:, EVENT_LOTS])
        self._sold = rows[:, EVENT_SIDE] == SELL
        self.count = 0

    @property
    def last_ticks(self) -> int:
        """The price of the last public trade; 0 before the first."""
        return int(self._prices[self.count - 1]) if self.count else 0

    def rows(self, first_id: int | None, limit: int) -> list[dict[str, Any]]:
        """Return public trades as `trades` lists them, oldest first: from an id, or the last."""
        return [self._row(index) for index in self._range(first_id, limit)]

    def aggregates(self, first_id: int | None, limit: int) -> list[dict[str, Any]]:
        """Return public trades as `aggTrades` lists them; each is its own aggregate."""
        return [self.aggregate(index) for index in self._range(first_id, limit)]

    def aggregate(self, index: int) -> dict[str, Any]:
        """Return one trade as an aggregate."""
        return {
            "a": FIRST_ID + index,
            "p": self._instrument.price(int(self._prices[index])),
            "q": self._instrument.quantity(int(self._lots[index])),
            "f": FIRST_ID + index,
            "l": FIRST_ID + index,
            "T": Ns(self._times[index]),
            "m": bool(self._sold[index]),
            "M": True,
        }

    def event(self, index: int) -> dict[str, Any]:
        """Return one trade as the stream tells it."""
        time_ns = Ns(self._times[index])
        return {
            "e": "trade",
            "E": time_ns,
            "s": self._instrument.symbol,
            "t": FIRST_ID + index,
            "p": self._instrument.price(int(self._prices[index])),
            "q": self._instrument.quantity(int(self._lots[index])),
            "T": time_ns,
            "m": bool(self._sold[index]),
            "M": True,
        }

    def aggregates_between(
        self, start_ns: int | None, end_ns: int | None, limit: int
    ) -> list[dict[str, Any]]:
        """Return the first aggregates from a time on; without one, the last until an end.

        Args:
            start_ns: inclusive.
            end_ns: inclusive.
            limit: rows at most.
        """
        times = self._times[: self.count]
        first = 0 if start_ns is None else int(np.searchsorted(times, start_ns))
        last = len(times) if end_ns is None else int(np.searchsorted(times, end_ns, side="right"))
        places = range(first, max(first, last))
        chosen = places[:limit] if start_ns is not None else places[-limit:]
        return [self.aggregate(index) for index in chosen]

    def traded_since(self, start_ns: int) -> tuple[int, int]:
        """Return (lots, ticks times lots) of the trades from a time on."""
        first = int(np.searchsorted(self._times[: self.count], start_ns))
        lots = self._lots[first : self.count]
        return int(lots.sum()), int((lots * self._prices[first : self.count]).sum())

    def bars(
        self, interval: str, span_ns: tuple[int | None, int | None, int], limit: int
    ) -> list[dict[str, Any]]:
        """Return bars, oldest first, as fields of a kline event; one without trades is flat.

        Args:
            interval: of `INTERVALS_NS`.
            span_ns: (first opening, last opening, now); without a first the last bars.
            limit: bars at most.
        """
        length = INTERVALS_NS[interval]
        times = self._times[: self.count]
        if not len(times):
            return []
        start_ns, end_ns, now_ns = span_ns
        born, now = int(times[0]) // length, max(now_ns, int(times[-1])) // length
        last = now if end_ns is None else min(now, end_ns // length)
        if start_ns is None:
            first = max(born, last - limit + 1)
        else:
            first = max(born, -(-start_ns // length))
            last = min(last, first + limit - 1)
        edges = np.arange(first, last + 2, dtype=np.int64) * length
        cuts = np.searchsorted(times, edges).tolist()
        return [
            self._bar(cuts[place], cuts[place + 1], length)
            if cuts[place] < cuts[place + 1]
            else self._flat(int(edges[place]), cuts[place] - 1, length)
            for place in range(len(cuts) - 1)
        ]

    def day(self, now_ns: int) -> dict[str, Any]:
        """Return what `ticker/24hr` says, but for the quotes."""
        times = self._times[: self.count]
        first = int(np.searchsorted(times, now_ns - DAY_NS, side="right"))
        bar = self._bar(min(first, max(0, self.count - 1)), self.count, DAY_NS)
        return {
            "lastPrice": bar["c"],
            "openPrice": bar["o"],
            "highPrice": bar["h"],
            "lowPrice": bar["l"],
            "volume": bar["v"],
            "quoteVolume": bar["q"],
            "openTime": Ns(now_ns - DAY_NS),
            "closeTime": Ns(now_ns),
            "firstId": bar["f"],
            "lastId": bar["L"],
            "count": bar["n"],
        }

    def _bar(self, begin: int, end: int, length: int) -> dict[str, Any]:
        known = self._instrument
        if end <= begin:
            nothing = text(0)
            return dict.fromkeys("ochlvqVQ", nothing) | {"t": 0, "T": 0, "f": -1, "L": -1, "n": 0}
        prices, lots = self._prices[begin:end], self._lots[begin:end]
        bought = ~self._sold[begin:end]
        start_ns = int(self._times[begin]) // length * length
        worth = prices * lots
        return {
            "t": Ns(start_ns),
            "T": Ns(start_ns + length - 10**6),
            "o": known.price(int(prices[0])),
            "c": known.price(int(prices[-1])),
            "h": known.price(int(prices.max())),
            "l": known.price(int(prices.min())),
            "v": known.quantity(int(lots.sum())),
            "q": text(int(worth.sum()) * known.tick_lot),
            "V": known.quantity(int(lots[bought].sum())),
            "Q": text(int(worth[bought].sum()) * known.tick_lot),
            "f": FIRST_ID + begin,
            "L": FIRST_ID + end - 1,
            "n": end - begin,
        }

    def _flat(self, start_ns: int, before: int, length: int) -> dict[str, Any]:
        price, nothing = self._instrument.price(int(self._prices[before])), text(0)
        return {
            **dict.fromkeys("vqVQ", nothing),
            **dict.fromkeys("ochl", price),
            "t": Ns(start_ns),
            "T": Ns(start_ns + length - 10**6),
            "f": -1,
            "L": -1,
            "n": 0,
        }

    def _row(self, index: int) -> dict[str, Any]:
        price, lots = int(self._prices[index]), int(self._lots[index])
        return {
            "id": FIRST_ID + index,
            "price": self._instrument.price(price),
            "qty": self._instrument.quantity(lots),
            "quoteQty": text(self._instrument.notional(price, lots)),
            "time": Ns(self._times[index]),
            "isBuyerMaker": bool(self._sold[index]),
            "isBestMatch": True,
        }

    def _range(self, first_id: int | None, limit: int) -> range:
        if first_id is None:
            return range(max(0, self.count - limit), self.count)
        first = max(0, first_id - FIRST_ID)
        return range(min(first, self.count), min(first + limit, self.count))
