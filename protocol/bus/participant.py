"""One party on the bus: says words, hears words, and makes what must arrive arrive.

One PUB and one SUB to each hub that it uses, one permanent reader task a socket. What is said with
`post` is resent until its final answer; what is heard is handed to one handler a type, once, and
its stored answer is said again when it is heard again.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Self

from protocol.bus.batch import Telemetry
from protocol.bus.endpoints import Endpoints
from protocol.bus.frames import STOPS, TTL_MAX_MS, Said
from protocol.bus.hearing import Follower, Handler, Hearing, Recall, Witness
from protocol.bus.links import Links
from protocol.bus.saying import Received, Saying, flush
from protocol.errors import BusError, RosterError
from protocol.keyring import EVERY_S, Keyring
from protocol.keys import Identity, Roster
from protocol.messages import CoordinatorHeartbeat, Pair, Snapshot, SnapshotRequest, Stage, Word
from protocol.tasks import Tasks
from protocol.topics import Channel

__all__ = ["COORDINATOR", "Follower", "Handler", "Participant", "Received"]

COORDINATOR = "coordinator"
SNAPSHOT_S = 5.0
ASK_NS = 5_000_000_000
ASK_REST_S = 0.05
"""How long one snapshot request is said again, and how long before the next one."""
SILENT_NS = 2_500_000_000
"""Silence of the coordinator after which the link is taken to have been cut: answers were lost."""
BEHIND_MAX = 2
"""Heartbeats that may know more than we do before we ask: what they tell of may be on its way."""


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
        keyring: tells of keys that change meanwhile; None: they do not.

    Attributes:
        counts: what was heard and not taken, by reason.
        coordinator_seen_ns: steady time of the coordinator's last heartbeat, 0 before the first.
        coordinator_epoch: the highest that a heartbeat told.

    Raises:
        RosterError: the roster lists this name with other keys, or not at all.
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
        keyring: Keyring | None = None,
    ) -> None:
        if not roster.knows(identity):
            raise RosterError(f"the roster lists no key of this {identity.name}; copy it anew")
        self.name = identity.name
        self.coordinator_seen_ns = 0
        self.coordinator_epoch: int | None = None
        self._steady = steady
        self._beat = beat
        self._tasks = Tasks()
        self._saying = Saying(identity, clock, steady)
        self._hearing = Hearing(
            self.name, roster, clock=clock, saying=self._saying, tasks=self._tasks
        )
        self._links = Links(endpoints, identity.curve)
        self._keyring = keyring
        self._telemetry = Telemetry(identity, clock) if telemetry else None
        self.follow("heartbeat", COORDINATOR, self._hear_coordinator)

    @property
    def joined(self) -> asyncio.Event:
        """Set once something may be said."""
        return self._saying.joined

    @property
    def counts(self) -> Counter[str]:
        """What was heard and not taken, by reason."""
        return self._hearing.counts

    @property
    def failure(self) -> BaseException | None:
        """What ended a task of the bus, and with it the owner."""
        return self._tasks.failure

    async def __aenter__(self) -> Self:
        publisher = self._links.publisher(control=True)
        subscriber = self._links.subscriber(control=True)
        self._tasks.own()
        self._saying.open(publisher)
        self._hearing.open(Channel.STATE, subscriber)
        self._tasks.spawn(self._saying.resend())
        self._tasks.spawn(self._saying.beat_on(self._beat, self._is_heard))
        if self._telemetry is not None:
            teller = self._links.publisher(control=False)
            self._hearing.open(Channel.TELEMETRY, self._links.subscriber(control=False))
            self._tasks.spawn(flush(self._telemetry, teller))
        if self._keyring is not None:
            self._tasks.spawn(self._follow_keys(self._keyring))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._tasks.end()
        self._saying.close()
        self._hearing.close()
        self._links.close()
        if self.failure is not None:
            raise self.failure

    async def _follow_keys(self, keyring: Keyring) -> None:
        async for keys in keyring.renewals():
            self._hearing.trust(keys.roster)
            await asyncio.sleep(EVERY_S)  # the hubs look as often as we do: they must know first
            self._saying.sign_as(keys.identity)
            if self._telemetry is not None:
                self._telemetry.sign_as(keys.identity)
            hubs = keys.roster.members.get(COORDINATOR)
            if hubs is not None:
                self._links.renew(hubs.curve, keys.identity.curve)

    # --- joining -----------------------------------------------------------------------------
    async def join(self, have: Pair = (0, 0), *, timeout_s: float = 60.0) -> Snapshot:
        """Ask for a snapshot until it is answered; nothing but a stop may be said before.

        Raises:
            BusError: no coordinator answered in time, or it refused.
        """
        ends_ns = self._steady() + int(timeout_s * 1e9)
        received = None
        while received is None:
            # Anew every few seconds: one that was said before a clock was set stays unfit for ever.
            ttl_ms = max(1, min(ends_ns - self._steady(), ASK_NS) // 1_000_000)
            asked = self._saying.post(COORDINATOR, SnapshotRequest(have=have), ttl_ms)
            try:
                received = await asked
            except BusError:
                if self._steady() >= ends_ns:
                    line = f"no coordinator answered within {timeout_s:.0f} s; is one running?"
                    raise BusError(line) from None
                await asyncio.sleep(ASK_REST_S)
        if not isinstance(received.word, Snapshot):
            raise BusError(f"the coordinator refused to let {self.name} join: {received.word}")
        self.joined.set()
        return received.word

    def become_joined(self) -> None:
        """Count as joined without asking: the coordinator itself, on its own hubs."""
        self.joined.set()

    async def snapshot(self, have: Pair) -> Snapshot:
        """Ask for the state in force, having judged `have` and nothing above it.

        Raises:
            BusError: no coordinator answered in time, or it refused.
        """
        return await self.join(have, timeout_s=SNAPSHOT_S)

    def repair(
        self, executor: str, have: Callable[[], Pair], take: Callable[[Snapshot], None]
    ) -> None:
        """Take a snapshot whenever heartbeats go on to know a pair above the one we judged.

        After a silence too, whatever they know: the coordinator then says again what it had said.

        Args:
            executor: whose state is followed.
            have: the highest pair judged here.
            take: gets the snapshot.
        """
        behind = 0
        asking = False
        seen_ns = 0

        async def ask() -> None:
            nonlocal asking
            try:
                take(await self.snapshot(have()))
            except BusError:
                self.counts["snapshot_missing"] += 1  # the next heartbeat asks again
            finally:
                asking = False

        def hear(received: Received) -> None:
            nonlocal behind, asking, seen_ns
            word = received.word
            if not isinstance(word, CoordinatorHeartbeat) or not self.joined.is_set():
                return
            silent, seen_ns = self._was_silent(seen_ns), self._steady()
            rows = [row for row in word.executors if row.executor == executor]
            lacks = any((row.epoch, row.version) > tuple(have()) for row in rows)
            behind = behind + 1 if lacks else 0
            if (silent or behind >= BEHIND_MAX) and not asking:
                asking = True
                self._tasks.spawn(ask())

        self.follow("heartbeat", COORDINATOR, hear)

    # --- saying ------------------------------------------------------------------------------
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
        until: Stage | None = None,
    ) -> asyncio.Future[Received]:
        """Say a word until its final answer; the future holds that answer.

        It raises BusError when the ttl ends first, and is cancelled by `settle`. `until` is the
        stage that ends it where that is not the usual one: `received` for a round of peers.
        """
        if word.type_name not in STOPS and not self.joined.is_set():
            raise BusError(f"{self.name} has not joined yet: nothing but a stop may be said")
        return self._saying.post(dst, word, ttl_ms, Said(message_id, ref, pair, gen), until=until)

    def settle(self, message_id: str) -> None:
        """End the resending of a message whose answers went to somebody else."""
        self._saying.settle(message_id)

    def answer(self, received: Received, word: Word, *, pair: Pair | None = None) -> None:
        """Answer a message, now or later; the latest answer is what a repetition gets."""
        self._hearing.answer(received, word, pair)

    def reconsider(self, received: Received) -> None:
        """Let a message that had no effect yet be handled anew when it is said again."""
        self._hearing.reconsider(received)

    def publish(self, word: Word, *, pair: Pair | None = None, gen: int | None = None) -> None:
        """Say a state to whoever follows it; never resent."""
        self._saying.publish(word, Said(pair=pair, gen=gen))

    def tell(self, word: Word) -> None:
        """Say telemetry; it may be lost."""
        if self._telemetry is not None:
            self._telemetry.add(word)

    # --- hearing -----------------------------------------------------------------------------
    def on(self, type_name: str, handler: Handler) -> None:
        """Hand every new message of a type to one handler; what it returns is the answer."""
        self._hearing.on(type_name, handler)

    def recall(self, type_name: str, recall: Recall) -> None:
        """Ask, of a message of a type that came too late, what an earlier life did with it.

        What it returns is the answer; None: it is refused as expired.
        """
        self._hearing.recall(type_name, recall)

    def witness(self, witness: Witness) -> None:
        """See each refusal of what is no word for us, before its sender hears it."""
        self._hearing.witness = witness

    def follow(self, type_name: str, src: str, follower: Follower) -> None:
        """Hear a state of somebody."""
        self._hearing.follow(Channel.STATE, type_name, src, follower)

    def listen(self, type_name: str, src: str, follower: Follower) -> None:
        """Hear telemetry of somebody; only with `telemetry`."""
        assert self._telemetry is not None, "made without telemetry"
        self._hearing.follow(Channel.TELEMETRY, type_name, src, follower)

    def _hear_coordinator(self, received: Received) -> None:
        if not isinstance(received.word, CoordinatorHeartbeat):
            return
        silent = self._was_silent(self.coordinator_seen_ns)
        self.coordinator_seen_ns = self._steady()
        epoch = received.word.epoch
        if self.coordinator_epoch is not None and epoch != self.coordinator_epoch:
            self._saying.refresh(COORDINATOR)
        elif silent:
            self._saying.refresh(None)
        self.coordinator_epoch = epoch

    def _is_heard(self) -> bool:
        """Return whether the hub forwards what we say: an answer, or our own echo, came back."""
        return self.name != COORDINATOR or self.coordinator_seen_ns > 0

    def _was_silent(self, seen_ns: int) -> bool:
        """Return whether the coordinator, last heard at `seen_ns`, has been silent for long."""
        return 0 < seen_ns < self._steady() - SILENT_NS
