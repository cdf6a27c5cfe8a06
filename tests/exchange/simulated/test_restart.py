import pytest

from tests.exchange.simulated.client import Client
from tests.exchange.simulated.market import SYMBOL, serving, write


async def picture(client):
    """What an account sees of itself."""
    found = {}
    for path, told in (("account", {}), ("openOrders", {}), ("myTrades", {"symbol": SYMBOL}),
                       ("allOrders", {"symbol": SYMBOL})):  # fmt: skip
        found[path] = (await client.ask("GET", path, **told))[1]
    return found


async def test_a_killed_exchange_comes_back_as_it_was(tmp_path):
    """Balances, orders and trades survive; what rested rests and still fills; ids go on."""
    told = ("--feed", write(tmp_path, seconds=3_000), "--speed", 10, "--state", tmp_path / "state")
    with serving(*told) as server:
        async with Client(server) as client:
            await client.open_api()
            await client.place("BUY", "0.12", "99.95", "fills")
            await client.place("BUY", "0.50", "90.00", "rests")
            await client.until(lambda: [e for e in client.heard if e.get("X") == "FILLED"])
            await client.place("SELL", "5.00", "100.05", "partly")
            await client.until(
                lambda: [
                    e for e in client.heard if e.get("X") == "PARTIALLY_FILLED" and e["S"] == "SELL"
                ]
            )
            feed_ns = server.ask("/status")["feed_ns"]
            before = await picture(client)
    with serving(*told) as server:
        assert abs(server.ask("/status")["feed_ns"] - feed_ns) < 120 * 10**9
        async with Client(server) as client:
            await client.open_api()
            after = await picture(client)
            seen = [order["clientOrderId"] for order in after["openOrders"]]
            assert seen == [order["clientOrderId"] for order in before["openOrders"]]
            count = len(before["myTrades"])
            assert after["myTrades"][:count] == before["myTrades"]
            assert len(after["allOrders"]) == len(before["allOrders"])
            await client.until(lambda: [e for e in client.heard if e.get("x") == "TRADE"])
            _, placed = await client.place("BUY", "0.12", "90.00", "next")
            assert placed["orderId"] == before["allOrders"][-1]["orderId"] + 1
            now = await picture(client)
            numbers = [trade["id"] for trade in now["myTrades"]]
            assert numbers == list(range(1, len(numbers) + 1))


async def test_no_key_stands_in_the_state(tmp_path):
    """Accounts are kept by their names: whoever reads the folder cannot trade with it."""
    accounts = tmp_path / "accounts.toml"
    accounts.write_text('[[account]]\nname = "maker"\nkey = "test"\nsecret = "test"\n')
    state = ("--state", tmp_path / "state", "--accounts", accounts)
    with serving("--feed", write(tmp_path, seconds=600), *state) as server:
        async with Client(server) as client:
            await client.open_api()
            await client.place("BUY", "0.12", "90.00", "rests")
    (file,) = (tmp_path / "state").glob("*.jsonl")
    text = file.read_text()
    assert '"maker"' in text
    assert '"test"' not in text


def test_the_state_of_another_recording_is_refused(tmp_path):
    """A folder belongs to one recording."""
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()
    state = tmp_path / "state"
    with serving("--feed", write(first, seconds=60), "--state", state):
        pass
    other = serving("--feed", write(second, seconds=90), "--state", state)
    with pytest.raises(AssertionError, match="did not start"):
        other.__enter__()
