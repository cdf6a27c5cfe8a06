"""CURVE between hosts, in processes: who is not in the roster gets nothing in, whatever fails."""

import contextlib
import json
import shutil
import socket
import tempfile
import time
from pathlib import Path

import pytest
import zmq
from zmq.utils.monitor import parse_monitor_message

from protocol.bus.door import ADMITTED, DOMAIN, LATER, verdict
from protocol.bus.endpoints import Endpoints, far_endpoints
from protocol.bus.hub import Hub
from protocol.errors import EndpointError
from protocol.keys import ROSTER, load_identity, load_roster
from tests.protocol.bus_stage import Stage
from tests.protocol.party import NOW_NS, frames, house, make_keys

KEY = zmq.curve_keypair()
LISTED = frozenset([KEY[0].decode()])
SHUT_S = 0.7
"""A link that is let in is up in milliseconds; so long we look whether one is that must not be."""


def asked(**change):
    """A ZAP request of a key that is listed, with changes by the position of a frame."""
    request = [b"1.0", b"1", DOMAIN, b"10.0.0.9", b"", b"CURVE", zmq.utils.z85.decode(KEY[0])]
    for place, value in change.items():
        request[int(place.removeprefix("frame_"))] = value
    return request


def test_only_a_listed_curve_key_of_our_domain_is_admitted():
    """The whole judgement, on every way in which a request can be another."""
    assert verdict(asked(), LISTED) == ADMITTED
    other = zmq.utils.z85.decode(zmq.curve_keypair()[0])
    for request in (
        asked(frame_6=other),
        asked(frame_6=b""),
        asked(frame_6=bytes(33)),
        asked(frame_5=b"NULL"),
        asked(frame_5=b"PLAIN"),
        asked(frame_2=b""),
        asked(frame_2=b"other"),
        asked(frame_0=b"2.0"),
        asked()[:6],
        [*asked(), b"more"],
        [],
    ):
        assert verdict(request, LISTED) == LATER
    assert verdict(asked(), frozenset()) == LATER


@pytest.mark.parametrize(
    "address",
    ["tcp://*:0", "tcp://10.0.0.1:65533", "tcp://10.0.0.1", "ipc:///tmp/x", "tcp://a b:7000",
     "tcp://10.0.0.1:7000;tcp://x:1", "tcp://:7000", "udp://10.0.0.1:7000", ""],
)  # fmt: skip
def test_an_address_between_hosts_is_checked(address):
    """One line that says what it should look like."""
    with pytest.raises(EndpointError, match="must be tcp://HOST:PORT"):
        far_endpoints(address, KEY[0].decode())


def test_an_address_that_others_reach_cannot_be_bound_without_curve(tmp_path):
    """Neither by leaving the key away, nor by giving the hub far endpoints as its host's own."""
    ends = far_endpoints("tcp://0.0.0.0:7001", KEY[0].decode())
    assert ends.telemetry_out == "tcp://0.0.0.0:7004"
    with pytest.raises(EndpointError, match="CURVE"):
        Endpoints(ends.control_in, ends.control_out, ends.telemetry_in, ends.telemetry_out)
    roster, who = house()
    with pytest.raises(EndpointError, match="beyond"):
        Hub(who["coordinator"], roster, ends, folder=tmp_path, clock=lambda: NOW_NS)


# --- processes --------------------------------------------------------------------------------
def four_ports():
    """Return the first of four ports that are free."""
    while True:
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(socket.socket())
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                for n in (1, 2, 3):
                    other = stack.enter_context(socket.socket())
                    other.bind(("127.0.0.1", port + n))
                return port


class Far:
    """A stage whose hubs are open to other hosts."""

    def __init__(self, stage):
        self.stage = stage
        self.port = four_ports()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.coordinator = stage.coordinator("--beyond", self.address)
        self.counted = 0

    def call(self, role, *options):
        """Start a party as if on another host: it knows the roster and its own key alone."""
        folder = self.stage.folder / f"keys-{role}"
        if not folder.exists():
            shutil.copytree(self.stage.folder / "keys", folder, ignore=only(role))
        return self.stage.call(role, "--connect", self.address, "--keys", folder, *options)

    def counts(self):
        """Return what the hubs count by now."""
        self.counted += 1
        self.coordinator.order("count")
        return self.coordinator.expect("counts", count=self.counted)

    def knocks(self, code, count):
        """Wait until so many knocks were answered so; each question takes its time, so no sleep."""
        end_s = time.monotonic() + 20
        while self.counts()["knocks"].get(code, 0) < count:
            assert time.monotonic() < end_s, "nobody knocks any more"


def only(role):
    return lambda _folder, names: [
        name for name in names if name.endswith(".key") and name != f"{role}.key"
    ]


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys") / "keys"
    make_keys(folder)
    return folder


@pytest.fixture
def far(keys):
    with tempfile.TemporaryDirectory(prefix="cp") as folder:
        shutil.copytree(keys, Path(folder) / "keys")
        with Stage(Path(folder)) as stage:
            yield Far(stage)


def rewritten(folder, change):
    """Put a changed roster in the place of the old one, as the command line does."""
    document = json.loads((folder / ROSTER).read_text())
    change({row["name"]: row for row in document["members"]})
    draft = folder / ".draft"
    draft.write_text(json.dumps(document))
    draft.replace(folder / ROSTER)


def answered(actor, count=1):
    """Whether a word of it is answered by the coordinator."""
    actor.order("post", dst="coordinator")
    return actor.expect("final", count=count)["final"]["stage"] == "received"


def test_parties_on_the_host_and_beyond_meet_on_one_bus(far):
    """An ipc socket and a CURVE port of one hub: words, answers, states, telemetry both ways."""
    near = far.stage.call("executor-1", "--follow", "optimizer-10", "--listen", "optimizer-10")
    other = far.call("optimizer-10", "--follow", "executor-1")
    for actor in (near, other):
        actor.expect("joined")
    assert answered(near)
    assert answered(other)
    near.expect("beat", beat="optimizer-10")
    other.expect("beat", beat="executor-1")
    other.order("tell", rows=500)
    assert near.expect("rows")["rows"] == 500
    assert far.counts()["knocks"] == {"200": 4}


class Knocker:
    """A bare PUB socket in this process that says what a member would say.

    Args:
        curve: (public, secret, server), None for a socket without CURVE.
    """

    def __init__(self, address, curve):
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.PUB)
        self.socket.setsockopt(zmq.LINGER, 0)
        if curve is not None:
            self.socket.curve_publickey, self.socket.curve_secretkey = curve[:2]
            self.socket.curve_serverkey = curve[2]
        self.monitor = self.socket.get_monitor_socket()
        self.socket.connect(address)

    def is_let_in(self):
        """Return whether the link comes up; whatever it could say is said meanwhile."""
        end_s = time.monotonic() + SHUT_S
        events = []
        while (left_s := end_s - time.monotonic()) > 0:
            self.socket.send_multipart(frames(ts=time.time_ns()))
            if self.monitor.poll(min(20, left_s * 1000)):
                events.append(parse_monitor_message(self.monitor.recv_multipart())["event"])
        assert zmq.Event.CONNECTED in events, "nobody listens at that port"
        return zmq.Event.HANDSHAKE_SUCCEEDED in events

    def close(self):
        """Let everything go."""
        self.socket.disable_monitor()
        self.context.destroy(0)


@contextlib.contextmanager
def knocking(address, curve):
    knocker = Knocker(address, curve)
    try:
        yield knocker
    finally:
        knocker.close()


def pair_of(folder, name):
    """Public and secret CURVE key of a member, and the hubs' public one."""
    secret = load_identity(name, folder, {}).curve.encode()
    server = load_roster(folder).members["coordinator"].curve.encode()
    return zmq.curve_public(secret), secret, server


def test_who_has_no_listed_curve_key_gets_nothing_in(far):
    """No CURVE at all, an unlisted pair, a listed pair that takes the hubs for somebody else."""
    folder = far.stage.folder / "keys"
    listed = pair_of(folder, "optimizer-1")
    strangers = [None, (*zmq.curve_keypair(), listed[2]), (*listed[:2], zmq.curve_keypair()[0])]
    for curve in strangers:
        with knocking(far.address, curve) as stranger:
            assert not stranger.is_let_in()
    assert set(far.counts()["counts"]) == {"forwarded"}  # what the coordinator says itself
    with knocking(far.address, listed) as member:
        assert member.is_let_in()
    assert far.counts()["counts"]["signature"] > 0  # it came in, and its words were judged


@pytest.mark.parametrize("how", ["cancelled", "closed"])
def test_with_its_handler_killed_the_door_is_shut_to_everybody(far, how):
    """ZAP_ENFORCE_DOMAIN: no answer is a refusal. Who is in stays, and so does this host."""
    inside = far.call("optimizer-2")
    inside.expect("joined")
    far.coordinator.order("kill_handler", how=how)
    far.coordinator.expect("handler")
    before = far.counts()["counts"].get("signature", 0)
    folder = far.stage.folder / "keys"
    for curve in (
        pair_of(folder, "optimizer-1"),
        (*zmq.curve_keypair(), pair_of(folder, "desk")[2]),
    ):
        with knocking(far.address, curve) as knocker:
            assert not knocker.is_let_in()
    assert far.counts()["counts"].get("signature", 0) == before
    assert answered(inside)
    near = far.stage.call("executor-1")
    near.expect("joined")


def test_a_key_that_the_hubs_roster_gains_is_let_in_without_any_restart(far):
    """It knocks on: 300 is `not now`. A damaged roster in between changes nothing."""
    folder = far.stage.folder / "keys"
    own, _ = zmq.curve_keypair()

    def stranger(rows):
        rows["optimizer-3"]["curve"] = own.decode()

    whole = (folder / ROSTER).read_text()
    far.call("optimizer-4").expect("joined")
    rewritten(folder, stranger)
    far.knocks("200", 8)  # the links were cut, and who is listed is in again
    newcomer = far.call("optimizer-3")
    far.knocks("300", 4)
    (folder / ROSTER).write_text(whole[: len(whole) // 2])
    far.knocks("300", 8)
    assert not newcomer.told("joined")
    (folder / ROSTER).write_text(whole)
    newcomer.expect("joined")
