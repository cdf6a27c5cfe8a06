"""The ledger: against fractions, its identities to the last unit, and by hand."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market import ledger as kernels
from market.layout import (
    BUY,
    LEDGER_BASE,
    LEDGER_BOUGHT_LOTS,
    LEDGER_DAY,
    LEDGER_DAY_OPENING,
    LEDGER_DRAWDOWN,
    LEDGER_EQUITY,
    LEDGER_FEES,
    LEDGER_FEES_BASE,
    LEDGER_FEES_QUOTE,
    LEDGER_FILLS,
    LEDGER_FUNDING,
    LEDGER_INVENTORY,
    LEDGER_OPEN_LOTS,
    LEDGER_OPENING,
    LEDGER_PEAK,
    LEDGER_POSITION_COST,
    LEDGER_QUOTE,
    LEDGER_SOLD_LOTS,
    LEDGER_SPREAD,
    LEDGER_TRIPS,
    LEDGER_TURNOVER,
    LEDGER_WINS,
    LOT_COLUMNS,
    LOT_FEE,
    LOT_PRICE_TICKS,
    LOT_SIGNED,
    REPORT_COLUMNS,
    REPORT_EXCH_NS,
    REPORT_FILL,
    REPORT_KIND,
    REPORT_LOTS,
    REPORT_MAKER,
    REPORT_PRICE_TICKS,
    REPORT_SIDE,
    SELL,
    TIER_COLUMNS,
    TRIP_COLUMNS,
)
from market.lots import LOTS_COUNT, LOTS_DUST, LOTS_FEE, LOTS_FIRST, LOTS_MERGED
from market.wide import divide, multiply_divide
from tests.twins.ledger import Ledger, Scale

UNITS = 10**8
DAY = 86_400 * 10**9
SCALES = st.builds(
    Scale,
    tick_lot=st.sampled_from([1, 7, 100, 1_000]),
    lot=st.sampled_from([1, 3, 1_000, UNITS]),
    maker=st.sampled_from([0, 20_000, -5_000, 100_000, 33_333, 60_000_000]),
    taker=st.sampled_from([0, 40_000, 100_001]),
    fee_in_base=st.booleans(),
    tiers=st.sampled_from(
        [
            (),
            ((0, 20_000, 50_000),),
            ((0, 20_000, 50_000), (60_000, 12_345, 33_333), (5_000_000, -5_000, 0)),
        ]
    ),
)
FILL = st.tuples(
    st.just("fill"),
    st.sampled_from([BUY, SELL]),
    st.integers(900, 1_100),
    st.integers(1, 40),
    st.booleans(),
)
MARK = st.tuples(st.just("mark"), st.integers(1_700, 2_300))
STORY = st.lists(st.one_of(FILL, FILL, MARK), min_size=8, max_size=40)


class Books:
    """The kernels with their arrays."""

    def __init__(self, scale, *, quote=10**15, base=0, target=0, lots=4_096, trips=200):
        self.scale = np.array(scale.row(), dtype=np.int64)
        self.tiers = np.array(scale.tiers, dtype=np.int64).reshape(-1, TIER_COLUMNS)
        self.ledger = kernels.new_ledger(quote, base, target)
        _, self.meter = kernels.new_lots()
        self.ring = np.zeros((lots, LOT_COLUMNS), dtype=np.int64)
        self.trips = np.zeros((trips, TRIP_COLUMNS), dtype=np.int64)

    def fill(self, side, price, lots, at=0, *, maker=True):
        """Book one fill at the last mark."""
        row = np.zeros(REPORT_COLUMNS, dtype=np.int64)
        row[REPORT_KIND], row[REPORT_SIDE], row[REPORT_PRICE_TICKS] = REPORT_FILL, side, price
        row[REPORT_LOTS], row[REPORT_MAKER], row[REPORT_EXCH_NS] = lots, int(maker), at
        mark = self.ledger[kernels.LEDGER_MARK]
        arrays = (self.ledger, self.ring, self.meter, self.trips)
        return kernels.fill(*arrays, row, self.scale, mark, self.tiers)

    def mark(self, half_ticks, now=0):
        """Mark at a mid."""
        kernels.mark(self.ledger, half_ticks, now, self.scale)

    def open_lots(self):
        """Return (signed, price, fee) of the open lots, oldest first."""
        first, count = int(self.meter[LOTS_FIRST]), int(self.meter[LOTS_COUNT])
        rows = self.ring[np.arange(first, first + count) % len(self.ring)]
        return [(int(r[LOT_SIGNED]), int(r[LOT_PRICE_TICKS]), int(r[LOT_FEE])) for r in rows]

    def sound(self):
        """Check what must hold after each move."""
        led = self.ledger
        parts = led[LEDGER_SPREAD] + led[LEDGER_FEES] + led[LEDGER_INVENTORY] + led[LEDGER_FUNDING]
        assert led[LEDGER_EQUITY] - led[LEDGER_OPENING] == parts
        lots = self.open_lots()
        assert led[LEDGER_OPEN_LOTS] == sum(signed for signed, _, _ in lots)
        cost = sum(signed * price for signed, price, _ in lots) * int(self.scale[0])
        assert led[LEDGER_POSITION_COST] == cost
        assert len({signed > 0 for signed, _, _ in lots}) <= 1
        bought = led[LEDGER_BOUGHT_LOTS] - led[LEDGER_SOLD_LOTS] - led[LEDGER_OPEN_LOTS]
        lot = int(self.scale[1])
        assert bought * lot == led[LEDGER_FEES_BASE] - self.meter[LOTS_DUST]
        assert abs(self.meter[LOTS_DUST]) < lot


def told(books, story, *, watch=True):
    for at, (deed, *rest) in enumerate(story):
        if deed == "mark":
            books.mark(rest[0], at)
        else:
            books.fill(*rest[:3], at, maker=rest[3])
        if watch:
            books.sound()
    return books


@settings(max_examples=250, deadline=None)
@given(SCALES, STORY, st.integers(0, 10**9))
def test_the_ledger_agrees_with_one_of_fractions(scale, story, base):
    """Balances, parts of profit, open lots and trips, to the last unit, after any story."""
    books, slow = Books(scale, base=base, target=base), Ledger(scale, 10**15, base, base)
    for at, (deed, *rest) in enumerate(story):
        if deed == "mark":
            books.mark(rest[0], at)
            slow.mark(rest[0])
        else:
            books.fill(*rest[:3], at, maker=rest[3])
            slow.fill(*rest[:3], at, maker=rest[3])
        books.sound()
    led = books.ledger
    assert (led[LEDGER_QUOTE], led[LEDGER_BASE]) == (slow.quote, slow.base)
    assert (led[LEDGER_SPREAD], led[LEDGER_FEES]) == (slow.spread, slow.fees)
    assert (led[LEDGER_INVENTORY], led[LEDGER_DRAWDOWN]) == (slow.inventory, slow.drawdown)
    assert (led[LEDGER_FEES_QUOTE], led[LEDGER_FEES_BASE]) == (slow.fees_quote, slow.fees_base)
    if slow.mark_at:
        assert led[LEDGER_EQUITY] == slow.equity
    assert books.open_lots() == [(lot.signed, lot.price, lot.fee) for lot in slow.lots]
    count = int(led[LEDGER_TRIPS])
    assert [tuple(row) for row in books.trips[:count].tolist()] == slow.trips
    assert led[LEDGER_WINS] == sum(trip[-1] > 0 for trip in slow.trips)
    assert kernels.position_lots(led, books.scale) == slow.position


@settings(max_examples=200, deadline=None)
@given(SCALES, STORY)
def test_balances_are_opening_plus_fills_less_fees(scale, story):
    """To the last unit, whatever the fee and whatever asset it is taken from."""
    books = told(Books(scale), story)
    quote, base = 10**15, 0
    for deed, *rest in story:
        if deed == "fill":
            side, price, lots, _ = rest
            quote -= side * price * lots * scale.tick_lot
            base += side * lots * scale.lot
    led = books.ledger
    assert led[LEDGER_QUOTE] == quote - led[LEDGER_FEES_QUOTE]
    assert led[LEDGER_BASE] == base - led[LEDGER_FEES_BASE]


@settings(max_examples=200, deadline=None)
@given(STORY, st.sampled_from([0, 20_000, -5_000]))
def test_trips_and_open_lots_add_up_to_the_profit(story, maker):
    """With fees in quote: what was closed and what is open is all there is."""
    books = told(Books(Scale(100, 1_000, maker=maker, taker=maker)), [("mark", 2_000), *story])
    led, lots = books.ledger, books.open_lots()
    closed = int(books.trips[:, -1].sum())
    mark = int(led[kernels.LEDGER_MARK])
    opened = sum(Fraction(s * (mark - 2 * p) * 100, 2) - fee for s, p, fee in lots)
    assert closed + opened == led[LEDGER_EQUITY] - led[LEDGER_OPENING]


@settings(max_examples=150, deadline=None)
@given(STORY, st.integers(2, 4))
def test_merged_lots_lose_no_profit(story, room):
    """A ring of a few rows gives the same total as one that never fills."""
    wide, narrow = (
        told(Books(Scale(7, 10, maker=33_333), lots=lots), story) for lots in (4_096, room)
    )
    position = int(wide.ledger[LEDGER_OPEN_LOTS])
    if position:
        side = SELL if position > 0 else BUY
        wide.fill(side, 1_000, abs(position))
        narrow.fill(side, 1_000, abs(position))
    assert not wide.open_lots()
    assert not narrow.open_lots()
    assert wide.trips[:, -1].sum() == narrow.trips[:, -1].sum()
    assert narrow.ledger[LEDGER_POSITION_COST] == 0
    assert narrow.meter[LOTS_MERGED] >= 0


@settings(max_examples=300)
@given(
    st.integers(-(9 * 10**18), 9 * 10**18),
    st.integers(0, 10**9),
    st.integers(1, 10**9),
    st.integers(1, 10**12),
)
def test_value_is_exact_wherever_the_result_fits(base, half, tick_lot, lot):
    """Rounded once, half-even, up to 9e10 quote."""
    scale = Scale(tick_lot, lot)
    exact = scale.value(base, half)
    if abs(exact) <= 9 * 10**18 and half * tick_lot < 1 << 62:
        assert kernels.value(base, half, np.array(scale.row(), dtype=np.int64)) == exact


@settings(max_examples=300)
@given(st.integers(0, (1 << 63) - 1), st.integers(0, (1 << 63) - 1), st.integers(1, (1 << 63) - 1))
def test_a_wide_product_is_divided_exactly(a, b, divisor):
    """All 128 bits count, wherever the quotient fits."""
    if a * b // divisor < 1 << 63:
        assert multiply_divide(a, b, divisor) == divmod(a * b, divisor)
    if a * b // divisor < (1 << 63) - 1:
        assert divide(-a, b, divisor) == -round(Fraction(a * b, divisor))


def test_a_round_trip_by_hand():
    """Buy 10 at 99, sell 10 at 101, mid 100, 2 bps: 20 ticks of spread less both fees."""
    books = Books(Scale(tick_lot=10_000, lot=1_000, maker=20_000))
    books.mark(200)
    assert books.fill(BUY, 99, 10) == 1_980  # 99 x 10 x 10,000 x 0.0002
    assert books.fill(SELL, 101, 10) == 2_020
    led = books.ledger
    assert (led[LEDGER_SPREAD], led[LEDGER_FEES], led[LEDGER_INVENTORY]) == (200_000, -4_000, 0)
    assert (led[LEDGER_TRIPS], led[LEDGER_WINS], led[LEDGER_FILLS]) == (1, 1, 2)
    assert led[LEDGER_TURNOVER] == 20_000_000
    assert books.trips[0].tolist() == [0, 0, 10, 99, 101, 196_000]


def test_a_fee_of_half_a_unit_goes_to_the_even_one():
    """0.5 is charged as 0, 1.5 as 2, a rebate of 0.5 as 0."""
    for rate, fee in ((50_000_000, 0), (150_000_000, 2), (-50_000_000, 0)):
        books = Books(Scale(tick_lot=1, lot=1, maker=rate))
        books.mark(2)
        assert books.fill(BUY, 1, 1) == fee


def test_a_rebate_is_earned():
    """A negative rate adds to the balance and to the profit."""
    books = Books(Scale(tick_lot=100, lot=1_000, maker=-10_000))
    books.mark(2_000)
    books.fill(SELL, 1_000, 100)
    assert books.ledger[LEDGER_FEES] == 1_000
    assert books.ledger[LEDGER_FEES_QUOTE] == -1_000


def test_a_buy_fee_in_base_leaves_dust_and_a_lot_once_it_makes_one():
    """Ten buys of 100 lots at 0.1 %: nine tenths of a lot are dust, ten make one lot."""
    books = Books(Scale(tick_lot=100, lot=1_000, maker=100_000, fee_in_base=True))
    books.mark(2_000)
    for _ in range(9):
        books.fill(BUY, 1_000, 100)
    assert books.ledger[LEDGER_BASE] == 899_100
    assert kernels.position_lots(books.ledger, books.scale) == 899
    assert books.ledger[LEDGER_OPEN_LOTS] == 900
    books.fill(BUY, 1_000, 100)
    assert kernels.position_lots(books.ledger, books.scale) == 999
    assert books.ledger[LEDGER_OPEN_LOTS] == 999
    books.fill(SELL, 1_000, 999)
    assert books.ledger[LEDGER_BASE] == 0
    assert not books.open_lots()
    # A tenth of a percent of what was bought went in base, of what was sold in quote.
    assert books.ledger[LEDGER_FEES] == -100_000 - 99_900
    assert books.ledger[LEDGER_EQUITY] - books.ledger[LEDGER_OPENING] == -199_900


def test_the_position_counts_from_the_target():
    """A spot account sells below its target: a short that it never owed."""
    books = Books(Scale(tick_lot=100, lot=1_000), base=5_500, target=5_500)
    books.mark(2_000)
    books.fill(SELL, 1_001, 3)
    assert kernels.position_lots(books.ledger, books.scale) == -3
    assert books.open_lots() == [(-3, 1_001, 0)]
    books.fill(BUY, 999, 4)
    assert kernels.position_lots(books.ledger, books.scale) == 1
    assert books.trips[0].tolist() == [0, 0, -3, 1_001, 999, 600]


@pytest.mark.parametrize(("units", "lots"), [(999, 0), (-999, 0), (1_000, 1), (-1_999, -1)])
def test_the_position_is_cut_toward_zero(units, lots):
    """Dust is no position, on either side of the target."""
    books = Books(Scale(tick_lot=100, lot=1_000), base=10_000 + units, target=10_000)
    assert kernels.position_lots(books.ledger, books.scale) == lots


def test_the_day_opens_at_its_first_mark_and_the_peak_stays():
    """What the daily loss and the drawdown are counted from."""
    books = Books(Scale(tick_lot=100, lot=1_000), quote=0, base=10_000)
    books.mark(2_000, DAY - 2)
    books.mark(2_200, DAY - 1)
    books.mark(2_100, DAY)
    books.mark(2_040, DAY + 1)
    led = books.ledger
    assert (led[LEDGER_DAY], led[LEDGER_DAY_OPENING]) == (1, 1_050_000)
    assert (led[LEDGER_PEAK], led[LEDGER_DRAWDOWN]) == (1_100_000, 80_000)


def test_a_missing_market_leaves_the_last_mark():
    """Half a book has no mid."""
    books = Books(Scale(tick_lot=100, lot=1_000), base=10_000)
    books.mark(2_000)
    before = books.ledger.tolist()
    books.mark(0, DAY)
    assert books.ledger.tolist() == before


def test_trips_beyond_the_table_are_counted():
    """The totals stay right, the rows are the first ones."""
    books = Books(Scale(tick_lot=100, lot=1_000), trips=1)
    books.mark(2_000)
    for _ in range(3):
        books.fill(BUY, 999, 1)
        books.fill(SELL, 1_001, 1)
    assert (books.ledger[LEDGER_TRIPS], books.ledger[LEDGER_WINS]) == (3, 3)
    assert len(books.trips) == 1


def test_the_fees_of_lots_that_went_as_fees_are_carried_on():
    """No trip closed yet: the open lots, and what waits for the next one, carry every fee paid."""
    books = Books(Scale(tick_lot=100, lot=1_000, maker=60_000_000, fee_in_base=True))
    books.mark(2_000)
    for _ in range(4):
        books.fill(BUY, 1_000, 5)
        carried = sum(fee for _, _, fee in books.open_lots()) + books.meter[LOTS_FEE]
        assert carried == -books.ledger[LEDGER_FEES]
    assert books.ledger[LEDGER_OPEN_LOTS] == 8


VIP = ((0, 20_000, 50_000), (2_000, 16_000, 40_000), (5_000, -5_000, 30_000))


@pytest.mark.parametrize(
    ("volume", "maker", "taker"),
    [
        (0, 20_000, 50_000),
        (1_999, 20_000, 50_000),
        (2_000, 16_000, 40_000),
        (4_999, 16_000, 40_000),
        (5_000, -5_000, 30_000),
        (10**18, -5_000, 30_000),
    ],
)
def test_a_tier_holds_from_its_volume_on(volume, maker, taker):
    """Both ends of each tier; without tiers the fees of the scale hold."""
    scale, tiers = np.array(Scale(1, 1, 7, 9).row()), np.array(VIP)
    assert kernels.fee_rate(volume, 1, scale, tiers) == maker
    assert kernels.fee_rate(volume, 0, scale, tiers) == taker
    assert kernels.fee_rate(volume, 1, scale, kernels.ONE_TIER) == 7
    assert kernels.fee_rate(volume, 0, scale, kernels.ONE_TIER) == 9


def test_a_fill_pays_the_tier_that_was_reached_before_it():
    """2 bps, 1.6 bps and a rebate of 0.5 bps of fills of 200 million units, by hand."""
    millions = tuple((volume * 100_000, *fees) for volume, *fees in VIP)
    books = Books(Scale(20_000, 1_000, tiers=millions))
    books.mark(2_000)
    fees = [books.fill(side, 1_000, 10) for side in (BUY, SELL, BUY, SELL)]
    assert fees == [40_000, 32_000, 32_000, -10_000]
    led = books.ledger
    assert led[LEDGER_TURNOVER] == 800_000_000
    assert led[LEDGER_FEES_QUOTE] == -led[LEDGER_FEES] == 94_000


def test_a_rebate_is_income_in_either_asset():
    """Cost positive, rebate negative: a maker's balances rise by it, the trip earns it."""
    books = Books(Scale(20_000, 1_000, maker=-5_000))
    books.mark(2_000)
    assert books.fill(BUY, 1_000, 10) == books.fill(SELL, 1_000, 10) == -10_000
    led = books.ledger
    assert (led[LEDGER_QUOTE], led[LEDGER_FEES]) == (10**15 + 20_000, 20_000)
    assert books.trips[0, -1] == 20_000
    assert led[LEDGER_WINS] == 1
    books = Books(Scale(20_000, 100_000, maker=-50_000, fee_in_base=True))
    books.mark(2_000)
    assert books.fill(BUY, 1_000, 10) == -100_000
    assert books.ledger[LEDGER_BASE] == 1_000_000 + 500
    assert books.ledger[LEDGER_FEES_BASE] == -500
    books.sound()
