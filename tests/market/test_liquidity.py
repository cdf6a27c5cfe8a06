"""What closing at once costs: by hand, against a twin that takes lot after lot, and as laws."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market import liquidity as liq
from market.book import apply, new_book
from market.layout import ASK_ROW, BID_ROW, BUY, KIND_DEPTH, SELL
from tests.twins import liquidity as twin

BASE, WIDTH = 900, 200
SIDES = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 6)), max_size=8)


def book(bids, asks):
    """Return (levels, touch) of a book with these (price, lots)."""
    levels, touch = new_book(BASE, WIDTH)
    for side, rows in ((BUY, bids), (SELL, asks)):
        for price, lots in rows:
            apply(levels, touch, KIND_DEPTH, side, price, lots)
    return levels, touch


def ladder(side, drawn):
    """Return (price, lots) at ever larger distances from 1,000, best first."""
    rows = dict(drawn)
    return [(1_000 - side * away, rows[away]) for away in sorted(rows)]


def cost_of(shown, row, lots, sigma, flow):
    depth = np.empty(liq.DEPTH_COLUMNS)
    return liq.flatten_cost(*shown, row, lots, sigma, flow, depth)


def room(shown, row, most, share, sigma=1.0, flow=1.0):
    depth = np.empty(liq.DEPTH_COLUMNS)
    liq.walk_side(*shown, row, float(most), share, depth)
    half = int(shown[1][0] + shown[1][1])
    return liq.room_lots(depth, half, float(most), share, sigma, flow)


def test_a_book_is_walked_level_by_level_and_then_left_behind():
    """Three lots at 999 and two at 997 round 1,000; four more cost 3 + 0.5 sqrt(4 / 4) each."""
    shown = book([(999, 3), (997, 2)], [(1_001, 50)])
    assert cost_of(shown, BID_ROW, 3.0, 0.5, 4.0) == (6.0, 3.0)
    assert cost_of(shown, BID_ROW, 5.0, 0.5, 4.0) == (6.0 + 12.0, 5.0)
    assert cost_of(shown, BID_ROW, 9.0, 0.5, 4.0) == (18.0 + 4 * (6.0 + 1.0), 5.0)
    assert cost_of(shown, BID_ROW, 9.0, 0.5, 0.0) == (math.inf, 5.0)
    assert cost_of(shown, ASK_ROW, 9.0, 0.5, 0.0) == (18.0, 9.0)


def test_the_room_ends_where_the_cost_does():
    """A thousandth of 1,000 is one tick: the lots at 999 fit, one at 997 is two ticks too dear."""
    shown = book([(999, 3), (997, 2)], [(1_001, 3), (1_002, 9)])
    assert room(shown, BID_ROW, 100, 0.001) == 3
    assert room(shown, BID_ROW, 100, 0.0019) == 5  # 3 x 1 + 2 x 3 of 5 x 1.9
    assert room(shown, BID_ROW, 2, 0.001) == 2
    assert room(shown, BID_ROW, 100, 0.0001) == 0  # the spread alone is more
    assert room(shown, BID_ROW, 100, 0.01, flow=0.0) == 5  # nothing trades: the book is all
    assert room(book([(999, 3)], []), BID_ROW, 100, 0.5) == 0


@settings(max_examples=150, deadline=None)
@given(
    bids=SIDES.filter(bool),
    asks=SIDES.filter(bool),
    lots=st.integers(0, 60),
    share=st.floats(1e-4, 0.05),
    sigma=st.floats(0.0, 5.0),
    flow=st.sampled_from([0.0, 0.01, 1.0, 50.0]),
)
def test_cost_and_room_agree_with_lots_taken_one_by_one(bids, asks, lots, share, sigma, flow):
    """On both sides of any book, and what fits costs no more than it may."""
    rows = {BID_ROW: ladder(BUY, bids), ASK_ROW: ladder(SELL, asks)}
    shown = book(rows[BID_ROW], rows[ASK_ROW])
    half = int(shown[1][0] + shown[1][1])
    for row, levels in rows.items():
        cost, held = cost_of(shown, row, float(lots), sigma, flow)
        assert cost == pytest.approx(twin.cost_of(levels, half, lots, sigma, flow))
        assert held == min(lots, sum(each for _, each in levels))
        found = room(shown, row, 60, share, sigma, flow)
        assert found == pytest.approx(twin.room_of(levels, half, 60, share, sigma, flow), abs=0)


@settings(max_examples=100, deadline=None)
@given(bids=SIDES.filter(bool), share=st.floats(1e-4, 0.05), sigma=st.floats(0.0, 5.0))
def test_more_depth_or_more_flow_is_never_less_room(bids, share, sigma):
    """Nor does a dearer way make room."""
    asks = [(1_001, 1)]
    rows = ladder(BUY, bids)
    shown, deeper = book(rows, asks), book([(p, 2 * n) for p, n in rows], asks)
    now = room(shown, BID_ROW, 500, share, sigma)
    assert room(deeper, BID_ROW, 500, share, sigma) >= now
    assert room(shown, BID_ROW, 500, share, sigma, flow=9.0) >= now
    assert room(shown, BID_ROW, 500, 0.9 * share, sigma) <= now
