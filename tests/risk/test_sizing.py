import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.account import Setup, open_account
from market.breach import (
    RISK_LIQUID_LOTS,
    RISK_PORTFOLIO_LOTS,
    RISK_VALUE_LOTS,
    limit_settings,
    position_cap_lots,
)
from market.guard import guard_settings
from market.layout import ASK_ROW, BID_ROW, LEDGER_MARK, SCALE_MIN_LOTS
from market.policy import KELLY_FRACTION, POLICY_CAPITAL, observe_profit, policy_settings
from market.queueing import fill_model
from risk.sizing import Bound, Room, exposure_within, kelly_fraction, sized, sizing_of
from risk.var import Model, Tail, tail
from tests.market.test_policy import Desk

TUNING = policy_settings(capital=10_000.0)
PROBE = 0.1
LOTS = st.integers(-50, 10_000)


@settings(max_examples=300, deadline=None)
@given(
    base=st.integers(0, 10_000),
    fraction=st.floats(1e-6, 1.0),
    room=st.builds(Room, LOTS, LOTS, LOTS, LOTS),
    least=st.integers(1, 200),
)
def test_no_order_is_above_any_cap_or_below_the_smallest(base, fraction, room, least):
    """Whatever Kelly says, every cap holds; what is left is legal or nothing."""
    found = sized(base, fraction, room, least)
    caps = (base, room.max_position, room.value_at_risk, room.liquidity, room.portfolio)
    assert found.lots == 0 or least <= found.lots <= min(caps)
    if min(caps) >= least:
        assert found.lots >= least  # the probe stays alive
    if found.lots:
        named = {
            Bound.MAX_POSITION: room.max_position,
            Bound.VALUE_AT_RISK: room.value_at_risk,
            Bound.LIQUIDITY: room.liquidity,
            Bound.PORTFOLIO: room.portfolio,
        }
        assert found.lots == named.get(found.bound, found.lots)


@settings(max_examples=200, deadline=None)
@given(
    base=st.integers(0, 10_000),
    fractions=st.tuples(st.floats(1e-6, 1.0), st.floats(1e-6, 1.0)),
    room=st.builds(Room, LOTS, LOTS, LOTS),
    more=st.integers(0, 100),
    least=st.integers(1, 200),
)
def test_more_edge_or_more_room_never_makes_an_order_smaller(base, fractions, room, more, least):
    """Size rises with Kelly's share and with each cap."""
    low, high = sorted(fractions)
    now = sized(base, low, room, least).lots
    wider = Room(room.max_position + more, room.value_at_risk + more, room.liquidity + more)
    assert now <= sized(base, high, room, least).lots
    assert now <= sized(base, low, wider, least).lots


def test_the_bound_that_decided_is_named():
    """An operator reads why an order is small."""
    wide = Room(100, 100, 100)
    assert (sized(50, 0.5, wide, 1).lots, sized(50, 0.5, wide, 1).bound) == (25, Bound.KELLY)
    assert sized(50, 1.0, Room(100, 7, 100), 1).bound is Bound.VALUE_AT_RISK
    assert sized(50, 1.0, Room(100, 100, 9), 1).bound is Bound.LIQUIDITY
    assert sized(50, 1.0, Room(-3, 100, 9), 1) == sized(50, 1.0, Room(-3, 9, 9), 1)
    assert sized(50, 1.0, Room(4, 100, 100), 5).bound is Bound.MINIMUM
    assert sized(50, 0.01, wide, 5).lots == 5
    assert sized(10, 0.3, wide, 1).lots == 3


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    mean=st.floats(-0.01, 0.01),
    sigma=st.floats(1e-6, 0.05),
    count=st.integers(0, 300),
)
def test_kelly_stays_between_the_probe_and_all_of_it(seed, mean, sigma, count):
    """No history makes the size fall below the probe or exceed what the optimizer gave."""
    returns = np.random.default_rng(seed).normal(mean, sigma, count)
    assert PROBE <= kelly_fraction(returns, TUNING) <= 1.0


def test_a_mean_within_its_error_is_no_edge():
    """Luck is not sized: the lower bound has to be above zero, and a loser keeps the probe."""
    noise = np.tile([0.01, -0.01], 200)
    assert kelly_fraction(noise, TUNING) == PROBE
    assert kelly_fraction(noise - 0.001, TUNING) == PROBE
    assert kelly_fraction(noise + 0.01, TUNING) == 1.0


def test_the_same_edge_with_more_risk_is_sized_smaller():
    """Edge over variance: four times the variance, less than the size."""
    signs = np.tile([1.0, -1.0], 300)
    sizes = [kelly_fraction(0.02 + spread * signs, TUNING) for spread in (0.1, 0.14, 0.2)]
    assert sizes[0] > sizes[1] > sizes[2] >= PROBE


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), gross=st.floats(1.0, 1e6), limit=st.floats(0.01, 1e4))
def test_an_exposure_within_a_limit_risks_just_that(seed, gross, limit):
    """What is allowed, put back into the estimate, gives the limit."""
    rows = np.random.default_rng(seed).normal(0.0, 0.01, (150, 2))
    held = gross * np.array([0.75, -0.25])
    found = tail(rows, held, level=0.99, model=Model())
    most = exposure_within(found, gross, limit)
    again = tail(rows, held * most / gross, level=0.99, model=Model())
    assert again.value_at_risk == pytest.approx(limit, rel=1e-9)


def test_figures_out_of_range_are_refused():
    """A fraction of zero would end learning, one of two would double the optimizer's word."""
    for wrong in ((-1, 0.5, 1), (1, 0.0, 1), (1, 2.0, 1), (1, math.nan, 1), (1, 0.5, 0)):
        base, fraction, least = wrong
        with pytest.raises(ValueError, match="needed"):
            sized(base, fraction, Room(1, 1, 1), least)
    still = Tail(0.0, 0.0, 0.99, 100)
    assert exposure_within(still, 1.0, 1.0) == math.inf
    with pytest.raises(ValueError, match="gross"):
        exposure_within(still, 0.0, 1.0)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 1_000),
    edge=st.floats(-0.02, 0.02),
    base=st.floats(0.0, 0.6),
    caps=st.tuples(*[st.integers(0, 80)] * 3),
    position=st.sampled_from([0.0, 0.001, 0.05, 1.0]),
)
def test_the_executor_decides_what_is_told_here(seed, edge, base, caps, position):
    """The innermost quotes of a flat account are the size, by the very kernel of every decision."""
    desk = Desk(flow_share=0.0)
    desk.parameters[1:] = 1.0, max(0.001, base), 1.0
    desk.scale[SCALE_MIN_LOTS] = 3
    limits = limit_settings(capital_units=10**13, max_position_fraction=position)
    setup = Setup(
        scale=desk.scale, model=fill_model(), limits=limits, policy=desk.tuning,
        guarding=guard_settings(), cycle=np.array([1]), opening=np.array([10**13, 0, 0]),
    )  # fmt: skip
    account = open_account(setup, trips=0)
    account.ledger[LEDGER_MARK] = 2_001
    account.risk[[RISK_VALUE_LOTS, RISK_LIQUID_LOTS, RISK_PORTFOLIO_LOTS]] = caps
    for profit in np.random.default_rng(seed).normal(edge, 0.01, 120):
        account.kelly[KELLY_FRACTION] = 1.0
        observe_profit(profit * desk.tuning[POLICY_CAPITAL], desk.tuning, account.kelly)
    desk.kelly = account.kelly
    cap = int(position_cap_lots(2_001, limits, desk.scale))
    desk.decide(cap=min(cap - cap // 100, *caps))
    found = sizing_of(account, setup, desk.parameters)
    for row in (BID_ROW, ASK_ROW):
        shown = desk.quotes(row)
        assert found.order.lots == (shown[0][1] if shown else 0)
    if found.fraction > 0.0:
        assert PROBE <= found.fraction <= 1.0
    assert found.observations == 120
