"""What is known of fundings, and when it is asked for again."""

from exchange.binance.funding_rates import AGAIN_S, LEAD_S, FundingRates

HOUR = 3_600 * 10**9


def test_a_final_rate_takes_the_place_of_the_one_that_was_announced():
    """What is due at its time is charged at the rate as it stood; what is told later is final."""
    rates = FundingRates()
    rates.heard((), (8 * HOUR, 900))
    rates.heard((), (8 * HOUR, 1_000))
    assert rates.due(8 * HOUR - 1) == ()
    assert rates.due(8 * HOUR) == ((8 * HOUR, 1_000),)
    assert rates.final() == ()
    rates.heard(((8 * HOUR, 1_001),), (16 * HOUR, 5))
    assert rates.due(9 * HOUR) == rates.final() == ((8 * HOUR, 1_001),)


def test_the_rate_is_asked_for_more_often_when_a_funding_is_near():
    """Just before it, and after it until its final rate is told; else now and then."""
    rates = FundingRates()
    assert rates.pause_s(0, 1.0, 60.0) == 60.0, "nothing is known"
    rates.heard((), (8 * HOUR, 900))
    assert rates.pause_s(0, 1.0, 60.0) == 60.0
    assert rates.pause_s(8 * HOUR - 10 * 10**9, 1.0, 60.0) == 10.0 - LEAD_S
    assert rates.pause_s(8 * HOUR - 600 * 10**9, 60.0, 60.0) == 10.0 - LEAD_S, "feed time"
    assert rates.pause_s(8 * HOUR + 10**9, 1.0, 60.0) == AGAIN_S
    assert rates.pause_s(8 * HOUR + 90 * 10**9, 1.0, 60.0) == 60.0, "nobody tells it"
    rates.heard(((8 * HOUR, 900),), (16 * HOUR, 5))
    assert rates.pause_s(8 * HOUR + 10**9, 1.0, 60.0) == 60.0
