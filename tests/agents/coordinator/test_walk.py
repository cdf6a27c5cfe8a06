from hypothesis import given, settings
from hypothesis import strategies as st

from agents.coordinator.events import Append, Post, Reply
from agents.coordinator.records import Kind, restored
from agents.coordinator.state import incumbent
from protocol.errors import NackCode
from protocol.merge import digest
from protocol.messages import Ack, Choice, EmergencyStop, Nack, NoUpdate, Rearm, Stage
from tests.agents.coordinator.bench import Bench
from tests.agents.coordinator.world import BASELINE, BOUNDARY, START, ident, update

words = st.sampled_from(
    ["boundary", "no", "yes", "weak", "vote", "reject", "apply", "veto", "stop"]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(words, st.integers(0, 2)), max_size=60))
def test_invariants_hold_on_random_walks(moves):
    """Never two in flight, one approval for each version, nothing said before it is logged."""
    bench = Bench()
    index, key = 0, None
    for serial, (word, which) in enumerate(moves):
        seat = bench.rules.seats[which]
        now = START + index * BOUNDARY
        flight = bench.state.flight
        match word:
            case "boundary" if bench.state.boundary is None:
                index += 1
                if flight is not None:
                    bench.judge(Ack(stage=Stage.APPLIED))
                key = bench.boundary(index, bench.pair())
            case "no":
                nothing = NoUpdate(window=(0, 1), digest=digest(BASELINE), reason="no")
                bench.hear(seat, nothing, "no", serial, ref=key or ident("none"))
            case "yes" | "weak":
                wider = incumbent(bench.state).spread_percentage * (1.1 if which else 0.9)
                params = BASELINE.model_copy(update={"spread_percentage": min(wider, 9.0)})
                proposal = update(params, now or START, confidence=0.9 if word == "yes" else 0.1)
                bench.hear(seat, proposal, word, serial, ref=key if which else None)
            case "vote" | "reject" if bench.state.round is not None:
                bench.vote(Choice.APPROVE if word == "vote" else Choice.REJECT)
            case "apply" if flight is not None:
                bench.judge(Ack(stage=Stage.APPLIED))
            case "veto" if flight is not None:
                bench.judge(Nack(code=NackCode.RISK_VETO, detail="veto"))
            case "stop":
                stop = EmergencyStop(scope="all", flatten=False, reason="walk")
                bench.hear("operator", stop, "stop", serial)
                lift = Rearm(lifts=(ident("operator", "stop", serial),), reason="walk")
                bench.hear("operator", lift, "lift", serial)
        fresh = restored(bench.rules, bench.disk)
        for name in ("version", "flight", "in_force", "queue", "stops", "closed", "proposals"):
            assert getattr(fresh, name) == getattr(bench.state, name)
    check_log(bench.disk)
    check_order(bench.effects)


def check_log(disk):
    """One decision in flight; each decision follows an approving vote on its very proposal."""
    flying, asked, approved, versions = False, None, None, []
    for record in disk:
        match record.kind:
            case Kind.ROUND:
                asked, approved = record.body["proposal"], None
            case Kind.VOTE:
                approved = asked if record.body["choice"] == "approve" else None
            case Kind.DECISION:
                assert not flying
                assert record.body["basis"] == [approved]
                flying, approved = True, None
                versions.append(tuple(record.body["pair"]))
            case Kind.APPLIED | Kind.REJECTED:
                assert flying
                flying = False
    assert versions == sorted(set(versions))


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
