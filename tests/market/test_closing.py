"""Closing a position at once: the order, and what it may cost at most."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.closing import closing_price, closing_units, flatten
from market.guard import guard_settings
from market.layout import (
    ACTION_TAKER,
    BUY,
    REPORT_CANCELLED,
    SCALE_TAKER_FEE,
    SCALE_TICK_LOT,
    SELL,
    UNITS,
)
from tests.market.test_guard import RICH, Desk


def test_flatten_cancels_first_and_then_takes():
    """One immediate-or-cancel order, at most half a percent through the touch."""
    desk = Desk().sent()

    def close(position):
        count = flatten(
            desk.step, desk.own, desk.meter, position, RICH, RICH, desk.scale, desk.settings,
            desk.actions,
        )  # fmt: skip
        return desk.read(count)

    cancels = close(7)
    assert cancels == [("cancel", order) for order in (1, 2, 3, 4)]
    desk.send(cancels)
    assert close(7) == []
    for order in (1, 2, 3, 4):
        desk.report(REPORT_CANCELLED, order)
    assert close(7) == [("place", SELL, 995, 7, 0)]
    assert desk.actions[0, ACTION_TAKER] == 1
    assert close(-7) == [("place", BUY, 1007, 7, 0)]
    assert close(0) == []


def test_what_closing_may_cost_is_its_own_price_against_mid_and_the_fee():
    """Long 7: a limit of 995 at a mid of 1000.5, and a tenth of a percent."""
    desk = Desk()
    desk.scale[SCALE_TAKER_FEE] = UNITS // 1_000
    touch = (1000, 1001)
    lot = int(desk.scale[SCALE_TICK_LOT])
    long = closing_units(7, *touch, desk.scale, desk.settings)
    short = closing_units(-7, *touch, desk.scale, desk.settings)
    assert long == pytest.approx(7 * lot * (5.5 + 0.995))
    assert short == pytest.approx(7 * lot * (6.5 + 1.007))
    assert closing_units(0, *touch, desk.scale, desk.settings) == 0.0


def test_a_rebate_for_taking_is_no_reserve():
    """It may not lower what is kept back below what the price costs."""
    desk = Desk()
    desk.scale[SCALE_TAKER_FEE] = -UNITS // 1_000
    assert closing_units(1, 1000, 1001, desk.scale, desk.settings) == 5_500.0


@given(
    lots=st.integers(-50, 50).filter(bool),
    bid=st.integers(500, 5_000),
    spread=st.integers(1, 300),
    nearer=st.tuples(st.integers(0, 40), st.integers(0, 40)),
    share=st.sampled_from([0.0, 1e-5, 0.005, 0.02]),
    fee=st.integers(-10, 100),
)
def test_a_wider_touch_never_costs_less(lots, bid, spread, nearer, share, fee):
    """But for the rounding of the price, a tick a lot: the quiet of a replay relies on it."""
    desk = Desk(flatten_share=share)
    desk.scale[SCALE_TAKER_FEE] = fee * UNITS // 10_000
    up, down = min(nearer[0], (spread - 1) // 2), min(nearer[1], (spread - 1) // 2)
    wide = closing_units(lots, bid, bid + spread, desk.scale, desk.settings)
    near = closing_units(lots, bid + up, bid + spread - down, desk.scale, desk.settings)
    assert near <= wide + abs(lots) * int(desk.scale[SCALE_TICK_LOT])


@given(bid=st.integers(1, 5_000), spread=st.integers(1, 300))
def test_the_price_is_within_the_share_of_the_touch(bid, spread):
    """Rounded away from mid, and never below a tick."""
    settings = guard_settings(flatten_share=0.005)
    sold, bought = (closing_price(side, bid, bid + spread, settings) for side in (SELL, BUY))
    assert max(1, bid * 0.995 - 1) <= sold <= max(1, bid * 0.995)
    assert (bid + spread) * 1.005 <= bought < (bid + spread) * 1.005 + 1
