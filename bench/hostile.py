"""Hostile frames: through the receive functions of hub and participants, and over real sockets.

python -m bench.hostile [--frames 1000000] [--socket-frames 50000] [--seed 1]

Exit 0 only when nothing was accepted, nothing raised or ended, and memory stayed flat. *Accepted*:
a handler or follower was called, an open message found its answer, an ack was said that had not
been said before, the hub forwarded what no hub may, a journal or the decision log changed. A replay
inside its ttl may be answered again with the stored word; a replayed stop is forwarded again; that
a member of the roster signed nonsense is written into the log, as a fault of its own.
"""

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import zmq
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agents.bus import endpoints_of
from agents.cli.control import answers, say_to
from agents.cli.stack import operator
from agents.coordinator.log import read_records
from agents.coordinator.records import Kind
from agents.executor import records
from agents.executor.recovery import open_journal
from bench.hostile_frames import KINDS, NEVER_FORWARDED, SECOND_NS, WORDS, Adversary, Frames
from bench.stop_house import House
from bench.stops import stop_s
from protocol.bus.frames import NOTHING_MORE, header_for, seal
from protocol.bus.gatekeeper import Gatekeeper
from protocol.bus.hearing import Hearing
from protocol.bus.saying import Received, Saying
from protocol.codec import encode
from protocol.keys import Identity, Roster, load_identity, load_roster, new_keys
from protocol.messages import (
    Ack,
    CoordinatorHeartbeat,
    EmergencyStop,
    Pause,
    Rearm,
    Resume,
    Stage,
    Word,
)
from protocol.tasks import Tasks
from protocol.topics import Channel

RECEIVERS = ("executor-1", "coordinator")
START_NS = 1_700_000_000 * SECOND_NS
STEP_NS = 100_000
"""Virtual time between two frames in process."""
GROWTH_MAX_MB = 8.0
SOCKET_GROWTH_MAX_MB = 16.0
"""Of processes that also trade and write logs meanwhile."""
A_SECOND = 2500.0
CONDUCT = frozenset({Kind.FAULT, Kind.BENCH, Kind.TALLY})
TTL_S = 300.0


class Receiver:
    """The receive function of a participant as it is, with handlers that count."""

    def __init__(self, identity: Identity, roster: Roster, clock: Any) -> None:
        self.calls = 0
        self.acks: set[tuple[str, bytes]] = set()
        self.warm = True
        self.saying = Saying(identity, clock, clock)
        self.saying.open(self)
        self.saying.joined.set()
        self.hearing = Hearing(
            identity.name, roster, clock=clock, saying=self.saying, tasks=Tasks()
        )
        for word, _, dst in WORDS:
            if dst == identity.name:
                self.hearing.on(word.type_name, self._handle)
        self.hearing.follow(Channel.STATE, "heartbeat", "coordinator", self._follow)

    def send_multipart(self, frames: Frames, flags: int = 0) -> None:
        """Hear what it says, as its socket would: no ack that is new."""
        del flags
        if frames[0].endswith(b".ack"):
            said = (json.loads(frames[1])["ref"], frames[2])
            if self.warm:
                self.acks.add(said)
            elif said not in self.acks:
                self.calls += 1

    def _handle(self, _: Received) -> Word:
        self.calls += 1
        return Ack(stage=Stage.RECEIVED)

    def _follow(self, _: Received) -> None:
        self.calls += 1


def rss_mb(pid: int | str = "self") -> float:
    """Return the memory that a process holds, MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def keys_of(folder: Path) -> tuple[Roster, dict[str, Identity]]:
    """Return the roster of a folder and everybody's keys."""
    roster = load_roster(folder)
    return roster, {name: load_identity(name, folder, {}) for name in roster.members}


def bases_of(keys: dict[str, Identity], now_ns: int) -> list[tuple[bytes, ...]]:
    """Return valid frames for the receivers."""
    made = []
    for word, src, dst in WORDS:
        head = header_for(src, dst, word.type_name, now_ns, 300_000, NOTHING_MORE)
        made.append(seal(keys[src], Channel.CONTROL, head, encode(word)))
    beat = CoordinatorHeartbeat(epoch=1, executors=())
    head = header_for("coordinator", "coordinator", "heartbeat", now_ns, 60_000, NOTHING_MORE)
    made.append(seal(keys["coordinator"], Channel.STATE, head, encode(beat)))
    return made


def receive(seed: int, count: int) -> dict[str, Any]:
    """Feed so many hostile frames; return what was accepted, by kind, and the growth in MB."""
    with tempfile.TemporaryDirectory() as name:
        new_keys(Path(name) / "keys")
        roster, keys = keys_of(Path(name) / "keys")
    now_ns = START_NS
    receivers = {each: Receiver(keys[each], roster, lambda: now_ns) for each in RECEIVERS}
    gate = Gatekeeper(roster)
    bases = bases_of(keys, now_ns)
    for frames in bases:
        for each in receivers.values():
            each.hearing.take(list(frames))
    heard = sum(each.calls for each in receivers.values())
    assert heard == len(WORDS) + len(receivers), f"the bases are valid, {heard} were taken"
    for each in receivers.values():
        each.calls, each.warm = 0, False
    made = Adversary(keys, bases, random.Random(seed), KINDS, Ed25519PrivateKey.generate())  # noqa: S311
    fed: Counter[str] = Counter()
    accepted: Counter[str] = Counter()
    early_mb = rss_mb()
    for number in range(count):
        now_ns += STEP_NS
        if number == count // 4:
            early_mb = rss_mb()
        kind, frames = made.make(now_ns)
        fed[kind] += 1
        forward, _ = gate.judge(frames, now_ns)
        accepted[kind] += forward and kind in NEVER_FORWARDED
        receiver = receivers["coordinator" if b"coordinator" in frames[0] else "executor-1"]
        before = receiver.calls
        receiver.hearing.take(frames)
        accepted[kind] += receiver.calls - before
    return {"fed": dict(fed), "accepted": +accepted, "growth_mb": rss_mb() - early_mb}


async def overhear(house: House) -> list[Frames]:
    """Pause, resume, stop and rearm the executor; return every frame of it that was heard."""
    context: zmq.Context[Any] = zmq.Context()
    socket = context.socket(zmq.SUB)
    socket.setsockopt(zmq.SUBSCRIBE, b"")
    socket.connect(endpoints_of(house.settings).control_out)
    stop_id = os.urandom(16).hex()
    words = (
        (Pause(), None),
        (Resume(), None),
        (EmergencyStop(scope="all", flatten=False, reason="base"), stop_id),
        (Rearm(lifts=(stop_id,), reason="base"), None),
    )
    async with operator(house.stack, 20.0) as (me, _):
        for word, key in words:
            names = (house.executor,) if isinstance(word, Pause | Resume) else RECEIVERS
            said = say_to(me, names, word, key or os.urandom(16).hex(), TTL_S)
            assert None not in (await answers(said, 20.0)).values(), "the words were heard"
    found = []
    while socket.poll(500) and len(found) < 5000:
        found.append(socket.recv_multipart())
    context.destroy(linger=0)
    wanted = (b".pause", b".resume", b".emergency_stop", b".rearm", b"st.heartbeat.coordinator")
    return [frames for frames in found if frames[0].endswith(wanted)]


def durable(house: House) -> tuple[list[Any], list[Any]]:
    """Return what the executor heard and what the coordinator decided, as it lies on disk.

    Left out are `alone`, which a machine that stands still for long writes by itself, and the
    faults of content: that a member signed nonsense belongs into the log.
    """
    with open_journal(house.folder, readonly=True) as journal:
        heard = [(row.kind, row.body) for row in journal.rows(records.HEARD)]
    decided = [
        (each.kind, each.body) for each in read_records(house.folder) if each.kind not in CONDUCT
    ]
    return [each for each in heard if each[0] != "alone"], decided


def storm(house: House, count: int, seed: int) -> dict[str, Any]:
    """Send so many hostile frames to a coordinator and an executor that quotes."""
    house.until(quoting=True)
    bases = asyncio.run(overhear(house))
    house.until(quoting=True)
    _, keys = keys_of(house.settings.keys_folder)
    made = Adversary(keys, bases, random.Random(seed), KINDS, Ed25519PrivateKey.generate())  # noqa: S311
    ends = endpoints_of(house.settings)
    context: zmq.Context[Any] = zmq.Context()
    sockets = [context.socket(zmq.PUB) for _ in range(2)]
    for socket, address in zip(sockets, (ends.control_in, ends.telemetry_in), strict=True):
        socket.setsockopt(zmq.SNDHWM, 0)
        socket.connect(address)
    before = durable(house)
    pids = {name: process.pid for name, process in house.processes.items()}
    early = {name: rss_mb(pid) for name, pid in pids.items()}
    began_s = time.monotonic()
    for number in range(count):
        if number == count // 2:
            early = {name: rss_mb(pid) for name, pid in pids.items()}
        _, frames = made.make(time.time_ns())
        sockets[number % 10 == 0].send_multipart(frames)
        if number % 25 == 0:
            time.sleep(max(0.0, began_s + number / A_SECOND - time.monotonic()))
    house.until(quoting=True)
    after = durable(house)
    growth = {f"{name}_mb": rss_mb(pid) - early[name] for name, pid in pids.items()}
    alive = all(process.poll() is None for process in house.processes.values())
    last_s = stop_s(house)
    context.destroy(linger=0)
    changed = sum(a != b for a, b in zip(before, after, strict=True))
    return {"bases": len(bases), "changed": changed, "alive": alive, "stop_s": last_s, **growth}


def main() -> int:
    """Feed, print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--socket-frames", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    fed: Counter[str] = Counter()
    accepted: Counter[str] = Counter()
    growth_mb = 0.0
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        half = told.frames // 2
        seeds = (2 * told.seed, 2 * told.seed + 1)
        for found in pool.map(receive, seeds, (half, told.frames - half)):
            fed.update(found["fed"])
            accepted.update(found["accepted"])
            growth_mb = max(growth_mb, found["growth_mb"])
    for kind in KINDS:
        print(f"{kind:<14} {fed[kind]:>10,} fed  {accepted[kind]:>6} accepted", flush=True)
    outside: dict[str, Any] = {}
    if told.socket_frames:
        with tempfile.TemporaryDirectory(prefix="cp") as name, House(Path(name), hours=2) as house:
            outside = storm(house, told.socket_frames, told.seed)
    grown = max((v for k, v in outside.items() if k.endswith("_mb")), default=0.0)
    good = (
        not accepted.total()
        and growth_mb <= GROWTH_MAX_MB
        and grown <= SOCKET_GROWTH_MAX_MB
        and not outside.get("changed", 0)
        and outside.get("alive", True)
    )
    print(
        f"in process: growth {growth_mb:.1f} MB; over {told.socket_frames:,} in sockets: {outside}"
    )
    figures = {
        "frames": fed.total(),
        "accepted": accepted.total(),
        "growth_mb": round(growth_mb, 2),
    }
    outer = {k: round(v, 3) if isinstance(v, float) else v for k, v in outside.items()}
    sockets = {"socket_frames": told.socket_frames, **outer}
    print(json.dumps({"bench": "hostile", "good": good, **figures, **sockets}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
