import base64
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.exchange.simulated.client import Client
from tests.exchange.simulated.market import SYMBOL, serving, write

ACCOUNTS = """
[[account]]
name = "maker"
key = "maker-key"
secret = "one"
balances = {{ USDT = "10000", PLAY = "100" }}

[[account]]
name = "taker"
key = "taker-key"
secret = "two"
taker_fee_bps = 10
balances = {{ USDT = "10000", PLAY = "100", BNB = "1" }}
fee_asset = "BNB"
fee_asset_price = "600"

[[account]]
name = "elliptic"
key = "elliptic-key"
public_key = '''{public}'''
balances = {{ USDT = "5" }}
"""


@pytest.fixture(scope="module")
def private():
    return Ed25519PrivateKey.generate()


@pytest.fixture(scope="module")
def server(tmp_path_factory, private):
    folder = tmp_path_factory.mktemp("feed")
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    accounts = folder / "accounts.toml"
    accounts.write_text(ACCOUNTS.format(public=public.decode()))
    told = ("--feed", write(folder, seconds=3_000), "--accounts", accounts, "--listen-keys")
    with serving(*told) as found:
        yield found


async def test_two_accounts_trade_with_each_other(server):
    """One trade, two fills with its number; each pays its own fee from its own asset."""
    async with (
        Client(server, "maker-key", "one") as maker,
        Client(server, "taker-key", "two") as taker,
    ):
        await maker.open_api()
        await taker.open_api()
        await maker.place("SELL", "0.50", "100.00", "ask")
        told = {"kind": "LIMIT", "timeInForce": "IOC"}
        _, body = await taker.place("BUY", "0.50", "100.00", "lift", **told)
        assert (body["status"], len(body["fills"])) == ("FILLED", 1)
        assert body["fills"][0]["commissionAsset"] == "BNB"
        assert body["fills"][0]["commission"] == "0.00006250"  # 50 x 10 bps x 3/4 / 600
        await maker.until(lambda: [e for e in maker.heard if e.get("x") == "TRADE"])
        sold = next(e for e in maker.heard if e.get("x") == "TRADE")
        assert sold["t"] == body["fills"][0]["tradeId"]
        assert (sold["m"], sold["n"], sold["N"]) == (True, "0.00500000", "USDT")
        _, account = await taker.ask("GET", "account")
        held = {row["asset"]: row["free"] for row in account["balances"]}
        assert held == {"USDT": "9950.00000000", "PLAY": "100.50000000", "BNB": "0.99993750"}


async def test_a_session_is_logged_on_with_ed25519_alone(server, private):
    """After session.logon requests need no signature; an HMAC key cannot log on."""
    async with Client(server, "elliptic-key", "") as client:
        await client.open_api_only()
        told = {"apiKey": "elliptic-key", "timestamp": int(time.time() * 1000)}
        payload = "&".join(f"{name}={told[name]}" for name in sorted(told))
        seal = base64.b64encode(private.sign(payload.encode())).decode()
        answer = await client.raw("session.logon", {**told, "signature": seal})
        assert answer["result"]["apiKey"] == "elliptic-key"
        now = {"timestamp": int(time.time() * 1000)}
        answer = await client.raw("account.status", now)
        assert answer["result"]["uid"] == 3
        answer = await client.raw("userDataStream.subscribe", now)
        assert answer["result"] == {"subscriptionId": 0}
        order = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT_MAKER", "price": "90.00"}
        answer = await client.raw("order.place", {**now, **order, "quantity": "0.5"})
        assert answer["error"]["code"] == -2010
        answer = await client.raw("session.logout", {})
        assert (await client.raw("account.status", now))["status"] == 401
    async with Client(server, "maker-key", "one") as client:
        await client.open_api_only()
        assert (await client.send("session.logon"))["error"]["code"] == -4056


async def test_the_old_user_stream_is_served_where_it_is_switched_on(server):
    """A listen key, events without a wrapping."""
    async with Client(server, "maker-key", "one") as client:
        status, body = await client.ask("POST", "userDataStream")
        assert status == 200
        async with client.session.ws_connect(f"{server.sockets}/ws/{body['listenKey']}") as one:
            await client.place("BUY", "0.50", "90.00", "far")
            told = await one.receive_json()
            assert (told["e"], told["x"], told["c"]) == ("executionReport", "NEW", "far")
        assert (await client.ask("PUT", "userDataStream", **body))[0] == 200
        assert (await client.ask("PUT", "userDataStream", listenKey="no"))[1]["code"] == -1125


async def test_times_are_microseconds_for_who_asks(server):
    """By header over HTTP, by address over sockets."""
    async with Client(server, "maker-key", "one") as client:
        headers = {"X-MBX-TIME-UNIT": "MICROSECOND"}
        url = f"{server.url}/api/v3/time"
        async with client.session.get(url, headers=headers) as answer:
            assert (await answer.json())["serverTime"] > 10**15
        url = f"{server.sockets}/ws/{SYMBOL.lower()}@trade?timeUnit=MICROSECOND"
        async with client.session.ws_connect(url) as one:
            assert (await one.receive_json())["T"] > 10**15
