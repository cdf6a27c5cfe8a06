"""Stress scenarios: each figure by hand, and what must hold of any book, position and orders."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.layout import BUY, SELL
from risk.stress import (
    ALL,
    HISTORY,
    PARAMETRIC,
    Desk,
    Scenario,
    moved,
    outcome,
    stress,
    worse_side,
    worst_moves,
)

NO_ORDERS = np.zeros((0, 3), dtype=np.int64)


def desk(lots=10, orders=NO_ORDERS, **more):
    """Mid 100 ticks, touch half a tick away, 5 lots a level, a tick and lot worth 1 USDT."""
    side = np.column_stack([np.arange(1.0, 40.0, 2.0), np.full(20, 5.0)])
    told = {
        "half_ticks": 200, "bids": side, "asks": side, "lots": lots, "orders": orders,
        "cash": 1_000.0, "equity": 2_000.0, "sigma": 0.01, "flow": 0.5, "tick_lot": 1.0,
        "quote": "USDT", "participation": 0.1,
    }  # fmt: skip
    return Desk(**told | more)


def orders_of(*rows):
    return np.array(rows, dtype=np.int64)


def test_a_gap_costs_the_position_and_the_closing_on_the_book():
    """Ten lots fall by 20 ticks; closing takes 5 at half a tick and 5 at one and a half."""
    found = moved(desk(), Scenario("gap", (-0.2,)), -0.2)
    assert found.closing == pytest.approx(5 * 0.5 + 5 * 1.5)
    assert found.loss == pytest.approx(200.0 + 10.0)
    assert found.lots == 10
    assert found.margin == pytest.approx(2_000.0 - 210.0)
    assert found.seconds == pytest.approx(10 / (0.1 * 0.5))
    assert outcome(desk(-10), Scenario("gap", (-0.2,))).loss == pytest.approx(-200.0 + 10.0)


def test_a_move_fills_the_orders_that_it_runs_over_at_their_own_price():
    """Bids at 99 and 95 are filled by a fall to 90, the bid at 80 and the ask are not."""
    book = orders_of((BUY, 99, 3), (BUY, 95, 2), (BUY, 80, 9), (SELL, 101, 4))
    found = moved(desk(0, book), Scenario("gap", (-0.1,)), -0.1)
    assert found.lots == 5
    assert found.loss - found.closing == pytest.approx(3 * 9 + 2 * 5)
    risen = moved(desk(0, book), Scenario("gap", (0.1,)), 0.1)
    assert risen.lots == -4
    assert risen.loss - risen.closing == pytest.approx(4 * 9)


def test_spread_and_depth_make_closing_dearer_and_the_rest_goes_by_the_square_root_law():
    """Ten times the touch's distance is added; a tenth of the depth leaves lots to the law."""
    wide = outcome(desk(), Scenario("spread", (0.0,), spread=10.0))
    assert wide.loss == pytest.approx(10.0 + 10 * 9 * 0.5)
    thin = outcome(desk(20), Scenario("depth", (0.0,), depth=10.0))
    taken = sum(0.5 * (0.5 + level) for level in range(20))
    beyond = 10 * (19.5 + 0.01 * math.sqrt(10 / 0.5))
    assert thin.loss == pytest.approx(taken + beyond)
    stuck = outcome(desk(20, flow=0.0), Scenario("depth", (0.0,), depth=10.0))
    assert math.isinf(stuck.loss)
    assert math.isinf(stuck.seconds)


def test_volatility_outage_and_correlation_are_taken_the_worse_way():
    """2.326 sigma over an hour, five times that, and the others' sigmas beside it."""
    hour = 2.3263478740408408 * 0.01 * 60.0
    calm = outcome(desk(), Scenario("outage", outage_s=3_600.0))
    assert calm.move == pytest.approx(-hour / 100.0)
    assert calm.loss - calm.closing == pytest.approx(10 * hour)
    assert calm.seconds == pytest.approx(3_600.0 + 200.0)
    assert outcome(desk(-10), Scenario("outage", outage_s=3_600.0)).move > 0
    wild = outcome(desk(), Scenario("volatility", volatility=5.0))
    assert wild.loss - wild.closing == pytest.approx(50 * hour)
    joint = outcome(desk(others=(3.0, 4.0)), Scenario("one", correlated=True))
    assert joint.loss - calm.loss == pytest.approx(2.3263478740408408 * 7.0)


def test_a_peg_takes_its_share_of_the_cash_and_is_asked_of_stable_assets_alone():
    """A tenth of 1,000; BTC has no peg."""
    found = {each.name: each for each in stress(desk(0))}
    assert found["quote asset 10 % off its peg"].loss == pytest.approx(100.0)
    assert len(found) == len(ALL)
    assert len(stress(desk(0, quote="BTC"))) == len(ALL) - 1


def test_a_perpetual_position_needs_margin():
    """What is left over 1 % of the worth after the fall."""
    found = moved(desk(maintenance=0.01), Scenario("gap", (-0.5,)), -0.5)
    assert found.margin == pytest.approx(2_000.0 - found.loss - 0.01 * 10 * 50.0)


def test_the_worst_moves_of_prices_know_no_longer_span_than_asked():
    """By hand: 10 to 8 within two steps, 8 to 12 within one."""
    times = np.array([0, 1, 2, 3, 10], dtype=np.int64)
    prices = np.array([10.0, 9.0, 8.0, 12.0, 3.0])
    assert worst_moves(times, prices, 1) == pytest.approx((-1.0 / 9.0, 0.5))
    assert worst_moves(times, prices, 2) == pytest.approx((-0.2, 0.5))
    assert worst_moves(times, prices, 7) == pytest.approx((-0.75, 0.5))
    assert worst_moves(times[:1], prices[:1], 7) == (0.0, 0.0)


@given(
    lots=st.integers(-60, 60),
    orders=st.lists(
        st.tuples(st.sampled_from([BUY, SELL]), st.integers(1, 99), st.integers(1, 30)), max_size=6
    ),
)
def test_more_of_the_same_is_never_cheaper(lots, orders):
    """A wider spread, a thinner book, a wilder market, and for one who is long a deeper gap."""
    rows = [(side, 100 - side * away, size) for side, away, size in orders]
    held = desk(lots, orders_of(*rows) if rows else NO_ORDERS)
    for mild, hard in (
        (Scenario("a", (0.0,)), Scenario("b", (0.0,), spread=10.0)),
        (Scenario("a", (0.0,)), Scenario("b", (0.0,), depth=10.0)),
        (Scenario("a"), Scenario("b", volatility=5.0)),
    ):
        assert outcome(held, hard).closing >= outcome(held, mild).closing - 1e-9 or not hard.moves
        assert outcome(held, hard).loss >= outcome(held, mild).loss - 1e-9 or not hard.moves
    if lots >= 0 and all(side == BUY for side, _, _ in rows):
        shallow, deep = (outcome(held, Scenario("gap", (share,))) for share in (-0.1, -0.2))
        assert deep.loss - deep.closing >= shallow.loss - shallow.closing - 1e-9
    assert all(abs(each.lots) <= worse_side(held) for each in stress(held))


def test_every_scenario_of_the_page_is_asked():
    """Gaps both ways, spread, depth, volatility, correlation, peg, outage, and the history."""
    names = {each.name for each in PARAMETRIC}
    assert {f"gap {sign}{share}%" for sign in "+-" for share in (5, 10, 20)} <= names
    assert len(PARAMETRIC) == 12
    assert all(each.source for each in HISTORY)
    flat = desk(0)
    assert all(each.loss == 0.0 for each in stress(replace(flat, cash=0.0)))
