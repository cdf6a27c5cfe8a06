"""Once the executor quotes by its candidate, an optimizer replays by it, and back after that."""

import dataclasses
from types import SimpleNamespace

import pytest

from agents.executor.promotion import Finding, Stage
from agents.executor.state import enter_stage, new_state
from agents.executor.telling import status_word
from agents.optimizer.confidence import Evidence
from agents.optimizer.memory import Memory
from agents.optimizer.mind import Mind
from agents.optimizer.shell import Optimizer
from agents.quoted import set_in, tells_promoted
from agents.session import open_session
from agents.settings import Policy
from protocol.codec import encode
from tests.agents.coordinator.world import BASELINE

NAME = "optimizer-1"


class EnoughError(Exception):
    """It was asked to think."""


def opened(planted, **executor):
    """The same market and seat under another policy."""
    given = planted.settings.executor.model_copy(update=executor)
    return open_session(planted.settings.model_copy(update={"executor": given}))


@pytest.fixture(scope="module")
def shadow(planted):
    """The plan in shadow of the closed form."""
    return opened(planted, candidate=Policy.PLAN)


@pytest.fixture(scope="module")
def plan(planted):
    """The plan alone."""
    return opened(planted, policy=Policy.PLAN)


def test_an_answer_is_that_of_a_run_under_the_policy_that_quotes(planted, shadow, plan):
    """Word and judgement, before a promotion, after it, and after a rollback."""
    now_ns, held = planted.boundaries()[9], planted.baseline
    mind = Mind(shadow, NAME)
    answers = [mind.answer(10, now_ns, held, promoted=each) for each in (False, True, False)]
    alone = Mind(plan, NAME).answer(10, now_ns, held)
    assert encode(answers[1].word) == encode(alone.word)
    assert answers[1].judgement == alone.judgement
    assert answers[0].judgement.front != alone.judgement.front
    assert answers[2] == answers[0]
    assert [each.window.promoted for each in answers] == [False, True, False]


def test_without_a_candidate_there_is_nothing_else_to_replay_by(planted):
    """Whoever is told so nonetheless goes on with the policy that it knows."""
    mind = Mind(planted, NAME)
    assert mind.quoting(promoted=True) is mind.quoting(promoted=False)


def test_a_vote_is_by_the_policy_of_the_newest_boundary_over_a_restart(shadow, plan, tmp_path):
    """A round that is heard before the next boundary finds it where the answer was kept."""
    now_ns, held = shadow.boundaries()[9], shadow.baseline
    other = held.model_copy(update={"spread_percentage": 2 * held.spread_percentage})
    mind = Mind(shadow, NAME, Memory.open(tmp_path / "m.sqlite"))
    before = mind.weigh(held, other, now_ns)
    mind.remember(mind.answer(10, now_ns, held, promoted=True))
    found = mind.weigh(held, other, now_ns)
    mind.memory.close()
    again = Mind(shadow, NAME, Memory.open(tmp_path / "m.sqlite"))
    assert again.weigh(held, other, now_ns) == found != before
    assert found == Mind(plan, NAME).weigh(held, other, now_ns)
    again.memory.close()


@pytest.mark.parametrize("promoted", [False, True])
def test_an_outcome_is_by_the_policy_of_its_own_window(shadow, plan, promoted):
    """Whoever is promoted later: what a restart computes anew is what was known before it."""
    boundaries = shadow.boundaries()
    minds = Mind(shadow, NAME), Mind(plan if promoted else shadow, NAME)
    window = dataclasses.replace(
        minds[0].answer(8, boundaries[7], shadow.baseline).window,
        chosen=shadow.baseline.model_copy(update={"spread_percentage": 0.05}),
        evidence=Evidence(2.0),
        whole=True,
        horizon_s=1080.0,
        slice_s=300.0,
    )
    minds[0].memory.keep(dataclasses.replace(window, promoted=promoted))
    minds[1].memory.keep(window)
    minds[0].promoted = not promoted
    for mind in minds:
        mind.past(10, boundaries[9])
    assert minds[0]._outcomes == minds[1]._outcomes
    assert len(minds[0]._outcomes) == 1


def test_an_executors_status_tells_set_and_policy(shadow):
    """Of each stage; nonsense tells neither."""
    state, told = new_state(shadow), []
    for stage in (Stage.SHADOW, Stage.PROMOTED, Stage.ROLLED_BACK):
        enter_stage(state, Finding(stage, "so it is"), shadow.first_ns)
        told.append(status_word(state, 0.0, {}).model_dump())
    assert [tells_promoted(each) for each in told] == [False, True, False]
    assert {set_in(each) for each in told} == {shadow.baseline}
    levels = {"parameters": {**BASELINE.model_dump(), "levels": 0}, "policy": "promoted"}
    for nonsense in ({}, levels):
        assert (set_in(nonsense), tells_promoted(nonsense)) == (None, False)


async def test_on_the_real_clock_the_status_tells(shadow, tmp_path):
    """What is thought at the next boundary and what is voted on before it is by that policy."""
    settings = shadow.settings.model_copy(update={"data": tmp_path})
    optimizer, asked = Optimizer(settings, tmp_path, NAME), []
    optimizer._spawn = asked.append

    async def think(*_, promoted):
        asked.append(promoted)
        raise EnoughError

    optimizer._think = think
    me = SimpleNamespace(joined=SimpleNamespace(is_set=lambda: True))
    document = {"venue_time": shadow.boundaries()[2], "policy": {"stage": "promoted"}}
    word = SimpleNamespace(model_dump=lambda: document)
    optimizer._see(me, SimpleNamespace(word=word))
    with pytest.raises(EnoughError):
        await asked.pop()
    assert asked == [True]
    assert optimizer._mind.promoted
