"""Every nack code has a situation in which it is said."""

from types import SimpleNamespace

import pytest

from agents.coordinator.events import Reply
from agents.coordinator.hearing import QUEUE_MAX
from agents.executor.events import DecisionHeard
from agents.executor.judging import of_decision
from protocol.errors import NackCode
from protocol.messages import Choice, Decision, EmergencyStop, Mode, Nack, SnapshotRequest, Vote
from tests.agents.coordinator.bench import WIDER, Bench
from tests.agents.coordinator.test_shell import Running, party, settings, settled
from tests.agents.coordinator.world import BASELINE, BOUNDARY, START, ident, update

house = settings
GIANT = BASELINE.model_copy(update={"spread_percentage": 0.9})
STOP = EmergencyStop(scope="all", flatten=False, reason="drill")


def said(effects):
    """The codes of the nacks that were said."""
    words = [each.word for each in effects if isinstance(each, Reply)]
    return {each.code for each in words if isinstance(each, Nack)}


def at_boundary(params=WIDER, age=0, vote=None, before=None, **figures):
    """One set of optimizer-1 at a boundary; what all have heard in the end."""
    bench = Bench(seats=("executor-1", "optimizer-1"))
    if before is not None:
        bench.hear("operator", before, "before")
    bench.boundary(1)
    word = update(params, START + BOUNDARY - age, **figures)
    bench.hear("optimizer-1", word, "answer", ref=ident("executor-1", "boundary", 1))
    if vote is not None:
        bench.vote(Choice.REJECT, vote)
    return said(bench.effects)


def crowd():
    """More proposals than may wait while one is before the executor."""
    bench = Bench()
    for serial in range(QUEUE_MAX + 2):
        bench.hear("optimizer-8", update(WIDER, 0), serial)
    return said(bench.effects)


def of_another_generation():
    """A proposal under a generation that is none."""
    return said(Bench().hear("optimizer-1", update(WIDER, START), "p", generation=7))


def under_peers():
    """A stranger's set where seats alone take part."""
    return said(Bench(mode=Mode.PEER).hear("optimizer-8", update(WIDER, START), "p"))


def vote_of_a_stranger():
    """Nobody but the master votes."""
    word = Vote(round=1, candidate="0" * 64, choice=Choice.APPROVE)
    return said(Bench().hear("optimizer-1", word, "v"))


def judged_by_an_executor(pair):
    """A decision that meets an executor which has judged (3, 7)."""
    word = Decision(params=WIDER, basis=(), mode=Mode.PEER, not_before=0, not_after=1)
    state = SimpleNamespace(verdict=SimpleNamespace(pair=(3, 7)), now_ns=0)
    problem = of_decision(state, DecisionHeard("coordinator", "0" * 32, pair, word))
    return {problem[0]}


SITUATIONS = {
    NackCode.FORBIDDEN: vote_of_a_stranger,
    NackCode.EXPIRED: lambda: at_boundary(age=4 * BOUNDARY),
    NackCode.FENCED: lambda: judged_by_an_executor((2, 9)),
    NackCode.STALE_VERSION: lambda: judged_by_an_executor((3, 7)),
    NackCode.STALE_GENERATION: of_another_generation,
    NackCode.BOUNDS: lambda: at_boundary(drawdown=0.9),
    NackCode.STEP: lambda: at_boundary(GIANT),
    NackCode.RISK_VETO: lambda: at_boundary(vote="E_RISK_VETO: shadow replay found it worse"),
    NackCode.CONFIDENCE: lambda: at_boundary(confidence=0.1),
    NackCode.NOT_CHOSEN: lambda: at_boundary(BASELINE),
    NackCode.BUSY: crowd,
    NackCode.HALTED: lambda: at_boundary(before=STOP),
    NackCode.MODE: under_peers,
}
ON_THE_WIRE = {NackCode.VERSION, NackCode.SCHEMA, NackCode.REPLAY}


@pytest.mark.parametrize("code", SITUATIONS)
def test_a_situation_leads_to_its_code(code):
    """In the steps of coordinator and executor."""
    assert SITUATIONS[code]() == {code}


def test_no_code_is_without_a_situation():
    """Sixteen, here or on the wire."""
    assert SITUATIONS.keys() | ON_THE_WIRE == set(NackCode)


async def test_what_is_wrong_on_the_wire_has_its_codes(house):
    """Another version, another body under a known id, a word that lacks a key."""
    async with Running(house), party(house, "optimizer-1") as one:
        await settled(one.join())
        first = update(WIDER, START)
        key = ident("first")
        await settled(one.post("coordinator", first, message_id=key))
        other = update(GIANT, START)
        replayed = (await settled(one.post("coordinator", other, message_id=key))).word
        assert replayed.code is NackCode.REPLAY
        header = one._saying.header
        one._saying.header = lambda dst, _kind, *more: header(dst, "parameter_update", *more)
        final = (await settled(one.post("coordinator", SnapshotRequest(have=(0, 0))))).word
        assert final.code is NackCode.SCHEMA
        one._saying.header = lambda *given: header(*given).model_copy(update={"v": 2})
        final = (await settled(one.post("coordinator", first))).word
        assert final.code is NackCode.VERSION
