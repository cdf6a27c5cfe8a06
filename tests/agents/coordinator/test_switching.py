"""A switch at any point: what becomes of rounds, of strangers, of a half answered boundary."""

import pytest

from agents.coordinator.events import Post, Tick, Withdraw
from agents.coordinator.records import Kind
from agents.coordinator.rules import SECOND_NS, schedule_of
from agents.coordinator.state import Phase
from protocol.errors import NackCode, SettingsError
from protocol.messages import Ack, Mode, Stage
from tests.agents.coordinator.bench import WIDER, Bench
from tests.agents.coordinator.test_step import replies
from tests.agents.coordinator.test_walk import check_log, check_rest
from tests.agents.coordinator.world import START, update

THREE = ("executor-1", "optimizer-1", "optimizer-2")
OTHERS = [mode for mode in Mode if mode is not Mode.MASTER_SLAVE]


def advised():
    """Master-slave; a stranger's proposal lies before the executor, and a boundary has begun."""
    bench = Bench(seats=THREE)
    bench.hear("desk", update(WIDER, START), "p", now_ns=START)
    assert bench.state.phase is Phase.VOTING
    bench.boundary(1)
    bench.propose(1, optimizer_1=0.18)
    assert bench.state.phase is Phase.VOTING
    return bench


def test_every_voter_is_asked_no_more_and_the_void_is_logged():
    """A vote that comes too late finds no round; the log says what became of it."""
    bench = Bench(seats=THREE, mode=Mode.CONSENSUS)
    bench.boundary(1)
    bench.propose(1, optimizer_1=0.18, optimizer_2=0.18)
    words = [each for each in bench.effects if isinstance(each, Post)]
    asked = {each.id for each in words if each.word.type_name == "round"}
    bench.vote(voter="optimizer-1")
    effects = bench.switch(Mode.PEER)
    told = {each.id for each in effects if isinstance(each, Withdraw)}
    assert len(told) == 2
    assert told < asked
    assert [kind for kind in bench.kinds() if kind in {Kind.VOID, Kind.MODE}] == [
        Kind.VOID,
        Kind.MODE,
    ]


@pytest.mark.parametrize("mode", OTHERS)
def test_a_stranger_who_advised_the_master_has_no_part_in_another_mode(mode):
    """It hears so; the boundary goes on collecting, and is decided when it is whole."""
    bench = advised()
    effects = bench.switch(mode)
    assert replies(effects, NackCode.MODE)
    assert bench.state.phase is Phase.COLLECTING
    assert bench.state.queue != ()
    assert bench.state.flight is None
    bench.propose(1, optimizer_2=0.18)
    check_rest(bench)
    for voter in THREE:
        if bench.state.round is not None:
            bench.vote(voter=voter)
    assert bench.state.flight.mode is mode
    assert bench.state.closed.decision == bench.state.flight.pair
    check_log(bench)


def test_a_decision_made_meanwhile_is_none_of_the_boundary_that_waits():
    """The executor approves the stranger's set; the boundary closes without naming it."""
    bench = advised()
    bench.vote()
    assert bench.state.flight.boundary is None
    assert bench.state.phase is Phase.COLLECTING
    bench.propose(1, optimizer_2=None)
    assert bench.state.closed.decision is None
    assert replies(bench.effects, NackCode.NOT_CHOSEN)


@pytest.mark.parametrize("mode", OTHERS)
def test_on_the_real_clock_what_was_gathered_is_put_to_the_master(mode):
    """Proposals waited for others; a master waits for nobody."""
    bench = Bench(seats=THREE, mode=mode, lockstep=False)
    bench.hear("optimizer-1", update(WIDER, START), "p", now_ns=START)
    assert bench.state.phase is Phase.COLLECTING
    bench.switch(Mode.MASTER_SLAVE)
    assert bench.state.phase is Phase.VOTING
    assert bench.state.gather_until_ns == 0
    bench.vote()
    assert bench.state.flight.mode is Mode.MASTER_SLAVE


def test_a_decision_of_the_old_mode_still_arrives():
    """It is judged by its pair alone; the entry keeps the mode under which it was made."""
    bench = Bench(seats=THREE, mode=Mode.PEER)
    bench.boundary(1)
    bench.propose(1, optimizer_1=0.22, optimizer_2=None)
    bench.switch(Mode.CONSENSUS)
    bench.judge(Ack(stage=Stage.APPLIED))
    assert bench.state.in_force.mode is Mode.PEER
    assert bench.state.mode is Mode.CONSENSUS
    check_log(bench)


def test_a_scheduled_switch_is_a_log_entry_of_its_boundary():
    """Feed time waits there, so it is no matter of luck which proposals it meets."""
    bench = Bench(seats=THREE, schedule=((2, Mode.PEER), (3, Mode.PEER), (4, Mode.CONSENSUS)))
    for index in (1, 2, 3, 4):
        bench.boundary(index, bench.pair())
        bench.propose(index, optimizer_1=None, optimizer_2=None)
    kinds = bench.kinds()
    assert kinds.count(Kind.MODE) == 2
    assert kinds[kinds.index(Kind.MODE) - 1] is Kind.BOUNDARY
    assert (bench.state.mode, bench.state.generation) == (Mode.CONSENSUS, 2)
    bench.restart()
    assert (bench.state.mode, bench.state.generation) == (Mode.CONSENSUS, 2)


def test_a_scheduled_switch_voids_what_lies_before_a_voter():
    """A stranger's proposal met the boundary; first it is voided, then the boundary begins."""
    bench = Bench(seats=THREE, schedule=((1, Mode.CONSENSUS),))
    bench.hear("desk", update(WIDER, START), "p", now_ns=START)
    bench.boundary(1)
    assert bench.state.phase is Phase.COLLECTING
    assert replies(bench.effects, NackCode.MODE)
    bench.propose(1, optimizer_1=0.18, optimizer_2=0.18)
    assert bench.state.phase is Phase.VOTING
    check_log(bench)


def test_a_schedule_is_read_from_text():
    """Boundaries from 1, each once, in order."""
    assert schedule_of(None) == ()
    assert schedule_of("6:peer, 12:consensus") == ((6, Mode.PEER), (12, Mode.CONSENSUS))
    for text in ("peer", "0:peer", "3:king", "9:peer,6:peer", "6:peer,6:consensus", "6:peer,"):
        with pytest.raises(SettingsError, match=r"coordinator\.schedule must"):
            schedule_of(text)


def test_a_rest_ends_with_a_switch_to_a_mode_that_needs_no_quorum():
    """Silent voters hold up nobody who does not ask them."""
    bench = Bench(seats=THREE, mode=Mode.CONSENSUS, lockstep=False)
    for seat in THREE[1:]:
        bench.hear(seat, update(WIDER, START), "p", now_ns=START)
    bench.do(Tick(), START + 6 * SECOND_NS)
    assert bench.state.rest_until_ns > bench.state.now_ns
    bench.switch(Mode.MASTER_SLAVE)
    now_ns = START + 7 * SECOND_NS
    bench.hear("optimizer-1", update(WIDER, now_ns), "again", now_ns=now_ns)
    assert bench.state.phase is Phase.VOTING
