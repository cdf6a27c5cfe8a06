"""What must arrive, does: between processes, under every fault that a process can have."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from protocol.bus.endpoints import ipc_endpoints
from protocol.errors import NackCode
from tests.protocol.bus_program import MANGLED
from tests.protocol.bus_stage import Stage
from tests.protocol.ordeal import Ordeal, Pressure
from tests.protocol.party import make_keys
from tests.protocol.spy import Spy

STILL_S = 2.5
"""Longer than a socket's heartbeat waits for a peer."""
TINY = ("--mark", 8)
SMALL = Pressure(each=20, a_second=10.0, rows_a_second=500, stop_s=0.3)
FLOOD = """
import os, sys, time, zmq
head = b'{"src":"optimizer-1"}'
socket = zmq.Context().socket(zmq.PUB)
socket.setsockopt(zmq.SNDHWM, 0)
socket.connect(sys.argv[1])
time.sleep(0.5)
for _ in range(50_000):
    socket.send_multipart([b"ctl.coordinator.no_update", head, b"x", b"s" * 64])
time.sleep(0.2)
os._exit(0)
"""
"""More than the hub's queue holds, under a forged name, so that each frame costs a verification."""
NOTHING_LOST = {"unanswered": 0, "unhandled": 0, "handled_twice": 0}


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys") / "keys"
    make_keys(folder)
    return folder


@pytest.fixture
def stage(keys):
    with tempfile.TemporaryDirectory(prefix="cp") as folder:
        shutil.copytree(keys, Path(folder) / "keys")
        with Stage(Path(folder)) as made:
            yield made


def spy_of(stage):
    """A spy on the control hub of a stage."""
    return Spy(ipc_endpoints(stage.folder / "s").control_out)


def faults(found):
    return {key: found[key] for key in NOTHING_LOST}


def test_nothing_is_lost_under_late_slow_stopped_and_restarting_parties(stage):
    """Ten senders, four receivers, the hub killed in the middle, telemetry beside them."""
    found = Ordeal(stage, SMALL).play()
    assert found["posted"] == 10 * SMALL.each
    assert faults(found) == NOTHING_LOST
    assert found["rows_arrived"] > 0


def test_a_nack_that_is_none_is_not_answered_and_the_sender_still_learns_the_outcome(stage):
    """Bodies of every wrong kind; each copy is said again until a word comes that can be read."""
    stage.coordinator("--mangles", "--refuses")
    optimizer = stage.call("optimizer-1")
    optimizer.expect("joined")
    with spy_of(stage) as spy:
        assert spy.wait(5.0)
        optimizer.order("post", dst="coordinator", kind="parameter_update")
        final = optimizer.expect("final")["final"]
        assert final["code"] == NackCode.CONFIDENCE.value
        heard = spy.take(parse=False)
    nacks = [each for each in heard if each.kind == "nack"]
    assert len(nacks) == len(MANGLED) + 1
    said = {each.header["id"] for each in nacks}
    assert not [each for each in heard if each.header.get("ref") in said]


def test_who_was_busy_is_asked_again(stage):
    """E_BUSY is no answer to be repeated: the same bytes are judged anew when they come again."""
    stage.coordinator("--busy", 2, "--applies")
    optimizer = stage.call("optimizer-1")
    optimizer.expect("joined")
    optimizer.order("post", dst="coordinator", kind="parameter_update")
    assert optimizer.expect("final")["final"]["stage"] == "applied"


def test_control_converges_through_marks_that_hold_eight_messages(stage):
    """What a full queue drops is said again; a burst of a hundred goes through in the end."""
    coordinator, optimizer, executor = stage.cast("optimizer-1", "executor-1", options=TINY)
    with executor.stopped():
        optimizer.order("ping", dst="executor-1", count=100, a_second=1000)
        optimizer.listen(SMALL.stop_s)
    assert len(optimizer.expect("trips")["trips"]) == 100
    assert len({each["handled"] for each in executor.told("handled")}) <= 100
    assert coordinator.process.poll() is None


@pytest.mark.slow
@pytest.mark.slice
def test_a_flood_that_ends_does_not_take_the_hub_with_it(stage):
    """The hub's queues are full when the flooders leave; libzmq aborted it then."""
    stage.coordinator()
    optimizer = stage.call("optimizer-1")
    optimizer.expect("joined")
    address = ipc_endpoints(stage.folder / "s").control_in
    command = [sys.executable, "-c", FLOOD, address]
    flooders = [subprocess.Popen(command) for _ in range(4)]
    assert [each.wait(60) for each in flooders] == [0] * 4
    optimizer.order("post", dst="coordinator")
    assert optimizer.expect("final")["final"]["stage"] == "received"


@pytest.mark.slow
@pytest.mark.parametrize(
    "still",
    [pytest.param("coordinator", marks=pytest.mark.slice), "optimizer-1", "executor-1"],
)
def test_a_party_that_stands_still_costs_no_message(stage, still):
    """SIGSTOP of hub, sender or receiver, for longer than a heartbeat waits; then SIGCONT."""
    roles = ("coordinator", "optimizer-1", "executor-1")
    who = dict(zip(roles, stage.cast(*roles[1:]), strict=True))
    who["optimizer-1"].order("ping", dst="executor-1", count=200, a_second=50)
    awake = next(actor for name, actor in who.items() if name != still)
    with who[still].stopped():
        awake.listen(STILL_S)
    assert len(who["optimizer-1"].expect("trips", within_s=60)["trips"]) == 200
    who["executor-1"].expect("handled", count=200)
    assert len({each["handled"] for each in who["executor-1"].told("handled")}) == 200


@pytest.mark.slow
def test_nothing_is_lost_when_every_queue_is_tiny(stage):
    """The whole ordeal with marks of eight messages and telemetry of 2,000 rows a second."""
    pressure = Pressure(each=100, a_second=20.0, rows_a_second=2000, stop_s=0.8, options=TINY)
    found = Ordeal(stage, pressure).play()
    assert found["posted"] == 1000
    assert faults(found) == NOTHING_LOST
