"""The two hubs. They forward what is fit, drop and count the rest, and never answer for anybody.

Control is verified whole: sizes, key, signature, rights, time, and the sender's rate, charged
after the signature. Telemetry is checked for names and sizes only; receivers verify it.
"""

import asyncio
import fcntl
import os
from collections import Counter, OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Self

import zmq
import zmq.asyncio

from protocol.bus.endpoints import Contexts, Endpoints
from protocol.bus.frames import (
    STOPS,
    Header,
    Message,
    Unfit,
    open_frames,
    seal,
    sizes_fit,
    source_of,
)
from protocol.codec import encode
from protocol.errors import BusError, NackCode
from protocol.keys import Identity, Roster
from protocol.messages import Nack
from protocol.topics import Channel, parse_topic

RATE = 200.0
"""Control messages a second of one sender; bursts of one second's worth."""
BUSY_EVERY_NS = 1_000_000_000
SNAPSHOT_EVERY_NS = 1_000_000_000
VERIFIED_MAX = 4096
BATCH = 256
"""Messages forwarded before other tasks get a turn."""


class Rates:
    """A token bucket for each sender."""

    def __init__(self, rate: float = RATE) -> None:
        self._rate = rate
        self._tokens: dict[str, tuple[float, int]] = {}

    def take(self, name: str, now_ns: int) -> bool:
        """Return whether a sender may say one more thing now."""
        tokens, since_ns = self._tokens.get(name, (self._rate, now_ns))
        tokens = min(self._rate, tokens + max(0, now_ns - since_ns) * 1e-9 * self._rate)
        allowed = tokens >= 1.0
        self._tokens[name] = (tokens - 1.0 if allowed else tokens, now_ns)
        return allowed


class Verified:
    """Digests of signed bytes that were verified before, the newest ones."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def digest(self, frames: list[bytes]) -> bytes:
        """Return the digest of a message as received."""
        state = blake2b(digest_size=16)
        for part in frames:
            state.update(len(part).to_bytes(4, "big") + part)
        return state.digest()

    def __contains__(self, digest: object) -> bool:
        return digest in self._known

    def add(self, digest: bytes) -> None:
        """Remember a digest."""
        self._known[digest] = None
        if len(self._known) > VERIFIED_MAX:
            self._known.popitem(last=False)


class Gatekeeper:
    """Decides about one control message at a time. Pure but for its counters and caches."""

    def __init__(self, roster: Roster) -> None:
        self.roster = roster
        self.counts: Counter[str] = Counter()
        self._rates = Rates()
        self._verified = Verified()
        self._told_ns: dict[str, int] = {}
        self._snapshots: dict[str, tuple[str, int]] = {}

    def judge(self, frames: list[bytes], now_ns: int) -> tuple[bool, Message | None]:
        """Return (forward it, the message whose sender must hear E_BUSY)."""
        digest = self._verified.digest(frames) if sizes_fit(frames) else b""
        known = digest in self._verified
        opened = open_frames(frames, self.roster, now_ns, verified=known)
        if isinstance(opened, Unfit):
            self.counts[opened.why] += 1
            return False, None
        if not known:
            self._verified.add(digest)
        source = opened.header.src
        if opened.topic.channel is Channel.TELEMETRY:
            self.counts["channel"] += 1
            return False, None
        if opened.header.type == "snapshot_request" and not self._fresh_snapshot(opened, now_ns):
            self.counts["snapshot"] += 1
            return False, None
        if opened.header.type not in STOPS and not self._rates.take(source, now_ns):
            self.counts["rate"] += 1
            if now_ns - self._told_ns.get(source, -BUSY_EVERY_NS) >= BUSY_EVERY_NS:
                self._told_ns[source] = now_ns
                return False, opened
            return False, None
        self.counts["forwarded"] += 1
        return True, None

    def _fresh_snapshot(self, message: Message, now_ns: int) -> bool:
        """Return whether a snapshot request may pass: one new one a second, and its resends."""
        last_id, last_ns = self._snapshots.get(message.header.src, ("", -SNAPSHOT_EVERY_NS))
        if message.header.id == last_id:
            return True
        if now_ns - last_ns < SNAPSHOT_EVERY_NS:
            return False
        self._snapshots[message.header.src] = (message.header.id, now_ns)
        return True


def lock_folder(folder: Path) -> int:
    """Take the lock of a log directory; return the handle that holds it.

    Raises:
        BusError: another coordinator holds it.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "coordinator.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise BusError(
            f"{folder} is in use by another coordinator; end it first (counterpoint down)"
        ) from None
    return handle


class Hub:
    """Both hubs as tasks of the coordinator's process; an async context manager.

    Args:
        identity: the coordinator's, for E_BUSY.
        roster: who may speak.
        endpoints: bound here.
        folder: the log directory, locked before anything is bound.
        clock: wall time in ns.
    """

    def __init__(
        self,
        identity: Identity,
        roster: Roster,
        endpoints: Endpoints,
        *,
        folder: Path,
        clock: Callable[[], int],
    ) -> None:
        self.gatekeeper = Gatekeeper(roster)
        self.telemetry_counts: Counter[str] = Counter()
        self._identity = identity
        self._endpoints = endpoints
        self._folder = folder
        self._clock = clock
        self._contexts = Contexts()
        self._tasks: list[asyncio.Task[None]] = []
        self._lock = -1
        self._busy = 0

    async def __aenter__(self) -> Self:
        self._lock = lock_folder(self._folder)
        ends = self._endpoints
        control = self._bind(ends.control_in, ends.control_out, control=True)
        telemetry = self._bind(ends.telemetry_in, ends.telemetry_out, control=False)
        self._tasks = [
            asyncio.create_task(self._control(*control)),
            asyncio.create_task(self._telemetry(*telemetry)),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._contexts.close()
        os.close(self._lock)

    def _bind(
        self, incoming: str, outgoing: str, *, control: bool
    ) -> tuple[zmq.asyncio.Socket, zmq.Socket[bytes]]:
        source = self._contexts.subscriber(control=control)
        sink = self._contexts.publisher(control=control)
        source.setsockopt(zmq.SUBSCRIBE, b"")
        try:
            source.bind(incoming)
            sink.bind(outgoing)
        except zmq.ZMQError as error:
            raise BusError(f"{incoming} and {outgoing} cannot be bound: {error}") from None
        return source, sink

    async def _control(self, source: zmq.asyncio.Socket, sink: zmq.Socket[bytes]) -> None:
        handled = 0
        while True:
            frames = await source.recv_multipart()
            forward, busy = self.gatekeeper.judge(frames, self._clock())
            if forward:
                sink.send_multipart(frames)
            elif busy is not None:
                sink.send_multipart(self._busy_nack(busy))
            handled += 1
            if handled % BATCH == 0:
                await asyncio.sleep(0)

    def _busy_nack(self, message: Message) -> tuple[bytes, ...]:
        self._busy += 1
        header = Header(
            v=1,
            id=os.urandom(16).hex(),
            type="nack",
            src=self._identity.name,
            dst=message.header.src,
            ts=self._clock(),
            ttl=5000,
            enc="json",
            ref=message.header.id,
        )
        word = Nack(
            code=NackCode.BUSY,
            detail=f"more than {RATE:.0f} messages a second",
            retry_after_ms=1000,
        )
        return seal(self._identity, Channel.CONTROL, header, encode(word))

    async def _telemetry(self, source: zmq.asyncio.Socket, sink: zmq.Socket[bytes]) -> None:
        handled = 0
        members = self.gatekeeper.roster.members
        while True:
            frames = await source.recv_multipart()
            handled += 1
            if handled % BATCH == 0:
                await asyncio.sleep(0)
            topic = parse_topic(frames[0]) if sizes_fit(frames) else None
            if topic is None or topic.channel is not Channel.TELEMETRY:
                self.telemetry_counts["unfit"] += 1
            elif topic.party not in members or source_of(frames[1]) != topic.party:
                self.telemetry_counts["unknown"] += 1
            else:
                self.telemetry_counts["forwarded"] += 1
                sink.send_multipart(frames)
