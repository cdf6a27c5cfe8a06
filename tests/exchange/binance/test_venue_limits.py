"""Limits, clocks and the symbol change while a venue trades: it waits, measures again, or stops."""

import asyncio
import dataclasses
import time

import pytest

from exchange.binance.instrument import Trading
from exchange.binance.venue import BinanceVenue
from market.layout import (
    BUY,
    REPORT_ACCEPTED,
    REPORT_CANCELLED,
    REPORT_REFUSED,
)
from protocol.tasks import end_all
from tests.exchange.binance.agreement import violations
from tests.exchange.binance.fault_table import FAR, LOTS
from tests.exchange.binance.theatre import theatre

pytestmark = [pytest.mark.slow, pytest.mark.slice]


@pytest.fixture(scope="module")
def stage():
    """Run one exchange for all."""
    with theatre() as made:
        yield made


@pytest.fixture
async def trader(stage):
    """A trader in its first life; afterwards its journal and the exchange must agree."""
    made = await stage.trader()
    await made.open()
    yield made
    await stage.mend()
    await stage.ask("/clock", offset_ms=0)
    await made.venue.close()
    made.desk.reports.extend(made.venue.desk.take_rows())
    assert await violations(made) == []


async def place(trader):
    """Send an order that rests."""
    order_id = await trader.intend(BUY, FAR, LOTS)
    await trader.send(order_id)
    return order_id


async def answered(trader, order_id):
    """Return what became of an order."""
    assert await trader.until(lambda: trader.desk.kinds(order_id))
    return trader.desk.kinds(order_id)


@pytest.mark.parametrize("kind", ["too_many", "banned"])
async def test_after_too_many_requests_nothing_is_sent_until_it_may(stage, trader, kind):
    """Retry-After is kept: neither quotes nor cancels nor questions go out, and no ban follows."""
    resting = await place(trader)
    await answered(trader, resting)
    await stage.ask("/faults", kind=kind, request="order.place", seconds=1.5)
    began_s = time.monotonic()
    assert await answered(trader, await place(trader)) == [REPORT_REFUSED]
    before = (await stage.stage.status())["counts"]["test"]["requests"]
    await trader.cancel(resting)
    while time.monotonic() - began_s < 1.4:
        assert await answered(trader, await place(trader)) == [REPORT_REFUSED]
        await asyncio.sleep(0.1)
    assert (await stage.stage.status())["counts"]["test"]["requests"] == before
    assert await trader.until(lambda: REPORT_CANCELLED in trader.desk.kinds(resting))
    while REPORT_ACCEPTED not in await answered(trader, await place(trader)):
        assert time.monotonic() - began_s < 10
    # A question that was on its way already may have been refused as well.
    assert trader.venue._rates.refused <= 2


async def test_a_clock_that_is_off_is_measured_as_soon_as_the_exchange_says_so(stage, trader):
    """One order is lost to it, not all until the next look."""
    trader.venue._line._settings = dataclasses.replace(trader.venue.settings, poll_s=60.0)
    await asyncio.sleep(0.3)
    await stage.ask("/clock", offset_ms=-60_000)
    assert await answered(trader, await place(trader)) == [REPORT_REFUSED]
    assert await trader.until(lambda: trader.venue.session.client.timestamp_offset < -59_000)
    assert await answered(trader, await place(trader)) == [REPORT_ACCEPTED]


async def test_a_symbol_that_leaves_the_list_is_no_longer_traded(stage, trader):
    """What cannot be asked for is delisted: a condition, not a failure."""
    line = trader.venue._line
    line.session._settings = dataclasses.replace(line.session._settings, symbol="GONEUSDT")
    assert await trader.until(lambda: trader.venue.condition.trading is Trading.DELISTED)
    assert await answered(trader, await place(trader)) == [REPORT_REFUSED]
    line.session._settings = trader.venue.settings


async def test_a_changed_tick_drains_the_venue_and_a_new_one_lives_on_from_the_journal(
    stage, trader
):
    """Orders of the old grid are cancelled; the new venue has the new grid and the same money."""
    resting = await place(trader)
    await answered(trader, resting)
    await stage.ask("/symbol", tick="0.05", min_notional="6")
    assert await trader.until(lambda: not trader.venue.condition.sound)
    changes = trader.venue.condition.changes
    assert "tick 0.01 -> 0.05" in changes
    assert any(change.startswith("notional_min") for change in changes)
    assert await answered(trader, await place(trader)) == [REPORT_REFUSED]
    await trader.cancel(resting)
    assert await trader.until(lambda: trader.ended(resting))
    await trader.venue.close()
    settings = dataclasses.replace(trader.venue.settings)
    rebuilt = BinanceVenue(settings, stage.session.observer, trader.record())
    opening = await rebuilt.open()
    assert (opening.known.tick, rebuilt.condition.sound) == ("0.05", True)
    assert rebuilt.desk.open_orders == []
    await rebuilt.close()
    await stage.ask("/symbol", tick="0.01", min_notional="5")


async def test_an_order_refused_since_the_market_is_closed_makes_the_venue_look_at_once(
    stage, trader
):
    """Between two looks at the symbol a minute may pass; nothing more is tried meanwhile."""
    await end_all([trader.venue._care])
    await stage.ask("/symbol", status="BREAK")
    first = await place(trader)
    assert await answered(trader, first) == [REPORT_REFUSED]
    assert await trader.until(lambda: not trader.venue.condition.sound)
    assert trader.venue.condition.trading is Trading.HALTED
    before = (await stage.stage.status())["counts"]["test"]["requests"]
    assert await answered(trader, await place(trader)) == [REPORT_REFUSED]
    assert (await stage.stage.status())["counts"]["test"]["requests"] == before
