"""The contract of evaluators on a real Ray cluster, its workers killed in between."""

import importlib.util
import signal
import threading

import pytest

from agents.optimizer.cluster import Cluster
from tests.agents.optimizer.cluster_house import House
from tests.contract.evaluator import EvaluatorContract, batch_of, expected

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None,
        reason="ray is not installed: pip install 'counterpoint[cluster]'",
    ),
    # Ray leaves sockets and files of its driver to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def house():
    """A head, and a node with two processors."""
    with House() as found:
        found.node(2)
        yield found


@pytest.fixture(scope="module")
def joined(house):
    """The tests' process as a part of it, once workers are there; SIGTERM does as before."""
    held = signal.getsignal(signal.SIGTERM)
    cluster = Cluster.at(house.address, threads=1)
    assert signal.getsignal(signal.SIGTERM) is held
    while not cluster.workers:
        threading.Event().wait(0.1)
    yield cluster
    cluster.close()


class TestCluster(EvaluatorContract):
    """Two workers."""

    @pytest.fixture
    def evaluator(self, joined):
        """The cluster."""
        return joined


def test_a_tape_is_shipped_once(joined, planted):
    """A second batch of the same tape puts nothing into the cluster's store."""
    batch = batch_of(planted)
    joined.submit(batch).result()
    before = joined.shipped
    joined.submit(batch).result()
    again = batch_of(planted)
    assert again.tape is not batch.tape
    joined.submit(again).result()
    assert joined.shipped == before


def test_a_worker_killed_in_the_middle_of_its_work_loses_nothing(house, joined, planted):
    """Its part goes to another worker: the same bytes."""
    batch = batch_of(planted, 600)
    pending = joined.submit(batch)
    killed = house.kill_one()
    found = pending.result()
    assert killed not in house.busy()
    assert found.tobytes() == expected(batch).tobytes()
