"""Sharpe ratios against their own noise and against luck; the example of the paper."""

import math

import numpy as np
import pytest

from market.deflation import deflated_sharpe, probable_sharpe, sharpe_of_luck


def test_luck_is_what_the_best_of_many_worthless_ones_shows():
    """Against the mean maximum of so many normal draws."""
    rng = np.random.default_rng(2)
    for trials in (10, 100, 1000):
        shown = rng.normal(0.0, 0.3, (2000, trials)).max(1).mean()
        assert sharpe_of_luck(trials, 0.3) == pytest.approx(shown, rel=0.05)
    assert sharpe_of_luck(1, 0.3) == 0.0


def test_a_sharpe_ratio_is_deflated_by_the_number_of_trials():
    """One look believes what a thousand looks do not."""
    returns = np.random.default_rng(3).normal(0.2, 1.0, 250)
    once, often = (deflated_sharpe(returns, trials=n, deviation=0.06) for n in (1, 1000))
    assert once > 0.95
    assert often < once
    chosen = np.random.default_rng(4).normal(size=(1000, 250))
    sharpes = chosen.mean(1) / chosen.std(1)
    lucky = chosen[sharpes.argmax()]
    assert deflated_sharpe(lucky, trials=1, deviation=0.0) > 0.99
    assert deflated_sharpe(lucky, trials=1000, deviation=float(sharpes.std())) < 0.9


def test_the_example_of_the_paper_comes_out():
    """Annual 2.5 over 1250 days, best of 100 with variance 1/2: 0.1132 by luck, 0.9004 sure.

    Bailey and Lopez de Prado 2014, "A numerical example": 46 trials would have passed at 0.95.
    """
    per_day = math.sqrt(250.0)
    luck = sharpe_of_luck(100, math.sqrt(0.5) / per_day)
    assert luck == pytest.approx(0.1132, abs=5e-5)
    moments = {"count": 1250, "skewness": -3.0, "kurtosis": 10.0}
    assert probable_sharpe(2.5 / per_day, luck, **moments) == pytest.approx(0.9004, abs=5e-5)
    fewer = sharpe_of_luck(46, math.sqrt(0.5) / per_day)
    assert probable_sharpe(2.5 / per_day, fewer, **moments) == pytest.approx(0.9505, abs=5e-5)


def test_the_noise_of_a_sharpe_ratio_is_that_of_many_records():
    """A ratio above its own true value in half of the records, above a bound as often as said."""
    rng = np.random.default_rng(6)
    records = rng.normal(0.1, 1.0, (4000, 250))
    ratios = records.mean(1) / records.std(1, ddof=1)
    sure = [probable_sharpe(r, 0.1, count=250, skewness=0.0, kurtosis=3.0) for r in ratios]
    assert np.mean(np.array(sure) > 0.95) == pytest.approx(0.05, abs=0.012)


def test_a_record_without_variance_is_sure_or_worthless():
    """Nothing to divide by: the sign decides."""
    assert deflated_sharpe(np.ones(5), trials=1, deviation=0.0) == 1.0
    assert deflated_sharpe(-np.ones(5), trials=1, deviation=0.0) == 0.0


def test_too_little_to_deflate_is_refused():
    """A caller's mistake is one line."""
    with pytest.raises(ValueError, match="at least 3"):
        deflated_sharpe(np.zeros(2), trials=2, deviation=0.1)
    with pytest.raises(ValueError, match="at least 2"):
        probable_sharpe(1.0, 0.0, count=1, skewness=0.0, kurtosis=3.0)
    with pytest.raises(ValueError, match="trials >= 1"):
        sharpe_of_luck(0, 0.1)
