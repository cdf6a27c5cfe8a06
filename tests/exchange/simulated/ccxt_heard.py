"""What ccxt hears of the simulated exchange, gathered for its tests."""

import asyncio
import contextlib

import pytest

from protocol.tasks import end_all


async def following(watch, heard):
    """Put everything that a subscription says into a list."""
    while True:
        heard.extend(await watch())


async def until(true, seconds=20.0):
    """Wait until something is true."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what is awaited is a list of somebody else
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def watching(client, symbol):
    """(orders, trades) of the user stream, lists that grow."""
    client.newUpdates = True
    orders, trades = [], []
    tasks = [
        asyncio.create_task(following(lambda: client.watch_orders(symbol), orders)),
        asyncio.create_task(following(lambda: client.watch_my_trades(symbol), trades)),
    ]
    await asyncio.sleep(0.5)
    try:
        yield orders, trades
    finally:
        await end_all(tasks)


def sides(book):
    """The levels of a book."""
    return {side: [list(row[:2]) for row in book[side]] for side in ("bids", "asks")}


async def assert_book_is_the_snapshot(client, symbol, depth):
    """Hold the book that ccxt keeps from diffs to three snapshots of the same update."""
    kept, equal = {}, 0
    async with asyncio.timeout(30):
        while equal < 3:
            book = await client.watch_order_book(symbol)
            kept[book["nonce"]] = sides(book)
            snapshot = await client.fetch_order_book(symbol, depth)
            if snapshot["nonce"] not in kept:
                continue
            assert kept[snapshot["nonce"]] == sides(snapshot)
            equal += 1
    trades = await client.watch_trades(symbol)
    assert {trade["price"] for trade in trades} <= {99.86, 100.14}


async def assert_strangers_are_refused(ccxt, client_of):
    """A wrong secret, an unknown key, a stale clock: Binance's codes, as ccxt's errors."""
    async with client_of(secret="wrong") as client:
        with pytest.raises(ccxt.AuthenticationError, match="-1022"):
            await client.fetch_balance()
    async with client_of(apiKey="nobody") as client:
        with pytest.raises(ccxt.AuthenticationError, match="-2015"):
            await client.fetch_balance()
    async with client_of(options={"timeDifference": 60_000}) as client:
        with pytest.raises(ccxt.InvalidNonce, match="-1021"):
            await client.fetch_balance()
