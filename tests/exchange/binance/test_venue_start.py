"""A start that would trade on wrong figures is refused, in one line that says what to do."""

import dataclasses
from fractions import Fraction

import pytest

from exchange.binance.client import environment_of
from exchange.binance.instrument import Trading
from exchange.binance.settings import BinanceSettings, Record, StartRefusedError
from exchange.binance.venue import BinanceVenue
from exchange.errors import VenueError
from exchange.order_life import LiveOrder
from market.layout import BUY, REPORT_CANCELLED, REPORT_KIND, REPORT_ORDER_ID, REPORT_REFUSED
from tests.exchange.binance.fault_table import BID, LOTS
from tests.exchange.binance.theatre import theatre
from tests.exchange.simulated.client import Client
from tests.exchange.simulated.market import SYMBOL

pytestmark = [pytest.mark.slow, pytest.mark.slice]
PAID = {"maker_fee": Fraction(1, 10_000), "taker_fee": Fraction(2, 10_000)}


@pytest.fixture(scope="module")
def stage():
    """Run one exchange for all starts."""
    with theatre() as made:
        yield made


@pytest.fixture
async def client(stage):
    """A client of the account that leaves nothing behind."""
    async with Client(stage.stage) as found:
        yield found
        await found.ask("DELETE", "openOrders", symbol=SYMBOL)


async def start(stage, record=None, **change):
    """Open a venue and close it; return what it found."""
    settings = stage.stage.settings(token=stage.token(), settle_s=2.0, **change)
    return await opened(stage, settings, record)


async def opened(stage, settings: BinanceSettings, record: Record | None = None):
    """Open a venue of settings and close it."""
    venue = BinanceVenue(settings, stage.session.observer, record)
    try:
        return await venue.open()
    finally:
        await venue.close()


async def test_orders_of_others_refuse_a_start_that_is_not_told_to_ignore_them(stage, client):
    """They are named, and left alone either way."""
    await client.place("BUY", "0.50", "85.00", "somebody")
    with pytest.raises(StartRefusedError, match=r"1 open orders .* not ours \(somebody\)"):
        await start(stage)
    assert (await start(stage, ignore_foreign=True)).foreign == ("somebody",)
    _, rows = await client.ask("GET", "openOrders", symbol=SYMBOL)
    assert [row["clientOrderId"] for row in rows] == ["somebody"]


@pytest.mark.parametrize("name", ["maker_fee", "taker_fee"])
async def test_configured_fees_that_the_account_does_not_pay_refuse_a_start(stage, name):
    """A backtest with other fees is about another market."""
    assert (await start(stage, **PAID)).maker_fee == PAID["maker_fee"]
    with pytest.raises(StartRefusedError, match=r"the account pays . bps as .* configured are 5"):
        await start(stage, **PAID | {name: Fraction(5, 10_000)})


@pytest.mark.parametrize(
    ("status", "word"), [("BREAK", Trading.HALTED), ("CANCEL_ONLY", Trading.CANCEL_ONLY)]
)
async def test_a_symbol_that_does_not_trade_refuses_a_start(stage, status, word):
    """Whoever starts it looks again later."""
    await stage.ask("/symbol", status=status)
    with pytest.raises(StartRefusedError, match=rf"does not trade \({word.value}\)"):
        await start(stage)
    await stage.ask("/symbol", status="TRADING")
    assert (await start(stage)).known.trading is Trading.OPEN


async def test_real_money_needs_a_confirmation_before_anything_is_sent(stage):
    """No name is looked up, no connection opened."""
    settings = stage.stage.settings(place=environment_of("live"))
    with pytest.raises(StartRefusedError, match="real money"):
        await opened(stage, settings)
    elsewhere = dataclasses.replace(stage.stage.settings().place, name="live")
    confirmed = stage.stage.settings(place=elsewhere, confirmed=True)
    assert (await opened(stage, confirmed)).known.symbol == SYMBOL


async def test_a_wrong_secret_and_an_unknown_symbol_are_said(stage):
    """In the exchange's own words."""
    with pytest.raises(VenueError, match=r"the user stream was refused: .*-1022: Signature"):
        await start(stage, secret="wrong")
    with pytest.raises(VenueError, match="-2015"):
        await start(stage, key="nobody")
    with pytest.raises(VenueError, match="NOSUCH is not listed"):
        await start(stage, symbol="NOSUCH")


async def test_a_fill_that_the_journal_does_not_know_refuses_a_start(stage):
    """A journal that was lost, or is another's: nobody can tell what is held."""
    trader = await stage.trader()
    await trader.open()
    order_id = await trader.intend(BUY, BID, LOTS)
    await trader.send(order_id)
    assert await trader.until(lambda: trader.ended(order_id))
    await trader.venue.close()
    settings = stage.stage.settings(token=trader.token, ignore_foreign=True)
    lost = Record(last_trade_id=0, quote_units=0, base_units=0)
    with pytest.raises(StartRefusedError, match=f"belongs to our order {order_id}"):
        await opened(stage, settings, lost)
    known = await opened(stage, settings, trader.record())
    assert known.last_trade_id == trader.record().last_trade_id


async def test_an_account_that_holds_less_than_the_ledger_refuses_a_start(stage):
    """Somebody has taken something out."""
    with pytest.raises(StartRefusedError, match="holds less than our record says: base"):
        await start(
            stage,
            Record(last_trade_id=10**6, quote_units=0, base_units=10**15),
            ignore_foreign=True,
        )


async def test_strays_of_an_earlier_life_are_cancelled_and_a_lost_order_is_told_as_refused(stage):
    """A record with an order that rests, one that never arrived, and one it never heard of."""
    token = stage.token()
    async with Client(stage.stage) as client:
        for number in (1, 3):
            await client.place("BUY", "0.50", "90.00", f"cp-{token}-{number}")
        orders = tuple(LiveOrder(number, BUY, 9_000, 50) for number in (1, 2))
        settings = stage.stage.settings(token=token, ignore_foreign=True)
        venue = BinanceVenue(settings, stage.session.observer, Record(orders, highest_id=3))
        await venue.open()
        _, rows = await client.ask("GET", "openOrders", symbol=SYMBOL)
        assert not [row for row in rows if row["clientOrderId"].startswith("cp-")]
        told = {int(r[REPORT_ORDER_ID]): int(r[REPORT_KIND]) for r in venue.desk.take_rows()}
        await venue.close()
    assert told == {1: REPORT_CANCELLED, 2: REPORT_REFUSED}
