import random
from dataclasses import replace

import pytest

from agents.coordinator.audit import audit
from agents.coordinator.events import Answered, Post, Tick, Withdraw
from agents.coordinator.records import Kind
from agents.coordinator.state import Phase
from protocol.errors import NackCode
from protocol.merge import digest
from protocol.messages import Ack, Choice, EmergencyStop, Mode, Nack, NoUpdate, Stage
from tests.agents.coordinator.bench import WIDER, Bench
from tests.agents.coordinator.test_step import replies
from tests.agents.coordinator.world import BASELINE, BOUNDARY, SECOND, START, ident, update

THREE = ("executor-1", "optimizer-1", "optimizer-2")


def asked(bench):
    """Who was asked, by name."""
    words = [each for each in bench.effects if isinstance(each, Post)]
    return {each.dst: each for each in words if each.word.type_name == "round"}


@pytest.fixture
def bench():
    """Three seats; both optimizers propose a wider spread at the first boundary."""
    bench = Bench(seats=THREE, mode=Mode.CONSENSUS)
    bench.boundary(1)
    bench.propose(1, optimizer_1=0.22, optimizer_2=0.24)
    return bench


def test_every_seat_is_asked_for_the_median(bench):
    """The executor proposes nothing and counts as the incumbent: 0.2, 0.22, 0.24."""
    assert set(asked(bench)) == set(THREE)
    assert len({each.id for each in asked(bench).values()}) == 3
    assert bench.state.round.candidate.spread_percentage == 0.22
    assert [each.src for each in asked(bench)["optimizer-1"].word.sets] == list(THREE[1:])


def test_more_than_half_of_all_seats_adopts(bench):
    """Two of three, and in lockstep the third is waited for: the log is no matter of luck."""
    bench.vote(voter="optimizer-1")
    bench.vote(voter="executor-1")
    assert bench.state.flight is None
    bench.vote(Choice.REJECT, voter="optimizer-2")
    assert bench.state.flight.params.spread_percentage == 0.22
    assert bench.state.flight.mode is Mode.CONSENSUS
    assert len(bench.state.flight.basis) == 2
    decided = [each for each in bench.disk if each.kind is Kind.DECISION]
    assert decided[0].body["seat"] == "optimizer-1+optimizer-2"


def test_half_is_not_enough():
    """Two seats need both."""
    bench = Bench(seats=THREE[:2], mode=Mode.CONSENSUS)
    bench.boundary(1)
    bench.propose(1, optimizer_1=0.18)
    assert bench.state.round.candidate.spread_percentage == 0.18
    bench.vote(Choice.ABSTAIN, voter="executor-1")
    effects = bench.vote(voter="optimizer-1")
    assert bench.state.flight is None
    assert replies(effects, NackCode.NOT_CHOSEN)[0].detail == "1 of 2 seats approve, 1 do not"


def test_votes_weigh_what_the_configuration_says():
    """Two of five, then three, then five: more than half of the weight adopts, not of the seats."""
    weights = {"executor-1": 2, "optimizer-1": 2}
    bench = Bench(seats=THREE, mode=Mode.CONSENSUS, lockstep=False, weights=weights)
    for seat in THREE[1:]:
        bench.hear(seat, update(WIDER, START), "p", now_ns=START)
    bench.vote(voter="optimizer-2")
    bench.vote(Choice.REJECT, voter="executor-1")
    assert bench.state.phase is Phase.VOTING
    bench.vote(voter="optimizer-1")
    assert bench.state.flight is not None
    assert audit(bench.rules, bench.disk) == []
    light = replace(bench.rules, weights={"executor-1": 3})
    assert audit(light, bench.disk) == ["(1, 1) under consensus: 2 of 5 seats approve"]


def test_two_different_votes_of_one_voter_void_both(bench):
    """In either order; the same vote twice is one vote."""
    bench.vote(voter="optimizer-1")
    bench.vote(voter="optimizer-1", serial=1)
    assert bench.state.round.votes == {"optimizer-1": "approve"}
    bench.vote(Choice.REJECT, voter="optimizer-1", serial=2)
    bench.vote(voter="optimizer-1", serial=3)
    assert bench.state.round.votes == {"optimizer-1": "void"}
    bench.vote(voter="executor-1")
    bench.vote(Choice.REJECT, voter="optimizer-2")
    assert bench.state.flight is None
    assert bench.kinds()[-2:] == [Kind.REFUSED, Kind.DONE]


def test_a_vote_on_another_candidate_is_no_approval(bench):
    """Whoever finds another digest does not approve this one."""
    bench.vote(voter="executor-1", candidate=digest(WIDER))
    assert bench.state.round.votes == {"executor-1": "reject"}


def test_votes_of_strangers_and_of_old_generations_count_for_nothing(bench):
    """A voter is a seat, and says under which generation it was asked."""
    assert replies(bench.vote(voter="desk"), NackCode.FORBIDDEN)
    stale = bench.vote(voter="optimizer-1", generation=7)
    assert replies(stale, NackCode.STALE_GENERATION)
    assert bench.state.round.votes == {}


def test_what_changes_nothing_is_not_put():
    """One of three sets is outvoted by two that stand for the incumbent."""
    bench = Bench(seats=THREE, mode=Mode.CONSENSUS)
    bench.boundary(1)
    effects = bench.propose(1, optimizer_1=None, optimizer_2=0.24)
    assert replies(effects, NackCode.NOT_CHOSEN)[0].detail == "together the sets change nothing"
    assert Kind.ROUND not in bench.kinds()
    assert bench.state.closed.decision is None


def test_a_vote_that_did_not_arrive_is_asked_for_again(bench):
    """The end of a message's ttl is not the end of the round, to that voter alone."""
    post = asked(bench)["optimizer-2"]
    effects = bench.do(Answered(post.id, None))
    assert [each.dst for each in effects] == ["optimizer-2"]


def at_once(seats=THREE):
    """On the real clock all optimizers have proposed, and the round is open."""
    bench = Bench(seats=seats, mode=Mode.CONSENSUS, lockstep=False)
    for seat in seats[1:]:
        bench.hear(seat, update(WIDER, START), "p", now_ns=START)
    assert bench.state.phase is Phase.VOTING
    return bench


def test_three_seats_adopt_with_one_silent():
    """On the real clock two of three are enough, and the third is asked no more."""
    bench = at_once()
    bench.vote(voter="optimizer-1")
    effects = bench.vote(voter="optimizer-2")
    assert bench.state.flight.params == WIDER
    silent = asked(bench)["executor-1"].id
    assert Withdraw(silent) in effects


def test_a_round_without_a_quorum_is_void_and_the_next_one_waits_longer():
    """5 s for the votes, then a rest that doubles; an answer of any kind ends that."""
    bench = at_once()
    bench.vote(voter="optimizer-1")
    effects = bench.do(Tick(), START + 5 * SECOND + 1)
    told = replies(effects, NackCode.NOT_CHOSEN)[0].detail
    assert told == "no quorum in time: executor-1, optimizer-2 did not vote"
    assert (bench.state.round, bench.state.flight) == (None, None)
    assert bench.state.rest_until_ns == START + 10 * SECOND + 1
    now_ns = START + 6 * SECOND
    for seat in THREE[1:]:
        bench.hear(seat, update(WIDER, now_ns), "again", now_ns=now_ns)
    assert bench.state.phase is Phase.COLLECTING
    bench.do(Tick(), START + 10 * SECOND + 2)
    assert bench.state.phase is Phase.VOTING
    bench.do(Tick(), START + 15 * SECOND + 3)
    assert bench.state.silences == 2
    assert bench.state.rest_until_ns == START + 25 * SECOND + 3


def test_a_seat_that_does_not_propose_is_waited_for_only_so_long():
    """It counts as the incumbent: of three values two are the wider one."""
    bench = Bench(seats=(*THREE, "optimizer-3"), mode=Mode.CONSENSUS, lockstep=False)
    narrow = BASELINE.model_copy(update={"spread_percentage": 0.18})
    for seat in ("optimizer-1", "optimizer-2"):
        bench.hear(seat, update(narrow, START), "p", now_ns=START)
    assert bench.state.phase is Phase.COLLECTING
    bench.do(Tick(), START + 5 * SECOND + 1)
    assert bench.state.phase is Phase.VOTING
    assert bench.state.round.candidate == narrow


def test_whoever_says_that_it_proposes_nothing_is_waited_for_no_longer():
    """Both optimizers have spoken, so the round is open at once."""
    bench = Bench(seats=(*THREE, "optimizer-3"), mode=Mode.CONSENSUS, lockstep=False)
    narrow = BASELINE.model_copy(update={"spread_percentage": 0.18})
    nothing = NoUpdate(window=(0, 1), digest=digest(BASELINE), reason="nothing better")
    bench.hear("optimizer-3", nothing, "n", now_ns=START)
    for seat in ("optimizer-1", "optimizer-2"):
        bench.hear(seat, update(narrow, START), "p", now_ns=START)
    assert bench.state.phase is Phase.VOTING


def test_a_newer_set_of_a_seat_replaces_its_older_one():
    """One set per seat and round."""
    bench = Bench(seats=THREE, mode=Mode.CONSENSUS, lockstep=False)
    bench.hear("optimizer-1", update(BASELINE, START), "old", now_ns=START)
    bench.hear("optimizer-1", update(WIDER, START), "new", now_ns=START)
    effects = bench.hear("optimizer-2", update(WIDER, START), "p", now_ns=START)
    assert replies(effects, NackCode.NOT_CHOSEN)[0].detail == "the seat has proposed anew"
    assert bench.state.round.candidate == WIDER


def test_a_death_voids_the_round_and_asks_anew(bench):
    """No vote of the dead epoch counts in the next; the number goes on."""
    bench.vote(voter="optimizer-1")
    bench.restart()
    assert bench.state.round.number == 2
    assert bench.state.round.votes == {}
    for seat in THREE:
        bench.vote(voter=seat)
    assert bench.state.flight.pair == (2, 1)
    bench.judge(Ack(stage=Stage.APPLIED))
    assert bench.state.in_force.pair == (2, 1)


def test_the_executor_may_refuse_what_the_seats_agree_on(bench):
    """Its bounds and its veto cannot be out-voted."""
    for seat in THREE:
        bench.vote(voter=seat)
    bench.judge(Nack(code=NackCode.RISK_VETO, detail="halted"))
    assert bench.state.in_force is None
    assert bench.disk[-1].kind is Kind.REJECTED


def test_a_minority_of_liars_decides_nothing_outside_the_honest_range():
    """Sets, votes, two votes, silence and strangers: what is adopted lies where the honest are."""
    adopted = 0
    for seed in range(150):
        dice = random.Random(seed)
        count = dice.choice([3, 4, 5])
        seats = ("executor-1", *(f"optimizer-{n}" for n in range(1, count)))
        liars = dice.sample(seats[1:], (count - 1) // 2)
        bench = Bench(seats=seats, mode=Mode.CONSENSUS)
        bench.boundary(1)
        spreads = {}
        for seat in seats[1:]:
            honest = dice.choice([0.19, 0.2, 0.21, 0.22])
            spreads[seat.replace("-", "_")] = dice.uniform(1e-6, 10) if seat in liars else honest
        bench.propose(1, **spreads)
        sound = [0.2, *(s for n, s in spreads.items() if n.replace("_", "-") not in liars)]
        if bench.state.round is not None:
            candidate = bench.state.round.candidate.spread_percentage
            honest_choice = Choice.APPROVE if min(sound) <= candidate <= max(sound) else None
            for serial, seat in enumerate(dice.sample(seats, count)):
                lie = dice.choice(list(Choice))
                bench.vote(lie if seat in liars else honest_choice, voter=seat, serial=serial)
        if bench.state.flight is not None:
            adopted += 1
            assert min(sound) <= bench.state.flight.params.spread_percentage <= max(sound)
    assert adopted > 50


def test_a_stop_voids_the_vote(bench):
    """Nothing comes into force while the executor is stopped, whatever was agreed on."""
    stop = EmergencyStop(scope="all", flatten=False, reason="drill")
    effects = bench.hear("operator", stop, "stop")
    assert replies(effects, NackCode.HALTED)
    assert bench.state.round is None
    assert bench.state.closed.index == 1
    assert bench.state.now_ns == START + BOUNDARY
    assert ident("operator", "stop") in bench.state.stops
