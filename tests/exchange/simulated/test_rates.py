import pytest

from exchange.simulated.rates import BAN_S, ORDERS, PATIENCE, RAW, WEIGHT, Rate, Rates
from exchange.simulated.refusals import Refusal

NOW = 1_700_000_040.0
"""The beginning of a minute and of ten seconds."""


def rates():
    return Rates(
        [
            Rate(WEIGHT, "MINUTE", 1, 100),
            Rate(ORDERS, "SECOND", 10, 5),
            Rate(RAW, "MINUTE", 5, 1000),
        ]
    )


def refused(ask):
    """The refusal of a request."""
    with pytest.raises(Refusal) as caught:
        ask()
    return caught.value


def test_weight_counts_within_a_window_and_begins_anew_with_the_next():
    """Beyond the limit is 429 until the window ends."""
    found = rates()
    for _ in range(5):
        found.demand("here", 20, NOW + 30)
    found.demand("there", 20, NOW + 30)
    assert found.headers("here", None, NOW + 30)["X-MBX-USED-WEIGHT-1M"] == "100"
    refusal = refused(lambda: found.demand("here", 1, NOW + 31))
    assert (refusal.code, refusal.status) == (-1003, 429)
    assert refusal.headers["Retry-After"] == "30"
    found.demand("here", 20, NOW + 61)
    assert found.headers("here", None, NOW + 61)["X-MBX-USED-WEIGHT-1M"] == "20"


def test_who_goes_on_is_banned_longer_each_time():
    """418 for two minutes, then four."""
    found = rates()
    refused(lambda: found.demand("here", 101, NOW))
    seen = [refused(lambda: found.demand("here", 1, NOW + 1)).status for _ in range(PATIENCE + 1)]
    assert seen == [429] * PATIENCE + [418]
    assert refused(lambda: found.demand("here", 1, NOW + BAN_S)).status == 418
    later = NOW + 2 * BAN_S
    refused(lambda: found.demand("here", 101, later))
    for _ in range(PATIENCE + 1):
        last = refused(lambda: found.demand("here", 1, later + 1))
    assert int(last.headers["Retry-After"]) > BAN_S


def test_unfilled_orders_count_and_a_fill_gives_one_back():
    """-1015 beyond the limit."""
    found = rates()
    for _ in range(5):
        found.demand_orders("key", 1, NOW)
        found.add("key", ORDERS, 1, NOW)
    refusal = refused(lambda: found.demand_orders("key", 1, NOW + 1))
    assert (refusal.code, refusal.status) == (-1015, 429)
    found.add("key", ORDERS, -1, NOW + 1)
    found.demand_orders("key", 1, NOW + 1)
    assert found.order_rows("key", NOW + 1)[0]["count"] == 4
    assert found.order_rows("key", NOW + 10)[0]["count"] == 0
