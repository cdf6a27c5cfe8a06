"""Threads of this process, held to the contract; a tape that travels; refusals in one line."""

import socket

import numpy as np
import pytest

from agents.optimizer import cluster_work
from agents.optimizer.cluster import evaluator_of
from agents.optimizer.cluster_node import ClusterError, demand_head
from agents.optimizer.evaluators import Threads
from agents.optimizer.shipping import DamagedError, packed, unpacked
from tests.contract.evaluator import EvaluatorContract, batch_of, expected


class TestThreads(EvaluatorContract):
    """Two threads."""

    @pytest.fixture
    def evaluator(self):
        """The threads."""
        return Threads(2)


# --- a tape that travels -------------------------------------------------------------------------
def test_a_tape_arrives_as_it_was(planted):
    """Every array has its type, shape and bytes, and can be written, so no kernel is made anew."""
    tape = batch_of(planted).tape
    parcel, blocks = packed(tape)
    for block in blocks.values():
        block.setflags(write=False)
    found = unpacked(parcel, lambda names: [blocks[name] for name in names])
    pairs = [(tape.steps, found.steps), (tape.views, found.views), (tape.plans, found.plans)]
    pairs += list(zip(tape.stream, found.stream, strict=True))
    for held, came in pairs:
        assert (held.dtype, held.shape, held.tobytes()) == (came.dtype, came.shape, came.tobytes())
        assert came.flags.writeable
        assert came.flags.c_contiguous


def test_a_tape_that_has_grown_shares_its_blocks(planted, monkeypatch):
    """Only what was added is named anew."""
    monkeypatch.setattr("agents.optimizer.shipping.BLOCK_BYTES", 1 << 14)
    tape = batch_of(planted).tape
    short = packed(tape.until(int(tape.steps[-300, 0])))[1]
    whole = packed(tape)[1]
    new = [name for name in whole if name not in short]
    assert len(short.keys() & whole.keys()) > 0.9 * len(short)
    assert 0 < len(new) < 0.2 * len(whole)


def test_a_block_that_changed_on_its_way_is_refused(planted):
    """A byte that is another is not traded upon."""
    parcel, blocks = packed(batch_of(planted).tape)
    name = parcel.pieces[1].blocks[0]
    blocks[name] = blocks[name].copy()
    blocks[name].view(np.uint8)[0, 5] ^= 1
    with pytest.raises(DamagedError, match="a block of views is not what it is called"):
        unpacked(parcel, lambda names: [blocks[each] for each in names])


def test_a_worker_of_another_build_refuses(planted, monkeypatch):
    """A worker whose kernels are others would give other bytes: it gives none."""
    batch = batch_of(planted, 2)
    parcel, blocks = packed(batch.tape)
    job = cluster_work.Job(parcel, parcel.key, blocks, batch.setup, cluster_work.build())
    found = cluster_work.worked(job, batch.parameters, batch.part, lambda got: got)
    assert found.figures.tobytes() == expected(batch).tobytes()
    assert found.fetched > 0
    again = cluster_work.worked(job, batch.parameters, batch.part, lambda got: got)
    assert again.fetched == 0, "a worker fetched again what it held"
    monkeypatch.setattr(cluster_work, "build", lambda: "another")
    with pytest.raises(cluster_work.OtherBuildError, match="it runs build another"):
        cluster_work.worked(job, batch.parameters, batch.part, lambda got: got)


# --- one clear line ------------------------------------------------------------------------------
@pytest.mark.parametrize("address", ["head", "head:", ":6379", "head:port", "head:70000"])
def test_an_address_that_is_none_is_refused(address):
    """What is allowed and what was found."""
    with pytest.raises(ClusterError, match=f"named HOST:PORT of its head, found {address}"):
        demand_head(address)


def test_a_head_that_is_not_there_is_refused_in_seconds():
    """Ray itself would wait for minutes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ClusterError, match=r"can be reached at 127\.0\.0\.1:"):
        demand_head(f"127.0.0.1:{port}")


def test_without_ray_the_words_say_what_to_install(monkeypatch):
    """The extra's name is in the line."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ClusterError, match=r"ray is not installed here: pip install"):
        evaluator_of("127.0.0.1:6379", threads=1)
