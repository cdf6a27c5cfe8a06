"""The venue at USD-M futures over the simulated exchange, in lockstep: the contract."""

import contextlib
import dataclasses
from decimal import Decimal

import pytest

from exchange.binance.settings import Pace
from exchange.binance.venue import BinanceVenue
from market.layout import (
    BUY,
    LEDGER_BASE,
    LEDGER_FUNDED,
    LEDGER_FUNDING,
    LEDGER_QUOTE,
    REPORT_ACCEPTED,
    REPORT_FUNDING,
    REPORT_KIND,
    REPORT_TRADE_ID,
    STEP_ASK,
    STEP_BID,
)
from market.ledger import position_lots
from market.own import OWN_METER_COUNT
from tests.agents.executor.market import perpetual, session_for
from tests.contract.venue import LOTS, Desk, VenueContract
from tests.exchange.binance.stage import LOCKSTEP, staged
from tests.exchange.binance.test_venue_contract import record_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """An hour of an artificial market, as a perpetual contract."""
    return perpetual(tmp_path_factory.mktemp("feed"), funded=False)


class TestUsdm(VenueContract):
    """python-binance's futures methods keep the contract of all venues."""

    @pytest.fixture
    async def desk(self, path):
        """Open a fresh desk at a fresh exchange."""
        async with contextlib.AsyncExitStack() as stack:
            yield lambda: opened(stack, path)


async def opened(stack, path) -> Desk:
    """Open a desk at an exchange of its own."""
    session = session_for(path, feed={"hours": 0.5}, executor={"latency": "5ms"})
    told = ("--speed", "lockstep", "--latency", "5ms", "--futures")
    stage = stack.enter_context(staged(path, *told))
    venue = BinanceVenue(stage.settings(pace=LOCKSTEP), session.observer, record_of(session))
    stack.push_async_callback(venue.close)
    await venue.open()
    return Desk(venue, session.setup)


@pytest.mark.slice
async def test_fundings_are_booked_once_and_the_account_is_the_ledger(tmp_path):
    """Told by the stream, listed by number; a venue opened anew has nothing more to tell."""
    path = perpetual(tmp_path)
    async with contextlib.AsyncExitStack() as stack:
        desk = await opened(stack, path)
        await desk.step(30)
        client = desk.venue.session.client
        for _ in range(60):
            row = desk.steps[-1].step_row
            if desk.account.own_meter[OWN_METER_COUNT] == 0:
                await desk.place(BUY, int(row[STEP_BID]), LOTS)
            await desk.step()
        assert position_lots(desk.account.ledger, desk.setup.scale) > 0
        await desk.step(240)
        rows = await client.futures_income_history(incomeType="FUNDING_FEE")
        told = [row for row in desk.reports if row[REPORT_KIND] == REPORT_FUNDING]
        assert [int(row[REPORT_TRADE_ID]) for row in told] == [row["tranId"] for row in rows]
        moved = sum(Decimal(row["income"]) for row in rows)
        assert desk.account.ledger[LEDGER_FUNDING] == int(moved * 10**8) != 0
        assert desk.account.ledger[LEDGER_FUNDED] == len(rows) >= 2
        held = await desk.venue.account()
        assert held.quote_units == desk.account.ledger[LEDGER_QUOTE]
        assert held.base_units == desk.account.ledger[LEDGER_BASE]
        told = await desk.venue.session.fundings()
        assert not desk.venue.desk.fund(told, 0)


@pytest.mark.slice
async def test_depth_and_trades_over_connections_of_their_own_make_one_market(path):
    """As Binance's own futures streams have it: both sides of the book, and prints."""
    with staged(path, "--speed", "20", "--futures") as stage:
        settings = stage.settings(pace=Pace.FEED, speed=20.0)
        settings = dataclasses.replace(
            settings, place=dataclasses.replace(settings.place, split=True)
        )
        session = session_for(path, feed={"hours": 0.5})
        venue = BinanceVenue(settings, session.observer, record_of(session))
        await venue.open()
        try:
            desk = Desk(venue, session.setup)
            await desk.step(60)
            row = desk.steps[-1].step_row
            assert 0 < row[STEP_BID] < row[STEP_ASK] < 1 << 60
            assert venue._rows.last_ticks > 0
            order_id = await desk.place(BUY, int(row[STEP_BID]) - 20, LOTS)
            while REPORT_ACCEPTED not in desk.kinds(order_id):
                await desk.step()
        finally:
            await venue.close()
