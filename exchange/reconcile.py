"""What an exchange and our own record make of one another, at a start and after a lost stream.

Everything is asked by REST first: open orders, our trades since the last one taken, each order of
ours that is no longer open, balances. Nothing here asks or sends; the answer is what to report,
what to cancel, and why a start must be refused.
"""

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from exchange.order_life import LiveOrder, News, Row, Trade, Word, hear, missed
from market.layout import REPORT_FUNDING


@dataclass(frozen=True, slots=True)
class FoundOrder:
    """An order as a query found it.

    Attributes:
        client_id: as it was sent.
        order_id: ours, None when the client id has not our prefix.
        news: FOUND_OPEN, COMPLETED, ENDED or REJECTED.
        executed: lots.
        exch_ns: exchange time of its last change.
    """

    client_id: str
    order_id: int | None
    news: News
    executed: int
    exch_ns: int


@dataclass(frozen=True, slots=True)
class FoundTrade:
    """A trade of the account; `order_id` None when it was none of our orders."""

    order_id: int | None
    trade: Trade


@dataclass(frozen=True, slots=True)
class FoundFunding:
    """What a perpetual position received, negative when it paid; `number` is the exchange's."""

    number: int
    exch_ns: int
    units: int


@dataclass(frozen=True, slots=True)
class Found:
    """What the exchange says.

    Attributes:
        asked_ns: exchange time at which the questions began.
        open: every open order of the symbol.
        ended: by our order id, those asked for one by one; None: no such order.
        trades: of the account in the symbol, after the last one taken.
        quote_units: free and locked, 1e-8.
        base_units: the same.
        fundings: of a perpetual position since our record began, in those balances.
    """

    asked_ns: int
    open: tuple[FoundOrder, ...]
    ended: Mapping[int, FoundOrder | None]
    trades: tuple[FoundTrade, ...]
    quote_units: int
    base_units: int
    fundings: tuple[FoundFunding, ...] = ()


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What follows.

    Attributes:
        orders: every order that was known, as it stands now.
        rows: reports, in the order of the exchange's time.
        cancels: client ids of ours that are open and must go.
        foreign: client ids of open orders that are not ours; they are left alone.
        unknown: why our record cannot be lived on from; empty when it can.
        funded: fundings that our record did not have; they are among the rows.
    """

    orders: dict[int, LiveOrder]
    rows: tuple[Row, ...]
    cancels: tuple[str, ...]
    foreign: tuple[str, ...]
    unknown: tuple[str, ...]
    funded: tuple[FoundFunding, ...] = ()

    @property
    def funding_units(self) -> int:
        """Quote units that the new fundings brought."""
        return sum(each.units for each in self.funded)


def funding_row(funding: FoundFunding, seen_ns: int) -> Row:
    """Return the report of a funding."""
    units, at_ns = funding.units, funding.exch_ns
    return (REPORT_FUNDING, 0, 0, 0, units, at_ns, seen_ns, 0, funding.number)


def asked_for(orders: Iterable[LiveOrder], open_ids: Iterable[int]) -> tuple[int, ...]:
    """Return the ids of the orders that must be asked for one by one: not open, not over."""
    found = set(open_ids)
    return tuple(each.order_id for each in orders if not each.over and each.order_id not in found)


def reconcile(
    orders: Mapping[int, LiveOrder],
    highest_id: int,
    found: Found,
    seen_ns: int,
    funded: Collection[int] = (),
) -> Reconciled:
    """Return what the exchange's answers make of our record.

    Args:
        orders: of ours, by id: all that may still be open or owe a fill, and more.
        highest_id: the last order id for which there is an intent.
        found: the exchange's answers.
        seen_ns: local time from which the reports may be known.
        funded: numbers of the fundings that were booked.
    """
    now = dict(orders)
    rows: list[Row] = []
    unknown: list[str] = []
    fundings = deque(
        sorted(
            (each for each in found.fundings if each.number not in funded),
            key=lambda each: (each.exch_ns, each.number),
        )
    )
    owed = tuple(fundings)
    for each in sorted(found.trades, key=lambda each: each.trade.trade_id):
        while fundings and fundings[0].exch_ns < each.trade.exch_ns:
            rows.append(funding_row(fundings.popleft(), seen_ns))
        if each.order_id is None:
            continue
        trade = each.trade
        if each.order_id not in now:
            unknown.append(
                f"trade {trade.trade_id} of {trade.lots} lots belongs to our order "
                f"{each.order_id}, of which the journal knows nothing open"
            )
            continue
        word = Word(News.TRADED, trade.exch_ns, trade=trade)
        now[each.order_id], told = hear(now[each.order_id], word, seen_ns)
        rows.extend(told)
    rows.extend(funding_row(each, seen_ns) for each in fundings)
    states = {each.order_id: each for each in found.open if each.order_id is not None}
    for order_id, order in sorted(now.items()):
        told = ()
        state = states.get(order_id)
        if state is None and order_id in found.ended:
            state = found.ended[order_id]
            if state is None:
                now[order_id], told = missed(order, found.asked_ns, seen_ns)
        if state is not None:
            word = Word(state.news, state.exch_ns, executed=state.executed)
            now[order_id], told = hear(order, word, seen_ns)
        rows.extend(told)
    unknown.extend(
        f"order {each.order_id} is open, the journal's last one is {highest_id}"
        for each in found.open
        if each.order_id is not None and each.order_id > highest_id and each.executed > 0
    )
    return Reconciled(
        orders=now,
        rows=tuple(rows),
        cancels=tuple(each.client_id for each in found.open if each.order_id is not None),
        foreign=tuple(each.client_id for each in found.open if each.order_id is None),
        unknown=tuple(unknown),
        funded=owed,
    )


def short_of(found: Found, quote_units: int, base_units: int) -> str:
    """Return how the account holds less than our record says; empty when it holds enough.

    Several executors may share an account: it may hold more than any one of them knows of.
    """
    missing = [
        f"{name} {have / 1e8:.8f}, our record says {need / 1e8:.8f}"
        for name, have, need in (
            ("quote", found.quote_units, quote_units),
            ("base", found.base_units, base_units),
        )
        if have < need
    ]
    return "; ".join(missing)
