"""One party on the bus: says words, hears words, and makes what must arrive arrive.

One PUB and one SUB to each hub that it uses, one permanent reader task a socket. What is said with
`post` is resent until its final answer; what is heard is handed to one handler a type, once, and
its stored answer is said again when it is heard again.
"""

import asyncio
import contextlib
import inspect
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import zmq
import zmq.asyncio

from protocol.bus.batch import Telemetry
from protocol.bus.endpoints import Contexts, Endpoints
from protocol.bus.frames import (
    NOTHING_MORE,
    TTL_MAX_MS,
    Header,
    Message,
    Said,
    Unfit,
    header_for,
    open_frames,
    seal,
)
from protocol.bus.inbox import Heard, Inbox
from protocol.bus.outbox import Outbox
from protocol.codec import decode, encode
from protocol.errors import BusError, CodecError, NackCode
from protocol.keys import Identity, Roster
from protocol.messages import (
    CoordinatorHeartbeat,
    Heartbeat,
    Nack,
    Pair,
    Snapshot,
    SnapshotRequest,
    Word,
)
from protocol.topics import Channel, Topic

COORDINATOR = "coordinator"
ANSWER_TTL_MS = 60_000
BEAT_S = 1.0
TICK_S = 0.02
NEVER_ANSWERED = frozenset({"ack", "nack"})
ANSWERS_ONLY = frozenset({"snapshot", "journal_page"})


@dataclass(frozen=True, slots=True)
class Received:
    """A word with the header that it came under."""

    header: Header
    word: Word
    message: Message


Handler: TypeAlias = Callable[[Received], Word | Awaitable[Word | None] | None]
Follower: TypeAlias = Callable[[Received], None]


class Participant:
    """A named party; an async context manager.

    Args:
        identity: name and signing key.
        roster: who may speak.
        endpoints: of the hubs.
        clock: wall time in ns.
        steady: time in ns that never jumps; resends follow it.
        beat: makes the heartbeat of each second; None: `Heartbeat` with state "up".
        telemetry: whether the telemetry hub is used too.
    """

    def __init__(
        self,
        identity: Identity,
        roster: Roster,
        endpoints: Endpoints,
        *,
        clock: Callable[[], int],
        steady: Callable[[], int] = time.monotonic_ns,
        beat: Callable[[float], Word] | None = None,
        telemetry: bool = False,
    ) -> None:
        self.name = identity.name
        self.counts: Counter[str] = Counter()
        self.coordinator_seen_ns = 0
        self.coordinator_epoch: int | None = None
        self.joined = asyncio.Event()
        self.failure: BaseException | None = None
        self._owner: asyncio.Task[Any] | None = None
        self._identity = identity
        self._roster = roster
        self._endpoints = endpoints
        self._clock = clock
        self._steady = steady
        self._beat = beat
        self._outbox = Outbox()
        self._inbox = Inbox()
        self._futures: dict[tuple[str, str], asyncio.Future[Received]] = {}
        self._handlers: dict[str, Handler] = {}
        self._followers: dict[tuple[str, str], list[Follower]] = {}
        self._wanted: dict[tuple[str, str], list[Follower]] = {}
        self._contexts = Contexts()
        self._tasks: list[asyncio.Task[None]] = []
        self._later: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._telemetry = Telemetry(identity, clock) if telemetry else None
        self._publisher: zmq.Socket[bytes] | None = None
        self._subscriber: zmq.asyncio.Socket | None = None
        self._teller: zmq.Socket[bytes] | None = None

    async def __aenter__(self) -> Self:
        ends = self._endpoints
        self._publisher = self._contexts.publisher(control=True)
        self._publisher.connect(ends.control_in)
        self._subscriber = self._contexts.subscriber(control=True)
        self._subscriber.connect(ends.control_out)
        self._subscriber.setsockopt(zmq.SUBSCRIBE, f"ctl.{self.name}.".encode())
        for kind, src in self._followers:
            self._subscribe(kind, src)
        self.follow("heartbeat", COORDINATOR, self._hear_coordinator)
        self._owner = asyncio.current_task()
        self._spawn(self._read(self._subscriber))
        self._spawn(self._resend())
        self._spawn(self._beat_on())
        if self._telemetry is not None:
            self._teller = self._contexts.publisher(control=False)
            self._teller.connect(ends.telemetry_in)
            listener = self._contexts.subscriber(control=False)
            listener.connect(ends.telemetry_out)
            for kind, src in self._wanted:
                listener.setsockopt(zmq.SUBSCRIBE, Topic(Channel.TELEMETRY, kind, src).encode())
            self._spawn(self._read(listener))
            self._spawn(self._flush_telemetry())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._owner = None
        waiting = [*self._tasks, *self._later]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for future in self._futures.values():
            if not future.done():
                future.cancel()
        self._contexts.close()
        if self.failure is not None:
            raise self.failure

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(self._fell)
        self._tasks.append(task)

    def _fell(self, task: "asyncio.Task[Any]") -> None:
        """End the owner when a task of the bus died: a deaf process must not seem alive."""
        self._later.discard(task)
        if task.cancelled() or task.exception() is None:
            return
        self.failure = task.exception()
        if self._owner is not None:
            self._owner.cancel()

    async def join(self, have: Pair = (0, 0), *, timeout_s: float = 60.0) -> Snapshot:
        """Ask for a snapshot until it is answered; nothing else may be said before.

        Raises:
            BusError: no coordinator answered in time.
        """
        future = self._post(
            COORDINATOR, SnapshotRequest(have=have), min(TTL_MAX_MS, int(timeout_s * 1000))
        )
        try:
            received = await asyncio.wait_for(future, timeout_s)
        except (TimeoutError, BusError):
            raise BusError(
                f"no coordinator answered within {timeout_s:.0f} s; is one running?"
            ) from None
        self.joined.set()
        if not isinstance(received.word, Snapshot):
            raise BusError(f"the coordinator refused to let {self.name} join: {received.word}")
        return received.word

    def become_joined(self) -> None:
        """Count as joined without asking: the coordinator itself, on its own hubs."""
        self.joined.set()

    def post(
        self,
        dst: str,
        word: Word,
        *,
        message_id: str | None = None,
        ref: str | None = None,
        pair: Pair | None = None,
        gen: int | None = None,
        ttl_ms: int = TTL_MAX_MS,
    ) -> asyncio.Future[Received]:
        """Say a word until its final answer; the future holds that answer.

        It raises BusError when the ttl ends first, and is cancelled by `settle`.
        """
        if not self.joined.is_set():
            raise BusError(f"{self.name} has not joined yet: nothing may be said")
        return self._post(dst, word, ttl_ms, Said(message_id, ref, pair, gen))

    def _post(
        self, dst: str, word: Word, ttl_ms: int, said: Said = NOTHING_MORE
    ) -> asyncio.Future[Received]:
        header = self._header(dst, word.type_name, ttl_ms, said)
        key = (header.dst, header.id)
        known = self._futures.get(key)
        if known is not None and key in self._outbox:
            return known
        frames = seal(self._identity, Channel.CONTROL, header, encode(word))
        future: asyncio.Future[Received] = asyncio.get_running_loop().create_future()
        self._futures[key] = future
        if not self._outbox.post(header, frames, self._steady()):
            future.set_exception(BusError("too many messages wait for an answer"))
            return future
        self._wake.set()
        return future

    def reconsider(self, received: Received) -> None:
        """Let a message that had no effect yet be handled anew when it is said again."""
        self._inbox.forget(received.header.src, received.header.id)

    def settle(self, message_id: str) -> None:
        """End the resending of a message whose answers went to somebody else."""
        for header in self._outbox.settle(message_id):
            future = self._futures.pop((header.dst, header.id), None)
            if future is not None and not future.done():
                future.cancel()

    def answer(self, received: Received, word: Word, *, pair: Pair | None = None) -> None:
        """Answer a message, now or later; the latest answer is what a repetition gets."""
        said = Said(ref=received.header.id, pair=pair)
        header = self._header(received.header.src, word.type_name, ANSWER_TTL_MS, said)
        frames = seal(self._identity, Channel.CONTROL, header, encode(word))
        self._inbox.store(received.header.src, received.header.id, frames)
        self._send(frames)

    def publish(self, word: Word, *, pair: Pair | None = None, gen: int | None = None) -> None:
        """Say a state to whoever follows it; never resent."""
        said = Said(pair=pair, gen=gen)
        header = self._header(self.name, word.type_name, ANSWER_TTL_MS, said)
        self._send(seal(self._identity, Channel.STATE, header, encode(word)))

    def tell(self, word: Word) -> None:
        """Say telemetry; it may be lost."""
        if self._telemetry is not None:
            self._telemetry.add(word)

    def _header(self, dst: str, kind: str, ttl_ms: int, said: Said = NOTHING_MORE) -> Header:
        return header_for(self.name, dst, kind, self._clock(), ttl_ms, said)

    def _send(self, frames: tuple[bytes, ...]) -> None:
        if self._publisher is not None:
            with contextlib.suppress(zmq.Again):  # a full pipe drops; what matters is resent
                self._publisher.send_multipart(frames, flags=zmq.NOBLOCK)

    def on(self, type_name: str, handler: Handler) -> None:
        """Hand every new message of a type to one handler; what it returns is the answer."""
        self._handlers[type_name] = handler

    def follow(self, type_name: str, src: str, follower: Follower) -> None:
        """Hear a state of somebody."""
        key = (type_name, src)
        self._followers.setdefault(key, []).append(follower)
        self._subscribe(type_name, src)

    def _subscribe(self, type_name: str, src: str) -> None:
        if self._subscriber is not None:
            topic = Topic(Channel.STATE, type_name, src).encode()
            self._subscriber.setsockopt(zmq.SUBSCRIBE, topic)

    def listen(self, type_name: str, src: str, follower: Follower) -> None:
        """Hear telemetry of somebody; call it before the participant is entered."""
        self._wanted.setdefault((type_name, src), []).append(follower)
        self._followers.setdefault((type_name, src), []).append(follower)

    async def _read(self, socket: zmq.asyncio.Socket) -> None:
        while True:
            frames = await socket.recv_multipart()
            opened = open_frames(frames, self._roster, self._clock())
            if isinstance(opened, Unfit):
                self.counts[opened.why] += 1
                if opened.message is not None and opened.code is not None:
                    self._refuse(opened.message, opened.code, opened.why)
                continue
            try:
                self._take(opened)
            except CodecError as error:
                self.counts[error.code.value] += 1
                self._refuse(opened, error.code, error.detail)

    def _take(self, message: Message) -> None:
        header = message.header
        if message.topic.channel is Channel.TELEMETRY:
            self._take_telemetry(message)
            return
        if message.topic.channel is Channel.STATE:
            word = decode(header.type, header.enc, message.body)
            for follower in self._followers.get((header.type, header.src), []):
                follower(Received(header, word, message))
            return
        if header.dst != self.name:
            return
        if header.ref is not None:
            word = decode(header.type, header.enc, message.body)
            self._take_answer(Received(header, word, message))
        if header.type in NEVER_ANSWERED or not self.joined.is_set():
            return  # before joining nothing is said, so nothing can be answered
        if header.type not in self._handlers:
            if header.type not in ANSWERS_ONLY:
                self._refuse(message, NackCode.FORBIDDEN, f"{self.name} takes no {header.type}")
            return
        heard, stored = self._inbox.hear(message, self._clock())
        if heard is Heard.REPLAY:
            self._refuse(message, NackCode.REPLAY, "another body under a known id")
        elif heard is Heard.AGAIN and stored is not None:
            self._send(stored)
        elif heard is Heard.NEW:
            self._handle(message)
        else:
            self.counts[heard.value] += 1

    def _take_telemetry(self, message: Message) -> None:
        followers = self._followers.get((message.header.type, message.header.src), [])
        for word in Telemetry.words(message):
            for follower in followers:
                follower(Received(message.header, word, message))

    def _take_answer(self, received: Received) -> None:
        ended = self._outbox.answered(received.message, received.word, self._steady())
        if ended is None:
            return
        future = self._futures.pop((ended.dst, ended.id), None)
        if future is not None and not future.done():
            future.set_result(received)

    def _handle(self, message: Message) -> None:
        try:
            word = decode(message.header.type, message.header.enc, message.body)
        except CodecError:
            self._inbox.forget(message.header.src, message.header.id)
            raise
        received = Received(message.header, word, message)
        result = self._handlers[message.header.type](received)
        if inspect.isawaitable(result):
            task = asyncio.ensure_future(self._answer_later(received, result))
            self._later.add(task)
            task.add_done_callback(self._fell)
        elif result is not None:
            self.answer(received, result)

    async def _answer_later(self, received: Received, result: Awaitable[Word | None]) -> None:
        word = await result
        if word is not None:
            self.answer(received, word)

    def _refuse(self, message: Message, code: NackCode, detail: str) -> None:
        """Answer a message that is no word of ours; what is never answered stays so."""
        if message.topic.channel is not Channel.CONTROL or message.header.type in NEVER_ANSWERED:
            return
        if message.header.dst != self.name:
            return
        said = Said(ref=message.header.id)
        header = self._header(message.header.src, "nack", ANSWER_TTL_MS, said)
        word = Nack(code=code, detail=detail)
        self._send(seal(self._identity, Channel.CONTROL, header, encode(word)))

    def _hear_coordinator(self, received: Received) -> None:
        if not isinstance(received.word, CoordinatorHeartbeat):
            return
        self.coordinator_seen_ns = self._clock()
        epoch = received.word.epoch
        if self.coordinator_epoch is not None and epoch != self.coordinator_epoch:
            self._outbox.refresh(COORDINATOR, self._steady())
            self._wake.set()
        self.coordinator_epoch = epoch

    async def _resend(self) -> None:
        while True:
            now_ns = self._steady()
            for frames in self._outbox.due(now_ns):
                self._send(frames)
            for header in self._outbox.expired(now_ns):
                future = self._futures.pop((header.dst, header.id), None)
                if future is not None and not future.done():
                    future.set_exception(
                        BusError(f"{header.dst} did not answer {header.type} within its ttl")
                    )
                    future.exception()  # whoever awaits it sees it; nobody must
            next_ns = self._outbox.next_ns()
            wait_s = 1.0 if next_ns is None else max(0.0, (next_ns - self._steady()) * 1e-9)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), min(1.0, wait_s + 0.001))
            self._wake.clear()

    async def _beat_on(self) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            lag_ms = max(0.0, loop.time() - due_s) * 1e3
            due_s = max(due_s + BEAT_S, loop.time())
            if not self.joined.is_set():
                continue
            self.publish(
                Heartbeat(state="up", lag_ms=lag_ms) if self._beat is None else self._beat(lag_ms)
            )

    async def _flush_telemetry(self) -> None:
        if self._telemetry is None or self._teller is None:
            return
        while True:
            await asyncio.sleep(self._telemetry.every_s)
            for frames in self._telemetry.take():
                with contextlib.suppress(zmq.Again):
                    self._teller.send_multipart(frames, flags=zmq.NOBLOCK)
