import asyncio
import random

import aiohttp
import pytest

from exchange.simulated.api import ENDPOINTS
from tests.exchange.simulated.client import Client
from tests.exchange.simulated.market import SYMBOL, serving, write


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    path = write(tmp_path_factory.mktemp("feed"), seconds=3_000)
    with serving("--feed", path, "--speed", 10) as found:
        yield found


@pytest.fixture
async def client(server):
    server.ask("/faults", method="DELETE")
    async with Client(server) as found:
        yield found
        await found.ask("DELETE", "openOrders", symbol=SYMBOL)
        server.ask("/faults", method="DELETE")


async def known(client, name):
    """Whether the exchange knows an order."""
    status, _ = await client.ask("GET", "order", symbol=SYMBOL, origClientOrderId=name)
    return status == 200


async def test_an_error_before_matching_leaves_no_order_and_one_after_does(server, client):
    """A 5xx says nothing about what became of an order."""
    server.ask("/faults", {"kind": "error_before", "request": "order.place"})
    status, body = await client.place("BUY", "0.5", "90.00", "before")
    assert (status, body["code"], await known(client, "before")) == (503, -1007, False)
    server.ask("/faults", {"kind": "error_after", "request": "order.place", "status": 504})
    status, body = await client.place("BUY", "0.5", "90.00", "after")
    assert (status, body["code"], await known(client, "after")) == (504, -1007, True)
    assert server.ask("/faults") == []


async def test_a_dropped_answer_tells_nothing(server, client):
    """The connection ends; the order is there or not."""
    for kind, there in (("drop_before", False), ("drop_after", True)):
        server.ask("/faults", {"kind": kind, "request": "order"})
        with pytest.raises(aiohttp.ClientError):
            await client.place("BUY", "0.5", "90.00", kind)
        assert await known(client, kind) == there


async def test_a_delayed_answer_comes_late(server, client):
    """So late that a client with little patience gives up."""
    server.ask("/faults", {"kind": "delay_after", "request": "order.place", "seconds": 5})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await client.place("BUY", "0.5", "90.00", "late")
    assert await known(client, "late")


async def test_too_many_requests_must_wait_and_who_does_not_is_banned(server, client):
    """429 with Retry-After; going on all the same brings 418."""
    server.ask("/faults", {"kind": "too_many", "request": "time", "seconds": 1})
    seen = [(await client.ask("GET", "time", signed=False))[0] for _ in range(12)]
    assert seen[:10] == [429] * 10
    assert seen[-1] == 418
    assert 1 <= int(client.headers["Retry-After"]) <= 121
    server.ask("/faults", {"kind": "too_many", "request": "time", "seconds": 0})
    status, body = await client.ask("GET", "time", signed=False)
    assert (status, body) == (200, body)
    assert "X-MBX-USED-WEIGHT-1M" in client.headers


async def test_events_of_the_user_stream_double_turn_and_vanish(server, client):
    """Duplicated, reordered and withheld; what the account says is right all the while."""
    await client.open_api()
    server.ask("/faults", {"kind": "user_duplicate", "event": "NEW"})
    await client.place("BUY", "0.5", "90.00", "doubled")
    await client.until(lambda: len(client.heard) == 3)
    assert [e.get("x") for e in client.heard] == ["NEW", "NEW", None]
    client.heard.clear()
    server.ask("/faults", {"kind": "user_reorder", "event": "CANCELED"})
    await client.ask("DELETE", "order", symbol=SYMBOL, origClientOrderId="doubled")
    await client.until(lambda: len(client.heard) == 2)
    assert [e["e"] for e in client.heard] == ["outboundAccountPosition", "executionReport"]
    client.heard.clear()
    server.ask("/faults", {"kind": "user_withhold", "event": "NEW"})
    await client.place("BUY", "0.5", "90.00", "silent")
    await client.until(lambda: client.heard)
    assert [e["e"] for e in client.heard] == ["outboundAccountPosition"]


async def test_streams_end_with_a_code_after_a_warning(server, client):
    """A forced disconnect: serverShutdown, then 1001."""
    async with client.session.ws_connect(f"{server.sockets}/ws/{SYMBOL.lower()}@kline_1d") as one:
        await asyncio.sleep(0.2)
        assert server.ask("/disconnect", {"kind": "market", "announce": True})["ended"] == 1
        kinds = [message.json()["e"] async for message in one if message.type == 1]
        assert kinds[-1] == "serverShutdown"
        assert one.close_code == 1001


async def test_a_withheld_diff_is_a_gap(server, client):
    """The next diff does not follow the last one."""
    async with client.session.ws_connect(f"{server.sockets}/ws/{SYMBOL.lower()}@depth") as one:
        first = await one.receive_json()
        second = await one.receive_json()
        assert second["U"] == first["u"] + 1
        server.ask("/withhold", {"diffs": 1})
        third = await one.receive_json()
        assert third["U"] > second["u"] + 1


async def test_clock_and_symbol_change_on_request(server, client):
    """An offset makes every request stale; status and filters are what exchangeInfo says."""
    server.ask("/clock", {"offset_ms": 60_000})
    assert (await client.ask("GET", "account"))[1]["code"] == -1021
    server.ask("/clock", {"offset_ms": 0})
    server.ask("/symbol", {"status": "CANCEL_ONLY", "tick": "0.1"})
    _, info = await client.ask("GET", "exchangeInfo", signed=False)
    assert info["symbols"][0]["status"] == "CANCEL_ONLY"
    assert info["symbols"][0]["filters"][0]["tickSize"] == "0.10000000"
    assert (await client.place("BUY", "0.5", "90.00", "closed"))[1]["code"] == -1013
    server.ask("/symbol", {"status": "TRADING", "tick": "0.01"})
    assert (await client.place("BUY", "0.5", "90.00", "open"))[0] == 200


@pytest.mark.parametrize(
    ("path", "body", "word"),
    [
        ("symbol", '{"tick": "0"}', "above zero for tick and step"),
        ("symbol", '{"tick": "-1"}', "decimal text"),
        ("symbol", '{"min_notional": "NaN"}', "decimal text"),
        ("clock", '{"offset_ms": "x"}', "offset_ms must be milliseconds"),
        ("clock", '{"offset_ms": 1e99}', "within a year"),
        ("faults", "xx", "must be a JSON object"),
        ("faults", "[1]", "must be a JSON object"),
        ("faults", "[" * 9_000, "must be a JSON object"),
    ],
)
async def test_a_wrong_request_of_the_control_port_changes_nothing(client, path, body, word):
    """400 with one line; the next order is taken as before."""
    async with client.session.post(f"{client.server.control}/{path}", data=body) as answer:
        assert answer.status == 400
        assert word in (await answer.json())["error"]
    assert (await client.place("BUY", "0.5", "90.00", "sound"))[0] == 200


async def test_a_frame_that_is_no_request_gets_an_answer(client):
    """Also one of brackets alone, deeper than any parser goes."""
    for text in ("[" * 3_000, "{}", "7"):
        async with client.session.ws_connect(f"{client.server.sockets}/ws-api/v3") as api:
            await api.send_str(text)
            assert (await api.receive_json(timeout=10))["error"]["code"] == -1135
        async with client.session.ws_connect(f"{client.server.sockets}/ws") as stream:
            await stream.send_str(text)
            assert (await stream.receive_json(timeout=10))["error"]["code"] == 3


async def test_a_misspelt_parameter_is_refused_before_anything_is_done(client):
    """Binance says how many it read; the order does not stand under another id."""
    told = {"timeInForce": "GTC", "newClientOrderID": "other"}
    status, body = await client.place("BUY", "0.5", "90.00", "mine", kind="LIMIT", **told)
    assert (status, body["code"]) == (400, -1104)
    assert body["msg"].startswith("Not all sent parameters were read; read '")
    assert not await known(client, "mine")


async def test_the_count_of_unfilled_orders_is_told(server, client):
    """X-MBX-ORDER-COUNT counts orders that have not filled."""
    await client.place("BUY", "0.5", "90.00", "counted")
    assert 1 <= int(client.headers["X-MBX-ORDER-COUNT-10S"]) <= 20
    _, rows = await client.ask("GET", "rateLimit/order")
    assert [(row["interval"], row["intervalNum"]) for row in rows] == [("SECOND", 10), ("DAY", 1)]


async def test_a_connection_can_be_cut_without_a_word(server, client):
    """1006: the client sees no close frame."""
    async with client.session.ws_connect(f"{server.sockets}/ws/{SYMBOL.lower()}@depth") as one:
        await one.receive_json()
        assert server.ask("/disconnect", {"kind": "market", "code": 1006})["ended"] == 1
        kinds = [message.type async for message in one]
        assert one.close_code == 1006
        assert aiohttp.WSMsgType.CLOSE not in kinds


async def test_nothing_that_a_client_sends_breaks_the_exchange(server, client):
    """Odd parameters at every address: a refusal with a code, never an error of ours."""
    odd = (
        "",
        "0",
        "-1",
        "1e5",
        "9" * 20,
        "9" * 40,
        "\x00",
        "\u00e9",
        "NaN",
        "true",
        "[]",
        "a" * 500,
    )
    names = ("symbol", "limit", "fromId", "orderId", "startTime", "endTime", "interval", "price",
             "quantity", "side", "type", "timeInForce", "origClientOrderId", "newQty",
             "newClientOrderId", "cancelReplaceMode", "quoteOrderQty", "timestamp")  # fmt: skip
    good = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "90",
            "quantity": "0.5", "interval": "1m", "origClientOrderId": "x", "newQty": "0.5",
            "cancelReplaceMode": "ALLOW_FAILURE"}  # fmt: skip
    rng = random.Random(7)
    for endpoint in ENDPOINTS:
        for _ in range(12):
            told = {**good, **{rng.choice(names): rng.choice(odd) for _ in range(3)}}
            path = endpoint.path
            status, body = await client.ask(endpoint.method, path, signed=True, **told)
            assert status in {200, 400, 401, 409, 410, 429}, (endpoint.name, told, body)
    assert (await client.ask("GET", "account"))[0] == 200


async def test_nothing_that_is_said_over_sockets_breaks_the_exchange(server, client):
    """No JSON, no method, odd parameters: an answer with an error, and the connection goes on."""
    async with client.session.ws_connect(f"{server.sockets}/ws-api/v3") as one:
        for text in ("", "[]", "{}", "null", '{"method":5}', '{"id":1,"method":"order.place"}',
                     '{"id":1,"method":"depth","params":[1]}',
                     '{"id":[],"method":"account.status","params":{"apiKey":{},"timestamp":1.5}}',
                     '{"id":2,"method":"time"}'):  # fmt: skip
            await one.send_str(text)
            told = await one.receive_json()
            assert told["status"] in {200, 400, 401, 404}, text
        assert told["result"]["serverTime"] > 0
