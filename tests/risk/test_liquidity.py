"""Closing a position: the figures of people, from the kernel that caps what may be carried."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.book import apply, new_book
from market.layout import (
    BUY,
    KIND_DEPTH,
    SCALE_COLUMNS,
    SCALE_TICK_LOT,
    SELL,
    STEP_ASK,
    STEP_BID,
    STEP_NOW_NS,
    VIEW_COLUMNS,
    VIEW_FLOW,
    VIEW_SIGMA,
)
from market.tape import build_tape
from risk.liquidity import book_at, flatten, seconds_to_close
from tests.market import day

SCALE = np.zeros(SCALE_COLUMNS, dtype=np.int64)
SCALE[SCALE_TICK_LOT] = 1_000_000  # a tick on a lot is 0.01


def view(*, sigma=0.5, flow=4.0):
    row = np.zeros(VIEW_COLUMNS)
    row[VIEW_SIGMA], row[VIEW_FLOW] = sigma, flow
    return row


def shown():
    """Return a book around 1,000 with five lots on the bid side and ten asked."""
    levels, touch = new_book(900, 200)
    for side, price, lots in ((BUY, 999, 3), (BUY, 997, 2), (SELL, 1_001, 10)):
        apply(levels, touch, KIND_DEPTH, side, price, lots)
    return levels, touch


def test_a_long_position_is_closed_on_the_bids_and_then_behind_them():
    """Nine lots: three a tick away, two three ticks, four at 3 + 0.5 sqrt(4 / 4): 23 ticks."""
    found = flatten(9, *shown(), view(), SCALE, participation=0.25)
    assert found.worth == pytest.approx(90.0)
    assert found.cost == pytest.approx(0.01 * (3 + 6 + 4 * 3.5))
    assert found.share == pytest.approx(found.cost / 90.0)
    assert (found.book_lots, found.seconds) == (5, 9.0)
    short = flatten(-9, *shown(), view(), SCALE, participation=0.25)
    assert (short.cost, short.book_lots) == (pytest.approx(0.09), 9)


def test_what_nothing_takes_is_never_closed():
    """Neither the book nor any flow: an infinite cost, and no end; flat costs nothing."""
    found = flatten(6, *shown(), view(flow=0.0), SCALE, participation=1.0)
    assert found.cost == found.seconds == math.inf
    flat = flatten(0, *shown(), view(flow=0.0), SCALE, participation=1.0)
    assert (flat.cost, flat.share, flat.seconds) == (0.0, 0.0, 0.0)


@settings(max_examples=60, deadline=None)
@given(lots=st.integers(1, 40), sigma=st.floats(0.0, 5.0), flow=st.floats(0.01, 50.0))
def test_a_larger_position_costs_more_a_lot_and_takes_longer(lots, sigma, flow):
    """So one bound of the share is one bound of the size."""
    told = (*shown(), view(sigma=sigma, flow=flow), SCALE)
    small = flatten(lots, *told, participation=0.1)
    large = flatten(lots + 1, *told, participation=0.1)
    assert large.share >= small.share * (1 - 1e-12)
    assert large.seconds > small.seconds
    assert large.seconds == seconds_to_close(lots + 1, flow, 0.1)


def test_the_book_of_a_time_is_the_one_that_the_tape_saw():
    """Best prices at some steps of a day."""
    tape = build_tape(day.events(), settings=day.OBSERVER, **day.TOLD)
    for step in tape.steps[100::400]:
        _, touch = book_at(day.events(), int(step[STEP_NOW_NS]))
        assert (touch[0], touch[1]) == (step[STEP_BID], step[STEP_ASK])


def test_a_book_without_two_sides_and_a_share_out_of_range_are_refused():
    """There is no mid to cost against."""
    with pytest.raises(ValueError, match="two-sided"):
        flatten(1, *new_book(900, 200), view(), SCALE, participation=0.1)
    for wrong in (0.0, 1.5, math.nan):
        with pytest.raises(ValueError, match="participation"):
            flatten(1, *shown(), view(), SCALE, participation=wrong)
