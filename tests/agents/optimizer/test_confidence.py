import tomllib
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from agents.optimizer import confidence
from agents.optimizer.confidence import (
    PRIOR_FILE,
    SURE_MAX,
    Calibrator,
    Evidence,
    evidence_of,
    predictive,
)
from agents.optimizer.objectives import mean_error

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
    mean, error = mean_error(np.array([noise + 0.1, noise - 0.2]) - noise)
    np.testing.assert_allclose(mean, [0.1, -0.2])
    np.testing.assert_allclose(error, 0.0, atol=1e-12)


def test_evidence_is_the_logit_of_the_next_horizon_and_bounded():
    """Without outliers, in one weather: Student's t; certainty is no figure of a dozen slices."""
    gains, calm = np.array([0.1, 0.4, 0.2, 0.3]), np.full(4, 1e-4)
    mean, error = (float(each[0]) for each in mean_error(gains[None]))
    p = predictive(mean, error, slices=4, ahead=4.0)
    assert evidence_of(gains, calm, ahead=4.0).ahead == pytest.approx(np.log(p / (1 - p)))
    assert evidence_of(np.ones(12), np.ones(12), ahead=4.0).ahead == pytest.approx(SURE_MAX)
    assert evidence_of(np.zeros(12), np.ones(12), ahead=4.0).ahead == 0.0


def test_one_wild_slice_does_not_decide():
    """A loss as large as all gains together, once: drawn in, it hardly counts."""
    gains = np.tile([0.5, 0.4, -0.3, 0.1], 5)
    calm, before = np.full(20, 1e-4), evidence_of(gains, np.full(20, 1e-4), ahead=10.0).ahead
    lost = gains.copy()
    lost[7] = -5.0
    assert lost.mean() < 0.0
    assert 0.6 * before < evidence_of(lost, calm, ahead=10.0).ahead < before


def test_a_slice_counts_by_its_own_volatility():
    """The same losses mean less where everything moved four times as much."""
    gains = np.tile([0.5, 0.4, -0.6, 0.1], 5)
    calm, wild = np.full(20, 1e-4), np.tile([1e-4, 1e-4, 4e-4, 1e-4], 5)
    assert evidence_of(gains, wild, ahead=10.0).ahead > evidence_of(gains, calm, ahead=10.0).ahead
    assert evidence_of(gains, 7.0 * wild, ahead=10.0) == evidence_of(gains, wild, ahead=10.0)


def test_an_installation_has_the_prior():
    """What is read beside the code is named as data of the package."""
    project = Path(confidence.__file__).parents[2] / "pyproject.toml"
    held = tomllib.loads(project.read_text())["tool"]["setuptools"]["package-data"]
    assert any(fnmatch(PRIOR_FILE, each) for each in held["agents.optimizer"])


def test_the_shipped_prior_believes_evidence_and_knows_how_well():
    """More evidence never makes it less sure; its precision is that of a covariance."""
    prior = Calibrator.shipped()
    low, high = (prior.probability(Evidence(each)) for each in (-1.0, 3.0))
    assert 0 < low < high < 1
    assert (np.linalg.eigvalsh(np.array(prior.precision)) > 0).all()


def test_own_outcomes_move_the_confidence_slowly():
    """One defeat hardly counts, a hundred do; victories move it the other way."""
    prior, seen = Calibrator.shipped(), Evidence(4.0)
    before = prior.probability(seen)
    one = prior.updated([(seen, False)], weight=0.5).probability(seen)
    many = prior.updated([(seen, False)] * 100, weight=1.0).probability(seen)
    assert before - 0.1 < one < before
    assert many < before - 0.15
    assert prior.updated([(seen, True)] * 100, weight=1.0).probability(seen) > before
    assert prior.updated([], weight=1.0) == prior


def test_an_overlapping_outcome_counts_for_less():
    """A sixth of the weight moves the confidence by less."""
    prior, seen = Calibrator.shipped(), Evidence(4.0)
    known = [(seen, False)] * 20
    before = prior.probability(seen)
    assert prior.updated(known, weight=1.0).probability(seen) < prior.updated(
        known, weight=1 / 6
    ).probability(seen)
    assert prior.updated(known, weight=1 / 6).probability(seen) < before


def test_the_fit_finds_the_weights_that_made_the_outcomes():
    """Newton's steps end at a logistic regression."""
    rng = np.random.default_rng(5)
    blank = Calibrator((0.0,) * 2, tuple(map(tuple, (0.01 * np.eye(2)).tolist())))
    evidence = [Evidence(float(each)) for each in rng.normal(0, 1.5, 4000)]
    true = Calibrator((-0.5, 0.8), blank.precision)
    won = [rng.random() < true.probability(each) for each in evidence]
    found = blank.updated(list(zip(evidence, won, strict=True)), weight=1.0)
    np.testing.assert_allclose(found.weights, true.weights, atol=0.12)
