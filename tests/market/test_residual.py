"""What was learned on top of a plan: the formula, its symmetry, and that zeros are the plan."""

import numpy as np
import pytest

from market.observation import OBSERVATION_COLUMNS
from market.policy import (
    PROPOSE_LEAN,
    PROPOSE_STRETCH,
    RESIDUALS,
    new_proposal,
    policy_settings,
)
from market.replay import replay_one
from market.residual import EVEN, ODD, propose_learned
from tests.market import day


def proposed(seen, coefficients):
    """Return (stretch, lean)."""
    proposal = new_proposal()
    tuning = policy_settings(capital=1.0, residual=np.asarray(coefficients, dtype=float))
    propose_learned(np.asarray(seen, dtype=float), tuning, proposal)
    return proposal[PROPOSE_STRETCH], proposal[PROPOSE_LEAN]


def test_the_formula_by_hand():
    """0.1 + 0.2 / 2 + 0.3 x -0.5 + 0.4 x 0.25, then 0.5 / 2 + 0.6 / 4 - 0.7 + 0.8 x 1.5."""
    seen = np.zeros(OBSERVATION_COLUMNS)
    seen[[1, 2, 3, 4, 7]] = 1.5, -1.0, -0.5, 0.25, 0.5
    stretch, lean = proposed(seen, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    assert stretch == pytest.approx(0.15)
    assert lean == pytest.approx(0.9)
    assert len(EVEN) + len(ODD) == RESIDUALS


def test_turned_over_the_width_stays_and_the_shift_changes_sign():
    """Position, imbalance and moves the other way round: the mirror image."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        coefficients = rng.uniform(-0.3, 0.3, RESIDUALS)
        seen = rng.uniform(-1.0, 1.0, OBSERVATION_COLUMNS)
        other = seen.copy()
        other[[1, 2, 4, 7]] *= -1.0
        stretch, lean = proposed(seen, coefficients)
        assert proposed(other, coefficients) == pytest.approx((stretch, -lean))


def test_what_was_learned_trades_in_replay():
    """Zeros trade as no residual does, to the last byte; half the width has more fills."""
    whole = day.tape()

    def lived(residual):
        policy = policy_settings(capital=float(day.CAPITAL), residual=residual)
        return replay_one(
            whole, day.CANDIDATES[0], day.setup()._replace(policy=policy), first_step=0,
            last_step=len(whole.steps),
        )  # fmt: skip

    bare, zeros = lived(None), lived(np.zeros(RESIDUALS))
    assert zeros.placed.tobytes() == bare.placed.tobytes()
    assert zeros.figures.tobytes() == bare.figures.tobytes()
    narrow = np.zeros(RESIDUALS)
    narrow[0] = -1.0
    assert len(lived(narrow).filled) > len(bare.filled)
