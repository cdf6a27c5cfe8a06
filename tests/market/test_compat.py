"""The peer's exchange twice, slow and fast: the same bytes, and its rules case by case.

That the slow one is hftbacktest is shown by `bench/engine.py` and `bench/peer_cases.py`, which run
the peer itself; the figures expected in the cases below were worked out by hand.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.compat import Terms, compat, compat_events, compat_one, compat_road, dials_of
from market.compat_book import (
    EDGE_ASK,
    EDGE_BID,
    MODEL_LOTS,
    QUEUE_COLUMNS,
    QUEUE_FRONT,
    changed,
    joined,
    new_edges,
    put,
    traded,
)
from market.compat_money import (
    RESULT_BALANCE,
    RESULT_CANCELS,
    RESULT_FEE,
    RESULT_FILLS,
    RESULT_POSITION,
)
from market.compat_orders import mask_of
from market.features import observer_settings
from market.layout import (
    BUY,
    EVENT_COLUMNS,
    KIND_CLEAR,
    KIND_DEPTH,
    KIND_SNAPSHOT,
    KIND_TRADE,
    NO_ASK,
    NO_BID,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
    SELL,
)
from market.tape import build_tape

MS = 1_000_000
LOTS_A_UNIT = 1000.0
MIDDLE = 1000
BOTH = SEEN_EXCHANGE | SEEN_LOCAL
WALLS = [
    (0, KIND_SNAPSHOT, side, MIDDLE - side * k, 10 * k)
    for side in (BUY, SELL)
    for k in range(1, 13)
]


def terms_of(power):
    return Terms(tick=0.1, lots_a_unit=1000, maker_fee=0.0002, power=power)


def tape_of(events, interval_ns=100 * MS):
    return build_tape(
        events,
        interval_ns=interval_ns,
        cycle_ns=30_000 * MS,
        settings=observer_settings(),
        latency=terms_of(0.0).latency,
    )


def slow_and_fast(events, dials, power):
    """Return the rows of every step, event by event and on the tape."""
    tape, terms = tape_of(events), terms_of(power)
    dials = np.array(dials, np.float64)
    slow = compat_events(events, tape, dials, terms)
    road = compat_road(tape, terms, events=events)
    fast = compat_one(road, dials, terms)
    pair = compat(road, np.stack([dials, dials]), terms, threads=2)
    assert pair.tobytes() == fast[-1].tobytes() * 2
    return slow, fast


def noise(seed, count, *, crossing, clears):
    """Return a random recording: a nervous market of some ticks, with every kind of event."""
    rng = np.random.default_rng(seed)
    events = np.zeros((count, EVENT_COLUMNS), np.int64)
    now_ns = 1_000_000 * MS
    local_ns = now_ns
    middle = MIDDLE
    for row in events:
        now_ns += int(rng.choice([0, 1, 3, 5, 40, 90])) * MS
        local_ns = max(local_ns, now_ns + int(rng.choice([1, 5, 30])) * MS)
        middle += int(rng.choice([-2, -1, 0, 0, 0, 1, 2]))
        side = int(rng.choice([BUY, SELL]))
        kind = int(rng.choice([KIND_DEPTH, KIND_TRADE], p=[0.7, 0.3]))
        lots = int(rng.choice([0, 1, 2, 5, 9]))
        reach = -3 if crossing else 1
        price = middle - side * int(rng.integers(reach, 8))
        if kind == KIND_TRADE:
            lots = max(lots, 1)
            price = middle + side * int(rng.integers(-1, 5))
        if clears and rng.random() < 0.01:
            kind, side, price, lots = KIND_CLEAR, 0, 0, 0
        seen = int(rng.choice([BOTH, SEEN_EXCHANGE, SEEN_LOCAL], p=[0.96, 0.02, 0.02]))
        row[:] = (kind, side, seen, now_ns, local_ns, price, lots)
    return events


candidates = st.tuples(
    st.sampled_from([0.05, 0.2, 0.6]),
    st.integers(1, 20),
    st.integers(1, 6),
    st.sampled_from([3, 10, 60]),
    st.integers(1, 3),
    st.sampled_from([0.0, 0.7, 3.0]),
)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 1 << 30),
    st.booleans(),
    st.booleans(),
    candidates,
    st.sampled_from([0.0, 1.0, 2.5, 3.0]),
)
def test_walking_steps_gives_the_bytes_of_walking_events(seed, crossing, clears, dials, power):
    """Whatever the market does, the fast way is the slow way: at every step, to the last bit."""
    events = noise(seed, 500, crossing=crossing, clears=clears)
    slow, fast = slow_and_fast(events, dials, power)
    assert slow.tobytes() == fast.tobytes()


def test_random_markets_fill_and_cancel_enough_to_mean_something():
    """The property above is not about candidates that never trade."""
    slow, _ = slow_and_fast(
        noise(7, 3000, crossing=True, clears=True), (0.05, 5, 2, 60, 1, 0.7), 3.0
    )
    assert slow[-1, RESULT_FILLS] > 100
    assert slow[-1, RESULT_CANCELS] > 100
    assert len(np.unique(slow[:, RESULT_POSITION])) > 10


def test_on_a_book_that_never_crosses_the_stream_says_all():
    """Without crossed books the road read off the stream is the road read off the events."""
    events = noise(3, 2000, crossing=False, clears=False)
    levels = np.zeros((2, 400), np.int64)
    edges = new_edges()
    kept = []
    for row in events:  # what would cross is left out
        kind, side, price, lots = row[0], row[1], row[5], row[6]
        row[2] = BOTH
        bad = (side == BUY and price - 800 >= edges[EDGE_ASK]) or (
            side == SELL and price - 800 <= edges[EDGE_BID]
        )
        if kind != KIND_TRADE and lots > 0 and bad:
            continue
        if kind != KIND_TRADE:
            put(levels, edges, kind, side, price - 800, lots)
        kept.append(row)
    events = np.array(kept)
    tape = tape_of(events)
    told = compat_road(tape, terms_of(0.0), events=events)
    read = compat_road(tape, terms_of(0.0))
    hits = len(read.hit_codes)
    assert hits > 300
    for name in ("hit_events", "hit_lots"):
        assert (getattr(told, name)[:hits] == getattr(read, name)).all()
    last = len(read.road) - 1  # whose arrival lies behind the end
    assert (told.road[:last] == read.road[:last]).all()
    assert (told.cuts == read.cuts).all()


def lines(rows):
    """Return events of (ms, kind, side, ticks, lots), seen by both clocks a millisecond apart."""
    events = np.zeros((len(rows), EVENT_COLUMNS), np.int64)
    for index, (at_ms, kind, side, price, lots) in enumerate(rows):
        now_ns = (1000 + at_ms) * MS
        events[index] = (kind, side, BOTH, now_ns, now_ns + MS, price, lots)
    return events


@pytest.mark.parametrize("side", [BUY, SELL])
@pytest.mark.parametrize("reach", [0, 2, 5, 40])
def test_a_one_sided_clear_is_the_peers_on_a_book_that_never_crossed(side, reach):
    """Cleared to a price, the level behind it is never found again; both ways agree on that."""
    rows = [
        (0, KIND_SNAPSHOT, s, MIDDLE - s * k, 10 * k) for s in (BUY, SELL) for k in range(1, 13)
    ]
    quiet = [(50 + 100 * k, KIND_DEPTH, BUY, MIDDLE - 30, 1 + k % 2) for k in range(14)]
    case = [
        (450, KIND_CLEAR, side, MIDDLE - side * reach, 0),
        (650, KIND_DEPTH, side, MIDDLE - side, 1),
        (850, KIND_TRADE, -side, MIDDLE - 2 * side, 1),
        (1050, KIND_DEPTH, -side, MIDDLE - side * 4, 3),
    ]
    events = lines(sorted(rows + quiet + case, key=lambda row: row[0]))
    for power in (0.0, 3.0):
        slow, fast = slow_and_fast(events, (0.4, 5, 7, 1000, 1, 0.0), power)
        assert slow.tobytes() == fast.tobytes()
        assert slow[-1, RESULT_FILLS] > 0


def test_a_one_sided_clear_of_a_crossed_book_is_refused():
    """There the peer keeps levels that the tape empties: better no figure than a wrong one."""
    rows = [
        (0, KIND_SNAPSHOT, s, MIDDLE - s * k, 10 * k) for s in (BUY, SELL) for k in range(1, 13)
    ]
    rows += [(100, KIND_DEPTH, SELL, MIDDLE - 3, 5), (200, KIND_CLEAR, BUY, MIDDLE - 6, 0)]
    rows += [(300 + 100 * k, KIND_DEPTH, BUY, MIDDLE - 30, 1 + k % 2) for k in range(5)]
    events = lines(rows)
    with pytest.raises(ValueError, match="cleared while the book is crossed"):
        compat_road(tape_of(events), terms_of(0.0), events=events)


@given(st.integers(0, 1 << 40), st.integers(-3, 63))
def test_a_mask_has_one_bit_for_each_seat_of_its_window(low, width):
    """Windows are contiguous cells; their seats turn around at the end."""
    high = low + width - 1
    wanted = sum(1 << (cell % 64) for cell in range(low, high + 1))
    assert mask_of(low, high) % (1 << 64) == wanted


def test_the_newest_quote_is_believed():
    """A crossing bid lifts the best ask; what it passed is the best again only when quoted anew."""
    levels, edges = np.zeros((2, 20), np.int64), new_edges()
    for side, column, lots in ((BUY, 5, 3), (SELL, 7, 2), (SELL, 9, 4)):
        put(levels, edges, KIND_SNAPSHOT, side, column, lots)
    put(levels, edges, KIND_DEPTH, BUY, 8, 1)
    assert tuple(edges[[EDGE_BID, EDGE_ASK]]) == (8, 9)
    put(levels, edges, KIND_DEPTH, SELL, 7, 0)  # the passed level goes: nothing changes
    assert edges[EDGE_ASK] == 9
    put(levels, edges, KIND_DEPTH, SELL, 6, 1)  # and now the ask is believed
    assert tuple(edges[[EDGE_BID, EDGE_ASK]]) == (5, 6)
    put(levels, edges, KIND_CLEAR, 0, 0, 0)
    assert tuple(edges[[EDGE_BID, EDGE_ASK]]) == (NO_BID, NO_ASK)
    assert not levels.any()


@pytest.mark.parametrize(
    ("power", "steps", "front"),
    [
        (0.0, ((5, 9), (5, 3)), 3.0),  # risk-averse: only the level's own total caps it
        (3.0, ((5, 9), (9, 9)), 5.0),
        (3.0, ((5, 4),), 4.0),  # nobody behind us: all that left was ahead
        (3.0, ((5, 0), (0, 0)), 0.0),  # 0/0: no number, and the queue ahead is empty
    ],
)
def test_the_queue_ahead_moves_as_the_peer_moves_it(power, steps, front):
    """Hand-computed places in line, in lots of a thousandth."""
    model, queue = np.array([power, LOTS_A_UNIT]), np.zeros(QUEUE_COLUMNS)
    joined(queue, model, 5)
    for before, after in steps:
        changed(queue, model, before, after)
    assert queue[QUEUE_FRONT] * model[MODEL_LOTS] == pytest.approx(front)


def test_half_a_lot_beyond_the_queue_fills():
    """A trade must go beyond what is ahead; half a lot of doubt counts for the order."""
    model, queue = np.array([3.0, LOTS_A_UNIT]), np.zeros(QUEUE_COLUMNS)
    joined(queue, model, 5)
    assert not traded(queue, model, 5)
    assert traded(queue, model, 1)
    queue[QUEUE_FRONT] = 0.0005
    assert traded(queue, model, 1)


def test_one_trade_fills_every_order_that_it_reaches():
    """The peer uses a trade's volume again and again: one lot printed fills four orders whole."""
    rows = [(KIND_SNAPSHOT, BUY, MIDDLE - 1, 50), (KIND_SNAPSHOT, SELL, MIDDLE + 1, 50)]
    rows += [(KIND_SNAPSHOT, BUY, MIDDLE - 20, 50), (KIND_SNAPSHOT, SELL, MIDDLE + 20, 50)]
    quiet = [(KIND_DEPTH, BUY, MIDDLE - 30, 1 + k % 2) for k in range(40)]
    rows += [*quiet[:20], (KIND_TRADE, SELL, MIDDLE - 4, 1), *quiet[20:]]
    events = np.zeros((len(rows), EVENT_COLUMNS), np.int64)
    for index, (kind, side, price, lots) in enumerate(rows):
        now_ns = (1000 + 20 * index) * MS
        events[index] = (kind, side, BOTH, now_ns, now_ns + MS, price, lots)
    slow, fast = slow_and_fast(events, (0.1, 5, 7, 1000, 1, 0.0), 0.0)
    assert slow.tobytes() == fast.tobytes()
    # 0.1 % of 1000 ticks: a half spread of half a tick, so bids at 999, 998, ... 995.
    assert slow[-1, RESULT_FILLS] == 4
    assert slow[-1, RESULT_POSITION] == 28
    paid = (999 + 998 + 997 + 996) * 0.1 * 0.007
    assert slow[-1, RESULT_BALANCE] == pytest.approx(-paid)
    assert slow[-1, RESULT_FEE] == pytest.approx(paid * 0.0002)


def test_candidates_come_from_the_four_parameters_and_are_bounded():
    """Quantities become whole lots; too many levels and too short an interval are refused."""
    dials = dials_of(
        np.array([[0.02, 5.0, 0.007, 0.0701]]), lots_a_unit=1000, interval_ticks=2, skew=0.5
    )
    assert dials.tolist() == [[0.02, 5.0, 7.0, 70.0, 2.0, 0.5]]
    with pytest.raises(ValueError, match=r"levels must be in \[1, 50\]"):
        dials_of(np.array([[0.02, 51.0, 1.0, 1.0]]), lots_a_unit=1, interval_ticks=1, skew=0.0)
    tape = tape_of(noise(1, 200, crossing=False, clears=False), interval_ns=10 * MS)
    with pytest.raises(ValueError, match="shorter than the interval"):
        compat_road(tape, terms_of(0.0))
