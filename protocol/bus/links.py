"""The sockets of one participant, connected to both hubs, with CURVE beyond this host."""

import contextlib
from dataclasses import replace
from typing import TypeVar

import zmq
import zmq.asyncio

from protocol.bus.endpoints import Contexts, Endpoints

S = TypeVar("S", bound="zmq.Socket[bytes] | zmq.asyncio.Socket")


class Links:
    """Makes the sockets, and connects them anew when a CURVE key has changed.

    Args:
        endpoints: of the hubs.
        curve: secret CURVE key, Z85 text; unused on the hubs' own host.
    """

    def __init__(self, endpoints: Endpoints, curve: str) -> None:
        self._endpoints = endpoints
        self._curve = curve
        self._contexts = Contexts()
        self._connected: list[tuple[zmq.Socket[bytes] | zmq.asyncio.Socket, str]] = []

    def publisher(self, *, control: bool) -> zmq.Socket[bytes]:
        """Return a PUB socket that is connected to a hub."""
        ends = self._endpoints
        address = ends.control_in if control else ends.telemetry_in
        return self._connect(self._contexts.publisher(control=control), address)

    def subscriber(self, *, control: bool) -> zmq.asyncio.Socket:
        """Return a SUB socket that is connected to a hub."""
        ends = self._endpoints
        address = ends.control_out if control else ends.telemetry_out
        return self._connect(self._contexts.subscriber(control=control), address)

    def renew(self, server: str, curve: str) -> None:
        """Connect anew when the hubs' public CURVE key or our secret one is another now."""
        known = self._endpoints.server
        if known is None or (known, self._curve) == (server, curve):
            return
        self._endpoints = replace(self._endpoints, server=server)
        self._curve = curve
        connected, self._connected = self._connected, []
        for socket, address in connected:
            with contextlib.suppress(zmq.ZMQError):  # libzmq has given this one up already
                socket.disconnect(address)
            self._connect(socket, address)

    def close(self) -> None:
        """Close every socket."""
        self._contexts.close()

    def _connect(self, socket: S, address: str) -> S:
        server = self._endpoints.server
        if server is not None:
            secret = self._curve.encode()
            socket.setsockopt(zmq.CURVE_SECRETKEY, secret)
            socket.setsockopt(zmq.CURVE_PUBLICKEY, zmq.curve_public(secret))
            socket.setsockopt(zmq.CURVE_SERVERKEY, server.encode())
        socket.connect(address)
        self._connected.append((socket, address))
        return socket
