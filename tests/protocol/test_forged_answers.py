"""Nobody but the addressee ends a message or lets one join, not even with the hub in his hands.

The test is the hub here: it checks nothing, and gives a real participant in another process
whatever it likes. Frames of one socket arrive in order, so what was forged was seen, and left no
trace, when the true word has its effect.
"""

import contextlib
import tempfile
import time
from pathlib import Path

import pytest
import zmq

from protocol.bus.endpoints import ipc_endpoints
from protocol.bus.frames import Header, parse_header, seal
from protocol.codec import encode
from protocol.errors import NackCode
from protocol.keys import load_identity, new_keys
from protocol.messages import Ack, Mode, Nack, Snapshot, Stage
from protocol.topics import Channel, Topic
from tests.protocol import bus_stage
from tests.protocol.party import PARAMS, header, make_keys

ME = "optimizer-1"
TRUE = ("coordinator", "coordinator")
FORGERS = (
    ("coordinator", "optimizer-2"),
    ("coordinator", "stranger"),
    ("coordinator", ME),
    ("executor-1", "executor-1"),
    ("optimizer-2", "optimizer-2"),
    (ME, ME),
    ("operator", "operator"),
    ("nobody", "stranger"),
)
"""Whose name it bears, whose key signed it."""
FAR_OFF_NS = 400 * 10**9
SOON_S = 4.0
"""Less than the 5 s after which a message comes again that was `received`."""
ANOTHER_ID = "a" * 32


class FalseHub:
    """Both ends of a control hub, in hostile hands.

    Args:
        folder: of the stage.
    """

    def __init__(self, folder: Path) -> None:
        ends = ipc_endpoints(folder / "s")
        names = ("coordinator", "executor-1", ME, "optimizer-2", "operator")
        self.who = {name: load_identity(name, folder / "keys", {}) for name in names}
        self.who["stranger"] = load_identity("coordinator", folder / "other", {})
        self._context = zmq.Context()
        self.incoming = self._context.socket(zmq.SUB)
        self.incoming.setsockopt(zmq.SUBSCRIBE, b"ctl.")
        self.incoming.bind(ends.control_in)
        self._out = self._context.socket(zmq.PUB)
        self._out.bind(ends.control_out)

    def close(self) -> None:
        """Take both ends away."""
        self._context.destroy(linger=0)

    def hear(self, kind: str, within_s: float = 20.0) -> Header:
        """Return the header of the next message of a type; what else comes is passed over."""
        end_s = time.monotonic() + within_s
        while (left_s := end_s - time.monotonic()) > 0 and self.incoming.poll(left_s * 1000):
            _, head, _, _ = self.incoming.recv_multipart()
            found = parse_header(head, ME)
            if found.type == kind:
                return found
        raise AssertionError(f"no {kind} within {within_s} s")

    def say(self, word, src, signer, *, to=ME, **more):
        """Give the participant a word under anybody's name and key."""
        head = header(src=src, dst=to, kind=word.type_name, **{"ts": time.time_ns(), **more})
        parts = list(seal(self.who[signer], Channel.CONTROL, head, encode(word)))
        parts[0] = Topic(Channel.CONTROL, word.type_name, ME).encode()
        self._out.send_multipart(parts)

    def forge(self, word, ref):
        """Say a word in every way that does not count; `ref` is what it claims to answer."""
        for src, signer in FORGERS:
            self.say(word, src, signer, ref=ref)
        self.say(word, *TRUE, ref=ANOTHER_ID)
        self.say(word, *TRUE)
        self.say(word, *TRUE, ref=ref, ts=time.time_ns() - FAR_OFF_NS)
        self.say(word, *TRUE, ref=ref, ts=time.time_ns() + FAR_OFF_NS)
        self.say(word, *TRUE, ref=ref, to="optimizer-2")
        self.say(word, *TRUE, ref=ref, v=2)


def snapshot(version):
    """A snapshot that tells of a pair."""
    return Snapshot(
        pair=(1, version), params=PARAMS, not_before=1, not_after=2, mode=Mode.PEER, generation=0,
        round=None, stops=(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def played():
    """A hub in hostile hands, and a participant that has been let in by the true word alone."""
    with tempfile.TemporaryDirectory(prefix="cp") as made, contextlib.ExitStack() as stack:
        folder = Path(made)
        make_keys(folder / "keys")
        new_keys(folder / "other")
        (folder / "s").mkdir(mode=0o700)
        hub = FalseHub(folder)
        stack.callback(hub.close)
        member = stack.enter_context(bus_stage.Stage(folder)).call(ME)
        hub.hear("snapshot_request")
        asked = hub.hear("snapshot_request")  # its own topic may not have been live at the first
        hub.forge(snapshot(99), asked.id)
        hub.say(snapshot(1), *TRUE, ref=asked.id)
        yield hub, member, member.expect("joined")


def test_a_forged_snapshot_lets_nobody_join(played):
    """Foreign keys, foreign names, other requests, other times: the pair is the true one's."""
    _, _, fact = played
    assert fact["joined"] == [1, 1]


@pytest.mark.parametrize(
    "word",
    [
        Ack(stage=Stage.RECEIVED),
        Ack(stage=Stage.APPLIED),
        Nack(code=NackCode.BOUNDS, detail="forged"),
        Nack(code=NackCode.BUSY, detail="forged", retry_after_ms=60_000),
    ],
    ids=["received", "applied", "nack", "busy"],
)
def test_a_forged_answer_neither_ends_a_message_nor_slows_it(played, word):
    """It is said again as if nothing had been heard, until the addressee has answered."""
    hub, member, _ = played
    known = len(member.told("final"))
    member.order("post", dst="coordinator", kind="parameter_update")
    said = hub.hear("parameter_update")
    hub.forge(word, said.id)
    for _ in range(2):
        assert hub.hear("parameter_update", SOON_S).id == said.id
    hub.say(Ack(stage=Stage.APPLIED, digest="d" * 64), *TRUE, ref=said.id)
    final = member.expect("final", count=known + 1)["final"]
    assert (final["stage"], final["digest"]) == ("applied", "d" * 64)
    assert len(member.told("final")) == known + 1
