"""One window's search: how its budget is spent, and what it leaves for the next."""

import dataclasses

import numpy as np
import pytest

from agents.optimizer.judgement import Past
from agents.optimizer.mind import Mind
from agents.optimizer.spans import bounds, laid_out
from agents.optimizer.window import BATCHES, Search, judge, over
from agents.session import parameter_row
from market.replay_step import REPLAY_NET


def search(session, *, past=None, **more):
    options = dataclasses.replace(Mind(session, "optimizer-1").options, **more)
    tape = Mind(session, "optimizer-1").tape(session.last_ns)
    spans = laid_out(
        bounds(tape, options.window_s),
        interval_s=tape.interval_ns / 1e9,
        slices=options.slices,
        horizon_s=options.horizon_s,
        embargo_s=options.embargo_s,
    )
    run = over(tape, session.setup, threads=1)
    return Search(tape, session.setup, session.baseline, options, 1, spans, past or Past(), run)


@pytest.mark.parametrize("budget", [16, 40])
def test_even_a_small_budget_looks_around_before_it_refines(planted, budget):
    """No budget is spent at one stroke, with nothing learned from it."""
    found = search(planted, budget=budget)
    found.explore()
    assert len(found.told) >= BATCHES
    assert len(found.sets) <= budget


def test_a_long_front_of_the_last_window_leaves_room_to_search(planted):
    """A warm start takes one batch at most."""
    first = search(planted, budget=60)
    first.explore()
    old = search(planted, budget=16, past=Past(sets=tuple(first.sets[1:])))
    old.explore()
    assert sum(each in first.sets for each in old.sets[1:6]) == 5
    assert len(old.told) >= BATCHES - 1


def test_a_window_that_finds_nothing_better_leaves_a_front_all_the_same(planted):
    """What came nearest is where the next window begins."""
    mind = Mind(planted, "optimizer-1")
    tape, held = mind.tape(planted.last_ns), parameter_row(planted.baseline)
    replayed = over(tape, planted.setup, threads=1)

    def alike(parameters, part):
        figures = np.repeat(replayed(held[None], part), len(parameters), axis=0)
        other = (parameters != held).any(1)
        figures[other, :, REPLAY_NET] += np.where(np.arange(part.slices) % 2, 0.5, -0.5)
        return figures

    found = judge(tape, planted.setup, planted.baseline, mind.options, 1, run=alike)
    assert found.reason.startswith("nothing better")
    assert found.front
    assert planted.baseline not in found.front
