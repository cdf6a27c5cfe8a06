"""The public market as the local clock of the recording saw it: book, diffs, trades, quotes.

Level changes of one instant become one diff; a recorded clear or snapshot becomes the diff that
leads to the same book. What comes out are events of streams, in the order in which a client of one
combined connection receives them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Any

import numpy as np

from exchange.simulated.commands import Ns
from exchange.simulated.instrument import Instrument
from exchange.simulated.matching import recorded_levels
from exchange.simulated.trade_tape import TradeTape
from market.book import apply, new_book
from market.layout import (
    BUY,
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOCAL_NS,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SEEN,
    EVENT_SIDE,
    KIND_CLEAR,
    KIND_TRADE,
    SEEN_LOCAL,
    SELL,
    TOUCH_BASE,
)
from market.types import I8

FAR = 1 << 61
Level = tuple[int, int]


@dataclass(slots=True)
class Event:
    """One event of a stream, `told` once for all who listen."""

    stream: str  # depth, trade, aggTrade or bookTicker
    told: dict[str, Any]
    texts: dict[tuple[str, int], str] = field(default_factory=dict)


class PublicMarket:
    """The market that everybody sees.

    Args:
        events: i8[n, EVENT_COLUMNS].
        window: (base, width) of the book; what lies outside is no part of the market.
        instrument: the symbol.
        futures: whether it is told in the words of USD-M futures.
    """

    def __init__(
        self,
        events: I8,
        window: tuple[int, int],
        instrument: Instrument,
        *,
        futures: bool = False,
    ) -> None:
        self._futures = futures
        local = (events[:, EVENT_SEEN] & SEEN_LOCAL) != 0
        self._events: I8 = events if local.all() else np.ascontiguousarray(events[local])
        self._times: I8 = np.ascontiguousarray(self._events[:, EVENT_LOCAL_NS])
        self._next = 0
        self._levels, self._touch = new_book(*window)
        self._low, self._high = window[1], -1  # columns in use
        self._instrument = instrument
        self._quoted: tuple[list[Level], list[Level]] = ([], [])
        self.trades = TradeTape(self._events, instrument)
        self.update_id = 0
        self.time_ns = int(self._events[0, EVENT_EXCH_NS]) if len(self._events) else 0
        self.withheld = 0
        """Diffs that a fault keeps from everybody; the book moves all the same."""

    @property
    def symbol(self) -> str:
        """Of the market, as Binance writes it."""
        return self._instrument.symbol

    @property
    def next_ns(self) -> int | None:
        """The local time of the next event; None after the last."""
        return int(self._times[self._next]) if self._next < len(self._times) else None

    def last_event(self) -> I8 | None:
        """Return the last event that is public, i8[EVENT_COLUMNS]; None before the first."""
        return self._events[self._next - 1] if self._next else None

    def levels(self, side: int, limit: int) -> list[Level]:
        """Return (price, lots) of a side of the book, best first."""
        base = int(self._touch[TOUCH_BASE])
        end = base + (self._low if side == BUY else self._high)
        return list(islice(recorded_levels(self._levels, self._touch, -side, end), limit))

    def depth(self, limit: int) -> dict[str, Any]:
        """Return the book as `depth` tells it."""
        stamps = {"E": Ns(self.time_ns), "T": Ns(self.time_ns)} if self._futures else {}
        return {
            "lastUpdateId": self.update_id,
            **stamps,
            "bids": self._pairs(self.levels(BUY, limit)),
            "asks": self._pairs(self.levels(SELL, limit)),
        }

    def ticker(self) -> dict[str, Any]:
        """Return the best quotes as `ticker/bookTicker` tells them."""
        (bid, bid_lots), (ask, ask_lots) = (
            (self.levels(side, 1) or [(0, 0)])[0] for side in (BUY, SELL)
        )
        known = self._instrument
        return {
            "symbol": known.symbol,
            "bidPrice": known.price(bid),
            "bidQty": known.quantity(bid_lots),
            "askPrice": known.price(ask),
            "askQty": known.quantity(ask_lots),
        }

    def advance(self, now_ns: int) -> Iterator[Event]:
        """Yield what becomes public up to a local time."""
        end = int(np.searchsorted(self._times, now_ns, side="right"))
        if end <= self._next:
            return
        rows = self._events[self._next : end].tolist()
        self._next = end
        for (exch_ns, _, is_trade), batch in groupby(rows, _instant):
            self.time_ns = exch_ns
            if is_trade:
                yield from self._trades(batch)
            else:
                yield from self._depth(list(batch), exch_ns)

    def _trades(self, batch: Iterator[list[int]]) -> Iterator[Event]:
        for _ in batch:
            index = self.trades.count
            self.trades.count += 1
            told = self.trades.event(index)
            yield Event("trade", told)
            aggregate = {"e": "aggTrade", "E": told["E"], "s": told["s"]}
            yield Event("aggTrade", aggregate | self.trades.aggregate(index))

    def _depth(self, batch: list[list[int]], exch_ns: int) -> Iterator[Event]:
        changed: dict[Level, int] = {}  # (side, price) -> lots
        base, width = int(self._touch[TOUCH_BASE]), self._levels.shape[1]
        for row in batch:
            kind, side = row[EVENT_KIND], row[EVENT_SIDE]
            price, lots = row[EVENT_PRICE_TICKS], row[EVENT_LOTS]
            if kind == KIND_CLEAR:
                changed |= self._cleared(side, price)
            elif 0 <= price - base < width and side != 0:
                changed[side, price] = lots
                self._low = min(self._low, price - base)
                self._high = max(self._high, price - base)
            apply(self._levels, self._touch, kind, side, price, lots)
        if not changed:
            return
        first = self.update_id + 1
        self.update_id += len(changed)
        told = {
            "e": "depthUpdate",
            "E": Ns(exch_ns),
            "s": self._instrument.symbol,
            "U": first,
            "u": self.update_id,
            "b": self._pairs([(at, lots) for (side, at), lots in changed.items() if side == BUY]),
            "a": self._pairs([(at, lots) for (side, at), lots in changed.items() if side == SELL]),
        }
        if self._futures:
            told |= {"T": Ns(exch_ns), "pu": first - 1}
        if self.withheld:
            self.withheld -= 1
        else:
            yield Event("depth", told)
        yield from self._quotes()

    def _cleared(self, side: int, price: int) -> dict[Level, int]:
        """Return the levels that a clear event empties."""
        found = {}
        for each in (BUY, SELL):
            if side not in {0, each}:
                continue
            for at, _ in self.levels(each, FAR):
                if side == 0 or price <= 0 or each * (price - at) <= 0:
                    found[each, at] = 0
        return found

    def _quotes(self) -> Iterator[Event]:
        """Yield the best quotes when they changed."""
        quoted = (self.levels(BUY, 1), self.levels(SELL, 1))
        if quoted == self._quoted:
            return
        self._quoted = quoted
        row = self.ticker()
        names = {"s": "symbol", "b": "bidPrice", "B": "bidQty", "a": "askPrice", "A": "askQty"}
        told: dict[str, Any] = {"u": self.update_id}
        if self._futures:
            told |= {"e": "bookTicker", "E": Ns(self.time_ns), "T": Ns(self.time_ns)}
        told |= {name: row[long] for name, long in names.items()}
        yield Event("bookTicker", told)

    def _pairs(self, levels: list[Level]) -> list[list[str]]:
        known = self._instrument
        return [[known.price(at), known.quantity(lots)] for at, lots in levels]


def _instant(row: list[int]) -> tuple[int, int, bool]:
    """Return what rows of one message have in common."""
    return row[EVENT_EXCH_NS], row[EVENT_LOCAL_NS], row[EVENT_KIND] == KIND_TRADE
