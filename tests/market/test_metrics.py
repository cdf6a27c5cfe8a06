"""Every figure by hand, and absent when it is not defined."""

import json
import math

import numpy as np
import pytest

from market import metrics
from market.layout import BUY, SELL, TRIP_COLUMNS, UNITS

SECOND = 1_000_000_000
START = 1_700_000_400 * SECOND  # a multiple of 600 s


def marks(values, step_s=600):
    equity = np.array(values, dtype=np.int64) * UNITS
    return START + np.arange(len(values), dtype=np.int64) * step_s * SECOND, equity


def trips(*rows):
    """Rows of (seconds held, signed lots, open ticks, profit in units)."""
    out = np.zeros((len(rows), TRIP_COLUMNS), dtype=np.int64)
    for index, (held, lots, ticks, profit) in enumerate(rows):
        out[index] = START, START + held * SECOND, lots, ticks, ticks, profit
    return out


def test_returns_are_taken_at_multiples_of_the_period():
    """The last mark at or before each multiple; marks between do not count."""
    times, equity = marks([100, 101, 99, 104, 90], step_s=300)  # at 0, 300, 600, 900, 1200
    assert list(metrics.sampled(times, equity, 600.0)) == [100 * UNITS, 99 * UNITS, 90 * UNITS]
    assert len(metrics.sampled(times[:0], equity[:0], 600.0)) == 0


def test_return_volatility_and_ratios_by_hand():
    """Twenty returns of +3 and -1 on a capital of 1000, ten minutes each."""
    steps = [3, -1] * 10
    times, equity = marks(np.cumsum([1000, *steps]))
    found = metrics.return_figures(times, equity, 1000 * UNITS, 600.0)
    factor = math.sqrt(365 * 144)
    deviation = math.sqrt(20 / 19 * 4.0) / 1000
    assert found["return"].value == pytest.approx(0.020)
    assert found["volatility"].value == pytest.approx(deviation * factor)
    assert found["sharpe"].value == pytest.approx(0.001 / deviation * factor)
    assert found["sortino"].value == pytest.approx(0.001 / (math.sqrt(0.5) / 1000) * factor)
    year_share = 20 * 600 / (365 * 86_400)
    depth = 1 / 1003  # the first and lowest peak
    assert found["calmar"].value == pytest.approx(0.020 / year_share / depth)
    assert found["sharpe"] == metrics.Metric(found["sharpe"].value, 20, 600.0, factor)


def test_a_sharpe_ratio_is_annualised_with_the_returns_own_autocorrelation():
    """Lo 2002: of AR(1) returns the root of the periods shrinks by sqrt((1 - rho) / (1 + rho))."""
    rho, count = 0.2, 6000
    shocks, values = np.random.default_rng(5).normal(0.05, 1.0, count), np.zeros(count)
    for index in range(1, count):
        values[index] = rho * values[index - 1] + shocks[index]
    record = marks(np.round(1e6 * np.cumsum(values)) / 1e4)
    plain = metrics.return_figures(*record, 1000 * UNITS, 600.0)["sharpe"].value
    told = metrics.corrected_sharpe(*record, 1000 * UNITS, 600.0)["sharpe_lo"]
    assert told.value / plain == pytest.approx(math.sqrt((1 - rho) / (1 + rho)), rel=0.05)
    assert told.count == count - 1
    year = 365 * 144
    assert told.annualisation == pytest.approx(told.value / plain * math.sqrt(year))
    few = metrics.corrected_sharpe(*marks([10, 11, 12]), 10 * UNITS, 600.0)["sharpe_lo"]
    assert few.value is None


def test_ratios_are_absent_without_enough_or_varying_returns():
    """None, never 0 or infinity."""
    few = metrics.return_figures(*marks([10, 11, 12]), 10 * UNITS, 600.0)
    assert few["return"].value == pytest.approx(0.2)
    assert few["volatility"].value == 0.0
    assert few["sharpe"].value is few["sortino"].value is few["calmar"].value is None
    flat = metrics.return_figures(*marks([10] * 30), 10 * UNITS, 600.0)
    assert flat["sharpe"].value is flat["sortino"].value is flat["calmar"].value is None
    nothing = metrics.return_figures(*marks([]), 10 * UNITS, 600.0)
    assert nothing["return"].value is nothing["volatility"].value is None


@pytest.mark.parametrize(
    ("values", "depth", "length"),
    [
        ([100, 110, 99, 105, 110, 120], 0.1, 3 * 600),  # recovered at the fifth mark
        ([100, 110, 99, 105], 0.1, 2 * 600),  # not recovered
        ([100, 90, 100, 95, 96, 97], 0.1, 3 * 600),  # the longest is not the deepest
        ([100, 100, 101, 101], 0.0, 0),
    ],
)
def test_drawdown_is_the_deepest_fall_and_the_longest_time_below_a_peak(values, depth, length):
    """From the peak to its recovery, or to the end."""
    found = metrics.drawdown_figures(*marks(values))
    assert found["max_drawdown"].value == pytest.approx(depth)
    assert found["drawdown_length_s"].value == length


def test_drawdown_is_absent_for_one_mark_or_lost_capital():
    """A fraction of nothing is no figure."""
    assert metrics.drawdown_figures(*marks([5]))["max_drawdown"].value is None
    assert metrics.drawdown_figures(*marks([5, 0]))["max_drawdown"].value is None


def test_trip_figures_by_hand():
    """Forty round trips: thirty win 2, ten lose 3, each with a planned risk of 20."""
    rows = [(60, 10, 1000, 200), (30, -10, 1000, 200), (90, 10, 1000, 200), (20, 10, 1000, -300)]
    found = metrics.trip_figures(trips(*rows * 10), tick_lot_units=10, risk_fraction=0.02)
    multiples = np.array([0.1, 0.1, 0.1, -0.15] * 10)  # cost 100 000, risk 2 000
    ratio = np.mean(multiples) / np.std(multiples, ddof=1)
    assert found["sqn"].value == pytest.approx(math.sqrt(40) * ratio)
    assert found["sqn100"].value == found["sqn"].value
    assert found["hit_rate"].value == 0.75
    assert found["profit_factor"].value == pytest.approx(2.0)
    assert found["average_trade_duration_s"].value == 50.0
    assert {figure.count for figure in found.values()} == {40}


def test_the_quality_number_stops_growing_at_a_hundred_trips():
    """SQN100 uses at most ten for the root."""
    rows = [(1, 1, 1000, 3), (1, 1, 1000, -1)] * 200
    found = metrics.trip_figures(trips(*rows), tick_lot_units=10, risk_fraction=0.02)
    assert found["sqn"].value == pytest.approx(2.0 * found["sqn100"].value)


def test_trip_figures_are_absent_when_undefined():
    """Too few trips, no variance, no loss, no trips."""
    some = metrics.trip_figures(
        trips(*[(1, 1, 1000, 3)] * 29), tick_lot_units=10, risk_fraction=0.02
    )
    assert some["sqn"].value is some["profit_factor"].value is None
    assert some["hit_rate"].value == 1.0
    same = metrics.trip_figures(
        trips(*[(1, 1, 1000, 3)] * 50), tick_lot_units=10, risk_fraction=0.02
    )
    assert same["sqn"].value is None
    none = metrics.trip_figures(trips(), tick_lot_units=10, risk_fraction=0.02)
    assert all(figure.value is None for figure in none.values())


def test_markouts_are_positive_when_the_market_moves_our_way():
    """A buy at 999 and a sell at 1001 around mid 1000; ten seconds later mid is 1002."""
    times = START + np.arange(71, dtype=np.int64) * SECOND
    mids = np.where(np.arange(71) < 10, 1000.0, 1002.0)
    found = metrics.markout_figures(
        np.array([START, START + SECOND // 2]),
        np.array([BUY, SELL]),
        np.array([999, 1001]),
        times,
        mids,
    )
    assert found["markout_1s_bps"].value == pytest.approx(10.0)
    assert found["markout_10s_bps"].value == pytest.approx((30.0 - 10.0) / 2)
    assert found["markout_10s_bps"].count == 2


def test_a_markout_beyond_the_record_does_not_count():
    """Neither does one without a mid."""
    times = START + np.arange(11, dtype=np.int64) * SECOND
    mids = np.full(11, 1000.0)
    mids[2] = 0.0
    fills = (np.array([START, START + SECOND]), np.array([BUY, BUY]), np.array([999, 999]))
    found = metrics.markout_figures(*fills, times, mids)
    assert [found[f"markout_{h}s_bps"].count for h in (1, 10, 60)] == [1, 1, 0]
    assert found["markout_60s_bps"].value is None
    empty = metrics.markout_figures(*fills, times[:0], mids[:0])
    assert empty["markout_1s_bps"].value is None


def test_inventory_figures_by_hand():
    """Positions -10, 0, 5, 10 of 10."""
    found = metrics.inventory_figures(np.array([-10, 0, 5, 10]), 10, 30.0)
    assert found["inventory_mean"].value == pytest.approx(0.125)
    assert found["inventory_mean_size"].value == pytest.approx(0.625)
    assert found["inventory_p95_size"].value == pytest.approx(1.0)
    assert found["inventory_time_at_limit"].value == 0.5
    assert metrics.inventory_figures(np.array([1]), 0, 30.0)["inventory_mean"].value is None


def record(**changes):
    times, equity = marks([1000, 1001, 1003])
    none = np.zeros(0, dtype=np.int64)
    arguments = {
        "times_ns": times, "equity_units": equity, "position_lots": np.array([0, 2, -2]),
        "capital_units": 1000 * UNITS, "max_position_lots": 4, "trips": trips((5, 1, 1000, 3)),
        "fill_times_ns": times[:2], "fill_sides": np.array([BUY, SELL]),
        "fill_prices_ticks": np.array([999, 1001]), "fill_lots": np.array([2, 4]),
        "orders_accepted": 8, "orders_filled": 2, "step_times_ns": none,
        "step_mids": np.zeros(0), "tick_lot_units": 10**5,
    }  # fmt: skip
    return metrics.measure(**{**arguments, **changes})


def test_a_record_has_every_figure_of_the_specification():
    """All names are there, and the whole is JSON."""
    found = record()
    wanted = """return volatility sharpe sortino calmar max_drawdown drawdown_length_s sqn sqn100
        hit_rate profit_factor average_trade_duration_s fill_rate turnover_per_day traded_quote
        markout_1s_bps markout_10s_bps markout_60s_bps inventory_mean inventory_mean_size
        inventory_p95_size inventory_time_at_limit"""
    assert set(found.figures) == set(wanted.split())
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False)) == found.as_dict()
    assert found.value("fill_rate") == 0.25
    traded = 999 * 2 + 1001 * 4  # ticks x lots, at 0.001 quote each
    assert found["traded_quote"].value == pytest.approx(traded / 1000)
    assert found.value("turnover_per_day") == pytest.approx(traded / 1e6 * 86_400 / 1200)


def test_an_empty_record_has_figures_without_values():
    """Nothing is invented, nothing fails."""
    none = np.zeros(0, dtype=np.int64)
    found = record(
        times_ns=none, equity_units=none, position_lots=none, trips=trips(), fill_times_ns=none,
        fill_sides=none, fill_prices_ticks=none, fill_lots=none, orders_accepted=0,
    )  # fmt: skip
    valued = {name for name, figure in found.figures.items() if figure.value is not None}
    assert valued == {"traded_quote"}
    with pytest.raises(ValueError, match="capital"):
        record(capital_units=0)
