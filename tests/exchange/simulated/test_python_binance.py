import asyncio
import contextlib

import pytest
from binance import AsyncClient, BinanceSocketManager
from binance.exceptions import BinanceAPIException

from protocol.tasks import end_all
from tests.exchange.simulated.books import Book
from tests.exchange.simulated.market import SYMBOL, serving, write


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    path = write(tmp_path_factory.mktemp("feed"), seconds=3_000)
    with serving("--feed", path, "--speed", 10) as found:
        yield found


@contextlib.asynccontextmanager
async def client_of(server, key="test", secret="test"):
    """An unmodified AsyncClient and socket manager, told nothing but addresses."""
    AsyncClient.API_URL = f"{server.url}/api"
    AsyncClient.WS_API_URL = f"{server.sockets}/ws-api/v3"
    BinanceSocketManager.STREAM_URL = f"{server.sockets}/"
    client = await AsyncClient.create(key, secret)
    try:
        yield client
    finally:
        if client.ws_api is not None:
            # Its reader notices the end with the next message, or after ten seconds.
            closing = asyncio.create_task(client.ws_api.__aexit__(None, None, None))
            await asyncio.sleep(0.05)
            await asyncio.to_thread(server.ask, "/disconnect", {"kind": "api"})
            await closing
        await client.close_connection()


async def collect(socket, heard):
    """Put everything that a socket says into a list."""
    async with socket as stream:
        while True:
            heard.append(await stream.recv())


async def until(true, seconds=20.0):
    """Wait until something is true."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what is awaited is a list of somebody else
            await asyncio.sleep(0.02)


def events(heard, kind):
    """What was heard of a kind."""
    return [each for each in heard if each.get("e") == kind]


@contextlib.asynccontextmanager
async def listening(client):
    """The user stream, as a list that grows."""
    heard = []
    task = asyncio.create_task(collect(BinanceSocketManager(client).user_socket(), heard))
    await until(lambda: client.ws_api is not None)
    await client.ws_get_account()
    try:
        yield heard
    finally:
        await end_all([task])


def is_filled(heard, order):
    """Whether the user stream has told that an order is filled."""
    return any(e.get("X") == "FILLED" and e["i"] == order["orderId"] for e in heard)


def was_cancelled(heard, order):
    """Whether the user stream has told that an order was cancelled."""
    return any(e.get("x") == "CANCELED" and e["i"] == order["orderId"] for e in heard)


async def test_what_is_needed_before_the_first_quote(server):
    """Instrument, filters, book and account are as Binance tells them."""
    async with client_of(server) as client:
        info = await client.get_symbol_info(SYMBOL)
        assert info["status"] == "TRADING"
        kinds = {row["filterType"] for row in info["filters"]}
        assert {"PRICE_FILTER", "LOT_SIZE", "NOTIONAL"} <= kinds
        book = await client.get_order_book(symbol=SYMBOL)
        assert book["bids"][0] == ["99.90000000", "0.10000000"]
        account = await client.get_account()
        assert account["canTrade"]
        assert account["commissionRates"]["maker"] == "0.00010000"


async def quote_and_replace(client, heard):
    """Two quotes that fill, one that is replaced; return the last order."""
    bid = await client.create_order(
        symbol=SYMBOL, side="BUY", type="LIMIT_MAKER", quantity="0.12", price="99.95",
        newClientOrderId="cp-1",
    )  # fmt: skip
    ask = await client.create_order(
        symbol=SYMBOL, side="SELL", type="LIMIT_MAKER", quantity="0.12", price="100.05",
        newOrderRespType="FULL",
    )  # fmt: skip
    assert (ask["status"], ask["fills"]) == ("NEW", [])
    await until(lambda: is_filled(heard, bid) and is_filled(heard, ask))
    far = await client.order_limit_buy(symbol=SYMBOL, quantity="0.5", price="90.00")
    replaced = await client.cancel_replace_order(
        symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.5",
        price="91.00", cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=far["orderId"],
    )  # fmt: skip
    assert replaced["cancelResult"] == replaced["newOrderResult"] == "SUCCESS"
    return replaced["newOrderResponse"]


async def test_a_whole_market_making_cycle(server):
    """Quotes, fills, replacement, a taker, orders over the socket, cancel-all; all is told."""
    async with client_of(server) as client, listening(client) as heard:
        replacing = await quote_and_replace(client, heard)
        taken = await client.order_market_buy(symbol=SYMBOL, quantity="0.15")
        assert taken["status"] == "FILLED"
        assert [(f["price"], f["qty"]) for f in taken["fills"]] == [
            ("100.10000000", "0.10000000"), ("100.11000000", "0.05000000"),
        ]  # fmt: skip
        by_socket = await client.ws_create_order(
            symbol=SYMBOL, side="SELL", type="LIMIT_MAKER", quantity="0.5", price="110.00"
        )
        assert by_socket["orderId"] > replacing["orderId"]
        assert len(await client.get_open_orders(symbol=SYMBOL)) == 2
        one = await client.get_order(symbol=SYMBOL, origClientOrderId="cp-1")
        assert (one["status"], one["executedQty"]) == ("FILLED", "0.12000000")
        cancelled = await client.ws_cancel_order(symbol=SYMBOL, orderId=by_socket["orderId"])
        assert cancelled["status"] == "CANCELED"
        by_rest = await client.cancel_order(symbol=SYMBOL, orderId=replacing["orderId"])
        assert (by_rest["status"], by_rest["executedQty"]) == ("CANCELED", "0.00000000")
        await until(lambda: was_cancelled(heard, replacing) and was_cancelled(heard, by_socket))
        for side, price in (("BUY", "89.00"), ("SELL", "111.00")):
            await client.create_order(
                symbol=SYMBOL, side=side, type="LIMIT_MAKER", quantity="0.5", price=price
            )
        await client.cancel_all_open_orders(symbol=SYMBOL)
        assert await client.get_open_orders() == []
        await agrees(client, heard)


async def agrees(client, heard):
    """The user stream has told every trade and the balances."""
    account = await client.get_account()
    held = {row["asset"]: (row["free"], row["locked"]) for row in account["balances"]}
    await until(lambda: balances_told(heard) == held)
    trades = await client.get_my_trades(symbol=SYMBOL)
    told = [e for e in events(heard, "executionReport") if e["x"] == "TRADE"]
    names = ("id", "orderId", "price", "qty", "commission", "commissionAsset", "time", "isMaker")
    assert [tuple(e[name] for name in "tiLlnNTm") for e in told] == [
        tuple(trade[name] for name in names) for trade in trades
    ]


def balances_told(heard):
    """The balances as the user stream told them last; it comes after the answer that it follows."""
    return {
        row["a"]: (row["f"], row["l"]) for row in events(heard, "outboundAccountPosition")[-1]["B"]
    }


async def test_the_book_rebuilt_from_diffs_is_the_snapshot(server):
    """A client that follows Binance's rules has the exchange's book, update by update."""
    async with client_of(server) as client:
        manager = BinanceSocketManager(client)
        book, trades = Book(), []
        async with manager.multiplex_socket(
            [f"{SYMBOL.lower()}@depth@100ms", f"{SYMBOL.lower()}@trade"]
        ) as stream:
            for _ in range(4):
                told = await stream.recv()
                (trades.append if told["data"]["e"] == "trade" else book.hear)(told["data"])
            book.start(await client.get_order_book(symbol=SYMBOL, limit=5000))
            for _ in range(20):
                told = await stream.recv()
                (trades.append if told["data"]["e"] == "trade" else book.hear)(told["data"])
            snapshot = await client.get_order_book(symbol=SYMBOL, limit=5000)
            while book.update_id < snapshot["lastUpdateId"]:
                told = await stream.recv()
                if told["data"]["e"] == "depthUpdate":
                    book.hear(told["data"])
            assert book.is_like(snapshot)
        assert len(trades) > 5
        numbers = [trade["t"] for trade in trades]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert {(trade["p"], trade["m"]) for trade in trades} == {
            ("99.86000000", True), ("100.14000000", False),
        }  # fmt: skip


async def refused(request):
    """The code and status that a request is refused with."""
    with pytest.raises(BinanceAPIException) as caught:
        await request
    return caught.value.code, caught.value.status_code


async def test_what_is_wrong_gets_the_codes_of_binance(server):
    """Secret, key, clock, filters, symbol, balance, post-only: each has its code."""
    async with client_of(server, secret="wrong") as client:
        assert await refused(client.get_account()) == (-1022, 400)
    async with client_of(server, key="nobody") as client:
        assert await refused(client.get_account()) == (-2015, 401)
    async with client_of(server) as client:
        offset, client.timestamp_offset = client.timestamp_offset, -20_000
        assert await refused(client.get_account()) == (-1021, 400)
        client.timestamp_offset = 5_000
        assert await refused(client.get_account()) == (-1021, 400)
        client.timestamp_offset = offset
        good = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT_MAKER", "quantity": "0.5"}
        for change, code in (
            ({"price": "90.005"}, -1013),
            ({"price": "90.00", "quantity": "0.005"}, -1013),
            ({"price": "90.00", "quantity": "0.01"}, -1013),
            ({"price": "1.00", "quantity": "10"}, -1013),
            ({"price": "100.50"}, -2010),
            ({"price": "90.00", "quantity": "90000"}, -2010),
            ({"price": "90.00", "symbol": "NOSUCH"}, -1121),
            ({"price": "90.00", "side": "HOLD"}, -1117),
            ({"price": "90.123456789"}, -1111),
        ):
            assert await refused(client.create_order(**good | change)) == (code, 400), change
        unknown = {"symbol": SYMBOL, "origClientOrderId": "never"}
        assert await refused(client.get_order(**unknown)) == (-2013, 400)
        assert await refused(client.cancel_order(**unknown)) == (-2011, 400)
