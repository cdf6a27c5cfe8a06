"""The thin shell: it owns the clock, the venue, the journal and the tasks, and decides nothing.

One loop: words that have come in, then one market step, then the effects of both in their order.
It gives way to the event loop at least every few milliseconds, so that words are heard while the
feed runs, and looks at the stop file before every step and at least every 200 ms.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Any, assert_never

import structlog

from agents.executor import records
from agents.executor.events import (
    Alone,
    Cancel,
    Compare,
    Effect,
    Event,
    Place,
    Reach,
    Reply,
    Say,
    Shadow,
    Show,
    StopHeard,
    Write,
)
from agents.executor.link import Beside, Link
from agents.executor.meter import Meter
from agents.executor.opinion import opinion
from agents.executor.rearm_file import RearmFile
from agents.executor.recovery import HEARD_SEQ, Recovered, fold_due, guarded
from agents.executor.shadow import comparison, shadowed
from agents.executor.state import freeze
from agents.executor.step import step
from agents.executor.stopfile import StopFile
from agents.executor.trade import is_compared
from agents.freed import give_back
from agents.settings import Clock
from exchange.port import MarketStep
from exchange.recorded import RecordedVenue
from market.layout import LEDGER_TRIPS
from market.tape import Tape
from protocol.beat import RUN_BYTES, BeatFile
from protocol.exposition import Histogram
from protocol.journal import Journal

BREATH_S = 0.005
"""Wall time after which the loop gives way to others."""
LOOK_S = 0.2
"""Longest wall time between two looks at the stop file."""
HURRY_STEPS = 8
"""Steps of the guard by which a recording may run ahead of the wall clock for a stop."""

log = structlog.get_logger()


class Later(Enum):
    """No market step yet."""

    LATER = "later"


class Shell:
    """Runs one executor over one venue.

    Args:
        found: where to go on from.
        journal: open for writing.
        folder: the executor's data directory; the stop file is looked for there.
        link: the bus, None when alone.
    """

    def __init__(
        self, found: Recovered, journal: Journal, folder: Path, link: Link | None = None
    ) -> None:
        self.state = found.state
        self.venue = found.venue
        self.link = link
        self.beside: Beside | None = None
        self.inbox: deque[Event] = deque()
        self.ending = False
        self._found = found
        self.folder = folder
        self._journal = journal
        run = os.urandom(RUN_BYTES)
        self._stop_file = StopFile(folder, run, RearmFile(folder, found.state, time.time_ns))
        self.pulse = BeatFile(folder, run)
        self._wake = asyncio.Event()
        self._heard_seq = found.heard_seq
        self._kept_ns = found.state.now_ns
        self._replaying = True
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        settings = self.state.session.settings
        self._limit_s = settings.executor.autonomy_limit_s
        self._real = settings.run.clock is Clock.REAL
        self._speed = settings.run.speed
        self.meter = Meter(settings.executor.cycle_ns, self._speed)
        self._breathed_s = self._looked_s = self._told_s = time.monotonic()
        self._began_s, self._began_ns, self.lag_s = self._breathed_s, self.venue.now_ns(), 0.0

    def put(self, event: Event) -> None:
        """Hand in a word; it is taken in before the next market step."""
        self.inbox.append(event)
        self._wake.set()

    def end(self) -> None:
        """End after the present step."""
        self.ending = True
        self._wake.set()

    async def catch_up(self) -> None:
        """Live again through what the journal knows already; nothing is said meanwhile.

        Raises:
            RecoveryError: a step decided otherwise than it did before.
        """
        steps = self.venue.events()
        while self.state.now_ns < self._found.horizon_ns:
            market = await anext(steps, None)
            if market is None:
                break
            await self._take(market, market.now_ns)
            fold_due(self._found)
            self._heard_seq = self._found.heard_seq
        self._replaying = False
        self._began_ns = self.venue.now_ns()
        self._began_s = time.monotonic()

    async def run(self) -> bool:
        """Run to the end of the feed; return False when it ended early because it was told to.

        Raises:
            JournalError: the disk refused a row; nothing of that step was sent.
            VenueError: the venue broke its promise.
        """
        if self._replaying:
            await self.catch_up()
        if not self._real and is_compared(self.state):  # it may have died over its verdict
            await self._compare()
        if self.state.waiting and self.link is not None:
            self._reach(self.link, Reach(self.state.boundary, self.state.boundary_ns))
        steps = self._feed()
        complete = False
        while not self._over():
            await self._drain()
            if not self._may_step():
                await self._pause(LOOK_S)
                continue
            if self._real and await self._too_early():
                continue
            market = await self._next(steps)
            if market is Later.LATER:
                continue
            if market is None:
                complete = True
                break
            began_s = time.monotonic()
            await self._take(market, market.now_ns)
            self.meter.lived(market, began_s)
            await self._breathe()
        await self._drain()
        self._close()
        if self._failure is not None:
            raise self._failure
        return complete

    def keep_up(self, venue_ns: int) -> None:
        """Let a recording's clock be no further back than somebody else's; it never goes back."""
        ahead_s = (venue_ns - self._began_ns) / 1e9 / self._speed
        self._began_s = min(self._began_s, time.monotonic() - ahead_s)

    def venue_words(self) -> dict[str, Any]:
        """Return what a status tells of the venue; a recording is always there."""
        return {}

    def acks(self) -> Histogram | None:
        """Return how long orders were on their way; None where nothing is sent."""
        return None

    def _feed(self) -> AsyncIterator[MarketStep]:
        """Return the steps that lie ahead."""
        return self.venue.events()

    def _over(self) -> bool:
        """Whether to end now."""
        return self.ending

    async def _next(self, steps: AsyncIterator[MarketStep]) -> MarketStep | Later | None:
        """Return the next step, None when the feed has ended, `Later` to hear words first."""
        return await anext(steps, None)

    def _tape(self) -> Callable[[], Tape]:
        """Return what gives the tape as it is known now; it may be asked in a thread."""
        assert isinstance(self.venue, RecordedVenue), "another venue has another shell"
        tape = self.venue.tape()
        return lambda: tape

    def _may_step(self) -> bool:
        """Whether feed time may go on.

        While a stop waits for its cancels it always may: in lockstep a boundary, or a silent
        coordinator, would else hold up the answer. Otherwise, in lockstep, time stands still
        without a coordinator: nothing is quoted then, and the result does not depend on it.
        """
        state = self.state
        if state.stops and not state.calm:
            return True
        if state.waiting or (self.beside is not None and self.beside.holds(state)):
            return False
        return self.link is None or self._real or self.link.silence_s() <= self._limit_s

    async def _drain(self) -> None:
        """Beat, then take in the stop file and all words that have come.

        In this order: whoever sees a beat return knows that no order follows it unless the stop
        file was looked at in between.
        """
        self._looked_s = time.monotonic()
        self.pulse.beat(self._looked_s)
        self.inbox.extend(self._stop_file.look(self.state))
        if self.beside is not None:
            self.beside.look(self.state)
        if self._real and self.link is not None:
            self.inbox.append(Alone(self.link.silence_s() > self._limit_s))
        while self.inbox:
            event = self.inbox.popleft()
            waited = self.state.waiting
            await self._take(event, self.state.now_ns)
            if waited and not self.state.waiting and self.link is not None:
                self.link.closed(self.state)
            if isinstance(event, StopHeard):
                log.warning("stopped", id=event.id, flatten=event.flatten)
        self._stop_file.tidy(self.state)

    async def _take(self, event: Event, now_ns: int) -> None:
        self.state, effects = step(self.state, event, now_ns)
        for effect in effects:
            await self._perform(effect)

    async def _perform(self, effect: Effect) -> None:
        match effect:
            case Write():
                self._write(effect)
            case Place():
                self.meter.placed(effect.order.order.side)
                await self.venue.place(effect.order)
            case Cancel():
                self.meter.cancels += 1
                await self.venue.cancel(effect.order_id)
            case Shadow():
                self._shadow(effect)
            case Compare():
                await self._compare()
            case Reply() | Say() | Reach() | Show():
                if self.link is not None and not self._replaying:
                    self._speak(self.link, effect)
            case _:
                assert_never(effect)

    def _speak(self, link: Link, effect: Reply | Say | Reach | Show) -> None:
        match effect:
            case Reply():
                link.reply(effect)
            case Say():
                link.say(effect)
            case Reach():
                self._reach(link, effect)
            case Show():
                link.show(self.state, effect)
            case _:
                assert_never(effect)

    def _write(self, effect: Write) -> None:
        """Put one transaction on disk; a frozen state says up to which word it goes."""
        held = None
        if effect.state is not None:
            self._kept_ns = self.state.now_ns
            held = {records.STATE: effect.state, HEARD_SEQ: self._heard_seq, **self._noted()}
        if self._replaying:
            guarded(lambda: self._journal.append(effect.entries, state=held))
            return
        numbers = self._journal.append(effect.entries, state=held)
        for entry, number in zip(effect.entries, numbers, strict=True):
            if entry.table == records.HEARD:
                self._heard_seq = max(self._heard_seq, number)

    def _noted(self) -> dict[str, Any]:
        """Return what else is put on disk with a frozen state."""
        return {}

    def _shadow(self, effect: Shadow) -> None:
        """Replay beside the loop: it may take longer than a word may wait."""
        state, tape = self.state, self._tape()
        held, now_ns, asked = state.incumbent, state.now_ns, effect.asked
        session = state.session.held()
        work = asyncio.to_thread(lambda: shadowed(asked, session, held, now_ns, tape()))
        self._spawn(self._hear_of(work))

    async def _compare(self) -> None:
        """Judge the policy in shadow; a recording waits for it: its run stays the same."""
        if self._replaying:  # what came of it is among the words that were heard
            return
        work = asyncio.to_thread(comparison(self.state, self._tape()))
        if self._real:
            self._spawn(self._hear_of(work))
        else:
            await self._take(await work, self.state.now_ns)

    async def _hear_of(self, work: Awaitable[Event]) -> None:
        self.put(await work)
        await asyncio.to_thread(give_back)

    def _reach(self, link: Link, effect: Reach) -> None:
        """Tell of a boundary, and answer it once we know what we think ourselves."""
        state = self.state
        link.reach(state, effect)
        if not state.session.settings.executor.proposes:
            link.answer(state, effect, None)
            return
        session, tape, held = state.session.held(), self._tape(), state.incumbent

        async def think() -> None:
            work = asyncio.to_thread(lambda: opinion(session, tape(), held, effect.time_ns))
            link.answer(state, effect, await work)

        self._spawn(think())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
            self.end()

    async def _breathe(self) -> None:
        """Give way to others now and then."""
        now_s = time.monotonic()
        if now_s - self._breathed_s < BREATH_S and not self.inbox:
            return
        await asyncio.sleep(0)
        self._breathed_s = time.monotonic()
        self.lag_s = self._breathed_s - now_s
        self._tell(self._breathed_s)

    async def _pause(self, seconds: float) -> None:
        """Wait for a word, at most so long."""
        self._tell(time.monotonic())
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def _too_early(self) -> bool:
        """Wait for the wall clock to reach the next step; True when words must be heard first.

        A stop whose cancels are under way does not wait for it: two steps of a recording pass at
        once, which at the default pace would take up to 2 s. Later the clock catches up.
        """
        every_ns = self.state.session.settings.executor.guard_interval_ns
        hurried = bool(self.state.stops) and not self.state.calm
        ahead_ns = self.venue.now_ns() + every_ns * (1 - HURRY_STEPS if hurried else 1)
        due_s = self._began_s + (ahead_ns - self._began_ns) / 1e9 / self._speed
        left_s = due_s - time.monotonic()
        if left_s <= 0.0:
            return time.monotonic() - self._looked_s > LOOK_S
        await self._pause(min(left_s, LOOK_S))
        return True

    def _tell(self, now_s: float) -> None:
        if self.link is not None and now_s - self._told_s >= LOOK_S:
            self.link.tell(self.state, lag_s=self.lag_s)
            self._told_s = now_s

    def _close(self) -> None:
        """Put what the last transaction left over on disk, with the state as it is now."""
        state = self.state
        if state.now_ns == 0:
            return
        entries, state.unwritten = state.unwritten, []
        if state.now_ns != self._kept_ns:
            entry = records.cycle_entry(state)
            entries.append(replace(entry, kind="end", key=f"end {state.now_ns}"))
            state.kept_trips = int(state.account.ledger[LEDGER_TRIPS])
        self._write(Write(tuple(entries), freeze(state)))
