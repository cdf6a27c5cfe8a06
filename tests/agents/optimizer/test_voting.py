"""An optimizer as voter and peer: what it finds itself, and one vote a round, durable."""

import asyncio
from types import SimpleNamespace

import pytest

from agents.optimizer.mind import SEATS, WINDOW_SHARES, Mind, options_of
from agents.optimizer.shell import Optimizer
from agents.optimizer.voting import Votes, checked, voted
from agents.settings import Run, Settings
from protocol.errors import BusError
from protocol.merge import digest, median_merge, peer_merge
from protocol.messages import (
    Ack,
    Choice,
    Mode,
    Nack,
    NackCode,
    PerformanceMetrics,
    Round,
    RoundSet,
    Stage,
    Vote,
    utc_text,
)

METRICS = PerformanceMetrics(sqn_score=0.0, sharpe_ratio=0.0, max_drawdown=0.0)
LIMIT = 0.25


@pytest.fixture(scope="module")
def mind(planted):
    return Mind(planted, "optimizer-1")


def round_of(mind, factor, mode=Mode.CONSENSUS, **changes):
    """A round of two seats; the lower median of a narrower set and the incumbent is the former."""
    session = mind.session
    held = session.baseline
    params = held.model_copy(update={"spread_percentage": held.spread_percentage * factor})
    only = RoundSet(
        id="a" * 32,
        src="optimizer-1",
        timestamp=utc_text(session.last_ns - session.last_ns % 10**9),
        params=params,
        performance_metrics=METRICS,
        confidence_score=1.0,
        weight=10**8 // 4,
    )
    if mode is Mode.PEER:
        candidate = peer_merge(held, [(params, only.weight)], seats=2, fraction=LIMIT)
    else:
        candidate = median_merge(held, [params], seats=2, fraction=LIMIT)
    given = {"round": 3, "incumbent": held, "sets": (only,), "candidate": candidate, "deadline": 0}
    return Round(**{**given, **changes})


def test_a_voter_approves_what_its_own_replay_does_not_speak_against(mind):
    """Its vote agrees with its own figures, whatever they are; the proposer's are not asked."""
    held = mind.session.baseline
    choices = set()
    for factor in (0.75, 0.9, 0.99):
        word = round_of(mind, factor)
        vote = voted(mind, word, Mode.CONSENSUS, mind.session.last_ns)
        one, other = mind.weigh(held, word.candidate, mind.session.last_ns)
        better = other.net >= one.net or other.per_risk >= one.per_risk
        assert vote.choice is (Choice.APPROVE if better else Choice.REJECT)
        assert (vote.round, vote.candidate) == (3, digest(word.candidate))
        choices.add(vote.choice)
    assert choices


def test_a_voter_that_has_just_started_knows_the_time_from_the_sets(mind):
    """The newest of them; the same vote as of one that was told."""
    word = round_of(mind, 0.9)
    told_ns = mind.session.last_ns - mind.session.last_ns % 10**9
    assert voted(mind, word, Mode.CONSENSUS, 0) == voted(mind, word, Mode.CONSENSUS, told_ns)


def test_a_voter_rejects_a_candidate_that_it_does_not_find(mind):
    """And says what it found."""
    word = round_of(mind, 0.9, candidate=mind.session.baseline)
    vote = voted(mind, word, Mode.CONSENSUS, mind.session.last_ns)
    assert vote.choice is Choice.REJECT
    assert vote.reason.startswith("E_SCHEMA: the sets lead to")


def test_a_peer_checks_the_merge(mind):
    """`received`, or an alarm."""
    assert isinstance(checked(mind, round_of(mind, 0.9, Mode.PEER), Mode.PEER), Ack)
    wrong = checked(mind, round_of(mind, 0.9, Mode.CONSENSUS), Mode.PEER)
    assert wrong.code is NackCode.SCHEMA


def test_one_vote_a_round_is_given_over_all_lives(tmp_path):
    """A second one, also after a death, is the first one again."""
    approve = Vote(round=1, candidate="0" * 64, choice=Choice.APPROVE, reason="fine")
    reject = approve.model_copy(update={"choice": Choice.REJECT})
    path = tmp_path / "optimizer-1.votes.sqlite"
    votes = Votes.open(path)
    assert votes.get("a" * 32) is None
    assert votes.give("a" * 32, approve, 5) == approve
    votes.close()
    again = Votes.open(path)
    assert again.get("a" * 32) == approve
    assert again.give("a" * 32, reject, 6) == approve
    assert again.give("b" * 32, reject, 7) == reject
    again.close()


def test_several_optimizers_look_back_differently_far_and_elsewhere():
    """The first, and a lone one, as configured; others search by one source alone."""
    several = Settings(run=Run(optimizers=3))
    configured = several.optimizer.window_hours * 3600
    spans = [options_of(several, f"optimizer-{n}").window_s for n in (1, 2, 3)]
    assert spans == [configured * share for share in WINDOW_SHARES]
    shares = [options_of(several, f"optimizer-{n}").sources for n in (1, 2, 3, 4)]
    assert shares == [*SEATS, SEATS[0]]
    assert options_of(Settings(), "optimizer-1").window_s == configured
    assert options_of(Settings(), "anybody").window_s == configured


class Bus:
    """A bus that keeps what is said, and knows whether it was on disk by then."""

    def __init__(self, votes, *answers):
        self.votes, self.answers = votes, list(answers)
        self.said, self.put_off = [], []

    def post(self, dst, word, **more):
        """Keep a word; it must be on disk. Answer it as told, in the end with `received`."""
        assert self.votes.get(more["ref"]) == word
        self.said.append((dst, word, more))
        said = asyncio.get_running_loop().create_future()
        answer = self.answers.pop(0) if self.answers else Ack(stage=Stage.RECEIVED)
        if isinstance(answer, Exception):
            said.set_exception(answer)
        else:
            said.set_result(SimpleNamespace(word=answer))
        return said

    def reconsider(self, received):
        """Keep what is put off."""
        self.put_off.append(received)


def heard(word, generation):
    """A round as it arrives."""
    return SimpleNamespace(word=word, header=SimpleNamespace(id="c" * 32, gen=generation))


async def test_a_round_is_answered_by_what_its_generation_means(planted, tmp_path):
    """Unknown: later. Peer: received. Consensus: one vote, on disk before it is said."""
    settings = planted.settings.model_copy(update={"data": tmp_path})
    optimizer = Optimizer(settings, tmp_path, "optimizer-1")
    bus = Bus(optimizer._votes)
    mind = optimizer._mind
    asked = heard(round_of(mind, 0.9), 1)
    assert await optimizer._round(bus, asked) is None
    assert bus.put_off == [asked]
    optimizer._modes = {1: Mode.CONSENSUS, 2: Mode.PEER, 3: Mode.HIERARCHICAL}
    for _ in range(2):
        assert await optimizer._round(bus, asked) is None
        await asyncio.gather(*optimizer._tasks)
    (dst, vote, more), again = bus.said
    assert (dst, more["gen"], more["ref"]) == ("coordinator", 1, "c" * 32)
    assert again == (dst, vote, more)
    shown = heard(round_of(mind, 0.9, Mode.PEER), 2)
    assert isinstance(await optimizer._round(bus, shown), Ack)
    assert (await optimizer._round(bus, heard(shown.word, 3))).code is NackCode.FORBIDDEN
    assert len(bus.said) == 2


async def test_a_vote_is_said_until_it_was_heard(planted, tmp_path, monkeypatch):
    """Its ttl ended, then a clock was set: the round, known here, asks for no second vote."""
    monkeypatch.setattr("agents.optimizer.shell.VOTE_REST_S", 0.0)
    settings = planted.settings.model_copy(update={"data": tmp_path})
    optimizer = Optimizer(settings, tmp_path, "optimizer-1")
    optimizer._modes = {1: Mode.CONSENSUS}
    old = Nack(code=NackCode.EXPIRED, detail="expired")
    bus = Bus(optimizer._votes, BusError("no answer"), old)
    await optimizer._round(bus, heard(round_of(optimizer._mind, 0.9), 1))
    await asyncio.gather(*optimizer._tasks)
    assert len(bus.said) == 3
    assert all(each == bus.said[0] for each in bus.said)
