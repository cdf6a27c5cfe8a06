"""Fundings as they are told and listed: each is booked once, in the order of the exchange."""

import dataclasses
from fractions import Fraction

import pytest

from exchange.binance.client import environment_of
from exchange.binance.desk import OrderDesk
from exchange.binance.fundings import Fundings
from exchange.binance.names import Names
from exchange.binance.requests import Requests
from exchange.binance.settings import BinanceSettings, Record, StartRefusedError
from exchange.binance.start import check_start
from exchange.errors import VenueError
from exchange.importers.synthetic import synthetic_recording
from exchange.order_life import Life, LiveOrder, Trade
from exchange.reconcile import Found, FoundFunding, FoundTrade
from market.layout import (
    BUY,
    REPORT_FILL,
    REPORT_FUNDING,
    REPORT_KIND,
    REPORT_LOTS,
    REPORT_TRADE_ID,
)
from tests.exchange.played_market import instrument_of_meta

KNOWN = instrument_of_meta(synthetic_recording(seed=3, hours=0.02).meta)
EARLY, LATE = FoundFunding(70, 1_000, -5), FoundFunding(12, 2_000, 8)
TOLD = {"e": "ACCOUNT_UPDATE", "E": 1, "a": {"m": "FUNDING_FEE", "B": [], "P": []}}
FEES = (Fraction(0), Fraction(0), "")


def desk(**told):
    """Return the orders of one executor."""
    return OrderDesk(Names("t1"), KNOWN, **told)


def rows_of(orders):
    """Return (kind, units or lots, number) of what is reported."""
    columns = [REPORT_KIND, REPORT_LOTS, REPORT_TRADE_ID]
    return [tuple(row) for row in orders.take_rows()[:, columns].tolist()]


def test_a_funding_is_reported_once_however_often_it_is_listed():
    """Oldest first; numbers do not rise with time; those of the journal are old."""
    orders = desk(fundings={12})
    third = FoundFunding(3, 3_000, 1)
    assert orders.fund((third, LATE, EARLY), 9)
    assert rows_of(orders) == [(REPORT_FUNDING, -5, 70), (REPORT_FUNDING, 1, 3)]
    assert not orders.fund((EARLY, LATE, third), 9)
    assert rows_of(orders) == []


def test_fundings_and_fills_that_were_missed_are_told_in_the_order_of_the_exchange():
    """Who had what when it was charged is what the shares of the open lots follow from."""
    live = LiveOrder(7, BUY, 100, 3, life=Life.OPEN, told_open=True)
    orders = desk(orders=(live,), fundings={12})
    trades = tuple(FoundTrade(7, Trade(at, 100, 1, 500 * at, 1)) for at in (1, 2, 3))
    found = Found(1, (), {7: None}, trades, 0, 0, (LATE, EARLY))
    made = orders.reconcile(found, 9)
    assert made.funding_units == -5
    told = [row for row in rows_of(orders) if row[0] in (REPORT_FILL, REPORT_FUNDING)]
    assert told == [
        (REPORT_FILL, 1, 1),
        (REPORT_FILL, 1, 2),
        (REPORT_FUNDING, -5, 70),
        (REPORT_FILL, 1, 3),
    ]
    assert orders.reconcile(found, 9).funded == ()


def start(record, found):
    """Reconcile and judge a start at futures."""
    place = environment_of("http://127.0.0.1:1", futures=True)
    settings = BinanceSettings(place=place, symbol=KNOWN.symbol)
    made = desk(fundings=record.fundings).reconcile(found, 9)
    check_start(settings, KNOWN, record, FEES, made, found)


def test_an_account_is_short_by_no_more_than_the_fundings_that_were_missed():
    """What was paid while we were away explains a smaller balance, and nothing else does."""
    record = Record(last_trade_id=0, quote_units=100, base_units=0)
    found = Found(1, (), {}, (), 95, 0, (EARLY,))
    start(record, found)
    with pytest.raises(StartRefusedError, match="less than our record says: quote"):
        start(record, dataclasses.replace(found, quote_units=94))
    booked = dataclasses.replace(record, fundings=frozenset({70}))
    with pytest.raises(StartRefusedError, match="less than our record says: quote"):
        start(booked, found)


def test_a_new_run_needs_an_account_without_a_position():
    """Its ledger begins with none; another's fundings would come into it."""
    with pytest.raises(StartRefusedError, match=r"has a position of -0.5.*sub-account"):
        start(Record(), Found(1, (), {}, (), 100, -50_000_000))


class Line:
    """A connection whose list of fundings comes late."""

    def __init__(self, answers):
        self.session, self.desk, self._answers = self, desk(), list(answers)

    async def fundings(self):
        """Answer the next question."""
        answer = self._answers.pop(0)
        if isinstance(answer, VenueError):
            raise answer
        return answer


async def test_an_event_asks_until_the_list_has_it(monkeypatch):
    """It may be listed later than it is told, and a question may fail; two events ask once."""
    monkeypatch.setattr("exchange.binance.fundings.PAUSES_S", (0.0,) * 4)
    line, broken = Line([(), VenueError("no answer"), (EARLY,)]), []
    requests = Requests(lambda: None, broken.append)
    fundings = Fundings(line, requests, lambda: None, lockstep=False)
    fundings.told(TOLD, 9)
    fundings.told(TOLD, 9)
    while requests._tasks:
        await next(iter(requests._tasks))
    assert rows_of(line.desk) == [(REPORT_FUNDING, -5, 70)]
    assert broken == []
