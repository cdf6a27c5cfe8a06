"""The desk as a process beside a real stack: its figures are the journal's, its actions hold."""

import asyncio
import json
from itertools import pairwise

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from agents.executor.pages import journal_page
from agents.executor.recovery import open_journal
from desk.rows import decimal, units
from tests.desk.windows import DESK, EXECUTOR, Window, act, get, new_id


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    """One stack for all tests; each leaves it trading."""
    with Window(tmp_path_factory.mktemp("window")) as found:
        yield found


def journaled(window, table):
    """Every row of a table of the executor's journal."""
    with open_journal(window.house.folder, readonly=True) as journal:
        found, after = [], 0
        while rows := journal_page(journal, table, after):
            found += rows
            after = rows[-1].seq
    return found


def filled(fills, order_id):
    """What the fills of an order come to, in units."""
    return sum(units(each["quantity"]) for each in fills if each["order_id"] == order_id)


async def test_every_figure_is_the_journal_s(window):
    """Fills, orders, equity, profit split and counts, computed from the journal by other means."""
    async with window.client() as client:
        await window.trading(client)
        shown = await get(client, "performance")
        fills = (await get(client, "fills", limit=500))["fills"]
        points = (await get(client, "equity", points=5000))["points"]
        orders = (await get(client, "orders", limit=500))["orders"]
        later = (await get(client, "fills", limit=500))["fills"]
    told = {
        each["trade_id"]: each for row in journaled(window, "reports") for each in row.body["fills"]
    }
    sent = {
        each["order_id"]: each
        for row in journaled(window, "intents")
        for each in row.body["orders"]
    }
    cycles = [row for row in journaled(window, "cycles") if row.kind == "cycle"]
    assert fills
    same = 0
    for each in fills:
        theirs = told[each["trade_id"]]
        assert {name: each[name] for name in theirs if name in each} == {
            name: value for name, value in theirs.items() if name in each
        }
    for each in orders:
        theirs = sent[each["order_id"]]
        assert all(each[name] == theirs[name] for name in ("side", "price", "quantity", "level"))
        if each["order_id"] > min(one["order_id"] for one in later):
            # It trades on between two requests.
            before, after = (filled(read, each["order_id"]) for read in (fills, later))
            assert before <= units(each["filled"]) <= after
            same += before == after
    assert same
    last = next(row for row in cycles if row.time_ns == shown["time_ns"])
    for name in ("opening", "equity", "spread", "fees", "inventory", "funding", "drawdown"):
        assert shown[name] == last.body[name], name
    net = units(last.body["net"]) - units(cycles[0].body["net"])
    assert shown["net_of_holding"] == decimal(net)
    assert shown["round_trips"] >= last.body["round_trips"]
    assert [each["time_ns"] for each in points] == [row.time_ns for row in cycles][: len(points)]
    assert [each["equity"] for each in points] == [row.body["equity"] for row in cycles][
        : len(points)
    ]


async def test_how_the_policy_in_shadow_stands_is_the_journal_s(window):
    """What the executor says of the contest is its newest verdict, and REST has all of them."""
    async with window.client() as client:
        await window.trading(client)

        async def judged():
            told = (await get(client, "status"))["policy"]
            return told if (told["blocks"] or 0) >= 2 else None

        async def stored():
            found = (await get(client, "parameters", limit=500))["verdicts"]
            return found if len(found) >= 2 else None

        told = await window.until(judged, "a few blocks are judged")
        shown = await window.until(stored, "and stored")
    kept = [row for row in journaled(window, "heard") if row.kind == "policy"]
    rows = {row.body["until_ns"]: row for row in kept}
    body = rows[told["judged"]["time_ns"]].body
    assert (told["in_force"], told["candidate"]) == ("closed_form", "plan")
    assert told["round_trips"] == body["trips"]
    assert told["since"]["time_ns"] == body["since_ns"]
    for name in ("stage", "reason", "blocks", "lower", "upper"):
        assert told[name] == body[name], name
    for each in shown:
        row = rows[each["until_ns"]]
        assert each == {"time": each["time"], "time_ns": row.time_ns, **row.body}


async def test_what_is_shown_as_present_says_how_old_it_is(window):
    """An executor that stands still is shown as stale, and as fresh again afterwards."""
    async with window.client() as client:
        await window.trading(client)

        async def fresh():
            return (await get(client, "health"))["ok"]

        async def stale():
            told = await get(client, "status")
            return told["stale"] and told["state"] == "silent"

        await window.until(fresh, "all is well")
        with window.house.stopped(EXECUTOR):
            await window.until(stale, "its silence is shown")
            assert (await get(client, "health"))["stale"] == [EXECUTOR]
        await window.until(fresh, "all is well again")


async def test_a_stop_is_acknowledged_and_asked_again_changes_nothing(window):
    """Stopped, nothing open, rearmed; the same stop once more, at a new desk, is history."""
    key = new_id()
    async with window.client("act") as client:
        await window.trading(client)
        code, told = await act(client, "stop", key, reason="test")
        assert (code, told["acknowledged"]) == (200, True)
        assert told["said"][EXECUTOR] == "stopped"

        async def stopped():
            found = await get(client, "status")
            return found["stopped"] and found["open_orders"] == 0

        await window.until(stopped, "the stop is shown, and nothing open")
        assert (await act(client, "rearm"))[0] == 200
        window.open_desk()

        async def again():
            return (await client.post("stop", json={"id": key, "reason": "test"})).json()

        assert (await window.until(again, "the desk is back"))["replayed"]
        other = await act(client, "pause", key)
        assert other[0] == 409

        async def quoting():
            found = await get(client, "status")
            return found["stopped"] is False and (found["open_orders"] or 0) > 0

        await window.until(quoting, "it quotes: the replay stopped nothing")


async def test_two_who_ask_the_same_at_once_get_one_answer(window):
    """A pause under one id, thrice at a time, then what a mode refuses."""
    key = new_id()
    async with window.client("act") as client:
        await window.trading(client)
        answers = await asyncio.gather(*(act(client, "pause", key) for _ in range(3)))
        assert {code for code, _ in answers} == {200}, [told["note"] for _, told in answers]
        assert (await act(client, "resume"))[0] == 200
        code, told = await act(client, "mode", mode="peer")
        assert code in {200, 409}, told
        assert (await act(client, "mode", mode="dictator"))[0] == 422


async def test_nothing_foreign_has_an_effect(window):
    """Wrong tokens, a token that may only look, foreign hosts and origins: nothing is paused."""
    foreign = (
        (None, {}),
        (None, {"authorization": "Bearer " + "x" * 43}),
        (None, {"authorization": "Basic " + window.tokens["act"]}),
        (None, {"authorization": "Bearer " + window.tokens["act"][:-1]}),
        (None, {"cookie": f"token={window.tokens['act']}"}),
        ("read", {}),
        ("act", {"origin": "http://evil.example"}),
        ("act", {"host": "evil.example"}),
    )
    before = len(journaled(window, "heard"))
    for scope, headers in foreign:
        async with window.client(scope, **headers) as client:
            for action in ("pause", "stop", "rearm", "resume", "mode"):
                code, _ = await act(client, action)
                assert code in {401, 403, 421, 429}
    kinds = {row.kind for row in journaled(window, "heard")[before:]}
    assert not kinds & {"stop", "pause", "rearm"}


async def listened(window, token, **more):
    """The messages of a stream, until one of each awaited kind has come."""
    found = []
    address = f"ws://127.0.0.1:{window.port}/api/v1/stream"
    async with asyncio.timeout(30.0), connect(address, **more) as socket:
        await socket.send(json.dumps({"token": token}))
        while not {"status", "position", "processes", "rows", "fills"} <= {
            m["event"] for m in found
        }:
            found.append(json.loads(await socket.recv()))
    return found


async def test_the_stream_pushes_what_is_new_to_whoever_has_a_token(window):
    """Status, position, fills, rows and signs of life, each a whole state."""
    async with window.client() as client:
        await window.trading(client)
    found = await listened(window, window.tokens["read"])
    status = next(each["data"] for each in found if each["event"] == "status")
    assert status["executor"] == EXECUTOR
    assert status["age_s"] < 5.0
    with pytest.raises(ConnectionClosed):
        await listened(window, "x" * 43)
    with pytest.raises(InvalidStatus):
        await listened(window, window.tokens["read"], origin="http://evil.example")


@pytest.mark.slow
async def test_trading_goes_on_while_the_desk_is_flooded_and_when_it_is_killed(window):
    """Fifty readers, then kill -9: the executor decides on, and no decision is missing."""
    async with window.client() as client:
        await window.trading(client)
        answers = await asyncio.gather(
            *(
                client.get(path)
                for path in ("performance", "fills", "orders", "equity", "risk") * 10
            )
        )
        assert {each.status_code for each in answers} <= {200, 429}
    window.house.kill(DESK)
    before = len(journaled(window, "cycles"))

    async def more():
        return len(journaled(window, "cycles")) > before + 2

    await window.until(more, "it decides without a desk")
    times = [row.time_ns for row in journaled(window, "cycles") if row.kind == "cycle"]
    cycle_ns = window.house.settings.executor.cycle_s * 10**9
    assert {b - a for a, b in pairwise(times)} == {cycle_ns}
    window.open_desk()
    async with window.client() as client:
        await window.trading(client)
