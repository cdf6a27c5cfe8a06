"""One symbol's public market without a key: events as they come, over every loss of the stream.

The book is joined by our own synchroniser; a stream that is lost, or has a gap, is built anew, and
the events say so: a clear when it was lost, the whole book when it is there again.
"""

import asyncio
import time

import structlog

from exchange.binance.clock import Clock, FeedClock, Offset, WallClock
from exchange.binance.desk import stamp_ns
from exchange.binance.funding_rates import FundingRates
from exchange.binance.instrument import Instrument, changed
from exchange.binance.rates import Rates
from exchange.binance.rows import Event, lost_event
from exchange.binance.session import Session
from exchange.binance.settings import BinanceSettings, Pace
from exchange.errors import VenueError
from exchange.recording_fundings import Funding
from protocol.tasks import end_all

RETRY_S = (0.2, 5.0)
"""Shortest and longest pause between two tries to build a session."""
FIRST_S = 30.0
"""How long the first message of a replayed feed may take."""

log = structlog.get_logger()


class PublicMarket:
    """The public market of one symbol.

    Args:
        settings: without a key; pace WALL or FEED.

    Attributes:
        losses: times that the stream was lost.
        floor_ns: what comes now became known after this time of the venue.
    """

    def __init__(self, settings: BinanceSettings) -> None:
        assert not settings.key, "the public market needs no key"
        self.losses = 0
        self.floor_ns = 0
        self.settings = settings
        self._rates = Rates()
        self._offset = Offset()
        self.clock: Clock = WallClock(self._offset)
        if settings.pace is Pace.FEED:
            self.clock = FeedClock(settings.speed)
        self._session: Session | None = None
        self._known: Instrument | None = None
        self._fundings = FundingRates()
        self._care: list[asyncio.Task[None]] = []

    @property
    def known(self) -> Instrument:
        """The symbol as it was at the start."""
        assert self._known is not None, "a market is opened first"
        return self._known

    @property
    def lost(self) -> str:
        """Why the stream is lost; empty while it is not."""
        assert self._session is not None, "a market is opened first"
        return self._session.streams.lost

    async def open(self) -> list[Event]:
        """Connect; return the whole book.

        Raises:
            VenueError: the exchange cannot be reached, or the symbol is not listed.
        """
        book = await self._connect()
        self._care = [asyncio.create_task(self._look_after())]
        if self.settings.place.futures:
            self._care.append(asyncio.create_task(self._follow_fundings()))
        return book

    async def close(self) -> None:
        """Disconnect."""
        await end_all(self._care)
        self._care.clear()
        if self._session is not None:
            await self._session.close()

    def now_ns(self) -> int:
        """Return the venue's time."""
        return max(self.clock.now_ns(time.time_ns()), self.floor_ns + 1)

    def take(self) -> list[Event]:
        """Return what has come since, each message known at its own time."""
        assert self._session is not None, "a market is opened first"
        session, rows = self._session, []
        while session.streams.market:
            message, wall_ns = session.streams.market.popleft()
            if sent_ns := stamp_ns(message):
                self.clock.heard(sent_ns, wall_ns)
            seen_ns = max(self.clock.now_ns(wall_ns), self.floor_ns + 1)
            rows.extend(session.market_rows(message, seen_ns))
        return rows

    def fundings(self, now_ns: int) -> tuple[Funding, ...]:
        """Return the fundings until a time, as far as they are known then; none on spot."""
        return self._fundings.due(now_ns)

    def final_fundings(self) -> tuple[Funding, ...]:
        """Return the fundings that passed, with the rates that were charged; none on spot."""
        return self._fundings.final()

    def wait_s(self, until_ns: int) -> float:
        """Return the wall seconds until a time of the venue; 0 when it has come."""
        return self.clock.wait_s(until_ns, time.time_ns())

    async def wait(self, seconds: float) -> None:
        """Wait until something comes, or for so long."""
        assert self._session is not None, "a market is opened first"
        streams = self._session.streams
        streams.check_silence(self.settings.silence_s)
        try:
            async with asyncio.timeout(seconds):
                await streams.wake.wait()
        except TimeoutError:
            return
        streams.wake.clear()

    def break_off(self) -> list[Event]:
        """Return what still came before the stream was lost, and that it was."""
        rows = self.take()
        self.losses += 1
        log.warning("stream_lost", reason=self.lost)
        lost_ns = self.now_ns()
        rows.append(lost_event(lost_ns, lost_ns))
        self.floor_ns = lost_ns
        return rows

    async def rebuild(self) -> list[Event]:
        """Build all anew, however long it takes; return the book.

        Raises:
            VenueError: the symbol is no more what it was; what comes now is another market.
        """
        began_s, pause_s, before = time.monotonic(), RETRY_S[0], self.known
        while True:
            assert self._session is not None, "a market is opened first"
            await self._session.close()
            try:
                book = await self._connect()
            except VenueError as error:
                log.warning("stream_not_rebuilt", reason=str(error), again_in_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, RETRY_S[1])
                continue
            break
        if changes := changed(before, self.known):
            raise VenueError(f"{before.symbol} has changed: {', '.join(changes)}; start anew")
        log.info("stream_rebuilt", seconds=round(time.monotonic() - began_s, 3))
        return book

    async def _connect(self) -> list[Event]:
        """Build a session; return the whole book."""
        self._session = session = Session(self.settings, self._rates, self._offset)
        try:
            self._known = await session.open()
            if self.settings.pace is Pace.FEED:
                await self._first_message(session)
            return await session.join(self.now_ns())
        except BaseException:
            await session.close()
            raise

    async def _first_message(self, session: Session) -> None:
        """Wait until a replayed feed tells its time.

        Raises:
            VenueError: it tells none.
        """
        streams = session.streams
        try:
            async with asyncio.timeout(FIRST_S):
                while not streams.market:
                    if streams.lost:
                        raise VenueError(f"the stream was lost: {streams.lost}")
                    await streams.wake.wait()
                    streams.wake.clear()
        except TimeoutError:
            raise VenueError(
                f"nothing came from {self.settings.place.streams} in {FIRST_S:.0f} s: does it "
                "run, and has its feed not ended?"
            ) from None
        for message, wall_ns in streams.market:
            if sent_ns := stamp_ns(message):
                self.clock.heard(sent_ns, wall_ns)

    async def _look_after(self) -> None:
        """Measure the clock again and again, and see whether the symbol is what it was."""
        while True:
            await asyncio.sleep(self.settings.poll_s)
            session = self._session
            if session is None or session.streams.lost:
                continue
            try:
                await session.measure()
                now = await session.instrument()
            except (VenueError, RuntimeError) as error:  # the latter: it was closed meanwhile
                log.warning("look_failed", reason=str(error))
                continue
            if now is None or changed(self.known, now):
                session.streams.lose("the symbol is not what it was")
            elif now.trading is not self.known.trading:
                log.warning("symbol_changed", trading=now.trading.value)
                self._known = now

    async def _follow_fundings(self) -> None:
        """Ask for fundings: now and then, and more often when one is near."""
        while True:
            session = self._session
            if session is not None and not session.streams.lost:
                try:
                    self._fundings.heard(*await session.funding_rates())
                except (VenueError, RuntimeError) as error:  # as above
                    log.warning("fundings_not_told", reason=str(error))
            told = self.settings.speed, self.settings.poll_s
            await asyncio.sleep(self._fundings.pause_s(self.now_ns(), *told))
