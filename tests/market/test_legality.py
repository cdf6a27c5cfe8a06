"""The mask of a policy's actions: every wish, in every state, at every distance from the caps."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market import legality as law
from market.breach import ACTIVE, HALTED, REDUCING
from market.layout import ASK_ROW, BID_ROW, PARAMETER_MAX_POSITION, VIEW_DRIFT
from tests.market.test_policy import Desk

STATES = (ACTIVE, REDUCING, HALTED)
SIDES = {
    law.PULL_BOTH: (0, 0), law.BID_ONLY: (1, 0), law.ASK_ONLY: (0, 1), law.BOTH: (1, 1),
}  # fmt: skip


def permitted(position, most, least, state, ready):
    """Return the legal actions, by asking for each what its smallest orders would do."""
    legal = {law.PULL_BOTH}
    if state == HALTED or not ready:
        return legal
    if state == REDUCING:
        return {law.REDUCE} if position else legal
    legal |= {law.REDUCE} if position else set()
    for action, (bids, asks) in SIDES.items():
        reached = [position + least] * bids + [-position + least] * asks
        if all(each <= most for each in reached):
            legal.add(action)
    return legal


@settings(max_examples=300, deadline=None)
@given(
    position=st.integers(-60, 60), most=st.integers(0, 50), least=st.integers(1, 20),
    state=st.sampled_from(STATES), ready=st.booleans(),
)  # fmt: skip
def test_what_the_mask_lets_pass_is_what_the_caps_permit(position, most, least, state, ready):
    """And whatever is wished, what comes out is legal; a legal wish comes true."""
    mask = law.legal_actions(position, most, least, state, ready)
    wanted = permitted(position, most, least, state, ready)
    assert {action for action in range(law.ACTIONS) if mask >> action & 1} == wanted
    for wish in range(law.ACTIONS):
        found = law.masked(wish, mask)
        assert found in wanted
        if wish in wanted:
            assert found == wish


def test_a_forbidden_side_is_left_out_and_the_other_quoted():
    """Ninety-five of a hundred lots held and ten the smallest order: no bid, wished or not."""
    mask = law.legal_actions(95, 100, 10, ACTIVE, True)
    assert law.masked(law.BOTH, mask) == law.ASK_ONLY
    assert law.masked(law.BID_ONLY, mask) == law.PULL_BOTH
    assert law.masked(law.BOTH, law.legal_actions(-95, 100, 10, ACTIVE, True)) == law.BID_ONLY
    for wish in range(law.ACTIONS):
        assert law.masked(wish, law.legal_actions(5, 100, 10, REDUCING, True)) == law.REDUCE
    assert law.masked(law.BOTH, law.legal_actions(0, 9, 10, ACTIVE, True)) == law.PULL_BOTH


@pytest.mark.parametrize("cap", [0, 1, 7, 30])
def test_no_ladder_shows_a_side_that_the_caps_forbid(cap):
    """Over drifts, positions and states, with a cap of risk below the optimizer's own limit."""
    places = itertools.product((-30, -7, 0, 7, 30), (-9.0, 0.0, 9.0), STATES)
    for position, drift, state in places:
        desk = Desk()
        desk.view[VIEW_DRIFT] = drift
        action = desk.decide(position, state, cap)
        most = min(cap, round(desk.parameters[PARAMETER_MAX_POSITION] * 100))
        assert action in permitted(position, most, 1, state, True)
        bids, asks = (sum(lots for _, lots in desk.quotes(row)) for row in (BID_ROW, ASK_ROW))
        assert bids <= max(0, most - position)
        assert asks <= max(0, most + position)
        shown = SIDES.get(action, (0, 0))
        assert bids == 0 or shown[0]
        assert asks == 0 or shown[1]
    assert np.all(desk.ladder >= 0)
