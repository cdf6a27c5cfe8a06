"""Predictions of classes: calibrated, scored, bounded; each against a slow twin."""

import math

import numpy as np
import pytest

from market.scores import Blocks, brier_scores, cell_probabilities, log_scores

MINUTE_NS = 60 * 10**9


def test_what_a_model_says_becomes_a_chance_by_counting():
    """It said 1 four times, three came true: 3.5 of 5; it never said 2: even chances."""
    said, came = np.array([1, 1, 1, 1, 0]), np.array([1, 1, 1, 0, 0])
    table = cell_probabilities(said, came, 3)
    assert table[1].tolist() == pytest.approx([1.5 / 5.5, 3.5 / 5.5, 0.5 / 5.5])
    assert table[2].tolist() == pytest.approx([1 / 3] * 3)


def test_scores_by_hand():
    """Half on what came: log 0.5; squared distances summed over the classes."""
    chances = np.array([[0.5, 0.5], [0.1, 0.9]])
    came = np.array([0, 1])
    assert log_scores(chances, came).tolist() == pytest.approx([math.log(0.5), math.log(0.9)])
    assert brier_scores(chances, came).tolist() == pytest.approx([0.5, 0.02])


def blocks(times, **told):
    return Blocks(times, block_ns=MINUTE_NS, draws=400, rng=np.random.default_rng(5), **told)


def resamples(times, values, found):
    """Every draw as the list of its values, block by block."""
    names = np.unique(times // MINUTE_NS)
    for weights in found.weights:
        drawn = []
        for name, weight in zip(names, weights, strict=True):
            drawn += list(values[times // MINUTE_NS == name]) * int(weight)
        yield np.array(drawn)


def test_means_and_quantiles_are_those_of_the_resampled_lists():
    """Weights and running counts are only a faster way to the same."""
    rng = np.random.default_rng(1)
    times = np.sort(rng.integers(0, 20 * MINUTE_NS, 150))
    values = rng.normal(size=150)
    found = blocks(times)
    lists = list(resamples(times, values, found))
    mean = found.mean(values)
    means = [drawn.mean() for drawn in lists]
    assert (mean.low, mean.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))
    ninth = found.quantile(values, 0.9, np.ones(150, bool))
    ranks = [np.sort(drawn)[math.ceil(0.9 * len(drawn)) - 1] for drawn in lists]
    assert (ninth.low, ninth.high) == pytest.approx(tuple(np.quantile(ranks, [0.025, 0.975])))
    assert ninth.value == np.sort(values)[134]


def test_neighbours_that_move_together_widen_the_interval():
    """The same values in blocks of one minute, alike within a minute or shuffled."""
    rng = np.random.default_rng(2)
    times = np.repeat(np.arange(60), 10) * MINUTE_NS
    alike = np.repeat(rng.normal(size=60), 10)
    wide = blocks(times).mean(alike)
    narrow = blocks(times).mean(rng.permutation(alike))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_differences_are_paired():
    """What two models share cancels: a constant lead has no width."""
    times = np.arange(100) * MINUTE_NS
    noise = np.random.default_rng(3).normal(size=100)
    lead = blocks(times).mean((noise + 1.0) - noise)
    assert (lead.low, lead.high) == pytest.approx((1.0, 1.0))


def test_nothing_to_judge_is_no_figure():
    """An empty part has no mean, and JSON has no NaN."""
    found = blocks(np.arange(3) * MINUTE_NS)
    nobody = np.zeros(3, bool)
    assert found.mean(np.ones(3), nobody).as_list() == [None, None, None]
    assert found.quantile(np.ones(3), 0.5, nobody).as_list() == [None, None, None]
