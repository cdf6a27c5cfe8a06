"""The network and each party's end of it: the real outbox, inbox, opener and hub rules.

Signatures are keyed hashes here: sixty times as fast, and as far as the code can tell the same.
"""

import hashlib
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from protocol.bus.batch import Telemetry
from protocol.bus.frames import Message
from protocol.bus.gatekeeper import Gatekeeper
from protocol.bus.hearing import Hearing
from protocol.bus.participant import COORDINATOR, Participant
from protocol.bus.saying import Saying
from protocol.errors import BusError, CodecError
from protocol.keys import RIGHTS, Roster, kind_of
from tests.simulation.engine import SECOND, Engine, Node

MILLISECOND = 1_000_000
PUMP_NS = 250 * MILLISECOND
"""How often a party looks at what it has to say again."""
QUEUE_MAX = 12
"""The high-water mark of a reader that is slow on purpose: small, so that it is reached."""


@dataclass(frozen=True, slots=True)
class Key:
    """Identity and roster row of one name in one; `old` is taken too while keys are changed."""

    name: str
    secret: bytes
    may_send: frozenset[str]
    weight: int = 1
    old: bytes | None = None

    def sign(self, message: bytes) -> bytes:
        """Return 64 bytes that only the secret makes."""
        return hashlib.blake2b(message, key=self.secret, digest_size=64).digest()

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Return whether they are those, or of the key before."""
        if self.sign(message) == signature:
            return True
        return self.old is not None and replace(self, secret=self.old).sign(message) == signature


def keys_of(names: tuple[str, ...]) -> dict[str, Key]:
    """Return a key for each name, with the rights of its kind."""
    return {name: Key(name, name.encode(), frozenset(RIGHTS[kind_of(name)])) for name in names}


@dataclass
class Storm:
    """What a link does to frames for a while; chances of each frame."""

    loss: float = 0.0
    double: float = 0.0
    spoil: float = 0.0
    slow_ns: int = 0


CALM = Storm()


class Network:
    """Links between parties and hubs; frames to one party go through every hub that lives."""

    def __init__(self, engine: Engine, seed: int, roster: Roster) -> None:
        self.engine, self.roster = engine, roster
        self.dice = random.Random(f"network {seed}")
        self.parties: dict[Node, Party] = {}
        self.hubs: dict[Node, Gatekeeper] = {}
        self.storm = CALM
        self.cuts: Counter[tuple[str, str]] = Counter()
        self.sealed: set[tuple[bytes, ...]] = set()
        self.counts: Counter[str] = Counter()
        self.forwarded: Callable[[Node, tuple[bytes, ...]], None] = lambda *_: None

    def send(self, party: "Party", frames: tuple[bytes, ...]) -> None:
        """Let frames travel to every hub."""
        self.counts["sent"] += 1
        for hub, gate in list(self.hubs.items()):
            for wait_ns, told in self._fate(party.node.name, "out", frames):
                self.engine.at(wait_ns, hub, lambda h=hub, g=gate, f=told: self._judge(h, g, f))

    def _judge(self, hub: Node, gate: Gatekeeper, frames: tuple[bytes, ...]) -> None:
        """Let a hub forward or drop frames."""
        if not frames[0].startswith(b"tm."):
            forward, _ = gate.judge(list(frames), hub.clock())
            if not forward:
                self.counts["dropped"] += 1
                return
            self.forwarded(hub, frames)
        for node, party in list(self.parties.items()):
            if not node.alive or not party.wants(frames[0]):
                continue
            if node in self.hubs and node is not hub:
                continue  # a coordinator hears its own hub
            if not party.has_room(self.engine.now_ns):
                self.counts["overflown"] += 1
                continue
            for wait_ns, told in self._fate(node.name, "in", frames):
                self.engine.at(wait_ns, node, lambda p=party, f=told: p.receive(f))

    def _fate(self, name: str, way: str, frames: tuple[bytes, ...]):
        """Return when which copies arrive."""
        dice, storm = self.dice, self.storm
        if self.cuts[name, way]:
            self.counts["cut"] += 1
            return
        if storm is CALM:
            yield 50_000 + int(dice.random() * 950_000), frames
            return
        if dice.random() < storm.loss:
            self.counts["lost"] += 1
            return
        copies = 1
        if dice.random() < storm.double:
            self.counts["doubled"] += 1
            copies = 2
        for _ in range(copies):
            told = frames
            if dice.random() < storm.spoil:
                self.counts["spoiled"] += 1
                told = spoiled(frames, dice)
            slow_ns = int(dice.random() ** 3 * storm.slow_ns)
            yield dice.randrange(50_000, MILLISECOND) + slow_ns, told


def spoiled(frames: tuple[bytes, ...], dice: random.Random) -> tuple[bytes, ...]:
    """Return frames with one bit flipped, one cut short, one missing or one too many."""
    parts = [bytearray(each) for each in frames]
    which = dice.randrange(len(parts))
    match dice.randrange(4):
        case 0 if parts[which]:
            parts[which][dice.randrange(len(parts[which]))] ^= 1 << dice.randrange(8)
        case 1:
            del parts[which][dice.randrange(len(parts[which]) + 1) :]
        case 2:
            del parts[which]
        case _:
            parts.append(bytearray(b"more"))
    return tuple(bytes(each) for each in parts)


class Socket:
    """What the saying half speaks through."""

    def __init__(self, network: Network, party: "Party") -> None:
        self._network, self._party = network, party

    def send_multipart(self, frames: tuple[bytes, ...], flags: int = 0) -> None:
        """Send at once."""
        del flags
        self._party.watch.bounds.saying(self._party, tuple(frames))
        self._network.sealed.add(tuple(frames))
        self._network.send(self._party, tuple(frames))


class Words(Saying):
    """The speaking half; an answer is looked at before it leaves."""

    party: "Party"

    def answer(self, to: Any, word: Any, said: Any) -> tuple[bytes, ...]:
        """Say an answer, once its promise was checked."""
        self.party.answering(to, word)
        return super().answer(to, word, said)

    def post(self, dst: str, word: Any, ttl_ms: int, *more: Any, **said: Any) -> Any:
        """Say a word until it is answered, once its promise was checked."""
        self.party.posting(dst, word, more)
        future = super().post(dst, word, ttl_ms, *more, **said)
        self.party.engine.at(0, self.party.node, self.party.pump)
        return future

    def take_answer(self, received: Any) -> None:
        """Take in an answer, and look at what it ends."""
        key = (received.header.src, received.header.ref or "")
        entry = self._outbox._open.get(key)
        super().take_answer(received)
        if entry is not None and key not in self._outbox:
            self.party.watch.ended(self.party, entry.header, entry.until, received.word)


class Ears(Hearing):
    """The listening half; what is taken is looked at."""

    party: "Party"

    def _take(self, opened: Any) -> bool:
        if isinstance(opened, Message):
            self.party.opened(opened)
        return super()._take(opened)

    def _handle(self, message: Message) -> None:
        self.party.handling(message)
        try:
            super()._handle(message)
        except CodecError:  # no word at all: it was not handled
            self.party.handled.discard((message.header.src, message.header.id))
            raise


class Tasks:
    """Spawns coroutines of a party."""

    def __init__(self, party: "Party") -> None:
        self._party = party
        self.failure = None

    def spawn(self, work: Any) -> None:
        """Begin one."""
        from tests.simulation.engine import Task

        Task(self._party.engine, work)


class Party(Participant):
    """The real participant without sockets."""

    def __init__(self, node: Node, network: Network, key: Key, watch: Any, beat: Any) -> None:
        self.node, self.engine, self.network, self.watch = node, node.engine, network, watch
        self.name = key.name
        self.coordinator_seen_ns = 0
        self.coordinator_epoch = None
        self._clock, self._beat = node.clock, beat
        self._steady = lambda: node.engine.now_ns
        self._tasks = Tasks(self)
        self._saying = Words(key, node.clock, self._steady)
        self._saying.party = self
        self._saying.open(Socket(network, self))
        self._hearing = Ears(
            key.name, network.roster, clock=node.clock, saying=self._saying, tasks=self._tasks
        )
        self._hearing.party = self
        self._telemetry = Telemetry(key, node.clock)
        self._beats = self._unread = self.slow_until_ns = 0
        self.handled: set[tuple[str, str]] = set()
        self._wanted: dict[tuple[bytes, int], bool] = {}
        self.follow("heartbeat", COORDINATOR, self._hear_coordinator)
        network.parties[node] = self
        node.every(SECOND, self._say_beat, wait_ns=SECOND // 10)
        self._pumping = False

    def wants(self, topic: bytes) -> bool:
        """Return whether this party subscribed to a topic; who follows what is settled early."""
        key = (topic, len(self._hearing._followers))
        known = self._wanted.get(key)
        if known is None:
            known = self._wanted[key] = self._wants(topic)
        return known

    def _wants(self, topic: bytes) -> bool:
        if topic.startswith(f"ctl.{self.name}.".encode()):
            return True
        kind, _, rest = topic.decode("ascii", "replace").partition(".")
        name, _, src = rest.partition(".")
        return kind in ("st", "tm") and any(
            name == each and src == who for _, each, who in self._hearing._followers
        )

    def renew(self, key: Key, roster: Roster) -> None:
        """Speak under another key, and go by another roster."""
        self._hearing.trust(roster)
        self._saying.sign_as(key)
        self._telemetry.sign_as(key)

    def has_room(self, now_ns: int) -> bool:
        """Return whether one more frame finds room; what a slow reader leaves unread fills up."""
        if self.slow_until_ns <= now_ns:
            return True
        self._unread += 1
        return self._unread <= QUEUE_MAX

    def slow_down(self, until_ns: int) -> None:
        """Read nothing for a while; the process stands still."""
        self.slow_until_ns, self._unread = until_ns, 0
        self.node.frozen_until_ns = until_ns

    def receive(self, frames: tuple[bytes, ...]) -> None:
        """Take frames in, as the reader task does."""
        hearing = self._hearing
        opened = hearing._opener.open(list(frames), self._clock())
        try:
            hearing._take(opened)
        except CodecError as error:
            hearing.counts[error.code.value] += 1
            hearing._refuse(opened, error.code, error.detail)
        self.pump()

    def pump(self) -> None:
        """Say what is due, end what has lapsed, as the resending task does."""
        saying, now_ns = self._saying, self.engine.now_ns
        if not saying._outbox:
            return
        if not self._pumping:
            self._pumping = True
            self.engine.at(PUMP_NS, self.node, self._pump_again)
        for frames in saying._outbox.due(now_ns):
            saying.send(frames)
        for header in saying._outbox.expired(now_ns):
            future = saying._futures.pop((header.dst, header.id), None)
            if future is not None and not future.done():
                future.set_exception(BusError(f"{header.dst} did not answer {header.type}"))

    def _pump_again(self) -> None:
        self._pumping = False
        self.pump()

    def tell(self, word: Any) -> None:
        """Say telemetry at once; only what somebody listens to."""
        if word.type_name == "status":
            self._telemetry.add(word)
            for frames in self._telemetry.take():
                self.network.sealed.add(frames)
                self.network.send(self, frames)

    def _say_beat(self) -> None:
        """Beat once a second; those that nobody here follows, but for a tenth of them, unsaid."""
        self._beats += 1
        heard = self.name == COORDINATOR or self._beats % 10 == 0
        if heard and self.joined.is_set() and self._beat is not None:
            self.publish(self._beat(0.0))

    # --- what the watch looks at --------------------------------------------------------------
    def answering(self, to: Any, word: Any) -> None:
        """Show an answer."""
        self.watch.answering(self, to, word)

    def posting(self, dst: str, word: Any, more: Any) -> None:
        """Show a word."""
        self.watch.posting(self, dst, word, more)

    def opened(self, message: Message) -> None:
        """Show a frame that was opened."""
        self.watch.opened(self, message)

    def handling(self, message: Message) -> None:
        """Show a message that will be handled."""
        self.watch.handling(self, message)

    def reconsider(self, received: Any) -> None:
        """Let a message be handled anew."""
        self.handled.discard((received.header.src, received.header.id))
        super().reconsider(received)
