"""Credit: who proposed what was gained has more of the next batch, measured against the others."""

import numpy as np
import pytest

from agents.optimizer.archive import Archive
from agents.optimizer.credit import Credit
from agents.optimizer.space import Space

NAMES = ("one", "two", "three")


def learned(origin, values):
    """Credit after a front of one point and a batch of points by these sources."""
    before = Archive.empty(Space.unit(2), 2)
    before = before.added(np.array([[0.5, 0.5]]), np.array([[1.0, 1.0]]), np.zeros(1))
    points = np.random.default_rng(1).random((len(origin), 2))
    after = before.added(points, np.array(values, dtype=float), np.zeros(len(origin)))
    credit = Credit(NAMES)
    credit.learn(before, after, np.array(origin), np.random.default_rng(2))
    return credit.worth


def test_whoever_gained_is_worth_more():
    """Of two that proposed the better gains what the other loses; a third keeps what it had."""
    worth = learned([0, 1], [[0.2, 0.2], [1.5, 1.5]])
    assert worth[0] > 1 / 3 > worth[1]
    assert worth[2] == pytest.approx(1 / 3)
