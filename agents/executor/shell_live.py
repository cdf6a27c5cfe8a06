"""The shell at a venue that keeps its own time: words are heard while the next step is awaited.

A stop, a pause or a lost coordinator takes the quotes back at once, not with the next step. While
the venue is not connected no step comes and nothing is sent; that is told and shown meanwhile. At
the end quotes are taken back, and what became of them is heard, before the journal is closed.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import structlog

from agents.executor.events import Cleared
from agents.executor.journaled_orders import WRITTEN_NS
from agents.executor.live import Live, first_of
from agents.executor.recovery import Recovered
from agents.executor.shell import LOOK_S, Later, Shell
from agents.freed import give_back
from agents.session import Session
from agents.weighing import weigh
from exchange.binance.settings import Pace
from exchange.binance.venue import BinanceVenue
from exchange.errors import RecordingError
from exchange.port import MarketStep
from market.layout import OWN_ID
from market.tape import Tape
from protocol.exposition import Histogram
from protocol.journal import Journal
from protocol.tasks import end_all

LATE_S = 0.5
"""Wall seconds that a step may lie behind the venue's time; on an older one nothing is quoted.

A process that stood still, or a machine that is too slow, lives through what it missed quietly.
"""
HURRY_S = 0.02
"""Longest wall time between two looks at what became of a stop's cancels."""

log = structlog.get_logger()


def kept_ns(session: Session) -> int:
    """Return how far back the executor looks when it weighs sets or policies."""
    given = session.settings
    window_ns = given.optimizer.window_ns
    if given.executor.candidate is None:
        return window_ns
    return max(window_ns, given.promotion.kept_ns)


class LiveShell(Shell):
    """Runs one executor at a venue.

    Args:
        live: the open session.
        journal: open for writing.
        folder: the executor's data directory.
    """

    def __init__(self, live: Live, journal: Journal, folder: Path) -> None:
        venue = live.connection.venue
        found = Recovered(live.state, venue, deque(), live.heard_seq, live.state.now_ns)
        super().__init__(found, journal, folder)
        self.market = venue
        self._real = True
        self._steps = live.steps
        self._backlog = live.backlog
        self._in_lockstep = venue.settings.pace is Pace.LOCKSTEP
        self._coming: asyncio.Task[MarketStep | None] | None = None
        self._end_s = 0.0
        self._connected = True
        self._quoting = True
        session = live.state.session
        self._tapes = session.tapes(kept_ns=kept_ns(session))
        self._tapes_free = Lock()

    async def catch_up(self) -> None:
        """Live nothing again: what was missed comes with the reconciliation."""
        self._replaying = False

    async def run(self) -> bool:
        """Run until it is told to end, or the feed ends; see `Shell.run`."""
        try:
            if not self._in_lockstep:
                self._spawn(self._rehearse())
            return await super().run()
        finally:
            if self._coming is not None:
                await end_all([self._coming])

    async def _rehearse(self) -> None:
        """Weigh a set before anybody waits for it: what that needs is loaded, its memory taken."""
        state, tape = self.state, self._tape()
        session, held, now_ns = state.session, state.incumbent, state.now_ns
        all_of_it = replace(session, first_ns=0)  # there is the warm-up alone

        def weighed() -> None:
            with suppress(RecordingError):  # nothing is recorded yet
                weigh(all_of_it, tape(), (held, held), now_ns=now_ns, window_ns=now_ns)
            give_back()

        await asyncio.to_thread(weighed)

    def venue_words(self) -> dict[str, Any]:
        """Return what a status tells of the venue."""
        market = self.market
        return {
            "connected": market.connected,
            "losses": market.losses,
            "symbol_sound": market.condition.sound,
            "late": self.state.late,
        }

    def acks(self) -> Histogram | None:
        """Return how long orders were on their way; None on paper, where nothing is sent."""
        return self.market.requests.acks if isinstance(self.market, BinanceVenue) else None

    def _feed(self) -> AsyncIterator[MarketStep]:
        return self._steps

    def _over(self) -> bool:
        """Whether to end: asked to, and nothing of ours is open any more as far as we heard."""
        if not self.ending:
            return False
        state = self.state
        if not state.ending:
            state.ending = True
            self._end_s = time.monotonic() + state.session.settings.executor.end_wait_s
        late = time.monotonic() > self._end_s
        return late or self._failure is not None or not state.open_orders

    async def _too_early(self) -> bool:
        """Never: the venue says when it is time."""
        return False

    async def _drain(self) -> None:
        await super()._drain()
        quoting = not self.state.quiet
        if self._quoting and not quoting:
            await self._withdraw()
        self._quoting = quoting
        if self._hurried and self.market.listen():
            await self._take(Cleared(), self.state.now_ns)

    @property
    def _hurried(self) -> bool:
        """Whether a stop waits for its cancels."""
        return bool(self.state.stops) and not self.state.calm

    async def _withdraw(self) -> None:
        """Cancel at once; the next step does too, which then finds that it was done."""
        for order_id in self.state.account.own[: self.state.open_orders, OWN_ID].tolist():
            await self.market.cancel(order_id)

    async def _next(self, steps: AsyncIterator[MarketStep]) -> MarketStep | Later | None:
        if self._backlog:  # of the warm-up: a past that nothing can be sent to, but in lockstep
            step = self._backlog.popleft()
            behind_s = (self.market.now_ns() - step.now_ns) / 1e9 / self._speed
            self._note_late(late=not self._in_lockstep, behind_s=behind_s)
            return step
        if self._in_lockstep:
            return self._new(await anext(steps, None))
        if self._coming is None:
            self._coming = asyncio.ensure_future(first_of(steps))
        if not self._coming.done():
            waking = asyncio.ensure_future(self._wake.wait())
            timeout_s = HURRY_S if self._hurried else LOOK_S
            await asyncio.wait(
                {self._coming, waking}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            waking.cancel()
            self._wake.clear()
            self._note_connection()
            if not self._coming.done():
                self._tell(time.monotonic())
                return Later.LATER
        coming, self._coming = self._coming, None
        return self._new(coming.result())

    def _new(self, market: MarketStep | None) -> MarketStep | Later | None:
        """Pass over a step whose time the journal knows already: the venue's clock went back."""
        if market is not None and market.now_ns <= self.state.now_ns:
            log.warning("step_passed_over", now_ns=market.now_ns, known_ns=self.state.now_ns)
            return Later.LATER
        self._note_condition()
        self._note_lateness()
        return market

    def _note_condition(self) -> None:
        """Quote nothing while the symbol does not trade as it did at the start; say each change."""
        condition = self.market.condition
        if self.state.closed == condition.sound:
            self.state.closed = not condition.sound
            told = {"trading": condition.trading.value, "changes": list(condition.changes)}
            say = log.warning if self.state.closed else log.info
            say("market_closed" if self.state.closed else "market_open", **told)

    def _note_lateness(self) -> None:
        """Quote nothing on a step that is late, and again once half of that is made good."""
        behind_s = self.market.behind_s
        self._note_late(
            late=behind_s > (LATE_S / 2 if self.state.late else LATE_S), behind_s=behind_s
        )

    def _note_late(self, *, late: bool, behind_s: float) -> None:
        """Say each change, so that every `late` has its `on_time`."""
        if late != self.state.late:
            self.state.late = late
            say = log.warning if late else log.info
            say("late" if late else "on_time", behind_s=round(behind_s, 3))

    def _note_connection(self) -> None:
        connected = self.market.connected
        if connected != self._connected:
            self._connected = connected
            event = "venue_connected" if connected else "venue_lost"
            log.warning(event, losses=self.market.losses, open_orders=self.state.open_orders)

    def _tape(self) -> Callable[[], Tape]:
        now_ns = self.state.now_ns

        def make() -> Tape:
            with self._tapes_free:
                return self._tapes.advance(now_ns)

        return make

    def _noted(self) -> dict[str, Any]:
        return {WRITTEN_NS: time.time_ns()}
