"""Two symbols over the sockets: an unmodified client, streams of both, two clients in lockstep."""

import asyncio
import json

import pytest
from binance import BinanceSocketManager
from binance.exceptions import BinanceAPIException

from protocol.tasks import end_all
from tests.exchange.simulated.books import Book
from tests.exchange.simulated.client import Client
from tests.exchange.simulated.market import OTHER, SYMBOL, serving, write_two
from tests.exchange.simulated.test_python_binance import client_of, collect, events, until

STEPS = 40
TWO_KEYS = """
[[account]]
name = "desk"
key = "test"
secret = "test"
more_keys = { second = "second" }
balances = { USDT = "800", PLAY = "10", TOYS = "10" }
"""


def feeds_of(paths):
    """Arguments that name recordings."""
    return [word for path in paths for word in ("--feed", path)]


async def test_python_binance_trades_two_symbols_on_one_account(tmp_path):
    """Info, books, orders, streams and the user stream of both; one balance of USDT."""
    paths = write_two(tmp_path, seconds=3_000)
    with serving(*feeds_of(paths), "--speed", 10) as server:
        assert server.symbols == [SYMBOL, OTHER]
        async with client_of(server) as client:
            manager, market, user = BinanceSocketManager(client), [], []
            names = [
                f"{each.lower()}@{kind}" for each in (SYMBOL, OTHER) for kind in ("trade", "depth")
            ]
            tasks = [
                asyncio.create_task(collect(manager.multiplex_socket(names), market)),
                asyncio.create_task(collect(manager.user_socket(), user)),
            ]
            await until(lambda: client.ws_api is not None)
            info = await client.get_exchange_info()
            assert [row["symbol"] for row in info["symbols"]] == [SYMBOL, OTHER]
            before = {row["asset"]: row for row in (await client.get_account())["balances"]}
            assert set(before) >= {"USDT", "PLAY", "TOYS"}
            for symbol in (SYMBOL, OTHER):
                told = {"symbol": symbol, "quantity": "0.06"}
                await client.order_limit_buy(**told, price="99.95", newClientOrderId=f"a-{symbol}")
                await client.order_limit_buy(**told, price="99.50", newClientOrderId=f"b-{symbol}")
            await until(lambda: sum(each.get("X") == "FILLED" for each in user) == 2)
            for symbol in (SYMBOL, OTHER):
                trades = await client.get_my_trades(symbol=symbol)
                told = [
                    (each["t"], each["L"])
                    for each in events(user, "executionReport")
                    if each["s"] == symbol and each["x"] == "TRADE"
                ]
                assert [(row["id"], row["price"]) for row in trades] == told
                (rests,) = await client.get_open_orders(symbol=symbol)
                assert rests["clientOrderId"] == f"b-{symbol}"
            assert len(await client.get_open_orders()) == 2
            ended = await client._delete("openOrders", True, data={"symbol": OTHER})
            assert [row["symbol"] for row in ended] == [OTHER]
            (left,) = await client.get_open_orders()
            assert left["symbol"] == SYMBOL
            with pytest.raises(BinanceAPIException) as refused:
                await client._delete("openOrders", True, data={})
            assert refused.value.code == -1102
            server.ask("/symbol", {"symbol": OTHER, "status": "HALT"})
            info = await client.get_exchange_info()
            assert [row["status"] for row in info["symbols"]] == ["TRADING", "HALT"]
            await until(lambda: {each["data"]["s"] for each in market} == {SYMBOL, OTHER})
            assert {each["stream"] for each in market} == set(names)
            await end_all(tasks)


async def lockstep_day(server, first, second):
    """Two keys of one account in lockstep, each in its symbol; return what each lived through."""

    async def one(key, symbol, pause):
        story = []
        async with Client(server, key, key) as client:
            await client.open_api()
            heard = []
            names = (f"{symbol.lower()}@trade", f"{symbol.lower()}@depth&key={key}")
            market = await client.follow(names, heard)
            sent = {}
            steps = await client.session.ws_connect(f"{server.control}/lockstep?key={key}")
            async for message in steps:
                told = json.loads(message.data)
                if "end" in told:
                    break
                number = told["step"] // 10**9
                await client.until(lambda told=told: len(heard) == told["market"])
                await client.until(lambda told=told: len(client.heard) == told["user"])
                await client.until(
                    lambda told=told: sum(f.done() for f in sent.values()) == told["answers"]
                )
                story.append((told, [dict(each) for each in client.heard]))
                if number % 5 == pause:
                    await asyncio.sleep(0.01)
                if number % 7 == 3:
                    name = f"{symbol}-{number}"
                    sent[name] = client.send(
                        "order.place", symbol=symbol, side="BUY", type="LIMIT_MAKER",
                        quantity="4.00", price="99.95", newClientOrderId=name,
                    )  # fmt: skip
                if number % 7 == 6 and sent:
                    sent[f"c-{number}"] = client.send(
                        "order.cancel", symbol=symbol, newClientOrderId=f"c-{symbol}-{number}",
                        origClientOrderId=f"{symbol}-{number - 3}",
                    )  # fmt: skip
                await steps.send_str(json.dumps({"done": told["step"], "requests": len(sent)}))
            _, trades = await client.ask("GET", "myTrades", symbol=symbol)
            await market.close()
            answers = [future.result()["status"] for future in sent.values()]
        return story, trades, answers

    return await asyncio.gather(one("test", SYMBOL, first), one("second", OTHER, second))


async def test_two_keys_of_one_account_live_through_one_day_whoever_is_slower(tmp_path):
    """Each is waited for and counts its own messages; who gets the last USDT is no race."""
    paths = write_two(tmp_path, seconds=STEPS + 2)
    accounts = tmp_path / "accounts.toml"
    accounts.write_text(TWO_KEYS)
    told = (*feeds_of(paths), "--speed", "lockstep", "--clients", 2, "--accounts", accounts)
    days = []
    for first, second in ((0, 9), (9, 0)):
        with serving(*told, "--latency", "300ms,600ms") as server:
            days.append(await lockstep_day(server, first, second))
    assert days[0] == days[1]
    for story, trades, answers in days[0]:
        assert len(story) == STEPS + 1
        assert trades
        assert 200 in answers
    refused = [answers.count(400) for _, _, answers in days[0]]
    assert sum(refused) > 0


async def test_diffs_of_each_symbol_lead_to_its_book(tmp_path):
    """One combined connection, two books."""
    paths = write_two(tmp_path, seconds=3_000)
    with serving(*feeds_of(paths), "--speed", 20) as server:
        async with Client(server) as client:
            heard = []
            names = [f"{each.lower()}@depth" for each in (SYMBOL, OTHER)]
            market = await client.follow(names, heard)
            books = {symbol: Book() for symbol in (SYMBOL, OTHER)}
            for symbol, book in books.items():
                _, snapshot = await client.ask("GET", "depth", signed=False, symbol=symbol)
                book.start(snapshot)
            await client.until(lambda: len(heard) > 30)
            for symbol, book in books.items():
                _, after = await client.ask("GET", "depth", signed=False, symbol=symbol)
                last = after["lastUpdateId"]
                await client.until(
                    lambda symbol=symbol, last=last: any(
                        each["s"] == symbol and each["u"] >= last for each in heard
                    )
                )
                own = [each for each in heard if each["s"] == symbol and each["u"] <= last]
                for each in own:
                    book.hear(each)
                assert len(own) > 5
                assert book.is_like(after)
            await market.close()
