"""What the executor tells of itself: the share of each limit is the one that it judges by."""

import pytest

from agents.executor.events import Compared
from agents.executor.promotion import Finding, Stage
from agents.executor.state import new_state
from agents.executor.step import step
from agents.executor.telling import policy_words, used_words
from market.breach import (
    LIMIT_CAPITAL,
    LIMIT_DAILY_LOSS,
    LIMIT_DRAWDOWN,
    LIMIT_STOP_LOSS,
    RISK_PEAK,
    RISK_QUARTER,
    RISK_RING,
)
from market.layout import (
    LEDGER_DAY_OPENING,
    LEDGER_EQUITY,
    LEDGER_MARK,
    LEDGER_OPEN_LOTS,
    LEDGER_POSITION_COST,
    SCALE_TICK_LOT,
)
from protocol.messages import Status
from tests.agents.executor.market import lucky, recording, session_for


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    return session_for(recording(tmp_path_factory.mktemp("feed")), feed={"hours": 0.8})


def test_a_share_of_one_is_where_the_limit_binds(session):
    """Half of the drawdown, a quarter of the loss since yesterday, the whole of a stop loss."""
    state = new_state(session, lockstep=True)
    ledger, risk, limits = state.account.ledger, state.account.risk, session.setup.limits
    capital = float(limits[LIMIT_CAPITAL])
    equity = int(ledger[LEDGER_EQUITY])
    risk[RISK_PEAK] = equity + round(0.5 * limits[LIMIT_DRAWDOWN] * capital)
    risk[RISK_QUARTER] = 1
    risk[RISK_RING + 1] = equity + round(0.25 * limits[LIMIT_DAILY_LOSS] * capital)
    ledger[LEDGER_DAY_OPENING] = equity - 5
    ledger[LEDGER_MARK], ledger[LEDGER_OPEN_LOTS] = 20_000, 10
    worth = 0.5 * 20_000 * float(session.setup.scale[SCALE_TICK_LOT]) * 10
    ledger[LEDGER_POSITION_COST] = round(worth / (1.0 - float(limits[LIMIT_STOP_LOSS])))
    assert used_words(state) == {
        "peak_drawdown_limit": pytest.approx(0.5, abs=1e-5),
        "daily_loss_limit": pytest.approx(0.25, abs=1e-5),
        "stop_loss_threshold": pytest.approx(1.0, abs=1e-5),
        "open_orders_max": 0.0,
    }


def test_a_gain_uses_nothing(session):
    """Shares are never negative; without a position no stop loss is used."""
    state = new_state(session, lockstep=True)
    state.account.risk[RISK_PEAK] = 0
    assert set(used_words(state).values()) == {0.0}


def test_the_status_says_who_quotes_and_how_the_candidate_stands(tmp_path, session):
    """Without a candidate, before a verdict, between two looks, promoted and sent back."""
    assert policy_words(new_state(session)) == {"in_force": "closed_form", "candidate": None}
    feed, sections = lucky(tmp_path)
    state = new_state(session_for(feed, **sections))
    begun = policy_words(state)
    names = ("in_force", "candidate", "stage", "since", "blocks", "reason", "judged", "lower")
    since_ns = state.contest.since_ns
    trained = "closed_form (trained)"
    first = ("closed_form", trained, "shadow", since_ns, 0, "nothing judged yet", None, None)
    assert tuple(begun[name] for name in names) == first
    for stage, reason, blocks, lower, in_force in (
        (Stage.SHADOW, "not surely better", 4, -0.5, "closed_form"),
        (Stage.SHADOW, "5 blocks, the next look is in 3", 5, None, "closed_form"),
        (Stage.PROMOTED, "surely better", 8, 0.25, trained),
        (Stage.PROMOTED, "1 blocks, 4 are needed", 1, None, trained),
        (Stage.ROLLED_BACK, "surely worse", 4, -2.0, "closed_form"),
    ):
        since_ns = state.contest.since_ns
        state.now_ns = since_ns + blocks * 60 * 10**9
        upper = None if lower is None else lower + 1.0
        found = Finding(stage, reason, lower, upper, blocks, 7 * blocks, state.now_ns)
        step(state, Compared(found, since_ns), state.now_ns)
        told = policy_words(state)
        assert Status.model_validate({"policy": told})
        assert (told["in_force"], told["stage"], told["reason"]) == (in_force, stage, reason)
        assert (told["blocks"], told["round_trips"]) == (blocks, 7 * blocks)
        assert (told["judged"], told["since"]) == (state.now_ns, state.contest.since_ns)
        if lower is not None:
            bounds = {"lower": lower, "upper": upper, "weighed": state.now_ns}
        assert {name: told[name] for name in bounds} == bounds
