"""The venue over the simulated exchange, in lockstep: the contract of all venues."""

import contextlib

import pytest

from exchange.binance.settings import Record
from exchange.binance.venue import BinanceVenue
from tests.agents.executor.market import recording, session_for
from tests.contract.venue import Desk, VenueContract
from tests.exchange.binance.stage import LOCKSTEP, staged

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """An hour of an artificial market."""
    return recording(tmp_path_factory.mktemp("feed"))


def record_of(session) -> Record:
    """Return what a new journal of a session knows."""
    quote_units, base_units, _ = (int(units) for units in session.setup.opening)
    return Record(quote_units=quote_units, base_units=base_units)


class TestBinance(VenueContract):
    """python-binance against the simulated exchange keeps the contract of all venues."""

    @pytest.fixture(params=["0ms", pytest.param("5ms", marks=pytest.mark.slice)])
    async def desk(self, request, path):
        """Open a fresh desk at a fresh exchange."""
        session = session_for(path, feed={"hours": 0.5}, executor={"latency": request.param})
        async with contextlib.AsyncExitStack() as stack:

            async def opened() -> Desk:
                stage = stack.enter_context(
                    staged(path, "--speed", "lockstep", "--latency", request.param)
                )
                settings = stage.settings(pace=LOCKSTEP)
                venue = BinanceVenue(settings, session.observer, record_of(session))
                stack.push_async_callback(venue.close)
                await venue.open()
                return Desk(venue, session.setup)

            yield opened
