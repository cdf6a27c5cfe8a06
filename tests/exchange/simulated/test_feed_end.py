"""What everybody is told when the recording has ended: the market is closed, not frozen."""

import asyncio

import pytest

from tests.exchange.simulated.client import Client
from tests.exchange.simulated.market import SYMBOL, serving, write

pytestmark = pytest.mark.slow
SECONDS, SPEED = 90, 20
GTX = {"timeInForce": "GTX", "kind": "LIMIT"}
WORLDS = {
    "spot": ((), {}, "/api/v3", "END_OF_DAY", -1013),
    "futures": (
        ("--futures",),
        {"timeInForce": "GTX", "kind": "LIMIT"},
        "/fapi/v1",
        "CLOSE",
        -4108,
    ),
}


@pytest.mark.parametrize("world", [pytest.param("spot", marks=pytest.mark.slice), "futures"])
async def test_at_the_end_of_the_feed_orders_expire_and_the_symbol_says_that_it_is_over(
    world, tmp_path
):
    """By its status, by the end of every order, by a refusal, and by one line; after a kill too."""
    arguments, kind, root, status, code = WORLDS[world]
    path = write(tmp_path, seconds=SECONDS)
    told = ("--feed", path, "--speed", SPEED, "--state", tmp_path / "state", *arguments)
    said = tmp_path / "said"
    for life in (1, 2):
        with said.open("w") as errors, serving(*told, errors=errors) as server:
            async with Client(server, root=root) as client:
                if life == 1:
                    await rests(client, kind)
                await ends(client, status)
                answer = await client.place("BUY", "0.5", "90.00", f"after-{life}", **kind)
                assert (answer[0], answer[1]["code"]) == (400, code)
                assert await told_of(client, "resting") == "EXPIRED"
                assert await locked(client) == 0
        (line,) = said.read_text().splitlines()
        assert line.startswith(f"the feed has ended: {SYMBOL} is {status}")


async def rests(client, kind):
    """Let an order rest that nothing fills."""
    answer = await client.place("BUY", "0.5", "90.00", "resting", **kind)
    assert answer[0] == 200, answer
    assert await told_of(client, "resting") == "NEW"


async def ends(client, status):
    """Wait until the symbol has a status."""
    async with asyncio.timeout(60):
        while True:
            _, info = await client.ask("GET", "exchangeInfo", signed=False)
            if info["symbols"][0]["status"] == status:
                return
            await asyncio.sleep(0.05)


async def told_of(client, name):
    """Return the status of an order."""
    _, order = await client.ask("GET", "order", symbol=SYMBOL, origClientOrderId=name)
    return order["status"]


async def locked(client):
    """Return what open orders still hold of the account."""
    _, account = await client.ask("GET", "account")
    if "balances" in account:
        return sum(float(row["locked"]) for row in account["balances"])
    return float(account["totalOpenOrderInitialMargin"])
