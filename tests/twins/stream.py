"""The exchange's side of a tape again, slow and plain: every question is asked of all events."""

from collections import defaultdict

import numpy as np

from market import layout
from tests.twins.book import Book


class Exchange:
    """Everything that a stream says, in lists; `window` is (base, width)."""

    def __init__(self, events, window):
        self.base, self.width = window
        self.book = Book()
        self.seen = []  # (number, exch_ns, bid, ask) after each event
        self.hits = []  # (number, price, kind, better, lots, exch_ns)
        self.history = defaultdict(list)  # (row, column): [(number, lots, flag)]
        for number, event in enumerate(events.tolist()):
            kind, side, seen, exch_ns, _, price, lots = event
            if seen & layout.SEEN_EXCHANGE:
                self.take(number, kind, side, exch_ns, price, lots)
                self.seen.append((number, exch_ns, self.book.bid, self.book.ask))

    def take(self, number, kind, side, exch_ns, price, lots):
        """Take in one event."""
        book = self.book
        if kind == layout.KIND_TRADE:
            taker = side or (price >= book.ask) - (price <= book.bid)
            if taker and lots > 0:
                name = layout.HIT_SELL_TRADE if taker == layout.SELL else layout.HIT_BUY_TRADE
                self.hits.append((number, price, name, False, lots, exch_ns))
            return
        if kind == layout.KIND_CLEAR:
            before = self.levels()
            book.apply(kind, side, price, lots)
            for key in before.keys() - self.levels().keys():
                self.history[key].append((number, 0, layout.LEVEL_CLEARED))
            return
        if side == 0 or not self.base <= price < self.base + self.width:
            return
        bid = side == layout.BUY
        best = book.bid if bid else book.ask
        held = book.apply(kind, side, price, lots)
        row = layout.BID_ROW if bid else layout.ASK_ROW
        self.history[row, price - self.base].append((number, lots, layout.LEVEL_DEPTH))
        if lots > held and price == (book.bid if bid else book.ask):
            name = layout.HIT_BID_POSTED if bid else layout.HIT_ASK_POSTED
            self.hits.append((number, price, name, best != price, lots - held, exch_ns))

    def levels(self):
        """Return the lots by (row, column)."""
        sides = ((layout.BID_ROW, self.book.bids), (layout.ASK_ROW, self.book.asks))
        return {(row, at - self.base): lots for row, side in sides for at, lots in side.items()}

    def cut(self, until_ns):
        """Return (cut, bid, ask) after every event until a time."""
        known = [row for row in self.seen if row[1] <= until_ns]
        if not known:
            return 0, layout.NO_BID, layout.NO_ASK
        return known[-1][0] + 1, known[-1][2], known[-1][3]

    def lots_at(self, key, cut):
        """Return the lots of a level after the first events."""
        rows = [lots for number, lots, _ in self.history[key] if number < cut]
        return rows[-1] if rows else 0

    def frames(self, steps_ns, delays):
        """Return the frames of steps, as known at the last of them."""
        out = np.zeros((len(steps_ns), layout.FRAME_COLUMNS), dtype=np.int64)
        before = 0
        bids = (layout.HIT_SELL_TRADE, layout.HIT_ASK_POSTED)
        for row, now, delay in zip(out, steps_ns, delays, strict=True):
            hits = sum(hit[5] <= now for hit in self.hits)
            window = self.hits[before:hits]
            lows = [hit[1] for hit in window if hit[2] in bids]
            highs = [hit[1] for hit in window if hit[2] not in bids]
            order, cancel = now + delay[layout.DELAY_ORDER_NS], now + delay[layout.DELAY_CANCEL_NS]
            known, bid, ask = 0, layout.NO_BID, layout.NO_ASK
            if order <= steps_ns[-1]:
                known, bid, ask = self.cut(order)
            row[layout.FRAME_EVENT] = self.cut(now)[0]
            row[layout.FRAME_HIT] = before = hits
            row[layout.FRAME_LOW] = min(lows, default=layout.NO_ASK)
            row[layout.FRAME_HIGH] = max(highs, default=layout.NO_BID)
            row[layout.FRAME_ORDER_NS] = order
            row[layout.FRAME_ORDER_EVENT] = known
            row[layout.FRAME_BID], row[layout.FRAME_ASK] = bid, ask
            row[layout.FRAME_CANCEL_NS] = cancel
            row[layout.FRAME_CANCEL_EVENT] = self.cut(cancel)[0] if cancel <= steps_ns[-1] else 0
        return out
