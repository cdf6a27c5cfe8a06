"""Fill curves from counts: the law that made them is found, or a curve that is as good."""

import numpy as np
import pytest

from agents.executor.learning_curve import fit_curve, fit_sides, merged, roughness
from market.stylised_smooth import BAND, smooth_curve

X = np.linspace(0.0, 8.0, 60)
GRID = np.linspace(0.0, 8.0, 1001)


def counts(truth, trials, seed=1):
    n = np.full(len(truth), float(trials))
    k = np.random.default_rng(seed).binomial(int(trials), truth).astype(float)
    return np.stack([n, k, n - k])


def test_the_roughness_of_a_parabola_is_nothing_and_of_a_cubic_its_derivative():
    """Uneven nodes: third derivatives are exact for polynomials."""
    x = np.sort(np.random.default_rng(4).uniform(0.0, 1.0, 25))
    x[0], x[-1] = 0.0, 1.0
    bands = roughness(x)
    dense = sum(np.diag(bands[k, : 25 - k], -k) for k in range(BAND + 1))
    dense = dense + np.tril(dense, -1).T
    parabola = 1.0 + x - 3.0 * x * x
    scale = np.abs(dense).max()
    assert parabola @ dense @ parabola == pytest.approx(0.0, abs=1e-12 * scale)
    assert (2 * x**3) @ dense @ (2 * x**3) == pytest.approx(
        144.0 * np.sum(x[3:] - x[:-3]) / 3.0, rel=2e-3
    )


def test_a_smooth_curve_finds_a_power_law():
    """From 4 million binomial counts, within 1 % wherever fills are seen."""
    x = np.linspace(0.0, 8.0, 60)
    truth = -np.expm1(-0.8 / (1.0 + x) ** 2)
    trials = np.full(60, 70_000.0)
    fills = np.random.default_rng(5).binomial(70_000, truth).astype(float)
    eta, weights, room = np.zeros(60), np.empty(60), np.empty((2 * BAND + 3, 60))
    _, parameters = smooth_curve(trials, fills, roughness(x), 1e-2, eta, weights, room)
    assert -np.expm1(-np.exp(eta)) == pytest.approx(truth, rel=0.02)
    assert 3 < parameters < 30


@pytest.mark.parametrize(
    ("law", "truth"),
    [
        ("poisson", lambda d: -np.expm1(-1.4 * np.exp(-0.9 * d))),
        ("linear", lambda d: np.minimum(1.0, 1.4 * np.exp(-0.9 * d))),
        ("smooth", lambda d: -np.expm1(-0.8 / (1.0 + d) ** 2)),
    ],
)
def test_the_law_that_made_the_counts_is_found(law, truth):
    """The criterion takes the exponential where it is one, and a curve elsewhere."""
    curve = fit_curve(X, counts(truth(X), 200_000), GRID)
    assert curve.kind == law
    assert np.all(np.diff(curve.chances) <= 0.0)
    assert curve.chances == pytest.approx(truth(GRID), rel=0.02, abs=2e-4)
    if law != "smooth":
        assert (curve.intensity, curve.decay) == pytest.approx((1.4, 0.9), rel=0.01)


def test_an_exponential_is_not_taken_for_a_wavering_curve():
    """Fifty draws of counts from one law give that law; by Akaike's criterion some do not."""
    truth = -np.expm1(-1.4 * np.exp(-0.9 * X))
    kinds = [fit_curve(X, counts(truth, 200_000, seed), GRID).kind for seed in range(50)]
    assert kinds == ["poisson"] * 50


def test_sides_share_a_curve_unless_the_counts_tell_them_apart():
    """Equal sides are pooled; a tenth more intensity on one is seen."""
    truth = -np.expm1(-np.exp(-0.9 * X))
    other = -np.expm1(-1.1 * np.exp(-0.9 * X))
    bid, ask = fit_sides(X, np.array([counts(truth, 50_000, 1), counts(truth, 50_000, 2)]), GRID)
    assert bid is ask
    bid, ask = fit_sides(X, np.array([counts(truth, 50_000, 1), counts(other, 50_000, 2)]), GRID)
    assert ask.intensity / bid.intensity == pytest.approx(1.1, rel=0.02)


def test_nodes_that_nearly_coincide_are_counted_as_one():
    """Trials and fills add up, at the mean depth; well-spaced nodes stay as they are."""
    trials, fills, _ = counts(np.full(60, 0.3), 1_000)
    assert np.array_equal(merged(X, trials, fills)[0], X)
    x = np.insert(X, 30, X[30] - 1e-5)
    near, n, k = merged(x, np.insert(trials, 30, 3_000.0), np.insert(fills, 30, 900.0))
    assert len(near) == 60
    assert (n.sum(), k.sum()) == (63_000.0, fills.sum() + 900.0)
    assert near[30] == pytest.approx(X[30] - 0.75e-5)


def test_a_law_of_certain_fills_is_not_ruled_out_by_shares_of_unclear_steps():
    """Steps that other chances left a share of a miss to speak against no law that says none."""
    told = counts(np.minimum(1.0, 1.4 * np.exp(-0.9 * X)), 200_000)
    told[1, told[2] == 0] -= 40.0
    assert fit_curve(X, told, GRID).kind == "linear"
    told[2, 0] = 400.0
    assert fit_curve(X, told, GRID).kind != "linear"
