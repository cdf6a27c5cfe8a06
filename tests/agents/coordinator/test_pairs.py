"""Every event in every phase of every mode, also right after a switch into it."""

import pytest

from agents.coordinator.events import Answered, Heard, Measured, Post, Started, Tick
from agents.coordinator.records import restored
from agents.coordinator.state import Phase
from agents.coordinator.step import step
from protocol.errors import NackCode
from protocol.merge import digest
from protocol.messages import (
    Ack,
    Boundary,
    Choice,
    EmergencyStop,
    Heartbeat,
    Mode,
    ModeChange,
    Nack,
    NoUpdate,
    Rearm,
    SnapshotRequest,
    Stage,
    Vote,
)
from tests.agents.coordinator.bench import WIDER, Bench
from tests.agents.coordinator.test_walk import check_fold, check_log, check_order, check_rest
from tests.agents.coordinator.world import BASELINE, BOUNDARY, START, ident, update

THREE = ("executor-1", "optimizer-1", "optimizer-2")
NARROW = 0.18


def resting(mode, phase):
    """A coordinator of a mode that rests in a phase, None when that mode never does."""
    bench = Bench(seats=THREE, mode=mode)
    if phase is Phase.IDLE:
        return bench
    bench.boundary(1)
    if phase is Phase.COLLECTING:
        return bench
    bench.propose(1, optimizer_1=NARROW, optimizer_2=NARROW)
    if phase is Phase.VOTING:
        return bench if bench.state.phase is phase else None
    if bench.state.round is not None:
        for voter in THREE if mode is Mode.CONSENSUS else THREE[:1]:
            bench.vote(voter=voter)
    if phase is Phase.SETTLING:
        # The executor must have judged the first decision by now, and has not told how.
        bench.boundary(2)
        bench.propose(2, optimizer_1=0.21, optimizer_2=0.21)
    if phase is Phase.MEASURING:
        bench.judge(Ack(stage=Stage.APPLIED))
        bench.boundary(2, bench.pair())
        bench.propose(2, optimizer_1=NARROW, optimizer_2=NARROW)
    return bench if bench.state.phase is phase else None


RESTING = [(mode, phase) for mode in Mode for phase in Phase if resting(mode, phase) is not None]


def events(bench):
    """One event of every kind, by name: of a stranger, of a seat, of the executor, late, false."""
    state = bench.state
    number = state.round.number if state.round else 9
    posts = [each for each in bench.effects if isinstance(each, Post)]
    index = state.boundary.index if state.boundary else 1
    ref = ident("executor-1", "boundary", index)
    change = {"from": state.mode, "gen": state.generation, "reason": "pair"}
    nothing = NoUpdate(window=(0, 1), digest=digest(BASELINE), reason="nothing")
    stop = EmergencyStop(scope="all", flatten=False, reason="pair")
    here = state.now_ns or START
    yield "started", Started()
    yield "tick", Tick()
    asked = state.measuring
    if asked is not None:
        yield "measured", Measured(asked.key, tuple(range(len(asked.names))))
    yield "measured, of another time", Measured("f" * 32, (0.0,))
    for word in (Ack(stage=Stage.RECEIVED), Ack(stage=Stage.APPLIED), None):
        for post in posts[-6:]:
            yield f"answer to {post.word.type_name}", Answered(post.id, word)
    veto = Nack(code=NackCode.RISK_VETO, detail="pair")
    for post in posts[-6:]:
        yield f"nack of {post.word.type_name}", Answered(post.id, veto)
    for who in (*THREE, "desk", "operator"):
        for choice in Choice:
            vote = Vote(round=number, candidate=digest(WIDER), choice=choice)
            yield f"vote of {who}", Heard(who, ident(who, "v", choice), vote)
        for name, word in (
            ("boundary", Boundary(index=index + 1, venue_time=here + BOUNDARY)),
            ("no_update", nothing),
            ("update", update(WIDER, here)),
            ("snapshot_request", SnapshotRequest(have=(0, 0))),
            ("heartbeat", Heartbeat(state="up", lag_ms=0.0)),
        ):
            for about in (ref, None):
                heard = Heard(who, ident(who, name, about), word, ref=about)
                yield f"{name} of {who}", heard
    for mode in Mode:
        word = ModeChange.model_validate({**change, "to": mode})
        yield f"change to {mode}", Heard("operator", ident("m", mode), word)
    yield "stop", Heard("operator", ident("s"), stop)
    yield "rearm", Heard("operator", ident("r"), Rearm(lifts=(ident("s"),), reason="pair"))


def test_every_phase_is_rested_in_by_some_mode():
    """But DECIDING, in which nobody is waited for."""
    assert {phase for _, phase in RESTING} == set(Phase) - {Phase.DECIDING}
    assert len(RESTING) >= 15


@pytest.mark.parametrize(("mode", "phase"), RESTING)
def test_every_event_is_met_in_every_phase(mode, phase):
    """Nothing raises, where it rests somebody is waited for, and the log says why."""
    wanted = list(events(resting(mode, phase)))
    assert len(wanted) > 60
    for _, event in wanted:
        bench = resting(mode, phase)
        if isinstance(event, Started):
            bench.state = restored(bench.rules, bench.disk)
        bench.do(event)
        check_rest(bench)
        check_fold(bench)
        check_log(bench)
        check_order(bench.effects)


@pytest.mark.parametrize(("mode", "phase"), RESTING)
@pytest.mark.parametrize("later", list(Mode))
def test_a_switch_in_any_phase_ends_in_a_decision_of_the_new_mode_or_in_nothing(mode, phase, later):
    """What was proposed is judged by the new mode; the boundary closes all the same."""
    bench = resting(mode, phase)
    before = bench.state
    bench.switch(later)
    check_rest(bench)
    for _ in range(4):
        if bench.state.phase is Phase.SETTLING:
            bench.judge(Ack(stage=Stage.APPLIED))
        if bench.state.phase is Phase.MEASURING:
            bench.measure()
        if bench.state.phase is Phase.COLLECTING:
            bench.propose(1, optimizer_1=NARROW, optimizer_2=NARROW)
        for voter in THREE:
            if bench.state.round is not None:
                bench.vote(voter=voter)
    assert bench.state.phase is Phase.IDLE
    assert bench.state.generation == before.generation + 1
    flight = bench.state.flight
    if flight is not None and flight != before.flight:
        assert (flight.mode, flight.generation) == (later, before.generation + 1)
    check_log(bench)
    assert step(bench.state, Tick(), 0)[1] == ()
