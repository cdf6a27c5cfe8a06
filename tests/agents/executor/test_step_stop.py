"""A stop in the pure step: closed in slices, acknowledged as soon as nothing of ours is open."""

import pytest

from agents.executor.events import Cleared, Place, StopHeard, Write
from agents.executor.state import freeze, thaw
from agents.executor.step import fold
from market.ledger import position_lots
from protocol.messages import Ack, Stage
from tests.agents.executor.market import recording, session_for
from tests.agents.executor.test_step import SECOND_NS, STOP, Life, replies


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    return session_for(recording(tmp_path_factory.mktemp("feed")))


@pytest.fixture
def life(session):
    return Life(session, lockstep=False)


def test_a_position_larger_than_the_recent_flow_is_closed_in_slices(life, monkeypatch):
    """One order after the other, none beyond what is held, until the venue has it flat."""
    monkeypatch.setattr("risk.emergency.SLICE_S", 0.0)  # the smallest legal order at a time
    life.live(until_ns=life.session.first_ns + 200 * SECOND_NS)
    while life.venue._ours._ledger[0] == life.state.session.setup.opening[0]:
        life.live(steps=1)
    life.live(steps=1)
    life.tell(StopHeard(STOP, flatten=True, src="operator"))
    life.effects.clear()
    life.live(steps=1)
    held = abs(int(position_lots(life.state.account.ledger, life.session.setup.scale)))
    life.live(steps=60)
    placed = [effect.order.order for effect in life.effects if isinstance(effect, Place)]
    assert len(placed) > 1
    assert all(order.taker for order in placed)
    assert sum(order.lots for order in placed) == held
    assert position_lots(life.state.account.ledger, life.session.setup.scale) == 0
    rows = [e for w in life.effects if isinstance(w, Write) for e in w.entries if e.kind == "stop"]
    assert [row.body["phase"] for row in rows] == ["cancelling", "flattening", "stopped"]
    assert replies(life.effects) == [Ack(stage=Stage.STOPPED)]


def test_a_venue_that_shows_nothing_open_lets_a_stop_be_acknowledged_between_steps(life):
    """A stop that flattens waits all the same: nothing open is not yet flat."""
    life.live(until_ns=life.session.first_ns + 200 * SECOND_NS)
    life.tell(StopHeard(STOP, flatten=False, src="operator"))
    assert replies(life.tell(Cleared())) == [Ack(stage=Stage.STOPPED)]
    assert life.tell(Cleared()) == ()
    life.tell(StopHeard("4" * 32, flatten=True, src="operator"))
    assert life.tell(Cleared()) == ()


def test_a_stop_that_asks_for_more_is_not_answered_by_what_stood_still_before(life):
    """Over a restart too: nothing of ours is open, but the position was never asked for."""
    life.live(until_ns=life.session.first_ns + 200 * SECOND_NS)
    life.tell(StopHeard(STOP, flatten=False, src="operator"))
    life.live(steps=3)
    assert life.state.calm
    life.state = thaw(life.session, freeze(life.state))
    assert life.state.calm
    more = {"id": "4" * 32, "flatten": True}
    fold(life.state, "stop", more)
    assert not life.state.calm
    assert not thaw(life.session, freeze(life.state) | {"phase": "stopped"}, live=True).calm
