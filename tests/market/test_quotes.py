"""The ladder: prices by the formula of DESIGN.md 6, lots within every bound."""

import math
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from market import quotes
from market.layout import (
    ASK_ROW,
    BID_ROW,
    BUY,
    LADDER_COLUMNS,
    LADDER_LOTS,
    LADDER_PRICE_TICKS,
    LEVELS_MAX,
    NO_ASK,
    NO_BID,
    SCALE_COLUMNS,
    SCALE_LOT,
    SCALE_MAKER_FEE,
    SCALE_MIN_LOTS,
    SCALE_MIN_NOTIONAL,
    SCALE_SPOT,
    SCALE_TICK_LOT,
    SELL,
    UNITS,
)
from tests.twins import quotes as twin

RICH = 10**17


def scale(*, min_lots=1, min_notional=0, fee=0, spot=1, tick_lot=1000, lot=10**6):
    row = np.zeros(SCALE_COLUMNS, dtype=np.int64)
    row[SCALE_TICK_LOT] = tick_lot
    row[SCALE_LOT] = lot
    row[SCALE_MIN_LOTS] = min_lots
    row[SCALE_MIN_NOTIONAL] = min_notional
    row[SCALE_MAKER_FEE] = fee
    row[SCALE_SPOT] = spot
    return row


def ladder(
    mid=1000.5,
    shift=0.0,
    width=5.0,
    step=0.5,
    levels=3,
    lots=10,
    rooms=(100, 100),
    balances=(RICH, RICH),
    touch=(1000, 1001),
    scales=None,
):
    out = np.full((2, LEVELS_MAX, LADDER_COLUMNS), 7, dtype=np.int64)
    scales = scale() if scales is None else scales
    count = quotes.write_ladder(
        mid, shift, width, step, levels, lots, *rooms, *balances, *touch, scales, out
    )
    return count, out


def side(out, row):
    return [tuple(int(x) for x in quote) for quote in out[row] if quote[LADDER_LOTS] > 0]


def test_levels_step_outward_from_the_mid_and_round_outward():
    """With m = 1000.5, w = 5, s = 0.5: offsets 5, 7.5, 10; bids down, asks up."""
    count, out = ladder()
    assert count == 6
    assert side(out, BID_ROW) == [(995, 10), (993, 10), (990, 10)]
    assert side(out, ASK_ROW) == [(1006, 10), (1008, 10), (1011, 10)]
    assert not out[:, 3:].any()


def test_the_shift_moves_both_sides():
    """At r = -2.25 both sides lower, each still rounded outward."""
    _, out = ladder(shift=-2.25)
    assert side(out, BID_ROW) == [(993, 10), (990, 10), (988, 10)]
    assert side(out, ASK_ROW) == [(1004, 10), (1006, 10), (1009, 10)]


def test_a_quote_never_crosses_the_touch():
    """However far the shift, a bid stays below the ask and an ask above the bid."""
    _, out = ladder(shift=50.0)
    assert [price for price, _ in side(out, BID_ROW)] == [1000, 1000, 1000]
    _, out = ladder(shift=-50.0)
    assert [price for price, _ in side(out, ASK_ROW)] == [1001, 1001, 1001]


def test_the_room_is_used_from_the_inside_outward():
    """25 lots of room for three levels of 10: the last level gets what is left."""
    _, out = ladder(rooms=(25, 0))
    assert side(out, BID_ROW) == [(995, 10), (993, 10), (990, 5)]
    assert side(out, ASK_ROW) == []


def test_what_is_left_below_the_smallest_order_is_nothing():
    """Minimum lots and minimum notional each drop the rest."""
    _, out = ladder(rooms=(25, 25), scales=scale(min_lots=6))
    assert side(out, BID_ROW) == [(995, 10), (993, 10)]
    # One lot at 1000 ticks is worth 10^6 units: 9.95e6 is too little, 1.006e7 is enough.
    _, out = ladder(scales=scale(min_notional=10**7))
    assert side(out, BID_ROW) == []
    assert len(side(out, ASK_ROW)) == 3


def test_spot_quotes_fit_the_balances_with_the_fee():
    """20 lots' worth without the fee do not pay for 20 lots with it."""
    money = 10 * 995 * 1000 + 10 * 993 * 1000
    _, out = ladder(balances=(money, 12 * 10**6), scales=scale(fee=100_000))
    assert side(out, BID_ROW) == [(995, 10), (993, 9)]
    assert side(out, ASK_ROW) == [(1006, 10), (1008, 2)]
    _, out = ladder(balances=(0, 0), scales=scale(spot=0))
    assert len(side(out, BID_ROW)) == len(side(out, ASK_ROW)) == 3


def test_without_a_sound_touch_nothing_is_quoted():
    """One-sided, crossed or locked: no ladder."""
    for touch in ((NO_BID, 1001), (1000, NO_ASK), (1001, 1001), (1002, 1001)):
        count, out = ladder(touch=touch)
        assert count == 0
        assert not out.any()


def test_a_mad_mid_writes_nothing():
    """NaN and infinity end the ladder, they do not become prices."""
    for mid in (math.nan, math.inf, -math.inf, 1e300):
        assert ladder(mid=mid)[0] == 0


@settings(max_examples=150, deadline=None)
@given(
    mid=st.integers(2000, 400_000).map(lambda half: half / 2),
    shift=st.integers(-4000, 4000).map(lambda x: x / 8),
    width=st.integers(0, 4000).map(lambda x: x / 8),
    step=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    levels=st.integers(1, LEVELS_MAX),
    lots=st.integers(1, 500),
    rooms=st.tuples(st.integers(-5, 3000), st.integers(-5, 3000)),
    money=st.integers(0, 10**12),
    base=st.integers(0, 10**9),
    gap=st.integers(1, 30),
    fee=st.integers(-50_000, 200_000),
    least=st.integers(0, 10**8),
    spot=st.integers(0, 1),
)
def test_the_ladder_agrees_with_its_twin(
    mid, shift, width, step, levels, lots, rooms, money, base, gap, fee, least, spot
):
    """Exact fractions, one level at a time, give the same prices and lots."""
    touch = (math.floor(mid) - gap, math.ceil(mid) + gap)
    row = scale(fee=fee, min_notional=least, min_lots=2, spot=spot)
    _, out = ladder(mid, shift, width, step, levels, lots, rooms, (money, base), touch, row)
    expected = twin.ladder(
        Fraction(mid), Fraction(shift), Fraction(width), Fraction(step), levels, lots, rooms,
        (money, base), touch, twin.Scale.of(row),
    )  # fmt: skip
    assert [side(out, BID_ROW), side(out, ASK_ROW)] == expected


@given(price=st.integers(1, 10**9), lots=st.integers(1, 10**4), fee=st.integers(-(10**6), 10**7))
def test_a_buy_ties_up_its_notional_and_the_fee_rounded_up(price, lots, fee):
    """Exact to the unit; a rebate is not counted on."""
    row = scale(fee=fee, tick_lot=10**4)
    notional = price * lots * 10**4
    assert quotes.cost_units(price, lots, row) == notional + -(-notional * max(0, fee) // UNITS)


def test_an_order_is_base_quantity_times_the_size_fraction():
    """Whole lots, rounded down; 0.3 of 10 lots is 3."""
    row = scale(lot=10**6)
    assert quotes.order_lots(0.1, 1.0, 1000, row) == 10
    assert quotes.order_lots(0.1, 0.3, 1000, row) == 3
    assert quotes.order_lots(0.1, 0.39, 1000, row) == 3


def test_the_probe_is_never_smaller_than_the_smallest_legal_order():
    """Learning must not starve; but base_quantity stays the bound."""
    row = scale(min_notional=4 * 10**6)
    assert quotes.order_lots(0.1, 0.1, 1000, row) == 4
    assert quotes.order_lots(0.03, 1.0, 1000, row) == 0


def test_a_reduction_shows_the_closing_side_at_the_touch():
    """Long 25 lots in orders of 10: three asks at the ask, no bid."""
    out = np.full((2, LEVELS_MAX, LADDER_COLUMNS), 7, dtype=np.int64)
    assert quotes.write_reduction(25, 5, 10, 1000, 1001, scale(), out) == 3
    assert side(out, ASK_ROW) == [(1001, 10), (1001, 10), (1001, 5)]
    assert side(out, BID_ROW) == []
    assert quotes.write_reduction(-25, 2, 10, 1000, 1001, scale(), out) == 2
    assert side(out, BID_ROW) == [(1000, 10), (1000, 10)]
    assert quotes.ladder_lots(out, BUY) == 20
    assert quotes.ladder_lots(out, SELL) == 0


def test_dust_is_not_reduced():
    """A position below the smallest legal order stays."""
    out = np.zeros((2, LEVELS_MAX, LADDER_COLUMNS), dtype=np.int64)
    assert quotes.write_reduction(2, 5, 10, 1000, 1001, scale(min_lots=3), out) == 0
    assert quotes.write_reduction(5, 5, 1, 1000, 1001, scale(min_lots=3), out) == 1
    assert out[ASK_ROW, 0, LADDER_PRICE_TICKS] == 1001
    assert out[ASK_ROW, 0, LADDER_LOTS] == 5


def test_a_reduction_leaves_no_dust_behind():
    """32 lots in orders of 10, smallest legal 5: the third order takes the last two along."""
    out = np.zeros((2, LEVELS_MAX, LADDER_COLUMNS), dtype=np.int64)
    assert quotes.write_reduction(32, 5, 10, 1000, 1001, scale(min_lots=5), out) == 3
    assert [lots for _, lots in side(out, ASK_ROW)] == [10, 10, 12]
