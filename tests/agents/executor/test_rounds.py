"""The executor as an equal of the other seats: peer, voter, proposer."""

import pytest

from agents.executor.events import Reply, RoundHeard, Say, Shadow, Shadowed, Write
from agents.executor.opinion import opinion
from agents.executor.state import freeze, thaw
from agents.weighing import Weighed, disagreement, objection, weigh
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from protocol.merge import median_merge, peer_merge, within_step
from protocol.messages import (
    Ack,
    Choice,
    Mode,
    Nack,
    NackCode,
    ParameterUpdate,
    PerformanceMetrics,
    Round,
    RoundSet,
    Stage,
    utc_text,
)
from tests.agents.executor.market import recording, session_for
from tests.agents.executor.test_step import Life

METRICS = PerformanceMetrics(sqn_score=0.0, sharpe_ratio=0.0, max_drawdown=0.0)
WEIGHT = 10**8 // 4
LIMIT = 0.25


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    feed = recording(tmp_path_factory.mktemp("feed"))
    return session_for(feed, feed={"hours": 0.4}, run={"optimizers": 2})


@pytest.fixture
def life(session):
    life = Life(session)
    life.to_boundary()
    return life


def round_of(life, mode, *factors, **changes):
    """What the coordinator would say: sets that change the spread by factors."""
    held = changes.pop("incumbent", life.state.incumbent)
    sets = tuple(
        RoundSet(
            id=f"{place:032x}",
            src=f"optimizer-{place}",
            timestamp=utc_text(life.state.now_ns),
            params=held.model_copy(update={"spread_percentage": held.spread_percentage * factor}),
            performance_metrics=METRICS,
            confidence_score=0.0,
            weight=WEIGHT,
        )
        for place, factor in enumerate(factors, start=1)
    )
    plain = [each.params for each in sets]
    if mode is Mode.PEER:
        weighted = [(each, WEIGHT) for each in plain]
        candidate = peer_merge(held, weighted, seats=3, fraction=LIMIT)
    else:
        candidate = median_merge(held, plain, seats=3, fraction=LIMIT)
    given = {"round": 1, "incumbent": held, "sets": sets, "candidate": candidate, "deadline": 0}
    return RoundHeard("coordinator", "a" * 32, Round(**{**given, **changes}), mode)


def test_a_peer_receives_the_merge_that_it_finds_itself(life):
    """No vote, no row: `received` is the whole answer."""
    asked = round_of(life, Mode.PEER, 1.1, 1.2)
    assert life.tell(asked) == (Reply("coordinator", asked.ref, Ack(stage=Stage.RECEIVED)),)


def test_a_peer_that_finds_another_merge_says_so(life):
    """The code is E_SCHEMA: the word contradicts itself."""
    for asked in (
        round_of(life, Mode.PEER, 1.1, 1.2, candidate=life.state.incumbent),
        round_of(life, Mode.CONSENSUS, 1.1, 1.2),
    ):
        told = life.tell(RoundHeard(asked.src, asked.ref, asked.word, Mode.PEER))
        assert isinstance(told[0].word, Nack)
        assert told[0].word.code is NackCode.SCHEMA
        assert "the sets lead to" in told[0].word.detail


def test_a_voter_replays_the_candidate_that_it_finds_itself(life):
    """Low confidence forbids nothing here: the replay and the other seats decide."""
    asked = round_of(life, Mode.CONSENSUS, 1.1, 1.2)
    assert life.tell(asked) == (Shadow(asked),)
    effects = life.tell(Shadowed(asked, Weighed(1.0, 1.0), Weighed(2.0, 1.0)))
    assert [type(each) for each in effects] == [Write, Say]
    assert effects[1].word.choice is Choice.APPROVE


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"candidate": None}, NackCode.SCHEMA),
        ({"incumbent": 1.1}, NackCode.STALE_VERSION),
        ({"sets": ()}, NackCode.SCHEMA),
    ],
)
def test_a_voter_rejects_what_it_does_not_find(life, change, code):
    """Another candidate, another incumbent, sets left out: one vote, and it is no."""
    held = life.state.incumbent
    wide = held.model_copy(update={"spread_percentage": held.spread_percentage * 1.1})
    change = {
        key: wide if key in {"candidate", "incumbent"} else each for key, each in change.items()
    }
    asked = round_of(life, Mode.CONSENSUS, 1.05, 1.2, **change)
    effects = life.tell(asked)
    assert [type(each) for each in effects] == [Write, Say]
    assert effects[1].word.choice is Choice.REJECT
    assert effects[1].word.reason.startswith(code.value)


def test_weights_beyond_their_share_are_an_alarm(life):
    """A coordinator cannot give one peer more than its seat is worth."""
    asked = round_of(life, Mode.PEER, 1.1)
    heavy = asked.word.sets[0].model_copy(update={"weight": 10**8 // 2})
    word = asked.word.model_copy(update={"sets": (heavy,)})
    line = disagreement(word, Mode.PEER, life.session.settings)
    assert line == "a weight must be in [0, 33333333] units of 1e-8, found 50000000"
    twice = asked.word.model_copy(update={"sets": asked.word.sets * 2})
    assert "two of one" in disagreement(twice, Mode.PEER, life.session.settings)
    assert "nothing follows" in disagreement(word, Mode.HIERARCHICAL, life.session.settings)


@pytest.mark.parametrize(
    ("held", "candidate", "worse"),
    [
        ((1.0, 10.0), (1.0, 20.0), False),
        ((1.0, 10.0), (0.9, 5.0), False),
        ((1.0, 10.0), (0.5, 9.0), True),
        ((0.0, 0.0), (0.0, 0.0), False),
    ],
)
def test_worse_is_less_profit_and_less_profit_per_risk(held, candidate, worse):
    """Both, not one of them."""
    assert (objection(Weighed(*held), Weighed(*candidate)) is not None) is worse


def test_the_same_set_weighs_the_same(life):
    """Both are flat at first and live through the same window."""
    held = life.state.incumbent
    tape = life.venue.tape()
    given = {"now_ns": life.state.now_ns, "window_ns": 3600 * 10**9}
    one, other = weigh(life.session, tape, (held, held), **given)
    assert one == other
    assert one.risk > 0.0


def test_the_executor_may_have_an_opinion_of_its_own(tmp_path):
    """A spread far too wide on a planted edge: it proposes a tighter one, one legal step away."""
    path = tmp_path / "planted.npz"
    save(path, synthetic_recording(seed=3, hours=1.3, setting="planted_edge"))
    plain = session_for(path, optimizer={"slices": 12})
    wide = plain.baseline.model_copy(
        update={"spread_percentage": plain.baseline.spread_percentage * 8.0}
    )
    now_ns = plain.first_ns + 4200 * 10**9
    tape = plain.tape_builder().advance(now_ns)
    found = opinion(plain, tape, wide, now_ns)
    assert isinstance(found, ParameterUpdate)
    assert found == opinion(plain, tape, wide, now_ns)
    params = found.data.optimized_params
    assert params.spread_percentage < wide.spread_percentage
    assert within_step(wide, params, plain.settings.optimizer.step_limit) is None
    assert 0.0 < found.data.confidence_score < 1.0
    early_ns = plain.first_ns + 1800 * 10**9
    assert opinion(plain, tape.until(early_ns), wide, early_ns) is None


def test_a_round_that_is_not_the_last_one_gets_its_vote_again(life):
    """Two rounds later, over a restart too, and when two replays of one round end late."""
    asked = round_of(life, Mode.CONSENSUS, 1.1, 1.2)
    other = RoundHeard(asked.src, "b" * 32, asked.word, asked.mode)
    good, bad = Weighed(2.0, 1.0), Weighed(1.0, 1.0)
    vote = life.tell(Shadowed(asked, bad, good))[1].word
    life.tell(Shadowed(other, good, bad))
    assert life.tell(Shadowed(asked, good, bad)) == (Say(asked.ref, vote),)
    life.state = thaw(life.session, freeze(life.state), lockstep=True)
    assert life.tell(asked) == (Say(asked.ref, vote),)
