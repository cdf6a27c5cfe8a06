"""Addresses of the two hubs, and sockets with every option set that PROTOCOL.md 1 asks for.

An address that others reach cannot be written down without the CURVE key of the hubs behind it.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import zmq
import zmq.asyncio

from protocol.errors import BusError, EndpointError, InUseError, printable

IPC_MAX = 107
"""Longest path of an ipc socket, bytes."""
MARK = 10_000
"""High-water mark of either direction, messages."""
MESSAGE_MAX = 131_072
LINGER_CONTROL_MS = 1000
_OPTIONS = {
    # A healed link is found within a second: with 2000 and 2000 it took up to 4 (bench.delivery).
    zmq.CONNECT_TIMEOUT: 500,
    zmq.RECONNECT_IVL: 100,
    zmq.RECONNECT_IVL_MAX: 200,
    # A subscriber notices a cut link by these: it must not beat (below), and a TTL did not end it.
    zmq.TCP_KEEPALIVE: 1,
    zmq.TCP_KEEPALIVE_IDLE: 1,
    zmq.TCP_KEEPALIVE_INTVL: 1,
    zmq.TCP_KEEPALIVE_CNT: 2,
    # What the other end's kernel does not acknowledge for so long ends the link: cut one way, TCP
    # would wait twice as long after each attempt, and a healed link was found 4 s late.
    zmq.TCP_MAXRT: 2000,
    zmq.MAXMSGSIZE: MESSAGE_MAX,
    zmq.HANDSHAKE_IVL: 5000,
    zmq.SNDHWM: MARK,
    zmq.RCVHWM: MARK,
}
_HEARTBEAT = {zmq.HEARTBEAT_IVL: 500, zmq.HEARTBEAT_TIMEOUT: 1500}
"""Of publishers alone. A subscriber that beats is aborted by libzmq 4.3.5 ("Assertion failed:
!_io_error") when its queue is full and its peer leaves: floods that ended took the hub with them
(test_delivery)."""
PORT_MAX = 65_535
_LOOPBACK = re.compile(
    r"ipc://[^@].*|tcp://(127\.\d{1,3}\.\d{1,3}\.\d{1,3}|localhost|\[::1\]):\d{1,5}"
)
_FAR = re.compile(r"(tcp://(?:\*|[A-Za-z0-9][A-Za-z0-9_.-]{0,252})):(\d{1,5})")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where participants publish to (`in`) and subscribe from (`out`), by hub.

    Attributes:
        server: public CURVE key of the hubs, Z85 text; None: they are on this host, without CURVE.
    """

    control_in: str
    control_out: str
    telemetry_in: str
    telemetry_out: str
    server: str | None = None

    def __post_init__(self) -> None:
        """Refuse what would leave this host unencrypted."""
        if self.server is not None:
            return
        for address in (self.control_in, self.control_out, self.telemetry_in, self.telemetry_out):
            if not _LOOPBACK.fullmatch(address):
                raise EndpointError(
                    f"{address} is open to others, which needs CURVE; use an ipc path or loopback"
                )


def ipc_endpoints(folder: Path) -> Endpoints:
    """Return the sockets in a folder of mode 0700, which is made when missing.

    Raises:
        EndpointError: the path is too long for a socket, or others may enter the folder.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.stat().st_mode & 0o077:
        raise EndpointError(f"{folder} is open to others; chmod 700 {folder}")
    longest = len(str(folder).encode()) + len("/co")
    if longest > IPC_MAX:
        raise EndpointError(
            f"bus.folder must leave socket paths of at most {IPC_MAX} bytes, found {longest}: "
            f"{folder}; choose a shorter one"
        )
    return Endpoints(*(f"ipc://{folder}/{name}" for name in ("ci", "co", "ti", "to")))


def tcp_endpoints(port: int) -> Endpoints:
    """Return four loopback ports in a row.

    Raises:
        EndpointError: there are no such ports.
    """
    if not 1 <= port <= PORT_MAX - 3:
        raise EndpointError(
            f"bus.port must be in [1, {PORT_MAX - 3}], found {port}: it begins four"
        )
    return Endpoints(*(f"tcp://127.0.0.1:{port + n}" for n in range(4)))


def far_endpoints(address: str, server: str) -> Endpoints:
    """Return four ports in a row on a host, reached through CURVE alone.

    Args:
        address: `tcp://HOST:PORT`, the first of the four.
        server: public CURVE key of the hubs, Z85 text.

    Raises:
        EndpointError: it is no such address.
    """
    found = _FAR.fullmatch(address)
    if found is None or not 1 <= int(found[2]) <= PORT_MAX - 3:
        raise EndpointError(
            f"an address between hosts must be tcp://HOST:PORT with PORT in [1, {PORT_MAX - 3}], "
            f"found {printable(address, 60)}: it begins four"
        )
    host, port = found[1], int(found[2])
    first, second, third, fourth = (f"{host}:{port + n}" for n in range(4))
    return Endpoints(first, second, third, fourth, server=server)


def unbound(address: str, error: zmq.ZMQError) -> BusError:
    """Return why an address could not be bound, in one line that says what to do."""
    if error.errno == zmq.EADDRINUSE:
        return InUseError(
            f"{address} is in use, by another coordinator perhaps; end it (counterpoint down), or "
            "choose other ports"
        )
    return BusError(f"{address} cannot be bound: {error.strerror}")


class Contexts:
    """One libzmq context seen twice: publishers send at once, subscribers are awaited."""

    def __init__(self) -> None:
        self._plain: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._awaited = zmq.asyncio.Context.shadow(self._plain.underlying)
        self._sockets: list[zmq.Socket[Any]] = []

    def publisher(self, *, control: bool) -> zmq.Socket[bytes]:
        """Return a PUB socket with its options set, neither bound nor connected.

        IMMEDIATE: nothing is queued for a hub that is not there; it would arrive stale, and what
        must arrive is resent anyway.
        """
        socket = set_options(self._plain.socket(zmq.PUB), control=control)
        socket.setsockopt(zmq.IMMEDIATE, 1)
        for option, value in _HEARTBEAT.items():
            socket.setsockopt(option, value)
        self._sockets.append(socket)
        return socket

    def subscriber(self, *, control: bool) -> zmq.asyncio.Socket:
        """Return a SUB socket with its options set, neither bound nor connected."""
        socket = set_options(self._awaited.socket(zmq.SUB), control=control)
        self._sockets.append(socket)
        return socket

    def doorman(self) -> zmq.asyncio.Socket:
        """Return the socket that libzmq asks whether a CURVE key may come in, bound (RFC 27)."""
        socket = self._awaited.socket(zmq.REP)
        self._sockets.append(socket)
        socket.setsockopt(zmq.LINGER, 0)
        socket.bind("inproc://zeromq.zap.01")
        return socket

    def close(self) -> None:
        """Close every socket; control that was just said still leaves for LINGER."""
        for socket in self._sockets:
            socket.close()
        self._plain.term()


async def drained(source: zmq.asyncio.Socket, turn_s: float) -> AsyncIterator[list[bytes]]:
    """Yield what comes through a socket, for ever; after `turn_s` of it others get a turn.

    An awaited receive costs a future each; here one wait is followed by all that is there.
    """
    plain: zmq.Socket[bytes] = zmq.Socket.shadow(source.underlying)
    loop = asyncio.get_running_loop()
    while True:
        await source.poll()
        ends_s = loop.time() + turn_s
        while True:
            try:
                frames = plain.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            yield frames
            if loop.time() >= ends_s:
                await asyncio.sleep(0)
                ends_s = loop.time() + turn_s


S = TypeVar("S", bound=zmq.Socket[Any])


def set_options(socket: S, *, control: bool) -> S:
    """Set every option of PROTOCOL.md 1, heartbeats excepted, and return the socket."""
    for option, value in _OPTIONS.items():
        socket.setsockopt(option, value)
    socket.setsockopt(zmq.LINGER, LINGER_CONTROL_MS if control else 0)
    return socket
