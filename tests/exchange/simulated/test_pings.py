"""Who is taken for dead: a client that answers no ping, not one whose pong nobody read."""

import asyncio
import contextlib
from types import SimpleNamespace

import pytest

from exchange.simulated import sockets


class Silent:
    """A connection whose client answers nothing."""

    def __init__(self, pings):
        self.socket = self
        self.closed, self.left = [], pings

    async def ping(self, _):
        """Be pinged; the last time the test ends."""
        self.left -= 1
        if not self.left:
            raise asyncio.CancelledError

    async def close(self, _, reason):
        """Note that it was given up."""
        self.closed.append(reason)


async def pinged(monkeypatch, times_s, pings):
    """Ping a silent client by a clock of its own; return why it was given up."""
    clock = iter(times_s)
    monkeypatch.setattr(sockets, "time", SimpleNamespace(monotonic=lambda: next(clock)))

    async def at_once(_):
        """Let the clock run instead."""

    monkeypatch.setattr(sockets.asyncio, "sleep", at_once)
    connection = Silent(pings)
    with contextlib.suppress(asyncio.CancelledError):
        await sockets._ping(connection, [0.0], lambda: 1)
    return connection.closed


async def test_a_client_that_answers_no_ping_for_a_minute_is_given_up(monkeypatch):
    """Four pings, twenty seconds apart."""
    times = [0.0, 20.0, 20.0, 40.0, 40.0, 60.0, 60.0, 80.0]
    assert await pinged(monkeypatch, times, pings=9) == ["no pong"]


@pytest.mark.parametrize("stop_s", [41.0, 300.0])
async def test_an_exchange_that_stood_still_gives_nobody_up(monkeypatch, stop_s):
    """A lockstep would wait for ever for what a closed connection was to bring."""
    times = [0.0, 20.0, 20.0, 20.0 + stop_s, 20.0 + stop_s, 40.0 + stop_s]
    assert await pinged(monkeypatch, times, pings=3) == []
