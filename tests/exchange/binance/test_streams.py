"""Addresses of the streams: what they ask for, and for which key a lockstep counts them."""

import pytest

from exchange.binance.client import AsyncClient, environment_of
from exchange.binance.streams import MARKET, Streams


@pytest.mark.parametrize(("futures", "unit"), [(False, "&timeUnit=MICROSECOND"), (True, "")])
async def test_a_lockstep_counts_the_market_for_one_key_and_nobody_else_tells_its_key(
    futures, unit
):
    """Two executors at one exchange count what each was sent; elsewhere no address has a key."""
    place = environment_of("http://127.0.0.1:9", futures=futures)
    wanted = f"streams=playusdt@depth@100ms/playusdt@trade{unit}"
    for key, ending in (("", ""), ("a key", "&key=a%20key")):
        client = AsyncClient()
        streams = Streams(client, place, "PLAYUSDT", private=False, counted_for=key)
        assert streams._sockets[MARKET]._path.endswith(wanted + ending)
        await client.close_connection()
