"""One decision: which sides, how wide, how shifted, how large."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market import breach, frame, guard, policy, refresh
from market.layout import (
    ASK_ROW,
    BID_ROW,
    LADDER_LOTS,
    LADDER_PRICE_TICKS,
    PARAMETER_COLUMNS,
    PLAN_DYNAMIC,
    SCALE_COLUMNS,
    SCALE_LOT,
    SCALE_MIN_LOTS,
    SCALE_TICK_LOT,
    STEP_ASK,
    STEP_BID,
    STEP_COLUMNS,
    VIEW_COLUMNS,
    VIEW_DRIFT,
    VIEW_FLOW,
    VIEW_MID,
    VIEW_READY,
    VIEW_SIGMA,
)
from market.quotes import LOTS_HUGE

RICH = 10**17


class Desk:
    """One market in which decisions are made: mid 1000.5, half spread 10 ticks, 100 lots."""

    def __init__(self, **tuning):
        self.step = np.zeros(STEP_COLUMNS, dtype=np.int64)
        self.step[STEP_BID], self.step[STEP_ASK] = 1000, 1001
        self.view = np.zeros(VIEW_COLUMNS)
        self.view[[VIEW_MID, VIEW_READY, VIEW_FLOW]] = 1000.5, 1.0, 10.0
        self.plan = np.array([8.0, 8.0, 4.0])
        self.parameters = np.zeros(PARAMETER_COLUMNS)
        self.parameters[:] = 2000 / 1000.5, 3, 0.1, 1.0  # spread in percent: h is 10 ticks
        self.scale = np.zeros(SCALE_COLUMNS, dtype=np.int64)
        self.scale[[SCALE_TICK_LOT, SCALE_LOT, SCALE_MIN_LOTS]] = 1000, 10**6, 1
        self.tuning = policy.policy_settings(capital=1000.0, **tuning)
        self.kelly = policy.new_kelly()
        self.proposal = policy.new_proposal()
        self.state, self.ladder, _ = guard.new_guard()

    def decide(self, position=0, risk=breach.ACTIVE, cap=LOTS_HUGE):
        """Decide once and return the action."""
        return policy.decide(
            self.step, self.view, self.plan, position, RICH, RICH, cap, self.parameters,
            self.scale, self.tuning, self.kelly, risk, self.proposal, self.state, self.ladder,
        )  # fmt: skip

    def quotes(self, row):
        """Return a side of the ladder as (price, lots)."""
        lots = self.ladder[row, :, LADDER_LOTS]
        return [(int(p), int(n)) for p, n in self.ladder[row][lots > 0]]


def test_a_decision_writes_the_whole_formula():
    """Depths of 8 on both sides, inside [0.5h, 3h]: offsets 8, 12, 16, ten lots each."""
    desk = Desk()
    assert desk.decide() == policy.BOTH
    assert desk.quotes(BID_ROW) == [(992, 10), (988, 10), (984, 10)]
    assert desk.quotes(ASK_ROW) == [(1009, 10), (1013, 10), (1017, 10)]


def test_a_long_position_leans_down_along_the_plan():
    """At x = 0.5, r = -2, so bids fall by two ticks and asks too."""
    desk = Desk()
    desk.decide(position=50)
    assert desk.quotes(BID_ROW)[0] == (990, 10)
    assert desk.quotes(ASK_ROW)[0] == (1007, 10)


@pytest.mark.parametrize(("sigma", "share"), [(0.5, 0.5), (1.0, 1.0), (9.0, 4.0), (0.1, 0.25)])
def test_the_frame_follows_volatility_where_it_is_told_to(sigma, share):
    """In proportion, within a quarter and four times; the plan's 40 ticks meet 3h of the frame."""
    desk = Desk(volatility=1.0 / 1000.5)
    desk.view[VIEW_SIGMA] = sigma
    desk.plan[:] = 40.0, 40.0, 0.0
    desk.decide()
    width = min(3 * 10 * share, max(0.5 * 10 * share, 40.0))
    assert desk.quotes(BID_ROW)[0][0] == math.floor(1000.5 - width)
    still = Desk()
    still.view[VIEW_SIGMA], still.plan[:] = sigma, desk.plan
    still.decide()
    assert still.quotes(BID_ROW)[0][0] == 970


@given(
    bid=st.floats(-1e6, 1e6), ask=st.floats(-1e6, 1e6), slope=st.floats(0, 1e6),
    x=st.floats(-1, 1), spread=st.floats(0.001, 10),
)  # fmt: skip
def test_width_and_shift_stay_in_the_tuned_frame(bid, ask, slope, x, spread):
    """Width in [0.5h, 3h] and shift in [-2h, 2h], whatever the plan proposes."""
    half = spread / 200.0 * 1000.0
    width, shift = frame.width_and_shift(1000.0, spread, np.array([bid, ask, slope]), x)
    assert 0.5 * half <= width <= 3.0 * half
    assert -2.0 * half <= shift <= 2.0 * half
    bid_depth, ask_depth = bid + slope * x, ask - slope * x
    assert width == min(3 * half, max(0.5 * half, 0.5 * (ask_depth + bid_depth)))
    assert shift == min(2 * half, max(-2 * half, 0.5 * (ask_depth - bid_depth)))


def test_the_position_bound_holds_with_all_of_a_side_filled():
    """Position 85 of 100: 15 lots of bids, all 30 lots of asks."""
    desk = Desk()
    desk.decide(position=85)
    assert [lots for _, lots in desk.quotes(BID_ROW)] == [10, 5]
    assert [lots for _, lots in desk.quotes(ASK_ROW)] == [10, 10, 10]


def test_the_smaller_of_the_tuned_and_the_risk_bound_counts():
    """Risk allows 12 lots: a side shows no more."""
    desk = Desk()
    desk.decide(cap=12)
    assert [lots for _, lots in desk.quotes(BID_ROW)] == [10, 2]
    assert desk.state[refresh.HELD_MAX_LOTS] == 12
    desk.decide(cap=99)
    assert desk.state[refresh.HELD_MAX_LOTS] == 99
    desk.parameters[3] = 10.0
    desk.decide(cap=500)
    assert desk.state[refresh.HELD_MAX_LOTS] == 500


def test_a_side_shows_at_most_its_share_of_the_recent_flow():
    """5 % of an hour of 0.1 lots a second is 18 lots; closing the position is not held back."""
    desk = Desk()
    desk.view[VIEW_FLOW] = 0.1
    desk.decide(position=7)
    assert sum(lots for _, lots in desk.quotes(BID_ROW)) == 18
    assert sum(lots for _, lots in desk.quotes(ASK_ROW)) == 25


@pytest.mark.parametrize(
    ("drift", "position", "risk", "ready", "action"),
    [
        (0.0, 0, breach.ACTIVE, 1.0, policy.BOTH),
        (8.5, 0, breach.ACTIVE, 1.0, policy.BID_ONLY),
        (-8.5, 0, breach.ACTIVE, 1.0, policy.ASK_ONLY),
        (8.5, 100, breach.ACTIVE, 1.0, policy.ASK_ONLY),
        (0.0, -100, breach.ACTIVE, 1.0, policy.BID_ONLY),
        (0.0, 50, breach.REDUCING, 1.0, policy.REDUCE),
        (0.0, 0, breach.REDUCING, 1.0, policy.PULL_BOTH),
        (0.0, 50, breach.HALTED, 1.0, policy.PULL_BOTH),
        (0.0, 0, breach.ACTIVE, 0.0, policy.PULL_BOTH),
    ],
)
def test_the_mask_of_risk_comes_last(drift, position, risk, ready, action):
    """Drift picks a side, the position bound overrides it, risk overrides both."""
    desk = Desk()
    desk.view[[VIEW_DRIFT, VIEW_READY]] = drift, ready
    assert desk.decide(position, risk) == action
    quoted = (bool(desk.quotes(BID_ROW)), bool(desk.quotes(ASK_ROW)))
    expected = {
        policy.BOTH: (True, True),
        policy.BID_ONLY: (True, False),
        policy.ASK_ONLY: (False, True),
    }
    assert quoted == expected.get(action, (False, False))


def test_before_an_estimate_the_start_fraction_counts():
    """base_quantity is really quoted until Kelly has seen 100 cycles."""
    desk = Desk()
    desk.decide()
    for _ in range(99):
        policy.observe_profit(-5.0, desk.tuning, desk.kelly)
    assert policy.size_fraction(desk.tuning, desk.kelly) == 1.0
    policy.observe_profit(-5.0, desk.tuning, desk.kelly)
    assert policy.size_fraction(desk.tuning, desk.kelly) == 0.1


def test_a_cycle_without_quotes_and_position_is_no_observation():
    """Waiting teaches nothing about the edge."""
    desk = Desk()
    desk.view[VIEW_READY] = 0.0
    desk.decide()
    policy.observe_profit(0.0, desk.tuning, desk.kelly)
    assert desk.kelly[policy.KELLY_COUNT] == 0
    desk.decide(position=5)
    policy.observe_profit(-1.0, desk.tuning, desk.kelly)
    assert desk.kelly[policy.KELLY_COUNT] == 1


def test_size_is_a_quarter_of_mean_less_one_error_over_variance():
    """Computed by hand from the decayed moments, between probe and one."""
    desk = Desk(kelly_memory_cycles=1e12)
    desk.kelly[policy.KELLY_FRACTION] = 0.5
    profits = [3000.0, -2900.0] * 60
    for profit in profits:
        policy.observe_profit(profit, desk.tuning, desk.kelly)
    returns = np.array(profits) / 1000.0 / 0.5
    variance = np.var(returns, ddof=1)
    error = math.sqrt(variance / 120)
    mean, found_error, found_variance = policy.kelly_moments(desk.kelly)
    assert mean == pytest.approx(np.mean(returns))
    assert found_variance == pytest.approx(variance)
    assert found_error == pytest.approx(error)
    assert policy.reward_score(desk.kelly) == pytest.approx(np.mean(returns) / error)
    assert policy.size_fraction(desk.tuning, desk.kelly) == 0.1  # the mean lies within its error
    for _ in range(40):
        policy.observe_profit(3000.0, desk.tuning, desk.kelly)
    mean, error, variance = policy.kelly_moments(desk.kelly)
    wanted = 0.25 * (mean - error) / variance
    assert wanted < 1.0
    assert policy.size_fraction(desk.tuning, desk.kelly) == pytest.approx(max(0.1, wanted))


def test_a_sure_profit_is_taken_at_full_size():
    """No variance and a positive mean: one, not infinity."""
    desk = Desk()
    desk.decide()
    for _ in range(100):
        policy.observe_profit(1.0, desk.tuning, desk.kelly)
    assert policy.size_fraction(desk.tuning, desk.kelly) == 1.0


def test_a_smaller_fraction_is_quoted_in_smaller_orders():
    """At the probe each order is a tenth of base_quantity."""
    desk = Desk()
    desk.decide()
    for _ in range(100):
        policy.observe_profit(-1.0, desk.tuning, desk.kelly)
    desk.decide()
    assert [lots for _, lots in desk.quotes(BID_ROW)] == [1, 1, 1]


def test_settings_out_of_range_are_refused_with_what_was_found():
    """A probe of 0 would starve the learner."""
    with pytest.raises(ValueError, match="probe"):
        policy.policy_settings(capital=1.0, probe=0.0)
    with pytest.raises(ValueError, match="capital"):
        policy.policy_settings(capital=math.nan)


def test_a_decision_forgets_pulled_sides():
    """A new ladder starts with both sides allowed, at the market of now."""
    desk = Desk()
    desk.state[[refresh.HELD_PULLED_BID, refresh.HELD_PULLED_ASK]] = 1
    desk.decide()
    assert desk.state[refresh.HELD_PULLED_BID] == desk.state[refresh.HELD_PULLED_ASK] == 0
    assert desk.state[refresh.HELD_HALF_TICKS] == 2001


def test_one_level_more_or_less_by_action():
    """One more, one less, never below one."""
    for change, count in ((1, 4), (-1, 2)):
        desk = Desk(level_change=change)
        desk.decide()
        assert len(desk.quotes(BID_ROW)) == count
    assert desk.plan.shape == (PLAN_DYNAMIC,)
    assert desk.ladder[BID_ROW, 0, LADDER_PRICE_TICKS] == 992
