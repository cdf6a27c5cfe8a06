"""All orders of one executor at Binance: requests out, answers and events in, reports on.

Pure bookkeeping over `order_life`: it neither sends nor waits. Fills may come by the stream, in an
answer and by a query; each is taken once. What is over is kept for a while, for late news.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import structlog

from exchange.binance.instrument import Instrument
from exchange.binance.names import Names
from exchange.binance.words import (
    Failure,
    answer_words,
    found_order,
    heard,
    to_ns,
    trade_of,
)
from exchange.errors import VenueError
from exchange.order_life import (
    Due,
    Life,
    LiveOrder,
    News,
    Row,
    Withdrawal,
    Word,
    cancel_found_nothing,
    cancel_in_doubt,
    due,
    hear,
    missed,
    withdraw,
)
from exchange.reconcile import Found, FoundFunding, Reconciled, funding_row, reconcile
from exchange.recorded import NO_REPORTS
from market.layout import REPORT_CANCEL_REJECTED, REPORT_FILL, REPORT_KIND, REPORT_TRADE_ID
from market.types import I8

log = structlog.get_logger()

ORDER_EVENTS = frozenset({"executionReport", "ORDER_TRADE_UPDATE"})
KEPT_MAX = 1_024
"""Orders that are over and still known, for news that comes late."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request: what was told, or why it failed."""

    told: Any = None
    failure: Failure | None = None
    detail: str = ""


class OrderDesk:
    """Our orders.

    Args:
        names: how ours are called.
        known: the symbol.
        orders: those that may still be open or owe a fill, from the journal.
        highest_id: the last order id that was ever used.
        last_trade_id: the newest trade taken.
        fundings: numbers of those that were booked.
    """

    def __init__(
        self,
        names: Names,
        known: Instrument,
        *,
        orders: Iterable[LiveOrder] = (),
        highest_id: int = 0,
        last_trade_id: int = 0,
        fundings: Iterable[int] = (),
    ) -> None:
        self.names = names
        self.known = known
        self.orders = {each.order_id: each for each in orders}
        self.highest_id = max([highest_id, *self.orders])
        self.last_trade_id = last_trade_id
        self.fills = 0
        self._funded = set(fundings)
        self.numbers: dict[int, int] = {}
        """Our order id by the exchange's."""
        self._over: deque[int] = deque()
        self._rows: list[Row] = []

    @property
    def open_orders(self) -> list[LiveOrder]:
        """Return those that rest at the exchange, or might."""
        return [each for each in self.orders.values() if each.may_fill]

    def add(self, order: LiveOrder) -> None:
        """Enter an order that is about to be sent.

        Raises:
            VenueError: its id is not above every id before.
        """
        if order.order_id <= self.highest_id:
            raise VenueError(
                f"an order id must be above {self.highest_id}, found {order.order_id}: sent twice"
            )
        self.highest_id = order.order_id
        self.orders[order.order_id] = order

    def withdraw(self, order_id: int, seen_ns: int) -> bool:
        """Ask for a cancel; return whether it is to be sent now."""
        order = self.orders.get(order_id)
        if order is None:
            row = (REPORT_CANCEL_REJECTED, order_id, 0, 0, 0, seen_ns, seen_ns, 1, 0)
            self._rows.append(row)
            return False
        self.orders[order_id], now = withdraw(order)
        return now

    def hear(self, order_id: int, words: Iterable[Word], seen_ns: int) -> None:
        """Take news of one order; of one that is not known any more it is passed over."""
        for word in words:
            order = self.orders.get(order_id)
            if order is None:
                continue
            order, rows = hear(order, word, seen_ns)
            self._take(order, rows)

    def event(self, event: Mapping[str, Any], seen_ns: int) -> bool:
        """Take an event of the user stream; return whether it was about an order of ours."""
        if event.get("e") not in ORDER_EVENTS:
            return False
        news = heard(event, self.names, self.known)
        if news is None:
            return False
        self.numbers[news.exchange_id] = news.order_id
        self.hear(news.order_id, (news.word,), seen_ns)
        return True

    def fund(self, listed: Iterable[FoundFunding], seen_ns: int) -> bool:
        """Report the fundings of a list that were not booked; return whether there was one."""
        new = [each for each in listed if each.number not in self._funded]
        for each in sorted(new, key=lambda each: (each.exch_ns, each.number)):
            self._book_funding(each)
            self._rows.append(funding_row(each, seen_ns))
        return bool(new)

    def _book_funding(self, funding: FoundFunding) -> None:
        self._funded.add(funding.number)
        number, units, at_ns = funding.number, funding.units, funding.exch_ns
        log.info("funding_booked", number=number, units=units, at_ns=at_ns)

    def placed(self, order_id: int, outcome: Outcome, seen_ns: int) -> None:
        """Take what became of a new order's request."""
        if outcome.failure is None:
            self._number(order_id, outcome.told)
            self.hear(order_id, answer_words(outcome.told, self.known), seen_ns)
            return
        news = News.IN_DOUBT if outcome.failure is Failure.DOUBT else News.REJECTED
        refused = outcome.failure is not Failure.TAKES
        self.hear(order_id, (Word(news, seen_ns, refused=refused),), seen_ns)

    def cancelled(self, order_id: int, outcome: Outcome, seen_ns: int) -> None:
        """Take what became of a cancel's request."""
        order = self.orders.get(order_id)
        if outcome.failure is None:
            self.hear(order_id, answer_words(outcome.told, self.known), seen_ns)
        elif order is None:
            return
        elif outcome.failure is Failure.NOTHING:
            self._take(*cancel_found_nothing(order, seen_ns))
        elif outcome.failure in (Failure.LIMITED, Failure.CLOCK):
            if order.withdrawal is Withdrawal.OUT:
                self.orders[order_id] = replace(order, withdrawal=Withdrawal.WANTED)
        else:
            self.orders[order_id] = cancel_in_doubt(order)

    def queried(self, order_id: int, outcome: Outcome, asked_ns: int, seen_ns: int) -> None:
        """Take what a query for one order found; `asked_ns` is exchange time."""
        order = self.orders.get(order_id)
        if order is None:
            return
        if outcome.failure is Failure.NOTHING:
            self._take(*missed(order, asked_ns, seen_ns))
        elif outcome.failure is None:
            self._number(order_id, outcome.told)
            found = found_order(outcome.told, self.names, self.known)
            self.hear(order_id, (Word(found.news, found.exch_ns, found.executed),), seen_ns)

    def traded(self, outcome: Outcome, seen_ns: int) -> None:
        """Take rows of `myTrades`; those of others are passed over."""
        for row in outcome.told or ():
            order_id = self.numbers.get(int(row["orderId"]))
            if order_id is not None:
                trade = trade_of(row, self.known)
                word = Word(News.TRADED, trade.exch_ns, trade=trade)
                self.hear(order_id, (word,), seen_ns)

    def due(self, wall_ns: int) -> list[tuple[Due, int]]:
        """Return what is to be asked or sent now, and note that it was."""
        wanted = []
        for order_id, order in self.orders.items():
            order_now, what = due(order, wall_ns)
            if order_now is not order:
                self.orders[order_id] = order_now
            if what is not None:
                wanted.append((what, order_id))
        return wanted

    def doubt_unanswered(self) -> None:
        """Note that no answer will come any more: the connection is gone."""
        for order_id, order in self.orders.items():
            if order.life is Life.SENT:
                self.orders[order_id], _ = hear(order, Word(News.IN_DOUBT, 0), 0)
            elif order.withdrawal is Withdrawal.OUT:
                self.orders[order_id] = cancel_in_doubt(order)

    def reconcile(self, found: Found, seen_ns: int) -> Reconciled:
        """Take the exchange's answers about everything."""
        made = reconcile(self.orders, self.highest_id, found, seen_ns, self._funded)
        for each in made.funded:
            self._book_funding(each)
        for order in made.orders.values():
            self._take(order, ())
        self._report(made.rows)
        known = [each.trade.trade_id for each in found.trades]
        self.last_trade_id = max([self.last_trade_id, *known])
        return made

    def take_rows(self) -> I8:
        """Return the reports since the last call, i8[n, REPORT_COLUMNS]."""
        if not self._rows:
            return NO_REPORTS
        rows = np.array(self._rows, dtype=np.int64)
        self._rows.clear()
        return rows

    def _number(self, order_id: int, told: Mapping[str, Any]) -> None:
        if "orderId" in told:
            self.numbers[int(told["orderId"])] = order_id

    def _take(self, order: LiveOrder, rows: tuple[Row, ...]) -> None:
        was_over = self.orders[order.order_id].over
        self.orders[order.order_id] = order
        self._report(rows)
        if order.over and not was_over:
            self._over.append(order.order_id)
            while len(self._over) > KEPT_MAX:
                gone = self._over.popleft()
                if self.orders[gone].over:
                    del self.orders[gone]

    def _report(self, rows: tuple[Row, ...]) -> None:
        for row in rows:
            if row[REPORT_KIND] == REPORT_FILL:
                self.fills += 1
                self.last_trade_id = max(self.last_trade_id, row[REPORT_TRADE_ID])
        self._rows.extend(rows)


def stamp_ns(event: Mapping[str, Any]) -> int:
    """Return when an event was sent, ns; 0 when it does not say."""
    return to_ns(int(event["E"])) if "E" in event else 0
