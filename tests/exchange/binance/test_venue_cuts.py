"""A lost stream: ours are cancelled, everything is built anew, and no fill is lost or doubled."""

import pytest

from exchange.binance.settings import Pace
from exchange.binance.venue import BinanceVenue
from market.layout import BUY, REPORT_FILL, REPORT_KIND, REPORT_TRADE_ID, SELL, STEP_ASK, STEP_BID
from protocol.orders import Approved
from tests.agents.executor.market import recording, session_for
from tests.contract.venue import LOTS, Desk
from tests.exchange.binance.stage import staged
from tests.exchange.binance.test_venue_contract import record_of

pytestmark = [pytest.mark.slow, pytest.mark.slice]
CUTS = {30: "market", 60: "user", 90: "all"}


async def test_after_every_cut_our_fills_are_the_trades_of_the_exchange(tmp_path):
    """Invariants 1 to 3: the same trades, the same balances, no order that is not known."""
    path = recording(tmp_path)
    session = session_for(path, feed={"hours": 0.5})
    with staged(path, "--speed", "20") as stage:
        settings = stage.settings(pace=Pace.FEED, speed=20.0)
        venue = BinanceVenue(settings, session.observer, record_of(session))
        await venue.open()
        desk = Desk(venue, session.setup)
        await desk.step()
        for number in range(120):
            row = desk.steps[-1].step_row
            if number % 6 == 0 and 0 < row[STEP_BID] < row[STEP_ASK] < 1 << 60:
                for side, price in ((BUY, row[STEP_BID]), (SELL, row[STEP_ASK])):
                    judged = desk.judged(side, int(price), LOTS)
                    if isinstance(judged, Approved):
                        await venue.place(judged)
            if number in CUTS:
                await stage.ask("/disconnect", kind=CUTS[number])
            await desk.step()
        for order in venue.desk.open_orders:
            await venue.cancel(order.order_id)
        await desk.step(40)
        held, trades = await venue.account(), await venue.session.trades(fromId=0)
        fills = [int(r[REPORT_TRADE_ID]) for r in desk.reports if r[REPORT_KIND] == REPORT_FILL]
        assert fills
        assert sorted(fills) == [int(trade["id"]) for trade in trades]
        assert (held.quote_units, held.base_units) == tuple(desk.account.ledger[:2])
        assert held.orders == ()
        assert venue.losses >= len(CUTS) - 1
        await venue.close()
