"""Differences of two records: by hand, by other libraries, and how often their intervals err."""

import math

import empyrical
import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap, optimal_block_length

from market import comparison
from market.comparison import (
    PERIOD_COLUMNS,
    PERIOD_MULTIPLE,
    PERIOD_NET,
    PERIOD_SQUARE,
    PERIOD_TRIPS,
    SUM_COLUMNS,
    Finding,
    compare,
    days_needed,
    figures_of,
    periods_of,
    summed,
)
from market.layout import TRIP_COLUMNS, UNITS
from market.metrics import trip_figures
from market.verdict import block_length
from tests.twins import verdict as twin

DAY = 86_400.0
YEAR = 365.0


def record(net, trips=0, seed=0):
    """Periods with these profits, and so many round trips of random multiples in each."""
    rows = np.zeros((len(net), PERIOD_COLUMNS))
    rows[:, PERIOD_NET] = net
    if trips:
        multiples = np.random.default_rng(seed).normal(0.1, 1.0, (len(net), trips))
        rows[:, PERIOD_TRIPS] = trips
        rows[:, PERIOD_MULTIPLE] = multiples.sum(1)
        rows[:, PERIOD_SQUARE] = (multiples**2).sum(1)
    return rows


def found(ours, theirs, name, **rest):
    return compare(ours, theirs, **({"period_s": DAY, "seed": 1, "draws": 2000} | rest))[name]


def test_a_record_is_measured_as_empyrical_measures_it():
    """Sharpe ratio and deepest fall of daily returns on a capital, years of 365 days."""
    returns = np.random.default_rng(1).normal(0.002, 0.01, 400)
    figures = figures_of(summed(record(returns)), 400, unit=0.02, year_periods=YEAR)
    assert figures["sharpe"] == pytest.approx(empyrical.sharpe_ratio(returns, annualization=YEAR))
    small = returns * 1e-6  # where compounding is nothing, a fall of wealth is one of its sum
    fall = figures_of(summed(record(small)), 400, unit=1.0, year_periods=YEAR)["drawdown"]
    assert fall == pytest.approx(-empyrical.max_drawdown(small), rel=1e-3)
    volatility = empyrical.annual_volatility(returns, annualization=YEAR) / math.sqrt(YEAR)
    scale = 0.02 / volatility
    assert figures["net_equal_volatility"] == pytest.approx(returns.sum() * scale)
    assert figures["drawdown_equal_volatility"] == pytest.approx(figures["drawdown"] * scale)


def test_quality_numbers_are_those_of_the_report():
    """The same trips, cut into periods or not; a trip on an edge belongs to what ends there."""
    rng = np.random.default_rng(2)
    trips = np.zeros((150, TRIP_COLUMNS), dtype=np.int64)
    for row in range(150):
        cost, profit = int(rng.integers(90, 110)), int(rng.normal(20, 100))
        trips[row] = row * 10, (row + 1) * 10, 3, cost, cost, profit
    edges = np.arange(0, 1501, 100)
    rows = periods_of(edges, edges * 7 * UNITS, trips, edges_ns=edges, tick_lot_units=2,
                      risk_fraction=0.02)  # fmt: skip
    assert (rows[:, PERIOD_TRIPS] == 10).all()
    assert (rows[:, PERIOD_NET] == 700).all()
    wanted = trip_figures(trips, tick_lot_units=2, risk_fraction=0.02)
    figures = figures_of(summed(rows), len(rows), unit=1.0, year_periods=YEAR)
    assert figures["sqn"] == pytest.approx(wanted["sqn"].value)
    assert figures["sqn100"] == pytest.approx(wanted["sqn100"].value)
    assert wanted["sqn100"].value < wanted["sqn"].value


def test_what_is_not_defined_is_absent():
    """No movement: no Sharpe ratio, and neither profit nor fall at any volatility; few trips."""
    still, moving = record(np.zeros(60)), record(np.random.default_rng(3).normal(size=60))
    assert found(still, moving, "sharpe").ours is None
    assert found(still, moving, "sharpe").finding is Finding.CANNOT_TELL
    assert found(still, moving, "net_equal_volatility").ours == 0.0
    assert found(still, moving, "drawdown_equal_volatility").ours == 0.0
    assert found(still, moving, "sqn").ours is None
    few = found(moving[:20], moving[20:40], "net")
    assert (few.lower, few.finding, few.draws) == (None, Finding.CANNOT_TELL, 0)


@pytest.mark.parametrize("length", [1.0, 4.0])
def test_draws_are_those_of_the_twin_for_both_records_alike(length):
    """The same periods of both, index by index."""
    rows = record(np.arange(23.0) ** 1.5, 3)
    records = np.stack([rows, -2.0 * rows])
    sums = np.zeros((2, 40, SUM_COLUMNS))
    comparison.resample(records, length, np.uint64(9), sums, np.empty(23, dtype=np.int64))
    wanted = twin.means(list(rows[:, PERIOD_NET]), length, 9, 40)
    assert sums[0, :, 0] / 23 == pytest.approx(wanted)
    assert sums[1, :, 0] == pytest.approx(-2.0 * sums[0, :, 0])


def autoregression(seed, weight=0.4, count=600):
    shocks, values = np.random.default_rng(seed).normal(0.05, 1.0, count), np.zeros(count)
    for index in range(1, count):
        values[index] = weight * values[index - 1] + shocks[index]
    return values


@pytest.mark.parametrize("weight", [0.5, 0.8])
def test_the_block_length_is_that_of_arch(weight):
    """Politis and White 2004, as corrected in 2009; arch looks one lag further than the paper."""
    values = autoregression(4, weight, 3000)
    wanted = float(optimal_block_length(values)["stationary"].iloc[0])
    assert block_length(values) == pytest.approx(wanted, rel=0.1)


def test_the_interval_of_a_difference_is_that_of_arch():
    """The same bootstrap by another hand: bounds of a difference of Sharpe ratios."""
    ours, theirs = autoregression(5), autoregression(6)
    mine = found(record(ours), record(theirs), "sharpe", draws=6000)

    def sharpes(first, second):
        both = [x.mean() / x.std(ddof=1) * math.sqrt(YEAR) for x in (first, second)]
        return both[0] - both[1]

    boot = StationaryBootstrap(mine.block_periods, ours, theirs, seed=1)
    other = boot.apply(sharpes, 6000).ravel()
    reach = 1.959964 * other.std()
    below, above = np.quantile(other, [0.025, 0.975])
    width = above - below
    assert mine.value == pytest.approx(sharpes(ours, theirs))
    assert mine.lower == pytest.approx(min(below, mine.value - reach), abs=0.05 * width)
    assert mine.upper == pytest.approx(max(above, mine.value + reach), abs=0.05 * width)


def test_pairing_takes_away_what_the_market_did_to_both():
    """A small difference in a large common noise is told; unpaired it could not be."""
    rng = np.random.default_rng(7)
    market, own = rng.normal(0, 10, 500), rng.normal(0, 1, 500)
    told = found(record(market + own + 0.3), record(market - own), "net")
    assert told.finding is Finding.BETTER
    apart = found(record(market + own + 0.3), record(np.roll(market, 250) - own), "net")
    assert apart.finding is Finding.CANNOT_TELL
    assert found(record(market - own), record(market + own + 0.3), "net").finding is Finding.WORSE


def test_a_deeper_fall_is_worse():
    """Less is better of drawdowns alone."""
    rng = np.random.default_rng(8)
    calm = record(rng.normal(0.5, 1, 400))
    wild = record(rng.normal(-0.5, 1, 400))
    assert found(wild, calm, "drawdown").finding is Finding.WORSE
    assert found(calm, wild, "drawdown").finding is Finding.BETTER


def test_two_alike_are_declared_different_as_seldom_as_said():
    """Of 300 pairs of exchangeable records, each way at most about one in forty, clustered too."""
    counts = dict.fromkeys(Finding, 0)
    for seed in range(300):
        rng = np.random.default_rng(seed)
        pace = np.exp(0.5 * np.cumsum(rng.normal(size=90)) / 10)
        both = rng.normal(size=(2, 90)) * pace + rng.normal(size=90)
        told = found(record(both[0]), record(both[1]), "net_equal_volatility", draws=400)
        counts[told.finding] += 1
    assert counts[Finding.BETTER] <= 0.07 * 300
    assert counts[Finding.WORSE] <= 0.07 * 300


def test_power_is_the_textbook_one():
    """A Sharpe ratio of 0.8 against 1.8, independent: 15.7 years; against ten times the days."""
    error = math.sqrt(2.0)  # of the difference of two annual ratios after one year
    needed = days_needed(1.0, error, YEAR)
    assert needed / YEAR == pytest.approx(15.7, abs=0.05)
    assert days_needed(0.5, error, YEAR) == pytest.approx(4.0 * needed)
    assert days_needed(0.0, error, YEAR) is None
    assert days_needed(1.0, 0.0, YEAR) is None


def test_that_many_days_give_that_much_power():
    """Records as long as asked for are told in about 80 % of the cases."""
    short = found(record(autoregression(1, 0.0, 200)), record(np.zeros(200)), "net")
    assert short.days_needed is not None
    drift, told = 0.2, 0
    wanted = int(days_needed(drift, 1.0 / math.sqrt(100), 100.0))
    for seed in range(200):
        values = np.random.default_rng(seed).normal(drift, 1.0, wanted)
        pair = found(record(values), record(np.zeros(wanted)), "net", draws=300)
        told += pair.finding is Finding.BETTER
    assert told / 200 == pytest.approx(0.8, abs=0.08)


def test_bad_records_are_refused():
    """A caller's mistake is one line."""
    good = record(np.ones(40))
    with pytest.raises(ValueError, match="same"):
        compare(good, good[:30], period_s=DAY, seed=1)
    with pytest.raises(ValueError, match="draws"):
        compare(good, good, period_s=DAY, seed=1, draws=10)
    with pytest.raises(ValueError, match="finite"):
        compare(good, good * np.nan, period_s=DAY, seed=1)
