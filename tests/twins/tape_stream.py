"""A stream made of lists, with segments cut wherever the caller likes."""

import itertools
from collections import defaultdict

import numpy as np

from market import layout
from market.hit_blocks import blocks_of
from market.stream import Stream
from tests.twins.book import Book


class Rows:
    """What the exchange showed, event by event."""

    def __init__(self, events, born, base):
        self.base, self.book, self.born = base, Book(), born
        self.hits = []  # (event, code, lots, exch_ns)
        self.changes = []  # (event, key, lots << shift | flag, born)
        self.states = []  # (event, exch_ns, bid, ask, {key: lots})
        for number, row in enumerate(events.tolist()):
            if row[layout.EVENT_SEEN] & layout.SEEN_EXCHANGE:
                self.take(number, *row)
                at = row[layout.EVENT_EXCH_NS]
                self.states.append((number, at, self.book.bid, self.book.ask, self.levels()))

    def key(self, side, price):
        """The key of a level."""
        row = layout.BID_ROW if side == layout.BUY else layout.ASK_ROW
        return row << layout.LEVEL_SIDE_SHIFT | (price - self.base)

    def levels(self):
        """The lots of every level in use, by key."""
        book = self.book
        both = ((layout.BUY, book.bids), (layout.SELL, book.asks))
        return {self.key(side, at): lots for side, rows in both for at, lots in rows.items()}

    def hit(self, number, price, kind, lots, at):
        """Write a hit."""
        self.hits.append((number, (price - self.base) << layout.HIT_SHIFT | kind, lots, at))

    def take(self, number, kind, side, _seen, at, _local, price, lots):
        """Take in one event."""
        book = self.book
        if kind == layout.KIND_TRADE:
            if side == 0:
                side = (price >= book.ask) - (price <= book.bid)
            if side and lots:
                sold = side == layout.SELL
                name = layout.HIT_SELL_TRADE if sold else layout.HIT_BUY_TRADE
                self.hit(number, price, name, lots, at)
            return
        if kind == layout.KIND_CLEAR:
            before = self.levels()
            book.apply(kind, side, price, lots)
            for key in sorted(before.keys() - self.levels().keys()):
                self.changes.append((number, key, layout.LEVEL_CLEARED, 0))
            return
        held = book.apply(kind, side, price, lots)
        born = int(self.born[number]) if len(self.born) else 0
        packed = lots << layout.LEVEL_SHIFT | layout.LEVEL_DEPTH
        self.changes.append((number, self.key(side, price), packed, born))
        bid = side == layout.BUY
        if lots > held and price == (book.bid if bid else book.ask):
            name = layout.HIT_BID_POSTED if bid else layout.HIT_ASK_POSTED
            self.hit(number, price, name, lots - held, at)

    def until(self, at):
        """The cut, best bid and best ask at a time."""
        known = [state for state in self.states if state[1] <= at]
        if not known:
            return 0, layout.NO_BID, layout.NO_ASK
        return known[-1][0] + 1, known[-1][2], known[-1][3]

    def before(self, event):
        """The levels before an event."""
        known = [state for state in self.states if state[0] < event]
        return known[-1][4] if known else {}


def frames_of(rows, steps_ns, delays):
    """The frames of steps."""
    frames = np.zeros((len(steps_ns), layout.FRAME_COLUMNS), dtype=np.int64)
    seen = 0
    for frame, now, delay in zip(frames, steps_ns, delays, strict=True):
        hits = [hit for hit in rows.hits if hit[3] <= now]
        window, seen = hits[seen:], len(hits)
        prices = {True: [], False: []}
        for _, code, _, _ in window:
            kind = code & layout.HIT_KIND_MASK
            ours = kind in {layout.HIT_SELL_TRADE, layout.HIT_ASK_POSTED}
            prices[ours].append(rows.base + (code >> layout.HIT_SHIFT))
        order = now + delay[layout.DELAY_ORDER_NS]
        frame[layout.FRAME_EVENT] = rows.until(now)[0]
        frame[layout.FRAME_HIT] = seen
        frame[layout.FRAME_LOW] = min(prices[True], default=layout.NO_ASK)
        frame[layout.FRAME_HIGH] = max(prices[False], default=layout.NO_BID)
        frame[layout.FRAME_ORDER_NS] = order
        frame[[layout.FRAME_ORDER_EVENT, layout.FRAME_BID, layout.FRAME_ASK]] = rows.until(order)
        frame[layout.FRAME_CANCEL_NS] = now + delay[layout.DELAY_CANCEL_NS]
        frame[layout.FRAME_CANCEL_EVENT] = rows.until(frame[layout.FRAME_CANCEL_NS])[0]
    return frames


def stream_of(events, born, steps_ns, delays, *, base, cuts=()):
    """Return the Stream of events; `cuts` are the first events of segments after the first."""
    rows = Rows(events, born, base)
    edges = sorted({0, *(cut for cut in cuts if 0 < cut < len(events)), len(events)})
    segments, keys, starts, level_rows = [], [], [], []
    for first, end in itertools.pairwise(edges):
        segment = [first, end, len(keys), 0]
        levels = defaultdict(list)
        for key, lots in rows.before(first).items():
            levels[key].append((first, lots << layout.LEVEL_SHIFT | layout.LEVEL_CARRIED, 0))
        for event, key, packed, since in rows.changes:
            if first <= event < end:
                levels[key].append((event, packed, since))
        for key in sorted(levels):
            keys.append(key)
            starts.append(len(level_rows))
            level_rows += levels[key]
        segment[3] = len(keys)
        segments.append(segment)
    starts.append(len(level_rows))
    hits = np.array(rows.hits, dtype=np.int64).reshape(-1, 4)
    past = np.array(level_rows, dtype=np.int64).reshape(-1, 3)
    return Stream(
        hit_events=hits[:, 0].astype(np.int32),
        hit_codes=hits[:, 1].astype(np.int32),
        hit_lots=hits[:, 2].copy(),
        hit_ns=hits[:, 3].copy(),
        hit_blocks=blocks_of(hits[:, 1].astype(np.int32)),
        segments=np.array(segments, dtype=np.int64).reshape(-1, layout.SEGMENT_COLUMNS),
        level_keys=np.array(keys, dtype=np.int32),
        level_starts=np.array(starts, dtype=np.int64),
        level_events=past[:, 0].astype(np.int32),
        level_lots=past[:, 1].copy(),
        level_born=past[:, 2].astype(np.int32) if len(born) else np.zeros(0, dtype=np.int32),
        frames=frames_of(rows, steps_ns, delays),
        delays=np.asarray(delays, dtype=np.int64),
        base=np.array([base], dtype=np.int64),
    )
