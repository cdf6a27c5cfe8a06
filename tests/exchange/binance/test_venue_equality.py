"""A day over sockets is the day of the recording: the same market, the same fills."""

import numpy as np
import pytest

from exchange.binance.venue import BinanceVenue
from market.layout import (
    BUY,
    REPORT_CANCEL_REJECTED,
    REPORT_EXCH_NS,
    REPORT_FILL,
    REPORT_KIND,
    REPORT_VISIBLE_NS,
    SELL,
    STEP_ASK,
    STEP_BID,
    STEP_CURSOR,
)
from protocol.orders import Approved
from tests.agents.executor.market import recording, session_for
from tests.contract.venue import LOTS, Desk
from tests.exchange.binance.stage import LOCKSTEP, staged
from tests.exchange.binance.test_venue_contract import record_of
from tests.exchange.test_recorded import venue_of

pytestmark = pytest.mark.slow
STEPS = 1_500


async def quote(desk: Desk) -> Desk:
    """Quote both sides at the touch, take quotes back after seven steps, races included."""
    await desk.step()
    placed = {}
    for number in range(STEPS):
        row = desk.steps[-1].step_row
        if number % 3 == 0 and 0 < row[STEP_BID] < row[STEP_ASK] < 1 << 60:
            for side, price in ((BUY, row[STEP_BID]), (SELL, row[STEP_ASK])):
                judged = desk.judged(side, int(price), LOTS)
                if isinstance(judged, Approved):
                    await desk.venue.place(judged)
                    placed[judged.order.order_id] = number
        for order_id, since in placed.items():
            if number - since == 7:
                await desk.venue.cancel(order_id)
        await desk.step()
    return desk


def on_the_wire(reports, kinds):
    """Return reports at the wire's resolution, when they were seen left out."""
    rows = np.array([row for row in reports if (row[REPORT_KIND] == REPORT_FILL) == kinds])
    rows[:, REPORT_EXCH_NS] //= 1_000
    return np.delete(rows, REPORT_VISIBLE_NS, axis=1)


@pytest.mark.parametrize("latency", ["0ms", pytest.param("5ms", marks=pytest.mark.slice)])
async def test_market_and_fills_over_sockets_are_those_of_the_recording(latency, tmp_path):
    """Every step row byte for byte, every fill one by one, and the ledger to the last unit."""
    path = recording(tmp_path)
    session = session_for(path, feed={"hours": 0.5}, executor={"latency": latency})
    lived = await quote(Desk(venue_of(session), session.setup))
    with staged(path, "--speed", "lockstep", "--latency", latency) as stage:
        settings = stage.settings(pace=LOCKSTEP)
        venue = BinanceVenue(settings, session.observer, record_of(session))
        await venue.open()
        seen = await quote(Desk(venue, session.setup))
        await venue.close()
    for mine, theirs in zip(seen.steps, lived.steps, strict=True):
        # A snapshot comes as fewer or more events than it was recorded as.
        step, other = (np.delete(each.step_row, STEP_CURSOR) for each in (mine, theirs))
        assert step.tobytes() == other.tobytes()
        assert mine.view_row.tobytes() == theirs.view_row.tobytes()
        assert mine.plan_row.tobytes() == theirs.plan_row.tobytes()
    fills = on_the_wire(seen.reports, kinds=True)
    assert len(fills) > 100
    assert np.array_equal(fills, on_the_wire(lived.reports, kinds=True))
    assert np.array_equal(seen.account.ledger, lived.account.ledger)
    counts = [
        np.unique([row[REPORT_KIND] for row in each.reports], return_counts=True)
        for each in (seen, lived)
    ]
    assert REPORT_CANCEL_REJECTED in counts[0][0]
    assert np.array_equal(counts[0], counts[1])
