"""Our orders at a market that does not know of them: `market.fills` with a ledger, step by step.

A recording and the live public streams use the same: what becomes of our orders is computed here,
from what the exchange's clock has shown. Nothing here knows where events come from.
"""

import numpy as np

from exchange.errors import VenueError
from exchange.port import OpenOrder, VenueAccount
from market.account import open_exchange
from market.book import new_book
from market.fills import (
    FULL,
    METER_CURSOR,
    METER_OVERFLOW,
    METER_READ,
    METER_TRADES,
    METER_WRITTEN,
    advance,
    cancel,
    submit,
)
from market.funding import NO_FUNDING, book, charge, next_funding_ns
from market.layout import (
    LEDGER_BASE,
    LEDGER_MARK,
    LEDGER_QUOTE,
    ORDER_ID,
    ORDER_PRICE_TICKS,
    ORDER_REMAINING,
    ORDER_SIDE,
    ORDER_STATE,
    REPORT_COLUMNS,
    REPORT_FILL,
    REPORT_FUNDING,
    REPORT_KIND,
    REPORT_LOTS,
    REPORT_VISIBLE_NS,
    STATE_IN_FLIGHT,
    STATE_RESTING,
    TRIP_COLUMNS,
)
from market.ledger import ONE_TIER, fill, new_ledger, new_lots, position_lots
from market.types import F8, I4, I8

NO_REPORTS: I8 = np.zeros((0, REPORT_COLUMNS), dtype=np.int64)


class OwnSide:
    """Our orders, their fills, and what they did to the balances.

    Args:
        window: (base, width) of the exchange's book.
        model: f8[MODEL_COLUMNS].
        scale: i8[SCALE_COLUMNS].
        opening: i8, quote and base units (and the target's) at the start.
        tiers: i8[n, TIER_COLUMNS].
        funding: i8[n, FUNDING_COLUMNS] of a perpetual contract.
        highest_id: the last order id that was ever used.
        last_trade_id: fills are numbered from the next one on.
    """

    def __init__(
        self,
        window: tuple[int, int],
        *,
        model: F8,
        scale: I8,
        opening: I8,
        tiers: I8 = ONE_TIER,
        funding: I8 = NO_FUNDING,
        highest_id: int = 0,
        last_trade_id: int = 0,
    ) -> None:
        self._model, self._scale, self._tiers = model, scale, tiers
        self._funding, self._half_ticks = funding, 0
        self._exchange = open_exchange(*new_book(*window))
        self._exchange.meter[METER_TRADES] = last_trade_id
        self._ledger = new_ledger(*(int(units) for units in opening))
        self._lots, self._lots_meter = new_lots()
        self._trips = np.zeros((0, TRIP_COLUMNS), dtype=np.int64)
        self._booked = 0
        self._highest_id = highest_id
        self._before = last_trade_id

    @property
    def highest_id(self) -> int:
        """The last order id that was ever used."""
        return self._highest_id

    @property
    def read(self) -> int:
        """How many of the events have been lived through."""
        return int(self._exchange.meter[METER_CURSOR])

    def forget(self, count: int) -> None:
        """Let go of the first events: the array handed in from now on begins behind them.

        Fill models that follow single orders count events, and do not stand it.
        """
        assert count <= self.read, "only what was lived through is over"
        self._exchange.meter[METER_CURSOR] -= count

    def advance(self, events: I8, born: I4, delays: I8, now_ns: int) -> None:
        """Live through the exchange's events up to a time; arguments as `market.fills.advance`.

        Raises:
            VenueError: more reports came than there is room for.
        """
        advance(events, born, self._exchange, self._model, self._scale, delays, now_ns)
        if self._exchange.meter[METER_OVERFLOW]:
            raise VenueError("more reports came in one step than the ring holds")

    def schedule(self, rows: I8) -> None:
        """Add fundings that have become known, i8[n, FUNDING_COLUMNS], later than those before."""
        self._funding = np.concatenate((self._funding, rows))

    def charge(self, half_ticks: int, delays: I8, now_ns: int) -> None:
        """Charge the fundings that are due by a step; see `market.funding.charge`.

        Args:
            half_ticks: bid + ask of the step, 0 without a sound book: then the last known holds.
            delays: i8[DELAY_COLUMNS] of the step.
            now_ns: its time.
        """
        self._half_ticks = half_ticks or self._half_ticks
        exchange, scale = self._exchange, self._scale
        if next_funding_ns(exchange.meter, self._funding) > now_ns:
            return
        charge(
            exchange.reports,
            exchange.meter,
            self._funding,
            position_lots(self._ledger, scale),
            self._booked,
            self._half_ticks,
            now_ns,
            delays,
            scale,
        )

    def reports(self, now_ns: int) -> I8:
        """Return i8[n, REPORT_COLUMNS], a copy of what has become visible since, in order."""
        meter, ring = self._exchange.meter, self._exchange.reports
        if meter[METER_WRITTEN] == meter[METER_READ]:
            return NO_REPORTS
        self._book(ring)
        first = last = int(meter[METER_READ])
        written = int(meter[METER_WRITTEN])
        while last < written and ring[last % ring.shape[0], REPORT_VISIBLE_NS] <= now_ns:
            last += 1
        meter[METER_READ] = last
        seen: I8 = ring[np.arange(first, last) % ring.shape[0]]
        return seen

    def submit(
        self,
        order_id: int,
        side: int,
        price_ticks: int,
        lots: int,
        taker: int,
        *,
        now_ns: int,
        delays: I8,
        step: int = 0,
    ) -> None:
        """Send an order at a step.

        Raises:
            VenueError: its id was used before, or there is no room.
        """
        if order_id <= self._highest_id:
            raise VenueError(
                f"an order id must be above {self._highest_id}, found {order_id}: sent twice"
            )
        self._highest_id = order_id
        exchange = self._exchange
        code = submit(
            exchange.orders,
            exchange.arrivals,
            exchange.meter,
            order_id,
            side,
            price_ticks,
            lots,
            taker,
            now_ns,
            delays,
            step,
        )
        if code == FULL:
            raise VenueError(f"order {order_id} found no room: too many orders are open")

    def cancel(self, order_id: int, *, now_ns: int, delays: I8) -> None:
        """Send a cancel at a step.

        Raises:
            VenueError: there is no room.
        """
        exchange = self._exchange
        code = cancel(exchange.orders, exchange.cancels, exchange.meter, order_id, now_ns, delays)
        if code == FULL:
            raise VenueError(f"the cancel of {order_id} found no room: too many orders are open")

    def account(self) -> VenueAccount:
        """Return balances after every fill so far, visible or not, and our open orders."""
        exchange = self._exchange
        orders = tuple(
            OpenOrder(
                int(row[ORDER_ID]),
                int(row[ORDER_SIDE]),
                int(row[ORDER_PRICE_TICKS]),
                int(row[ORDER_REMAINING]),
            )
            for row in exchange.orders
            if row[ORDER_STATE] in (STATE_IN_FLIGHT, STATE_RESTING)
        )
        return VenueAccount(
            quote_units=int(self._ledger[LEDGER_QUOTE]),
            base_units=int(self._ledger[LEDGER_BASE]),
            fills=int(exchange.meter[METER_TRADES]) - self._before,
            orders=tuple(sorted(orders, key=lambda each: each.order_id)),
        )

    def _book(self, ring: I8) -> None:
        """Book the fills and fundings that are new, as the exchange does: at once."""
        written = int(self._exchange.meter[METER_WRITTEN])
        for index in range(self._booked, written):
            row = ring[index % ring.shape[0]]
            if row[REPORT_KIND] == REPORT_FILL:
                fill(
                    self._ledger,
                    self._lots,
                    self._lots_meter,
                    self._trips,
                    row,
                    self._scale,
                    int(self._ledger[LEDGER_MARK]),
                    self._tiers,
                )
            elif row[REPORT_KIND] == REPORT_FUNDING:
                book(int(row[REPORT_LOTS]), self._ledger, self._lots, self._lots_meter)
        self._booked = written
