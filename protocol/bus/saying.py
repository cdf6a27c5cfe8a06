"""What one participant says: posts until their final answer, answers, states, telemetry."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import zmq

from protocol.bus.batch import Telemetry
from protocol.bus.frames import (
    NOTHING_MORE,
    Header,
    Message,
    Said,
    header_for,
    seal,
    signed_anew,
    stamped_anew,
)
from protocol.bus.outbox import Key, Outbox
from protocol.codec import encode
from protocol.errors import BusError
from protocol.keys import Identity
from protocol.messages import Heartbeat, Stage, Word
from protocol.topics import Channel

ANSWER_TTL_MS = 60_000
BEAT_S = 1.0
BEAT_FIRST_S = 0.05


@dataclass(frozen=True, slots=True)
class Received:
    """A word with the header that it came under."""

    header: Header
    word: Word
    message: Message


Answer: TypeAlias = "asyncio.Future[Received]"


class Saying:
    """The speaking half of a participant.

    Args:
        identity: signs.
        clock: wall time in ns, for headers.
        steady: time in ns that never jumps, for resends.

    Attributes:
        joined: set once something may be said.
    """

    def __init__(
        self, identity: Identity, clock: Callable[[], int], steady: Callable[[], int]
    ) -> None:
        self.joined = asyncio.Event()
        self._identity = identity
        self._clock = clock
        self._steady = steady
        self._outbox = Outbox()
        self._futures: dict[Key, Answer] = {}
        self._wake = asyncio.Event()
        self._publisher: zmq.Socket[bytes] | None = None

    def open(self, publisher: zmq.Socket[bytes]) -> None:
        """Speak through a connected socket from now on."""
        self._publisher = publisher

    def sign_as(self, identity: Identity) -> None:
        """Speak under another key from now on."""
        self._identity = identity
        self._outbox.sign_anew(partial(signed_anew, identity))

    def close(self) -> None:
        """Give up what still waits for an answer."""
        self._publisher = None
        for future in self._futures.values():
            future.cancel()
        self._futures.clear()

    def post(
        self,
        dst: str,
        word: Word,
        ttl_ms: int,
        said: Said = NOTHING_MORE,
        *,
        until: Stage | None = None,
    ) -> Answer:
        """Say a word until its final answer; the same word under an open id is said only once."""
        header = self.header(dst, word.type_name, ttl_ms, said)
        frames = seal(self._identity, Channel.CONTROL, header, encode(word))
        key = (header.dst, header.id)
        known, held = self._futures.get(key), self._outbox.frames(key)
        if known is not None and held is not None:
            if (held[0], held[2]) == (frames[0], frames[2]):
                return known
            return _failed(f"{header.type} {header.id} to {dst} is open with another body")
        if not self._outbox.post(header, frames, self._steady(), until=until):
            return _failed(f"{header.type} to {dst}: too many messages wait for an answer")
        future: Answer = asyncio.get_running_loop().create_future()
        self._futures[key] = future
        self._wake.set()
        return future

    def settle(self, message_id: str) -> None:
        """End the resending of a message whose answers went to somebody else."""
        for header in self._outbox.settle(message_id):
            future = self._futures.pop((header.dst, header.id), None)
            if future is not None:
                future.cancel()

    def take_answer(self, received: Received) -> None:
        """Take in an answer to a message of ours."""
        ended = self._outbox.answered(received.message, received.word, self._steady())
        if ended is None:
            self._wake.set()  # its next date may have changed
            return
        future = self._futures.pop((ended.dst, ended.id), None)
        if future is not None and not future.done():
            future.set_result(received)

    def refresh(self, dst: str | None) -> None:
        """Say everything open to somebody, or to all, again at once: what was answered is lost."""
        self._outbox.refresh(dst, self._steady())
        self._wake.set()

    def answer(self, to: Header, word: Word, said: Said) -> tuple[bytes, ...]:
        """Say an answer once, and return its frames."""
        header = self.header(to.src, word.type_name, ANSWER_TTL_MS, said)
        frames = seal(self._identity, Channel.CONTROL, header, encode(word))
        self.send(frames)
        return frames

    def publish(self, word: Word, said: Said = NOTHING_MORE) -> None:
        """Say a state once."""
        header = self.header(self._identity.name, word.type_name, ANSWER_TTL_MS, said)
        self.send(seal(self._identity, Channel.STATE, header, encode(word)))

    def header(self, dst: str, kind: str, ttl_ms: int, said: Said = NOTHING_MORE) -> Header:
        """Return the header of something said now."""
        return header_for(self._identity.name, dst, kind, self._clock(), ttl_ms, said)

    def say_again(self, frames: tuple[bytes, ...]) -> None:
        """Send what was said before, under the present key and as of now."""
        self.send(stamped_anew(self._identity, frames, self._clock()))

    def send(self, frames: tuple[bytes, ...]) -> None:
        """Send frames as they are."""
        if self._publisher is not None:
            with contextlib.suppress(zmq.Again):  # a full pipe drops; what matters is resent
                self._publisher.send_multipart(frames, flags=zmq.NOBLOCK)

    async def resend(self) -> None:
        """Say what is due, for ever; end what was not answered in its time."""
        while True:
            now_ns = self._steady()
            for frames in self._outbox.due(now_ns):
                self.send(frames)
            for header in self._outbox.expired(now_ns):
                future = self._futures.pop((header.dst, header.id), None)
                if future is not None and not future.done():
                    line = f"{header.dst} did not answer {header.type} within its ttl"
                    future.set_exception(BusError(line))
                    future.exception()  # whoever awaits it sees it; nobody must
            next_ns = self._outbox.next_ns()
            wait_s = 1.0 if next_ns is None else max(0.0, (next_ns - self._steady()) * 1e-9)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(1.0, wait_s + 0.001)):
                    await self._wake.wait()
            self._wake.clear()

    async def beat_on(
        self, beat: Callable[[float], Word] | None, heard: Callable[[], bool]
    ) -> None:
        """Say every second that we live, with how late this loop runs; at once when joined.

        Args:
            beat: makes the word.
            heard: whether the hub is known to forward what we say. Who hosts it asked nobody, and
                what a fresh link is given first goes nowhere: he beats faster until then.
        """
        loop = asyncio.get_running_loop()
        await self.joined.wait()
        due_s = loop.time()
        while True:
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            lag_ms = max(0.0, loop.time() - due_s) * 1e3
            self.publish(Heartbeat(state="up", lag_ms=lag_ms) if beat is None else beat(lag_ms))
            due_s = max(due_s + (BEAT_S if heard() else BEAT_FIRST_S), loop.time())


def _failed(line: str) -> Answer:
    future: Answer = asyncio.get_running_loop().create_future()
    future.set_exception(BusError(line))
    future.exception()  # whoever awaits it sees it; nobody must
    return future


async def flush(telemetry: Telemetry, socket: zmq.Socket[bytes]) -> None:
    """Send telemetry in batches, for ever; other tasks get a turn after each batch."""
    while True:
        await asyncio.sleep(telemetry.every_s)
        for frames in telemetry.take():
            with contextlib.suppress(zmq.Again):
                socket.send_multipart(frames, flags=zmq.NOBLOCK)
            await asyncio.sleep(0)
