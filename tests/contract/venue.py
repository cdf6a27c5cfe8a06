"""The one contract suite of venues. A venue's own test file subclasses it and supplies `desk`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from exchange.errors import VenueError
from exchange.port import MarketStep, Venue
from market.account import Account, Setup, open_account
from market.breach import HALTED, RISK_STATE
from market.layout import (
    ACTION_COLUMNS,
    ACTION_KIND,
    ACTION_LOTS,
    ACTION_PLACE,
    ACTION_PRICE_TICKS,
    ACTION_SIDE,
    ACTION_TAKER,
    BUY,
    REPORT_ACCEPTED,
    REPORT_CANCEL_REJECTED,
    REPORT_CANCELLED,
    REPORT_FILL,
    REPORT_KIND,
    REPORT_LOTS,
    REPORT_MAKER,
    REPORT_ORDER_ID,
    REPORT_REJECTED,
    REPORT_TRADE_ID,
    REPORT_VISIBLE_NS,
    SELL,
    STEP_ASK,
    STEP_BID,
)
from market.ledger import position_lots
from market.own import OWN_METER_COUNT, insert_own
from market.strategy import take_report
from protocol.errors import SealError
from protocol.orders import Approved, Order, Refused
from risk import gate

LOTS = 100
"""Above the smallest order, far below the largest position, of every venue's test market."""


@dataclass
class Desk:
    """A venue with a trader at it, who goes through the gate like everybody."""

    venue: Venue
    setup: Setup
    account: Account = field(init=False)
    steps: list[MarketStep] = field(default_factory=list)
    reports: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self):
        self.account = open_account(self.setup, trips=100)
        self.source = self.venue.events()

    async def step(self, count=1):
        """Take in so many steps; return the last."""
        for _ in range(count):
            seen = await anext(self.source)
            self.steps.append(seen)
            for row in seen.reports:
                self.reports.append(row.copy())
                take_report(row, self.account, self.setup)
        return self.steps[-1]

    def judged(self, side, price, lots, *, taker=False) -> Approved | Refused:
        """Show an order to the gate, and enter it among our own when it passes."""
        action = np.zeros(ACTION_COLUMNS, dtype=np.int64)
        action[[ACTION_KIND, ACTION_SIDE, ACTION_PRICE_TICKS, ACTION_LOTS, ACTION_TAKER]] = (
            ACTION_PLACE,
            side,
            price,
            lots,
            int(taker),
        )
        judged = gate.check(action, self.steps[-1].step_row, self.account, self.setup)
        if isinstance(judged, Approved):
            insert_own(self.account.own, self.account.own_meter, side, price, lots, 0, 0)
        return judged

    def approved(self, side, price, lots, *, taker=False) -> Approved:
        """Pass an order through the gate; it must pass."""
        judged = self.judged(side, price, lots, taker=taker)
        assert isinstance(judged, Approved), judged
        return judged

    async def place(self, side, price, lots, *, taker=False) -> int:
        """Send an order and return its id."""
        order = self.approved(side, price, lots, taker=taker)
        await self.venue.place(order)
        return order.order.order_id

    def kinds(self, order_id):
        """Return the kinds of an order's reports, in order."""
        return [int(r[REPORT_KIND]) for r in self.reports if r[REPORT_ORDER_ID] == order_id]


class VenueContract:
    """What every venue must do; `desk` is a fixture: `await desk()` opens a fresh `Desk`."""

    @pytest.fixture
    def desk(self) -> Callable[[], Awaitable[Desk]]:
        """Open a fresh desk at the venue under test."""
        raise AssertionError("a venue's test supplies its desk")

    async def ready(self, desk) -> Desk:
        """Step until both sides of the book are there."""
        opened = await desk()
        while True:
            seen = await opened.step()
            if 0 < seen.step_row[STEP_BID] < seen.step_row[STEP_ASK] < 1 << 60:
                return opened

    async def test_an_order_that_did_not_pass_the_gate_is_refused(self, desk):
        """Nor one that was made to look as if it had: nothing of it reaches the exchange."""
        opened = await self.ready(desk)
        order = Order(
            order_id=1,
            side=BUY,
            price_ticks=int(opened.steps[-1].step_row[STEP_BID]) - 20,
            lots=LOTS,
        )
        forged = object.__new__(Approved)
        object.__setattr__(forged, "order", order)
        for wrong in (order, forged, None):
            with pytest.raises(SealError, match="what the gate approved"):
                await opened.venue.place(wrong)
        await opened.step(3)
        assert not opened.reports
        assert not (await opened.venue.account()).orders

    async def test_time_runs_forward_and_is_that_of_the_step(self, desk):
        """The venue owns the clock, and each step moves it."""
        opened = await desk()
        before = opened.venue.now_ns()
        for _ in range(5):
            seen = await opened.step()
            assert seen.now_ns == opened.venue.now_ns() > before
            before = seen.now_ns

    async def test_an_order_far_from_the_market_rests_until_it_is_cancelled(self, desk):
        """Accepted, then cancelled, and the account shows it in between."""
        opened = await self.ready(desk)
        price = int(opened.steps[-1].step_row[STEP_BID]) - 20
        order_id = await opened.place(BUY, price, LOTS)
        await opened.step(2)
        assert opened.kinds(order_id) == [REPORT_ACCEPTED]
        held = await opened.venue.account()
        assert [(o.order_id, o.price_ticks, o.remaining_lots) for o in held.orders] == [
            (order_id, price, LOTS)
        ]
        await opened.venue.cancel(order_id)
        await opened.step(8)
        assert opened.kinds(order_id) == [REPORT_ACCEPTED, REPORT_CANCELLED]
        assert (await opened.venue.account()).orders == ()

    async def test_the_cancel_of_an_order_that_is_gone_is_answered_by_a_report(self, desk):
        """A race with the market is not an exception."""
        opened = await self.ready(desk)
        order_id = await opened.place(BUY, int(opened.steps[-1].step_row[STEP_BID]) - 20, LOTS)
        await opened.step(2)
        await opened.venue.cancel(order_id)
        await opened.step(2)
        await opened.venue.cancel(order_id)
        await opened.step(2)
        assert opened.kinds(order_id)[-1] == REPORT_CANCEL_REJECTED

    async def test_a_post_only_order_that_would_cross_is_rejected(self, desk):
        """A maker never takes by accident."""
        opened = await self.ready(desk)
        order_id = await opened.place(BUY, int(opened.steps[-1].step_row[STEP_ASK]) + 2, LOTS)
        await opened.step(2)
        assert opened.kinds(order_id) == [REPORT_REJECTED]

    async def test_reports_become_visible_only_after_their_time(self, desk):
        """Nothing is known here before the response delay has passed."""
        opened = await self.ready(desk)
        await opened.place(BUY, int(opened.steps[-1].step_row[STEP_BID]) - 20, LOTS)
        for _ in range(3):
            seen = await opened.step()
            assert (seen.reports[:, REPORT_VISIBLE_NS] <= seen.now_ns).all()

    async def test_fills_are_numbered_and_move_the_balances_exactly(self, desk):
        """The venue's account and the ledger that booked the reports agree to the last unit."""
        opened = await self.ready(desk)
        for _ in range(60):
            row = opened.steps[-1].step_row
            if opened.account.own_meter[OWN_METER_COUNT] == 0:
                await opened.place(BUY, int(row[STEP_BID]), LOTS)
                await opened.place(SELL, int(row[STEP_ASK]), LOTS)
            await opened.step()
        fills = [r for r in opened.reports if r[REPORT_KIND] == REPORT_FILL]
        assert fills, "the market of this suite must fill an order at the touch within a minute"
        trade_ids = [int(r[REPORT_TRADE_ID]) for r in fills]
        assert trade_ids[0] > 0
        assert trade_ids == sorted(set(trade_ids)), "each fill has an id of its own, and they rise"
        assert all(r[REPORT_MAKER] == 1 and r[REPORT_LOTS] > 0 for r in fills)
        held = await opened.venue.account()
        if held.fills == len(fills):
            assert held.quote_units == opened.account.ledger[0]
            assert held.base_units == opened.account.ledger[1]

    async def test_the_cancel_of_an_order_that_never_was_is_answered_by_a_report(self, desk):
        """Nothing is known of it anywhere: it is gone, not a failure of the venue."""
        opened = await self.ready(desk)
        await opened.venue.cancel(12345)
        await opened.step(3)
        assert opened.kinds(12345) == [REPORT_CANCEL_REJECTED]

    async def test_a_cancel_in_the_same_step_as_its_order_ends_it(self, desk):
        """A cancel never overtakes its own order."""
        opened = await self.ready(desk)
        order_id = await opened.place(BUY, int(opened.steps[-1].step_row[STEP_BID]) - 20, LOTS)
        await opened.venue.cancel(order_id)
        await opened.step(8)
        assert opened.kinds(order_id) == [REPORT_ACCEPTED, REPORT_CANCELLED]
        assert (await opened.venue.account()).orders == ()

    async def test_an_order_is_told_of_from_acceptance_to_its_one_end(self, desk):
        """In cancel races too: accepted first, then fills, then at most one end, then nothing."""
        opened = await self.ready(desk)
        placed = {}
        for number in range(90):
            row = opened.steps[-1].step_row
            if number % 3 == 0 and 0 < row[STEP_BID] < row[STEP_ASK] < 1 << 60:
                for side, price in ((BUY, row[STEP_BID]), (SELL, row[STEP_ASK])):
                    placed[await opened.place(side, int(price), LOTS)] = number
            for order_id, since in placed.items():
                if number - since == 2:
                    await opened.venue.cancel(order_id)
            await opened.step()
        await opened.step(10)
        for order_id in placed:
            rows = [r for r in opened.reports if r[REPORT_ORDER_ID] == order_id]
            kinds = [int(r[REPORT_KIND]) for r in rows]
            if kinds == [REPORT_REJECTED]:
                continue
            assert kinds[0] == REPORT_ACCEPTED
            filled = sum(int(r[REPORT_LOTS]) for r in rows if r[REPORT_KIND] == REPORT_FILL)
            ends = [kind for kind in kinds if kind not in (REPORT_ACCEPTED, REPORT_FILL)]
            assert kinds.index(REPORT_ACCEPTED) == 0
            assert kinds.count(REPORT_ACCEPTED) == 1
            if filled == LOTS:
                assert ends in ([], [REPORT_CANCEL_REJECTED])
            else:
                assert ends == [REPORT_CANCELLED]
                assert int(rows[-1][REPORT_LOTS]) == LOTS - filled
                assert kinds[-1] == REPORT_CANCELLED
        assert opened.account.own_meter[OWN_METER_COUNT] == 0
        assert (await opened.venue.account()).orders == ()

    async def test_a_taker_order_fills_at_once_and_what_is_left_is_cancelled(self, desk):
        """A flatten never rests."""
        opened = await self.ready(desk)
        for _ in range(120):
            if opened.account.own_meter[OWN_METER_COUNT] == 0:
                await opened.place(BUY, int(opened.steps[-1].step_row[STEP_BID]), LOTS)
            await opened.step()
            lots = position_lots(opened.account.ledger, opened.setup.scale)
            if lots > 0:
                break
        opened.account.risk[RISK_STATE] = HALTED
        price = int(opened.steps[-1].step_row[STEP_BID])
        order_id = await opened.place(SELL, price, int(lots), taker=True)
        await opened.step(8)
        kinds = opened.kinds(order_id)
        mine = [r for r in opened.reports if r[REPORT_ORDER_ID] == order_id]
        filled = [r for r in mine if r[REPORT_KIND] == REPORT_FILL]
        assert kinds in (
            [REPORT_FILL] * len(filled),
            [REPORT_FILL] * len(filled) + [REPORT_CANCELLED],
        )
        assert kinds
        assert all(r[REPORT_MAKER] == 0 for r in filled)
        held = await opened.venue.account()
        assert order_id not in [each.order_id for each in held.orders]

    async def test_an_order_id_is_never_sent_twice(self, desk):
        """A retried intent makes at most one order."""
        opened = await self.ready(desk)
        order = opened.approved(BUY, int(opened.steps[-1].step_row[STEP_BID]) - 20, LOTS)
        await opened.venue.place(order)
        with pytest.raises(VenueError, match="sent twice"):
            await opened.venue.place(order)
