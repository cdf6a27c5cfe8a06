"""Binance as a `Venue`: guard steps and reports like any other, over python-binance as it is.

A session that has lost a stream is given up: ours are cancelled, a new one is built, everything is
asked for by REST, and only then is there a next step. Meanwhile nothing can be placed. What the
exchange says of our orders reaches them once a step, in a fixed order: the stream's events as they
came, then the answers to requests, cancels first and then by id.
"""

import asyncio
import time
from collections.abc import AsyncIterator

import structlog

from exchange.binance.client import outcome_of
from exchange.binance.clock import Clock, FeedClock, Offset, WallClock
from exchange.binance.desk import OrderDesk, Outcome, stamp_ns
from exchange.binance.instrument import Instrument, broken_filter
from exchange.binance.lockstep import Lockstep, until_here
from exchange.binance.names import Names
from exchange.binance.rates import Rates
from exchange.binance.requests import CANCEL, PLACE, Requests
from exchange.binance.rows import MarketRows
from exchange.binance.session import Session
from exchange.binance.settings import BinanceSettings, Condition, Opening, Pace, Record
from exchange.binance.settling import cancel_ours, settle
from exchange.binance.start import check_start, condition_of
from exchange.binance.words import Failure
from exchange.errors import VenueError
from exchange.order_life import Due, Life, LiveOrder, News, Word
from exchange.reconcile import Found, Reconciled
from exchange.port import MarketStep, OpenOrder, VenueAccount
from market.layout import BUY
from market.types import F8
from protocol.orders import Approved

RETRY_S = (0.2, 5.0)
"""Shortest and longest pause between two tries to build a session."""
MARGIN_NS = 2 * 10**9
"""Added to a request's receive window: then it certainly cannot take effect any more."""
WAIT_MAX_S = 1.0

log = structlog.get_logger()


class BinanceVenue:
    """The `Venue` over one symbol of one account.

    Args:
        settings: where, what and how.
        observer: f8[OBSERVER_COLUMNS], as the tape's.
        record: what the journal knows.

    Attributes:
        condition: whether the symbol can be traded as it could at the start.
        losses: sessions that were lost.
    """

    def __init__(
        self, settings: BinanceSettings, observer: F8, record: Record | None = None
    ) -> None:
        self.settings = settings
        self.condition = Condition()
        self.losses = 0
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
        self._session: Session | None = None
        self._desk: OrderDesk | None = None
        self._now_ns = 0
        self._next_ns = 0
        self._behind: tuple[int, int] = (0, 0)
        self._requests = Requests(self._woken, self._broken)
        self._care: asyncio.Task[None] | None = None

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
                await self._recover()
            now_ns = await (self._next_instant() if self._lockstep else self._next_step())
            if now_ns is None:
                return
            if not self.session.streams.lost:
                yield self._live(now_ns)

    async def place(self, order: Approved) -> None:
        """Send an order; what becomes of it is told by reports."""
        wanted = order.order
        desk, known = self.desk, self.desk.known
        deadline_ns = time.time_ns() + self._offset.ns + MARGIN_NS
        live = LiveOrder(
            order_id=wanted.order_id,
            side=wanted.side,
            price_ticks=wanted.price_ticks,
            lots=wanted.lots,
            taker=int(wanted.taker),
            deadline_ns=deadline_ns + self.settings.receive_window_ms * 10**6,
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
        kind = {"type": "LIMIT_MAKER"}
        if wanted.taker:
            kind = {"type": "LIMIT", "timeInForce": "IOC"}
        call = self.session.client.create_order(
            symbol=known.symbol,
            side="BUY" if wanted.side == BUY else "SELL",
            price=known.price(wanted.price_ticks),
            quantity=known.quantity(wanted.lots),
            newClientOrderId=desk.names.of(wanted.order_id),
            newOrderRespType="FULL",
            selfTradePreventionMode="EXPIRE_TAKER",
            **kind,
        )
        self._requests.send(PLACE, wanted.order_id, outcome_of(call))

    async def cancel(self, order_id: int) -> None:
        """Send a cancel; what becomes of it is told by a report."""
        if self.desk.withdraw(order_id, self._now_ns):
            self._send_cancel(order_id)

    async def account(self) -> VenueAccount:
        """Return our part of the account, and our open orders, as the exchange has them now.

        What the account held at the start beyond our ledger is left out, as far as others do not
        trade in it.

        Raises:
            VenueError: something was not answered.
        """
        desk, session = self.desk, self.session
        rows = await session.client.get_open_orders(symbol=desk.known.symbol)
        orders = []
        for row in rows:
            order_id = desk.names.order_id(row["clientOrderId"])
            if order_id is None:
                continue
            lots = desk.known.lots(row["origQty"]) - desk.known.lots(row["executedQty"])
            side = 1 if row["side"] == "BUY" else -1
            orders.append(OpenOrder(order_id, side, desk.known.ticks(row["price"]), lots))
        newer = await session.trades(fromId=desk.last_trade_id + 1)
        ours = sum(int(row["orderId"]) in desk.numbers for row in newer)
        quote_units, base_units = await session.balances(desk.known)
        return VenueAccount(
            quote_units=quote_units - self._behind[0],
            base_units=base_units - self._behind[1],
            fills=desk.fills + ours,
            orders=tuple(sorted(orders, key=lambda each: each.order_id)),
        )

    # --- beginning and end -------------------------------------------------------------------

    @property
    def session(self) -> Session:
        """The session in use."""
        assert self._session is not None, "a venue must be opened before it is used"
        return self._session

    @property
    def desk(self) -> OrderDesk:
        """Our orders."""
        assert self._desk is not None, "a venue must be opened before it is used"
        return self._desk

    async def open(self) -> Opening:
        """Connect, compare the account with our record, cancel strays, and make ready.

        Raises:
            StartRefusedError: fees, foreign orders, unknown fills or missing balances.
            VenueError: the exchange cannot be reached.
        """
        settings, record = self.settings, self._record
        session = await self._build()
        try:
            known = await session.open()
            trade_id = record.last_trade_id
            self._desk = desk = OrderDesk(
                Names(settings.token),
                known,
                orders=record.orders,
                highest_id=record.highest_id,
                last_trade_id=await session.newest_trade_id() if trade_id is None else trade_id,
            )
            self.condition = condition_of(known, known)
            maker, taker, instead = await session.fees()
            await self._join()
            made, found = await self._settle()
            check_start(settings, record, (maker, taker, instead), made, found)
            held = await session.balances(known)
            self._learn_others(held, record)
            if self._lockstep is not None:
                await self._lockstep.open()
            else:
                self._care = asyncio.create_task(self._look_after())
        except BaseException:
            await session.close()
            raise
        return Opening(known, maker, taker, *held, made.foreign, desk.last_trade_id)

    async def close(self) -> None:
        """Cancel what rests of ours, as far as the exchange can be reached, and disconnect."""
        if self._care is not None:
            self._care.cancel()
            await asyncio.gather(self._care, return_exceptions=True)
        if self._session is None:
            return
        if self._desk is not None:
            await cancel_ours(self.session, self.desk, self._now_ns)
        await self._requests.give_up()
        if self._lockstep is not None:
            await self._lockstep.close()
        await self.session.close()

    # --- steps -------------------------------------------------------------------------------

    async def _next_instant(self) -> int | None:
        """Return the lockstep's next instant, once all that was sent by then is here."""
        assert self._lockstep is not None
        instant = await self._lockstep.next(self._requests.sent)
        if instant is None:
            return None
        streams = self.session.streams

        def enough() -> bool:
            return (
                streams.market_count >= instant.market
                and streams.user_count >= instant.user
                and self._requests.answers >= instant.answers
            )

        await until_here(enough, lambda: self._wait(WAIT_MAX_S), lambda: streams.lost)
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
            desk.event(streams.user.popleft(), now_ns)
        for kind, order_id, outcome in self._requests.take():
            if outcome.failure is Failure.KEY:
                raise VenueError(f"the key was refused: {outcome.detail}")
            if outcome.failure is Failure.CLOCK:
                log.warning("clock_was_off", detail=outcome.detail)
            take = desk.cancelled if kind == CANCEL else desk.placed
            take(order_id, outcome, now_ns)

    def _do_what_is_due(self) -> None:
        """Send again, or ask, where an outcome is not known."""
        if self._rates.wait_s(time.monotonic(), urgent=True) > 0:
            return
        for what, order_id in self.desk.due(time.time_ns()):
            if what is Due.CANCEL:
                self._send_cancel(order_id)
            else:
                self._requests.spawn(self._ask(what, order_id))

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
        self._requests.send(CANCEL, order_id, self.session.cancel(self.desk.names.of(order_id)))

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

    # --- a lost session ----------------------------------------------------------------------

    async def _build(self) -> Session:
        """Put a new session in the place of the old one; it is not connected yet."""
        self._session = Session(self.settings, self._rates, self._offset)
        return self._session

    async def _join(self) -> None:
        """Begin the book anew from a snapshot."""
        seen_ns = max(self._clock.now_ns(time.time_ns()), self._now_ns)
        if self._lockstep is not None or seen_ns == 0:
            seen_ns = self._now_ns
        self._rows.add(await self.session.join(seen_ns))

    async def _settle(self) -> tuple[Reconciled, Found]:
        seconds = self.settings.settle_s
        return await settle(
            self.session, self.desk, self._offset.ns, self._now_ns, seconds=seconds
        )

    def _learn_others(self, held: tuple[int, int], record: Record) -> None:
        """Note what the account holds beyond our ledger."""
        fresh = record.quote_units is None or record.base_units is None
        ours = held if fresh else (record.quote_units, record.base_units)
        self._behind = held[0] - (ours[0] or 0), held[1] - (ours[1] or 0)

    async def _recover(self) -> None:
        """Cancel ours, build all anew and reconcile; try until it succeeds.

        Raises:
            VenueError: in lockstep: an instant cannot be lived through twice.
        """
        reason = self.session.streams.lost
        if self._lockstep is not None:
            raise VenueError(f"a stream was lost in lockstep: {reason}")
        self.losses += 1
        log.warning("session_lost", reason=reason)
        pause_s, began_s = RETRY_S[0], time.monotonic()
        while True:
            self._absorb(self._now_ns)
            await self._requests.give_up()
            self._absorb(self._now_ns)
            self.desk.doubt_unanswered()
            await cancel_ours(self.session, self.desk, self._now_ns)
            await self.session.close()
            try:
                session = await self._build()
                self.condition = condition_of(self.desk.known, await session.open())
                await self._join()
                await self._settle()
            except VenueError as error:
                log.warning("session_not_rebuilt", reason=str(error), again_in_s=pause_s)
                self.session.streams.lose(str(error))
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, RETRY_S[1])
                continue
            break
        log.info("session_rebuilt", seconds=round(time.monotonic() - began_s, 3))
        self._pass_over()

    def _pass_over(self) -> None:
        """Live through the steps that were missed; nobody acts on them."""
        self._read_market(None)
        now_ns = self._clock.now_ns(time.time_ns())
        while 0 < self._next_ns <= now_ns - self.settings.interval_ns:
            self._rows.observe(self._next_ns)
            self._next_ns += self.settings.interval_ns

    async def _look_after(self) -> None:
        """Look at clock, symbol and open orders again and again."""
        while True:
            await asyncio.sleep(self.settings.poll_s)
            session, desk = self.session, self.desk
            if session.streams.lost or self._rates.wait_s(time.monotonic()) > 0:
                continue
            try:
                await session.measure()
                self._see(await session.instrument())
                believed = {each.order_id for each in desk.orders.values() if is_open(each)}
                found = {each.order_id for each in await session.open_orders(desk)}
            except VenueError as error:
                log.warning("look_failed", reason=str(error))
                continue
            if session is self.session:
                for order_id in believed - found:
                    if is_open(desk.orders[order_id]):
                        word = Word(News.VANISHED, self._now_ns)
                        desk.hear(order_id, (word,), self._now_ns)

    def _see(self, now: Instrument | None) -> None:
        condition = condition_of(self.desk.known, now)
        if condition != self.condition:
            changes = list(condition.changes)
            log.warning("symbol_changed", trading=condition.trading.value, changes=changes)
        self.condition = condition


def is_open(order: LiveOrder) -> bool:
    """Return whether an order rests at the exchange, as far as we know."""
    return order.life is Life.OPEN
