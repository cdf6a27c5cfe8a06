"""Keeps a venue connected: the first session, the next one when it is lost, a look now and then.

A session that has lost a stream is given up: ours are cancelled, a new one is built whole,
everything is asked for by REST, and only when nothing is in doubt does life go on.
"""

import asyncio
import time
from collections.abc import Callable

import structlog

from exchange.binance.clock import Clock, Offset
from exchange.binance.desk import OrderDesk
from exchange.binance.instrument import Instrument
from exchange.binance.names import Names
from exchange.binance.rates import Rates
from exchange.binance.rows import Event
from exchange.binance.session import Session
from exchange.binance.settings import (
    BinanceSettings,
    Condition,
    Opening,
    Record,
    StartRefusedError,
)
from exchange.binance.settling import cancel_ours, settle
from exchange.binance.start import check_confirmed, check_start, condition_of
from exchange.errors import VenueError
from exchange.order_life import Life, LiveOrder, News, Word
from exchange.port import OpenOrder, VenueAccount
from exchange.reconcile import Found, Reconciled
from market.layout import BUY, SELL

RETRY_S = (0.2, 2.0)
"""Shortest and longest pause between two tries to build a session."""
FAREWELL_S = 5.0
"""How long the last cancels are tried again, when the exchange does not answer them."""

log = structlog.get_logger()


class Lifeline:
    """The connection of one venue, over all its sessions.

    Args:
        settings: where, what and how.
        rates: of the address.
        offset: of the clocks.

    Attributes:
        condition: whether the symbol can be traded as it could at the start.
        losses: sessions that were lost.
    """

    def __init__(self, settings: BinanceSettings, rates: Rates, offset: Offset) -> None:
        self.condition = Condition()
        self.losses = 0
        self._settings = settings
        self._rates = rates
        self._offset = offset
        self._session: Session | None = None
        self._desk: OrderDesk | None = None
        self._closed = False
        self._since_ns = 0
        self._others = (0, 0)
        """Quote and base units of the account beyond our ledger."""

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

    async def open(self, record: Record, seen_ns: int) -> tuple[Opening, list[Event]]:
        """Connect, compare the account with our record, and cancel strays.

        Returns what was found, and the book as events.

        Raises:
            StartRefusedError: not confirmed, not trading, fees, foreign orders, unknown fills or
                missing balances.
            VenueError: the exchange cannot be reached.
        """
        settings = self._settings
        check_confirmed(settings)
        self._session = session = Session(settings, self._rates, self._offset)
        try:
            known = await session.open()
            since_ns = record.since_ns
            if since_ns is None:
                since_ns = max(seen_ns, await session.after_fundings())
            self._since_ns = since_ns
            session.since_ns = self._since_ns
            trade_id = record.last_trade_id
            self._desk = desk = OrderDesk(
                Names(settings.token),
                known,
                orders=record.orders,
                highest_id=record.highest_id,
                last_trade_id=await session.newest_trade_id() if trade_id is None else trade_id,
                fundings=record.fundings,
            )
            self.condition = condition_of(known, known)
            fees = await session.fees()
            book = await session.join(seen_ns)
            made, found = await self._settle(seen_ns)
            check_start(settings, known, record, fees, made, found)
            held = await session.balances(known)
        except BaseException:
            self._session = None
            await session.close()
            raise
        fresh = record.quote_units is None or record.base_units is None
        ours = held if fresh else (record.quote_units, record.base_units)
        self._others = held[0] - (ours[0] or 0) - made.funding_units, held[1] - (ours[1] or 0)
        opening = Opening(known, fees[0], fees[1], *held, made.foreign, desk.last_trade_id)
        return opening, book

    async def close(self, seen_ns: int, *, cancel: bool) -> None:
        """Cancel what rests of ours, as far as the exchange can be reached, and disconnect."""
        if self._session is None or self._closed:
            return
        self._closed = True
        until_s = time.monotonic() + FAREWELL_S
        if cancel and self._desk is not None:
            while not await cancel_ours(self.session, self.desk, seen_ns):
                if time.monotonic() > until_s:
                    log.error("orders_may_rest", token=self._settings.token)
                    break
                await asyncio.sleep(RETRY_S[0])
                await self.measure()
        await self.session.close()

    async def recover(self, clock: Clock, seen_ns: int) -> list[Event]:
        """Cancel ours, build all anew and reconcile; try until it succeeds. Return the book.

        No answer to an earlier request may come any more.

        Raises:
            StartRefusedError: the key is not accepted any more, or the symbol is gone.
        """
        self.losses += 1
        log.warning("session_lost", reason=self.session.streams.lost)
        pause_s, began_s = RETRY_S[0], time.monotonic()
        self.desk.doubt_unanswered()
        while True:
            await cancel_ours(self.session, self.desk, seen_ns)
            await self.session.close()
            self._session = session = Session(self._settings, self._rates, self._offset)
            try:
                session.since_ns = self._since_ns
                self.condition = condition_of(self.desk.known, await session.open())
                book = await session.join(max(clock.now_ns(time.time_ns()), seen_ns))
                await self._settle(seen_ns)
            except StartRefusedError:
                raise
            except VenueError as error:
                log.warning("session_not_rebuilt", reason=str(error), again_in_s=pause_s)
                session.streams.lose(str(error))
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, RETRY_S[1])
                continue
            log.info("session_rebuilt", seconds=round(time.monotonic() - began_s, 3))
            return book

    async def look_after(self, now_ns: Callable[[], int]) -> None:
        """Look at clock, symbol, open orders and fundings again and again; venue time is asked."""
        while True:
            await asyncio.sleep(self._settings.poll_s)
            if self.session.streams.lost or self._rates.wait_s(time.monotonic()) > 0:
                continue
            try:
                await self._look(now_ns)
            except VenueError as error:
                log.warning("look_failed", reason=str(error))

    async def measure(self) -> None:
        """Measure the clocks again now: the exchange has said that ours is off."""
        try:
            await self.session.measure()
        except VenueError as error:
            log.warning("clock_not_measured", reason=str(error))

    async def look_at_symbol(self) -> None:
        """Look at the symbol now: the exchange has said that it does not trade."""
        try:
            self._judge(await self.session.instrument())
        except VenueError as error:
            log.warning("symbol_not_seen", reason=str(error))

    async def account(self) -> VenueAccount:
        """Return our part of the account, and our open orders, as the exchange has them now.

        Raises:
            VenueError: something was not answered.
        """
        desk, session = self.desk, self.session
        orders = []
        for row in await session.open_rows():
            order_id = desk.names.order_id(row["clientOrderId"])
            if order_id is not None:
                lots = desk.known.lots(row["origQty"]) - desk.known.lots(row["executedQty"])
                side = BUY if row["side"] == "BUY" else SELL
                orders.append(OpenOrder(order_id, side, desk.known.ticks(row["price"]), lots))
        newer = await session.trades(fromId=desk.last_trade_id + 1)
        ours = sum(int(row["orderId"]) in desk.numbers for row in newer)
        quote_units, base_units = await session.balances(desk.known)
        return VenueAccount(
            quote_units=quote_units - self._others[0],
            base_units=base_units - self._others[1],
            fills=desk.fills + ours,
            orders=tuple(sorted(orders, key=lambda each: each.order_id)),
        )

    async def _settle(self, seen_ns: int) -> tuple[Reconciled, Found]:
        seconds = self._settings.settle_s
        return await settle(self.session, self.desk, self._offset.ns, seen_ns, seconds=seconds)

    def _judge(self, now: Instrument | None) -> None:
        """Take in how the symbol is listed now; None: not any more."""
        condition = condition_of(self.desk.known, now)
        if condition != self.condition:
            changes = list(condition.changes)
            log.warning("symbol_changed", trading=condition.trading.value, changes=changes)
        self.condition = condition

    async def _look(self, now_ns: Callable[[], int]) -> None:
        session, desk = self.session, self.desk
        await session.measure()
        self._judge(await session.instrument())
        desk.fund(await session.fundings(), now_ns())
        believed = {each.order_id for each in desk.orders.values() if is_open(each)}
        found = {each.order_id for each in await session.open_orders(desk)}
        for order_id in believed - found:
            order = desk.orders[order_id]
            if session is self.session and is_open(order):
                # It is only asked for: nothing is reported of it yet.
                desk.hear(order_id, (Word(News.VANISHED, 0),), 0)


def is_open(order: LiveOrder) -> bool:
    """Return whether an order rests at the exchange, as far as we know."""
    return order.life is Life.OPEN
