"""A recording is lived through again, and what lies between is not taken for a move."""

import numpy as np
import pytest

from exchange.binance.rows import MarketRows, lost_event
from exchange.importers.synthetic import synthetic_recording
from market.features import observer_settings
from market.layout import (
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOCAL_NS,
    EVENT_PRICE_TICKS,
    KIND_CLEAR,
    VIEW_READY,
    VIEW_SIGMA,
)
from market.tape import grid_of

SECOND_NS = 10**9
GAP_NS = 200 * SECOND_NS


@pytest.fixture(scope="module")
def events():
    """Twenty minutes of an artificial market."""
    return synthetic_recording(seed=3, hours=1 / 3).events


def rows_of(events):
    """Return events as they are added, one by one."""
    return [tuple(row) for row in events.tolist()]


def later(events):
    """Return the same market some minutes later, a hundredth dearer."""
    moved = events.copy()
    last_ns = int(events[:, EVENT_LOCAL_NS].max())
    first_ns = int(events[0, EVENT_LOCAL_NS])
    for column in (EVENT_EXCH_NS, EVENT_LOCAL_NS):
        moved[:, column] += last_ns + GAP_NS - first_ns
    priced = moved[:, EVENT_KIND] != KIND_CLEAR
    moved[priced, EVENT_PRICE_TICKS] += int(np.median(moved[priced, EVENT_PRICE_TICKS])) // 100
    return moved


def sigma_after(rows, events):
    """Live through events; return the volatility half a minute after they began."""
    first_ns, _ = grid_of(events, SECOND_NS)
    for now_ns in range(first_ns, first_ns + 30 * SECOND_NS, SECOND_NS):
        _, view, _ = rows.observe(now_ns)
    assert view[VIEW_READY] == 1.0
    return view[VIEW_SIGMA]


def settings():
    """Return the observer of a short cycle."""
    return observer_settings(cycle_s=5.0, warmup_s=60.0)


def test_features_go_on_after_a_restart_and_the_gap_is_no_move(events):
    """The price moved by a hundredth while nobody looked: that says nothing of its volatility."""
    calm = MarketRows(settings())
    calm.add(rows_of(events))
    first_ns, last_ns = grid_of(events, SECOND_NS)
    for now_ns in range(first_ns, last_ns + 1, SECOND_NS):
        _, view, _ = calm.observe(now_ns)
    rows, moved = MarketRows(settings()), later(events)
    rows.recall(events, SECOND_NS)
    rows.add(rows_of(moved))
    assert sigma_after(rows, moved) == pytest.approx(view[VIEW_SIGMA], rel=0.2)


def test_a_gap_within_what_is_recalled_is_no_move_either(events):
    """It was recorded by two lives of the executor, the second of which began with a clear."""
    moved = later(events)
    began = moved[0]
    clear = lost_event(int(began[EVENT_EXCH_NS]), int(began[EVENT_LOCAL_NS]))
    once, twice = MarketRows(settings()), MarketRows(settings())
    once.recall(events, SECOND_NS)
    twice.recall(np.concatenate([events, np.array([clear]), moved]), SECOND_NS)
    again = later(moved)
    once.add(rows_of(again))
    twice.add(rows_of(again))
    assert sigma_after(twice, again) == pytest.approx(sigma_after(once, again), rel=0.5)


def test_only_what_is_new_reaches_the_recorder(events):
    """What was recorded before is not recorded again."""
    rows, taken = MarketRows(settings()), []
    rows.recall(events, SECOND_NS)
    moved = later(events)
    rows.add(rows_of(moved[:5]))
    rows.hand_on(taken.append)
    rows.add(rows_of(moved[5:9]))
    assert np.array_equal(np.concatenate(taken), moved[:9])
