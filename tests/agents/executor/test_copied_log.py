"""Two coordinators decide under one pair, from a copied log or a stolen key; the highest holds."""

import pytest

from agents.executor.events import Reply
from agents.executor.state import freeze, thaw
from protocol.errors import NackCode
from protocol.merge import digest
from protocol.messages import Ack, Stage
from tests.agents.executor.market import recording, session_for
from tests.agents.executor.test_step import Life


@pytest.fixture
def life(tmp_path):
    return Life(session_for(recording(tmp_path), feed={"hours": 0.8}))


def words(effects):
    return [each.word for each in effects if isinstance(each, Reply)]


def test_another_set_under_a_known_pair_gets_no_answer_of_the_first(life):
    """While the first waits, after it was applied, and after a restart: always E_REPLAY."""
    life.to_boundary()
    first = life.decision((1, 1))
    other = life.decision((1, 1), spread=0.9, ref="c" * 32)
    applied = Ack(stage=Stage.APPLIED, digest=digest(first.word.params))
    life.tell(first)
    assert words(life.tell(other))[0].code is NackCode.REPLAY
    life.tell(life.done())
    life.live(until_ns=first.word.not_before)
    assert words(life.tell(first)) == [applied]
    assert words(life.tell(other))[0].code is NackCode.REPLAY
    life.state = thaw(life.state.session, freeze(life.state), lockstep=True)
    assert words(life.tell(first)) == [applied]
    assert words(life.tell(other))[0].code is NackCode.REPLAY


def test_another_set_under_a_refused_pair_is_told_apart_too(life):
    """The true decision must not hear the verdict on a forged one."""
    life.to_boundary()
    assert words(life.tell(life.decision((1, 1), spread=1.5)))[0].code is NackCode.STEP
    assert words(life.tell(life.decision((1, 1), ref="c" * 32)))[0].code is NackCode.REPLAY


def test_a_decision_that_is_behind_hears_how_far(life):
    """The nack's header carries the highest pair judged, so that an old log can go on above it."""
    life.to_boundary()
    life.tell(life.decision((1, 7)))
    (said,) = [e for e in life.tell(life.decision((2, 3), ref="c" * 32)) if isinstance(e, Reply)]
    assert said.word.code is NackCode.STALE_VERSION
    assert said.pair == (1, 7)


def test_the_highest_pair_judged_never_falls(life):
    """A newer decision is refused while an older one waits for its time: it stays fenced off."""
    life.to_boundary()
    older = life.decision((1, 1))
    life.tell(older)
    life.tell(life.done())
    newer = life.decision((2, 2), spread=1.5, ref="c" * 32)
    assert words(life.tell(newer))[0].code is NackCode.STEP
    effects = life.live(until_ns=older.word.not_before)
    applied = Ack(stage=Stage.APPLIED, digest=digest(older.word.params))
    assert words(effects) == [applied]
    assert life.state.verdict.pair == (2, 2)
    assert words(life.tell(older)) == [applied]
    late = life.decision((1, 3), ref="f" * 32)
    assert words(life.tell(late))[0].code is NackCode.FENCED
