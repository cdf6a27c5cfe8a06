"""Paper trading: the live public market, our orders filled as in a backtest, no key.

What comes live is put in order once, and goes three ways: to the features, to the exchange's side
of our orders (`own_side`), and to the recording. So a replay of that recording, with the same
orders, gives the same fills, one by one. For that, what arrives late counts late: an event of the
exchange that was still on its way at a guard step stands behind that step (`clock_raised` counts
them); give orders a latency of at least the feed's, as the default does, and none is filled by
what happened before it was sent.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from exchange.binance.instrument import meta_of
from exchange.binance.rows import Event, MarketRows, Sink
from exchange.binance.settings import BinanceSettings, Condition, Opening, Record
from exchange.errors import VenueError
from exchange.event_clocks import EventClocks
from exchange.order_life import LiveOrder
from exchange.own_side import NO_REPORTS, OwnSide
from exchange.port import MarketStep, VenueAccount
from exchange.public_feed import PublicFeed
from exchange.recording import scale_of
from exchange.recording_fundings import Funding
from market.growing import grown
from market.indexer import NO_IDS
from market.latency import NO_LATENCY, DelayLine, Latency
from market.layout import (
    EVENT_COLUMNS,
    EVENT_EXCH_NS,
    EVENT_LOCAL_NS,
    REPORT_CANCELLED,
    REPORT_COLUMNS,
    REPORT_EXCH_NS,
    REPORT_KIND,
    REPORT_LOTS,
    REPORT_MAKER,
    REPORT_ORDER_ID,
    REPORT_PRICE_TICKS,
    REPORT_SIDE,
    REPORT_VISIBLE_NS,
    STEP_CURSOR,
)
from market.queueing import FIFO, MODEL_KIND, fill_model
from market.strategy import half_ticks_of
from market.types import F8, I8
from protocol.orders import Approved, demand_approved
from protocol.tasks import end_all

WAIT_MAX_S = 1.0
KEPT_MIN = 1 << 14
"""Events that were lived through and are kept rather than moved."""
PLENTY = 10**18
"""Units of either asset in a paper account that nobody told otherwise."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an exchange would make of our orders.

    Attributes:
        maker_fee, taker_fee: parts of the notional.
        model: how our place in a line is told, `power:4` and the like; none that follows orders.
        latency: of orders, cancels and reports.
    """

    maker_fee: Fraction
    taker_fee: Fraction
    model: str = "power:4"
    latency: Latency = NO_LATENCY


class PaperVenue:
    """The `Venue` over a live public market.

    Args:
        market: not open yet.
        observer: f8[OBSERVER_COLUMNS], as the tape's.
        terms: of the exchange that is imagined.
        record: what the journal knows; orders that were open are over, since nothing kept them.
    """

    def __init__(
        self, market: PublicFeed, observer: F8, terms: Terms, record: Record | None = None
    ) -> None:
        self.market = market
        self._terms = terms
        self._record = record or Record()
        self._rows = MarketRows(observer)
        self._clocks = EventClocks()
        self._delay_line = DelayLine(terms.latency)
        self._delays: I8 = np.zeros(0, dtype=np.int64)
        self._feed_ns = 0
        self._events: I8 = np.zeros((0, EVENT_COLUMNS), dtype=np.int64)
        self._first = self._count = 0  # number of the first event that is held; how many are
        self._ours: OwnSide | None = None
        self._now_ns = self._next_ns = 0
        self._rebuilding: asyncio.Task[list[Event]] | None = None
        self._owed = NO_REPORTS
        self._funded_ns = 0  # time of the last funding that was charged
        self._funded: Callable[[tuple[Funding, ...]], None] | None = None

    # --- the port ----------------------------------------------------------------------------

    def now_ns(self) -> int:
        """Return the time of the last step, or of the opening before the first."""
        return self._now_ns

    async def events(self) -> AsyncIterator[MarketStep]:
        """Yield every step from the opening on; while the stream is lost the book is empty.

        Raises:
            VenueError: the symbol is not what it was.
        """
        while True:
            await self._until_next()
            now_ns, self._next_ns = self._next_ns, self._next_ns + self.settings.interval_ns
            yield self._live(now_ns)

    async def place(self, order: Approved) -> None:
        """Send an order; it arrives one order delay later."""
        wanted = demand_approved(order)
        self._side().submit(
            wanted.order_id,
            wanted.side,
            wanted.price_ticks,
            wanted.lots,
            int(wanted.taker),
            now_ns=self._now_ns,
            delays=self._delays,
        )

    async def cancel(self, order_id: int) -> None:
        """Send a cancel; it arrives one cancel delay later."""
        self._side().cancel(order_id, now_ns=self._now_ns, delays=self._delays)

    def listen(self) -> bool:
        """Return False: our orders end with the steps, as in a backtest."""
        return False

    async def account(self) -> VenueAccount:
        """Return balances after every fill so far, visible or not, and our open orders."""
        return self._side().account()

    # --- its life ----------------------------------------------------------------------------

    @property
    def settings(self) -> BinanceSettings:
        """How the market is reached."""
        return self.market.settings

    @property
    def condition(self) -> Condition:
        """Whether the symbol can be traded as it could at the start."""
        return Condition(self.market.known.trading)

    @property
    def losses(self) -> int:
        """How many times the stream was lost."""
        return self.market.losses

    @property
    def behind_s(self) -> float:
        """Wall seconds that the last step lies behind the market's time."""
        return (self.market.now_ns() - self._now_ns) / 1e9 / self.market.settings.speed

    @property
    def connected(self) -> bool:
        """Whether the market is seen."""
        return self._rebuilding is None and not self.market.lost

    @property
    def highest_id(self) -> int:
        """The last order id that was ever used."""
        return self._record.highest_id if self._ours is None else self._ours.highest_id

    async def open(self) -> Opening:
        """Connect; the account holds what the journal says, or plenty of both assets.

        Raises:
            VenueError: the market cannot be reached, or the fill model follows single orders.
        """
        self._put(await self.market.open())
        known, terms, record = self.market.known, self._terms, self._record
        if fill_model(terms.model, unit=float(known.lot))[MODEL_KIND] == FIFO:
            await self.market.close()
            raise VenueError("fill model fifo needs order ids, which no public stream has")
        interval_ns = self.settings.interval_ns
        self._now_ns = int(self._events[0, EVENT_LOCAL_NS])
        self._next_ns = self._now_ns // interval_ns * interval_ns + interval_ns
        self._funded_ns = record.now_ns or self._now_ns
        self._owed = over(record.orders, record.now_ns or self._next_ns, self._next_ns)
        return Opening(
            known=known,
            maker_fee=terms.maker_fee,
            taker_fee=terms.taker_fee,
            quote_units=self._opening()[0],
            base_units=self._opening()[1],
            foreign=(),
            last_trade_id=record.last_trade_id or 0,
        )

    def recall(self, events: I8) -> None:
        """Live through what was recorded before, so that features go on; call it before `open`."""
        self._rows.recall(events, self.settings.interval_ns)
        if len(events):
            self._first = len(events) + 1  # these, and that the book is not known then
            self._clocks.rise_to(int(events[:, EVENT_LOCAL_NS].max()) + 1)

    def record(self, sink: Sink) -> None:
        """Hand every public event to a sink; call it once opened, before the first step."""
        self._rows.hand_on(sink)

    def record_fundings(self, sink: Callable[[tuple[Funding, ...]], None]) -> None:
        """Hand every funding to a sink, as it is charged; call it before the first step."""
        self._funded = sink

    async def close(self) -> None:
        """Disconnect; what rests is over."""
        if self._rebuilding is not None:
            await end_all([self._rebuilding])
        await self.market.close()

    def _opening(self) -> tuple[int, int]:
        quote_units, base_units = self._record.quote_units, self._record.base_units
        plenty = 0 if self._futures else PLENTY  # a position is none that one begins with
        return (
            PLENTY if quote_units is None else quote_units,
            plenty if base_units is None else base_units,
        )

    @property
    def _futures(self) -> bool:
        return self.settings.place.futures

    # --- steps -------------------------------------------------------------------------------

    async def _until_next(self) -> None:
        """Take what comes until the next step's time has come."""
        while True:
            self._read()
            if self._next_ns <= self.market.now_ns():
                return
            await self._wait(min(WAIT_MAX_S, self.market.wait_s(self._next_ns)))

    def _read(self) -> None:
        """Take what has come; begin to build the stream anew when it is lost.

        Raises:
            VenueError: the symbol is not what it was.
        """
        if self._rebuilding is not None:
            if not self._rebuilding.done():
                return
            rebuilt, self._rebuilding = self._rebuilding, None
            self._put(rebuilt.result())
        elif self.market.lost:
            self._put(self.market.break_off())
            self._rebuilding = asyncio.create_task(self.market.rebuild())
            return
        self._put(self.market.take())

    async def _wait(self, seconds: float) -> None:
        if self._rebuilding is None:
            await self.market.wait(seconds)
        else:
            await asyncio.wait({self._rebuilding}, timeout=seconds)

    def _put(self, rows: list[Event]) -> None:
        """Put events in order, once for all who see them."""
        if not rows:
            return
        ordered, _ = self._clocks.put_in_order(np.array(rows, dtype=np.int64))
        self._rows.add(ordered.tolist())
        end = self._count + len(ordered)
        self._events = grown(self._events, self._count, end)
        self._events[self._count : end] = ordered
        self._count = end

    def _live(self, now_ns: int) -> MarketStep:
        """Live through one step: the market by then, and what became of our orders."""
        self._now_ns = now_ns
        step, view, plan = self._rows.observe(now_ns)
        seen = int(step[STEP_CURSOR]) - self._first  # of the events that are held
        if seen > 0:
            last = self._events[seen - 1]
            self._feed_ns = int(last[EVENT_LOCAL_NS] - last[EVENT_EXCH_NS])
        times = np.array([now_ns]), np.array([self._feed_ns])
        self._delays = self._delay_line.extend(*times)[0]
        side = self._side()
        side.advance(self._events[: self._count], NO_IDS, self._delays, now_ns)
        self._charge(half_ticks_of(step))
        reports = side.reports(now_ns)
        if len(self._owed):
            reports, self._owed = np.concatenate((self._owed, reports)), NO_REPORTS
        # What was on its way now, on either clock, counts from the next instant on.
        self._clocks.rise_to(now_ns + 1)
        self.market.floor_ns = now_ns
        self._let_go(min(side.read, max(0, seen - 1)))
        return MarketStep(now_ns, step, view, plan, reports)

    def _charge(self, half_ticks: int) -> None:
        """Charge the fundings that are due, as a replay does: at the first step after their time.

        Args:
            half_ticks: bid + ask of the step, 0 without a sound book.
        """
        side = self._ours
        if side is None:  # no price was seen yet
            return
        due = self.market.fundings(self._now_ns)
        new = tuple(row for row in due if row[0] > self._funded_ns)
        if new:
            self._funded_ns = new[-1][0]
            side.schedule(np.array(new, dtype=np.int64))
            if self._funded is not None:
                self._funded(new)
        side.charge(half_ticks, self._delays, self._now_ns)

    def _side(self) -> OwnSide:
        """Return the exchange's side; it begins with the first step that shows a price."""
        if self._ours is None:
            window = self._rows.window
            known, terms = self.market.known, self._terms
            meta = meta_of(
                known,
                maker_fee=terms.maker_fee,
                taker_fee=terms.taker_fee,
                spot=not self._futures,
            )
            side = OwnSide(
                window or (0, 1),
                model=fill_model(terms.model, unit=float(known.lot)),
                scale=scale_of(meta),
                opening=np.array([*self._opening(), 0], dtype=np.int64),
                highest_id=self._record.highest_id,
                last_trade_id=self._record.last_trade_id or 0,
            )
            if window is None:
                return side
            self._ours = side
        return self._ours

    def _let_go(self, count: int) -> None:
        """Forget events that nobody needs any more, now and then."""
        if count < max(KEPT_MIN, self._count - count):
            return
        left = self._count - count
        self._events[:left] = self._events[count : self._count].copy()
        self._count = left
        self._first += count
        self._side().forget(count)


def over(orders: tuple[LiveOrder, ...], died_ns: int, seen_ns: int) -> I8:
    """Return i8[n, REPORT_COLUMNS]: that orders of an earlier life ended with it.

    Not later: what the market did meanwhile was not seen, so nothing of it can have hit them.
    """
    gone = [order for order in orders if order.remaining and not order.told_end]
    rows = np.zeros((len(gone), REPORT_COLUMNS), dtype=np.int64)
    for row, order in zip(rows, gone, strict=True):
        row[REPORT_KIND], row[REPORT_ORDER_ID] = REPORT_CANCELLED, order.order_id
        row[REPORT_SIDE], row[REPORT_PRICE_TICKS] = order.side, order.price_ticks
        row[REPORT_LOTS], row[REPORT_MAKER] = order.remaining, 1
        row[REPORT_EXCH_NS], row[REPORT_VISIBLE_NS] = died_ns, seen_ns
    return rows
