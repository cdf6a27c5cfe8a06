"""The bus between processes: one process would hide what PUB and SUB lose."""

import contextlib
import shutil
import tempfile
from pathlib import Path

import pytest

from protocol.errors import NackCode
from tests.protocol.bus_stage import Stage
from tests.protocol.party import make_keys

RECEIVED = {"stage": "received"}
TRIP_MAX_S = 0.5
"""Far below the seconds that a queue of telemetry would cost; a loaded machine passes."""


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys") / "keys"
    make_keys(folder)
    return folder


@contextlib.contextmanager
def opened(keys):
    """A stage in a folder whose name is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="cp") as folder:
        shutil.copytree(keys, Path(folder) / "keys")
        with Stage(Path(folder)) as made:
            yield made


@pytest.fixture
def stage(keys):
    with opened(keys) as made:
        yield made


@pytest.fixture(scope="module")
def busy(keys):
    """A stage with everybody on it, for tests that kill nobody."""
    follow = ("--follow", "optimizer-1", "optimizer-10", "--listen", "executor-1")
    roles = ("executor-1", "optimizer-1", "optimizer-10", "operator")
    with opened(keys) as made:
        everybody = made.cast(*roles, options=("--pair", 3, 7, *follow))
        yield made, dict(zip(("coordinator", *roles), everybody, strict=True))


def final_of(actor, count=1):
    found = actor.expect("final", count=count)["final"]
    return {key: value for key, value in found.items() if value}


def test_a_late_joiner_has_the_decision_in_force_within_two_seconds(busy):
    """It asks, and is answered: nothing that was published before it came matters."""
    stage, _ = busy
    late = stage.call("executor-2").expect("joined")
    assert late["joined"] == [3, 7]
    assert late["levels"] == 4
    assert late["s"] < 2.0


def test_a_missed_decision_is_repaired_by_the_heartbeat(busy):
    """Nobody sent the new pair; the sign of life tells of it, and a snapshot brings it."""
    _, who = busy
    who["coordinator"].order("decide", pair=[3, 8])
    assert who["executor-1"].expect("repaired")["repaired"] == [3, 8]
    assert who["optimizer-10"].expect("repaired")["repaired"] == [3, 8]


def test_names_that_begin_with_one_another_are_told_apart(busy):
    """optimizer-1 hears nothing of optimizer-10, and is not taken for it."""
    _, who = busy
    coordinator = who["coordinator"]
    for number, dst in enumerate(("optimizer-10", "optimizer-1", "optimizer-10")):
        coordinator.order("post", dst=dst, kind="boundary_done", message_id=f"{number:032x}")
        coordinator.expect("final", count=number + 1)
    who["optimizer-1"].expect("handled")
    who["optimizer-10"].expect("handled", count=2)
    assert [each["handled"] for each in who["optimizer-1"].told("handled")] == [f"{1:032x}"]
    coordinator.expect("beat", beat="optimizer-10", count=2)
    coordinator.expect("beat", beat="optimizer-1")
    assert all(each["follows"] == each["beat"] for each in coordinator.told("beat"))


def test_a_type_that_nobody_takes_is_refused_by_its_addressee(busy):
    """E_FORBIDDEN ends the resending; silence would last until the ttl."""
    _, who = busy
    who["operator"].order("post", dst="executor-1", kind="emergency_stop")
    assert final_of(who["operator"])["code"] == NackCode.FORBIDDEN.value


def test_a_stop_does_not_wait_until_its_sender_has_joined(busy):
    """A snapshot is granted once a second of a name; nothing else is said before it."""
    stage, _ = busy
    hasty = stage.call("operator", "--unjoined")
    hasty.expect("entered")
    hasty.order("post", dst="coordinator", kind="boundary_done")
    assert "not joined" in hasty.expect("failed")["failed"]
    hasty.order("post", dst="coordinator", kind="emergency_stop")
    assert final_of(hasty) == {"stage": "stopped"}


def test_a_second_hub_is_refused_with_one_line(busy):
    """Neither the same log nor the same sockets can be taken twice, and the first lives on."""
    stage, who = busy
    choices = ((), ("--log", stage.folder / "other"), ("--sockets", stage.folder / "t"))
    for second in [stage.call("coordinator", *options) for options in choices]:
        assert second.process.wait(20) == 1
        (line,) = second.process.stderr.read().decode().splitlines()
        assert "is in use by another coordinator" in line
    who["optimizer-10"].order("post", dst="coordinator")
    assert final_of(who["optimizer-10"]) == RECEIVED


def test_a_flood_of_telemetry_does_not_delay_control(busy):
    """Its own sockets, its own hub, and at most half of anybody's time."""
    _, who = busy
    who["executor-1"].order("tell", rows=15_000, pad=180)
    who["executor-1"].expect("told")
    who["optimizer-1"].order("ping", dst="coordinator", count=60, a_second=100)
    trips = who["optimizer-1"].expect("trips")["trips"]
    assert trips[-1] * 1e-9 < TRIP_MAX_S
    assert trips[len(trips) // 2] * 1e-9 < TRIP_MAX_S / 5
    assert who["coordinator"].expect("rows")["rows"] == 15_000


def test_a_killed_hub_costs_no_message(stage):
    """What it had received is said to the next one at once, and what was posted into the void too.

    The participant came before the first hub, and waited; `received` had slowed the resending of
    its proposal to 5 s, and the next coordinator's epoch made it due again.
    """
    optimizer = stage.call("optimizer-1")
    optimizer.expect("entered")
    first = stage.coordinator()
    optimizer.expect("joined")
    optimizer.order("post", dst="coordinator", kind="parameter_update", message_id="b" * 32)
    first.expect("handled")
    first.kill()
    optimizer.order("post", dst="coordinator", message_id="a" * 32)
    optimizer.expect("posted", count=2)
    second = stage.coordinator("--epoch", 2, "--applies")
    optimizer.expect("final", count=2)
    assert {each["final"]["stage"] for each in optimizer.told("final")} == {"received", "applied"}
    second.expect("handled", count=2)
    handled = sorted(each["handled"] for each in second.told("handled"))
    assert handled == ["a" * 32, "b" * 32]


def test_lost_messages_and_lost_acks_lead_to_exactly_one_handling(stage):
    """The hub loses the first two copies of the message and the first two of its answer."""
    lossy = ("--lose", "no_update", "ack", "--copies", 2)
    coordinator, optimizer = stage.cast("optimizer-1", options=lossy)
    optimizer.order("post", dst="coordinator", message_id="c" * 32)
    assert final_of(optimizer) == RECEIVED
    coordinator.expect("lost", count=4)
    assert [each["handled"] for each in coordinator.told("handled")] == ["c" * 32]
    assert len(optimizer.told("final")) == 1
