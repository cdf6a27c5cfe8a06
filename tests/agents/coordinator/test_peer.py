import pytest

from agents.coordinator.events import Answered, Measure, Post, Tick
from agents.coordinator.records import Kind
from agents.coordinator.state import Outcomes, Phase
from protocol.errors import NackCode
from protocol.merge import UNITS, digest
from protocol.messages import Ack, Choice, Mode, Nack, NoUpdate, Stage, Vote
from tests.agents.coordinator.bench import WIDER, Bench
from tests.agents.coordinator.test_step import replies
from tests.agents.coordinator.world import BASELINE, BOUNDARY, SECOND, START, ident, update

THREE = ("executor-1", "optimizer-1", "optimizer-2")
UNSURE = {"confidence": 0.0}


@pytest.fixture
def bench():
    """Three seats; both optimizers propose a wider spread at the first boundary."""
    bench = Bench(seats=THREE, mode=Mode.PEER)
    bench.boundary(1)
    bench.propose(1, optimizer_1=0.22, optimizer_2=0.24)
    return bench


def shown(bench):
    """The rounds said to peers."""
    words = [each for each in bench.effects if isinstance(each, Post)]
    return [each for each in words if each.word.type_name == "round"]


def test_every_fresh_set_moves_the_incumbent_by_its_weight(bench):
    """0.2 + (0.02 + 0.04) x 0.8 x 1/2 / 3: nobody votes, nobody is chosen."""
    weight = UNITS * 4 // 10 // 3
    moved = 0.2 + (0.02 + 0.04) * weight / UNITS
    assert bench.state.flight.params.spread_percentage == pytest.approx(moved, abs=1e-8)
    kinds = bench.kinds()
    assert kinds[-4:] == [Kind.MEASURED, Kind.ROUND, Kind.DECISION, Kind.DONE]
    asked = next(each.body for each in bench.disk if each.kind is Kind.ROUND)
    assert asked["weights"] == [weight, weight]
    assert len(bench.state.flight.basis) == 2


def test_every_seat_is_shown_the_round_and_need_only_receive_it(bench):
    """The executor is an equal peer; a vote of anybody is out of place."""
    assert [each.dst for each in shown(bench)] == list(THREE)
    assert {each.until for each in shown(bench)} == {Stage.RECEIVED}
    assert [each.weight for each in shown(bench)[0].word.sets] == [UNITS * 4 // 10 // 3] * 2


def test_a_peer_that_finds_another_merge_raises_an_alarm(bench):
    """It stands in the log, by name; the decision is judged by the executor all the same."""
    first, second, third = shown(bench)
    before = bench.state.flight
    bench.do(Answered(first.id, Ack(stage=Stage.RECEIVED)))
    bench.do(Answered(second.id, Nack(code=NackCode.SCHEMA, detail="the sets lead to abc")))
    bench.do(Answered(third.id, None))
    alarms = [each.body for each in bench.disk if each.kind is Kind.ALARM]
    assert [each["peer"] for each in alarms] == ["optimizer-1"]
    assert alarms[0]["detail"] == "the sets lead to abc"
    assert bench.state.flight == before
    assert bench.state.shown == {}


def test_zero_confidence_changes_nothing():
    """Whatever is proposed: the sets are refused, the incumbent stays."""
    bench = Bench(seats=THREE, mode=Mode.PEER)
    key = bench.boundary(1)
    for seat in THREE[1:]:
        word = update(WIDER, START + BOUNDARY, **UNSURE)
        effects = bench.hear(seat, word, "answer", 1, ref=key)
    assert replies(effects, NackCode.NOT_CHOSEN)
    assert bench.state.flight is None
    assert Kind.ROUND not in bench.kinds()


def test_whoever_is_late_or_absent_adds_nothing():
    """An old set is refused, the other is weighed as if it were alone."""
    bench = Bench(seats=THREE, mode=Mode.PEER)
    key = bench.boundary(1)
    stale = update(WIDER, START - BOUNDARY)
    bench.hear("optimizer-1", stale, "answer", 1, ref=key)
    bench.hear("optimizer-2", update(WIDER, START + BOUNDARY), "answer", 1, ref=key)
    assert len(bench.state.flight.basis) == 1
    refused = [each.body for each in bench.disk if each.kind is Kind.REFUSED]
    assert [each["code"] for each in refused] == ["E_EXPIRED"]


def test_a_liar_moves_nothing_further_than_his_share_of_a_step():
    """A spread of ten percent counts as a quarter more, at w_max = 1/3 with reliability 1/2."""
    bench = Bench(seats=THREE, mode=Mode.PEER)
    bench.boundary(1)
    bench.propose(1, optimizer_1=10.0, optimizer_2=None)
    moved = bench.state.flight.params.spread_percentage - 0.2
    assert 0.0 < moved <= 0.2 * 0.25 / 3


def test_votes_are_nobodys_business_here(bench):
    """A vote under this mode is refused, whoever gives it."""
    vote = Vote(round=1, candidate=digest(WIDER), choice=Choice.APPROVE)
    for seat in THREE:
        told = replies(bench.hear(seat, vote, "vote"), NackCode.FORBIDDEN)
        assert told[0].detail == "no voter in peer: nobody votes"


def test_reliability_follows_from_what_the_applied_sets_did_next(bench):
    """Each seat's own set is replayed beside what it replaced, on the window after it came."""
    bench.judge(Ack(stage=Stage.APPLIED))
    bench.boundary(2, bench.pair())
    bench.propose(2, optimizer_1=None, optimizer_2=0.21)
    asked = [each for each in bench.effects if isinstance(each, Measure)]
    spreads = [each.spread_percentage for each in asked[0].sets]
    assert spreads == [0.22, 0.24, 0.2]
    assert (asked[0].first_ns, asked[0].last_ns) == (START + BOUNDARY, START + 2 * BOUNDARY)
    earned = {0.22: 2.0, 0.24: -1.0, 0.2: 0.0}
    bench.measure(lambda each: earned[each.spread_percentage])
    assert bench.state.outcomes == {"optimizer-1": Outcomes(1, 1), "optimizer-2": Outcomes(0, 1)}
    last = [each.body for each in bench.disk if each.kind is Kind.ROUND][-1]
    assert last["weights"] == [UNITS * 8 // 10 // (3 * 3)]  # (0 + 1) / (1 + 2), of three seats


def test_no_fill_is_no_outcome(bench):
    """A window in which both sets did the same says nothing of either."""
    bench.judge(Ack(stage=Stage.APPLIED))
    bench.boundary(2, bench.pair())
    bench.propose(2, optimizer_1=None, optimizer_2=None)
    bench.measure(lambda _: 0.0)
    assert bench.state.outcomes == {}


def test_a_measurement_of_another_generation_is_thrown_away(bench):
    """The mode changed while it was made; the new mode begins with the same proposals."""
    bench.judge(Ack(stage=Stage.APPLIED))
    bench.boundary(2, bench.pair())
    bench.propose(2, optimizer_1=0.22, optimizer_2=None)
    assert bench.state.phase is Phase.MEASURING
    bench.switch(Mode.MASTER_SLAVE)
    assert bench.state.phase is Phase.VOTING
    entries = len(bench.disk)
    bench.measure()
    assert len(bench.disk) == entries
    bench.vote(Choice.APPROVE)
    assert bench.state.flight.mode is Mode.MASTER_SLAVE
    assert bench.state.flight.generation == 1


def test_on_the_real_clock_the_round_closes_with_whoever_is_fresh():
    """One of two has proposed; after 5 s his set is merged alone."""
    bench = Bench(seats=THREE, mode=Mode.PEER, lockstep=False)
    bench.hear("optimizer-1", update(WIDER, START), "p", now_ns=START)
    assert bench.state.flight is None
    bench.do(Tick(), START + 5 * SECOND + 1)
    assert digest(bench.state.flight.params) != digest(BASELINE)
    assert len(bench.state.flight.basis) == 1


def test_an_old_merge_is_renewed_on_the_real_clock():
    """What is renewed is the set in force, not one of its parts."""
    bench = Bench(seats=THREE, mode=Mode.PEER, lockstep=False)
    bench.hear("optimizer-1", update(WIDER, START), "p", now_ns=START)
    bench.do(Tick(), START + 5 * SECOND + 1)
    bench.judge(Ack(stage=Stage.APPLIED))
    merged = bench.state.in_force.params
    half = START + bench.rules.validity_ns // 2 + 10 * SECOND
    nothing = NoUpdate(window=(0, 1), digest=digest(merged), reason="nothing better")
    bench.hear("optimizer-2", nothing, "n", now_ns=half)
    bench.do(Tick(), half + 5 * SECOND + 1)
    if bench.state.phase is Phase.MEASURING:
        bench.measure()
    assert bench.state.flight.pair == (1, 2)
    assert bench.state.flight.params == merged


def test_only_seats_take_part(bench):
    """A bare proposal of somebody else may advise a master, it has no weight among peers."""
    stranger = bench.hear("desk", update(WIDER, START), "p")
    assert replies(stranger, NackCode.MODE)
    assert ident("desk", "p") not in bench.state.proposals


def test_peers_are_shown_the_round_again_after_a_death(bench):
    """A coordinator that died before it said so says it again, under the same ids; alarms count."""
    first = {each.id: each.word for each in rounds(bench.effects)}
    effects = bench.restart()
    again = {each.id: each.word for each in rounds(effects)}
    assert first == again
    key = next(iter(again))
    bench.do(Answered(key, Nack(code=NackCode.SCHEMA, detail="another merge")))
    assert bench.kinds()[-1] is Kind.ALARM
    bench.judge(Ack(stage=Stage.APPLIED))
    assert rounds(bench.restart()) == [], "what is in force is checked no more"


def rounds(effects):
    """What was shown to peers."""
    words = [each for each in effects if isinstance(each, Post)]
    return [each for each in words if each.word.type_name == "round"]
