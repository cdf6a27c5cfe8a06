"""The book: against a plain one, and by hand."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from market import book
from market.layout import (
    ASK_ROW,
    BID_ROW,
    BUY,
    EVENT_COLUMNS,
    KIND_CLEAR,
    KIND_DEPTH,
    KIND_SNAPSHOT,
    KIND_TRADE,
    NO_ASK,
    NO_BID,
    SELL,
    TOUCH_ASK,
    TOUCH_ASKS,
    TOUCH_BID,
    TOUCH_BIDS,
    TOUCH_OUTSIDE,
)
from tests.twins.book import Book

BASE, WIDTH = 90, 24
CHANGE = st.tuples(
    st.sampled_from([KIND_DEPTH, KIND_DEPTH, KIND_DEPTH, KIND_SNAPSHOT, KIND_CLEAR]),
    st.sampled_from([BUY, SELL, 0]),
    st.integers(BASE, BASE + WIDTH - 1),
    st.integers(0, 3),
)


def held(levels, row):
    return {BASE + int(at): int(levels[row, at]) for at in np.flatnonzero(levels[row])}


def rows(*events):
    table = [[kind, side, 3, at, at, price, lots] for at, (kind, side, price, lots) in events]
    return np.array(table, dtype=np.int64).reshape(-1, EVENT_COLUMNS)


def filled(*changes):
    levels, touch = book.new_book(BASE, WIDTH)
    for kind, side, price, lots in changes:
        book.apply(levels, touch, kind, side, price, lots)
    return levels, touch


@settings(max_examples=150, deadline=None)
@given(st.lists(CHANGE, max_size=40))
def test_the_book_agrees_with_a_plain_one(changes):
    """Levels, best prices, the lots held before, and the count of levels."""
    levels, touch = book.new_book(BASE, WIDTH)
    slow = Book()
    for kind, asked, price, lots in changes:
        side = asked if asked or kind == KIND_CLEAR else BUY
        before = book.apply(levels, touch, kind, side, price, lots)
        assert before == slow.apply(kind, side, price, lots)
        assert held(levels, BID_ROW) == slow.bids
        assert held(levels, ASK_ROW) == slow.asks
        assert (touch[TOUCH_BID], touch[TOUCH_ASK]) == (slow.bid, slow.ask)
        assert (touch[TOUCH_BIDS], touch[TOUCH_ASKS]) == (len(slow.bids), len(slow.asks))
        assert book.crossed(touch) == (bool(slow.bids and slow.asks) and slow.bid >= slow.ask)


def test_the_best_price_moves_back_when_its_level_empties():
    """The next level behind it, however far."""
    levels, touch = filled((KIND_DEPTH, BUY, 100, 5), (KIND_DEPTH, BUY, 91, 2))
    assert book.apply(levels, touch, KIND_DEPTH, BUY, 100, 0) == 5
    assert touch[TOUCH_BID] == 91
    assert book.apply(levels, touch, KIND_DEPTH, BUY, 91, 0) == 2
    assert touch[TOUCH_BID] == NO_BID


def test_a_clear_empties_its_side_down_to_its_price():
    """What rests beyond the price stays."""
    levels, touch = filled(*((KIND_DEPTH, BUY, price, 1) for price in (95, 96, 97, 98)))
    book.apply(levels, touch, KIND_CLEAR, BUY, 97, 0)
    assert (touch[TOUCH_BID], touch[TOUCH_BIDS]) == (96, 2)


def test_a_clear_without_a_price_empties_the_asks():
    """Its price is 0 or far above every ask."""
    for price in (0, 1 << 40):
        levels, touch = filled((KIND_DEPTH, SELL, 101, 1), (KIND_DEPTH, SELL, 110, 1))
        book.apply(levels, touch, KIND_CLEAR, SELL, price, 0)
        assert touch[TOUCH_ASK] == NO_ASK
        assert not levels.any()


def test_a_price_outside_the_window_is_counted_and_changes_nothing():
    """The count says whether the window was wide enough."""
    levels, touch = filled((KIND_DEPTH, BUY, BASE - 1, 7), (KIND_DEPTH, SELL, BASE + WIDTH, 7))
    assert touch[TOUCH_OUTSIDE] == 2
    assert not levels.any()
    assert (touch[TOUCH_BID], touch[TOUCH_ASK]) == (NO_BID, NO_ASK)


def test_the_window_reaches_from_nothing_to_eight_times_the_price():
    """The price is the median trade; without one the middle of the best quotes."""
    quotes = [
        (1, (KIND_DEPTH, BUY, 5, 5)),
        (2, (KIND_DEPTH, BUY, 900, 5)),
        (3, (KIND_DEPTH, SELL, 80, 0)),
        (4, (KIND_DEPTH, SELL, 1_000, 5)),
        (5, (KIND_DEPTH, SELL, 9_999, 5)),
    ]
    trades = [(6, (KIND_TRADE, SELL, price, 5)) for price in (940, 7, 960)]
    assert book.window_for(rows(*quotes)) == (0, 8 * 950)
    assert book.window_for(rows(*quotes, *trades)) == (0, 8 * 940)
    assert book.window_for(rows(quotes[1])) == (0, 8 * 900)


def test_the_window_of_a_fine_tick_stands_around_the_price():
    """It stays as it is when a few more trades are known."""
    far = 1 << 30
    windows = [
        book.window_for(rows(*((at, (KIND_TRADE, BUY, far + at, 1)) for at in range(1, count))))
        for count in (2, 3, 90)
    ]
    base, width = windows[0]
    assert windows == [(base, book.WIDTH_MAX)] * 3
    assert base + width // 4 < far < base + width * 4 // 5


def test_a_window_looks_at_the_head_of_a_recording():
    """What comes later changes nothing: a tape is built online."""
    head = np.tile(rows((1, (KIND_TRADE, BUY, 100, 1))), (book.HEAD_ROWS, 1))
    tail = rows((2, (KIND_TRADE, BUY, 9_000, 1)))
    assert book.window_for(np.concatenate([head, tail])) == (0, 800)


def test_an_empty_recording_has_a_window():
    """Nothing to hold, nothing to fail on."""
    assert book.window_for(rows()) == (0, 1)
