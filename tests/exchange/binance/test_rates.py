from exchange.binance.rates import Rates

LIMITS = [
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
    {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 300_000},
]


def rates():
    """Return the limits of an address that has used nothing."""
    made = Rates()
    made.learn(LIMITS)
    return made


def test_quotes_stop_before_the_limit_and_cancels_at_it():
    """A tenth of the weight is kept for what takes risk away."""
    made = rates()
    made.answered(200, {"X-MBX-USED-WEIGHT-1M": "5400"}, 0.0)
    assert made.wait_s(10.0) == 50.0
    assert made.wait_s(10.0, urgent=True) == 0.0
    made.answered(200, {"x-mbx-used-weight-1m": "6000"}, 20.0)
    assert made.wait_s(20.0, urgent=True) == 60.0
    assert made.wait_s(80.0) == 0.0


def test_orders_are_counted_as_they_are_sent_and_as_the_exchange_counts_them():
    """Its count comes with every answer; between two of them ours goes on."""
    made = rates()
    made.answered(200, {"X-MBX-ORDER-COUNT-10S": "88"}, 0.0)
    assert made.wait_s(1.0, orders=1) == 0.0
    made.count_order()
    made.count_order()
    assert made.wait_s(1.0, orders=1) == 9.0
    assert made.wait_s(1.0) == 0.0
    made.answered(200, {"X-MBX-ORDER-COUNT-10S": "40"}, 2.0)
    assert made.wait_s(2.0, orders=1) == 0.0


def test_after_a_429_or_418_all_are_silent_for_as_long_as_it_says():
    """Cancels too: whoever goes on is banned; without a figure it is a minute."""
    made = rates()
    made.answered(429, {"Retry-After": "7"}, 100.0)
    assert made.wait_s(100.0, urgent=True) == 7.0
    made.answered(418, {}, 101.0)
    assert made.wait_s(101.0, urgent=True) == 60.0
    made.answered(429, {"Retry-After": "soon"}, 102.0)
    assert made.wait_s(102.0) == 60.0
    assert made.refused == 3


def test_limits_that_are_learned_again_keep_what_was_used():
    """ExchangeInfo is asked for again and again."""
    made = rates()
    made.answered(200, {"X-MBX-USED-WEIGHT-1M": "5999"}, 0.0)
    made.learn(LIMITS)
    assert made.wait_s(0.0) == 60.0
