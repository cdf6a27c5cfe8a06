"""Noise beside a running bus: a flood of junk, a teller of telemetry, a listener to it.

python -m bench.noise flood ENDPOINT --unlisted 20000 --forged 2000
python -m bench.noise tell CONFIG --name optimizer-2 --rows 20000
python -m bench.noise listen CONFIG --name desk --to optimizer-2

Each goes on until SIGTERM and then prints one JSON object: what it sent or heard a second. The
flooder has no key of the roster and needs none: whoever reaches the socket can do what it does.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import zmq
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agents.bus import endpoints_of, participant_of
from agents.settings import Settings
from protocol.bus.endpoints import Contexts
from protocol.bus.frames import Header, preimage, seal
from protocol.bus.participant import COORDINATOR, Received
from protocol.codec import BODY_MAX, encode, encode_batch
from protocol.keys import load_identity
from protocol.messages import NoUpdate, Status
from protocol.topics import Channel

BURST_S = 0.005
POOL = 512
FORGED_NAMES = ("coordinator", "executor-1", "operator", "optimizer-1")
ROOM = 16_384
"""Bytes of rows in a batch, as participants have it."""


class Ending:
    """Becomes true with SIGTERM."""

    def __init__(self) -> None:
        self.asked = False
        signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True


def junk(name: str, rng: random.Random) -> tuple[bytes, ...]:
    """Return frames that claim to come from `name`, under a well-formed signature of a stranger.

    A signature of random bytes would cost the hub less: it is often no point of the curve.
    """
    word = NoUpdate(window=(0, rng.randrange(2**40)), digest="0" * 64, reason="x" * 100)
    header = Header(
        v=1, id=rng.randbytes(16).hex(), type="no_update", src=name, dst="coordinator",
        ts=time.time_ns(), ttl=300_000, enc="json",
    )  # fmt: skip
    parts = (b"ctl.coordinator.no_update", encode(header), encode(word))
    return (*parts, STRANGER.sign(preimage(*parts)))


STRANGER = Ed25519PrivateKey.generate()


def paced(a_second: float, ending: Ending) -> Iterator[int]:
    """Yield how many to send now, every few milliseconds, so that the pace is kept."""
    began_s = time.monotonic()
    sent = 0
    while not ending.asked:
        due = int((time.monotonic() - began_s) * a_second) - sent
        if due > a_second:  # it was paused: the time is over
            began_s = time.monotonic() - sent / a_second
            due = 0
        sent += due
        yield due
        time.sleep(BURST_S)


def flood(told: argparse.Namespace, ending: Ending) -> dict[str, float]:
    """Send junk at a steady pace."""
    rng = random.Random(told.seed)  # noqa: S311 - a benchmark
    strangers = cycle([junk(f"mallory-{n}", rng) for n in range(POOL)])
    forged = cycle([junk(FORGED_NAMES[n % len(FORGED_NAMES)], rng) for n in range(POOL)])
    total = told.unlisted + told.forged
    contexts = Contexts()
    socket = contexts.publisher(control=False)
    socket.connect(told.endpoint)
    counts = [0, 0]
    share = 0.0
    began_s = time.monotonic()
    for due in paced(total, ending):
        for _ in range(due):
            share += told.forged / total
            forge = share >= 1.0
            share -= forge
            counts[forge] += 1
            socket.send_multipart(next(forged if forge else strangers), flags=zmq.NOBLOCK)
    took_s = time.monotonic() - began_s
    contexts.close()
    return {"unlisted_s": counts[0] / took_s, "forged_s": counts[1] / took_s}


def tell(told: argparse.Namespace, ending: Ending) -> dict[str, float]:
    """Tell so many rows a second, signed in batches as a participant does."""
    settings = Settings.model_validate_json(told.config.read_bytes())
    identity = load_identity(told.name, settings.keys_folder, os.environ)
    row = Status.model_validate({"phase": "replay", "candidate": 12345, "net": 1.25, "share": 0.5})
    count = min(ROOM // len(encode(row, "msgpack")), told.rows)
    body = encode_batch([row] * count)
    assert len(body) <= BODY_MAX, "a batch that no hub would forward"
    contexts = Contexts()
    socket = contexts.publisher(control=False)
    socket.connect(endpoints_of(settings).telemetry_in)
    sent = 0
    began_s = time.monotonic()
    for due in paced(told.rows / count, ending):
        for _ in range(due):
            header = Header(
                v=1, id=os.urandom(16).hex(), type="status", src=told.name, dst=told.name,
                ts=time.time_ns(), ttl=10_000, enc="msgpack",
            )  # fmt: skip
            frames = seal(identity, Channel.TELEMETRY, header, body)
            socket.send_multipart(frames, flags=zmq.NOBLOCK)
            sent += count
    took_s = time.monotonic() - began_s
    contexts.close()
    return {"rows_s": sent / took_s}


class Listener:
    """Counts what is told, and what the hub says that it dropped."""

    def __init__(self) -> None:
        self.rows = 0
        self.dropped: Counter[str] = Counter()
        self._last: dict[str, int] = {}

    def hear(self, _: Received) -> None:
        """Count a row."""
        self.rows += 1

    def hear_hub(self, received: Received) -> None:
        """Add up what was dropped since the last time; a hub that starts anew counts from 0."""
        told = received.word.model_dump()
        for why in ("unknown", "signature"):
            found = int(told.get(f"control_{why}", 0))
            before = self._last.get(why, found)
            self.dropped[why] += found - before if found >= before else found
            self._last[why] = found


async def listen(told: argparse.Namespace) -> dict[str, float]:
    """Verify and decode every row that arrives."""
    settings = Settings.model_validate_json(told.config.read_bytes())
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    me = participant_of(settings, told.name, os.environ)
    listener = Listener()
    me.listen("status", told.to, listener.hear)
    me.listen("status", COORDINATOR, listener.hear_hub)
    began_s = time.monotonic()
    async with me:
        await ended.wait()
    took_s = time.monotonic() - began_s
    dropped = {f"dropped_{why}_s": n / took_s for why, n in listener.dropped.items()}
    return {"heard_s": listener.rows / took_s, **dropped}


def main() -> int:
    """Make noise until SIGTERM; print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    roles = parser.add_subparsers(dest="role", required=True)
    role = roles.add_parser("flood")
    role.add_argument("endpoint")
    role.add_argument("--unlisted", type=float, default=20_000.0)
    role.add_argument("--forged", type=float, default=2_000.0)
    role.add_argument("--seed", type=int, default=1)
    role = roles.add_parser("tell")
    role.add_argument("config", type=Path)
    role.add_argument("--name", default="optimizer-2")
    role.add_argument("--rows", type=float, default=20_000.0)
    role = roles.add_parser("listen")
    role.add_argument("config", type=Path)
    role.add_argument("--name", default="desk")
    role.add_argument("--to", default="optimizer-2")
    told = parser.parse_args()
    if told.role == "listen":
        found = asyncio.run(listen(told))
    else:
        found = {"flood": flood, "tell": tell}[told.role](told, Ending())
    print(json.dumps({name: round(value, 1) for name, value in found.items()}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
