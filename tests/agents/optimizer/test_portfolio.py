import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from agents.optimizer.portfolio import PortfolioSampler


def objective(trial):
    x = trial.suggest_float("x", -2.0, 2.0)
    width = trial.suggest_float("width", 1e-4, 1.0, log=True)
    levels = trial.suggest_int("levels", 1, 9, step=2)
    depth = trial.suggest_int("depth", 1, 64, log=True)
    grain = trial.suggest_float("grain", 0.0, 1.0, step=0.25)
    kind = trial.suggest_categorical("kind", ["near", "far", None])
    loss = (x - 1.0) ** 2 + (np.log10(width) + 2) ** 2 + abs(levels - 5) + abs(depth - 8) / 8
    loss += grain + (0.0 if kind == "far" else 1.0)
    trial.set_user_attr("beyond", 0.5 - x)
    return loss, -x


def studied(trials, sampler=None, seed=1, **options):
    study = optuna.create_study(
        directions=["minimize", "maximize"],
        sampler=sampler or PortfolioSampler(seed=seed, batch=16, **options),
    )
    study.optimize(objective, n_trials=trials)
    return study


@pytest.fixture(autouse=True)
def _quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def test_every_kind_of_parameter_is_searched():
    """Steps, logarithms and categories stay legal, and the search beats a random one."""
    losses = []
    for sampler in (None, optuna.samplers.RandomSampler(seed=1)):
        study = studied(96, sampler)
        assert all(trial.state is TrialState.COMPLETE for trial in study.trials)
        losses.append(np.median([trial.values[0] - trial.values[1] for trial in study.trials[48:]]))
    assert losses[0] < losses[1]


def test_a_study_is_repeated_bit_for_bit():
    """Same seed, same objective, same parameters."""
    first, again = studied(40), studied(40)
    assert [t.params for t in first.trials] == [t.params for t in again.trials]
    assert [t.params for t in studied(40, seed=2).trials] != [t.params for t in first.trials]


def test_constraints_are_searched_within():
    """A violation is kept in the study and learned from."""
    study = studied(96, constraints=lambda trial: [trial.user_attrs["beyond"]])
    late = [trial.params["x"] for trial in study.trials[48:]]
    assert np.mean(np.array(late) >= 0.5) > 0.6


def test_another_sampler_takes_over_the_study_of_ours_and_back():
    """Trials that others made are learned from; failed ones are passed over."""
    study = studied(20, optuna.samplers.RandomSampler(seed=3))
    study.add_trial(optuna.trial.create_trial(state=TrialState.FAIL))
    sampler = PortfolioSampler(seed=1, batch=16)
    study.sampler = sampler
    study.optimize(objective, n_trials=4)
    assert sampler._tuner.told == 20


def test_trials_in_threads_do_not_disturb_the_queue():
    """Every trial gets a point of its own."""
    study = optuna.create_study(direction="minimize", sampler=PortfolioSampler(seed=1, batch=8))
    study.optimize(lambda t: t.suggest_float("x", 0, 1) ** 2, n_trials=40, n_jobs=4)
    found = [trial.params["x"] for trial in study.trials]
    assert len(set(found)) == 40
