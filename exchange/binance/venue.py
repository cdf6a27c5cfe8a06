"""Binance as a `Venue`: guard steps and reports like any other, over python-binance as it is.

What the exchange says of our orders reaches them once a step, in a fixed order: the stream's
events as they came, then the answers to requests, cancels first and then by id. When a stream is
lost there is no step, and nothing can be placed, until `lifeline` has built everything anew.
"""

import asyncio
import time
from collections.abc import AsyncIterator

import structlog

from exchange.binance.clock import Clock, FeedClock, Offset, WallClock
from exchange.binance.desk import OrderDesk, Outcome, stamp_ns
from exchange.binance.fundings import Fundings, tells_of_funding
from exchange.binance.instrument import broken_filter
from exchange.binance.lifeline import Lifeline
from exchange.binance.lockstep import Lockstep, until_here
from exchange.binance.rates import Rates
from exchange.binance.requests import CANCEL, PLACE, Requests
from exchange.binance.rows import MarketRows, Sink, lost_event
from exchange.binance.session import Session
from exchange.binance.settings import BinanceSettings, Condition, Opening, Pace, Record
from exchange.binance.words import Failure
from exchange.errors import VenueError
from exchange.order_life import Due, LiveOrder, News, Word
from exchange.port import MarketStep, VenueAccount
from market.layout import BUY
from market.types import F8, I8
from protocol.orders import Approved, demand_approved
from protocol.tasks import end_all

WAIT_MAX_S = 1.0

log = structlog.get_logger()


class BinanceVenue:
    """The `Venue` over one symbol of one account.

    Args:
        settings: where, what and how.
        observer: f8[OBSERVER_COLUMNS], as the tape's.
        record: what the journal knows.
    """

    def __init__(
        self, settings: BinanceSettings, observer: F8, record: Record | None = None
    ) -> None:
        self.settings = settings
        self._record = record or Record()
        self._rates = Rates()
        self._offset = Offset()
        self._clock: Clock = WallClock(self._offset)
        if settings.pace is Pace.FEED:
            self._clock = FeedClock(settings.speed)
        self._lockstep: Lockstep | None = None
        if settings.pace is Pace.LOCKSTEP:
            self._lockstep = Lockstep(settings.control, settings.key)
        self._rows = MarketRows(observer)
        self._line = Lifeline(settings, self._rates, self._offset)
        self._now_ns = 0
        self._next_ns = 0
        self.requests = Requests(self._woken, self._broken)
        lockstep = self._lockstep is not None
        self._fundings = Fundings(self._line, self.requests, self._woken, lockstep=lockstep)
        self._care: asyncio.Task[None] | None = None
        self._recovering = False

    # --- the port ----------------------------------------------------------------------------

    def now_ns(self) -> int:
        """Return the time of the last step, or of the opening before the first."""
        return self._now_ns

    async def events(self) -> AsyncIterator[MarketStep]:
        """Yield the steps that lie ahead; a lost stream makes a gap in them.

        Raises:
            VenueError: the key was refused, or the lockstep broke.
        """
        while True:
            if self.session.streams.lost:
                self._recovering = True
                await self._recover()
                self._recovering = False
            now_ns = await (self._next_instant() if self._lockstep else self._next_step())
            if now_ns is None:
                return
            if not self.session.streams.lost:
                yield self._live(now_ns)

    async def place(self, order: Approved) -> None:
        """Send an order; what becomes of it is told by reports."""
        wanted = demand_approved(order)
        desk, known = self.desk, self.desk.known
        way_ms = self.settings.receive_window_ms + self.settings.margin_ms
        live = LiveOrder(
            order_id=wanted.order_id,
            side=wanted.side,
            price_ticks=wanted.price_ticks,
            lots=wanted.lots,
            taker=int(wanted.taker),
            deadline_ns=time.time_ns() + self._offset.ns + way_ms * 10**6,
        )
        open_orders = len(desk.open_orders)
        desk.add(live)
        reason = self._hindrance() or broken_filter(
            known,
            wanted.side,
            wanted.price_ticks,
            wanted.lots,
            reference_ticks=self._rows.last_ticks,
            open_orders=open_orders,
        )
        if reason:
            log.info("order_kept_back", order_id=wanted.order_id, reason=reason)
            word = Word(News.REJECTED, self._now_ns, refused=True)
            desk.hear(wanted.order_id, (word,), self._now_ns)
            return
        self._rates.count_order()
        call = self.session.place(
            taker=bool(wanted.taker),
            side="BUY" if wanted.side == BUY else "SELL",
            price=known.price(wanted.price_ticks),
            quantity=known.quantity(wanted.lots),
            newClientOrderId=desk.names.of(wanted.order_id),
            selfTradePreventionMode="EXPIRE_TAKER",
        )
        self.requests.send(PLACE, wanted.order_id, call)

    async def cancel(self, order_id: int) -> None:
        """Send a cancel; what becomes of it is told by a report."""
        if self.desk.withdraw(order_id, self._now_ns):
            self._send_cancel(order_id)

    def listen(self) -> bool:
        """Take in what came of our orders since the step; return whether none is open any more.

        The next step reports it. It is for a stop, which waits for nothing. Errors: `_absorb`.
        """
        if self._lockstep is not None or not self.connected:
            return False
        self._absorb(self._now_ns)
        self._do_what_is_due()
        return not self.desk.open_orders

    async def account(self) -> VenueAccount:
        """Return our part of the account, and our open orders, as the exchange has them now.

        What the account held at the start beyond our ledger is left out, as far as others do not
        trade in it.

        Raises:
            VenueError: something was not answered.
        """
        return await self._line.account()

    # --- beginning and end -------------------------------------------------------------------

    @property
    def session(self) -> Session:
        """The session in use."""
        return self._line.session

    @property
    def desk(self) -> OrderDesk:
        """Our orders."""
        return self._line.desk

    @property
    def condition(self) -> Condition:
        """Whether the symbol can be traded as it could at the start."""
        return self._line.condition

    @property
    def highest_id(self) -> int:
        """The last order id that was ever used."""
        return self._line.desk.highest_id

    @property
    def losses(self) -> int:
        """How many sessions were lost."""
        return self._line.losses

    @property
    def behind_s(self) -> float:
        """Wall seconds that the last step lies behind the venue's time; 0 in lockstep."""
        if self._lockstep is not None:
            return 0.0
        return (self._clock.now_ns(time.time_ns()) - self._now_ns) / 1e9 / self.settings.speed

    @property
    def connected(self) -> bool:
        """Whether both streams are there; while they are not, nothing is yielded or placed."""
        return not (self._recovering or self.session.streams.lost)

    def recall(self, events: I8) -> None:
        """Live through what was recorded before, so that features go on; call it before `open`."""
        self._rows.recall(events, self.settings.interval_ns)

    async def open(self) -> Opening:
        """Connect, compare the account with our record, cancel strays, and make ready.

        Raises:
            StartRefusedError: not confirmed, not trading, fees, foreign orders, unknown fills or
                missing balances.
            VenueError: the exchange cannot be reached.
        """
        if self.settings.pace is Pace.WALL:
            self._now_ns = time.time_ns()
        opening, book = await self._line.open(self._record, self._now_ns)
        self._rows.add(book)
        if self._lockstep is not None:
            await self._lockstep.open()
        else:
            self._care = asyncio.create_task(self._line.look_after(self.now_ns))
        return opening

    def record(self, sink: Sink) -> None:
        """Hand every public event to a sink; call it once opened, before the first step."""
        self._rows.hand_on(sink)

    async def close(self) -> None:
        """Cancel what rests of ours, as far as the exchange can be reached, and disconnect.

        In lockstep nothing is cancelled: without us the feed stands still, and no answer comes.
        """
        if self._care is not None:
            await end_all([self._care])
        await self.requests.give_up()
        await self._line.close(self._now_ns, cancel=self._lockstep is None)
        if self._lockstep is not None:
            await self._lockstep.close()

    async def _recover(self) -> None:
        """Let the lifeline build a new session; the steps that are missed pass unseen.

        Raises:
            VenueError: in lockstep: an instant cannot be lived through twice.
        """
        if self._lockstep is not None:
            raise VenueError(f"a stream was lost in lockstep: {self.session.streams.lost}")
        self._clock.lost()
        await self.requests.give_up()
        self._absorb(self._now_ns)
        lost_ns = max(self._clock.now_ns(time.time_ns()), self._now_ns + 1)
        self._rows.add([lost_event(lost_ns, lost_ns)])
        self._rows.add(await self._line.recover(self._clock, self._now_ns))
        self._read_market(None)
        now_ns = self._clock.now_ns(time.time_ns())
        while 0 < self._next_ns <= now_ns - self.settings.interval_ns:
            self._rows.observe(self._next_ns)
            self._next_ns += self.settings.interval_ns

    # --- steps -------------------------------------------------------------------------------

    async def _next_instant(self) -> int | None:
        """Return the lockstep's next instant, once all that was sent by then is here."""
        assert self._lockstep is not None
        instant = await self._lockstep.next(self.requests.sent)
        if instant is None:
            return None
        streams = self.session.streams

        def enough() -> bool:
            return (
                streams.market_count >= instant.market
                and streams.user_count >= instant.user
                and self.requests.answers >= instant.answers
            )

        await until_here(enough, lambda: self._wait(WAIT_MAX_S), lambda: streams.lost)
        await self._fundings.look(streams.user)
        self._read_market(instant.now_ns)
        return instant.now_ns

    async def _next_step(self) -> int | None:
        """Return the next guard step, once its time has come; whatever when a stream is lost."""
        interval_ns, clock, streams = self.settings.interval_ns, self._clock, self.session.streams
        while not streams.lost:
            self._read_market(None)
            wall_ns = time.time_ns()
            now_ns = clock.now_ns(wall_ns)
            if self._next_ns == 0 and now_ns > 0:
                self._next_ns = now_ns // interval_ns * interval_ns + interval_ns
            if 0 < self._next_ns <= now_ns:
                break
            streams.check_silence(self.settings.silence_s)
            await self._wait(min(WAIT_MAX_S, clock.wait_s(self._next_ns, wall_ns)))
        now_ns, self._next_ns = self._next_ns, self._next_ns + interval_ns
        return now_ns

    def _live(self, now_ns: int) -> MarketStep:
        """Live through one step: the market by then, and what was heard of our orders."""
        self._now_ns = now_ns
        self._absorb(now_ns)
        self._do_what_is_due()
        step, view, plan = self._rows.observe(now_ns)
        return MarketStep(now_ns, step, view, plan, self.desk.take_rows())

    def _read_market(self, local_ns: int | None) -> None:
        """Take what has come of the market; it became known now, or at the lockstep's instant."""
        streams = self.session.streams
        while streams.market:
            message, wall_ns = streams.market.popleft()
            seen_ns = local_ns
            if seen_ns is None:
                sent_ns = stamp_ns(message)
                if sent_ns:
                    self._clock.heard(sent_ns, wall_ns)
                seen_ns = max(self._clock.now_ns(wall_ns), self._now_ns + 1)
            self._rows.add(self.session.market_rows(message, seen_ns))

    def _absorb(self, now_ns: int) -> None:
        """Let what was heard reach our orders, in a fixed order.

        Raises:
            VenueError: the key was refused.
        """
        desk, streams = self.desk, self.session.streams
        while streams.user:
            event = streams.user.popleft()
            if not desk.event(event, now_ns) and tells_of_funding(event):
                self._fundings.told(event, now_ns)
        clock_is_off = False
        for kind, order_id, outcome in self.requests.take():
            if outcome.failure is Failure.KEY:
                raise VenueError(f"the key was refused: {outcome.detail}")
            if outcome.failure is Failure.CLOCK:
                log.warning("clock_was_off", detail=outcome.detail)
                clock_is_off = True
            if outcome.failure is Failure.CLOSED:
                self.requests.spawn(self._line.look_at_symbol())
            take = desk.cancelled if kind == CANCEL else desk.placed
            take(order_id, outcome, now_ns)
        if clock_is_off:
            self.requests.spawn(self._line.measure())

    def _do_what_is_due(self) -> None:
        """Send again, or ask, where an outcome is not known."""
        if self._rates.wait_s(time.monotonic(), urgent=True) > 0:
            return
        for what, order_id in self.desk.due(time.time_ns()):
            if what is Due.CANCEL:
                self._send_cancel(order_id)
            else:
                self.requests.spawn(self._ask(what, order_id))

    async def _ask(self, what: Due, order_id: int) -> None:
        asked_ns = time.time_ns() + self._offset.ns
        desk, session = self.desk, self.session
        if what is Due.QUERY:
            outcome = await session.query(desk.names.of(order_id))
            desk.queried(order_id, outcome, asked_ns, self._now_ns)
            return
        numbers = [number for number, ours in desk.numbers.items() if ours == order_id]
        for number in numbers:
            rows = await session.trades(orderId=number)
            desk.traded(Outcome(told=rows), self._now_ns)

    # --- requests ----------------------------------------------------------------------------

    def _hindrance(self) -> str:
        """Return why nothing can be placed now; empty when it can."""
        if not self.condition.sound:
            return f"the symbol is {self.condition.trading}, {len(self.condition.changes)} changes"
        if self.session.streams.lost:
            return "no session"
        if self._lockstep is None and self._rates.wait_s(time.monotonic(), orders=1) > 0:
            return "rate limit"
        return ""

    def _send_cancel(self, order_id: int) -> None:
        if self.session.streams.lost:
            return  # all of ours are cancelled before the next step
        if self._lockstep is None and self._rates.wait_s(time.monotonic(), urgent=True) > 0:
            limited = Outcome(failure=Failure.LIMITED)
            self.desk.cancelled(order_id, limited, self._now_ns)
            return
        self.requests.send(CANCEL, order_id, self.session.cancel(self.desk.names.of(order_id)))

    def _woken(self) -> None:
        self.session.streams.wake.set()

    def _broken(self, reason: str) -> None:
        self.session.streams.lose(reason)

    async def _wait(self, seconds: float) -> None:
        wake = self.session.streams.wake
        try:
            async with asyncio.timeout(seconds):
                await wake.wait()
        except TimeoutError:
            return
        wake.clear()
