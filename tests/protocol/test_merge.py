import hashlib
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.merge import clip_step, digest, on_grid, quantise, within_step
from protocol.messages import QuoteParameters
from tests.protocol.words import parameters, params


def changed(**changes):
    return QuoteParameters(**(params().model_dump() | changes))


@st.composite
def on_the_grid(draw):
    """A valid set of whole units, quantities up to a thousand coins."""
    levels = draw(st.integers(1, 50))
    base = draw(st.integers(1, 10**11))
    position = base * levels + draw(st.integers(0, 10**12))
    spread = draw(st.integers(1, 10**9))
    return QuoteParameters(
        spread_percentage=spread / 1e8,
        levels=levels,
        base_quantity=base / 1e8,
        max_position=position / 1e8,
    )


def test_the_digest_is_the_sha256_of_four_decimals():
    """Any language can find it: 18000000,400000000,100000,1000000."""
    assert quantise(params()) == (18_000_000, 400_000_000, 100_000, 1_000_000)
    expected = hashlib.sha256(b"18000000,400000000,100000,1000000").hexdigest()
    assert digest(params()) == expected


@pytest.mark.parametrize(
    ("value", "units"),
    [
        (0.000000005, 0),  # half to even: 0.5 units
        (0.000000015, 2),  # 1.5 units
        (0.000000025, 2),  # 2.5 units, where 0.000000025 * 1e8 is 2.5000000000000004
        (0.1, 10_000_000),
        (1e300, 10**308),
    ],
)
def test_halves_go_to_the_even_unit_of_the_decimal_text(value, units):
    """A float is the shortest decimal that reads back as it, not its binary expansion."""
    whole = QuoteParameters(
        spread_percentage=1.0, levels=1, base_quantity=5e-324, max_position=value
    )
    assert quantise(whole)[3] == units


@given(parameters())
def test_sets_of_one_digest_are_one_candidate(whole):
    """The grid is a projection: doing it twice does nothing more."""
    try:
        rounded = on_grid(whole)
    except ValueError:
        return  # rounded to nothing, or over its bound: no set of the grid
    assert digest(rounded) == digest(whole)
    assert on_grid(rounded) == rounded


def test_a_step_is_bounded_in_each_coordinate_and_named():
    """A quarter of the incumbent; base_quantity counts times levels."""
    held = params()
    assert within_step(held, held, 0.25) is None
    assert within_step(held, changed(spread_percentage=0.225), 0.25) is None
    assert within_step(held, changed(spread_percentage=0.135), 0.25) is None
    assert within_step(held, changed(spread_percentage=0.22500001), 0.25) == (
        "spread_percentage must be in [0.13500000, 0.22500000] to be one step, found 0.22500001"
    )
    assert "base_quantity x levels" in within_step(held, changed(base_quantity=0.0013), 0.25)
    assert "max_position" in within_step(held, changed(max_position=0.0126), 0.25)
    assert "levels must be in [3, 5]" in within_step(
        held, changed(levels=6, base_quantity=0.0006), 0.25
    )


def test_levels_may_always_move_by_one():
    """A quarter of two is no level at all, and yet two may become three."""
    held = changed(levels=2)
    assert within_step(held, changed(levels=3, base_quantity=0.0006), 0.25) is None
    assert within_step(held, changed(levels=1, base_quantity=0.002), 0.25) is None
    assert within_step(held, changed(levels=4, base_quantity=0.0005), 0.25) is not None


@settings(max_examples=400, deadline=None)
@given(on_the_grid(), parameters(), st.sampled_from([0.0, 0.01, 0.25, 1.0]))
def test_a_clipped_step_is_valid_and_within_the_step(held, wanted, fraction):
    """Whatever is proposed, what comes out may be applied."""
    clipped = clip_step(held, wanted, fraction)
    assert within_step(held, clipped, fraction) is None
    assert on_grid(clipped) == clipped


@settings(max_examples=200, deadline=None)
@given(on_the_grid(), st.integers(1, 50), st.integers(1, 40), st.integers(1, 40))
def test_coarse_grids_clip_to_valid_steps_too(held, levels, base, extra):
    """Quantities of a few units, where nothing between two levels fits."""
    tiny = QuoteParameters(
        spread_percentage=held.spread_percentage,
        levels=levels,
        base_quantity=base / 1e8,
        max_position=(base * levels + extra) / 1e8,
    )
    for one, other in ((tiny, held), (held, tiny)):
        clipped = clip_step(one, other, 0.25)
        assert within_step(one, clipped, 0.25) is None


@given(on_the_grid(), st.floats(0, 1))
def test_a_step_to_where_one_is_changes_nothing(held, fraction):
    """Clipping is the identity inside the step."""
    assert clip_step(held, held, fraction) == held


def test_quantities_beyond_two_to_the_53_units_stay_inside_the_step():
    """Coins of tiny value come in amounts whose units a float cannot all carry."""
    held = QuoteParameters(
        spread_percentage=1.0, levels=7, base_quantity=1.23456789e12, max_position=9.9e12
    )
    wanted = held.model_copy(update={"max_position": 1e15, "base_quantity": 1e13})
    clipped = clip_step(held, wanted, 0.1)
    assert within_step(held, clipped, 0.1) is None
    assert Decimal(repr(clipped.base_quantity)) * 7 <= Decimal(repr(clipped.max_position))


@pytest.mark.parametrize("fraction", [float("nan"), float("inf"), -0.1])
def test_an_impossible_fraction_is_a_bug(fraction):
    """NaN bounds nothing."""
    with pytest.raises(ValueError, match="fraction of a step"):
        within_step(params(), params(), fraction)
