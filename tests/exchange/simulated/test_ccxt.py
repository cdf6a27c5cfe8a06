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
SYMBOL = "PLAY/USDT"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    path = write(tmp_path_factory.mktemp("feed"), seconds=3_000)
    with serving("--feed", path, "--speed", 10) as found:
        yield found


@contextlib.asynccontextmanager
async def client_of(server, **told):
    """An unmodified ccxt, told nothing but addresses and that there is only a spot market."""
    options = {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False}
    keys = {"apiKey": "test", "secret": "test", "enableRateLimit": False}
    client = ccxt.binance({**keys, **told, "options": {**options, **told.get("options", {})}})
    client.urls["api"]["public"] = client.urls["api"]["private"] = f"{server.url}/api/v3"
    client.urls["api"]["ws"]["spot"] = f"{server.sockets}/stream/ws"
    client.urls["api"]["ws"]["ws-api"]["spot"] = f"{server.sockets}/ws-api/v3"
    try:
        yield client
    finally:
        await client.close()


async def test_a_whole_market_making_cycle(server):
    """Market, book, quotes, fills, edit, cancel, cancel-all, user stream, the account's trades."""
    async with client_of(server) as client:
        market = (await client.load_markets())[SYMBOL]
        assert (market["precision"]["price"], market["limits"]["cost"]["min"]) == (0.01, 5.0)
        book = await client.fetch_order_book(SYMBOL)
        assert book["bids"][0] == [99.9, 0.1]
        assert (await client.fetch_balance())["USDT"]["free"] == 100_000
        async with watching(client, SYMBOL) as (orders, told):
            post = {"postOnly": True}
            bid = await client.create_order(SYMBOL, "limit", "buy", 0.12, 99.95, post)
            ask = await client.create_order(SYMBOL, "limit", "sell", 0.12, 100.05, post)
            await until(
                lambda: (
                    {bid["id"], ask["id"]}
                    <= {order["id"] for order in orders if order["status"] == "closed"}
                )
            )
            far = await client.create_order(SYMBOL, "limit", "buy", 0.5, 90.0)
            moved = await client.edit_order(far["id"], SYMBOL, "limit", "buy", 0.5, 91.0)
            assert (moved["price"], moved["status"]) == (91.0, "open")
            taken = await client.create_order(SYMBOL, "market", "buy", 0.15)
            assert (taken["filled"], taken["status"]) == (0.15, "closed")
            assert len(await client.fetch_open_orders(SYMBOL)) == 1
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


async def test_orders_over_the_websocket_api(server):
    """Placed, asked for and cancelled without REST."""
    async with client_of(server) as client:
        placed = await client.create_order_ws(SYMBOL, "limit", "buy", 0.5, 90.0)
        assert placed["status"] == "open"
        assert (await client.fetch_order_ws(placed["id"], SYMBOL))["price"] == 90.0
        assert len(await client.fetch_open_orders_ws(SYMBOL)) == 1
        cancelled = await client.cancel_order_ws(placed["id"], SYMBOL)
        assert cancelled["status"] == "canceled"


async def test_the_book_it_keeps_is_the_snapshot(server):
    """Ccxt builds from diffs, update by update, the very book that a snapshot shows."""
    async with client_of(server) as client:
        await assert_book_is_the_snapshot(client, SYMBOL, 5000)


async def test_what_is_wrong_is_told_as_binance_tells_it(server):
    """Ccxt reads our codes as it reads Binance's."""
    await assert_strangers_are_refused(ccxt, partial(client_of, server))
    async with client_of(server) as client:
        await client.load_markets()
        with pytest.raises(ccxt.OrderImmediatelyFillable, match="immediately match"):
            await client.create_order(SYMBOL, "limit", "buy", 0.5, 100.5, {"postOnly": True})
        with pytest.raises(ccxt.InsufficientFunds, match="insufficient balance"):
            await client.create_order(SYMBOL, "limit", "buy", 90_000, 90.0)
        with pytest.raises(ccxt.BadRequest, match="NOTIONAL"):
            await client.create_order(SYMBOL, "limit", "buy", 0.01, 90.0)
        with pytest.raises(ccxt.OrderNotFound, match="-2013"):
            await client.fetch_order("12345678", SYMBOL)
        with pytest.raises(ccxt.OrderNotFound, match="-2011"):
            await client.cancel_order("12345678", SYMBOL)
        with pytest.raises(ccxt.BadSymbol, match="-1121"):
            await client.publicGetDepth({"symbol": "NOSUCH"})
        # Ccxt rounds to the steps itself; sent as they are, they break the filters.
        order = {"symbol": "PLAYUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
        for change, name in (
            ({"price": "90.005", "quantity": "0.5"}, "PRICE_FILTER"),
            ({"price": "90.00", "quantity": "0.505"}, "LOT_SIZE"),
            ({"price": "1.00", "quantity": "10"}, "PERCENT_PRICE_BY_SIDE"),
        ):
            with pytest.raises(ccxt.InvalidOrder, match=name):
                await client.privatePostOrder(order | change)
