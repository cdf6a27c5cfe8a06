import asyncio

import pytest

from protocol.bus import saying
from protocol.topics import parse_topic
from tests.protocol.party import going, house

NEVER_S = 3600.0
LIMIT_S = 10.0


class Socket:
    """Keeps what is sent."""

    def __init__(self):
        self.sent = asyncio.Queue()

    def send_multipart(self, frames, flags):  # noqa: ARG002 - as zmq has it
        """Take frames."""
        self.sent.put_nowait(frames)

    async def beat(self):
        """Wait for a heartbeat."""
        async with asyncio.timeout(LIMIT_S):
            frames = await self.sent.get()
        assert parse_topic(frames[0]).type_name == "heartbeat"


@pytest.fixture
def speaking(monkeypatch):
    """A party whose second heartbeat is an hour away, and its socket."""
    monkeypatch.setattr(saying, "BEAT_S", NEVER_S)
    party = saying.Saying(house()[1]["optimizer-1"], going, going)
    socket = Socket()
    party.open(socket)
    return party, socket


async def test_the_first_sign_of_life_comes_with_joining(speaking):
    """Not up to a second later, and not before: who has not joined says nothing."""
    party, socket = speaking
    task = asyncio.create_task(party.beat_on(None, lambda: True))
    await asyncio.sleep(0)
    assert socket.sent.empty()
    party.joined.set()
    await socket.beat()
    assert socket.sent.empty()
    task.cancel()


async def test_who_hosts_the_hub_beats_fast_until_it_forwards_what_he_says(speaking):
    """What a fresh link is given first goes nowhere; his own echo ends the haste."""
    party, socket = speaking
    heard = False
    party.joined.set()
    task = asyncio.create_task(party.beat_on(None, lambda: heard))
    for _ in range(3):
        await socket.beat()
    heard = True
    await socket.beat()  # it was on its way
    await asyncio.sleep(0)
    assert socket.sent.empty()
    task.cancel()
