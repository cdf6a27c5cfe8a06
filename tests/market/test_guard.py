"""The guard's rules one by one, then all of them against a slow twin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market import breach, guard, own, refresh
from market.layout import (
    ACTION_KIND,
    ACTION_LEVEL,
    ACTION_LOTS,
    ACTION_ORDER_ID,
    ACTION_PLACE,
    ACTION_PRICE_TICKS,
    ACTION_SIDE,
    ASK_ROW,
    BID_ROW,
    BUY,
    NO_ASK,
    NO_BID,
    REPORT_ACCEPTED,
    REPORT_CANCELLED,
    REPORT_COLUMNS,
    REPORT_FILL,
    REPORT_KIND,
    REPORT_LOTS,
    REPORT_ORDER_ID,
    REPORT_PRICE_TICKS,
    REPORT_REJECTED,
    REPORT_SIDE,
    SCALE_COLUMNS,
    SCALE_LOT,
    SCALE_MIN_LOTS,
    SCALE_MIN_NOTIONAL,
    SCALE_SPOT,
    SCALE_TICK_LOT,
    SELL,
    STEP_ASK,
    STEP_BID,
    STEP_COLUMNS,
    VIEW_COLUMNS,
    VIEW_READY,
    VIEW_SIGMA,
)
from tests.twins import guard as twin
from tests.twins.quotes import Scale

RICH = 10**17
B1, B2, A1, A2 = ("place", BUY, 990, 10, 0), ("place", BUY, 985, 10, 1), (
    "place", SELL, 1010, 10, 0,
), ("place", SELL, 1015, 10, 1)  # fmt: skip


class Desk:
    """A ladder of two levels a side around 1000.5, and nothing sent yet."""

    def __init__(self, *, spot=0, min_lots=1, max_lots=100, **tuning):
        self.step = np.zeros(STEP_COLUMNS, dtype=np.int64)
        self.step[[STEP_BID, STEP_ASK]] = 1000, 1001
        self.view = np.zeros(VIEW_COLUMNS)
        self.view[[VIEW_READY, VIEW_SIGMA]] = 1.0, 1.0
        self.scale = np.zeros(SCALE_COLUMNS, dtype=np.int64)
        self.scale[[SCALE_TICK_LOT, SCALE_LOT, SCALE_MIN_LOTS]] = 1000, 10**6, min_lots
        self.scale[SCALE_SPOT] = spot
        self.settings = guard.guard_settings(**tuning)
        self.own, self.meter = own.new_own()
        self.state, self.ladder, self.actions = guard.new_guard()
        guard.hold_ladder(self.step, max_lots, 10, 5, self.state)
        self.want(BUY, (990, 10), (985, 10))
        self.want(SELL, (1010, 10), (1015, 10))

    def want(self, side, *quotes):
        """Set a side of the ladder."""
        row = BID_ROW if side == BUY else ASK_ROW
        self.ladder[row] = 0
        for level, quote in enumerate(quotes):
            self.ladder[row, level] = quote
        refresh.survey_ladder(self.ladder, self.state)

    def read(self, count):
        """Return the actions as tuples."""
        found = []
        for row in self.actions[:count]:
            if row[ACTION_KIND] == ACTION_PLACE:
                columns = [ACTION_SIDE, ACTION_PRICE_TICKS, ACTION_LOTS, ACTION_LEVEL]
                found.append(("place", *(int(x) for x in row[columns])))
            else:
                found.append(("cancel", int(row[ACTION_ORDER_ID])))
        return found

    def look(self, position=0, risk=breach.ACTIVE, free=(RICH, RICH)):
        """Let the guard look once."""
        return self.read(guard.guard(
            self.step, self.view, self.ladder, self.own, self.meter, position, *free, risk,
            self.scale, self.settings, self.state, self.actions,
        ))  # fmt: skip

    def send(self, actions):
        """Note actions as sent."""
        for action in actions:
            if action[0] == "cancel":
                own.mark_cancelling(self.own, self.meter, action[1])
            else:
                _, side, price, lots, level = action
                own.insert_own(self.own, self.meter, side, price, lots, level, 0)

    def report(self, kind, order_id, *, side=BUY, price=0, lots=0):
        """Hear one report of the exchange."""
        row = np.zeros(REPORT_COLUMNS, dtype=np.int64)
        columns = [REPORT_KIND, REPORT_ORDER_ID, REPORT_SIDE, REPORT_PRICE_TICKS, REPORT_LOTS]
        row[columns] = kind, order_id, side, price, lots
        return own.apply_report(self.own, self.meter, row)

    def sent(self, **look):
        """Look and send."""
        self.send(self.look(**look))
        return self


def test_at_first_the_whole_ladder_is_placed_bids_before_asks():
    """Inside outward, each with its level."""
    assert Desk().look() == [B1, B2, A1, A2]


def test_an_order_at_its_wanted_price_stays():
    """Queue position is money: an unchanged ladder asks for nothing."""
    assert Desk().sent().look() == []


def test_an_order_within_the_tolerance_stays_and_one_beyond_is_replaced():
    """A tick of tolerance keeps 990 for 991, two ticks away it goes."""
    desk = Desk(refresh_tolerance_ticks=1).sent()
    desk.want(BUY, (991, 10), (985, 10))
    assert desk.look() == []
    desk.want(BUY, (992, 10), (985, 10))
    assert desk.look() == [("cancel", 1), ("place", BUY, 992, 10, 0)]


def test_cancels_come_before_places():
    """Room and balance are freed first."""
    desk = Desk().sent()
    desk.want(BUY, (989, 10))
    desk.want(SELL, (1011, 10))
    kinds = [action[0] for action in desk.look()]
    assert kinds == ["cancel"] * 4 + ["place"] * 2


def test_a_filled_order_is_quoted_again():
    """A whole fill leaves the level empty; the next look fills it."""
    desk = Desk().sent()
    desk.report(REPORT_ACCEPTED, 1)
    desk.report(REPORT_FILL, 1, lots=10)
    assert desk.look(position=10) == [B1]


def test_a_part_filled_order_keeps_its_place_and_is_topped_up():
    """The rest stays in the queue, the missing lots are a second order."""
    desk = Desk().sent()
    desk.report(REPORT_FILL, 1, lots=7)
    assert desk.look(position=7) == [("place", BUY, 990, 7, 0)]
    assert desk.sent(position=7).look(position=7) == []


def test_no_fill_carries_the_position_past_its_bound():
    """Position 15 of 30: 15 lots of bids; those being cancelled leave no room for others."""
    desk = Desk(max_lots=30)
    assert sum(a[3] for a in desk.look(position=15) if a[1] == BUY) == 15
    desk.sent(position=15)
    desk.want(BUY, (989, 10), (984, 10))
    assert desk.look(position=15) == [("cancel", 1), ("cancel", 2)]


def test_a_run_over_side_is_pulled_until_the_next_decision():
    """3 sigma of a cycle is 16.4 ticks: mid falls by 17, the bids go and stay away."""
    desk = Desk().sent()
    desk.step[[STEP_BID, STEP_ASK]] = 983, 984
    assert desk.look() == [("cancel", 1), ("cancel", 2)]
    desk.send([("cancel", 1), ("cancel", 2)])
    desk.step[[STEP_BID, STEP_ASK]] = 1000, 1001
    assert desk.look() == []
    for order in (1, 2):
        desk.report(REPORT_CANCELLED, order)
    assert desk.look() == []
    guard.hold_ladder(desk.step, 100, 10, 5, desk.state)
    assert desk.look() == [B1, B2]
    assert desk.state[refresh.HELD_PULLS] == 1


def test_a_rise_pulls_the_asks_and_a_small_move_nothing():
    """The threshold is a move of mid, in sigmas of one cycle."""
    desk = Desk().sent()
    desk.step[[STEP_BID, STEP_ASK]] = 1005, 1009
    assert desk.look() == []
    desk.step[[STEP_BID, STEP_ASK]] = 1017, 1018
    assert desk.look()[:2] == [("cancel", 3), ("cancel", 4)]


def test_a_rejected_quote_is_priced_one_tick_further_out():
    """The exchange knew a touch that we did not; a new ladder forgets it."""
    desk = Desk()
    desk.want(BUY, (1000, 10))
    desk.want(SELL)
    desk.sent()
    desk.report(REPORT_REJECTED, 1, side=BUY, price=1000)
    assert desk.look() == [("place", BUY, 999, 10, 0)]
    desk.sent()
    desk.report(REPORT_REJECTED, 2, side=BUY, price=999)
    assert desk.look() == [("place", BUY, 998, 10, 0)]
    guard.hold_ladder(desk.step, 100, 10, 5, desk.state)
    assert desk.look() == [("place", BUY, 1000, 10, 0)]


def test_a_quote_that_would_cross_the_touch_is_priced_beside_it():
    """The market came to us: the bid moves below the ask of now."""
    desk = Desk(pull_threshold_sigma=0.0)
    desk.step[[STEP_BID, STEP_ASK]] = 985, 988
    assert desk.look()[:2] == [("place", BUY, 987, 10, 0), B2]


@pytest.mark.parametrize("touch", [(NO_BID, 1001), (1000, NO_ASK), (1001, 1001), (1005, 1001)])
def test_an_unsound_book_takes_all_quotes_away(touch):
    """One-sided, locked or crossed: nobody knows where mid is."""
    desk = Desk().sent()
    desk.step[[STEP_BID, STEP_ASK]] = touch
    assert desk.look() == [("cancel", order) for order in (1, 2, 3, 4)]


def test_halted_or_not_ready_takes_all_quotes_away():
    """And does not cancel twice."""
    desk = Desk().sent()
    cancels = [("cancel", order) for order in (1, 2, 3, 4)]
    assert desk.look(risk=breach.HALTED) == cancels
    desk.view[VIEW_READY] = 0.0
    assert desk.look() == cancels
    desk.send(cancels)
    assert desk.look() == []


def test_reducing_follows_the_touch_with_the_closing_side_only():
    """Long 25: three asks at the ask, and they move with it."""
    desk = Desk().sent()
    actions = desk.look(position=25, risk=breach.REDUCING)
    assert actions[:4] == [("cancel", order) for order in (1, 2, 3, 4)]
    # 20 lots of asks may still fill, so 5 more close the position at most.
    assert actions[4:] == [("place", SELL, 1001, 5, 0)]
    desk.send(actions)
    for order in (1, 2, 3, 4):
        desk.report(REPORT_CANCELLED, order)
    desk.step[[STEP_BID, STEP_ASK]] = 997, 999
    assert desk.look(position=25, risk=breach.REDUCING) == [
        ("cancel", 5), ("place", SELL, 999, 10, 0), ("place", SELL, 999, 10, 1),
    ]  # fmt: skip


def test_the_ladder_of_a_reduction_ends_with_it():
    """Its prices were never meant to open a position."""
    desk = Desk().sent(position=10, risk=breach.REDUCING)
    assert not any(a[0] == "place" for a in desk.look())
    assert not desk.ladder.any()


def test_two_of_our_own_orders_never_meet():
    """A bid at the price of our ask that is still being cancelled is withheld, then sent."""
    desk = Desk(pull_threshold_sigma=0.0).sent()
    desk.step[[STEP_BID, STEP_ASK]] = 1012, 1013
    desk.want(BUY, (1010, 10))
    desk.want(SELL, (1020, 10))
    actions = desk.look()
    assert [a for a in actions if a[0] == "place"] == [("place", SELL, 1020, 10, 0)]
    assert desk.state[refresh.HELD_WITHHELD] == 1
    desk.send(actions)
    for order in (1, 2, 3, 4):
        desk.report(REPORT_CANCELLED, order)
    assert desk.look() == [("place", BUY, 1010, 10, 0)]


def test_spot_places_fit_the_free_balances():
    """Money for 15 lots at 990, base for 4."""
    desk = Desk(spot=1)
    assert desk.look(free=(15 * 990 * 1000, 4 * 10**6)) == [
        B1, ("place", BUY, 985, 5, 1), ("place", SELL, 1010, 4, 0),
    ]  # fmt: skip


def test_settings_out_of_range_are_refused():
    """A negative threshold has no meaning."""
    with pytest.raises(ValueError, match="pull_threshold_sigma"):
        guard.guard_settings(pull_threshold_sigma=-1.0)


sides = st.sampled_from([BUY, SELL])
quotes = st.lists(st.tuples(st.integers(-3, 12), st.integers(0, 12)), max_size=6)
orders = st.lists(
    st.tuples(sides, st.integers(-4, 14), st.integers(1, 9), st.integers(0, 5), st.booleans()),
    max_size=24,
)


@settings(max_examples=300, deadline=None)
@given(
    bids=quotes, asks=quotes, orders=orders, touch=st.tuples(st.integers(-6, 4), st.integers(0, 9)),
    ready=st.sampled_from([1.0, 1.0, 1.0, 0.0]), sigma=st.floats(0, 2),
    position=st.integers(-40, 40), max_lots=st.integers(0, 40), tolerance=st.integers(0, 3),
    spot=st.integers(0, 1),
    free=st.tuples(st.integers(0, 60), st.integers(0, 60)), halted=st.booleans(),
    rejected=st.tuples(st.integers(-5, 30), st.integers(-30, 5)), notional=st.integers(0, 5),
)  # fmt: skip
def test_the_guard_agrees_with_its_twin(
    bids, asks, orders, touch, ready, sigma, position, max_lots, tolerance, spot, free, halted,
    rejected, notional,
):  # fmt: skip
    """Random ladders, orders and markets; and whatever is sent keeps the bounds."""
    desk = Desk(spot=spot, max_lots=max_lots, refresh_tolerance_ticks=tolerance)
    desk.scale[SCALE_MIN_NOTIONAL] = notional * 10**6
    desk.want(BUY, *((1000 - depth, lots) for depth, lots in bids))
    desk.want(SELL, *((1000 + depth, lots) for depth, lots in asks))
    desk.step[[STEP_BID, STEP_ASK]] = 1000 + touch[0], 1001 + touch[1]
    desk.view[[VIEW_READY, VIEW_SIGMA]] = ready, sigma
    listed = []
    for side, depth, lots, level, cancelling in orders:
        price = 1000 - side * depth
        order_id = own.insert_own(desk.own, desk.meter, side, price, lots, level, 0)
        if cancelling:
            own.mark_cancelling(desk.own, desk.meter, order_id)
        listed.append(twin.Own(order_id, side, price, lots, level, cancelling))
    desk.state[refresh.HELD_FRESH] = 0
    desk.meter[[own.OWN_METER_HIGHEST_BID, own.OWN_METER_LOWEST_ASK]] = (
        1000 + rejected[0], 1000 + rejected[1],
    )  # fmt: skip
    money = (free[0] * 10**6, free[1] * 10**6)
    state = breach.HALTED if halted else breach.ACTIVE
    found = desk.look(position, state, money)
    slow = twin.Guard(
        scale=Scale.of(desk.scale), pull_sigma=3.0, pull_ticks=1.0, tolerance=tolerance,
        cycle_s=30.0, half_ticks=2001, max_lots=max_lots,
        highest_bid=1000 + rejected[0], lowest_ask=1000 + rejected[1],
    )  # fmt: skip
    ladder = {
        BUY: {k: (1000 - d, n) for k, (d, n) in enumerate(bids) if n},
        SELL: {k: (1000 + d, n) for k, (d, n) in enumerate(asks) if n},
    }
    market = twin.Market(*(int(x) for x in desk.step[[STEP_BID, STEP_ASK]]), ready > 0, sigma)
    balances = dict(zip((BUY, SELL), money, strict=True))
    expected = slow.act(market, ladder, listed, position, balances, halted)
    assert found == expected
    for side in (BUY, SELL):
        placed = [a for a in found if a[0] == "place" and a[1] == side]
        others = [o.price for o in listed if o.side == -side]
        others += [a[2] for a in found if a[0] == "place" and a[1] == -side]
        assert not any(side * (a[2] - other) >= 0 for a in placed for other in others)
        at_risk = sum(o.lots for o in listed if o.side == side) + sum(a[3] for a in placed)
        assert not placed or side * position + at_risk <= max_lots


def test_a_full_list_takes_no_more():
    """256 orders are the bound, and the guard stops placing there."""
    desk = Desk()
    while own.insert_own(desk.own, desk.meter, BUY, 900, 1, 9, 0) != own.FULL:
        pass
    actions = desk.look(position=0)
    assert len(actions) == 256
    assert all(action[0] == "cancel" for action in actions)
