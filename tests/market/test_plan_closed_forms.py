"""The closed forms against published figures, their differential equations and each other."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from market import plan

PAPER = {"sigma": 0.3, "intensity": 0.9, "decay": 0.3, "aversion": 0.01}
AVELLANEDA = {"sigma": 2.0, "intensity": 140.0, "decay": 1.5, "aversion": 0.1}


def exact(figures, q_max, horizon, steps):
    return plan.gueant_lehalle_fernandez_tapia(
        q_max=q_max, steps=steps, dt=horizon / steps, **figures
    )


def test_avellaneda_and_stoikov_quote_what_their_table_says():
    """Mean spread 1.49, 1.35 and 3.02 for g = 0.1, 0.01 and 1; the centre moves against q."""
    for aversion, published in ((0.1, 1.49), (0.01, 1.35), (1.0, 3.02)):
        spreads = [
            sum(plan.avellaneda_stoikov(0.0, 1 - t / 200, sigma=2, decay=1.5, aversion=aversion))
            for t in range(201)
        ]
        assert np.mean(spreads) == pytest.approx(published, abs=0.006)
    bid, ask = plan.avellaneda_stoikov(np.array(3.0), 0.5, sigma=2.0, decay=1.5, aversion=0.1)
    assert (ask - bid) / 2 == pytest.approx(-3 * 0.1 * 4 * 0.5)


@pytest.mark.parametrize(
    ("figures", "q_max", "horizon", "q", "depth"),
    [
        (PAPER, 30, 600.0, 0, 3.31305),
        (PAPER, 30, 600.0, 15, 4.33054),
        (AVELLANEDA, 30, 1.0, 10, 1.1814),
    ],
)
def test_the_exact_depths_are_the_cross_checked_ones(figures, q_max, horizon, q, depth):
    """Gueant, Lehalle, Fernandez-Tapia 2013, Theorem 1, to the digits given."""
    bid, _ = exact(figures, q_max, horizon, 50)
    assert bid[0, q_max + q] == pytest.approx(depth, abs=2e-4)


def test_the_closed_form_is_the_far_horizon_of_the_exact_one():
    """Within two thousandths near q = 0, where the boundary is far (paper's figures)."""
    bid, ask = exact(PAPER, 30, 600.0, 50)
    centre, skew = plan.closed_form(0.3, 0.9, 0.3, 0.01 / 0.3)
    q = np.arange(-10, 11)
    assert bid[0, 20:41] == pytest.approx(centre + (2 * q + 1) / 2 * skew, abs=2e-3)
    assert ask[0, 20:41] == pytest.approx(centre - (2 * q - 1) / 2 * skew, abs=2e-3)


def test_the_exact_depths_equal_the_matrix_exponential():
    """By scipy's expm, every step and position, to 1e-10."""
    q_max, steps, dt = 8, 7, 0.05
    bid, ask = exact(AVELLANEDA, q_max, steps * dt, steps)
    q = np.arange(-q_max, q_max + 1)
    rate = 140.0 * (1 + 0.1 / 1.5) ** -(1 + 1.5 / 0.1)
    matrix = np.diag(0.5 * 1.5 * 0.1 * 4.0 * q**2) - rate * (np.eye(17, k=1) + np.eye(17, k=-1))
    for t in range(steps):
        v = expm(-matrix * (steps - t) * dt) @ np.ones(17)
        base = math.log1p(0.1 / 1.5) / 0.1
        assert bid[t, :-1] == pytest.approx(np.log(v[:-1] / v[1:]) / 1.5 + base, abs=1e-10)
        assert ask[t, 1:] == pytest.approx(np.log(v[1:] / v[:-1]) / 1.5 + base, abs=1e-10)


def test_cartea_jaimungal_penalva_solve_their_equation():
    """Runge-Kutta on h' = phi q^2 - sum of A/(k e) exp(k (h(q -+ 1) - h(q))), to 1e-6."""
    q_max, horizon, steps = 4, 1.0, 5
    figures = {"intensity": 30.0, "decay": 2.0, "phi": 0.8, "alpha": 0.3}
    q = np.arange(-q_max, q_max + 1)
    for fee in (0.0, 0.2, -0.1):
        bid, ask = plan.cartea_jaimungal_penalva(
            q_max=q_max, steps=steps, dt=horizon / steps, fee=fee, **figures
        )

        def slope(_, h, fee=fee):
            gain = np.zeros(len(h))
            rate = 30.0 * math.exp(-1 - 2.0 * fee) / 2.0
            gain[:-1] += rate * np.exp(2.0 * (h[1:] - h[:-1]))
            gain[1:] += rate * np.exp(2.0 * (h[:-1] - h[1:]))
            return gain - 0.8 * q**2

        h = solve_ivp(slope, (0, horizon), -0.3 * q**2, rtol=1e-10, atol=1e-12).y[:, -1]
        assert bid[0, :-1] == pytest.approx(0.5 + fee - h[1:] + h[:-1], abs=1e-6)
        assert ask[0, 1:] == pytest.approx(0.5 + fee - h[:-1] + h[1:], abs=1e-6)


def test_a_side_that_may_not_quote_stands_at_infinity_and_nothing_overflows():
    """Large penalties span hundreds of decades and stay finite inside."""
    bid, ask = plan.cartea_jaimungal_penalva(
        q_max=25, steps=4, dt=10.0, intensity=5.0, decay=3.0, phi=2.0, alpha=1.0
    )
    assert np.all(np.isinf(bid[:, -1]))
    assert np.all(np.isinf(ask[:, 0]))
    assert np.all(np.isfinite(bid[:, :-1]))
    assert np.all(np.diff(bid[:, :-1], axis=1) > 0)
    assert bid[:, :-1] == pytest.approx(ask[:, :0:-1], rel=1e-9)
