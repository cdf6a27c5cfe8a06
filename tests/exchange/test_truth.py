"""The truth test as a whole, on a small fair market and on the real log."""

import numpy as np
import pytest

from exchange.errors import RecordingError
from exchange.ghosts import order_level, read_orders
from exchange.truth import examine
from tests.exchange.feeds import real_feed
from tests.exchange.order_log import FairExchange, OrderLog


@pytest.fixture(scope="module")
def truth():
    return examine(FairExchange(3, steps=3_000).log.orders())


def named(truth, name):
    return next(score for score in truth.scores if score.model.startswith(name))


def test_in_a_fair_market_order_by_order_is_always_right(truth):
    """Every class, every fill time; the log score is what is left of the prior."""
    fifo = named(truth, "fifo")
    assert fifo.right == 1.0
    assert fifo.log_score.value > -0.01
    assert {each.value for each in fifo.bias_birth.values()} == {0.0}
    assert (fifo.error_median_s.value, fifo.error_p90_s.value, fifo.never) == (0.0, 0.0, 0.0)


def test_the_winner_needs_no_ids_and_is_no_bound(truth):
    """Order-by-order is reported, not chosen: most recordings cannot run it."""
    rivals = [each for each in truth.scores if not (each.bound or each.needs_ids)]
    assert named(truth, "fifo").needs_ids
    assert truth.winner == max(rivals, key=lambda each: each.log_score.value).model
    assert all(truth.curves["reality"][-1] >= each for each in truth.curves["trade-through"])


def test_each_power_is_the_best_of_the_first_part(truth):
    """Fitted on two thirds of the time, before the orders that are scored."""
    for name, power in truth.fitted.items():
        table = truth.fit_scores[name]
        assert table[f"{power:g}"] == max(table.values())
    assert truth.fit_span_ns[1] == truth.held_out_span_ns[0]
    assert truth.fit > truth.held_out > 100


def test_the_default_leads_both_bounds(truth):
    """The very differences that the bar of `bench.ghosts` looks at."""
    for name in ("trade-through", "touch"):
        lead = truth.differences[name]
        assert 0.0 < lead.low <= lead.value <= lead.high


def test_the_same_seed_gives_the_same_intervals():
    """Chance is an argument."""
    orders = FairExchange(4, steps=2_500).log.orders()
    assert repr(examine(orders, seed=7)) == repr(examine(orders, seed=7))


def test_a_recording_with_few_orders_is_refused():
    """A figure of ten orders is none."""
    log = OrderLog()
    log.buy(1, 0, 10)
    log.sell(2, 5, 10)
    with pytest.raises(RecordingError, match="100 each are needed"):
        examine(log.orders())


@pytest.mark.slow
def test_the_default_model_wins_the_real_day():
    """The bar of the benchmark, and that the engine's default is what the day says."""
    folder = real_feed("bitstamp-spot-btcusd-20150501")
    orders = read_orders(folder / "2015-05-01.log.bz2")
    found = examine(orders)
    assert found.reached >= 3_000
    assert found.default == found.winner
    assert min(found.differences[name].low for name in ("trade-through", "touch")) > 0.0
    forgotten = order_level(orders.recording, np.zeros_like(orders.order_ids))
    with pytest.raises(RecordingError, match="touch reached 0 orders"):
        examine(forgotten)
