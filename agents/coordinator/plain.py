"""The plain door: bare `parameter_update` documents of publishers that cannot sign.

One SUB socket bound on loopback. A message is the document alone, or a topic of the publisher's
own choice before it. Nothing is ever answered, there is no way back; the decision log tells what
became of a document. Its id is the hash of its bytes, so whoever says it again and again, as a
publisher on a lossy line should, has said it once.
"""

import hashlib
from collections.abc import Callable

import zmq
import zmq.asyncio

from agents.coordinator.hearing import PLAIN
from protocol.bus.endpoints import set_options, unbound
from protocol.bus.gatekeeper import Rates
from protocol.codec import BODY_MAX, decode
from protocol.errors import BusError, CodecError, NackCode
from protocol.messages import ParameterUpdate

TOPIC_MAX = 256
RATE = 1.0
"""Documents a second, all publishers together: each one costs a replay."""
BURST = 10.0
MARK = 64


class PlainDoor:
    """Reads documents, and hands on what is one.

    Args:
        port: on loopback.
        clock: wall time in ns, for the rate.
        take: gets id and document.
        refuse: gets id, code and detail of what is none; E_BUSY what came too fast.
    """

    def __init__(
        self,
        port: int,
        *,
        clock: Callable[[], int],
        take: Callable[[str, ParameterUpdate], None],
        refuse: Callable[[str, NackCode, str], None],
    ) -> None:
        self._address = f"tcp://127.0.0.1:{port}"
        self._clock, self._take, self._refuse = clock, take, refuse
        self._rates = Rates(RATE, BURST)
        self._last = ""

    async def serve(self) -> None:
        """Listen until cancelled.

        Raises:
            BusError: the port is taken.
        """
        with zmq.asyncio.Context() as context, context.socket(zmq.SUB) as socket:
            set_options(socket, control=False)
            socket.setsockopt(zmq.RCVHWM, MARK)
            socket.setsockopt(zmq.MAXMSGSIZE, BODY_MAX)
            socket.setsockopt(zmq.SUBSCRIBE, b"")
            try:
                socket.bind(self._address)
            except zmq.ZMQError as error:
                raise BusError(
                    f"coordinator.accept_plain: {unbound(self._address, error)}"
                ) from None
            while True:
                self.hear(await socket.recv_multipart())

    def hear(self, frames: list[bytes]) -> None:
        """Take in one message."""
        body = frames[-1]
        key = hashlib.sha256(body).hexdigest()[:32]
        if key == self._last:
            return  # said again: it spends nothing
        if not self._rates.take(PLAIN, self._clock()):
            self._refuse(key, NackCode.BUSY, f"more than {RATE:g} documents a second")
            return
        self._last = key
        if len(frames) > 2 or (len(frames) == 2 and len(frames[0]) > TOPIC_MAX):
            line = f"must be one frame, or a topic of {TOPIC_MAX} bytes and one frame"
            self._refuse(key, NackCode.SCHEMA, f"{line}, found {len(frames)}")
            return
        try:
            word = decode("parameter_update", "json", body)
        except CodecError as error:
            self._refuse(key, error.code, error.detail)
            return
        assert isinstance(word, ParameterUpdate), "decoded as another type"
        self._take(key, word)
