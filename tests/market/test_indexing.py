"""The exchange's side of a tape: against a plain one, in pieces, and by hand."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from market import layout
from market.hit_blocks import BLOCK_HIGH, BLOCK_LOW
from market.indexer import Indexer
from market.latency import DelayLine
from market.levels import find_segment
from market.stream import lots_at
from tests.twins.stream import Exchange

BASE, WIDTH, INTERVAL, STEPS = 90, 24, 4, 12
KINDS = [layout.KIND_DEPTH] * 5 + [layout.KIND_TRADE] * 3 + [layout.KIND_SNAPSHOT]
EVENT = st.tuples(
    st.sampled_from([*KINDS, layout.KIND_CLEAR]),
    st.sampled_from([layout.BUY, layout.SELL, layout.BUY, layout.SELL, 0]),
    st.sampled_from([3, 3, 3, layout.SEEN_EXCHANGE, layout.SEEN_LOCAL]),
    st.sampled_from([0, 0, 0, 1, 3, 9]),  # time since the event before
    st.one_of(st.integers(98, 104), st.integers(BASE - 3, BASE + WIDTH + 2)),
    st.integers(0, 4),
)
DELAYS = st.lists(st.tuples(*[st.integers(0, 11)] * 3), min_size=STEPS, max_size=STEPS)


class Drawn:
    """A latency model that gives what it was told, row after row."""

    def __init__(self, rows):
        self.rows = rows

    def draw(self, now_ns, feed_ns):
        """Return one row a step."""
        del feed_ns
        return np.array([self.rows[int(now) // INTERVAL - 1] for now in now_ns])


def table(rows):
    now, out = 0, []
    for kind, side, seen, later, price, lots in rows:
        now += later
        clear = kind == layout.KIND_CLEAR
        out.append([kind, side, seen, now, now, price * (side != 0 or not clear), lots])
    return np.array(out, dtype=np.int64).reshape(-1, layout.EVENT_COLUMNS)


def indexed(events, drawn, *, stops=(STEPS,), segment_rows=1 << 18):
    """Return the stream of all steps, read in pieces that end after so many steps."""
    line = DelayLine(Drawn(drawn))
    told = {"first_ns": INTERVAL, "interval_ns": INTERVAL, "segment_rows": segment_rows}
    indexer, done = Indexer(BASE, WIDTH, **told), 0
    for stop in stops:
        now_ns = INTERVAL * np.arange(done + 1, stop + 1)
        if len(now_ns):
            indexer.add_steps(line.extend(now_ns, np.zeros_like(now_ns)))
            indexer.advance(events[indexer.read :], indexer.read, int(now_ns[-1]))
        stream, done = indexer.stream(), stop
    return stream


def hits_of(stream):
    """Return the hits as the twin writes them."""
    kinds = stream.hit_codes & layout.HIT_KIND_MASK
    better = (stream.hit_codes & layout.HIT_BETTER) != 0
    prices = (stream.hit_codes >> layout.HIT_SHIFT) + stream.base[0]
    columns = (stream.hit_events, prices, kinds, better, stream.hit_lots, stream.hit_ns)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def until(rows, events, now):
    """Return those rows of a twin whose event had happened by a time."""
    return [row for row in rows if events[row[0], layout.EVENT_EXCH_NS] <= now]


def histories(stream):
    """Return {(row, column): rows of queue events and clears}, and the carried rows by segment."""
    told, carried = {}, []
    for first, _, key, key_end in stream.segments.tolist():
        held = {}
        keys = stream.level_keys[key:key_end]
        assert (np.diff(keys) > 0).all()
        for index in range(key, key_end):
            where = divmod(int(stream.level_keys[index]), 1 << layout.LEVEL_SIDE_SHIFT)
            start, end = stream.level_starts[index : index + 2]
            cells, numbers = stream.level_lots[start:end], stream.level_events[start:end]
            assert end > start
            for number, cell in zip(numbers.tolist(), cells.tolist(), strict=True):
                lots, flag = cell >> layout.LEVEL_SHIFT, cell & layout.LEVEL_FLAG_MASK
                if flag == layout.LEVEL_CARRIED:
                    assert number == first
                    held[where] = lots
                else:
                    told.setdefault(where, []).append((number, lots, flag))
        carried.append((first, held))
    return told, carried


@settings(max_examples=150, deadline=None)
@given(
    st.lists(EVENT, max_size=60),
    DELAYS,
    st.lists(st.integers(0, STEPS), max_size=4),
    st.sampled_from([1, 3, 8, 1 << 18]),
)
def test_a_stream_says_what_all_events_say(rows, drawn, stops, segment_rows):
    """Hits, histories, carried levels, frames and lookups, in random pieces and segments."""
    events, end = table(rows), INTERVAL * STEPS
    stream = indexed(events, drawn, stops=[*sorted(stops), STEPS], segment_rows=segment_rows)
    slow = Exchange(events, (BASE, WIDTH))
    assert hits_of(stream) == until(slow.hits, events, end)
    told, carried = histories(stream)
    wanted = {key: until(story, events, end) for key, story in slow.history.items()}
    assert told == {key: story for key, story in wanted.items() if story}
    for first, held in carried:
        levels = {key: slow.lots_at(key, first) for key in slow.history}
        assert held == {key: lots for key, lots in levels.items() if lots}
    steps_ns = INTERVAL * np.arange(1, STEPS + 1)
    assert (stream.frames == slow.frames(steps_ns.tolist(), stream.delays.tolist())).all()
    known = slow.cut(end)[0]
    assert find_segment(stream.segments, known - 1, 0) == len(stream.segments) - 1
    for cut in range(known + 1):
        for row in (layout.BID_ROW, layout.ASK_ROW):
            for column in range(-1, WIDTH + 1):
                assert lots_at(stream, row, column, cut) == slow.lots_at((row, column), cut)


@settings(max_examples=60, deadline=None)
@given(DELAYS)
def test_nothing_overtakes_what_was_sent_before_it(drawn):
    """Arrivals rise, and no delay is shorter than it was drawn."""
    stream = indexed(table([]), drawn)
    arrivals = stream.delays + INTERVAL * np.arange(1, STEPS + 1)[:, None]
    assert (np.diff(arrivals, axis=0) >= 0).all()
    assert (stream.delays >= np.array(drawn)).all()


def test_what_was_handed_out_stays_as_it_was():
    """A tape that grows leaves the older one alone; its last block only reaches farther."""
    rng = np.random.default_rng(5)
    rows = [
        (layout.KIND_DEPTH, int(rng.choice([1, -1])), 3, 1, int(rng.integers(92, 110)), 1)
        for _ in range(INTERVAL * STEPS)
    ]
    events, drawn = table(rows), [(0, 0, 0)] * STEPS
    line = DelayLine(Drawn(drawn))
    indexer = Indexer(BASE, WIDTH, first_ns=INTERVAL, interval_ns=INTERVAL, segment_rows=5)
    kept = []
    for step in range(1, STEPS + 1):
        now_ns = np.array([step * INTERVAL])
        indexer.add_steps(line.extend(now_ns, now_ns))
        indexer.advance(events, 0, int(now_ns[0]))
        stream = indexer.stream()
        kept.append((stream, [array.copy() for array in stream]))
    for stream, content in kept:
        for name, now, then in zip(stream._fields, stream, content, strict=True):
            if name != "hit_blocks":
                assert now.tobytes() == then.tobytes()
        blocks, then = stream.hit_blocks, content[stream._fields.index("hit_blocks")]
        assert blocks[:-1].tobytes() == then[:-1].tobytes()
        assert (blocks[:, BLOCK_LOW] <= then[:, BLOCK_LOW]).all()
        assert (blocks[:, BLOCK_HIGH] >= then[:, BLOCK_HIGH]).all()


def play(*rows):
    """Return the hits of a few events, each at its own time."""
    return hits_of(indexed(table([(*row[:2], 3, 1, *row[2:]) for row in rows]), [(0, 0, 0)] * 12))


BID_100 = (layout.KIND_DEPTH, layout.BUY, 100, 5)
ASK_102 = (layout.KIND_DEPTH, layout.SELL, 102, 5)


def test_posted_lots_are_a_hit_only_at_the_best_price():
    """A better ask reaches our bids; one behind it, or fewer lots, reaches nobody."""
    hits = play(
        BID_100,
        ASK_102,
        (layout.KIND_DEPTH, layout.SELL, 103, 9),
        (layout.KIND_DEPTH, layout.SELL, 101, 2),
        (layout.KIND_DEPTH, layout.SELL, 101, 1),
        (layout.KIND_DEPTH, layout.SELL, 101, 4),
    )
    posted = [(number, price, better, lots) for number, price, _, better, lots, _ in hits]
    assert posted == [
        (0, 100, True, 5), (1, 102, True, 5), (3, 101, True, 2), (5, 101, False, 3)
    ]  # fmt: skip


def test_a_print_of_unknown_side_is_told_from_the_touch():
    """At the bid a seller, at the ask a buyer, between them nobody."""
    hits = play(
        BID_100,
        ASK_102,
        (layout.KIND_TRADE, 0, 100, 1),
        (layout.KIND_TRADE, 0, 102, 2),
        (layout.KIND_TRADE, 0, 101, 3),
        (layout.KIND_TRADE, layout.BUY, 60, 4),
    )
    kinds = [(number, kind) for number, _, kind, _, _, _ in hits]
    assert kinds[2:] == [
        (2, layout.HIT_SELL_TRADE), (3, layout.HIT_BUY_TRADE), (5, layout.HIT_BUY_TRADE)
    ]  # fmt: skip
