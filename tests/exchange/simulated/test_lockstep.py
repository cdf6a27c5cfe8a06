import asyncio
import json
import signal

import pytest

from tests.exchange.simulated.client import Client
from tests.exchange.simulated.market import SYMBOL, serving, write

STEPS = 60


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write(tmp_path_factory.mktemp("feed"), seconds=STEPS + 2)


async def trade(server, *, late=()):
    """Trade the day in lockstep by a fixed plan; return all that was heard, with its step."""
    story = []
    async with Client(server) as client:
        await client.open_api()
        heard = []
        names = (f"{SYMBOL.lower()}@trade", f"{SYMBOL.lower()}@depth")
        market = await client.follow(names, heard)
        sent = {}
        steps = await client.session.ws_connect(f"{server.control}/lockstep?key=test")
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
            story.append((told["step"], told["market"], [dict(e) for e in client.heard]))
            if number in late:
                await asyncio.sleep(0.05)
            for side, price in (("BUY", "99.95"), ("SELL", "100.05")):
                if number % 7 == 3:
                    sent[f"{side}-{number}"] = client.send(
                        "order.place", symbol=SYMBOL, side=side, type="LIMIT_MAKER",
                        quantity="0.08", price=price, newClientOrderId=f"{side}-{number}",
                    )  # fmt: skip
                if number % 7 == 5:
                    sent[f"c{side}-{number}"] = client.send(
                        "order.cancel", symbol=SYMBOL, origClientOrderId=f"{side}-{number - 2}",
                        newClientOrderId=f"c{side}-{number}",
                    )  # fmt: skip
            await steps.send_str(json.dumps({"done": told["step"], "requests": len(sent)}))
        _, trades = await client.ask("GET", "myTrades", symbol=SYMBOL)
        await market.close()
    answers = {name: future.result()["status"] for name, future in sent.items()}
    return story, answers, trades


async def test_a_day_in_lockstep_depends_on_the_requests_alone(path):
    """A client that is slow at some steps lives through the same day, to the last event."""
    days = []
    for late in ((), range(0, 10**10, 11)):
        with serving("--feed", path, "--speed", "lockstep", "--latency", "300ms,600ms") as server:
            days.append(await trade(server, late=late))
    assert days[0] == days[1]
    story, answers, trades = days[0]
    assert len(story) == STEPS + 1
    assert len(trades) > 10
    assert {200, 400} == set(answers.values())
    for step, _, events in story:
        for event in events:
            assert event["E"] * 10**6 + 600 * 10**6 <= step


async def test_without_a_client_feed_time_stands_still(path):
    """Whoever knows nothing of lockstep sees a market that waits."""
    with serving("--feed", path, "--speed", "lockstep") as server:
        before = server.ask("/status")["feed_ns"]
        async with Client(server) as client:
            assert (await client.ask("GET", "account"))[0] == 200
        assert server.ask("/status")["feed_ns"] == before
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=10) == 0
