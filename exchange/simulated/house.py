"""What all accounts share in one symbol: the recorded market, numbers of orders and trades, and
what is told to whom.

An account's outcomes do not overtake each other on their way back, as in `market.resting`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any

from exchange.simulated import wire
from exchange.simulated.accounts import (
    Account,
    Elsewhere,
    Order,
    Status,
    Trade,
    book_trade,
    commission_of,
)
from exchange.simulated.commands import Outcome
from exchange.simulated.dialect import Dialect
from exchange.simulated.instrument import CONTRACT_CLOSED, DAY_ENDED, Instrument
from exchange.simulated.matching import Meeting, Part, Plan, Standing, meetings
from exchange.simulated.recorded_side import RecordedSide
from exchange.simulated.usdm.margin import Funding, booked, funding_of
from exchange.simulated.usdm.margins import beyond_the_position
from exchange.simulated.usdm.wire import account_update
from market.layout import (
    BUY,
    NO_ASK,
    NO_BID,
    REPORT_EXCH_NS,
    REPORT_LOTS,
    REPORT_ORDER_ID,
    REPORT_PRICE_TICKS,
)

LONG_AGO_NS = -(1 << 62)
Keep = Callable[[Account, Order, Trade | None], None]
Note = Callable[[Account, dict[str, Any]], None]


def keep_nothing(account: Account, order: Order, trade: Trade | None) -> None:
    """Keep no state beyond this process."""


def note_nothing(account: Account, change: dict[str, Any]) -> None:
    """Keep no change beyond this process."""


class House:
    """The accounts and their orders in one market.

    Args:
        instrument: the symbol.
        accounts: who trades.
        side: makes an account's side of the recorded market.
        keep: told of every order that changed and every trade.
        note: told of every other change of an account: `leverage`, `funding`.
        words: of spot or of USD-M futures.

    Attributes:
        mark_half_ticks: twice the middle of the recorded quotes.
    """

    def __init__(
        self,
        instrument: Instrument,
        accounts: Iterable[Account],
        side: Callable[[], RecordedSide],
        keep: Keep = keep_nothing,
        note: Note = note_nothing,
        words: Dialect = wire,
    ) -> None:
        self.words = words
        self.note = note
        self.mark_half_ticks = 0
        self.instrument = instrument
        self.accounts = list(accounts)
        for account in self.accounts:
            account.symbol = instrument.symbol
        self.sides = {account.key: side() for account in self.accounts}
        self.now_ns = LONG_AGO_NS
        self.response_ns = 0
        self.last_ticks = 0
        self.next_order_id = 1
        self.next_trade_id = 1
        self.next_execution_id = 1
        self.filled: list[Account] = []
        self._keep = keep
        self._visible: dict[str, int] = {}
        self._outcomes: list[Outcome] = []

    @property
    def is_futures(self) -> bool:
        """Whether it is a house of USD-M futures."""
        return any(account.margin is not None for account in self.accounts)

    def collect(self) -> list[Outcome]:
        """Return what came about since the last time."""
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def live_until(self, now_ns: int) -> list["Filling"]:
        """Let the recorded market do to all resting orders what it did up to a time.

        Returns what it filled, to be booked by time: the money is that of other symbols as well.
        """
        if now_ns <= self.now_ns:
            return []
        self.now_ns = now_ns
        found: list[Filling] = []
        for account in self.accounts:
            side = self.sides[account.key]
            if not side.idle:
                rows = side.advance(now_ns)
                found.extend(Filling(row[REPORT_EXCH_NS], self, account, row) for row in rows)
        return found

    def book(self, filling: "Filling") -> None:
        """Book what the recorded market filled."""
        account, row, time_ns = filling.account, filling.row, filling.time_ns
        order = account.open.get(row[REPORT_ORDER_ID])
        if order is None:  # reduce-only, and an earlier fill has left nothing to reduce
            return
        price, lots = row[REPORT_PRICE_TICKS], row[REPORT_LOTS]
        self.fill(account, order, price, lots, time_ns, maker=True)
        self.tell_position(account, time_ns)
        self.trim(account)

    def resume(self, now_ns: int) -> None:
        """Put the open orders of an earlier life to rest; their places in line are lost."""
        self.now_ns = now_ns
        for account in self.accounts:
            side = self.sides[account.key]
            side.advance(now_ns)
            for order in account.open.values():
                told = (order.order_id, order.side, order.price_ticks, order.remaining, now_ns)
                assert side.rest(*told)

    def arrive(self, account: Account) -> None:
        """Bring an account's side of the market to now: one of its requests has arrived."""
        self.sides[account.key].advance(self.now_ns)

    def answer(self, account: Account, ticket: int, told: Any) -> None:
        """Put an answer on its way."""
        self._outcomes.append(
            Outcome(self._visible_ns(account, self.now_ns), account.key, ticket, told)
        )

    def tell(
        self,
        account: Account,
        order: Order,
        execution: str,
        *,
        now_ns: int | None = None,
        trade: Trade | None = None,
        client_id: str | None = None,
        previous_client_id: str = "",
    ) -> int:
        """Put an event of an order's life on its way, and keep it; return its number."""
        now_ns = self.now_ns if now_ns is None else now_ns
        self._keep(account, order, trade)
        number = self.next_execution_id
        self.next_execution_id += 1
        report = self.words.execution_report(
            order,
            self.instrument,
            execution=execution,
            execution_id=number,
            now_ns=now_ns,
            trade=trade,
            client_id=client_id,
            previous_client_id=previous_client_id,
        )
        self._outcomes.append(Outcome(self._visible_ns(account, now_ns), account.key, None, report))
        return number

    def tell_position(self, account: Account, now_ns: int | None = None) -> None:
        """Put the account's balances on their way."""
        now_ns = self.now_ns if now_ns is None else now_ns
        told = self.words.account_position(account, self.instrument, now_ns)
        self._tell_event(account, now_ns, told)

    def fund(self, time_ns: int, rate: int) -> None:
        """Let every position pay or receive a funding, at the mark; see `market.funding`."""
        for account in self.accounts:
            lots = account.held_lots(self.instrument)
            if account.margin is None or not lots:
                continue
            units = funding_of(lots, self.mark_half_ticks, rate, self.instrument)
            account.balances[self.instrument.quote] += units
            number = len(account.margin.funding) + 1
            account.margin.funding.append(Funding(time_ns, units, number))
            self.note(account, {"funding": [time_ns, units, number]})
            told = account_update(account, self.instrument, time_ns, "FUNDING_FEE")
            self._tell_event(account, time_ns, told)

    def trim(self, account: Account) -> None:
        """Let reduce-only orders expire that a fill has left without a position to reduce."""
        if account.margin is None:
            return
        for order in beyond_the_position(account, self.instrument):
            self.end(account, order, Status.EXPIRED)
            self.tell(account, order, "EXPIRED")

    def _tell_event(self, account: Account, now_ns: int, told: dict[str, Any] | None) -> None:
        if told is not None:
            visible_ns = self._visible_ns(account, now_ns)
            self._outcomes.append(Outcome(visible_ns, account.key, None, told))

    def fill(
        self,
        account: Account,
        order: Order,
        price_ticks: int,
        lots: int,
        time_ns: int,
        *,
        maker: bool,
        trade_id: int | None = None,
    ) -> Trade:
        """Fill lots of an order: balances, commission, status, the event of it."""
        if trade_id is None:
            trade_id = self.next_trade_id
            self.next_trade_id += 1
        notional = self.instrument.notional(price_ticks, lots)
        commission, asset = commission_of(
            account, self.instrument, order.side, lots, notional, maker=maker
        )
        realised = 0
        if account.margin is not None:
            held = account.held_lots(self.instrument)
            _, realised = booked(account.margin.entry, held, order.side, lots, notional)
        trade = Trade(
            trade_id=trade_id,
            order_id=order.order_id,
            side=order.side,
            price_ticks=price_ticks,
            lots=lots,
            quote_units=notional,
            commission=commission,
            commission_asset=asset,
            time_ns=time_ns,
            is_maker=maker,
            realised=realised,
        )
        book_trade(account, self.instrument, order, trade)
        order.status = Status.FILLED if order.remaining == 0 else Status.PARTIALLY_FILLED
        if not order.is_open:
            account.open.pop(order.order_id, None)
        self.filled.append(account)
        self.tell(account, order, "TRADE", now_ns=time_ns, trade=trade)
        return trade

    def end(self, account: Account, order: Order, status: Status) -> None:
        """End an order as it stands; the caller tells of it."""
        if order.order_id in account.open:
            del account.open[order.order_id]
            self.sides[account.key].withdraw(order.order_id, order.remaining)
        order.status = status
        order.updated_ns = account.updated_ns = self.now_ns

    def close(self) -> None:
        """End the market for good: open orders expire, and the symbol's status says why."""
        for account in self.accounts:
            for order in list(account.open.values()):
                self.end(account, order, Status.EXPIRED)
                self.tell(account, order, "EXPIRED")
            self.tell_position(account)
        status = CONTRACT_CLOSED if self.is_futures else DAY_ENDED
        self.instrument = self.instrument.changed(status=status)

    def standing(self, side: int, limit_ticks: int) -> list[Standing]:
        """Return the resting orders that an order of a side can meet, best and earliest first."""
        found = [
            Standing(order, self.sides[account.key].ahead(order.order_id))
            for account in self.accounts
            for order in account.open.values()
            if order.side == -side and side * (limit_ticks - order.price_ticks) >= 0
        ]
        found.sort(key=lambda each: (side * each.order.price_ticks, each.order.order_id))
        return found

    def way_of(self, account: Account, side: int, limit_ticks: int) -> Iterable[Part]:
        """Return what an order of a side would meet now, up to its limit."""
        market = self.sides[account.key].levels(side, limit_ticks)
        return meetings(market, self.standing(side, limit_ticks), side)

    def would_take(self, account: Account, side: int, limit_ticks: int) -> bool:
        """Return whether an order at a limit would meet anything."""
        bid, ask = self.sides[account.key].touch()
        best = ask if side == BUY else bid
        if best is not None and side * (limit_ticks - best) >= 0:
            return True
        return bool(self.standing(side, limit_ticks))

    def take(self, account: Account, order: Order, plan: Plan) -> list[Trade]:
        """Carry out a plan; return the order's own trades."""
        trades = []
        for part in plan.parts:
            if part.meeting is Meeting.SELF:
                self._prevent(account, order, part)
                continue
            trade_id = None
            if part.maker is not None:
                trade_id = self._serve(part.maker, part.price_ticks, part.lots)
            trades.append(
                self.fill(
                    account,
                    order,
                    part.price_ticks,
                    part.lots,
                    self.now_ns,
                    maker=False,
                    trade_id=trade_id,
                )
            )
        return trades

    def account_of(self, key: str) -> Account:
        """Return the account with a key."""
        return next(account for account in self.accounts if account.key == key)

    def _serve(self, maker: Order, price_ticks: int, lots: int) -> int:
        """Fill a resting order by one that arrives; return the trade's number."""
        owner = self.account_of(maker.account)
        self.sides[owner.key].withdraw(maker.order_id, lots)
        trade = self.fill(owner, maker, price_ticks, lots, self.now_ns, maker=True)
        self.tell_position(owner)
        return trade.trade_id

    def _prevent(self, account: Account, order: Order, part: Part) -> None:
        """Let self-trade prevention act on the resting order that would have been met."""
        maker = part.maker
        assert maker is not None
        if part.lots < maker.remaining:  # DECREMENT
            self.sides[account.key].withdraw(maker.order_id, part.lots)
            maker.prevented += part.lots
            order.prevented += part.lots
            self.tell(account, maker, "TRADE_PREVENTION")
            return
        if order.stp == "DECREMENT":
            self.end(account, maker, Status.EXPIRED_IN_MATCH)
            maker.prevented += part.lots
            order.prevented += part.lots
        else:
            self.end(account, maker, Status.EXPIRED_IN_MATCH)
        self.tell(account, maker, "TRADE_PREVENTION")

    def _visible_ns(self, account: Account, time_ns: int) -> int:
        visible = max(self._visible.get(account.key, LONG_AGO_NS), time_ns + self.response_ns)
        self._visible[account.key] = visible
        return visible


@dataclass(frozen=True, slots=True)
class Filling:
    """A fill by the recorded market; `row` is of REPORT_COLUMNS."""

    time_ns: int
    house: House
    account: Account
    row: list[int]


def live_together(houses: Iterable[House], now_ns: int) -> None:
    """Let all symbols live up to a time, and book what was filled in the order of its time."""
    found = [filling for house in houses for filling in house.live_until(now_ns)]
    for filling in sorted(found, key=attrgetter("time_ns")):
        filling.house.book(filling)


def share_accounts(houses: Sequence[House]) -> None:
    """Let a client's accounts in several symbols be one: of its money and of what is locked."""
    for same in zip(*(house.accounts for house in houses), strict=True):
        balances: dict[str, int] = {}
        for account in same:
            for asset, units in account.balances.items():
                balances.setdefault(asset, units)
        for account in same:
            account.balances = balances
            account.elsewhere = [
                Elsewhere(other, house.instrument, partial(getattr, house, "mark_half_ticks"))
                for other, house in zip(same, houses, strict=True)
                if other is not account
            ]


def far(side: int) -> int:
    """Return the limit of an order without one, ticks."""
    return NO_ASK - 1 if side == BUY else NO_BID + 1
