import numpy as np
import pytest

from exchange.errors import FeedError
from exchange.importers.assembly import both_clocks
from exchange.importers.grid import finest_lot, infer_lot, smallest_step
from exchange.importers.instruments import file_symbol, is_inverse, split_symbol
from market.layout import (
    EVENT_COLUMNS,
    EVENT_EXCH_NS,
    EVENT_LOCAL_NS,
    EVENT_LOTS,
    EVENT_SEEN,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
)


def test_overtaken_events_are_split_between_the_clocks():
    """Each clock sees every event once and in its own order: worked by hand."""
    rows = np.zeros((4, EVENT_COLUMNS), np.int64)
    rows[:, EVENT_LOCAL_NS] = [10, 20, 30, 40]
    rows[:, EVENT_EXCH_NS] = [5, 15, 12, 35]  # the third overtook the second
    events, origin = both_clocks(rows)
    both = SEEN_EXCHANGE | SEEN_LOCAL
    assert list(zip(origin.tolist(), events[:, EVENT_SEEN].tolist(), strict=True)) == [
        (0, both), (2, SEEN_EXCHANGE), (1, both), (2, SEEN_LOCAL), (3, both),
    ]  # fmt: skip


def test_both_clocks_see_all_events_in_their_order():
    """On random delays each subset is complete and monotone, and stays in sequence at ties."""
    random = np.random.default_rng(5)
    for _ in range(30):
        count = int(random.integers(1, 60))
        rows = np.zeros((count, EVENT_COLUMNS), np.int64)
        rows[:, EVENT_LOCAL_NS] = np.sort(random.integers(0, 40, count)) + 50
        rows[:, EVENT_EXCH_NS] = rows[:, EVENT_LOCAL_NS] - random.integers(0, 12, count)
        rows[:, EVENT_LOTS] = np.arange(count)
        events, _ = both_clocks(rows)
        local = events[(events[:, EVENT_SEEN] & SEEN_LOCAL) != 0]
        exchange = events[(events[:, EVENT_SEEN] & SEEN_EXCHANGE) != 0]
        assert local[:, EVENT_LOTS].tolist() == list(range(count))
        expected = sorted(range(count), key=lambda row: rows[row, EVENT_EXCH_NS])
        assert exchange[:, EVENT_LOTS].tolist() == expected


@pytest.mark.parametrize(
    ("symbol", "parts"),
    [
        ("NEXOUSDT", ("NEXO", "USDT")),
        ("nexo/usdt", ("NEXO", "USDT")),
        ("ETH-BTC", ("ETH", "BTC")),
        ("BTCUSD_PERP", ("BTC", "USD")),
        ("BTCUSDT_240927", ("BTC", "USDT")),
        ("1000SHIBUSDC", ("1000SHIB", "USDC")),
    ],
)
def test_symbols_split_into_base_and_quote(symbol, parts):
    """All three ways of writing a symbol, and contracts."""
    assert split_symbol(symbol) == parts
    assert is_inverse(symbol) == symbol.endswith("USD_PERP")


def test_a_symbol_without_a_known_quote_asks_for_one():
    """Rather than guess where the base ends."""
    with pytest.raises(FeedError, match="--symbol BASE-QUOTE"):
        split_symbol("ABCXYZ")


def test_names_that_are_no_symbol_are_not_taken_for_one(tmp_path):
    """A file may be called what its owner likes."""
    assert file_symbol(tmp_path / "nexousdt_20240723.dat.gz") == "NEXOUSDT"
    assert file_symbol(tmp_path / "monday_20240723.gz") is None
    assert file_symbol(tmp_path / "nexousdt.gz") is None


@pytest.mark.parametrize(
    ("figures", "step"),
    [
        ([1.214, 1.2, 1.21], "0.001"),
        ([63_943.9, 62_109.6], "0.1"),
        ([1000.0, 5000.0], "1"),  # too few figures to believe a step of 1000
        ([0.00001234], "0.00000001"),
        ([], "1"),
    ],
)
def test_a_few_figures_give_their_last_decimal_place(figures, step):
    """Round figures in a short recording are no proof of a coarse grid."""
    assert smallest_step(np.array(figures, np.float64), mantissas={1, 5}) == step


def test_many_figures_give_their_common_step():
    """A step of a quarter or of five is a tick; an odd divisor is chance."""
    whole = np.arange(1, 200, dtype=np.float64)
    assert smallest_step(whole * 0.25, mantissas={1, 2, 5, 25}) == "0.25"
    assert smallest_step(whole * 5, mantissas={1, 2, 5, 25}) == "5"
    assert smallest_step(whole * 0.07, mantissas={1, 2, 5, 25}) == "0.01"
    assert smallest_step(whole * 30, mantissas={1}) == "10"


def test_the_lot_is_taken_near_the_market():
    """A far order from before a change of lot does not make the grid finer."""
    price = np.array([10.0, 10.01, 2.0])
    quantity = np.array([0.5, 1.0, 0.00001])
    traded = np.array([True, False, False])
    assert infer_lot(quantity, price, traded) == "0.1"


@pytest.mark.parametrize(
    ("tick", "lot", "used"),
    [
        ("0.01", "0.00001", "0.00001"),
        ("0.01", "0.00000001", "0.000001"),
        ("0.00000001", "1", "1"),
        ("0.00000001", "0.1", "1"),
        ("0.25", "0.00000001", "0.000001"),
    ],
)
def test_a_lot_is_coarse_enough_to_count_money(tick, lot, used):
    """One tick on one lot is a whole number of 1e-8."""
    assert finest_lot(tick, lot) == (used, used != lot)
