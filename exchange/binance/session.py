"""One connection to Binance: a client, both streams, the join of the book, and what one may ask.

A session that has lost a stream is closed and never used again; the next one is built whole.
"""

import asyncio
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from exchange.binance.calls import calls_of
from exchange.binance.client import (
    BinanceAPIException,
    demand,
    measure_offset,
    new_client,
    outcome_of,
    refusal_of,
)
from exchange.binance.clock import Offset
from exchange.binance.desk import OrderDesk, Outcome, stamp_ns
from exchange.binance.instrument import Grid, Instrument, instrument_of
from exchange.binance.rates import Rates
from exchange.binance.rows import Event, depth_events, snapshot_events, trade_event
from exchange.binance.settings import BinanceSettings, Pace, StartRefusedError
from exchange.binance.streams import Streams
from exchange.binance.words import Failure, found_order, to_ns, trade_of
from exchange.depth import DepthSync, Diff, Sync
from exchange.errors import VenueError
from exchange.reconcile import Found, FoundFunding, FoundOrder, FoundTrade, asked_for
from exchange.recording_fundings import Funding
from market.layout import BUY, SELL

MARKET = "MARKET"
"""Of the kinds of a futures trade; others (insurance fund, deleveraging) met no book."""
SNAPSHOT_LEVELS = 1_000
SNAPSHOT_TRIES = 20
SNAPSHOT_WAIT_S = 0.1
TRADES_PAGE = 1_000
FUNDING_LOOKS = 5
PAGES_MAX = 1_000


class Session:
    """One connection.

    Args:
        settings: where and what.
        rates: of the address; lives longer than a session.
        offset: of the clocks; the same.

    Attributes:
        since_ns: fundings from before are none of our ledger's; None: not known yet.
    """

    def __init__(self, settings: BinanceSettings, rates: Rates, offset: Offset) -> None:
        self.since_ns: int | None = None
        self._settings = settings
        self._offset = offset
        self.client = new_client(settings.place, settings.key, settings.secret, rates)
        self.client.REQUEST_RECVWINDOW = settings.receive_window_ms
        self.client.REQUEST_TIMEOUT = settings.patience_s
        self.client.ws_api.TIMEOUT = settings.patience_s
        self._calls = calls_of(self.client, settings)
        self.streams = Streams(
            self.client,
            settings.place,
            settings.symbol,
            private=bool(settings.key),
            counted_for=settings.key if settings.pace is Pace.LOCKSTEP else "",
        )
        self._sync: DepthSync[Mapping[str, Any]] = DepthSync(futures=settings.place.futures)
        self._grid = Grid((1, 1), (1, 1))
        self._rates = rates

    async def open(self) -> Instrument:
        """Connect, learn the symbol, and let events gather.

        Raises:
            StartRefusedError: the symbol is not listed, or the key is not accepted.
            VenueError: something was not answered.
        """
        await self.measure(probes=5)
        known = await self.instrument()
        if known is None:
            raise StartRefusedError(
                f"{self._settings.symbol} is not listed at {self._settings.place.rest}"
            )
        self._grid = Grid.of(known)
        try:
            async with asyncio.timeout(20):
                await self.streams.open()
        except BinanceAPIException as error:
            refusal = refusal_of(error)
            kind = StartRefusedError if refusal.failure is Failure.KEY else VenueError
            raise kind(f"the user stream was refused: {refusal.detail}") from error
        except Exception as error:
            raise VenueError(f"the streams cannot be opened: {error!r}") from error
        return known

    async def close(self) -> None:
        """Close everything; what gathered stays."""
        await self.streams.close()
        if self.client.session:
            await self.client.session.close()

    async def measure(self, *, probes: int = 3) -> None:
        """Measure how far our clock is off."""
        ask = self._calls.server_time
        await measure_offset(self.client, ask, self._offset, probes=probes)

    async def instrument(self) -> Instrument | None:
        """Return the symbol as it is listed now, and learn the limits; None when it is not."""
        symbol = self._settings.symbol
        outcome = await outcome_of(self._calls.info())
        if outcome.failure is Failure.REFUSED:  # -1121: invalid symbol
            return None
        if outcome.failure is not None:
            raise VenueError(f"exchangeInfo was not answered: {outcome.detail}")
        info = outcome.told
        self._rates.learn(info.get("rateLimits", ()))
        return instrument_of(info, symbol)

    async def fees(self) -> tuple[Fraction, Fraction, str]:
        """Return what the account pays as maker and taker, and what makes that uncertain."""
        return await self._calls.fees()

    # --- the book ----------------------------------------------------------------------------

    async def join(self, now_ns: int) -> list[Event]:
        """Fetch a snapshot and join the stream to it; return the whole book as events.

        Raises:
            VenueError: no snapshot fits, or the stream has a gap already.
        """
        symbol = self._settings.symbol
        for _ in range(SNAPSHOT_TRIES):
            told = await demand(self._calls.book(SNAPSHOT_LEVELS), "the order book")
            waiting: list[tuple[Mapping[str, Any], int]] = list(self.streams.market)
            self.streams.market.clear()
            rows = [row for message, _ in waiting for row in self.market_rows(message, now_ns)]
            kept = self._sync.snapshot(int(told["lastUpdateId"]))
            if self._sync.state is Sync.GAP:
                raise VenueError(f"the book cannot be joined: {self._sync.reason}")
            if kept is not None:
                bids, asks = self._levels(told["bids"]), self._levels(told["asks"])
                rows.extend(snapshot_events(bids, asks, now_ns, now_ns))
                for diff in kept:
                    rows.extend(self._depth_rows(diff.body, now_ns))
                return rows
            await asyncio.sleep(SNAPSHOT_WAIT_S)
        raise VenueError(f"no snapshot of {symbol} was new enough in {SNAPSHOT_TRIES} tries")

    def market_rows(self, message: Mapping[str, Any], local_ns: int) -> list[Event]:
        """Return what a message of the market changes; a gap ends the session."""
        kind = message.get("e")
        if kind == "trade":
            level = self._grid.level(message["p"], message["q"])
            if level is None or level[1] <= 0 or message.get("X", MARKET) != MARKET:
                return []
            side = SELL if message["m"] else BUY
            return [trade_event(side, to_ns(int(message["T"])), local_ns, *level)]
        if kind != "depthUpdate":
            return []
        diff = Diff(int(message["U"]), int(message["u"]), message, int(message.get("pu", -1)))
        rows = [
            row for each in self._sync.diff(diff) for row in self._depth_rows(each.body, local_ns)
        ]
        if self._sync.state is Sync.GAP:
            self.streams.lose(f"the book has a gap: {self._sync.reason}")
        return rows

    def _depth_rows(self, message: Mapping[str, Any], local_ns: int) -> list[Event]:
        bids, asks = self._levels(message["b"]), self._levels(message["a"])
        return depth_events(bids, asks, stamp_ns(message), local_ns)

    def _levels(self, pairs: list[list[str]]) -> list[tuple[int, int]]:
        found = (self._grid.level(price, quantity) for price, quantity in pairs)
        return [level for level in found if level is not None]

    # --- our orders --------------------------------------------------------------------------

    async def query(self, name: str) -> Outcome:
        """Ask for one order by its name."""
        return await outcome_of(self._calls.order(origClientOrderId=name))

    async def place(self, *, taker: bool, **told: str) -> Outcome:
        """Send an order: post-only, or one that takes and never rests."""
        return await self._calls.place(**told, **self._calls.kind(taker=taker))

    async def cancel(self, name: str) -> Outcome:
        """Cancel one order by its name."""
        return await self._calls.cancel(name)

    async def trades(self, **which: int) -> list[dict[str, Any]]:
        """Return trades of the account in the symbol, oldest first.

        Raises:
            VenueError: no answer, or more pages than are allowed.
        """
        rows: list[dict[str, Any]] = []
        for _ in range(PAGES_MAX):
            page = await demand(self._calls.trades(limit=TRADES_PAGE, **which), "our trades")
            rows.extend(page)
            if len(page) < TRADES_PAGE or "fromId" not in which:
                return rows
            which = {"fromId": int(page[-1]["id"]) + 1}
        raise VenueError(f"more than {PAGES_MAX * TRADES_PAGE} trades came since the last start")

    async def newest_trade_id(self) -> int:
        """Return the id of the account's last trade in the symbol; 0 without any."""
        rows = await demand(self._calls.trades(limit=1), "our last trade")
        return int(rows[-1]["id"]) if rows else 0

    async def balances(self, known: Instrument) -> tuple[int, int]:
        """Return what the account holds of quote and base, 1e-8; of futures see `UsdmCalls`."""
        return await self._calls.balances(known)

    async def fundings(self) -> tuple[FoundFunding, ...]:
        """Return every funding since `since_ns`; none before that is known."""
        return () if self.since_ns is None else await self._calls.fundings(self.since_ns)

    async def funding_rates(self) -> tuple[tuple[Funding, ...], Funding | None]:
        """Return the symbol's last fundings and its next one; nothing on spot."""
        return await self._calls.funding_rates()

    async def after_fundings(self) -> int:
        """Return a time after the newest funding, ns; 0 without any."""
        return max((each.exch_ns + 10**6 for each in await self._calls.fundings(0)), default=0)

    async def open_rows(self) -> list[dict[str, Any]]:
        """Return every open order of the symbol as it is told."""
        rows: list[dict[str, Any]] = await demand(self._calls.open_orders(), "the open orders")
        return rows

    async def open_orders(self, desk: OrderDesk) -> tuple[FoundOrder, ...]:
        """Return every open order of the symbol, ours and others'."""
        rows = await self.open_rows()
        found = tuple(found_order(row, desk.names, desk.known) for row in rows)
        for row, order in zip(rows, found, strict=True):
            if order.order_id is not None:
                desk.numbers[int(row["orderId"])] = order.order_id
        return found

    async def found(self, desk: OrderDesk, exchange_ns: int) -> Found:
        """Ask for all that a reconciliation needs; trades last, so that none is told too early.

        Raises:
            VenueError: something was not answered.
        """
        rows = await self.open_orders(desk)
        open_ids = [row.order_id for row in rows if row.order_id is not None]
        asked = asked_for(desk.orders.values(), open_ids)
        ended: dict[int, FoundOrder | None] = {}
        for order_id in asked:
            outcome = await self.query(desk.names.of(order_id))
            if outcome.failure is Failure.NOTHING:
                ended[order_id] = None
                continue
            if outcome.failure is not None:
                raise VenueError(f"order {order_id} was not answered: {outcome.detail}")
            desk.numbers[int(outcome.told["orderId"])] = order_id
            ended[order_id] = found_order(outcome.told, desk.names, desk.known)
        trades = await self.trades(fromId=desk.last_trade_id + 1)
        wanted = {*asked, *open_ids}
        for number, order_id in list(desk.numbers.items()):
            if order_id in wanted:
                trades.extend(await self.trades(orderId=number))
        owners = {number: await self._owner(number, desk) for number in numbers_of(trades)}
        mine = [
            FoundTrade(owners[int(row["orderId"])], trade_of(row, desk.known)) for row in trades
        ]
        fundings, held = await self._funded_balances(desk.known)
        return Found(exchange_ns, rows, ended, tuple(mine), *held, fundings)

    async def _funded_balances(
        self, known: Instrument
    ) -> tuple[tuple[FoundFunding, ...], tuple[int, int]]:
        """Return the fundings, and balances that hold exactly these.

        Raises:
            VenueError: something was not answered, or new ones came at every look.
        """
        fundings = await self.fundings()
        for _ in range(FUNDING_LOOKS):
            held, before = await self.balances(known), fundings
            fundings = await self.fundings()
            if fundings == before:
                return fundings, held
        raise VenueError("fundings came faster than one can look")

    async def _owner(self, number: int, desk: OrderDesk) -> int | None:
        """Return our order that has a number; it is asked for when that is new."""
        if number in desk.numbers:
            return desk.numbers[number]
        told = await demand(self._calls.order(orderId=number), f"the order {number} of a trade")
        order_id = desk.names.order_id(told["clientOrderId"])
        if order_id is not None:
            desk.numbers[number] = order_id
        return order_id


def numbers_of(trades: list[dict[str, Any]]) -> set[int]:
    """Return the exchange's numbers of the orders that some trades belong to."""
    return {int(row["orderId"]) for row in trades}
