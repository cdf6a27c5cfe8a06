from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.coordinator.audit import audit
from agents.coordinator.conduct import BENCH_MAX_NS, BENCH_ROUNDS, FAULTS_MAX, bench_ns
from agents.coordinator.events import Malformed, Measure, Post, Reply, Tallied, Tick
from agents.coordinator.records import Kind, restored
from agents.coordinator.state import Phase, is_benched, present, voters
from protocol.errors import NackCode
from protocol.messages import Ack, Choice, Mode, Nack, NoUpdate, Stage
from tests.agents.coordinator.bench import WIDER, Bench
from tests.agents.coordinator.test_step import replies
from tests.agents.coordinator.world import BASELINE, BOUNDARY, SECOND, START, ident, update

THREE = ("executor-1", "optimizer-1", "optimizer-2")
WORSE = "E_RISK_VETO: shadow replay found -3.00 against 1.00 of the set in force"


def nonsense(bench, seat, *serials, now_ns=0):
    """Let a seat say what is no word, once for each serial."""
    effects = ()
    for each in serials:
        event = Malformed(seat, ident(seat, "bad", each), NackCode.SCHEMA, "levels is missing")
        effects = bench.do(event, now_ns)
    return effects


def benches(bench):
    """The entries of the log that bench somebody."""
    return [each.body for each in bench.disk if each.kind is Kind.BENCH]


def test_ten_words_of_the_wrong_shape_bench_a_seat_for_ten_rounds():
    """The tenth fault in a row, and not the ninth; a round is a boundary's time."""
    bench = Bench()
    bench.boundary(1)
    nonsense(bench, "optimizer-1", *range(FAULTS_MAX - 1))
    assert not is_benched(bench.state, "optimizer-1")
    nonsense(bench, "optimizer-1", "last")
    until = bench.state.now_ns + BENCH_ROUNDS * BOUNDARY
    assert benches(bench) == [{"seat": "optimizer-1", "until": until, "faults": FAULTS_MAX}]
    assert present(bench.state) == ("executor-1", "optimizer-2")


def test_a_fault_that_is_said_again_counts_once():
    """A nack may be lost, so the same bytes come again: by its id, also after a restart."""
    bench = Bench()
    nonsense(bench, "optimizer-1", *(["same"] * 30))
    bench.restart()
    nonsense(bench, "optimizer-1", *(["same"] * 30))
    assert bench.state.conduct["optimizer-1"].faults == 1
    assert bench.kinds().count(Kind.FAULT) == 1


def test_what_is_said_on_the_bench_floods_no_log():
    """A thousand more faults leave no entry at all; the counts of a minute do."""
    bench = Bench()
    nonsense(bench, "optimizer-1", *range(1000))
    assert Counter(bench.kinds()) == {Kind.EPOCH: 1, Kind.FAULT: FAULTS_MAX, Kind.BENCH: 1}
    before = bench.state
    bench.do(Tallied({"optimizer-1": {"E_SCHEMA": 990}}, {"rate": 5}))
    assert bench.disk[-1].body == {
        "refused": {"optimizer-1": {"E_SCHEMA": 990}}, "dropped": {"rate": 5},
    }  # fmt: skip
    assert bench.state == before


def refused_in_a_row(bench, count, reason=WORSE, first=1):
    """Let the executor refuse one set after another of optimizer-1."""
    for index in range(first, first + count):
        key = bench.boundary(index, bench.pair())
        now = START + index * BOUNDARY
        nothing = NoUpdate(window=(0, 1), digest="0" * 64, reason="nothing")
        bench.hear("optimizer-2", nothing, "answer", index, ref=key)
        bench.hear("optimizer-1", update(WIDER, now), "answer", index, ref=key)
        if bench.state.phase is Phase.VOTING:
            bench.vote(Choice.REJECT, reason)


def test_ten_failed_shadow_replays_bench_and_nothing_else_that_the_executor_says():
    """A veto of risk, a halted account or a step says nothing about the content."""
    for reason in (
        "E_RISK_VETO: risk has halted the account",
        "E_STEP: spread_percentage must move by at most 0.25",
        "E_CONFIDENCE: too low",
        "E_SCHEMA: no set of the round has the candidate's digest",
    ):
        innocent = Bench()
        refused_in_a_row(innocent, FAULTS_MAX + 2, reason)
        assert innocent.state.conduct == {}, reason
    bench = Bench()
    refused_in_a_row(bench, FAULTS_MAX)
    assert is_benched(bench.state, "optimizer-1")
    assert not is_benched(bench.state, "optimizer-2")


def test_a_decided_set_breaks_the_row():
    """Nine faults, a set that is decided, nine faults: nobody is benched."""
    bench = Bench()
    refused_in_a_row(bench, FAULTS_MAX - 1)
    bench.boundary(20)
    bench.propose(20, optimizer_2=None, optimizer_1=0.22)
    bench.vote()
    assert bench.state.flight is not None
    assert bench.state.conduct["optimizer-1"].faults == 0
    refused_in_a_row(bench, FAULTS_MAX - 1, first=21)
    assert benches(bench) == []


def test_a_benched_seat_is_told_so_and_is_waited_for_no_longer():
    """Its set is E_FORBIDDEN until a venue time; the boundary closes on the others' answers."""
    bench = Bench()
    bench.boundary(1)
    bench.propose(1, optimizer_2=None)
    assert bench.state.phase is Phase.COLLECTING
    nonsense(bench, "optimizer-1", *range(FAULTS_MAX))
    assert bench.state.closed.index == 1, "the boundary waits for whoever was benched"
    bench.boundary(2)
    effects = bench.propose(2, optimizer_1=0.22)
    found = replies(effects, NackCode.FORBIDDEN)[0]
    assert found.detail == "optimizer-1 is benched until 2023-11-15T00:03:20Z of venue time"
    assert found.retry_after_ms is None, "in lockstep venue time passes at any speed"
    bench.propose(2, optimizer_2=None)
    assert bench.state.closed.index == 2
    assert audit(bench.rules, bench.disk) == []


@pytest.mark.parametrize("spread", [0.22, None], ids=["set", "no_update"])
def test_an_answer_that_overtakes_the_boundary_which_ends_a_bench_counts(spread):
    """The boundary, told again, waits for the seat; its answer, refused before, never came."""
    bench = Bench()
    bench.boundary(1)
    nonsense(bench, "optimizer-1", *range(FAULTS_MAX))
    bench.propose(1, optimizer_2=None)
    free = 1 + BENCH_ROUNDS
    for index in range(2, free):
        bench.boundary(index)
        bench.propose(index, optimizer_2=None)
    assert bench.state.closed.index == free - 1
    assert is_benched(bench.state, "optimizer-1")
    effects = bench.propose(free, optimizer_1=spread)
    assert effects == (), "what comes of it is known when the boundary is here"
    bench.boundary(free)
    bench.propose(free, optimizer_2=None)
    if spread is not None:
        bench.vote()
    assert bench.state.closed.index == free
    assert audit(bench.rules, bench.disk) == []


def test_on_the_real_clock_the_nack_says_how_long_it_takes():
    """In wall milliseconds: venue time may run faster."""
    bench = Bench(lockstep=False, haste=10.0)
    nonsense(bench, "optimizer-1", *range(FAULTS_MAX), now_ns=START)
    later = START + BOUNDARY
    found = replies(
        bench.hear("optimizer-1", update(WIDER, later), "p", now_ns=later), NackCode.FORBIDDEN
    )[0]
    assert found.retry_after_ms == (BENCH_ROUNDS - 1) * BOUNDARY // 10_000_000
    ends = START + BENCH_ROUNDS * BOUNDARY
    bench.hear("optimizer-1", update(WIDER, ends), "q", now_ns=ends)
    assert bench.state.phase is Phase.VOTING, "whose bench has ended is heard again"


def test_a_restart_frees_nobody():
    """The bench is in the log; so is the row of faults before it."""
    bench = Bench()
    bench.boundary(1)
    nonsense(bench, "optimizer-1", *range(FAULTS_MAX))
    nonsense(bench, "optimizer-2", *range(FAULTS_MAX - 1))
    held = dict(bench.state.conduct)
    for _ in range(3):
        bench.restart()
        assert bench.state.conduct == held
        assert is_benched(bench.state, "optimizer-1")
    nonsense(bench, "optimizer-2", "last")
    assert is_benched(bench.state, "optimizer-2")


def test_benches_double_to_a_day():
    """Each one twice as long as the one before, at most 24 hours."""
    bench = Bench()
    index = 0
    for count in range(12):
        index += 1_000
        bench.boundary(index)
        assert not is_benched(bench.state, "optimizer-1")
        nonsense(bench, "optimizer-1", *((count, each) for each in range(FAULTS_MAX)))
        length = benches(bench)[-1]["until"] - bench.state.now_ns
        assert length == min(BENCH_MAX_NS, BENCH_ROUNDS * BOUNDARY * 2**count)
        bench.propose(index, optimizer_2=None)
        assert bench.state.closed.index == index
    assert length == 24 * 3600 * SECOND


def consensus(**more):
    """A round of consensus is open."""
    bench = Bench(seats=THREE, mode=Mode.CONSENSUS, **more)
    bench.boundary(1)
    bench.propose(1, optimizer_1=0.22, optimizer_2=0.24)
    assert bench.state.phase is Phase.VOTING
    return bench


def test_two_votes_in_one_round_are_a_fault_and_a_decision_does_not_break_its_row():
    """Ten rounds of it bench the voter, though its sets were part of what was decided."""
    bench = Bench(seats=THREE, mode=Mode.CONSENSUS)
    for index in range(1, FAULTS_MAX + 1):
        bench.boundary(index, bench.pair())
        spread = 0.21 + 0.0001 * index
        bench.propose(index, optimizer_1=spread, optimizer_2=spread)
        bench.vote(voter="optimizer-1")
        bench.vote(Choice.REJECT, voter="optimizer-1", serial=1)
        bench.vote(voter="executor-1")
        bench.vote(voter="optimizer-2")
        assert bench.state.flight is not None
        assert bench.state.conduct["optimizer-1"].faults == index % FAULTS_MAX
        bench.judge(Ack(stage=Stage.APPLIED))
    assert is_benched(bench.state, "optimizer-1")
    assert audit(bench.rules, bench.disk) == []


def test_the_quorum_stays_over_all_that_is_configured():
    """A benched seat is not asked and weighs against: two of four are too few."""
    bench = Bench(seats=(*THREE, "optimizer-3"), mode=Mode.CONSENSUS)
    bench.boundary(1)
    nonsense(bench, "optimizer-3", *range(FAULTS_MAX))
    assert voters(bench.state) == THREE
    bench.propose(1, optimizer_1=0.18, optimizer_2=0.18)
    bench.vote(voter="executor-1")
    bench.vote(voter="optimizer-1")
    effects = bench.vote(Choice.ABSTAIN, voter="optimizer-2")
    assert replies(effects, NackCode.NOT_CHOSEN)[0].detail == "2 of 4 seats approve, 2 do not"
    assert bench.state.flight is None


def test_half_of_the_seats_decide_nothing_while_the_other_half_is_benched():
    """Two seats need both: with one benched in the open round, it is refused at once."""
    bench = Bench(seats=THREE[:2], mode=Mode.CONSENSUS)
    bench.boundary(1)
    bench.propose(1, optimizer_1=0.18)
    assert bench.state.phase is Phase.VOTING
    bench.vote(voter="executor-1")
    nonsense(bench, "optimizer-1", *range(FAULTS_MAX))
    assert bench.state.flight is None
    assert bench.state.closed.decision is None
    refusals = [each.body for each in bench.disk if each.kind is Kind.REFUSED]
    assert refusals[0]["detail"] == "1 of 2 seats approve, 1 do not"


def test_the_vote_of_a_benched_seat_is_refused():
    """And the round is decided by the others, more than half of all seats."""
    bench = consensus()
    nonsense(bench, "optimizer-2", *range(FAULTS_MAX))
    assert replies(bench.vote(voter="optimizer-2"), NackCode.FORBIDDEN)
    bench.vote(voter="executor-1")
    assert bench.state.flight is None
    bench.vote(voter="optimizer-1")
    assert bench.state.flight is not None


def test_a_master_is_never_benched_as_a_voter():
    """Without its vote nothing could be decided at all."""
    bench = Bench()
    bench.boundary(1)
    bench.propose(1, optimizer_2=None)
    nonsense(bench, "executor-1", *range(FAULTS_MAX))
    bench.propose(1, optimizer_1=0.22)
    bench.vote()
    assert bench.state.flight is not None


def test_a_boundary_closes_even_when_everybody_is_benched():
    """Feed time goes on, and nothing changes."""
    bench = Bench()
    bench.boundary(1)
    for seat in THREE:
        nonsense(bench, seat, *range(FAULTS_MAX))
    assert bench.state.closed.index == 1
    bench.boundary(2)
    assert bench.state.closed.index == 2
    bench.restart()
    bench.boundary(3)
    assert bench.state.closed.index == 3


@pytest.mark.parametrize("mode", [Mode.PEER, Mode.HIERARCHICAL])
def test_a_benched_seat_adds_nothing_to_a_merge_and_loses_its_windows(mode):
    """Peers are shown the others' sets alone; a strategy without advice has lost everything."""
    bench = Bench(seats=THREE, mode=mode)
    bench.boundary(1)
    nonsense(bench, "optimizer-1", *range(FAULTS_MAX))
    bench.propose(1, optimizer_2=0.22)
    if mode is Mode.PEER:
        rounds = [each for each in bench.effects if isinstance(each, Post)]
        shown = [each for each in rounds if each.word.type_name == "round"]
        assert {each.dst for each in shown} == {"executor-1", "optimizer-2"}
        assert [each.src for each in shown[0].word.sets] == ["optimizer-2"]
        return
    bench.boundary(2)
    bench.propose(2, optimizer_2=None)
    assert [each for each in bench.effects if isinstance(each, Measure)]
    bench.measure()
    told = [each.body for each in bench.disk if each.kind is Kind.MEASURED][-1]
    lost = dict(zip(told["supervisor"]["experts"], told["supervisor"]["lost"], strict=True))
    assert lost["optimizer-1"] == 100_000_000


def test_on_the_real_clock_a_benched_seat_is_not_waited_for():
    """The others' proposals are merged as soon as they are in."""
    bench = Bench(seats=THREE, mode=Mode.CONSENSUS, lockstep=False)
    nonsense(bench, "optimizer-2", *range(FAULTS_MAX), now_ns=START)
    bench.hear("executor-1", update(WIDER, START), "p", now_ns=START)
    bench.hear("optimizer-1", update(WIDER, START), "p", now_ns=START)
    assert bench.state.phase is Phase.VOTING
    bench.do(Tick(), START + SECOND)
    assert bench.state.phase is Phase.VOTING


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["bad", "good", "worse", "again", "later"]),
            st.sampled_from(THREE[1:]),
        ),
        max_size=120,
    )
)
def test_the_log_alone_tells_who_is_benched(moves):
    """Whatever happens: never before the tenth fault in a row, always then, restart or not."""
    bench = Bench()
    index, rows = 0, Counter()
    for serial, (word, seat) in enumerate(moves):
        now = START + index * BOUNDARY
        free = not is_benched(bench.state, seat)
        if word == "bad":
            nonsense(bench, seat, serial)
            rows[seat] += free
        elif word == "again":
            bench.restart()
        elif bench.state.boundary is None and bench.state.phase is Phase.IDLE:
            index += 1 + 7 * (word == "later")
            now, key = START + index * BOUNDARY, bench.boundary(index, bench.pair())
            free = not is_benched(bench.state, seat)
            for each in THREE[1:]:
                if each == seat and word != "later":
                    spread = {"good": 0.21, "worse": 0.23}[word] + 0.00001 * (serial % 97)
                    params = BASELINE.model_copy(update={"spread_percentage": spread})
                    said = update(params, now)
                else:
                    said = NoUpdate(window=(0, 1), digest="0" * 64, reason="no")
                bench.hear(each, said, "answer", index, ref=key)
            if bench.state.phase is Phase.VOTING:
                bench.vote(Choice.APPROVE if word == "good" else Choice.REJECT, WORSE)
                rows[seat] = 0 if word == "good" else rows[seat] + free
        for each in THREE[1:]:
            if rows[each] == FAULTS_MAX:
                rows[each] = 0
                assert is_benched(bench.state, each), f"{each} after {word}"
            held = bench.state.conduct.get(each)
            assert (held.faults if held else 0) == rows[each]
    assert restored(bench.rules, bench.disk).conduct == bench.state.conduct
    assert audit(bench.rules, bench.disk) == []


@given(st.integers(0, 10_000), st.integers(1, 10**15))
def test_a_bench_is_never_longer_than_a_day_and_never_shorter_than_the_last(benches, round_ns):
    """Whatever the rhythm, and however often."""
    assert 0 < bench_ns(benches, round_ns) <= bench_ns(benches + 1, round_ns) <= BENCH_MAX_NS


def test_a_stranger_who_misbehaves_is_benched_too():
    """Whoever proposes without a seat costs the executor a replay each time."""
    bench = Bench(lockstep=False)
    for serial in range(FAULTS_MAX):
        now = START + serial * SECOND
        bench.hear("optimizer-8", update(WIDER, now), serial, now_ns=now)
        bench.vote(Choice.REJECT, WORSE, serial=serial, now_ns=now)
    effects = bench.hear("optimizer-8", update(WIDER, now), "more", now_ns=now)
    assert [type(each.word) for each in effects if isinstance(each, Reply)] == [Nack]
    assert replies(effects, NackCode.FORBIDDEN)
