import logging

import numpy as np
import pytest

from agents.optimizer.space import Space
from agents.optimizer.tuner import Tuner

CENTRE = np.array([0.3, 0.7, 0.5, 0.2])


def bowl(points):
    """A rippled bowl with its bottom at CENTRE."""
    smooth = ((points - CENTRE) ** 2).sum(1)
    return (smooth + 0.02 * np.sin(25 * points).sum(1))[:, None]


def searched(seed, budget, batch, surface=bowl, violation=None):
    tuner = Tuner(Space.unit(4), 1, batch=batch, seed=seed)
    asked, best = [], np.inf
    while len(asked) < budget:
        points = tuner.ask(batch)
        values = surface(points)
        beyond = np.zeros(len(points)) if violation is None else violation(points)
        tuner.tell(points, values, beyond)
        asked.extend(points)
        feasible = values[beyond <= 0]
        best = min(best, float(feasible.min())) if len(feasible) else best
    return np.array(asked), best


def test_points_lie_in_the_cube_and_have_the_asked_shape():
    """Whatever was told, n points of d numbers in [0, 1] come back."""
    tuner = Tuner(Space.unit(4), 1, batch=8, seed=1)
    for count in (1, 7, 16, 0, 5):
        points = tuner.ask(count)
        assert points.shape == (count, 4)
        assert points.dtype == np.float64
        assert ((points >= 0) & (points <= 1)).all()
        tuner.tell(points, bowl(points), np.zeros(count))
    assert tuner.told == 29


def test_the_same_seed_and_answers_give_the_same_points():
    """Bit for bit, so that a restarted optimizer searches what it would have searched."""
    first, _ = searched(7, 48, 12)
    again, _ = searched(7, 48, 12)
    other, _ = searched(8, 48, 12)
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


@pytest.mark.parametrize("budget", [24, 120])
def test_it_beats_random_search_on_a_known_surface(budget):
    """Median over fixed seeds, at a boundary's budget and at five times that."""
    ours = [searched(seed, budget, 12)[1] for seed in range(10 if budget < 100 else 3)]
    random = [
        float(bowl(np.random.default_rng(seed).random((budget, 4))).min()) for seed in range(10)
    ]
    assert np.median(ours) < np.median(random)


def test_points_that_violate_a_constraint_are_left():
    """The bottom of the bowl is forbidden: the search settles beside it, feasibly."""
    asked, best = searched(3, 96, 12, violation=lambda points: 0.4 - points[:, 0])
    late = asked[48:]
    assert (late[:, 0] >= 0.4).mean() > 0.5
    assert best < np.median(bowl(asked))


def test_several_objectives_give_a_front():
    """No point of `best` is dominated by another that was told."""
    tuner = Tuner(Space.unit(3), 2, batch=16, seed=5)
    for _ in range(6):
        points = tuner.ask(16)
        values = np.stack([points[:, 0], 1 - points[:, 0] + points[:, 1]], axis=1)
        tuner.tell(points, values, np.zeros(16))
    front = tuner.best()
    values = np.stack([front[:, 0], 1 - front[:, 0] + front[:, 1]], axis=1)
    for each in values:
        others = (values <= each).all(1) & (values < each).any(1)
        assert not others.any()


def test_points_nobody_asked_for_are_learned_from():
    """A warm start is told like any other point, before the first is asked."""
    tuner = Tuner(Space.unit(4), 1, batch=8, seed=2)
    tuner.tell(CENTRE[None, :], bowl(CENTRE[None, :]), np.zeros(1))
    np.testing.assert_array_equal(tuner.best()[0], CENTRE)


def test_wrong_shapes_and_values_are_refused():
    """A caller's mistake is one line, not a silent misfit."""
    tuner = Tuner(Space.unit(2), 1, batch=4, seed=1)
    with pytest.raises(ValueError, match="points"):
        tuner.tell(np.zeros((3, 3)), np.zeros((3, 1)), np.zeros(3))
    with pytest.raises(ValueError, match="finite"):
        tuner.tell(np.zeros((1, 2)), np.array([[np.nan]]), np.zeros(1))
    with pytest.raises(ValueError, match="at least one"):
        Tuner(Space.unit(2), 0, batch=4, seed=1)


def test_the_search_is_silent(caplog, capsys):
    """Optuna's log lines are for its own users."""
    with caplog.at_level(logging.INFO):
        searched(1, 24, 12)
    assert not caplog.records
    assert capsys.readouterr().err == ""
