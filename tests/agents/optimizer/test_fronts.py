import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.optimizer.fronts import Gains, crowding, dominated, hypervolume, ranks


def beats(a, va, b, vb):
    """Deb's rule, word by word."""
    if va <= 0 < vb:
        return True
    if va > 0:
        return va < vb
    return bool((a <= b).all() and (a < b).any())


@given(st.integers(1, 3), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_dominance_is_the_rule_word_by_word(objectives, count, seed):
    """The matrix and the slow twin agree, ties and violations included."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 4, (count, objectives)).astype(float)
    beyond = np.maximum(0.0, rng.integers(-2, 3, count).astype(float))
    slow = [
        sum(beats(values[i], beyond[i], values[j], beyond[j]) for i in range(count))
        for j in range(count)
    ]
    np.testing.assert_array_equal(dominated(values, beyond), slow)
    rank = ranks(values, beyond)
    np.testing.assert_array_equal(rank == 0, np.array(slow) == 0)
    for j in np.flatnonzero(rank > 0):
        over = [i for i in range(count) if beats(values[i], beyond[i], values[j], beyond[j])]
        assert rank[j] == 1 + max(rank[i] for i in over)


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_gains_are_the_hypervolume_that_is_added(objectives):
    """Against exact hypervolumes, alone and in turn."""
    rng = np.random.default_rng(1)
    front = rng.random((12, objectives))
    front = front[dominated(front, np.zeros(12)) == 0]
    candidates = rng.random((9, objectives)) * 0.9
    gains = Gains(front, candidates, np.ones(objectives), rng, samples=4000)

    def volume(rows):
        if objectives == 1:
            return 1.0 - rows.min()
        return hypervolume(rows, np.ones(rows.shape[1]))

    so_far = front
    for row in range(len(candidates)):
        exact = [volume(np.vstack([so_far, each])) - volume(so_far) for each in candidates]
        np.testing.assert_allclose(gains.each(), exact, rtol=0.06, atol=2e-3)
        gains.take(row)
        so_far = np.vstack([so_far, candidates[row]])


def test_the_ends_of_a_front_are_least_crowded():
    """By hand: ends are infinite, the middle has its neighbours' gaps, strangers nothing."""
    values = np.array([[0.0, 1.0], [0.25, 0.5], [1.0, 0.0], [np.inf, np.inf]])
    np.testing.assert_allclose(crowding(values), [np.inf, 2.0, np.inf, 0.0])


def test_hypervolume_by_hand_and_against_counting():
    """Boxes of one to three objectives, and a share of random points for comparison."""
    assert hypervolume(np.array([[0.25]]), np.ones(1)) == pytest.approx(0.75)
    stairs = np.array([[0.0, 0.5], [0.5, 0.0], [2.0, 2.0]])
    assert hypervolume(stairs, np.ones(2)) == pytest.approx(0.75)
    rng = np.random.default_rng(6)
    points, seen = rng.random((12, 3)), rng.random((40_000, 3))
    share = (points[None] <= seen[:, None]).all(2).any(1).mean()
    assert hypervolume(points, np.ones(3)) == pytest.approx(share, abs=0.01)
