"""Unmodified ccxt trades USD-M futures on the simulated exchange, over its sockets."""

import contextlib
from functools import partial

import pytest

from tests.exchange.simulated.ccxt_heard import (
    assert_book_is_the_snapshot,
    assert_strangers_are_refused,
    until,
    watching,
)
from tests.exchange.simulated.market import serving, write

ccxt = pytest.importorskip("ccxt.pro", reason="ccxt is a tool for development")
SYMBOL = "PLAY/USDT:USDT"
pytestmark = [pytest.mark.slow]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    path = write(tmp_path_factory.mktemp("feed"), seconds=3_000, spot=False, fee_in_base=False)
    with serving("--feed", path, "--speed", 10, "--futures") as found:
        yield found


@contextlib.asynccontextmanager
async def client_of(server, **told):
    """An unmodified ccxt, told nothing but addresses and that there are only futures."""
    options = {"fetchMarkets": {"types": ["linear"]}, "fetchCurrencies": False}
    keys = {"apiKey": "test", "secret": "test", "enableRateLimit": False}
    client = ccxt.binanceusdm({**keys, **told, "options": {**options, **told.get("options", {})}})
    for name in ("fapiPublic", "fapiPrivate"):
        for version in ("", "V2", "V3"):
            number = version[1:] or "1"
            client.urls["api"][f"{name}{version}"] = f"{server.url}/fapi/v{number}"
    client.urls["api"]["ws"]["linear"] = f"{server.sockets}/ws"
    try:
        yield client
    finally:
        await client.close()


async def test_a_whole_market_making_cycle(server):
    """Market, book, wallet, post-only quotes, fills, a change, cancels, cancel-all, user stream."""
    async with client_of(server) as client:
        market = (await client.load_markets())[SYMBOL]
        assert (market["swap"], market["linear"], market["settle"]) == (True, True, "USDT")
        assert (market["precision"]["price"], market["limits"]["cost"]["min"]) == (0.01, 5.0)
        book = await client.fetch_order_book(SYMBOL)
        assert book["bids"][0] == [99.9, 0.1]
        assert (await client.fetch_balance())["USDT"]["free"] == 100_000
        async with watching(client, SYMBOL) as (orders, told):
            post = {"postOnly": True}
            bid = await client.create_order(SYMBOL, "limit", "buy", 0.12, 99.95, post)
            assert bid["timeInForce"] == "PO"
            ask = await client.create_order(SYMBOL, "limit", "sell", 0.12, 100.05, post)
            ended = {bid["id"], ask["id"]}
            await until(lambda: ended <= {o["id"] for o in orders if o["status"] == "closed"})
            far = await client.create_order(SYMBOL, "limit", "buy", 0.5, 90.0, post)
            moved = await client.edit_order(far["id"], SYMBOL, "limit", "buy", 0.4, 91.0)
            assert (moved["id"], moved["price"], moved["amount"]) == (far["id"], 91.0, 0.4)
            taken = await client.create_order(
                SYMBOL, "market", "buy", 0.15, None, {"newOrderRespType": "RESULT"}
            )
            assert (taken["filled"], taken["status"]) == (0.15, "closed")
            (held,) = await client.fetch_positions([SYMBOL])
            assert (held["side"], held["contracts"]) == ("long", 0.15)
            assert [o["id"] for o in await client.fetch_open_orders(SYMBOL)] == [moved["id"]]
            cancelled = await client.cancel_order(moved["id"], SYMBOL)
            assert cancelled["status"] == "canceled"
            await until(
                lambda: any((o["id"], o["status"]) == (moved["id"], "canceled") for o in orders)
            )
            await client.create_order(SYMBOL, "limit", "sell", 0.5, 110.0, post)
            await client.cancel_all_orders(SYMBOL)
            assert await client.fetch_open_orders(SYMBOL) == []
            trades = await client.fetch_my_trades(SYMBOL)
            await until(lambda: len(told) >= len(trades))
            figures = ("id", "order", "price", "amount", "takerOrMaker", "timestamp", "fee")
            assert [[each[name] for name in figures] for each in told] == [
                [each[name] for name in figures] for each in trades
            ]


async def test_the_book_it_keeps_is_the_snapshot(server):
    """Ccxt joins by `pu` and builds the very book that a snapshot shows."""
    async with client_of(server) as client:
        await assert_book_is_the_snapshot(client, SYMBOL, 1000)


async def test_what_is_wrong_is_told_as_binance_tells_it(server):
    """Ccxt reads the codes of futures as it reads Binance's."""
    await assert_strangers_are_refused(ccxt, partial(client_of, server))
    async with client_of(server) as client:
        await client.load_markets()
        post = {"postOnly": True}
        with pytest.raises(ccxt.InvalidOrder, match="-5022"):
            await client.create_order(SYMBOL, "limit", "buy", 0.5, 100.5, post)
        with pytest.raises(ccxt.BaseError, match="-2019"):
            await client.create_order(SYMBOL, "limit", "buy", 90_000, 90.0, post)
        with pytest.raises(ccxt.BaseError, match="-4164"):
            await client.create_order(SYMBOL, "limit", "buy", 0.01, 90.0, post)
        with pytest.raises(ccxt.OrderNotFound, match="-2013"):
            await client.fetch_order("12345678", SYMBOL)
        with pytest.raises(ccxt.OrderNotFound, match="-2011"):
            await client.cancel_order("12345678", SYMBOL)
        with pytest.raises(ccxt.OrderNotFound, match="-2013"):
            await client.edit_order("12345678", SYMBOL, "limit", "buy", 0.5, 90.0)
        with pytest.raises(ccxt.BadSymbol, match="-1121"):
            await client.fapiPublicGetDepth({"symbol": "NOSUCH"})
        order = {"symbol": "PLAYUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTX"}
        for change, code in (
            ({"price": "90.005", "quantity": "0.5"}, "-4014"),
            ({"price": "90.00", "quantity": "0.505"}, "-4023"),
            ({"price": "90.00", "quantity": "0.5", "reduceOnly": "true"}, "-2022"),
        ):
            with pytest.raises(ccxt.BaseError, match=code):
                await client.fapiPrivatePostOrder(order | change)
