"""The life of one order at an exchange as two tables, and what each piece of news makes of it.

What was sent may have happened although the answer says nothing (a time-out, HTTP 5xx, -1007):
such an outcome is a state of its own, and only a query ends it. News may come twice, late, or in
another order than it happened: every pair of state and news is in the table. Fills are told once
each, by the exchange's trade id, and an order's end is told only after the last of its fills.
Nothing here sends, waits or knows the time: `due` says what must be asked or sent now.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from exchange.errors import VenueError
from market.layout import (
    REPORT_ACCEPTED,
    REPORT_CANCEL_REJECTED,
    REPORT_CANCELLED,
    REPORT_FILL,
    REPORT_REFUSED,
    REPORT_REJECTED,
)

QUERY_EVERY_NS = 500 * 10**6
"""Least time between two queries about one order, wall time."""
FILLS_WAIT_NS = 1_000 * 10**6
"""How long the stream may owe a fill that the exchange has told of, before it is asked for."""
MISSES_MIN = 3
"""Answers "no such order" in a row that are believed, the last after the request's deadline."""
Row: TypeAlias = tuple[int, int, int, int, int, int, int, int, int]
"""One report; columns are REPORT_* of `market.layout`."""


class Life(StrEnum):
    """Where an order stands."""

    SENT = "sent"  # no answer yet
    DOUBT = "doubt"  # the answer said nothing, or was lost
    OPEN = "open"
    GONE = "gone"  # not in the book any more; how it ended is not known yet
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    ABSENT = "absent"  # it never arrived, and cannot any more


class News(StrEnum):
    """What is heard of an order."""

    ACCEPTED = "accepted"
    TRADED = "traded"
    COMPLETED = "completed"  # nothing remains
    ENDED = "ended"  # cancelled or expired
    REJECTED = "rejected"
    IN_DOUBT = "in doubt"  # its request failed without an answer
    ABSENT = "absent"  # several queries found nothing, the last one too late for it to arrive
    VANISHED = "vanished"  # a cancel, or a list of open orders, found nothing
    FOUND_OPEN = "found open"  # by a query


class Withdrawal(StrEnum):
    """Where an order's cancel stands."""

    NONE = "none"
    WANTED = "wanted"  # to be sent as soon as the order is known to be open
    OUT = "out"
    CHECK = "check"  # its answer said nothing: ask for the order first


TERMINAL = frozenset({Life.FILLED, Life.CANCELLED, Life.REJECTED, Life.ABSENT})
_SENT, _DOUBT, _OPEN, _GONE = Life.SENT, Life.DOUBT, Life.OPEN, Life.GONE
_FILLED, _CANCELLED = Life.FILLED, Life.CANCELLED
_ENDS = {News.COMPLETED: _FILLED, News.ENDED: _CANCELLED}
_KNOWN = {News.ACCEPTED: _OPEN, News.TRADED: _OPEN, News.FOUND_OPEN: _OPEN, **_ENDS}
_NEW = {**_KNOWN, News.REJECTED: Life.REJECTED, News.ABSENT: Life.ABSENT}
_MOVES: dict[Life, dict[News, Life]] = {
    _SENT: {**_NEW, News.IN_DOUBT: _DOUBT},
    _DOUBT: _NEW,
    _OPEN: {**_ENDS, News.VANISHED: _GONE},
    _GONE: {**_ENDS, News.FOUND_OPEN: _OPEN, News.ABSENT: _CANCELLED},
    _FILLED: {},
    _CANCELLED: {},
    Life.REJECTED: {},
    # Believed dead, told as refused; should it show up all the same, it is ours and is cancelled.
    Life.ABSENT: _KNOWN,
}
LIFE: dict[tuple[Life, News], Life] = {
    (life, news): _MOVES[life].get(news, life) for life in Life for news in News
}
"""Every pair of state and news; a pair that `_MOVES` does not name changes nothing."""


class OrderLifeError(VenueError):
    """The exchange told of an order what cannot be."""


@dataclass(frozen=True, slots=True)
class Trade:
    """One execution of an order of ours.

    Attributes:
        trade_id: the exchange's, unique in its symbol.
        exch_ns: its time, at the resolution of the wire.
        maker: 1 maker, 0 taker.
    """

    trade_id: int
    price_ticks: int
    lots: int
    exch_ns: int
    maker: int


@dataclass(frozen=True, slots=True)
class Word:
    """One piece of news about one order.

    Attributes:
        news: what happened.
        exch_ns: when, by the exchange.
        executed: lots executed by then as the exchange says; 0 when it did not say.
        trade: with TRADED alone.
        refused: with REJECTED: for a reason other than that a post-only order would have taken.
    """

    news: News
    exch_ns: int
    executed: int = 0
    trade: Trade | None = None
    refused: bool = False


@dataclass(frozen=True, slots=True)
class LiveOrder:
    """One order of ours, as far as is known here.

    Attributes:
        deadline_ns: exchange time after which its request cannot take effect any more.
        life: where it stands.
        withdrawal: where its cancel stands.
        trades: ids of the trades taken.
        filled: lots of those.
        executed: lots that the exchange says were executed, never below `filled`.
        misses: answers "no such order" in a row.
        asked_ns: when it was last asked for, wall time.
        owing_ns: since when a fill that was told of is missing, wall time; 0 while none is.
        end_ns: exchange time of its end.
        told_open: whether its acceptance was reported.
        told_end: whether its end was reported.
        owed: cancels that found nothing and were not reported yet.
    """

    order_id: int
    side: int
    price_ticks: int
    lots: int
    taker: int = 0
    deadline_ns: int = 0
    life: Life = Life.SENT
    withdrawal: Withdrawal = Withdrawal.NONE
    trades: frozenset[int] = frozenset()
    filled: int = 0
    executed: int = 0
    misses: int = 0
    asked_ns: int = 0
    owing_ns: int = 0
    end_ns: int = 0
    told_open: bool = False
    told_end: bool = False
    owed: int = 0

    @property
    def remaining(self) -> int:
        """Lots that were not filled, as far as is known here."""
        return self.lots - self.filled

    @property
    def over(self) -> bool:
        """Whether it has ended and no fill of it is missing."""
        return self.life in TERMINAL and self.filled >= self.executed

    @property
    def may_fill(self) -> bool:
        """Whether it rests at the exchange, or might."""
        return self.life not in TERMINAL


def hear(order: LiveOrder, word: Word, seen_ns: int) -> tuple[LiveOrder, tuple[Row, ...]]:
    """Take in one piece of news; return the order and what is to be reported, in order.

    Args:
        order: as it stood.
        word: what was heard; the same word twice reports nothing twice.
        seen_ns: local time from which the reports may be known.

    Raises:
        OrderLifeError: more was executed than was ordered.
    """
    rows: list[Row] = []
    news, trade = word.news, word.trade
    executed = max(order.executed, word.executed)
    if news is News.COMPLETED:
        executed = order.lots
    fills = trade is not None and trade.trade_id not in order.trades
    if trade is not None and fills:
        order = replace(
            order, trades=order.trades | {trade.trade_id}, filled=order.filled + trade.lots
        )
        executed = max(executed, order.filled)
        if order.filled == order.lots:
            news = News.COMPLETED
    if executed > order.lots:
        raise OrderLifeError(
            f"order {order.order_id} of {order.lots} lots cannot have executed {executed}"
        )
    before, life = order.life, LIFE[order.life, news]
    order = replace(order, life=life, executed=executed)
    if news is not News.ABSENT:
        order = replace(order, misses=0)
    if life in TERMINAL and before not in TERMINAL:
        order = replace(order, end_ns=word.exch_ns, withdrawal=Withdrawal.NONE)
    if life is Life.OPEN and (
        before is Life.ABSENT
        or (news is News.FOUND_OPEN and (order.owed or order.withdrawal is Withdrawal.CHECK))
    ):
        order = replace(order, withdrawal=Withdrawal.WANTED, owed=0)
    if not (order.taker or order.told_open) and (life in (_OPEN, _GONE) or life in _ENDS.values()):
        order = replace(order, told_open=True)
        if not order.told_end:
            rows.append(_row(order, REPORT_ACCEPTED, word.exch_ns, seen_ns, order.lots))
    if trade is not None and fills:
        rows.append(_fill(order, trade, seen_ns))
    if life is Life.REJECTED and not order.told_end:
        kind = REPORT_REFUSED if word.refused else REPORT_REJECTED
        order = replace(order, told_end=True)
        rows.append(_row(order, kind, word.exch_ns, seen_ns, order.remaining))
    order, ends = _end(order, seen_ns)
    return order, (*rows, *ends)


def _end(order: LiveOrder, seen_ns: int) -> tuple[LiveOrder, list[Row]]:
    """Report the end, and cancels that came too late, once no fill is missing."""
    rows: list[Row] = []
    if not order.over:
        return order, rows
    if not order.told_end:
        kind = REPORT_REFUSED if order.life is Life.ABSENT else REPORT_CANCELLED
        if order.life is not Life.FILLED:
            rows.append(_row(order, kind, order.end_ns, seen_ns, order.remaining))
        order = replace(order, told_end=True)
    late = _row(order, REPORT_CANCEL_REJECTED, seen_ns, seen_ns, order.remaining)
    rows.extend([late] * order.owed)
    return replace(order, owed=0), rows


def _row(order: LiveOrder, kind: int, exch_ns: int, seen_ns: int, lots: int) -> Row:
    price, maker = order.price_ticks, 1 - order.taker
    return (kind, order.order_id, order.side, price, lots, exch_ns, seen_ns, maker, 0)


def _fill(order: LiveOrder, trade: Trade, seen_ns: int) -> Row:
    return (
        REPORT_FILL,
        order.order_id,
        order.side,
        trade.price_ticks,
        trade.lots,
        trade.exch_ns,
        seen_ns,
        trade.maker,
        trade.trade_id,
    )


# --- the cancel of an order ------------------------------------------------------------------


def withdraw(order: LiveOrder) -> tuple[LiveOrder, bool]:
    """Ask for an order's cancel; return whether it is to be sent now.

    One that is on its way is not sent again. That of an order in doubt is sent all the same: if
    the order is there it must go, and if the cancel finds nothing it is sent again later.
    """
    if order.withdrawal is not Withdrawal.NONE:
        return order, False
    return replace(order, withdrawal=Withdrawal.OUT), True


def cancel_in_doubt(order: LiveOrder) -> LiveOrder:
    """Note that a cancel's answer was lost."""
    if order.withdrawal is Withdrawal.OUT:
        return replace(order, withdrawal=Withdrawal.CHECK)
    return order


def cancel_found_nothing(order: LiveOrder, seen_ns: int) -> tuple[LiveOrder, tuple[Row, ...]]:
    """Note that a cancel found no such order.

    It may have overtaken its order: then it is sent again once the order is known to be open.
    """
    if order.life in (Life.SENT, Life.DOUBT):
        return replace(order, withdrawal=Withdrawal.WANTED), ()
    order = replace(order, withdrawal=Withdrawal.NONE, owed=order.owed + 1)
    return hear(order, Word(News.VANISHED, seen_ns), seen_ns)


# --- what must be done about an order --------------------------------------------------------


class Due(StrEnum):
    """What is to be sent about an order."""

    CANCEL = "cancel"
    QUERY = "query"  # the order by its client id
    TRADES = "trades"  # its trades


def due(order: LiveOrder, wall_ns: int) -> tuple[LiveOrder, Due | None]:
    """Return what is to be sent about an order now, and the order once that was done."""
    if order.withdrawal is Withdrawal.WANTED and order.life is Life.OPEN:
        return replace(order, withdrawal=Withdrawal.OUT), Due.CANCEL
    doubtful = order.life in (Life.DOUBT, Life.GONE) or order.withdrawal is Withdrawal.CHECK
    if doubtful and wall_ns - order.asked_ns >= QUERY_EVERY_NS:
        return replace(order, asked_ns=wall_ns), Due.QUERY
    if order.filled >= order.executed:
        return (replace(order, owing_ns=0) if order.owing_ns else order), None
    if order.owing_ns == 0:
        return replace(order, owing_ns=wall_ns), None
    if wall_ns - order.owing_ns >= FILLS_WAIT_NS:
        return replace(order, owing_ns=wall_ns), Due.TRADES
    return order, None


def missed(order: LiveOrder, asked_exch_ns: int, seen_ns: int) -> tuple[LiveOrder, tuple[Row, ...]]:
    """Take in that a query, asked at an exchange time, found no such order.

    One answer proves nothing: a replica may lag, and the request may still be on its way until
    its receive window has passed.
    """
    order = replace(order, misses=order.misses + 1)
    if order.misses < MISSES_MIN or asked_exch_ns <= order.deadline_ns:
        return order, ()
    return hear(order, Word(News.ABSENT, asked_exch_ns), seen_ns)
