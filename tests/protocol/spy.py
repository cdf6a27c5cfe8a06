"""Hears everything that the control hub forwards, as only a test may; it verifies nothing."""

import json
from dataclasses import dataclass
from typing import Any, Self

import zmq

MARK = 1_000_000


@dataclass(frozen=True, slots=True)
class Overheard:
    """One message: topic, header and body, parsed."""

    topic: str
    header: dict[str, Any]
    body: dict[str, Any]

    @property
    def kind(self) -> str:
        """The type of the word."""
        return str(self.header["type"])


class Spy:
    """A subscriber of everything; what came waits in its queue until it is taken.

    Args:
        address: of the control hub's way out.
        topics: prefixes.

    Attributes:
        heard: everything that was taken so far.
    """

    def __init__(self, address: str, topics: tuple[str, ...] = ("",)) -> None:
        self.heard: list[Overheard] = []
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.RCVHWM, MARK)
        self._socket.setsockopt(zmq.RECONNECT_IVL, 20)
        for each in topics:
            self._socket.setsockopt(zmq.SUBSCRIBE, each.encode())
        self._socket.connect(address)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close(0)
        self._context.term()

    def take(self, *, parse: bool = True) -> list[Overheard]:
        """Return what came since the last time; without `parse` bodies may be anything."""
        found = []
        while self._socket.poll(0):
            topic, header, body, _ = self._socket.recv_multipart()
            word = json.loads(body) if parse else {}
            found.append(Overheard(topic.decode(), json.loads(header), word))
        self.heard += found
        return found

    def wait(self, within_s: float) -> bool:
        """Wait until something is there to be taken."""
        return bool(self._socket.poll(within_s * 1000))
