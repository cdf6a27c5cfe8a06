import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from agents.optimizer.confidence import Paired, paired, predictive, shrink

means = st.floats(-10, 10)
errors = st.floats(0.001, 10)
slices = st.integers(2, 200)
ahead = st.floats(0.1, 100)


def test_the_formula_is_that_of_the_notes():
    """P = T_{n-1}(z / sqrt(1 + n_in / n_out)), against scipy's distribution."""
    expected = stats.t.cdf(1.5 / np.sqrt(1 + 12 / 3), df=11)
    assert predictive(0.3, 0.2, slices=12, ahead=3) == pytest.approx(expected)


@given(means, means, errors, slices, ahead)
def test_confidence_rises_with_the_gain(one, other, error, count, out):
    """More gain at the same error is never less sure."""
    low, high = sorted((one, other))
    given_low = predictive(low, error, slices=count, ahead=out)
    assert 0 <= given_low <= predictive(high, error, slices=count, ahead=out) <= 1


@given(st.floats(0, 10), errors, errors, slices, ahead)
def test_confidence_falls_with_the_error(gain, one, other, count, out):
    """A gain that is known worse is believed less; nothing below one half while it is a gain."""
    low, high = sorted((one, other))
    sure = predictive(gain, low, slices=count, ahead=out)
    assert sure >= predictive(gain, high, slices=count, ahead=out) >= 0.5 - 1e-12


@given(st.floats(0, 10), errors, slices, ahead, ahead)
def test_a_longer_horizon_averages_more_noise_out(gain, error, count, one, other):
    """The next window's own noise is part of the question."""
    short, long = sorted((one, other))
    assert predictive(gain, error, slices=count, ahead=short) <= (
        predictive(gain, error, slices=count, ahead=long) + 1e-12
    )


def test_nothing_known_is_one_half():
    """One slice, no horizon, or no difference at all tell nothing."""
    assert predictive(1.0, 1.0, slices=1, ahead=3) == 0.5
    assert predictive(0.0, 0.0, slices=12, ahead=3) == 0.5
    assert predictive(0.0, 0.3, slices=12, ahead=3) == 0.5


def test_pairs_share_the_noise_of_their_slices():
    """What all candidates suffered alike does not count as an error."""
    noise = np.random.default_rng(1).normal(0, 5, 12)
    found = paired(np.array([noise + 0.1, noise - 0.2]), noise)
    np.testing.assert_allclose(found.mean, [0.1, -0.2])
    np.testing.assert_allclose(found.error, 0.0, atol=1e-12)


def test_pure_noise_is_hardly_believed():
    """Where no candidate differs, the winner's gain is shrunk to little."""
    rng = np.random.default_rng(3)
    shares, sure = [], []
    for _ in range(300):
        found = paired(rng.normal(0, 1, (23, 12)), np.zeros(12))
        best = int(np.argmax(found.mean - found.error))
        shares.append(shrink(found))
        believed = shares[-1] * found.mean[best]
        sure.append(predictive(believed, found.error[best], slices=12, ahead=3))
    assert np.mean(shares) < 0.35
    assert np.mean(np.array(sure) >= 0.6) < 0.2


def test_a_true_gain_of_some_candidates_is_believed():
    """Half of the candidates are better by twice the error: most of it stands."""
    rng = np.random.default_rng(4)
    truth = np.where(np.arange(23) % 2, 0.6, -0.6)[:, None]
    found = paired(truth + rng.normal(0, 1, (23, 12)), np.zeros(12))
    assert shrink(found) > 0.6


def test_losers_say_nothing_for_the_winner():
    """Around an optimum most candidates are far worse; that does not confirm the best one."""
    mean = np.array([0.4, *[-2.0] * 22])
    found = Paired(mean, np.full(23, 0.2), 12)
    assert shrink(found) == 0.0
    assert shrink(Paired(np.zeros(0), np.zeros(0), 12)) == 0.0
