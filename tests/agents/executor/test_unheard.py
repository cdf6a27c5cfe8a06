"""A boundary that was not heard is said again: its ttl ran out, or a clock was set."""

import asyncio

from agents.executor.shell_bus import _is_unheard
from protocol.bus.participant import Received
from protocol.errors import BusError, NackCode
from protocol.messages import Ack, Nack, Stage
from tests.protocol.party import message


def ended(word):
    future = asyncio.get_running_loop().create_future()
    told = message()
    future.set_result(Received(told.header, word, told))
    return future


async def test_what_lapsed_is_unheard_and_what_was_answered_is_not():
    """E_EXPIRED says that a message came too late to be looked at; other answers end it."""
    assert _is_unheard(ended(Nack(code=NackCode.EXPIRED, detail="too late")))
    assert not _is_unheard(ended(Nack(code=NackCode.FORBIDDEN, detail="no seat")))
    assert not _is_unheard(ended(Ack(stage=Stage.RECEIVED)))
    silent = asyncio.get_running_loop().create_future()
    assert not _is_unheard(silent)
    silent.set_exception(BusError("nobody answered"))
    assert _is_unheard(silent)
