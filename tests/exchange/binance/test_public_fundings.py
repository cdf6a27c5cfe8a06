"""The public market of a contract at a served exchange: its book, and its fundings as they come."""

import asyncio

from exchange.binance.client import environment_of
from exchange.binance.public import PublicMarket
from exchange.binance.settings import BinanceSettings, Pace
from tests.exchange.simulated.market import SECOND, START, SYMBOL, serving, write

SPEED = 100.0
LIMIT_S = 90.0


async def test_fundings_are_known_at_their_time_and_final_soon_after(tmp_path):
    """The rate is announced before, so that who charges by himself does it at the very step."""
    rows = tuple((START + at * SECOND, rate) for at, rate in ((200, 10_000), (320, -25)))
    contract = {"spot": False, "fee_in_base": False, "funding": rows}
    path = write(tmp_path, seconds=1_200, **contract)
    with serving("--feed", path, "--futures", "--speed", SPEED) as server:
        place = environment_of(server.url, futures=True)
        market = PublicMarket(BinanceSettings(place, SYMBOL, pace=Pace.FEED, speed=SPEED))
        book = await market.open()
        try:
            assert len(book) > 20
            at_time = None
            async with asyncio.timeout(LIMIT_S):
                while market.final_fundings() != rows:
                    await market.wait(0.05)
                    market.take()
                    now_ns = market.now_ns()
                    if at_time is None and now_ns >= rows[1][0]:
                        at_time = market.fundings(now_ns)
            assert at_time == rows
            assert market.fundings(rows[1][0] - 1) == rows[:1]
        finally:
            await market.close()
