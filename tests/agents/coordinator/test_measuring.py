"""The supervisor's own replay: deterministic, of a span, each set for itself."""

import pytest

from agents.coordinator.measuring import Meter
from agents.session import open_session, parameter_row
from agents.settings import Policy, Settings
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from market.replay import replay
from market.replay_step import REPLAY_NET

SPAN_NS = 900 * 10**9


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    path = tmp_path_factory.mktemp("feed") / "day.npz"
    save(path, synthetic_recording(seed=3, hours=0.6, setting="planted_edge"))
    return Settings.model_validate({"feed": {"path": path}})


def test_sets_are_replayed_over_the_span_and_nothing_else(settings):
    """The same figures as one replay by hand; equal sets once, in the order asked for."""
    session = open_session(settings)
    held = session.baseline
    small = held.model_copy(update={"base_quantity": held.base_quantity * 0.5})
    first_ns = session.first_ns + SPAN_NS // 2
    meter = Meter(settings)
    found = meter.nets((held, small, held), first_ns, first_ns + SPAN_NS)
    assert found[0] == found[2] != found[1]
    tape = session.tape_builder().advance(first_ns + SPAN_NS)
    rows = replay(
        tape,
        parameter_row(small)[None],
        session.setup,
        first_step=tape.step_at(first_ns + 1),
        last_step=tape.step_at(first_ns + SPAN_NS + 1),
    )
    assert found[1] == rows[0, 0, REPLAY_NET]
    earlier = meter.nets((small,), first_ns, first_ns + SPAN_NS // 2)
    assert earlier != (found[1],)
    assert meter.nets((held, small, held), first_ns, first_ns + SPAN_NS) == found


def test_sets_are_replayed_by_the_candidate_once_it_is_promoted(settings):
    """The figures of a run under it alone; before, those of the policy of the start."""
    given = settings.executor.model_copy(update={"candidate": Policy.PLAN})
    shadow = settings.model_copy(update={"executor": given})
    given = settings.executor.model_copy(update={"policy": Policy.PLAN})
    plan = settings.model_copy(update={"executor": given})
    session = open_session(settings)
    told = ((session.baseline,), session.first_ns, session.first_ns + 2 * SPAN_NS)
    meter = Meter(shadow)
    assert meter.nets(*told, promoted=True) == Meter(plan).nets(*told) != meter.nets(*told)
    assert meter.nets(*told) == Meter(settings).nets(*told)


def test_an_empty_span_earns_nothing(settings):
    """Nobody loses by a window without a step."""
    session = open_session(settings)
    assert Meter(settings).nets((session.baseline,), session.last_ns, session.last_ns) == (0.0,)
