"""What is drawn of a search is what the search was."""

import dataclasses

import numpy as np
import pytest

from agents.optimizer.fronts import hypervolume
from agents.optimizer.studies import Studies
from agents.optimizer.study import Plan, studied
from agents.optimizer.study_look import bound_of, look
from agents.optimizer.study_walk import LEAST, bands, interval, resampled, walked
from agents.session import parameter_row
from market.replay import replay
from market.replay_step import REPLAY_NET
from tests.agents.optimizer.studying import NAME, clocks


@pytest.fixture(scope="module")
def windows(planted):
    """Windows of a small study, each with its search."""
    found = []
    tape = planted.tapes().advance(planted.last_ns)
    with Studies.open("sqlite://") as studies:
        studied(
            planted, tape, Plan.of(planted, count=2, hours=0.5), studies=studies, name=NAME,
            clocks=clocks(), on_batch=lambda *_, **__: None, on_window=found.append,
        )  # fmt: skip
    return found, tape


def test_every_candidate_told_is_drawn_once(windows):
    """Values, parameters and front are those of the archive; shares sum to one."""
    window = windows[0][-1]
    archive, seen = window.search.tuner.archive, look(window)
    assert seen["values"] == archive.values.tolist()
    assert len(seen["parameters"]) == len(archive)
    assert sorted(seen["front"]) == sorted(archive.front.tolist())
    assert sum(each["points"] for each in seen["sources"].values()) == len(archive)
    assert sum(each["front"] for each in seen["sources"].values()) == len(archive.front)
    assert sum(each["gained"] for each in seen["sources"].values()) == pytest.approx(1.0)


def test_the_hypervolume_grows_to_all_there_is(windows):
    """It never falls, ends at one, and what came before the last batch is the archive's."""
    window = windows[0][-1]
    archive, found = window.search.tuner.archive, look(window)["hypervolume"]
    assert np.all(np.diff(found) >= 0.0)
    assert found[-1] == pytest.approx(1.0)
    before = len(archive) - len(window.batches[-1].trials)
    allowed = archive.values[:before][archive.violations[:before] <= 0.0]
    whole = hypervolume(archive.values[archive.front], bound_of(archive))
    assert found[-2] == pytest.approx(hypervolume(allowed, bound_of(archive)) / whole)


def test_the_walk_is_the_replay_of_what_was_in_force(planted, windows):
    """The sum of its slices is one replay of the same stretch, for both sets."""
    found, tape = windows
    wide = planted.baseline.model_copy(update={"spread_percentage": 0.5})
    found = [dataclasses.replace(each, after=wide) for each in found]
    latency = planted.settings.optimizer.tuning_latency_ns
    first = tape.step_at(found[-1].kept.now_ns + latency)
    begun = tape.step_at(found[0].kept.now_ns + latency)
    walk = walked(planted, tape, found)
    sums = np.zeros(2)
    for window, span in zip(found, ((begun, first), (first, len(tape.steps))), strict=True):
        if (span[1] - span[0]) * tape.interval_ns < 300e9:
            continue
        sets = np.array([parameter_row(each) for each in (window.after, planted.baseline)])
        sums += replay(tape, sets, planted.setup, first_step=span[0], last_step=span[1])[
            :, 0, REPLAY_NET
        ]
    assert walk.net.sum(1) == pytest.approx(sums)
    assert walk.net[0].sum() != pytest.approx(walk.net[1].sum())


def test_a_block_bootstrap_keeps_neighbours_together_and_its_bands_hold_the_mean():
    """Profits that alternate cancel within a block, so their sum hardly varies."""
    rng = np.random.default_rng(1)
    alternating = np.tile([1.0, -1.0], 30)
    low, high = interval(alternating, rng)
    assert max(abs(low), abs(high)) <= 1.0
    assert resampled(alternating, rng).shape == (2000, 60)
    noise = rng.normal(1.0, 1.0, 60)
    low, high = interval(noise, rng)
    assert low < noise.sum() < high
    edges = bands(noise, rng)
    assert np.all(edges[0] <= edges[1])
    assert edges[0, -1] < noise.sum() < edges[1, -1]
    assert interval(noise[: LEAST - 1], rng) is None
