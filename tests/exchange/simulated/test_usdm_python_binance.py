"""Unmodified python-binance trades USD-M futures on the simulated exchange, over its sockets."""

import asyncio
import contextlib
from decimal import Decimal

import pytest
from binance import AsyncClient, BinanceSocketManager
from binance.exceptions import BinanceAPIException

from exchange.depth import DepthSync, Diff, Sync
from protocol.tasks import end_all
from tests.exchange.simulated.market import SYMBOL, serving, write

pytestmark = [pytest.mark.slow, pytest.mark.slice]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    path = write(tmp_path_factory.mktemp("feed"), seconds=6_000)
    with serving("--feed", path, "--speed", 20, "--futures") as found:
        yield found


@contextlib.asynccontextmanager
async def client_of(server, key="test", secret="test"):
    """An unmodified AsyncClient, told nothing but addresses."""
    AsyncClient.API_URL = f"{server.url}/api"
    AsyncClient.FUTURES_URL = f"{server.url}/fapi"
    BinanceSocketManager.FSTREAM_URL = f"{server.sockets}/"
    client = await AsyncClient.create(key, secret)
    try:
        yield client
    finally:
        await client.close_connection()


@contextlib.asynccontextmanager
async def hearing(socket):
    """What a socket says, as a list that grows; the socket is there already."""
    heard = []
    async with socket as stream:

        async def collect():
            while True:
                told = await stream.recv()
                heard.append(told.get("data", told))

        task = asyncio.create_task(collect())
        try:
            yield heard
        finally:
            await end_all([task])


async def until(true, seconds=20.0):
    """Wait until something is true."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what is awaited is a list of somebody else
            await asyncio.sleep(0.02)


def orders(heard, order_id):
    """The events of an order."""
    told = [e["o"] for e in heard if e.get("e") == "ORDER_TRADE_UPDATE"]
    return [each for each in told if each["i"] == order_id]


async def refused(request):
    """The code that a request is refused with."""
    with pytest.raises(BinanceAPIException) as caught:
        await request
    return caught.value.code


def limit(side, price, quantity="0.5", **more):
    """A post-only order."""
    told = {"symbol": SYMBOL, "side": side, "type": "LIMIT", "timeInForce": "GTX"}
    return {**told, "price": price, "quantity": quantity, **more}


@pytest.mark.slow
async def test_a_market_making_cycle(server):
    """Info, quotes, fills both ways, position, profit, reduce-only, cancels: the whole life."""
    async with client_of(server) as client:
        info = await client.futures_exchange_info()
        assert info["symbols"][0]["contractType"] == "PERPETUAL"
        assert await client.futures_get_position_mode() == {"dualSidePosition": False}
        rates = await client.futures_commission_rate(symbol=SYMBOL)
        assert rates["makerCommissionRate"] == "0.00010000"
        assert (await client.futures_change_leverage(symbol=SYMBOL, leverage=10))["leverage"] == 10
        manager = BinanceSocketManager(client)
        async with hearing(manager.futures_user_socket()) as heard:
            bid = await client.futures_create_order(
                **limit("BUY", "99.95", "0.12", newClientOrderId="cp-1")
            )
            assert (bid["status"], bid["timeInForce"]) == ("NEW", "GTX")
            await until(lambda: any(o["X"] == "FILLED" for o in orders(heard, bid["orderId"])))
            (held,) = await client.futures_position_information(symbol=SYMBOL)
            assert (held["positionAmt"], held["entryPrice"]) == ("0.12000000", "99.95000000")
            assert Decimal(held["positionInitialMargin"]) == Decimal(held["notional"]) / 10
            await amends(client, heard)
            await reduces(client, heard)
            await wallet_agrees(client, heard)
            await cancels(client, heard)


async def amends(client, heard):
    """Another price and size under the same number, told by the stream; what is refused is not."""
    far = await client.futures_create_order(**limit("BUY", "90.00", newClientOrderId="cp-9"))
    which = {"symbol": SYMBOL, "side": "BUY", "origClientOrderId": "cp-9"}
    change = client.futures_modify_order
    moved = await change(**which, price="91.00", quantity="0.40")
    assert [moved[name] for name in ("orderId", "price", "origQty", "status")] == [
        far["orderId"], "91.00000000", "0.40000000", "NEW",
    ]  # fmt: skip
    await until(lambda: any(o["x"] == "AMENDMENT" for o in orders(heard, far["orderId"])))
    assert await refused(change(**which, price="91.00", quantity="0.40")) == -5027
    assert await refused(change(**which, price="91.001", quantity="0.40")) == -4014
    assert await refused(change(**which, price="91.00", quantity="90000")) == -2019
    assert await refused(change(**which | {"side": "SELL"}, price="92.00", quantity="1")) == -2013
    (open_one,) = await client.futures_get_open_orders(symbol=SYMBOL)
    assert (open_one["price"], open_one["origQty"]) == ("91.00000000", "0.40000000")
    ended = await change(**which, price="100.50", quantity="0.40")
    assert ended["status"] == "CANCELED"  # a GTX order that would take at its new price


async def reduces(client, heard):
    """A reduce-only ask is cut to the position, and what is beyond it expires."""
    assert (
        await refused(client.futures_create_order(**limit("BUY", "90.00", reduceOnly="true")))
        == -2022
    )
    ask = await client.futures_create_order(**limit("SELL", "100.05", "9", reduceOnly="true"))
    assert (ask["origQty"], ask["reduceOnly"]) == ("0.12000000", True)
    await until(lambda: any(o["X"] == "FILLED" for o in orders(heard, ask["orderId"])))
    profit = sum(Decimal(o["rp"]) for o in orders(heard, ask["orderId"]))
    assert profit == Decimal("0.012")
    order = {"symbol": SYMBOL, "side": "SELL", "type": "MARKET", "quantity": "0.1"}
    sold = await client.futures_create_order(**order, newOrderRespType="RESULT")
    assert (sold["status"], sold["avgPrice"]) == ("FILLED", "99.90000000")
    (held,) = await client.futures_position_information(symbol=SYMBOL)
    assert (held["positionAmt"], held["notional"]) == ("-0.10000000", "-10.00000000")
    cover = await client.futures_create_order(**limit("BUY", "90.00", "0.1", reduceOnly="true"))
    await client.futures_create_order(**order | {"side": "BUY"})
    await until(lambda: any(o["X"] == "EXPIRED" for o in orders(heard, cover["orderId"])))


async def wallet_agrees(client, heard):
    """Wallet = opening + realised profit - commissions, in account, balance, trades and stream."""
    trades = await client.futures_account_trades(symbol=SYMBOL)
    earned = sum(Decimal(t["realizedPnl"]) - Decimal(t["commission"]) for t in trades)
    (balance,) = await client.futures_account_balance()
    assert Decimal(balance["balance"]) == 100_000 + earned
    account = await client.futures_account(version=3)
    assert account["totalWalletBalance"] == balance["balance"]
    assert account["positions"][0]["positionAmt"] == "0.00000000"

    def told():
        updates = [e["a"] for e in heard if e.get("e") == "ACCOUNT_UPDATE"]
        return updates[-1]["B"][0]["wb"] == balance["balance"]

    await until(told)
    fills = [e["o"] for e in heard if e.get("e") == "ORDER_TRADE_UPDATE" and e["o"]["x"] == "TRADE"]
    names = ("id", "orderId", "price", "qty", "commission", "realizedPnl", "maker")
    wire = ("t", "i", "L", "l", "n", "rp", "m")
    assert [tuple(o[name] for name in wire) for o in fills] == [
        tuple(trade[name] for name in names) for trade in trades
    ]
    kinds = {row["incomeType"] for row in await client.futures_income_history(symbol=SYMBOL)}
    assert kinds >= {"COMMISSION", "REALIZED_PNL"}


async def cancels(client, heard):
    """One by name, two in a batch, all; and the switch that cancels when nobody comes back."""
    one = await client.futures_create_order(**limit("BUY", "90.00", newClientOrderId="cp-2"))
    gone = await client.futures_cancel_order(symbol=SYMBOL, origClientOrderId="cp-2")
    assert (gone["status"], gone["clientOrderId"]) == ("CANCELED", "cp-2")
    await until(lambda: orders(heard, one["orderId"])[-1:] != [])
    batch = [limit("BUY", "91.00"), limit("BUY", "91.001"), limit("SELL", "109.00")]
    made = await client.futures_place_batch_order(batchOrders=batch)
    assert [each.get("code", 0) for each in made] == [0, -4014, 0]
    numbers = [made[0]["orderId"], made[2]["orderId"]]
    ended = await client.futures_cancel_orders(symbol=SYMBOL, orderidlist=numbers)
    assert [each["status"] for each in ended] == ["CANCELED", "CANCELED"]
    await client.futures_create_order(**limit("BUY", "90.00"))
    assert (await client.futures_cancel_all_open_orders(symbol=SYMBOL))["code"] == 200
    assert (await client.futures_cancel_all_open_orders(symbol=SYMBOL))["code"] == 200
    assert await client.futures_get_open_orders(symbol=SYMBOL) == []
    last = await client.futures_create_order(**limit("BUY", "90.00"))
    await client.futures_countdown_cancel_all(symbol=SYMBOL, countdownTime=60_000)
    await client.futures_countdown_cancel_all(symbol=SYMBOL, countdownTime=0)
    await client.futures_countdown_cancel_all(symbol=SYMBOL, countdownTime=200)
    await until(lambda: any(o["X"] == "CANCELED" for o in orders(heard, last["orderId"])))
    every = await client.futures_get_all_orders(symbol=SYMBOL)
    assert every[-1]["status"] == "CANCELED"


async def test_the_book_joins_by_the_rules_of_futures(server):
    """`pu` names the update before, and the diffs lead from snapshot to snapshot."""
    async with client_of(server) as client:
        manager, sync, book = BinanceSocketManager(client), DepthSync(futures=True), {}
        streams = [f"{SYMBOL.lower()}@depth@100ms", f"{SYMBOL.lower()}@trade"]
        socket = manager.futures_multiplex_socket(streams, category="public")
        async with hearing(socket) as heard:
            await until(lambda: len(heard) > 6)
            first = await client.futures_order_book(symbol=SYMBOL, limit=1000)
            for side in ("bids", "asks"):
                book.update({(side[0], price): lots for price, lots in first[side]})
            diffs = []

            def read():
                for told in heard:
                    if told["e"] == "depthUpdate":
                        diffs.extend(sync.diff(Diff(told["U"], told["u"], told, told["pu"])))
                heard.clear()

            read()
            diffs.extend(sync.snapshot(first["lastUpdateId"]))
            await until(lambda: len(heard) > 20)
            last = await client.futures_order_book(symbol=SYMBOL, limit=1000)
            await until(lambda: read() or sync.last_id >= last["lastUpdateId"])
            assert sync.state is Sync.SYNCED
            for diff in diffs:
                if diff.last <= last["lastUpdateId"]:
                    for side in ("b", "a"):
                        book.update({(side, price): lots for price, lots in diff.body[side]})
            shown = {(s[0], p): q for s in ("bids", "asks") for p, q in last[s]}
            assert {key: lots for key, lots in book.items() if float(lots)} == shown


async def test_what_is_wrong_gets_the_codes_of_futures(server):
    """Post-only, margin, filters, names, modes that are not simulated: each has its code."""
    async with client_of(server) as client:
        place = client.futures_create_order
        assert await refused(place(**limit("BUY", "100.50"))) == -5022
        assert await refused(place(**limit("BUY", "90.00", "90000"))) == -2019
        assert await refused(place(**limit("BUY", "90.005"))) == -4014
        assert await refused(place(**limit("BUY", "90.00", "0.01"))) == -4164
        assert await refused(place(**limit("BUY", "90.00", positionSide="LONG"))) == -4061
        unknown = {"symbol": SYMBOL, "origClientOrderId": "never"}
        assert await refused(client.futures_get_order(**unknown)) == -2013
        assert await refused(client.futures_cancel_order(**unknown)) == -2011
        isolated = client.futures_change_margin_type(symbol=SYMBOL, marginType="ISOLATED")
        assert await refused(isolated) == -4168
    async with client_of(server, secret="wrong") as client:
        assert await refused(client.futures_account()) == -1022
