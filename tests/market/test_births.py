"""Who came when to a line, told from order ids."""

import numpy as np

from market.births import births
from market.layout import (
    BUY,
    EVENT_COLUMNS,
    KIND_CLEAR,
    KIND_DEPTH,
    KIND_TRADE,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
    SELL,
)
from market.tape import TapeBuilder
from tests.market import day

STORY = [  # kind, side, seen, price, lots of the level, order, born
    (KIND_DEPTH, BUY, 3, 100, 0, 0, 0),
    (KIND_DEPTH, BUY, 3, 100, 5, 11, 1),  # arrives
    (KIND_DEPTH, BUY, 3, 100, 8, 12, 2),  # another one behind it
    (KIND_DEPTH, BUY, 3, 100, 7, 11, 1),  # the first one shrinks and keeps its place
    (KIND_DEPTH, BUY, 3, 100, 9, 11, 5 - 1),  # grows: to the end of the line
    (KIND_DEPTH, BUY, 3, 100, 6, 12, 2),
    (KIND_TRADE, SELL, 3, 100, 2, 12, 0),
    (KIND_DEPTH, BUY, 3, 100, 3, 12, 2),
    (KIND_DEPTH, SELL, 3, 101, 4, 13, 8),
    (KIND_DEPTH, SELL, SEEN_LOCAL, 101, 1, 13, 0),  # the exchange's clock alone counts
    (KIND_DEPTH, SELL, SEEN_EXCHANGE, 101, 3, 13, 8),
    (KIND_DEPTH, BUY, 3, 100, 2, 99, 0),  # one that was there before the recording
    (KIND_CLEAR, 0, 3, 0, 0, 0, 0),
    (KIND_DEPTH, BUY, 3, 100, 1, 14, 13),
]


def table():
    rows = [(kind, side, seen, 10 + at, 10 + at, price, lots)
            for at, (kind, side, seen, price, lots, _, _) in enumerate(STORY)]  # fmt: skip
    return np.array(rows, dtype=np.int64).reshape(-1, EVENT_COLUMNS)


def test_an_order_keeps_its_place_until_it_grows():
    """Arrivals, partial cancels, growth, prints and clears, one after the other."""
    ids = np.array([row[5] for row in STORY], dtype=np.uint64)
    assert births(table(), ids).tolist() == [row[6] for row in STORY]


def test_a_recording_without_ids_has_no_births():
    """An empty array says so."""
    assert births(table(), np.zeros(len(STORY), dtype=np.uint64)).size == 0


def test_ids_may_all_be_given():
    """No event without an order."""
    ids = np.arange(1, len(STORY) + 1).astype(np.uint64)
    assert births(table(), ids)[[1, 2, 4]].tolist() == [1, 2, 4]


def test_a_tape_carries_the_births_of_its_level_changes():
    """Row by row, whatever the segments."""
    events = day.split_events()
    born = np.random.default_rng(1).integers(0, 99, len(events)).astype(np.int32)
    builder = TapeBuilder(events, settings=day.OBSERVER, born=born, **day.TOLD)
    for now in (builder.first_ns + 500 * day.SECOND, builder.first_ns + 10**4 * day.SECOND):
        stream = builder.advance(now).stream
        assert len(stream.segments) > 0
        assert (stream.level_born == born[stream.level_events]).all()
