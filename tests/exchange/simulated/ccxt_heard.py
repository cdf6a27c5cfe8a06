"""What ccxt hears of the simulated exchange, gathered for its tests."""

import asyncio
import contextlib

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
