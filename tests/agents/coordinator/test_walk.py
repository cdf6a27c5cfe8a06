import random

import pytest

from agents.coordinator.audit import audit
from agents.coordinator.events import Append, Measure, Post, Reply, Tick
from agents.coordinator.records import Kind, restored
from agents.coordinator.state import Phase, experts, incumbent, voters
from protocol.errors import NackCode
from protocol.merge import digest, median_merge, peer_merge
from protocol.messages import (
    Ack,
    Choice,
    EmergencyStop,
    Mode,
    Nack,
    NoUpdate,
    Rearm,
    Stage,
)
from tests.agents.coordinator.bench import Bench
from tests.agents.coordinator.world import BASELINE, BOUNDARY, SECOND, START, ident, update

COMMON = (
    "boundary",
    "no",
    "yes",
    "yes",
    "vote",
    "vote",
    "vote",
    "measure",
    "apply",
    "apply",
    "tick",
)
RARE = ("weak", "reject", "veto", "stop", "switch", "again")
WALKS = 8
MOVES = 200
DURABLE = (
    *("version", "flight", "in_force", "queue", "stops", "closed", "proposals", "mode"),
    *("generation", "standing", "outcomes", "hedge", "running", "rounds", "silences"),
)


class Walk:
    """A coordinator among seats that say anything at any time."""

    def __init__(self, mode, clock):
        seats = ("executor-1", "optimizer-1", "optimizer-2", "optimizer-3")
        self.bench = Bench(seats=seats, mode=mode, lockstep=clock == "lockstep", hedge_windows=4)
        self.index, self.key, self.serial, self.now_ns = 0, None, 0, 0

    def move(self, word, which):
        """Let one thing happen, if it can."""
        bench, state = self.bench, self.bench.state
        self.serial += 1
        seat = bench.rules.seats[which]
        now = max(START + self.index * BOUNDARY, self.now_ns)
        match word:
            case "boundary" if state.boundary is None and bench.rules.lockstep:
                self.index += 1
                if state.flight is not None:
                    bench.judge(Ack(stage=Stage.APPLIED))
                self.key = bench.boundary(self.index, bench.pair())
            case "no":
                nothing = NoUpdate(window=(0, 1), digest=digest(BASELINE), reason="no")
                bench.hear(seat, nothing, "no", self.serial, ref=self.key or ident("none"))
            case "yes" | "weak":
                narrow = self.index % 2 == 0 if bench.rules.lockstep else self.serial % 3 > 0
                spread = incumbent(state).spread_percentage * (0.9 if narrow else 1.1)
                params = BASELINE.model_copy(update={"spread_percentage": min(spread, 9.0)})
                proposal = update(params, now, confidence=0.9 if word == "yes" else 0.1)
                ref, now_ns = self.key if which else None, 0 if bench.rules.lockstep else now
                bench.hear(seat, proposal, word, self.serial, ref=ref, now_ns=now_ns)
            case "vote" | "reject" if state.round is not None and voters(state):
                choice = Choice.APPROVE if word == "vote" else Choice.REJECT
                voter = seat if seat in voters(state) else voters(state)[0]
                bench.vote(choice, voter=voter, serial=self.serial)
            case "measure" if state.phase is Phase.MEASURING:
                bench.measure(lambda each: each.spread_percentage * (which - 1))
            case "apply" if state.flight is not None:
                bench.judge(Ack(stage=Stage.APPLIED))
            case "veto" if state.flight is not None:
                bench.judge(Nack(code=NackCode.RISK_VETO, detail="veto"))
            case "stop":
                stop = EmergencyStop(scope="all", flatten=False, reason="walk")
                bench.hear("operator", stop, "stop", self.serial)
                lift = Rearm(lifts=(ident("operator", "stop", self.serial),), reason="walk")
                bench.hear("operator", lift, "lift", self.serial)
            case "switch":
                bench.switch(list(Mode)[which], self.serial)
            case "again":
                bench.restart()
            case "tick":
                self.now_ns = now + (2 + 60 * (which == 0)) * SECOND
                bench.do(Tick(), 0 if bench.rules.lockstep else self.now_ns)


@pytest.mark.parametrize("clock", ["lockstep", "real"])
@pytest.mark.parametrize("mode", list(Mode))
def test_invariants_hold_on_random_walks(mode, clock):
    """In every mode and through switches: the log alone explains what was decided, and why."""
    modes = set()
    for seed in range(WALKS):
        dice = random.Random(f"{mode} {clock} {seed}")
        walk = Walk(mode, clock)
        for count in range(MOVES):
            walk.move(dice.choice(RARE if dice.random() < 0.12 else COMMON), dice.randint(0, 3))
            check_rest(walk.bench)
            if count % 10 == 0:
                check_fold(walk.bench)
        modes |= {row["mode"] for row in check_log(walk.bench)}
        check_order(walk.bench.effects)
    assert mode.value in modes, "the mode decided nothing: the walk does not reach it"
    assert len(modes) >= 3, "nothing was decided after a switch"


def check_fold(bench):
    """Whoever reads the log knows what the living coordinator knows."""
    fresh = restored(bench.rules, bench.disk)
    for name in DURABLE:
        assert getattr(fresh, name) == getattr(bench.state, name), name


def check_rest(bench):
    """Where the coordinator rests, it waits for somebody."""
    state = bench.state
    match state.phase:
        case Phase.VOTING:
            assert state.round is not None
            assert voters(state)
        case Phase.MEASURING:
            assert state.measuring is not None
        case Phase.IDLE:
            assert state.boundary is None
            assert state.round is None
        case Phase.DECIDING:
            raise AssertionError("nobody is waited for while deciding")
        case _:
            assert state.round is None


def check_log(bench):
    """Whoever reads the log alone finds every decision explained; return the decisions."""
    assert audit(bench.rules, bench.disk) == []
    return [each.body for each in bench.disk if each.kind is Kind.DECISION]


def check_order(effects):
    """A decision, a round or an answer is said only after its entry is on disk."""
    logged = set()
    for effect in effects:
        if isinstance(effect, Append):
            for record in effect.records:
                logged.add(record.body.get("id"))
                logged.add(tuple(record.body.get("pair", ())))
                logged.add(("round", record.body.get("round")))
        elif isinstance(effect, Post) and effect.word.type_name == "decision":
            assert effect.pair in logged
        elif isinstance(effect, Post) and effect.word.type_name == "round":
            assert ("round", effect.word.round) in logged
        elif isinstance(effect, Reply) and isinstance(effect.word, Ack):
            stage = effect.word.stage
            known = effect.ref in logged or effect.dst in {"operator", "executor-1"}
            assert known or stage is Stage.RECEIVED


def test_the_merge_of_a_round_is_what_everybody_finds():
    """From the round alone, in both modes that merge; the decision is the same set."""
    for mode in (Mode.PEER, Mode.CONSENSUS):
        bench = Bench(mode=mode)
        bench.boundary(1)
        bench.propose(1, optimizer_1=0.22, optimizer_2=0.24)
        words = [each.word for each in bench.effects if isinstance(each, Post)]
        asked = next(each for each in words if each.type_name == "round")
        sets, seats = asked.sets, len(bench.rules.seats)
        if mode is Mode.PEER:
            weighted = [(each.params, each.weight) for each in sets]
            found = peer_merge(asked.incumbent, weighted, seats=seats, fraction=0.25)
            assert digest(bench.state.flight.params) == digest(found)
        else:
            plain = [each.params for each in sets]
            found = median_merge(asked.incumbent, plain, seats=seats, fraction=0.25)
        assert digest(asked.candidate) == digest(found)


def test_the_supervisor_asks_for_each_set_by_its_worth():
    """One measurement a boundary; experts are the optimizers in the order of seats."""
    bench = Bench(mode=Mode.HIERARCHICAL)
    assert experts(bench.state) == ("optimizer-1", "optimizer-2")
    bench.boundary(1)
    bench.propose(1, optimizer_1=None, optimizer_2=0.22)
    assert not [each for each in bench.effects if isinstance(each, Measure)]
    bench.boundary(2)
    bench.propose(2, optimizer_1=None, optimizer_2=None)
    asked = [each for each in bench.effects if isinstance(each, Measure)]
    assert len(asked) == 1
    assert asked[0].last_ns - asked[0].first_ns == BOUNDARY
