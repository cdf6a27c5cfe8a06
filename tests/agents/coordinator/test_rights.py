"""What the signature cannot tell: a word that may be said, by somebody whose affair it is not."""

import pytest

from agents.coordinator.events import Fenced, Reply
from agents.coordinator.records import Kind
from agents.coordinator.state import Phase
from protocol.errors import NackCode
from protocol.messages import Boundary, Mode, Nack
from tests.agents.coordinator.bench import WIDER, Bench
from tests.agents.coordinator.world import BOUNDARY, START, update

SEATS = ("executor-1", "optimizer-1", "optimizer-2")


def refused(effects):
    """The codes with which something was refused."""
    return [e.word.code for e in effects if isinstance(e, Reply) and isinstance(e.word, Nack)]


def voting(mode):
    """A coordinator whose round is open."""
    bench = Bench(mode=mode, seats=SEATS)
    key = bench.boundary(1)
    for seat in SEATS[1:]:
        bench.hear(seat, update(WIDER, START + BOUNDARY), "answer", 1, ref=key)
    assert bench.state.phase is Phase.VOTING
    return bench


@pytest.mark.parametrize("voter", ["optimizer-1", "optimizer-3", "executor-2"])
def test_in_master_slave_only_the_executor_votes(voter):
    """A foreign vote is refused, is no log entry, and opens nothing."""
    bench = voting(Mode.MASTER_SLAVE)
    before = len(bench.disk)
    assert refused(bench.vote(voter=voter)) == [NackCode.FORBIDDEN]
    assert bench.state.phase is Phase.VOTING
    assert Kind.VOTE not in [record.kind for record in bench.disk[before:]]


@pytest.mark.parametrize("voter", ["optimizer-3", "executor-2"])
def test_in_consensus_only_seats_vote(voter):
    """A roster identity without weight is neither counted nor waited for."""
    bench = voting(Mode.CONSENSUS)
    for serial in range(3):
        assert refused(bench.vote(voter=voter, serial=serial)) == [NackCode.FORBIDDEN]
    assert bench.state.phase is Phase.VOTING
    assert not bench.state.round.votes


@pytest.mark.parametrize("src", ["optimizer-1", "executor-2", "desk"])
def test_nobody_but_the_executor_fences_with_a_higher_epoch(src):
    """An epoch that another tells of ends no coordinator; the executor's does."""
    bench = Bench(mode=Mode.MASTER_SLAVE, seats=SEATS)
    word = Boundary(index=1, venue_time=START + BOUNDARY)
    effects = bench.hear(src, word, "boundary", 1, pair=(99, 1))
    assert refused(effects) == [NackCode.FORBIDDEN]
    assert not [each for each in effects if isinstance(each, Fenced)]
    assert bench.state.boundary is None
    effects = bench.hear("executor-1", word, "boundary", 1, pair=(99, 1))
    assert [each for each in effects if isinstance(each, Fenced)]
