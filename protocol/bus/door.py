"""The hubs' door to other hosts: CURVE, open to the roster's keys alone, shut when in doubt.

libzmq asks a handler about every key that knocks (ZAP, RFC 27). ZAP_ENFORCE_DOMAIN makes it refuse
everybody when no handler answers: without it a missing handler lets in any key. Ours stands in
the place of pyzmq's authenticator, which takes its keys from a folder of certificates and answers
400; libzmq then gives up the link for good, and a member whose new key reached the hub's roster a
second late would stay outside. After 300 it knocks again (test_door).
"""

import asyncio
from collections import Counter
from collections.abc import Sequence

import zmq
import zmq.asyncio
from zmq.utils import z85

from protocol.bus.endpoints import Contexts, Endpoints, unbound
from protocol.keys import Roster

DOMAIN = b"counterpoint"
REQUEST = 7
"""Frames of a request with a CURVE key: version, id, domain, address, identity, mechanism, key."""
ADMITTED = b"200"
LATER = b"300"
REBIND_S = 5.0
"""How long a port may stay taken after it was given up; libzmq does that beside us."""
RETRY_S = 0.01


def verdict(request: Sequence[bytes], allowed: frozenset[str]) -> bytes:
    """Return what a ZAP request is answered with: 200 for a key of the list, else 300. Pure."""
    if len(request) != REQUEST or request[0] != b"1.0":
        return LATER
    domain, mechanism, key = request[2], request[5], request[6]
    if domain != DOMAIN or mechanism != b"CURVE" or len(key) != 32:
        return LATER
    return ADMITTED if z85.encode(key).decode("ascii") in allowed else LATER


class Door:
    """Binds the hubs' sockets to addresses that others reach.

    Args:
        contexts: of the hubs: a handler answers for one libzmq context.
        endpoints: to bind, with the hubs' public key.
        curve: the hubs' secret CURVE key, Z85 text.
        roster: whose CURVE keys may come in.

    Attributes:
        counts: how many knocks were answered how.
    """

    def __init__(
        self, contexts: Contexts, endpoints: Endpoints, curve: str, roster: Roster
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._endpoints = endpoints
        self._curve = curve
        self._allowed = roster.curves()
        self._handler = contexts.doorman()
        self._bound: list[tuple[zmq.Socket[bytes] | zmq.asyncio.Socket, str]] = []

    def open(self, sockets: Sequence[zmq.Socket[bytes] | zmq.asyncio.Socket]) -> None:
        """Bind the four sockets, in the order of `Endpoints`.

        Raises:
            BusError: an address is in use or not ours.
        """
        ends = self._endpoints
        addresses = (ends.control_in, ends.control_out, ends.telemetry_in, ends.telemetry_out)
        for socket, address in zip(sockets, addresses, strict=True):
            try:
                self._bind(socket, address)
            except zmq.ZMQError as error:
                raise unbound(address, error) from None
            self._bound.append((socket, str(socket.get_string(zmq.LAST_ENDPOINT))))

    async def answer(self) -> None:
        """Answer libzmq's questions, for ever."""
        while True:
            request = await self._handler.recv_multipart()
            code = verdict(request, self._allowed)
            self.counts[code.decode()] += 1
            await self._handler.send_multipart([b"1.0", request[1], code, b"", b"", b""])

    async def renew(self, roster: Roster, curve: str) -> None:
        """Go by another roster and key; shut out at once whoever came in by a key that is gone.

        A key is asked for only when a link begins. So when one was dropped, or our own is another,
        every link is cut and its other end knocks again.

        Raises:
            BusError: a port was not free again in time.
        """
        before, self._allowed = self._allowed, roster.curves()
        if before <= self._allowed and curve == self._curve:
            return
        self._curve = curve
        for socket, address in self._bound:
            socket.unbind(address)
        for socket, address in self._bound:
            await self._bind_again(socket, address)

    async def _bind_again(
        self, socket: zmq.Socket[bytes] | zmq.asyncio.Socket, address: str
    ) -> None:
        deadline_s = asyncio.get_running_loop().time() + REBIND_S
        while True:
            try:
                self._bind(socket, address)
            except zmq.ZMQError as error:
                if asyncio.get_running_loop().time() > deadline_s:
                    raise unbound(address, error) from None
                await asyncio.sleep(RETRY_S)
            else:
                return

    def _bind(self, socket: zmq.Socket[bytes] | zmq.asyncio.Socket, address: str) -> None:
        socket.setsockopt(zmq.CURVE_SECRETKEY, self._curve.encode())
        socket.setsockopt(zmq.CURVE_SERVER, 1)
        socket.setsockopt(zmq.ZAP_DOMAIN, DOMAIN)
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
        socket.bind(address)
