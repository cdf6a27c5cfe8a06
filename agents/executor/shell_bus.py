"""The executor on the bus: words become events, effects become words. It decides nothing.

Handlers only put events into the shell; answers go out when the step asks for them, after its
journal rows are on disk. A message whose answer comes late is kept by id until then; one of an
earlier life of this process is heard again by its sender, and answered from the journal.
"""

import asyncio
import os
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import structlog

from agents.bus import participant_of
from agents.executor.events import (
    DecisionHeard,
    DoneHeard,
    Event,
    PauseHeard,
    Reach,
    RearmHeard,
    Reply,
    RoundHeard,
    Say,
    Show,
    StopHeard,
)
from agents.executor.judging import stage_of
from agents.executor.reading import JournalDesk
from agents.executor.shell import Shell
from agents.executor.state import COORDINATOR, NOTHING, State
from agents.executor.telling import fill_words, pnl_word, status_word
from agents.settings import Settings
from protocol.bus.frames import derive_id
from protocol.bus.participant import Received
from protocol.errors import NackCode
from protocol.merge import digest
from protocol.messages import (
    Boundary,
    BoundaryDone,
    CoordinatorHeartbeat,
    Decision,
    EmergencyStop,
    Heartbeat,
    Mode,
    Nack,
    NoUpdate,
    ParameterUpdate,
    Pause,
    Rearm,
    Resume,
    Round,
    Snapshot,
    Stage,
    Word,
)

OPEN_MAX = 256
"""Messages that may wait for a late answer."""
JOIN_S = 300.0
ALL = "all"

log = structlog.get_logger()


class BusLink:
    """The `Link` over a participant.

    Args:
        settings: resolved.
        shell: takes the events.
    """

    def __init__(self, settings: Settings, shell: Shell) -> None:
        self.name = settings.account.executor
        self.participant = participant_of(settings, self.name, os.environ, beat=self._beat)
        self._settings = settings
        self._shell = shell
        self.desk = JournalDesk(shell.folder, self.participant)
        self._open: OrderedDict[str, Received] = OrderedDict()
        self._boundary: dict[str, tuple[str, Word, str | None, asyncio.Future[Received]]] = {}
        self._votes: dict[str, tuple[Say, int | None, asyncio.Future[Received]]] = {}
        self._modes: dict[int, Mode] = {}  # by generation, as the coordinator told
        self._joined_ns = 0
        self._asked: Reach | None = None
        for kind in ("decision", "round", "boundary_done", "emergency_stop", "rearm"):
            self.participant.on(kind, self._hear)
        for kind in ("pause", "resume"):
            self.participant.on(kind, self._hear)
        self.participant.recall("decision", self._recall)
        self.participant.follow("heartbeat", COORDINATOR, self._hear_beat)
        self.participant.repair(
            self.name, lambda: self._shell.state.verdict.pair, self._take_snapshot
        )

    async def join(self) -> None:
        """Join the bus; nothing is said, and no order sent, before.

        Raises:
            BusError: no coordinator answered.
        """
        have = self._shell.state.verdict.pair
        snapshot = await self.participant.join(have, timeout_s=JOIN_S)
        self._joined_ns = time.monotonic_ns()
        self._take_snapshot(snapshot)
        log.info("joined", pair=list(snapshot.pair), mode=snapshot.mode.value)

    # --- Link -------------------------------------------------------------------------------

    def reply(self, effect: Reply) -> None:
        """Answer a message of this life; one of an earlier life will come again."""
        received = self._open.get(effect.ref)
        if received is None or received.header.src != effect.dst:
            return
        self.participant.answer(received, effect.word, pair=effect.pair)
        if isinstance(effect.word, Nack) or effect.word.stage in (Stage.APPLIED, Stage.STOPPED):
            del self._open[effect.ref]

    def say(self, effect: Say) -> None:
        """Send a vote until the coordinator has it."""
        asked = self._open.get(effect.ref)
        self._post_vote(effect, None if asked is None else asked.header.gen)

    def _post_vote(self, effect: Say, gen: int | None) -> None:
        key = derive_id(self._settings.seed, self.name, "vote", effect.ref)
        future = self.participant.post(
            COORDINATOR, effect.word, message_id=key, ref=effect.ref, gen=gen
        )
        self._votes[key] = (effect, gen, future)

    def reach(self, state: State, effect: Reach) -> None:
        """Tell coordinator and seats of a boundary."""
        key = derive_id(self._settings.seed, "boundary", effect.index)
        self._boundary.clear()
        word = Boundary(index=effect.index, venue_time=effect.time_ns, promoted=state.is_promoted)
        for seat in (COORDINATOR, *self._settings.optimizer_seats):
            self._post_boundary(state, seat, key, word, None)

    def answer(self, state: State, effect: Reach, own: ParameterUpdate | None) -> None:
        """Answer a boundary as a seat; None: it proposes nothing."""
        seed = self._settings.seed
        nothing = NoUpdate(
            window=(self._shell.state.session.first_ns, effect.time_ns),
            digest=digest(state.incumbent),
            reason="the executor proposes nothing of its own",
        )
        about = derive_id(seed, "boundary", effect.index)
        key = derive_id(seed, self.name, "answer", effect.index)
        self._post_boundary(state, COORDINATOR, key, own or nothing, about)

    def closed(self, state: State) -> None:
        """End the resending of the boundary: it was closed, and its decision judged."""
        del state
        for key, _, _, _ in self._boundary.values():
            self.participant.settle(key)
        self._boundary.clear()

    def show(self, state: State, effect: Show) -> None:
        """Show fills."""
        for word in fill_words(state, effect.filled):
            self.participant.tell(word)

    def tell(self, state: State, *, lag_s: float) -> None:
        """Show how things stand; say again what nobody has heard within its ttl.

        A round that is said again is known here, and asks for no second vote.
        """
        self.participant.tell(status_word(state, lag_s, self._shell.venue_words()))
        self.participant.tell(pnl_word(state))
        for key, (vote, gen, future) in list(self._votes.items()):
            if _is_unheard(future):
                self._post_vote(vote, gen)
            elif future.done():
                del self._votes[key]
        if state.waiting:
            for place, (key, word, ref, future) in list(self._boundary.items()):
                if _is_unheard(future):
                    self._post_boundary(state, place.partition(" ")[0], key, word, ref)

    def silence_s(self) -> float:
        """Return the seconds since the coordinator's last heartbeat, or since joining.

        Steady time: a wall clock that is set back must not prolong the autonomy.
        """
        seen_ns = max(self.participant.coordinator_seen_ns, self._joined_ns)
        return (time.monotonic_ns() - seen_ns) / 1e9

    # --- inside -----------------------------------------------------------------------------

    def _post_boundary(self, state: State, dst: str, key: str, word: Word, ref: str | None) -> None:
        # A set that has lapsed is nobody's incumbent: what is proposed then starts at the baseline.
        pair = NOTHING if state.in_force is None else state.applied_pair
        future = self.participant.post(dst, word, message_id=key, ref=ref, pair=pair)
        self._boundary[f"{dst} {key}"] = (key, word, ref, future)

    def _hear(self, received: Received) -> Word | None:
        """Put a word into the shell as an event; a word that makes no sense is refused here."""
        if isinstance(received.word, Round) and self._mode_of(received.header.gen) is None:
            self.participant.reconsider(received)  # a heartbeat will tell; then it comes again
            return None
        event = self._event_of(received)
        if isinstance(event, Nack):
            return event
        header = received.header
        self._open[header.id] = received
        while len(self._open) > OPEN_MAX:
            self._open.popitem(last=False)
        self._shell.put(event)
        return None

    def _recall(self, received: Received) -> Word | None:
        """Return what came of a decision, in an earlier life perhaps; None if it is unknown."""
        event = self._event_of(received)
        if not isinstance(event, DecisionHeard):
            return None
        return stage_of(self._shell.state, event.pair, digest(event.word.params))

    def _event_of(self, received: Received) -> Event | Nack:
        header, word = received.header, received.word
        match word:
            case Decision():
                if header.pair is None:
                    line = "a decision must carry epoch and version in its header"
                    return Nack(code=NackCode.SCHEMA, detail=line)
                return DecisionHeard(header.src, header.id, header.pair, word)
            case Round():
                mode = self._mode_of(header.gen)
                assert mode is not None, "a round of an unknown generation is put off"
                return RoundHeard(header.src, header.id, word, mode)
            case BoundaryDone():
                return DoneHeard(header.src, header.id, word.index, word.decision, word.not_after)
            case EmergencyStop():
                if word.scope not in (ALL, self.name):
                    line = f"scope must be all or {self.name}, found {word.scope}"
                    return Nack(code=NackCode.SCHEMA, detail=line)
                return StopHeard(header.id, word.flatten, header.src)
            case Rearm():
                return RearmHeard(header.src, header.id, word.lifts)
            case Pause():
                return PauseHeard(header.src, header.id, paused=True)
            case Resume():
                return PauseHeard(header.src, header.id, paused=False)
            case _:
                line = f"an executor takes no {word.type_name}"
                return Nack(code=NackCode.FORBIDDEN, detail=line)

    def _mode_of(self, generation: int | None) -> Mode | None:
        """Return the mode of a generation, None while nobody has told it."""
        newest = max(self._modes, default=0) if generation is None else generation
        return self._modes.get(newest)

    def _hear_beat(self, received: Received) -> None:
        """Latch a stop that the coordinator knows and we do not."""
        word = received.word
        if not isinstance(word, CoordinatorHeartbeat):
            return
        for row in word.executors:
            if row.executor == self.name:
                self._modes[row.generation] = row.mode
                self._latch(row.stops)

    def _take_snapshot(self, snapshot: Snapshot) -> None:
        self._modes[snapshot.generation] = snapshot.mode
        self._latch(snapshot.stops)
        state = self._shell.state
        times = (snapshot.not_before, snapshot.not_after)
        if snapshot.pair <= state.verdict.pair or snapshot.params is None or None in times:
            return
        document: dict[str, Any] = {
            "params": snapshot.params,
            "basis": (),
            "mode": snapshot.mode,
            "not_before": snapshot.not_before,
            "not_after": snapshot.not_after,
        }
        word = Decision(**document)
        self._shell.put(DecisionHeard(COORDINATOR, "", snapshot.pair, word))

    def _latch(self, stops: tuple[str, ...]) -> None:
        state = self._shell.state
        for key in stops:
            if key not in state.stops and key not in state.lifted:
                self._shell.put(StopHeard(key, flatten=False))

    def _beat(self, lag_ms: float) -> Word:
        connected = self._shell.venue_words().get("connected", True)
        mood = mood_of(self._shell.state) if connected else "disconnected"
        return Heartbeat(state=mood, lag_ms=lag_ms)


def _is_unheard(future: "asyncio.Future[Received]") -> bool:
    """Return whether a word ended without having been heard: its ttl, or a clock, ran out."""
    if not future.done() or future.cancelled():
        return False
    if future.exception() is not None:
        return True
    word = future.result().word
    return isinstance(word, Nack) and word.code is NackCode.EXPIRED


def mood_of(state: State) -> str:
    """Return in a word what the executor is doing."""
    if state.stops:
        return "stopped"
    if state.paused:
        return "paused"
    if state.alone:
        return "alone"
    return "waiting" if state.waiting else "trading"


@asynccontextmanager
async def joined(settings: Settings, shell: Shell) -> AsyncIterator[BusLink]:
    """Join the bus and give the shell its link; leave at the end.

    Raises:
        BusError: no coordinator answered.
    """
    link = BusLink(settings, shell)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(link.participant)
        stack.push_async_callback(link.desk.close)
        await link.join()
        shell.link = link
        yield link
