"""A stage whose hubs are open to other hosts by CURVE, on loopback; for tests."""

import contextlib
import json
import shutil
import tempfile
import time
from pathlib import Path

import zmq
from zmq.utils.monitor import parse_monitor_message

from bench.ports import free_ports
from protocol.keys import ROSTER, load_identity, load_roster
from tests.protocol.bus_stage import Stage
from tests.protocol.party import frames

SHUT_S = 0.7
"""A link that is let in is up in milliseconds; so long we look whether one is that must not be."""


class Far:
    """A stage whose hubs are open to other hosts."""

    def __init__(self, stage, *options):
        self.stage = stage
        self.port = free_ports(1, 2, 3)
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.coordinator = stage.coordinator("--beyond", self.address, *options)
        self.counted = 0

    def call(self, role, *options, shared=False):
        """Start a party as if on another host: it knows the roster and its own key alone.

        Args:
            shared: it reads the hubs' own folder, as over a shared disk.
        """
        folder = self.stage.folder / "keys" if shared else folder_of(self.stage, role)
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


def folder_of(stage, role):
    """Return a folder with the roster and the key of one party: what is copied to another host."""
    folder = stage.folder / "keys"
    return Path(shutil.copytree(folder, f"{folder}-{role}", ignore=only(role)))


def only(role):
    return lambda _folder, names: [
        name for name in names if name.endswith(".key") and name != f"{role}.key"
    ]


@contextlib.contextmanager
def opened(keys, *options):
    """Yield such a stage over a copy of a folder of keys, its name short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="cp") as folder:
        shutil.copytree(keys, Path(folder) / "keys")
        with Stage(Path(folder)) as stage:
            yield Far(stage, *options)


def rewritten(folder, change):
    """Put a changed roster in the place of the old one, as the command line does."""
    document = json.loads((folder / ROSTER).read_text())
    change(document["members"])
    draft = folder / ".draft"
    draft.write_text(json.dumps(document))
    draft.replace(folder / ROSTER)


def answered(actor, count=1):
    """Whether a word of it is answered by the coordinator."""
    actor.order("post", dst="coordinator")
    return actor.expect("final", count=count)["final"]["stage"] == "received"


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


def admits(address, curve):
    """Whether the door at an address lets somebody in; see `Knocker`."""
    knocker = Knocker(address, curve)
    try:
        return knocker.is_let_in()
    finally:
        knocker.close()


def pair_of(folder, name):
    """Public and secret CURVE key of a member, and the hubs' public one."""
    secret = load_identity(name, folder, {}).curve.encode()
    server = load_roster(folder).members["coordinator"].curve.encode()
    return zmq.curve_public(secret), secret, server
