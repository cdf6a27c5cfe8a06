"""What one participant hears: each message is handled once, and its repetition answered again."""

import asyncio
import inspect
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import zmq
import zmq.asyncio

from protocol.bus.batch import Telemetry
from protocol.bus.frames import NEVER_ANSWERED, Header, Message, Opener, Said, Unfit
from protocol.bus.inbox import Heard, Inbox
from protocol.bus.saying import Received, Saying
from protocol.codec import decode
from protocol.errors import CodecError, NackCode
from protocol.keys import Roster
from protocol.messages import Nack, Pair, Word
from protocol.tasks import Tasks
from protocol.topics import Channel, Topic

ANSWERS_ONLY = frozenset({"snapshot", "journal_page"})
CROWDED_RETRY_MS = 5000
BATCH = 64
"""Control messages taken before other tasks get a turn."""

Handler: TypeAlias = Callable[[Received], Word | Awaitable[Word | None] | None]
Recall: TypeAlias = Callable[[Received], Word | None]
Follower: TypeAlias = Callable[[Received], None]
Witness: TypeAlias = Callable[[Header, NackCode, str], None]


class Hearing:
    """The listening half of a participant.

    Args:
        name: whose.
        roster: who may speak.
        clock: wall time in ns.
        saying: gives the answers.
        tasks: where handlers that take their time go on.

    Attributes:
        counts: what was not taken, by reason.
        witness: sees each refusal given here, before its sender does.
    """

    def __init__(
        self,
        name: str,
        roster: Roster,
        *,
        clock: Callable[[], int],
        saying: Saying,
        tasks: Tasks,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.witness: Witness | None = None
        self._name = name
        self._opener = Opener(roster)
        self._clock = clock
        self._saying = saying
        self._tasks = tasks
        self._inbox = Inbox()
        self._handlers: dict[str, Handler] = {}
        self._recalls: dict[str, Recall] = {}
        self._followers: dict[tuple[Channel, str, str], list[Follower]] = {}
        self._sockets: dict[Channel, zmq.asyncio.Socket] = {}

    def open(self, channel: Channel, socket: zmq.asyncio.Socket) -> None:
        """Hear states (with control) or telemetry through a socket from now on."""
        if channel is Channel.STATE:
            socket.setsockopt(zmq.SUBSCRIBE, f"ctl.{self._name}.".encode())
        for each, kind, src in self._followers:
            if each is channel:
                socket.setsockopt(zmq.SUBSCRIBE, Topic(channel, kind, src).encode())
        self._sockets[channel] = socket
        self._tasks.spawn(self._read(socket))

    def close(self) -> None:
        """Subscribe to nothing more."""
        self._sockets.clear()

    def trust(self, roster: Roster) -> None:
        """Go by another roster from now on."""
        self._opener.trust(roster)

    def on(self, type_name: str, handler: Handler) -> None:
        """Hand every new message of a type to one handler."""
        self._handlers[type_name] = handler

    def recall(self, type_name: str, recall: Recall) -> None:
        """Ask, of a message of a type that came too late, what an earlier life did with it."""
        self._recalls[type_name] = recall

    def follow(self, channel: Channel, type_name: str, src: str, follower: Follower) -> None:
        """Hand every word of a type and sender to a follower."""
        self._followers.setdefault((channel, type_name, src), []).append(follower)
        if channel in self._sockets:
            topic = Topic(channel, type_name, src).encode()
            self._sockets[channel].setsockopt(zmq.SUBSCRIBE, topic)

    def answer(self, received: Received, word: Word, pair: Pair | None) -> None:
        """Answer a message; the latest answer is what a repetition gets.

        E_BUSY is none: the same bytes will come again, and are to be judged then.
        """
        header = received.header
        frames = self._saying.answer(header, word, Said(ref=header.id, pair=pair))
        if isinstance(word, Nack) and word.code is NackCode.BUSY:
            self._inbox.forget(header.src, header.id)
        else:
            self._inbox.store(header.src, header.id, frames)

    def reconsider(self, received: Received) -> None:
        """Let a message that had no effect yet be handled anew when it is said again."""
        self._inbox.forget(received.header.src, received.header.id)

    async def _read(self, socket: zmq.asyncio.Socket) -> None:
        loop = asyncio.get_running_loop()
        taken = 0
        while True:
            frames = await socket.recv_multipart()
            began_s = loop.time()
            telemetry = self.take(frames)
            taken += 1
            # A socket with a backlog is always ready. Telemetry gets half of the time at most, so
            # that control never waits behind a backlog of it (test_bus_processes).
            if telemetry:
                await asyncio.sleep(loop.time() - began_s)
            elif taken % BATCH == 0:
                await asyncio.sleep(0)

    def take(self, frames: list[bytes]) -> bool:
        """Take in frames, which may be anything; return whether they were telemetry."""
        opened = self._opener.open(frames, self._clock())
        try:
            return self._take(opened)
        except CodecError as error:
            assert isinstance(opened, Message), "only a message is decoded"
            self.counts[error.code.value] += 1
            self._refuse(opened, error.code, error.detail)
            return False

    def _take(self, opened: Message | Unfit) -> bool:
        """Take in what came; return whether it was telemetry."""
        if isinstance(opened, Unfit):
            self.counts[opened.why] += 1
            self._take_unfit(opened)
            return False
        if opened.topic.channel is Channel.CONTROL:
            self._take_control(opened)
            return False
        header = opened.header
        followers = self._followers.get((opened.topic.channel, header.type, header.src))
        if followers is None:  # the name of another begins with the one that we follow
            return False
        if opened.again:  # nobody says a state twice: somebody plays an old sign of life
            self.counts["again"] += 1
            return False
        telemetry = opened.topic.channel is Channel.TELEMETRY
        if telemetry:
            words = Telemetry.words(opened)
        else:
            words = (decode(header.type, header.enc, opened.body),)
        for word in words:
            for follower in followers:
                follower(Received(header, word, opened))
        return telemetry

    def _take_unfit(self, unfit: Unfit) -> None:
        message = unfit.message
        if message is None or unfit.code is None:
            return
        if self._inbox.knows(message):  # handled in time; its sender has not heard so yet
            stored = self._inbox.answer_to(message)
            if stored is not None:
                self._saying.say_again(stored)
            return
        known = self._recalled(message) if unfit.code is NackCode.EXPIRED else None
        if known is not None:
            self._saying.answer(message.header, known, Said(ref=message.header.id))
            return
        self._refuse(message, unfit.code, unfit.why)

    def _recalled(self, message: Message) -> Word | None:
        header = message.header
        recall = self._recalls.get(header.type)
        if recall is None or header.dst != self._name or not self._saying.joined.is_set():
            return None
        word = decode(header.type, header.enc, message.body)
        return recall(Received(header, word, message))

    def _take_control(self, message: Message) -> None:
        header = message.header
        if header.dst != self._name:
            return
        if header.ref is not None:
            word = decode(header.type, header.enc, message.body)
            self._saying.take_answer(Received(header, word, message))
        if header.type in NEVER_ANSWERED or not self._saying.joined.is_set():
            return  # before joining nothing is answered
        if header.type not in self._handlers:
            if header.type not in ANSWERS_ONLY:
                self._refuse(message, NackCode.FORBIDDEN, f"{self._name} takes no {header.type}")
            return
        heard, stored = self._inbox.hear(message, self._clock())
        if heard is Heard.NEW:
            if header.type == "snapshot_request":  # he missed something, our words perhaps
                self._saying.refresh(header.src)
            self._handle(message)
            return
        self.counts[heard.value] += 1
        if heard is Heard.REPLAY:
            self._refuse(message, NackCode.REPLAY, "another body under a known id")
        elif heard is Heard.CROWDED:
            line = f"{self._name} remembers too much of {header.src}"
            self._refuse(message, NackCode.BUSY, line, retry_after_ms=CROWDED_RETRY_MS)
        elif stored is not None:
            self._saying.say_again(stored)

    def _handle(self, message: Message) -> None:
        header = message.header
        try:
            word = decode(header.type, header.enc, message.body)
        except CodecError:
            self._inbox.forget(header.src, header.id)
            raise
        received = Received(header, word, message)
        result = self._handlers[header.type](received)
        if inspect.isawaitable(result):
            self._tasks.spawn(self._answer_later(received, result))
        elif result is not None:
            self.answer(received, result, None)

    async def _answer_later(self, received: Received, result: Awaitable[Word | None]) -> None:
        word = await result
        if word is not None:
            self.answer(received, word, None)

    def _refuse(
        self, message: Message, code: NackCode, detail: str, *, retry_after_ms: int | None = None
    ) -> None:
        """Answer a message that is no word for us; what is never answered stays so."""
        header = message.header
        if message.topic.channel is not Channel.CONTROL or header.type in NEVER_ANSWERED:
            return
        if header.dst != self._name or not self._saying.joined.is_set():
            return
        if self.witness is not None:
            self.witness(header, code, detail)
        word = Nack(code=code, detail=detail, retry_after_ms=retry_after_ms)
        self._saying.answer(header, word, Said(ref=header.id))
