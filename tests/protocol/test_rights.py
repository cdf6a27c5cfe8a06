"""Nobody says what is not his to say: every word, every kind of key, every forged name and topic.

Each frame goes to the hub's gatekeeper, and straight to a receiver's opener as well, as if the
hub were bypassed or broken.
"""

import itertools
import time
from types import MappingProxyType

import pytest
import zmq

from protocol.bus.frames import Message, Opener, preimage
from protocol.bus.gatekeeper import Gatekeeper
from protocol.codec import encode
from protocol.keys import RIGHTS, Identity, Roster, load_identity, load_roster, new_keys
from protocol.messages import WORDS
from protocol.topics import Channel, Topic
from tests.protocol.far_stage import opened
from tests.protocol.party import NOW_NS, header, house, make_keys

KINDS = MappingProxyType(
    {
        "coordinator": "coordinator",
        "executor-1": "executor",
        "optimizer-1": "optimizer",
        "desk": "desk",
        "operator": "operator",
    }
)
NAMES = tuple(KINDS)
COMMANDS = {
    "round": {"coordinator"},
    "decision": {"coordinator"},
    "boundary_done": {"coordinator"},
    "snapshot": {"coordinator"},
    "boundary": {"executor"},
    "vote": {"executor", "optimizer"},
    "parameter_update": {"executor", "optimizer"},
    "no_update": {"executor", "optimizer"},
    "emergency_stop": {"operator"},
    "rearm": {"operator"},
    "mode_change": {"operator"},
    "pause": {"operator"},
    "resume": {"operator"},
    "journal_request": {"desk"},
    "journal_page": {"coordinator", "executor"},
}
"""PROTOCOL.md 2 and 3: who alone may say each word that moves anything."""


def said(kind, src, signer, channel, party):
    """Four frames of a type from a name under somebody's key, with any topic."""
    head = encode(header(src=src, dst="executor-1", kind=kind))
    topic = Topic(channel, kind, party).encode()
    body = b"{}"
    return [topic, head, body, signer.sign(preimage(topic, head, body))]


def taken(parts):
    """Whether the hub forwards it, and whether a receiver that gets it all the same takes it."""
    roster = house()[0]
    forward, _ = Gatekeeper(roster).judge(parts, NOW_NS)
    return forward, isinstance(Opener(roster).open(parts, NOW_NS), Message)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory) -> tuple[Roster, Identity]:
    """A house of its own, whose optimizer-1 has our optimizer's name and another key."""
    folder = tmp_path_factory.mktemp("stranger") / "keys"
    new_keys(folder)
    return load_roster(folder), load_identity("optimizer-1", folder, {})


def test_the_rights_that_new_keys_give_are_those_of_the_protocol():
    """Every word that moves anything is named here, with exactly those who may say it."""
    for word, allowed in COMMANDS.items():
        assert {kind for kind, words in RIGHTS.items() if word in words} == allowed, word
    spoken = {word for words in RIGHTS.values() for word in words}
    assert spoken == set(WORDS)


@pytest.mark.parametrize("kind", sorted(WORDS))
def test_a_word_passes_only_under_its_senders_own_key_and_right(kind):
    """Types x names x keys x channels x topics: 5 x 5 x 3 x 3 frames of each word."""
    who = house()[1]
    passed = set()
    for src, signer, channel in itertools.product(NAMES, NAMES, Channel):
        for party in ("executor-1", src, "optimizer-1"):
            own = "executor-1" if channel is Channel.CONTROL else src
            rightful = src == signer and kind in RIGHTS[KINDS[src]] and party == own
            hub, receiver = taken(said(kind, src, who[signer], channel, party))
            assert receiver == rightful, (kind, src, signer, channel, party)
            # Telemetry has a hub of its own: through control it goes in no case.
            assert hub == (rightful and channel is not Channel.TELEMETRY)
            if hub:
                passed.add(KINDS[src])
    if kind in COMMANDS:
        assert passed == COMMANDS[kind]


@pytest.mark.parametrize("kind", sorted(WORDS))
def test_a_key_outside_the_roster_gets_nothing_forwarded_under_any_name(kind, stranger):
    """Neither under a member's name nor under one that nobody has."""
    for src in (*NAMES, "stranger", "coordinator-1", "operator-1"):
        for channel in Channel:
            party = "executor-1" if channel is Channel.CONTROL else src
            assert taken(said(kind, src, stranger[1], channel, party)) == (False, False)


# --- over sockets -------------------------------------------------------------------------------
FORGERIES = (
    ("decision", "coordinator", "optimizer-1"),
    ("decision", "executor-1", "executor-1"),
    ("vote", "executor-1", "optimizer-1"),
    ("rearm", "operator", "optimizer-1"),
    ("rearm", "optimizer-1", "optimizer-1"),
    ("mode_change", "optimizer-1", "optimizer-1"),
    ("emergency_stop", "operator", "executor-1"),
    ("snapshot", "coordinator", "optimizer-1"),
    ("snapshot", "optimizer-1", "optimizer-1"),
    ("ack", "coordinator", "optimizer-1"),
    ("boundary_done", "coordinator", "optimizer-1"),
)
"""Word, whose name it bears, whose key signed it."""


def test_forgeries_over_a_real_hub_reach_nobody(tmp_path_factory):
    """Bare sockets say them until the hub has counted each; the executor hears a true word only."""
    keys = tmp_path_factory.mktemp("keys") / "keys"
    make_keys(keys)
    with opened(keys) as far:
        folder = far.stage.folder / "keys"
        executor, member = (far.stage.call(name) for name in ("executor-1", "optimizer-1"))
        for actor in (executor, member):
            actor.expect("joined")
        who = {name: load_identity(name, folder, {}) for name in NAMES}
        reasons = ("signature", "rights", "unknown")
        with zmq.Context() as context, context.socket(zmq.PUB) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.connect(f"ipc://{far.stage.folder}/s/ci")
            end_s = time.monotonic() + 20
            while any(far.counts()["counts"].get(reason, 0) < 4 for reason in reasons):
                assert time.monotonic() < end_s, "not every forgery came to the hub"
                for kind, src, signer in (*FORGERIES, ("rearm", "stranger", "operator")):
                    socket.send_multipart(forged(kind, src, who[signer]))
        far.coordinator.order("post", dst="executor-1", kind="boundary_done", message_id="d" * 32)
        assert far.coordinator.expect("final")["final"]["stage"] == "received"
        executor.expect("handled")
        assert [each["handled"] for each in executor.told("handled")] == ["d" * 32]


def forged(kind, src, signer):
    """A word to the executor that is fresh, and not the signer's to say."""
    head = encode(header(src=src, dst="executor-1", kind=kind, ts=time.time_ns()))
    parts = (f"ctl.executor-1.{kind}".encode(), head, b"{}")
    return [*parts, signer.sign(preimage(*parts))]
