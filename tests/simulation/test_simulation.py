"""The whole bus under one seed: faults of every kind, and what must hold all the same."""

import pytest

from tests.simulation.planted import DEFECTS, planted
from tests.simulation.shrink import chosen, report
from tests.simulation.world import simulate

FAST = 10
"""Seeds of the fast suite."""
BLOCK = 5
MANY = 49


def check(seed):
    """Play one seed; a failure says how to play it again, and what of it matters."""
    outcome = simulate(seed)
    if outcome.violation is not None:
        pytest.fail(report(seed))
    assert outcome.rich, f"too little happened: {outcome}"


@pytest.mark.parametrize("first", range(0, FAST, BLOCK))
def test_nothing_breaks_an_invariant(first):
    """Five seeds: loss, storms, cuts, crashes at writes, clock jumps, liars, stops, switches."""
    for seed in range(first, first + BLOCK):
        check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(FAST, 500, MANY))
def test_nothing_breaks_an_invariant_in_many_more(first):
    """The same with hundreds of other seeds."""
    for seed in range(first, first + MANY):
        check(seed)


def test_a_seed_is_the_same_story_each_time():
    """Every write, word and death in the same order at the same virtual nanosecond."""
    first, again = ([simulate(seed).digest for seed in (1, 2)] for _ in range(2))
    assert first == again
    assert first[0] != first[1]


def test_a_failing_seed_tells_how_to_play_it_again_and_what_of_it_matters():
    """With a planted defect: the command, fewer faults than were drawn, the last lines."""
    defect = next(each for each in DEFECTS if each.name == "no dedupe")
    with planted(defect):
        told = report(0, runs=4)
    assert "python -m bench.simulation --from 0 --seeds 1" in told
    assert "invariant 13" in told
    keep = told.partition("--keep ")[2].split()[0]
    with planted(defect):
        again = simulate(0, chosen(0, keep))
    assert again.violation is not None
    assert again.violation in told


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda each: each.name)
def test_a_planted_defect_still_fits_the_code(defect):
    """What it replaces stands there once; taken out again, nothing of it is left."""
    with planted(defect):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("defect", DEFECTS, ids=lambda each: each.name)
def test_a_planted_defect_is_found(defect):
    """Within 200 seeds on which the sound code holds."""
    with planted(defect):
        assert any(simulate(seed).violation is not None for seed in range(200))
