"""Binance's messages and errors as words of an order's life. Nothing here waits or sends.

Times on the wire count milli- or microseconds; which, their size tells. An error is a definite no
only where Binance says so: a time-out, HTTP 5xx, -1006 and -1007 leave open what happened.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from exchange.binance.instrument import Instrument
from exchange.binance.names import Names
from exchange.order_life import News, Trade, Word
from exchange.reconcile import FoundOrder

MICROSECONDS_FROM = 10**15
TAKES = "immediately match"
"""In the message of a post-only order that would have taken."""


def to_ns(stamp: int) -> int:
    """Return a time of the wire in nanoseconds."""
    return stamp * (1_000 if stamp >= MICROSECONDS_FROM else 1_000_000)


class Failure(StrEnum):
    """What a failed request means."""

    DOUBT = "doubt"  # it may have been carried out
    TAKES = "takes"  # a post-only order that would have taken
    REFUSED = "refused"  # a definite no
    NOTHING = "nothing"  # no such order
    LIMITED = "limited"  # too many requests or orders; it was not carried out
    CLOCK = "clock"  # our time is off; it was not carried out
    CLOSED = "closed"  # the symbol does not trade now; it was not carried out
    UNSENT = "unsent"  # no connection: it never left
    KEY = "key"  # the key, or its rights, are wrong


IN_DOUBT = frozenset({-1000, -1001, -1006, -1007, -1008})
NO_ORDER = frozenset({-2011, -2013})
DUPLICATE = -4116
"""What futures say for "Duplicate order"."""
NO_MARKET = frozenset({-4108})
CLOSED_MARKET = "Market is closed"
"""What spot says under a code (-1013) that has many meanings."""
LIMITS = frozenset({-1003, -1015, -1034})
BAD_KEY = frozenset({-1002, -1022, -2014, -2015, -2008})


def failure_of(status: int, code: int, message: str) -> Failure:
    """Return what an answer that is no success means.

    Args:
        status: HTTP status.
        code: Binance's, 0 when the answer held none.
        message: its text.
    """
    # A duplicate name means that an order of ours is open: what became of this one is to be asked.
    if status >= 500 or code in IN_DOUBT or code == DUPLICATE or "Duplicate order" in message:
        return Failure.DOUBT
    if status in (429, 418, 403) or code in LIMITS:
        return Failure.LIMITED
    if code == -1021:
        return Failure.CLOCK
    if status == 401 or code in BAD_KEY:
        return Failure.KEY
    if code in NO_ORDER:
        return Failure.NOTHING
    if code in NO_MARKET or CLOSED_MARKET in message:
        return Failure.CLOSED
    if code == -5022 or (code == -2010 and TAKES in message):
        return Failure.TAKES
    return Failure.REFUSED


ENDED = frozenset({"CANCELED", "EXPIRED", "EXPIRED_IN_MATCH", "PENDING_CANCEL"})


def news_of(status: str) -> News:
    """Return the news in an order's `status`."""
    if status == "FILLED":
        return News.COMPLETED
    if status in ENDED:
        return News.ENDED
    if status == "REJECTED":
        return News.REJECTED
    return News.ACCEPTED


@dataclass(frozen=True, slots=True)
class Heard:
    """News about an order of ours from a stream.

    Attributes:
        order_id: ours.
        exchange_id: the exchange's own number of it.
        word: the news.
        sent_ns: when the exchange sent it.
    """

    order_id: int
    exchange_id: int
    word: Word
    sent_ns: int


def heard(event: Mapping[str, Any], names: Names, known: Instrument) -> Heard | None:
    """Return the news of an `executionReport`, or of the futures' `ORDER_TRADE_UPDATE`.

    None when it is not about an order of ours.
    """
    if isinstance(event.get("o"), Mapping):
        event = {**event["o"], "E": event["E"]}
    name = event["c"]
    if names.order_id(name) is None and event.get("C"):
        name = event["C"]  # a cancel has a name of its own, and here the order's
    order_id = names.order_id(name)
    if order_id is None or event["s"] != known.symbol:
        return None
    at_ns = to_ns(event["T"])
    executed = known.lots(event["z"])
    trade = None
    if event["x"] == "TRADE":
        news = News.TRADED
        price, lots = known.ticks(event["L"]), known.lots(event["l"])
        trade = Trade(int(event["t"]), price, lots, at_ns, int(event["m"]))
    else:
        news = news_of(event["X"])
    word = Word(news, at_ns, executed, trade, refused=True)
    return Heard(order_id, int(event["i"]), word, to_ns(event["E"]))


def answer_words(answer: Mapping[str, Any], known: Instrument) -> tuple[Word, ...]:
    """Return the news in the answer to an order (FULL), a cancel, or a query.

    A trade in it is the same as the stream's, by its id.
    """
    stamp = answer.get("transactTime", answer.get("updateTime", answer.get("time", 0)))
    at_ns = to_ns(int(stamp))
    news = news_of(answer["status"])
    executed = known.lots(answer["executedQty"])
    words = [Word(News.ACCEPTED, at_ns)] if news is not News.REJECTED else []
    for each in answer.get("fills") or ():
        if "tradeId" not in each:
            continue
        price, lots = known.ticks(each["price"]), known.lots(each["qty"])
        trade = Trade(int(each["tradeId"]), price, lots, at_ns, 0)
        words.append(Word(News.TRADED, at_ns, 0, trade))
    if news is not News.ACCEPTED or executed:
        words.append(Word(news, at_ns, executed, refused=True))
    return tuple(words)


def found_order(answer: Mapping[str, Any], names: Names, known: Instrument) -> FoundOrder:
    """Return an order as a query found it."""
    name = answer["clientOrderId"]
    news = news_of(answer["status"])
    return FoundOrder(
        client_id=name,
        order_id=names.order_id(name),
        news=News.FOUND_OPEN if news is News.ACCEPTED else news,
        executed=known.lots(answer["executedQty"]),
        exch_ns=to_ns(int(answer.get("updateTime", answer.get("time", 0)))),
    )


def trade_of(row: Mapping[str, Any], known: Instrument) -> Trade:
    """Return a row of `myTrades`."""
    return Trade(
        trade_id=int(row["id"]),
        price_ticks=known.ticks(row["price"]),
        lots=known.lots(row["qty"]),
        exch_ns=to_ns(int(row["time"])),
        maker=int(row["isMaker"] if "isMaker" in row else row["maker"]),
    )
