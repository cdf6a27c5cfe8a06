"""The emergency stop's table, walked; slices that close a position to the last legal lot."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.emergency import SLICE_S, TABLE, Fact, Phase, fact_of, slice_lots


def test_every_phase_knows_every_fact():
    """No step can find what the table does not answer."""
    assert set(TABLE) == {(phase, fact) for phase in Phase for fact in Fact}


@pytest.mark.parametrize("phase", Phase)
def test_only_lifting_every_stop_arms_again_and_only_clear_is_stopped(phase):
    """Nothing that happens in the market lets an executor quote again."""
    assert TABLE[phase, Fact.LIFTED] is Phase.ARMED
    assert TABLE[phase, Fact.CLEAR] is Phase.STOPPED
    for fact in (Fact.OPEN, Fact.HOLDING):
        assert TABLE[phase, fact] in (Phase.CANCELLING, Phase.FLATTENING)


def test_a_stray_after_the_stop_is_cancelled_again():
    """Stopped is what the last step found, not a promise about the next."""
    assert TABLE[Phase.STOPPED, Fact.OPEN] is Phase.CANCELLING


def test_a_walk_never_says_stopped_with_something_left():
    """Whatever comes in whatever order."""
    rng = random.Random(3)
    phase = Phase.ARMED
    for _ in range(5_000):
        stopped, orders, closing = rng.random() < 0.8, rng.randrange(3), rng.random() < 0.3
        phase = TABLE[phase, fact_of(stopped=stopped, open_orders=orders, closing=closing)]
        assert (phase is Phase.ARMED) == (not stopped)
        assert (phase is Phase.STOPPED) == (stopped and not orders and not closing)


@given(
    lots=st.integers(1, 10**9),
    flow=st.floats(0.001, 1e6),
    smallest=st.integers(1, 5_000),
)
def test_slices_close_the_whole_position_and_each_is_legal(lots, flow, smallest):
    """None is larger than what is left; what is left is a legal order or nothing."""
    lots = max(lots, smallest)
    bound = max(smallest, math.floor(flow * SLICE_S))
    lots = min(lots, 50 * bound + lots % smallest)
    left, count = max(lots, smallest), 0
    while left:
        part = slice_lots(left, flow, smallest)
        assert smallest <= part <= left
        assert part < bound + smallest
        left -= part
        count += 1
        assert count <= 60


@pytest.mark.parametrize("flow", [0.0, -1.0, math.nan, math.inf])
def test_without_a_known_flow_the_position_goes_at_once(flow):
    """A market that told nothing is no reason to stay in it."""
    assert slice_lots(77, flow, 1) == 77
