"""Training: a budget in steps, the same bytes, and something learned where there is something."""

import numpy as np
import pytest

from agents.backtest.opening import open_backtest, stored_tape
from agents.settings import Settings
from agents.training import BOUND, TRUST, Ground, artificial, judged, recorded, spans_of, train
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from market.policy import RESIDUALS


@pytest.fixture(scope="module")
def grounds(tmp_path_factory):
    """Three hours: two to learn from, one held out."""
    folder = tmp_path_factory.mktemp("training")
    save(folder / "day.npz", synthetic_recording(seed=2, hours=3.2, informed_share=0.5))
    document = {"data": folder, "feed": {"path": folder / "day.npz"}}
    session, tape = open_backtest(Settings.model_validate(document), stored_tape)
    return recorded(session, tape, until_ns=session.last_ns)


def test_training_learns_within_its_budget_and_trust(grounds):
    """The utility rises, never falls, and no coefficient leaves the trust region."""
    ground, held_out = grounds
    budget = 60 * ground.steps()
    found = train([ground], held_out, budget_steps=budget, seed=1)
    assert len(found.history) == 4
    assert found.history[-1].steps <= budget
    curve = [each.centre for each in found.history]
    assert curve == sorted(curve)
    assert found.grounds["recording"] > 0.0
    assert np.abs(found.coefficients).max() <= TRUST
    assert found.held_out["lower"] <= found.held_out["mean"] <= found.held_out["upper"]
    assert found.better == (found.held_out["lower"] > 0.0)


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(grounds):
    """Nothing but the arguments decides."""
    ground, held_out = grounds
    told = {"budget_steps": 20 * ground.steps()}
    one, two, three = (train([ground], held_out, **told, seed=each) for each in (1, 1, 2))
    assert one.coefficients.tobytes() == two.coefficients.tobytes()
    assert one.history == two.history
    assert one.coefficients.tobytes() != three.coefficients.tobytes()


def test_training_goes_on_from_what_was_learned_before(grounds):
    """It stays within TRUST of the start, and within the bound of all."""
    ground, held_out = grounds
    start = np.full(RESIDUALS, BOUND - 0.1)
    found = train([ground], held_out, budget_steps=40 * ground.steps(), seed=1, start=start)
    assert (np.abs(found.coefficients - start) <= TRUST).all()
    assert np.abs(found.coefficients).max() <= BOUND


def test_artificial_markets_are_drawn_by_the_seed():
    """One seed, one market."""
    one, two = (artificial(Settings(), 5, 1)[0] for _ in range(2))
    assert one.name == two.name
    assert one.tape.plans.tobytes() == two.tape.plans.tobytes()
    assert len(one.spans) >= 3


def test_spans_are_whole_hours_and_what_is_too_short_is_none(grounds):
    """A rest is left out; without a whole hour there is one span, without steps none."""
    tape = grounds[0].tape
    assert spans_of(tape, 10, 10 + 2 * 3600 + 5) == ((10, 3610), (3610, 7210))
    assert spans_of(tape, 10, 500) == ((10, 500),)
    assert spans_of(tape, 10, 12) == ()
    empty = Ground("none", tape, grounds[0].setup, grounds[0].parameters, ())
    assert judged(empty, np.zeros(RESIDUALS), np.zeros(RESIDUALS), 1) == {"slices": 0}
