"""The contract of every source: one suite, run against all of them."""

import numpy as np
import optuna
import pytest

from agents.optimizer.archive import Archive
from agents.optimizer.sources.optuna_source import OptunaSource
from agents.optimizer.sources.sobol import Sobol
from agents.optimizer.space import Dimension, Scale, Space
from agents.optimizer.threads import one_thread
from agents.optimizer.tuner import PLAIN, Tuner

MIXED = Space(
    (
        Dimension("x", 0.0, 1.0),
        Dimension("levels", 1, 5, Scale.INTEGER),
        Dimension("kind", 0, 2, Scale.CATEGORICAL),
        Dimension("width", 0.01, 10.0, Scale.LOG),
    )
)


def optuna_source():
    return OptunaSource(optuna.samplers.TPESampler(seed=1))


MAKERS = {**PLAIN, "optuna": optuna_source}
every_source = pytest.mark.parametrize("maker", [*MAKERS.values()], ids=[*MAKERS])


@pytest.fixture(autouse=True)
def _one_thread():
    """As the tuner calls them: the same bytes whatever the machine."""
    with one_thread():
        yield


def two_bowls(points):
    return np.stack([((points - 0.3) ** 2).sum(1), ((points - 0.6) ** 2).sum(1)], 1)


def archive_of(space, count, objectives=2, violation=None, seed=1):
    points = space.snap(np.random.default_rng(seed).random((count, len(space))))
    values = two_bowls(points)[:, :objectives]
    if objectives == 3:
        values = np.hstack([two_bowls(points), points[:, :1]])
    beyond = np.zeros(count) if violation is None else violation(points)
    return Archive.empty(space, objectives).added(points, values, beyond)


@every_source
@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_a_source_answers_in_the_cube_whatever_was_told(maker, objectives):
    """One point or many, one objective or three, an archive of one row or of hundreds."""
    rng = np.random.default_rng(1)
    for count in (1, 2, 40):
        archive = archive_of(MIXED, count, objectives)
        for wanted in (1, 7):
            points = maker().propose(archive, wanted, rng)
            assert points.shape == (wanted, len(MIXED))
            assert ((points >= 0) & (points <= 1)).all()


@every_source
def test_a_source_follows_from_what_it_is_given(maker):
    """Same archive, same generator: same bytes, twice in a row."""
    first, again = (
        [source.propose(archive_of(MIXED, 50), 9, rng).tobytes() for _ in range(2)]
        for source, rng in ((maker(), np.random.default_rng(5)) for _ in range(2))
    )
    assert first == again


@every_source
@pytest.mark.parametrize(
    "violation",
    [lambda points: np.ones(len(points)), lambda points: np.maximum(0.0, 0.6 - points[:, 0])],
    ids=["nothing allowed", "a wall"],
)
def test_a_source_bears_constraints(maker, violation):
    """Where nothing is feasible yet, and where feasible points know no margin."""
    archive = archive_of(Space.unit(4), 60, violation=violation)
    points = maker().propose(archive, 5, np.random.default_rng(2))
    assert points.shape == (5, 4)
    assert np.isfinite(points).all()


@every_source
def test_a_source_bears_values_that_do_not_vary(maker):
    """A flat surface is no error."""
    space = Space.unit(2)
    points = np.random.default_rng(1).random((20, 2))
    archive = Archive.empty(space, 2).added(points, np.ones((20, 2)), np.zeros(20))
    assert maker().propose(archive, 4, np.random.default_rng(1)).shape == (4, 2)


@every_source
def test_a_source_finds_more_than_chance(maker):
    """Three batches are nearer to the front than as many random points.

    A crossover that forgot to exchange variables once scored 0 and raised no error.
    """
    space, rng, source = Space.unit(6), np.random.default_rng(3), maker()
    archive = archive_of(space, 32, seed=3)
    for _ in range(3):
        points = np.clip(source.propose(archive, 24, rng), 0, 1)
        archive = archive.added(points, two_bowls(points), np.zeros(24))
    chance = two_bowls(np.random.default_rng(4).random((72, 6)))
    found, random = np.sort(archive.values[32:].sum(1)), np.sort(chance.sum(1))
    assert found[:24].mean() < 0.9 * random[:24].mean()


def test_sobol_covers_the_cube():
    """Where a search begins: every half of every side holds half of the points."""
    points = Sobol(5, np.random.default_rng(1)).first(64)
    np.testing.assert_array_equal((points < 0.5).sum(0), 32)


def test_a_source_of_the_callers_own_is_mixed_in():
    """Any Optuna sampler searches beside ours, and credit is kept for it."""
    tuner = Tuner(Space.unit(3), 2, batch=16, seed=1, sources=("genetic",), more=(optuna_source(),))
    for _ in range(4):
        points = tuner.ask(16)
        tuner.tell(points, two_bowls(points), np.zeros(16))
    assert tuner.credit.names == ("genetic", "optuna")
    assert (tuner.credit.worth > 0).all()
