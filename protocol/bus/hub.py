"""The two hubs. They forward what is fit, drop and count the rest, and never answer for anybody.

Control goes through the gatekeeper: sizes, key, signature, rights, and the sender's rate, charged
after the signature. Telemetry is checked for names and sizes only; receivers verify it.

A flood is drained fast (what names nobody of the roster costs some 10 us) and in turns. libzmq
reads its connections in turn, so what an honest participant says waits for one frame of each other
connection, however much they have in their queues (bench.stops).
"""

import fcntl
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import zmq
import zmq.asyncio

from protocol.bus.door import Door
from protocol.bus.endpoints import Contexts, Endpoints, drained, unbound
from protocol.bus.frames import Header, Message, seal, sizes_fit, source_of
from protocol.bus.gatekeeper import RATE, Gatekeeper
from protocol.codec import encode
from protocol.errors import BusError, EndpointError, InUseError, NackCode
from protocol.keyring import Keyring
from protocol.keys import Identity, Roster
from protocol.messages import Nack
from protocol.tasks import Tasks
from protocol.topics import Channel, parse_topic

CONTROL_TURN_S = 0.004
TELEMETRY_TURN_S = 0.002
"""Time after which other tasks get a turn, however much waits."""


def lock_folder(folder: Path, name: str = "coordinator.lock") -> int:
    """Take the lock of a directory; return the handle that holds it.

    Raises:
        InUseError: another coordinator holds it.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise InUseError(
            f"{folder} is in use by another coordinator; end it first (counterpoint down)"
        ) from None
    return handle


def lock_sockets(endpoints: Endpoints) -> int | None:
    """Take the lock of the sockets' folder: a second bind would silently steal an ipc path.

    Raises:
        InUseError: another coordinator holds it.
    """
    if not endpoints.control_in.startswith("ipc://"):
        return None
    return lock_folder(Path(endpoints.control_in.removeprefix("ipc://")).parent, "hub.lock")


class Hub:
    """Both hubs as tasks of the coordinator's process; an async context manager.

    Args:
        identity: the coordinator's, for E_BUSY.
        roster: who may speak.
        endpoints: bound here.
        folder: the log directory, locked before anything is bound.
        clock: wall time in ns.
        beyond: where other hosts come in by CURVE; None: nowhere.
        keyring: tells of keys that change meanwhile; None: they do not.

    Raises:
        EndpointError: `endpoints` are meant for other hosts, and would be bound without CURVE.
    """

    def __init__(
        self,
        identity: Identity,
        roster: Roster,
        endpoints: Endpoints,
        *,
        folder: Path,
        clock: Callable[[], int],
        beyond: Endpoints | None = None,
        keyring: Keyring | None = None,
    ) -> None:
        if endpoints.server is not None:
            raise EndpointError(f"{endpoints.control_in} is for other hosts: bind it beyond")
        self.gatekeeper = Gatekeeper(roster)
        self.telemetry_counts: Counter[str] = Counter()
        self._identity = identity
        self._endpoints = endpoints
        self._folder = folder
        self._clock = clock
        self._contexts = Contexts()
        self._door = (
            None if beyond is None else Door(self._contexts, beyond, identity.curve, roster)
        )
        self._keyring = keyring
        self._tasks = Tasks()
        self._locks: list[int] = []
        self._busy = 0

    async def __aenter__(self) -> Self:
        ends = self._endpoints
        try:
            self._locks.append(lock_folder(self._folder))
            sockets = lock_sockets(ends)
            if sockets is not None:
                self._locks.append(sockets)
            control = self._bind(ends.control_in, ends.control_out, control=True)
            telemetry = self._bind(ends.telemetry_in, ends.telemetry_out, control=False)
            if self._door is not None:  # after the host's own: CURVE is for what is bound from now
                self._door.open((*control, *telemetry))
        except BusError:
            self._release()
            raise
        self._tasks.own()
        self._tasks.spawn(self._control(*control))
        self._tasks.spawn(self._telemetry(*telemetry))
        if self._door is not None:
            self._tasks.spawn(self._door.answer())
        if self._keyring is not None:
            self._tasks.spawn(self._follow_keys(self._keyring))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._tasks.end()
        self._release()
        if self._tasks.failure is not None:
            raise self._tasks.failure

    def _release(self) -> None:
        self._contexts.close()
        for handle in self._locks:
            os.close(handle)
        self._locks.clear()

    def _bind(
        self, incoming: str, outgoing: str, *, control: bool
    ) -> tuple[zmq.asyncio.Socket, zmq.Socket[bytes]]:
        source = self._contexts.subscriber(control=control)
        sink = self._contexts.publisher(control=control)
        source.setsockopt(zmq.SUBSCRIBE, b"")
        ends: tuple[tuple[Any, str], ...] = ((source, incoming), (sink, outgoing))
        for socket, address in ends:
            try:
                socket.bind(address)
            except zmq.ZMQError as error:
                raise unbound(address, error) from None
        return source, sink

    async def _follow_keys(self, keyring: Keyring) -> None:
        async for keys in keyring.renewals():
            self._identity = keys.identity
            self.gatekeeper.trust(keys.roster)
            if self._door is not None:
                await self._door.renew(keys.roster, keys.identity.curve)

    async def _control(self, source: zmq.asyncio.Socket, sink: zmq.Socket[bytes]) -> None:
        async for frames in drained(source, CONTROL_TURN_S):
            forward, busy = self.gatekeeper.judge(frames, self._clock())
            if forward:
                sink.send_multipart(frames)
            elif busy is not None:
                sink.send_multipart(self._busy_nack(busy))

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
        async for frames in drained(source, TELEMETRY_TURN_S):
            members = self.gatekeeper.roster.members
            topic = parse_topic(frames[0]) if sizes_fit(frames) else None
            if topic is None or topic.channel is not Channel.TELEMETRY:
                self.telemetry_counts["unfit"] += 1
            elif topic.party not in members or source_of(frames[1]) != topic.party:
                self.telemetry_counts["unknown"] += 1
            else:
                self.telemetry_counts["forwarded"] += 1
                sink.send_multipart(frames)
