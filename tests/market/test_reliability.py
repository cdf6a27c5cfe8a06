import numpy as np
import pytest

from market.reliability import reliability, skill_interval


def stated(count, rng, *, bold=1.0):
    """Forecasts that are right when `bold` is 1, overconfident above."""
    true = rng.uniform(0.2, 0.95, count)
    won = (rng.random(count) < true).astype(float)
    logit = bold * np.log(true / (1 - true))
    return 1 / (1 + np.exp(-logit)), won


def test_a_right_forecast_has_skill_and_hardly_an_error():
    """Brier, skill and calibration error by their formulas."""
    p, won = stated(8000, np.random.default_rng(1))
    found = reliability(p, won)
    assert found.brier == pytest.approx(((p - won) ** 2).mean())
    assert found.skill == pytest.approx(1 - found.brier / (won.mean() * (1 - won.mean())))
    assert found.skill > 0.15
    assert found.error < 0.03
    assert sum(each[2] for each in found.bins) == found.count == 8000


def test_an_overconfident_forecast_is_found_out():
    """Its error is that of its bins."""
    p, won = stated(8000, np.random.default_rng(2), bold=4.0)
    assert reliability(p, won).error > 0.1


def test_the_base_rate_alone_has_no_skill():
    """A constant is the measure of skill."""
    _, won = stated(1000, np.random.default_rng(3))
    assert reliability(np.full(1000, won.mean()), won).skill == pytest.approx(0.0, abs=1e-12)


def test_nothing_known_is_told_as_nothing():
    """No decision, or outcomes that are all alike: no figure is made up."""
    assert reliability(np.zeros(0), np.zeros(0)).as_dict()["skill"] is None
    assert reliability(np.array([0.6, 0.7]), np.ones(2)).skill is None


def test_the_interval_draws_whole_markets():
    """Copies of one market's decisions do not make the interval narrower."""
    rng = np.random.default_rng(4)
    p, won = stated(400, rng)
    market = np.repeat(np.arange(20), 20)
    one = skill_interval(p, won, market, np.random.default_rng(1))
    many = skill_interval(
        np.tile(p, 5), np.tile(won, 5), np.tile(market, 5), np.random.default_rng(1)
    )
    assert one[0] < reliability(p, won).skill < one[1]
    assert many == pytest.approx(one, abs=0.02)
