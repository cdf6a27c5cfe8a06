from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agents.optimizer.candidates import Instrument, Neighbourhood
from protocol.merge import UNITS, on_grid, within_step
from protocol.messages import QuoteParameters

unit = st.floats(0, 1)


@st.composite
def neighbourhoods(draw):
    """Any incumbent on the grid, whole in lots or not, with any instrument."""
    lot = draw(st.sampled_from([1, 1000, 100_000, 100_000_000]))
    levels = draw(st.integers(1, 50))
    base = draw(st.integers(1, 10**6)) * lot + draw(st.integers(0, lot - 1))
    position = base * levels + draw(st.integers(0, 10**9))
    spread = draw(st.integers(1, 10 * UNITS))
    incumbent = QuoteParameters(
        spread_percentage=float(Decimal(spread) / UNITS),
        levels=levels,
        base_quantity=float(Decimal(base) / UNITS),
        max_position=float(Decimal(position) / UNITS),
    )
    market = Instrument(
        lot_units=lot,
        smallest_lots=draw(st.integers(1, 1000)),
        cap_lots=draw(st.integers(1, 10**12)),
        tick_percent=draw(st.floats(1e-6, 1.0)),
    )
    step = draw(st.sampled_from([0.05, 0.25, 0.5]))
    return Neighbourhood(on_grid(incumbent), step_limit=step, instrument=market)


@given(neighbourhoods(), st.lists(unit, min_size=4, max_size=4))
def test_every_candidate_is_one_legal_step_away(near, point):
    """Whatever the searcher asks for, the coordinator would not refuse it for its step."""
    values = near.space.decode(np.array([point]))[0]
    found = near.parameters(values)
    assert within_step(near.incumbent, found, near.step_limit) is None


@given(neighbourhoods(), st.lists(unit, min_size=4, max_size=4))
def test_sets_with_one_key_differ_by_less_than_a_grain(near, point):
    """The key holds all that a ladder depends on: levels, whole lots, spread to a grain."""
    found = near.parameters(near.space.decode(np.array([point]))[0])
    key = near.key(found)
    assert key[1] == found.levels
    assert key == near.key(found.model_copy())


def test_quantities_are_whole_lots_and_at_least_the_smallest_order():
    """A candidate can be sent as it stands."""
    incumbent = QuoteParameters(
        spread_percentage=0.2, levels=4, base_quantity=10.0, max_position=100.0
    )
    market = Instrument(lot_units=UNITS, smallest_lots=9, cap_lots=110, tick_percent=0.01)
    near = Neighbourhood(incumbent, step_limit=0.25, instrument=market)
    rng = np.random.default_rng(1)
    for values in near.space.decode(rng.random((200, 4))):
        found = near.parameters(values)
        assert found.base_quantity % 1 == 0
        assert found.base_quantity >= 9
        assert found.max_position % 1 == 0
        assert found.max_position <= 110


def test_the_incumbent_is_the_centre():
    """The point that is told first decodes to what is in force."""
    incumbent = QuoteParameters(
        spread_percentage=0.2, levels=4, base_quantity=10.0, max_position=100.0
    )
    market = Instrument(lot_units=UNITS, smallest_lots=1, cap_lots=1000, tick_percent=0.01)
    near = Neighbourhood(incumbent, step_limit=0.25, instrument=market)
    assert near.parameters(near.space.decode(near.centre())[0]) == incumbent
