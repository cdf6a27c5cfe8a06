"""The optimizer's process on the bus: hears boundaries, lets the mind think, says its answer.

Thinking happens in a thread, so that heartbeats go on. Nothing is decided here.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import structlog

from agents.bus import participant_of
from agents.freed import give_back
from agents.optimizer.cluster import evaluator_of
from agents.optimizer.known import NOTHING, Known
from agents.optimizer.memory import Memory
from agents.optimizer.mind import Answer, Mind
from agents.optimizer.pace import Pace
from agents.optimizer.rehearsal import rehearse
from agents.optimizer.showing import Noted
from agents.optimizer.voting import Votes, checked, voted
from agents.quoted import set_in, tells_promoted
from agents.session import open_session
from agents.settings import Clock, Settings
from protocol.bus.frames import derive_id
from protocol.bus.participant import COORDINATOR, Participant, Received
from protocol.errors import BusError, NackCode
from protocol.merge import digest
from protocol.messages import (
    Boundary,
    CoordinatorHeartbeat,
    Decision,
    Heartbeat,
    Mode,
    Nack,
    NoUpdate,
    Pair,
    ParameterUpdate,
    QuoteParameters,
    Round,
    Snapshot,
    Status,
    Vote,
    Word,
)

JOIN_S = 60.0
ASKS_MAX = 20
"""Snapshots asked for a set that is not known, a second apart, before the answer is no_update."""
VOTE_REST_S = 1.0
"""Before a vote that came too late for somebody's clock is said again."""
RETRIES_MAX = 8
"""How often one answer is said anew because the generation had changed meanwhile."""
STATUS_S = 1.0

log = structlog.get_logger()


class Optimizer:
    """One optimizer on the bus.

    Args:
        name: its seat.
        folder: where it remembers decisions.
        clock: wall time in ns.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        name: str,
        *,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.name = name
        self.ended = asyncio.Event()
        self.failure: BaseException | None = None
        self.noted = Noted()
        self._clock = clock
        memory = Memory.open(folder / f"{name}.memory.sqlite")
        searching = settings.optimizer
        self._evaluator = evaluator_of(searching.cluster, threads=searching.threads)
        self._mind = Mind(open_session(settings), name, memory, evaluator=self._evaluator)
        baseline = self._mind.session.baseline
        self._known = Known.open(folder / f"{name}.sqlite", baseline)
        self._votes = Votes.open(folder / f"{name}.votes.sqlite")
        self._epoch = self._generation = 0
        self._modes: dict[int, Mode] = {}  # by generation, as the coordinator told
        self._now_ns = 0
        self._mind_free = asyncio.Lock()  # its tape grows in place: one thought at a time
        self._tasks: set[asyncio.Task[None]] = set()
        self._proposing = False
        self._state = "waiting"
        self._answered = 0
        self._pace = Pace(self._mind.session.boundaries())

    def end(self) -> None:
        """End cleanly; what is being thought is thrown away."""
        self.ended.set()

    async def serve(self, environ: dict[str, str]) -> None:
        """Join, answer boundaries, until the end.

        Raises:
            BusError: no coordinator answered.
            RosterError, JournalError: keys or memory cannot be used.
        """
        me = participant_of(
            self.settings,
            self.name,
            environ,
            clock=self._clock,
            beat=lambda lag_ms: Heartbeat(state=self._state, lag_ms=lag_ms),
        )
        real = self.settings.run.clock is Clock.REAL
        if real:
            await asyncio.to_thread(rehearse, self.settings, self.name)
            await asyncio.to_thread(give_back)
            me.listen("status", self.settings.account.executor, partial(self._see, me))
        async with me:
            me.follow("decision", COORDINATOR, self._learn)
            me.follow("heartbeat", COORDINATOR, partial(self._repair, me))
            if not real:
                me.on("boundary", partial(self._reach, me))
            me.on("round", partial(self._round, me))
            self._take(await me.join(self._known.newest, timeout_s=JOIN_S))
            log.info("joined", name=self.name, version=self._known.newest[1])
            while not self.ended.is_set():
                self._tell(me)
                try:
                    async with asyncio.timeout(STATUS_S):
                        await self.ended.wait()
                except TimeoutError:
                    continue
            for task in self._tasks:
                task.cancel()
        self._known.close()
        self._votes.close()
        self._mind.memory.close()
        self._evaluator.close()
        if self.failure is not None:
            raise self.failure

    def _spawn(self, work: "asyncio.Future[None]") -> None:
        task = asyncio.ensure_future(work)
        assert isinstance(task, asyncio.Task), "a coroutine is asked for"
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.failure = task.exception()
            self.end()

    # --- what is in force --------------------------------------------------------------------
    def _learn(self, received: Received) -> None:
        word, header = received.word, received.header
        if isinstance(word, Decision) and header.pair is not None:
            self._known.learn(header.pair, word.params, word.not_before)

    def _take(self, word: Snapshot) -> None:
        # Whoever answers now is who judges generations, be a fork's that we heard of higher.
        self._generation = word.generation
        self._modes[word.generation] = word.mode
        if word.params is not None and word.not_before is not None:
            self._known.learn(word.pair, word.params, word.not_before)

    def _repair(self, me: Participant, received: Received) -> None:
        """Ask for a snapshot when the coordinator's heartbeat knows of more than we do."""
        if not isinstance(received.word, CoordinatorHeartbeat):
            return
        if received.word.epoch < self._epoch:
            return  # an older coordinator, which the executor will fence
        self._epoch = received.word.epoch
        for row in received.word.executors:
            self._generation = row.generation
            self._modes[row.generation] = row.mode
            if (row.epoch, row.version) > self._known.newest and me.joined.is_set():
                self._spawn(self._ask(me))  # type: ignore[arg-type]

    async def _ask(self, me: Participant) -> None:
        try:
            self._take(await me.join(self._known.newest, timeout_s=1.0))
        except BusError as error:
            log.warning("snapshot_not_answered", error=str(error))

    async def _incumbent(self, me: Participant, pair: Pair) -> QuoteParameters | None:
        for _ in range(ASKS_MAX):
            found = self._known.get(pair)
            if found is not None:
                return found
            await self._ask(me)
            await asyncio.sleep(0.0 if self._known.get(pair) else 1.0)
        return self._known.get(pair)

    # --- boundaries --------------------------------------------------------------------------
    def _reach(self, me: Participant, received: Received) -> None:
        """Begin to think about a boundary; a repetition of it changes nothing."""
        self._spawn(self._answer(me, received))  # type: ignore[arg-type]

    async def _answer(self, me: Participant, received: Received) -> None:
        word, header = received.word, received.header
        assert isinstance(word, Boundary), "a handler of another type"
        self._now_ns = max(self._now_ns, word.venue_time)
        pair = header.pair or NOTHING
        incumbent = await self._incumbent(me, pair)
        if incumbent is None:
            said: Word = self._unknown(word.venue_time)
        else:
            told = (word.index, word.venue_time, incumbent)
            said = (await self._think(*told, promoted=word.promoted)).word
        await self._say(me, said, word.index, header.id)

    def _unknown(self, now_ns: int) -> NoUpdate:
        held = self._known.get(NOTHING)
        assert held is not None, "the baseline is always known"
        reason = "the set in force is not known here"
        return NoUpdate(window=(now_ns, now_ns), digest=digest(held), reason=reason)

    async def _think(
        self, index: int, now_ns: int, incumbent: QuoteParameters, *, promoted: bool
    ) -> Answer:
        self._state, self.noted.searching = "searching", True
        began_s, late_s = time.monotonic(), max(0, self._now_ns - now_ns) / 1e9
        async with self._mind_free:
            answer = await asyncio.to_thread(
                self._mind.answer, index, now_ns, incumbent, promoted=promoted
            )
            self._mind.remember(answer)
            await asyncio.to_thread(give_back)
        self._state, self.noted.searching = "waiting", False
        self._answered += 1
        self.noted.answered(answer, time.monotonic() - began_s)
        found = answer.judgement
        log.info(
            "answered",
            boundary=index,
            better=found.better,
            reason=found.reason,
            confidence=round(found.confidence, 4),
            candidates=found.evaluated,
            search=found.ending.value,
            alarm=found.alarm,
            late_s=round(late_s, 3),  # feed time from the boundary until it was heard of
            wall_ms=round((time.monotonic() - began_s) * 1e3),
        )
        return answer

    async def _say(self, me: Participant, word: Word, index: int, ref: str | None) -> None:
        """Say an answer until it is settled; anew, under another id, if its generation is old."""
        parts: tuple[object, ...] = (self.name, "answer", index)
        for _ in range(RETRIES_MAX):
            generation = self._generation
            future = me.post(
                COORDINATOR,
                word,
                message_id=derive_id(self.settings.seed, *parts),
                ref=ref,
                gen=generation if isinstance(word, ParameterUpdate) else None,
            )
            try:
                final = (await future).word
            except BusError as error:
                log.warning("answer_not_settled", boundary=index, error=str(error))
                return
            if isinstance(final, Nack) and final.code is NackCode.EXPIRED and ref is not None:
                continue  # a clock was set meanwhile, and feed time waits for this answer
            if not (isinstance(final, Nack) and final.code is NackCode.STALE_GENERATION):
                if isinstance(final, Nack):
                    self.noted.refused(final.code)
                    log.info("refused", boundary=index, code=final.code.value, why=final.detail)
                return
            await self._ask(me)
            parts = (self.name, "answer", index, self._generation)

    # --- rounds ------------------------------------------------------------------------------
    async def _round(self, me: Participant, received: Received) -> Word | None:
        """Check a merge as a peer, or vote on a candidate; the vote goes out as its own word."""
        word, header = received.word, received.header
        assert isinstance(word, Round), "a handler of another type"
        newest = self._generation if header.gen is None else header.gen
        mode = self._modes.get(newest)
        if mode is None:
            me.reconsider(received)  # a heartbeat will tell; then it comes again
            return None
        if mode is Mode.PEER:
            return checked(self._mind, word, mode)
        if mode is not Mode.CONSENSUS:
            line = f"an optimizer has no part in the rounds of {mode.value}"
            return Nack(code=NackCode.FORBIDDEN, detail=line)
        vote = self._votes.get(header.id)
        if vote is None:
            async with self._mind_free:
                found = await asyncio.to_thread(voted, self._mind, word, mode, self._now_ns)
            vote = self._votes.give(header.id, found, self._now_ns)
        log.info("voted", round=word.round, choice=vote.choice.value, reason=vote.reason)
        self._spawn(self._vote(me, vote, received))  # type: ignore[arg-type]
        return None

    async def _vote(self, me: Participant, vote: Vote, asked: Received) -> None:
        """Say a vote until it was heard: a round that is said again asks for no second one."""
        header = asked.header
        key = derive_id(self.settings.seed, self.name, "vote", header.id)
        while True:
            try:
                said = me.post(COORDINATOR, vote, message_id=key, ref=header.id, gen=header.gen)
                final = (await said).word
            except BusError as error:
                log.warning("vote_not_heard", round=header.id, error=str(error))
            else:
                if not (isinstance(final, Nack) and final.code is NackCode.EXPIRED):
                    return
            await asyncio.sleep(VOTE_REST_S)  # a clock was set: it looked too old there

    # --- when the clock is real --------------------------------------------------------------
    def _see(self, me: Participant, received: Received) -> None:
        """Learn the venue time from the executor's status; think when it passes a boundary."""
        document = received.word.model_dump()
        told = document.get("venue_time")
        if not isinstance(told, int) or not me.joined.is_set():
            return
        self._now_ns = max(self._now_ns, told)
        self._mind.promoted = tells_promoted(document)
        due = self._pace.due(told)
        if due is not None and not self._proposing:
            self._proposing = True
            held = set_in(document) or self._known.get(self._known.newest)
            assert held is not None, "the newest known set is known"
            self._spawn(self._propose(me, *due, held))  # type: ignore[arg-type]

    async def _propose(
        self, me: Participant, index: int, now_ns: int, held: QuoteParameters
    ) -> None:
        """Propose from what is quoted by now: the newest set may have lapsed to the baseline."""
        try:
            answer = await self._think(index, now_ns, held, promoted=self._mind.promoted)
            await self._say(me, answer.word, index, None)
        finally:
            self._proposing = False

    def _tell(self, me: Participant) -> None:
        figures = {"state": self._state, "answered": self._answered, "name": self.name}
        me.tell(Status.model_validate(figures))
