"""CURVE between hosts, in processes: who is not in the roster gets nothing in, whatever fails."""

import pytest
import zmq

from protocol.bus.door import ADMITTED, DOMAIN, LATER, verdict
from protocol.bus.endpoints import Endpoints, far_endpoints
from protocol.bus.hub import Hub
from protocol.errors import EndpointError
from protocol.keys import ROSTER
from tests.protocol.far_stage import admits, answered, opened, pair_of, rewritten
from tests.protocol.party import NOW_NS, house, make_keys

KEY = zmq.curve_keypair()
LISTED = frozenset([KEY[0].decode()])


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
@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys") / "keys"
    make_keys(folder)
    return folder


@pytest.fixture
def far(keys):
    with opened(keys) as made:
        yield made


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


def test_who_has_no_listed_curve_key_gets_nothing_in(far):
    """No CURVE at all, an unlisted pair, a listed pair that takes the hubs for somebody else."""
    folder = far.stage.folder / "keys"
    listed = pair_of(folder, "optimizer-1")
    strangers = [None, (*zmq.curve_keypair(), listed[2]), (*listed[:2], zmq.curve_keypair()[0])]
    for curve in strangers:
        assert not admits(far.address, curve)
    assert set(far.counts()["counts"]) == {"forwarded"}  # what the coordinator says itself
    assert admits(far.address, listed)
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
    server = pair_of(folder, "desk")[2]
    for curve in (pair_of(folder, "optimizer-1"), (*zmq.curve_keypair(), server)):
        assert not admits(far.address, curve)
    assert far.counts()["counts"].get("signature", 0) == before
    assert answered(inside)
    near = far.stage.call("executor-1")
    near.expect("joined")


@pytest.mark.slow
@pytest.mark.slice
def test_a_key_that_the_hubs_roster_gains_is_let_in_without_any_restart(far):
    """It knocks on: 300 is `not now`. A damaged roster in between changes nothing."""
    folder = far.stage.folder / "keys"
    own, _ = zmq.curve_keypair()

    def stranger(rows):
        next(row for row in rows if row["name"] == "optimizer-3")["curve"] = own.decode()

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
