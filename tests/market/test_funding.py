"""Funding: against fractions, to the last unit, by hand, and at the right step."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market import funding
from market.layout import (
    BUY,
    DELAY_COLUMNS,
    DELAY_RESPONSE_NS,
    LEDGER_DAY_OPENING,
    LEDGER_DRAWDOWN,
    LEDGER_EQUITY,
    LEDGER_FEES_QUOTE,
    LEDGER_FUNDED,
    LEDGER_FUNDING,
    LEDGER_OPENING,
    LEDGER_QUOTE,
    NEVER,
    REPORT_COLUMNS,
    REPORT_EXCH_NS,
    REPORT_FILL,
    REPORT_FUNDING,
    REPORT_KIND,
    REPORT_LOTS,
    REPORT_VISIBLE_NS,
    REPORTS_MAX,
    SELL,
)
from market.ledger import position_lots
from market.order_lines import METER_COLUMNS, METER_READ, METER_WRITTEN
from market.replay import replay_one
from market.replay_step import COUNT_REPORTS
from market.resting import write_report
from tests.market import day
from tests.market.test_ledger import FILL, MARK, Books
from tests.twins.ledger import Ledger, Scale

UNITS = 10**8
HOUR = 3_600 * 10**9
RATES = st.integers(-3_000_000, 3_000_000)
STORY = st.lists(
    st.one_of(FILL, FILL, MARK, st.tuples(st.just("fund"), RATES)), min_size=6, max_size=40
)
SCALE = np.array(Scale(100, 1_000).row(), dtype=np.int64)
SCALES = st.builds(
    Scale,
    tick_lot=st.sampled_from([1, 7, 100, 1_000]),
    lot=st.sampled_from([1, 3, 1_000, UNITS]),
    maker=st.sampled_from([0, 20_000, -5_000, 33_333]),
    taker=st.sampled_from([0, 40_000, 100_001]),
)


def fund(books, rate, half_ticks):
    """Book what the formula says of the whole position."""
    held = position_lots(books.ledger, books.scale)
    paid = funding.funding_units(held, half_ticks, rate, books.scale)
    funding.book(-paid, books.ledger, books.ring, books.meter)


class Exchange:
    """The exchange's side of one account: its reports and its meter."""

    def __init__(self, schedule, response_ns=0):
        self.reports = np.zeros((REPORTS_MAX, REPORT_COLUMNS), dtype=np.int64)
        self.meter = np.zeros(METER_COLUMNS, dtype=np.int64)
        self.schedule = np.array(schedule, dtype=np.int64)
        self.delays = np.zeros(DELAY_COLUMNS, dtype=np.int64)
        self.delays[DELAY_RESPONSE_NS] = response_ns

    def charge(self, position, half_ticks, now_ns):
        """Charge what is due, and return (funding's time, known from, units) of what is new."""
        before = int(self.meter[METER_WRITTEN])
        funding.charge(
            self.reports, self.meter, self.schedule, position, self.meter[METER_READ], half_ticks,
            now_ns, self.delays, SCALE,
        )  # fmt: skip
        new = self.reports[before : int(self.meter[METER_WRITTEN])]
        assert set(new[:, REPORT_KIND].tolist()) <= {REPORT_FUNDING}
        return new[:, [REPORT_EXCH_NS, REPORT_VISIBLE_NS, REPORT_LOTS]].tolist()

    def fill(self, side, lots, exch_ns):
        """Report a fill."""
        told = (REPORT_FILL, 1, side, 10, lots, 1, exch_ns)
        write_report(self.reports, self.meter, self.delays, *told)


@settings(max_examples=200, deadline=None)
@given(SCALES, STORY)
def test_any_story_with_fundings_agrees_with_fractions(scale, story):
    """Balances, the four parts, open lots with their share and trips, to the last unit."""
    story = [("mark", 2_000), *story]
    books, slow = Books(scale), Ledger(scale, 10**15, 0)
    quote = 10**15
    for at, (deed, *rest) in enumerate(story):
        if deed == "mark":
            books.mark(rest[0], at)
            slow.mark(rest[0])
        elif deed == "fund":
            fund(books, rest[0], slow.mark_at)
            slow.fund(rest[0])
        else:
            books.fill(*rest[:3], at, maker=rest[3])
            slow.fill(*rest[:3], at, maker=rest[3])
            quote -= rest[0] * rest[1] * rest[2] * scale.tick_lot
        books.sound()
    led = books.ledger
    assert led[LEDGER_QUOTE] == slow.quote == quote - led[LEDGER_FEES_QUOTE] + led[LEDGER_FUNDING]
    assert (led[LEDGER_FUNDING], led[LEDGER_EQUITY]) == (slow.funding, slow.equity)
    assert books.open_lots() == [(lot.signed, lot.price, lot.fee) for lot in slow.lots]
    assert [tuple(row) for row in books.trips[: len(slow.trips)].tolist()] == slow.trips


@settings(max_examples=100, deadline=None)
@given(STORY)
def test_trips_and_open_lots_carry_the_funding(story):
    """What was closed and what is open is all the profit there is, funding included."""
    books = Books(Scale(100, 1_000, maker=20_000, taker=20_000))
    books.mark(2_000)
    mark = 2_000
    for deed, *rest in story:
        if deed == "mark":
            mark = rest[0]
            books.mark(mark)
        elif deed == "fund":
            fund(books, rest[0], mark)
        else:
            books.fill(*rest[:3], maker=rest[3])
    opened = sum(Fraction(s * (mark - 2 * p) * 100, 2) - fee for s, p, fee in books.open_lots())
    led = books.ledger
    assert int(books.trips[:, -1].sum()) + opened == led[LEDGER_EQUITY] - led[LEDGER_OPENING]


def test_the_formula_of_the_venue_by_hand():
    """Nominal value x rate: 1.5 BTC at 60,000.05 and 0.0100 % is 9.0000075 USDT.

    The page is named in `market/funding.py`. Tick 0.1, lot 0.001: a tick on a lot is 1e-4 USDT.
    """
    scale = np.array(Scale(10_000, 100_000).row(), dtype=np.int64)
    half = 600_000 + 600_001
    assert funding.funding_units(1_500, half, 10_000, scale) == 900_000_750
    assert funding.funding_units(-1_500, half, 10_000, scale) == -900_000_750  # shorts receive
    assert funding.funding_units(1_500, half, -10_000, scale) == -900_000_750  # longs receive
    assert funding.funding_units(0, half, 10_000, scale) == 0


@pytest.mark.parametrize(("lots", "paid"), [(1, 0), (3, 2), (5, 2), (7, 4), (-1, 0), (-3, -2)])
def test_half_a_unit_goes_to_the_even_one(lots, paid):
    """A notional of one unit a lot at a rate of one half."""
    scale = np.array(Scale(1, 1).row(), dtype=np.int64)
    assert funding.funding_units(lots, 2, UNITS // 2, scale) == paid


def test_a_funding_is_charged_once_at_the_first_step_at_or_after_it():
    """Not before its time, not twice, and several that are due together all at once."""
    exchange = Exchange([[10, 1_000_000], [20, 2_000_000], [21, -500_000]])
    assert funding.next_funding_ns(exchange.meter, exchange.schedule) == 10
    assert exchange.charge(10, 2_000, 9) == []
    assert exchange.charge(10, 2_000, 10) == [[10, 10, -10_000]]  # 1e6 units of notional
    assert exchange.charge(10, 2_000, 19) == []
    assert exchange.charge(10, 4_000, 30) == [[20, 20, -40_000], [21, 21, 10_000]]
    assert funding.next_funding_ns(exchange.meter, exchange.schedule) == NEVER
    assert exchange.charge(10, 2_000, 99) == []


def test_who_has_no_position_is_charged_nothing_and_hears_nothing():
    """Nor who never saw a market; the time passes all the same."""
    exchange = Exchange([[10, 1_000_000], [20, 1_000_000]])
    assert exchange.charge(0, 2_000, 10) == []
    assert exchange.charge(10, 0, 20) == []
    assert funding.next_funding_ns(exchange.meter, exchange.schedule) == NEVER


def test_it_is_charged_on_what_the_exchange_knows_and_heard_a_delay_later():
    """A fill that is still on its way to us counts; one after the funding does not."""
    exchange = Exchange([[10, 1_000_000]], response_ns=5)
    exchange.fill(BUY, 10, 8)
    exchange.fill(SELL, 4, 12)
    assert exchange.charge(20, 2_000, 13) == [[10, 17, -30_000]]


def test_midnight_belongs_to_the_day_that_ends():
    """The new day opens after the payment; peak and drawdown have seen it."""
    books = Books(Scale(100, 1_000))
    books.mark(2_000, 24 * HOUR - 1)
    books.fill(SELL, 1_000, 10)
    fund(books, -1_000_000, 2_000)
    books.mark(2_000, 24 * HOUR)
    assert books.ledger[LEDGER_DAY_OPENING] == books.ledger[LEDGER_EQUITY] == 10**15 - 10_000
    assert books.ledger[LEDGER_DRAWDOWN] == 10_000


def test_a_constant_rate_stands_at_whole_hours_of_utc():
    """00, 08 and 16 o'clock, both ends included."""
    schedule = funding.constant_funding(100, hours=8, first_ns=8 * HOUR, last_ns=25 * HOUR)
    assert schedule.tolist() == [[8 * HOUR, 100], [16 * HOUR, 100], [24 * HOUR, 100]]
    assert schedule.dtype == np.int64
    assert len(funding.constant_funding(1, hours=8, first_ns=1, last_ns=8 * HOUR - 1)) == 0


def test_a_schedule_of_zero_rates_changes_nothing_but_counters():
    """Byte for byte the same account and orders."""
    tape = day.tape()
    told = {"first_step": 0, "last_step": len(tape.steps)}
    times = tape.steps[::37, 0]
    still = np.column_stack([times, np.zeros(len(times), dtype=np.int64)])
    plain = replay_one(tape, day.CANDIDATES[0], day.setup(), **told)
    funded = replay_one(tape, day.CANDIDATES[0], day.setup(funding=still), **told)
    ledger = funded.account.ledger.copy()
    told = int(funded.counts[COUNT_REPORTS + REPORT_FUNDING])
    assert 0 < ledger[LEDGER_FUNDED] == told < len(times)
    ledger[LEDGER_FUNDED] = 0
    assert np.array_equal(ledger, plain.account.ledger)
    assert np.array_equal(plain.placed, funded.placed)
