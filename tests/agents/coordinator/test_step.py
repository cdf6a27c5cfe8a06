from dataclasses import replace

import pytest

from agents.coordinator.draft import decision_id
from agents.coordinator.events import Answered, Append, Fenced, Post, Reply, Started, Tick
from agents.coordinator.records import Kind, restored
from agents.coordinator.state import Phase, heartbeat, incumbent, snapshot
from agents.coordinator.step import step
from protocol.errors import NackCode
from protocol.merge import digest
from protocol.messages import (
    Ack,
    Boundary,
    Choice,
    EmergencyStop,
    Mode,
    ModeChange,
    Nack,
    NoUpdate,
    Rearm,
    SnapshotRequest,
    Stage,
    Vote,
)
from tests.agents.coordinator.bench import WIDER, WIDEST, Bench
from tests.agents.coordinator.world import BASELINE, BOUNDARY, SECOND, START, ident, update


def replies(effects, code=None):
    words = [effect.word for effect in effects if isinstance(effect, Reply)]
    return [word for word in words if isinstance(word, Nack) and word.code is code]


@pytest.fixture
def bench():
    return Bench(seats=("executor-1", "optimizer-1"))


def test_an_epoch_is_on_disk_before_the_first_word(bench):
    """The first effect of a start is the log entry of its epoch."""
    assert bench.effects[0] == Append((bench.disk[0],))
    assert bench.disk[0].kind is Kind.EPOCH
    again = restored(bench.rules, bench.disk)
    state, effects = step(again, Started(), 0)
    assert state.epoch == 2
    assert isinstance(effects[0], Append)


def test_an_approved_proposal_is_decided_and_comes_into_force(bench):
    """Boundary, answers, one vote, one decision, applied: each is an entry of the log."""
    flight = bench.decided()
    assert flight.params == WIDER
    assert flight.not_before_ns == START + BOUNDARY + 120 * SECOND
    bench.judge(Ack(stage=Stage.APPLIED))
    assert incumbent(bench.state) == WIDER
    wanted = [Kind.EPOCH, Kind.BOUNDARY, Kind.ANSWER, Kind.ANSWER, Kind.ROUND]
    assert bench.kinds() == [*wanted, Kind.VOTE, Kind.DECISION, Kind.DONE, Kind.APPLIED]
    beat = heartbeat(bench.state).executors[0]
    assert (beat.epoch, beat.version, beat.digest) == (1, 1, digest(WIDER))


@pytest.mark.parametrize(
    ("proposed", "code"),
    [
        (update(WIDER, START + BOUNDARY, confidence=0.59), NackCode.CONFIDENCE),
        (update(WIDER, START + BOUNDARY, drawdown=0.21), NackCode.BOUNDS),
        (update(WIDER, START - BOUNDARY), NackCode.EXPIRED),
        (update(WIDEST, START + BOUNDARY), NackCode.STEP),
        (update(BASELINE, START + BOUNDARY), NackCode.NOT_CHOSEN),
    ],
)
def test_what_may_not_be_put_is_refused_without_a_vote(bench, proposed, code):
    """Confidence, drawdown, age, step and novelty are judged before anybody is asked."""
    key = bench.boundary(1)
    effects = bench.hear("optimizer-1", proposed, "answer", 1, ref=key)
    assert replies(effects, code)
    assert Kind.ROUND not in bench.kinds()
    assert bench.kinds()[-2:] == [Kind.REFUSED, Kind.DONE]


def test_a_rejection_carries_the_code_that_the_voter_gave(bench):
    """The proposer learns why: the reason may begin with a nack code."""
    key = bench.boundary(1)
    bench.hear("optimizer-1", update(WIDER, START + BOUNDARY), "answer", 1, ref=key)
    effects = bench.vote(Choice.REJECT, "E_STEP spread is too far")
    assert replies(effects, NackCode.STEP)[0].detail == "spread is too far"
    key = bench.boundary(2)
    bench.hear("optimizer-1", update(WIDER, START + 2 * BOUNDARY), "answer", 2, ref=key)
    assert replies(bench.vote(Choice.REJECT, "worse in replay"), NackCode.RISK_VETO)


def test_a_boundary_waits_for_the_judgement_of_what_is_due(bench):
    """An earlier decision that must have met its cycle edge is settled before anything else."""
    bench.decided(1)
    key = bench.boundary(2)
    proposal = update(WIDER.model_copy(update={"spread_percentage": 0.22}), START + 2 * BOUNDARY)
    effects = bench.hear("optimizer-1", proposal, "answer", 2, ref=key)
    assert not [each for each in effects if isinstance(each, Post)]
    bench.judge(Nack(code=NackCode.RISK_VETO, detail="late"))
    assert bench.state.round is not None
    assert incumbent(bench.state) == BASELINE


def test_what_is_not_due_yet_keeps_later_proposals_out():
    """Feed time stands still, so a decision for later cannot be waited for."""
    bench = Bench(seats=("executor-1", "optimizer-1"), tuning_latency_ns=2 * BOUNDARY)
    bench.decided(1)
    key = bench.boundary(2)
    effects = bench.hear("optimizer-1", update(WIDER, START + 2 * BOUNDARY), "b", 2, ref=key)
    assert replies(effects, NackCode.NOT_CHOSEN)
    assert bench.state.boundary is None


def test_a_lost_applied_is_learned_from_the_next_boundary(bench):
    """The pair in its header says what the executor trades under."""
    flight = bench.decided(1)
    bench.boundary(2, pair=flight.pair)
    assert bench.state.in_force.pair == flight.pair


def test_nothing_better_renews_the_set_in_force(bench):
    """All answers no_update: not_after moves on by the validity, here as at the executor."""
    flight = bench.decided(1)
    bench.judge(Ack(stage=Stage.APPLIED))
    key = bench.boundary(2, pair=flight.pair)
    nothing = NoUpdate(window=(0, 1), digest=digest(WIDER), reason="nothing better")
    bench.hear("optimizer-1", nothing, "answer", 2, ref=key)
    validity = bench.rules.validity_ns
    assert bench.state.in_force.not_after_ns == START + 2 * BOUNDARY + validity
    assert bench.state.closed.decision is None


def test_past_its_validity_the_baseline_is_in_force(bench):
    """Steps are measured from what the executor really quotes by."""
    bench.decided(1)
    bench.judge(Ack(stage=Stage.APPLIED))
    late = replace(bench.state, now_ns=bench.state.in_force.not_after_ns + 1)
    assert incumbent(late) == BASELINE


def test_a_seat_answers_a_boundary_once(bench):
    """A second answer under another id is refused; the same id hears its answer again."""
    key = bench.boundary(1)
    proposal = update(WIDER, START + BOUNDARY)
    bench.hear("optimizer-1", proposal, "answer", 1, ref=key)
    entries = len(bench.disk)
    again = bench.hear("optimizer-1", proposal, "answer", 1, ref=key)
    assert again == (Reply("optimizer-1", ident("optimizer-1", "answer", 1), again[0].word),)
    assert replies(bench.hear("optimizer-1", proposal, "other", 1, ref=key), NackCode.NOT_CHOSEN)
    assert len(bench.disk) == entries


def test_a_boundary_said_again_asks_for_the_vote_it_still_waits_for(bench):
    """A clock that was set had made the round unfit: its nack ended it, and feed time stands."""
    key = bench.boundary(1)
    bench.hear("optimizer-1", update(WIDER, START + BOUNDARY), "answer", 1, ref=key)
    asked = next(each for each in bench.effects if isinstance(each, Post))
    bench.do(Answered(asked.id, Nack(code=NackCode.EXPIRED, detail="the clock was set")))
    word = Boundary(index=1, venue_time=START + BOUNDARY)
    again = bench.hear("executor-1", word, "boundary", 1, pair=(0, 0))
    assert asked in again
    bench.vote()
    assert bench.state.flight is not None


def test_an_answer_that_overtakes_its_boundary_waits_for_it(bench):
    """After a start of ours the seat's answer may come first; it counts once both are there."""
    key = ident("executor-1", "boundary", 1)
    early = update(WIDER, START + BOUNDARY)
    assert bench.hear("optimizer-1", early, "answer", 1, ref=key) == ()
    bench.boundary(1)
    assert bench.state.round is not None


def test_a_flooding_seat_drops_no_answer_of_another_that_came_early(bench):
    """All wait for a boundary that is late; a hundred of one seat push out its own."""
    key = ident("executor-1", "boundary", 1)
    early = update(WIDER, START + BOUNDARY)
    bench.hear("optimizer-1", early, "answer", 1, ref=key)
    nothing = NoUpdate(window=(0, 1), digest=digest(BASELINE), reason="nothing")
    for serial in range(100):
        bench.hear("executor-1", nothing, "flood", serial, ref=ident("no", "boundary", serial))
    assert len(bench.state.early) < 20
    bench.boundary(1)
    assert bench.state.round is not None


def test_a_mode_that_these_seats_cannot_have_is_refused():
    """One seat cannot agree with anybody; the mode and the generation stay."""
    bench = Bench(seats=("executor-1",))
    for mode in (Mode.PEER, Mode.HIERARCHICAL, Mode.CONSENSUS):
        assert replies(bench.switch(mode, mode.value), NackCode.MODE)
    assert bench.state.generation == 0


def test_a_switch_voids_the_open_round_and_asks_anew(bench):
    """Generation + 1 is on disk; the vote of the old round comes too late."""
    key = bench.boundary(1)
    bench.hear("optimizer-1", update(WIDER, START + BOUNDARY), "answer", 1, ref=key)
    old = bench.state.round
    same = {"from": Mode.MASTER_SLAVE, "to": Mode.MASTER_SLAVE, "reason": "drill"}
    word = ModeChange.model_validate({**same, "gen": 0})
    bench.hear("operator", word, "m")
    assert bench.state.generation == 1
    assert bench.state.round.number == old.number + 1
    late = Vote(round=old.number, candidate=digest(WIDER), choice=Choice.APPROVE)
    bench.hear("executor-1", late, "vote", old.number)
    assert bench.state.flight is None
    stale = ModeChange.model_validate({**same, "gen": 0})
    assert replies(bench.hear("operator", stale, "n"), NackCode.STALE_GENERATION)
    assert bench.hear("operator", word, "m")[0].word == Ack(stage=Stage.DECIDED)


def test_a_proposal_of_an_old_generation_may_come_again(bench):
    """It is refused without using up the seat's answer."""
    key = bench.boundary(1)
    proposal = update(WIDER, START + BOUNDARY)
    effects = bench.hear("optimizer-1", proposal, "a", ref=key, generation=7)
    assert replies(effects, NackCode.STALE_GENERATION)
    bench.hear("optimizer-1", proposal, "b", ref=key, generation=0)
    assert bench.state.round is not None


def test_stops_and_rearms_end_alike_in_any_order(bench):
    """A lifted id never stops again, whichever arrives first."""
    stop = EmergencyStop(scope="all", flatten=False, reason="drill")
    key = ident("operator", "stop")
    bench.hear("operator", stop, "stop")
    assert heartbeat(bench.state).executors[0].stops == (key,)
    lift = Rearm(lifts=(key,), reason="over")
    bench.hear("operator", lift, "lift")
    bench.hear("operator", stop, "stop")
    assert heartbeat(bench.state).executors[0].stops == ()
    early = Bench()
    early.hear("operator", lift, "lift")
    early.hear("operator", stop, "stop")
    assert snapshot(early.state).stops == ()
    assert restored(early.rules, early.disk).lifted == {key}


def test_a_stopped_executor_gets_no_decision(bench):
    """A stop voids the round that is open; its proposal is refused as halted."""
    key = bench.boundary(1)
    bench.hear("optimizer-1", update(WIDER, START + BOUNDARY), "answer", 1, ref=key)
    stop = EmergencyStop(scope="executor-1", flatten=True, reason="drill")
    effects = bench.hear("operator", stop, "stop")
    assert replies(effects, NackCode.HALTED)
    assert bench.state.round is None


def test_a_fenced_coordinator_says_nothing_more(bench):
    """An executor that has judged a higher epoch has another coordinator."""
    word = Boundary(index=1, venue_time=START)
    effects = bench.hear("executor-1", word, "b", pair=(9, 4))
    assert len(effects) == 1
    assert isinstance(effects[0], Fenced)


def test_on_the_real_clock_silence_is_a_refusal():
    """Five venue seconds without a vote, and the proposal is refused."""
    bench = Bench(lockstep=False)
    bench.hear("optimizer-1", update(WIDER, START), "p", now_ns=START)
    assert bench.state.round is not None
    bench.do(Tick(), START + 5 * SECOND)
    assert bench.state.round is not None
    effects = bench.do(Tick(), START + 5 * SECOND + 1)
    assert replies(effects, NackCode.RISK_VETO)
    assert bench.state.round is None


def test_on_the_real_clock_a_decision_lapses_unjudged():
    """One in flight until applied, a nack, or not_after."""
    bench = Bench(lockstep=False)
    bench.hear("optimizer-1", update(WIDER, START), "p", now_ns=START)
    bench.vote()
    late = bench.state.flight.not_after_ns + 1
    bench.hear("optimizer-2", update(WIDER, late), "q", now_ns=late - 10)
    assert bench.disk[-1].body["detail"] == "an earlier decision is in flight"
    bench.do(Tick(), late)
    bench.do(Tick(late - 1, (0, 0)), late)
    assert bench.state.flight is not None  # a guessed time is not the executor's
    bench.do(Tick(late, bench.state.flight.pair), late)
    assert bench.state.flight is not None  # it was applied, and its answer is under way
    bench.do(Tick(late, (0, 0)), late)
    assert bench.state.flight is None
    assert bench.disk[-1].kind is Kind.REJECTED


def test_on_the_real_clock_an_old_set_is_put_again_when_nothing_is_better():
    """Past half of its validity a no_update renews it: a vote, a new version, the same set."""
    bench = Bench(lockstep=False)
    bench.hear("optimizer-1", update(WIDER, START), "p", now_ns=START)
    bench.vote()
    bench.judge(Ack(stage=Stage.APPLIED))
    nothing = NoUpdate(window=(0, 1), digest=digest(WIDER), reason="nothing better")
    half = bench.rules.validity_ns // 2
    bench.hear("optimizer-2", nothing, "young", now_ns=START + half - SECOND)
    assert bench.state.round is None
    bench.hear("optimizer-2", nothing, "old", now_ns=START + half)
    bench.vote()
    assert bench.state.flight.pair == (1, 2)
    bench.judge(Ack(stage=Stage.APPLIED))
    assert incumbent(bench.state) == WIDER
    assert bench.state.in_force.not_after_ns == START + half + bench.rules.validity_ns


def test_what_began_from_a_set_that_lapsed_meanwhile_is_refused():
    """Approved after the incumbent's end: step and merge were measured from it."""
    bench = Bench(lockstep=False)
    bench.hear("optimizer-1", update(WIDER, START), "p", now_ns=START)
    bench.vote()
    bench.judge(Ack(stage=Stage.APPLIED))
    late = bench.state.in_force.not_after_ns
    bench.hear("optimizer-1", update(WIDEST, late), "q", now_ns=late)
    effects = bench.vote(serial=1, now_ns=late + 1)
    assert replies(effects, NackCode.EXPIRED)
    assert bench.state.flight is None
    assert bench.state.phase is Phase.IDLE


def test_whoever_joins_is_told_everything(bench):
    """A snapshot holds the pair, its set and times, mode, generation and stops."""
    flight = bench.decided()
    effects = bench.hear("optimizer-1", SnapshotRequest(have=(0, 0)), "s")
    word = effects[0].word
    assert (word.pair, word.params, word.generation) == (flight.pair, WIDER, 0)


@pytest.mark.parametrize(
    "answer",
    [
        Nack(code=NackCode.REPLAY, detail="another set was judged"),
        Ack(stage=Stage.RECEIVED, digest=digest(WIDEST)),
        Ack(stage=Stage.APPLIED, digest=digest(WIDEST)),
    ],
    ids=["refused", "received", "applied"],
)
def test_another_set_under_our_pair_raises_an_alarm_and_ends_us(bench, answer):
    """A copy of the log decides elsewhere: who comes second logs it, and says it never again."""
    pair = bench.decided().pair
    effects = bench.judge(answer)
    assert [each for each in effects if isinstance(each, Fenced)]
    kinds = [each.kind for each in bench.disk if each.body.get("pair") == list(pair)]
    assert kinds == [Kind.DECISION, Kind.ALARM, Kind.REJECTED]
    assert bench.state.flight is None


def test_an_answer_that_names_our_set_is_ours(bench):
    """As every executor says it; one that names none is believed as before."""
    of = digest(bench.decided().params)
    assert not bench.judge(Ack(stage=Stage.RECEIVED, digest=of))
    bench.judge(Ack(stage=Stage.APPLIED, digest=of))
    assert bench.kinds()[-1] is Kind.APPLIED


def test_versions_go_on_above_what_the_executor_has_judged(bench):
    """A log that was put back from a copy is behind; the nack's header says how far."""
    bench.decided()
    key = decision_id(bench.state, bench.state.flight)
    nack = Nack(code=NackCode.STALE_VERSION, detail="version must be above 41")
    bench.do(Answered(key, nack, (1, 41)))
    assert bench.state.version == 41
    assert restored(bench.rules, bench.disk).version == 41
