"""The coordinator's process: both hubs, the log, and the performing of what the core asks for.

A thin shell: it turns messages into events, effects into deeds, and owns clocks and sockets. One
event at a time is handled to its end, so what the core sees is a sequence.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

import structlog

from agents.bus import hub_of, participant_of
from agents.coordinator.conduct import SHAPES
from agents.coordinator.events import (
    Answered,
    Append,
    Effect,
    Event,
    Fenced,
    Heard,
    Malformed,
    Measure,
    Measured,
    Post,
    Publish,
    Reply,
    Started,
    Tick,
    Withdraw,
)
from agents.coordinator.hearing import PLAIN
from agents.coordinator.log import DecisionLog
from agents.coordinator.plain import PlainDoor
from agents.coordinator.records import restored
from agents.coordinator.rules import SECOND_NS, Rules
from agents.coordinator.showing import Noted
from agents.coordinator.state import NOTHING, State, heartbeat, standing_of
from agents.coordinator.step import step
from agents.coordinator.tally import TALLY_S, Tally
from agents.quoted import tells_promoted
from agents.settings import Settings
from protocol.bus.frames import Header
from protocol.bus.hub import Hub
from protocol.bus.participant import Participant, Received
from protocol.errors import BusError, NackCode
from protocol.keyring import Keyring
from protocol.keys import Roster
from protocol.messages import (
    Boundary,
    Heartbeat,
    JournalPage,
    JournalRequest,
    Nack,
    ParameterUpdate,
    Status,
    Word,
)
from protocol.pages import page

if TYPE_CHECKING:
    from agents.coordinator.measuring import Meter

HEARD = (
    "boundary",
    "no_update",
    "parameter_update",
    "vote",
    "mode_change",
    "emergency_stop",
    "rearm",
    "snapshot_request",
)
KEPT_MAX = 4096
"""Messages that may still be answered again."""
TICK_S = 0.1
STATUS_S = 1.0
UNHEARD_S = 1.0
"""Before a frame that was too old for somebody's clock is said anew."""

log = structlog.get_logger()


class Coordinator:
    """One coordinator over one folder.

    Args:
        rules: what is decided by.
        folder: of the log; the hub locks it.
        clock: wall time in ns.
        noted: counts what is logged.
    """

    def __init__(
        self,
        rules: Rules,
        settings: Settings,
        folder: Path,
        *,
        clock: Callable[[], int] = time.time_ns,
        noted: Noted | None = None,
    ) -> None:
        self.rules = rules
        self.settings = settings
        self.folder = folder
        self.ended = asyncio.Event()
        self.fenced: str | None = None
        self._noted = noted or Noted()
        self._clock = clock
        self._log: DecisionLog | None = None
        self._state: State | None = None
        self._me: Participant | None = None
        self._hub: Hub | None = None
        self._heard: OrderedDict[tuple[str, str], Received] = OrderedDict()
        self._posts: dict[str, asyncio.Future[Received]] = {}
        self._meter: Meter | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._tally = Tally()
        self._told = Tick()
        self._told_ns = 0

    def end(self) -> None:
        """End cleanly after the present event."""
        self.ended.set()

    async def serve(self, environ: dict[str, str]) -> None:
        """Lock, bind, read the log, speak, until the end.

        Raises:
            BusError: the folder or an address is in use; fenced by a newer coordinator.
            JournalError, RosterError: log or keys cannot be used.
            RecordingError: what the supervisor measures on cannot be read.
        """
        name, keys, seats = self.rules.name, self.settings.keys_folder, self.rules.seats
        keyring = Keyring(name, keys, environ, seats=seats, weights=self.rules.weights)
        hub = hub_of(self.settings, keyring, folder=self.folder, clock=self._clock)
        self._tally.dropped = hub.gatekeeper.counts
        async with hub as self._hub:
            with DecisionLog.open(self.folder, self._noted.take) as self._log:
                self._state = restored(self.rules, self._log.records())
                me = participant_of(
                    self.settings, name, environ, clock=self._clock, beat=self._beat
                )
                self._listen(me)
                async with me:
                    self._me = me
                    me.become_joined()
                    self._handle(Started())
                    self._open_door(hub.gatekeeper.roster)
                    log.info("started", epoch=self._state.epoch, seats=len(self.rules.seats))
                    await self._until_ended()
                    self._tell_tally()
                    for task in self._tasks:
                        task.cancel()
        if self._failure is not None:
            raise self._failure
        if self.fenced is not None:
            raise BusError(f"a newer coordinator decides: {self.fenced}")

    def _listen(self, me: Participant) -> None:
        for each in HEARD:
            me.on(each, self._hear)
        me.on("journal_request", self._page)
        me.witness(self._refused)
        if not self.rules.lockstep:
            me.listen("status", self.rules.executor, self._see)

    async def _until_ended(self) -> None:
        told_s, tallied_s = 0.0, time.monotonic()
        while not self.ended.is_set():
            try:
                async with asyncio.timeout(TICK_S):
                    await self.ended.wait()
            except TimeoutError:
                if not self.rules.lockstep:
                    self._tick()
            now_s = time.monotonic()
            if now_s - told_s >= STATUS_S:
                told_s = now_s
                self._tell()
            if now_s - tallied_s >= TALLY_S:
                tallied_s = now_s
                self._tell_tally()

    def _beat(self, lag_ms: float) -> Word:
        if self._state is None:
            return Heartbeat(state="starting", lag_ms=lag_ms)
        return heartbeat(self._state)

    def _tell(self) -> None:
        """Show how things stand, on telemetry."""
        state = self._state
        if self._me is None or self._hub is None or state is None:
            return
        held = state.newest
        figures = {
            "phase": state.phase.value,
            "mode": state.mode.value,
            "generation": state.generation,
            "epoch": state.epoch,
            "version": held.pair[1] if held else 0,
            "boundary": state.boundary.index if state.boundary else None,
            "venue_time": state.now_ns,
            "seats": list(self.rules.seats),
            "stops": len(state.stops),
            **{f"control_{why}": n for why, n in self._hub.gatekeeper.counts.items()},
            "conduct": [standing_of(state, each) for each in self.rules.seats],
        }
        self._noted.told = figures
        self._me.tell(Status.model_validate(figures))

    # --- messages in -------------------------------------------------------------------------
    def _hear(self, received: Received) -> None:
        header = received.header
        key = (header.src, header.id)
        self._heard[key] = received
        self._heard.move_to_end(key)
        while len(self._heard) > KEPT_MAX:
            self._heard.popitem(last=False)
        self._handle(
            Heard(
                src=header.src,
                id=header.id,
                word=received.word,
                ref=header.ref,
                pair=received.header.pair,
                generation=header.gen,
            )
        )
        if isinstance(received.word, Boundary) and self._me is not None:
            # Said again, it asks for what it still waits for: our word may have met a wrong clock.
            self._me.reconsider(received)

    def _refused(self, header: Header, code: NackCode, detail: str) -> None:
        """Witness that something was no word for us: on disk, or counted, before it is answered."""
        self._tally.add(header.src, code)
        if code in SHAPES:
            self._handle(Malformed(header.src, header.id, code, detail))

    def _open_door(self, roster: Roster) -> None:
        """Hear unsigned documents too, if that is configured."""
        port = self.settings.coordinator.accept_plain
        if port is None:
            return
        if PLAIN in roster.members:
            raise BusError(f"the roster has a {PLAIN}: rename it, or accept nothing plain")
        door = PlainDoor(port, clock=self._clock, take=self._take_plain, refuse=self._refuse_plain)
        self._spawn(door.serve())

    def _take_plain(self, key: str, word: ParameterUpdate) -> None:
        self._handle(Heard(src=PLAIN, id=key, word=word))

    def _refuse_plain(self, key: str, code: NackCode, detail: str) -> None:
        self._tally.add(PLAIN, code)
        if code in SHAPES:
            self._handle(Malformed(PLAIN, key, code, detail))

    def _tell_tally(self) -> None:
        """Put the counts of what was refused unlogged, and dropped by the hub, into the log."""
        told = self._tally.take()
        if told is not None:
            self._handle(told)

    def _page(self, received: Received) -> Word:
        assert self._log is not None, "a request before the log was read"
        assert isinstance(received.word, JournalRequest), "a handler of another type"
        return JournalPage(rows=page(self._log.rows(received.word.after)))

    def _see(self, received: Received) -> None:
        """Learn the venue time from the executor's status; only when the clock is real."""
        document = received.word.model_dump()
        told, pair = document.get("venue_time"), document.get("pair")
        if isinstance(told, int) and told > self._told.seen_ns:
            applied = self._told.pair
            if isinstance(pair, list) and len(pair) == len(NOTHING):
                applied = (int(pair[0]), int(pair[1]))
            self._told = Tick(told, applied, tells_promoted(document))
            self._told_ns = self._clock()

    def _tick(self) -> None:
        self._handle(self._told)

    def _now_ns(self) -> int:
        """Return the venue time as far as it is known; in lockstep boundaries alone tell it."""
        if self.rules.lockstep or self._told.seen_ns == 0:
            return 0
        passed_ns = max(0, self._clock() - self._told_ns)
        # A silent executor's clock is not guessed further than a few seconds.
        passed_ns = min(passed_ns, 5 * SECOND_NS)
        return self._told.seen_ns + round(passed_ns * self.settings.run.speed)

    # --- effects out -------------------------------------------------------------------------
    def _handle(self, event: Event) -> None:
        assert self._state is not None, "an event before the log was read"
        if self.fenced is not None:
            return
        self._state, effects = step(self._state, event, self._now_ns())
        for effect in effects:
            self._perform(effect)

    def _perform(self, effect: Effect) -> None:
        assert self._log is not None and self._me is not None  # noqa: PT018 - both, or neither
        assert self._state is not None, "an effect before the log was read"
        match effect:
            case Append(records):
                self._log.append(records)
                for record in records:
                    log.info(record.kind.value, **record.short)
            case Reply(dst, ref, word):
                if isinstance(word, Nack) and ref not in self._state.proposals:
                    self._tally.add(dst, word.code)
                received = self._heard.get((dst, ref))
                if received is not None:  # else it was said before our start and comes again
                    self._me.answer(received, word)
            case Post():
                self._post(effect)
            case Withdraw(key):
                self._posts.pop(key, None)
                self._me.settle(key)
            case Measure():
                self._measure(effect)
            case Publish(word, pair, generation):
                self._me.publish(word, pair=pair, gen=generation)
            case Fenced(detail):
                self.fenced = detail
                log.error("fenced", detail=detail)
                self.end()
            case _:
                assert_never(effect)

    def _measure(self, effect: Measure) -> None:
        """Replay beside the loop: messages are answered meanwhile."""

        def replay() -> tuple[float, ...]:
            # Loaded only here: most modes know of no market, and start at once.
            from agents.coordinator.measuring import Meter

            self._meter = self._meter or Meter(self.settings)
            told = (effect.sets, effect.first_ns, effect.last_ns)
            return self._meter.nets(*told, promoted=effect.promoted)

        async def measure() -> None:
            nets = await asyncio.to_thread(replay)
            if not self.ended.is_set():
                self._handle(Measured(effect.key, nets))

        self._spawn(measure())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
            self.end()

    def _post(self, effect: Post) -> None:
        assert self._me is not None, "a post before the start"
        if effect.id in self._posts:
            return  # on its way already
        future = self._me.post(
            effect.dst,
            effect.word,
            message_id=effect.id,
            ref=effect.ref,
            pair=effect.pair,
            gen=effect.generation,
            until=effect.until,
        )
        self._posts[effect.id] = future
        future.add_done_callback(lambda done: self._answered(effect.id, done))

    def _answered(self, key: str, future: "asyncio.Future[Received]") -> None:
        if self._posts.get(key) is not future:
            return
        del self._posts[key]
        if future.cancelled() or self.ended.is_set():
            return
        if future.exception() is not None:
            self._handle(Answered(key, None))
            return
        received = future.result()
        word, pair = received.word, received.header.pair
        if isinstance(word, Nack) and word.code is NackCode.EXPIRED and pair is None:
            self._spawn(self._unheard(key))
        else:
            self._handle(Answered(key, word, pair))

    async def _unheard(self, key: str) -> None:
        """A clock was set, and the frame looked too old: nobody has judged what it said."""
        await asyncio.sleep(UNHEARD_S)
        if not self.ended.is_set():
            self._handle(Answered(key, None))
