"""A trader with a durable journal, whose process may be killed: for the table of faults.

The journal is what an executor's would be: every intent before its order, every report taken, the
ledger that booked it. A new life begins from it alone.
"""

import asyncio
import time
from dataclasses import dataclass, field, replace

from exchange.binance.settings import Pace, Record
from exchange.binance.venue import BinanceVenue
from exchange.errors import VenueError
from exchange.order_life import Life, LiveOrder
from market.layout import (
    REPORT_ACCEPTED,
    REPORT_CANCEL_REJECTED,
    REPORT_FILL,
    REPORT_FUNDING,
    REPORT_KIND,
    REPORT_LOTS,
    REPORT_ORDER_ID,
    REPORT_TRADE_ID,
    STEP_ASK,
    STEP_BID,
)
from protocol.tasks import end_all
from tests.contract.venue import Desk

WINDOW_MS, MARGIN_MS = 1_000, 100
LIMIT_S = 10.0
"""Invariant 20: reconciled and quoting within so many seconds after the last fault."""


@dataclass
class Intent:
    """An order as the journal knows it before it is sent."""

    order_id: int
    approved: object
    deadline_ns: int
    sent: bool = False
    barred: bool = False
    """It was handed over while nothing may be placed; it must never reach the exchange."""


@dataclass
class Trader:
    """One account's trader, over all its lives."""

    stage: object
    session: object
    token: str
    speed: float
    ground: object
    intents: dict = field(default_factory=dict)
    desk: Desk = None
    venue: BinanceVenue = None
    base_trade_id: int = 0
    others: tuple = (0, 0)
    since_ns: int | None = None
    lives: int = 0
    book: dict = field(default_factory=dict)
    read: int = 0

    async def open(self):
        """Begin a life from the journal."""
        settings = self.stage.settings(
            pace=Pace.FEED,
            speed=self.speed,
            token=self.token,
            ignore_foreign=True,
            poll_s=0.2,
            receive_window_ms=WINDOW_MS,
            margin_ms=MARGIN_MS,
            patience_s=0.6,
            settle_s=LIMIT_S,
        )
        settings = self.ground.settings(settings)
        for _ in range(60):
            self.venue = BinanceVenue(settings, self.session.observer, self.record())
            try:
                opening = await self.venue.open()
                break
            except VenueError as error:
                refusal = error
                await asyncio.sleep(0.2)
        else:
            raise refusal
        if self.desk is None:
            self.desk = Desk(self.venue, self.session.setup)
            self.base_trade_id = opening.last_trade_id
        self.desk.venue, self.desk.source = self.venue, self.venue.events()
        self.lives += 1
        await self.step()

    def record(self):
        """Return what the journal knows."""
        opening = [int(units) for units in self.session.setup.opening[:2]]
        if self.desk is None:
            return Record(quote_units=opening[0], base_units=opening[1], since_ns=self.since_ns)
        fills = [int(row[REPORT_TRADE_ID]) for row in self.rows(REPORT_FILL)]
        orders = (self.live(intent) for intent in self.intents.values())
        return Record(
            orders=tuple(order for order in orders if order is not None),
            highest_id=max(self.intents, default=0),
            last_trade_id=max([self.base_trade_id, *fills]),
            quote_units=int(self.desk.account.ledger[0]),
            base_units=int(self.desk.account.ledger[1]),
            since_ns=self.since_ns,
            fundings=frozenset(self.numbers(REPORT_FUNDING)),
        )

    def live(self, intent):
        """Return an intent as it may stand at the exchange; None when it has ended."""
        if self.ended(intent.order_id):
            return None
        order = intent.approved.order
        fills = [r for r in self.rows(REPORT_FILL) if r[REPORT_ORDER_ID] == intent.order_id]
        told = REPORT_ACCEPTED in self.desk.kinds(intent.order_id)
        filled = sum(int(row[REPORT_LOTS]) for row in fills)
        return LiveOrder(
            order_id=intent.order_id,
            side=order.side,
            price_ticks=order.price_ticks,
            lots=order.lots,
            deadline_ns=intent.deadline_ns,
            life=Life.OPEN if told else Life.DOUBT,
            trades=frozenset(int(row[REPORT_TRADE_ID]) for row in fills),
            filled=filled,
            executed=filled,
            told_open=told,
        )

    def rows(self, kind):
        """Return the reports of a kind that were taken."""
        return [row for row in self.desk.reports if row[REPORT_KIND] == kind]

    def numbers(self, kind):
        """Return the exchange's numbers of the reports of a kind."""
        return {int(row[REPORT_TRADE_ID]) for row in self.rows(kind)}

    def told(self, order_id):
        """Return (kinds of its reports, lots filled) of an order; each report is read once."""
        for row in self.desk.reports[self.read :]:
            known = self.book.setdefault(int(row[REPORT_ORDER_ID]), [set(), 0])
            known[0].add(int(row[REPORT_KIND]))
            known[1] += int(row[REPORT_LOTS]) if row[REPORT_KIND] == REPORT_FILL else 0
        self.read = len(self.desk.reports)
        return self.book.get(order_id, (set(), 0))

    def filled(self, order_id):
        """Return the lots of an order that were filled."""
        return self.told(order_id)[1]

    def ended(self, order_id):
        """Return whether the journal knows the end of an order."""
        kinds, filled = self.told(order_id)
        if kinds - {REPORT_ACCEPTED, REPORT_FILL, REPORT_CANCEL_REJECTED}:
            return True
        return filled == self.intents[order_id].approved.order.lots

    async def kill(self):
        """End this life as a SIGKILL does: no cancel, no farewell."""
        venue = self.venue
        await end_all([venue._care])
        await venue.requests.give_up()
        await venue.session.close()

    async def step(self):
        """Take in one step."""
        async with asyncio.timeout(LIMIT_S + 20):
            return await self.desk.step()

    async def until(self, true, seconds=LIMIT_S):
        """Step until something is true; False when it did not become so in time."""
        until_s = time.monotonic() + seconds
        while not true():
            if time.monotonic() > until_s:
                return False
            await self.step()
        return True

    async def intend(self, side, price, lots):
        """Put an order into the journal, as soon as the gate lets it pass."""
        await self.until(self.two_sided)
        return self.note(self.desk.approved(side, price, lots))

    def note(self, approved):
        """Put an approved order into the journal."""
        order_id = approved.order.order_id
        deadline_ns = time.time_ns() + (WINDOW_MS + MARGIN_MS) * 10**6
        self.intents[order_id] = Intent(order_id, approved, deadline_ns)
        return order_id

    async def send(self, order_id):
        """Hand an intended order over, in the life that intended it or not at all."""
        intent = self.intents[order_id]
        if intent.sent or self.ended(order_id):
            return
        self.intents[order_id] = replace(
            intent,
            sent=True,
            barred=bool(self.venue.session.streams.lost) or not self.venue.condition.sound,
        )
        await self.venue.place(intent.approved)

    async def cancel(self, order_id):
        """Take an order back."""
        if not self.ended(order_id):
            await self.venue.cancel(order_id)

    def two_sided(self):
        """Return whether the book is known."""
        row = self.desk.steps[-1].step_row
        return 0 < row[STEP_BID] < row[STEP_ASK] < 1 << 60

    def quotable(self):
        """Return whether quotes may go out: the book is known and the symbol trades."""
        return self.venue.condition.sound and self.two_sided()
