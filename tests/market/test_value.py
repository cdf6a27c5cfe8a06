"""The loss of a lot against `risk/var.py`, which sorts, filters and draws paths in plain numpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market import value
from risk.var import DEFAULT, ROWS_MIN, SEED_ROWS, tail
from risk.var_quantile import KURTOSIS_MAX


def memory_of(returns):
    """Return the memory after mids that made these returns."""
    memory = np.zeros(value.VALUE_COLUMNS)
    mid = 1_000.0
    value.note_mid(mid, memory)
    for each in returns:
        mid *= 1.0 + each
        value.note_mid(mid, memory)
    return memory


def wild(seed, count, *, skew=0.0):
    """Return returns with clusters of volatility, fat tails and a lean."""
    rng = np.random.default_rng(seed)
    sigma = 0.001 * np.exp(0.5 * np.cumsum(rng.normal(0, 0.1, count)))
    drawn = rng.standard_t(4, count) + skew * (rng.exponential(1.0, count) - 1.0)
    return np.clip(sigma * drawn, -0.2, 0.2)


def worse(returns, **told):
    """Return the larger of both sides' values at risk, by the default model."""
    column = returns[:, None]
    sides = (np.array([1.0]), np.array([-1.0]))
    return max(tail(column, side, level=0.99, **told).value_at_risk for side in sides)


def test_the_kernel_speaks_of_the_default_model():
    """Window, decay and seed are those that passed the coverage tests."""
    assert (DEFAULT.window, DEFAULT.decay) == (value.WINDOW, value.DECAY)
    assert (value.ROWS_MIN, value.SEED_ROWS) == (ROWS_MIN, SEED_ROWS)
    assert value.KURTOSIS_MAX == KURTOSIS_MAX
    assert value.RANKS > value.CHANCE * (value.WINDOW - value.SEED_ROWS + 1)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000), count=st.sampled_from([100, 149, 150, 320, 500, 777, 1_300]),
    skew=st.sampled_from([-1.0, 0.0, 1.0]),
)  # fmt: skip
def test_one_cycle_ahead_it_is_the_default_model(seed, count, skew):
    """To the last digits that summing in another order leaves."""
    returns = wild(seed, count, skew=skew)
    assert value.value_loss(memory_of(returns), 1) == pytest.approx(worse(returns), rel=1e-8)


@pytest.mark.parametrize("steps", [20, 120])
@pytest.mark.parametrize("skew", [-1.0, 0.0, 1.0])
def test_over_many_cycles_it_is_the_mean_of_all_paths(steps, skew):
    """Within 6 % of a quantile of 10,000 drawn paths."""
    for seed in range(4):
        returns = wild(seed, 600, skew=skew)
        drawn = worse(returns, steps=steps, rng=np.random.default_rng(seed))
        assert value.value_loss(memory_of(returns), steps) == pytest.approx(drawn, rel=0.06)


def test_too_few_rows_and_a_still_market_say_nothing():
    """Then the caller believes in the volatility now; a hole is no move."""
    assert value.value_loss(memory_of(wild(1, 99)), 1) == 0.0
    assert value.value_loss(memory_of(wild(1, 100)), 1) > 0.0
    still = memory_of(np.zeros(300))
    assert value.value_loss(still, 1) == value.value_loss(still, 60) == 0.0
    value.note_mid(0.0, still)
    value.note_mid(5_000.0, still)
    assert value.value_loss(still, 1) == 0.0
    assert still[value.VALUE_COUNT] == 300


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1_000), steps=st.sampled_from([1, 2, 7, 120, 2_880]))
def test_twice_the_moves_are_twice_the_loss(seed, steps):
    """And the two sides of a mirrored market are one: the worse side is taken."""
    returns = 1e-4 * np.random.default_rng(seed).standard_t(3, 400).clip(-30, 30)
    once, mirrored = np.zeros((2, value.VALUE_COLUMNS))
    for memory, sign in ((once, 1.0), (mirrored, -1.0)):
        memory[value.VALUE_COUNT] = len(returns)
        memory[value.VALUE_RING : value.VALUE_RING + len(returns)] = sign * returns
    loss = value.value_loss(once, steps)
    assert value.value_loss(mirrored, steps) == pytest.approx(loss, rel=1e-9)
    once[value.VALUE_RING :] *= 2.0
    assert value.value_loss(once, steps) == pytest.approx(2.0 * loss, rel=1e-9)
