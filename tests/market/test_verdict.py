"""When a record says edge, no edge, or nothing; and how often it errs."""

import json
import math

import numpy as np
import pytest

from market import verdict
from market.verdict import Edge
from tests.twins import verdict as twin


def judged(values, *, round_trips=200, trials=1, seed=1, **rest):
    return verdict.edge_verdict(
        np.asarray(values, dtype=float), round_trips=round_trips, trials=trials, seed=seed, **rest
    )


def noise(seed, count=480):
    return np.random.default_rng(seed).standard_normal(count)


def clustered(seed, count=480):
    """Martingale increments whose volatility clusters, as a position's profit does."""
    shocks, out, square = noise(seed, count), np.empty(count), 1.0
    for index in range(count):
        out[index] = math.sqrt(square) * shocks[index]
        square = 0.1 + 0.25 * out[index] ** 2 + 0.65 * square
    return out


@pytest.mark.parametrize("length", [1.0, 3.5, 40.0])
def test_the_bootstrap_agrees_with_its_twin(length):
    """Block sums from running sums are the sums of the indices one by one."""
    values = noise(5, 101)
    sums = np.concatenate(([0.0], np.cumsum(values)))
    means = np.empty(50)
    verdict.resample_means(sums, length, np.uint64(7), means)
    assert means == pytest.approx(twin.means(list(values), length, 7, 50), abs=1e-12)


def test_the_generator_is_splitmix64():
    """The first outputs for seed 1234567 are published with the algorithm."""
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    state = np.uint64(1234567)
    for wanted in published:
        with np.errstate(over="ignore"):
            state = np.uint64(state + verdict.STRIDE)
        assert int(verdict.mixed(state)) == wanted


def test_blocks_grow_with_dependence():
    """White noise needs no blocks; an autoregression of 0.9 needs long ones."""
    lengths = []
    for weight in (0.0, 0.5, 0.9):
        shocks, values = noise(2, 2000), np.zeros(2000)
        for index in range(1, 2000):
            values[index] = weight * values[index - 1] + shocks[index]
        lengths.append(verdict.block_length(values))
    assert lengths[0] < 3.0
    assert 5.0 < lengths[1] < lengths[2] < 3.0 * math.sqrt(2000)


def test_block_length_of_an_autoregression_is_near_its_closed_form():
    """For AR(1): G / g(0) = 2 w / (1 - w^2), so b = (2 w / (1 - w^2))^(2/3) n^(1/3)."""
    weight, count = 0.5, 20_000
    shocks, values = noise(3, count), np.zeros(count)
    for index in range(1, count):
        values[index] = weight * values[index - 1] + shocks[index]
    wanted = (2 * weight / (1 - weight**2)) ** (2 / 3) * count ** (1 / 3)
    assert verdict.block_length(values) == pytest.approx(wanted, rel=0.2)


def test_a_constant_record_has_blocks_of_one():
    """No variance, no dependence."""
    assert verdict.block_length(np.ones(100)) == 1.0


def test_a_clear_profit_is_an_edge_and_a_clear_loss_is_none():
    """Mean 0.3 of a standard deviation over 480 cycles: six errors away from 0."""
    assert judged(noise(1) + 0.3).edge is Edge.EDGE
    assert judged(noise(1) - 0.3).edge is Edge.NO_EDGE
    assert judged(noise(11)).edge is Edge.CANNOT_TELL


def test_a_hundred_round_trips_are_needed_for_any_verdict():
    """However clear the profit."""
    found = judged(noise(1) + 3.0, round_trips=99)
    assert found.edge is Edge.CANNOT_TELL
    assert found.lower > 0.0
    assert "99" in found.reason
    assert judged(noise(1) - 3.0, round_trips=99).edge is Edge.CANNOT_TELL
    assert judged(noise(1) + 3.0, round_trips=100).edge is Edge.EDGE


def test_who_does_not_trade_cannot_tell():
    """All increments zero: bounds of zero enclose zero."""
    found = judged(np.zeros(480), round_trips=0)
    assert (found.edge, found.lower, found.upper, found.net) == (Edge.CANNOT_TELL, 0.0, 0.0, 0.0)
    assert judged(np.zeros(480), round_trips=500).edge is Edge.CANNOT_TELL


def test_a_short_record_has_no_bounds():
    """29 cycles say nothing about a bound."""
    found = judged(noise(1, 29) + 5.0)
    assert found.edge is Edge.CANNOT_TELL
    assert found.lower is found.upper is None


def test_more_trials_push_the_bounds_apart():
    """Sidak: 1 - 0.95^(1/20) for each of 20."""
    one, many = judged(noise(1)), judged(noise(1), trials=20)
    assert many.level_each == pytest.approx(1 - 0.95 ** (1 / 20))
    assert many.lower < one.lower < one.net < one.upper < many.upper
    assert many.draws >= 20 / many.level_each > one.draws == 2000
    assert judged(noise(1), trials=10**6).draws == 20_000


def test_the_same_seed_gives_the_same_verdict_and_another_nearly_the_same():
    """Chance is an argument."""
    assert judged(noise(4)) == judged(noise(4))
    one, other = judged(noise(4), seed=1), judged(noise(4), seed=-2)
    assert one.lower != other.lower
    assert one.lower == pytest.approx(other.lower, abs=0.1 * (one.upper - one.lower))


def test_the_unit_of_money_does_not_matter():
    """Bounds scale with the increments."""
    one, cents = judged(noise(4)), judged(100.0 * noise(4))
    assert cents.lower == pytest.approx(100.0 * one.lower)


def test_the_verdict_is_json():
    """No enum, no numpy number, no NaN."""
    text = json.dumps(judged(noise(1)).as_dict(), allow_nan=False)
    assert json.loads(text)["edge"] == "cannot_tell"


def test_bad_input_is_refused():
    """A level of one half and a NaN profit are errors of the caller."""
    with pytest.raises(ValueError, match="level"):
        judged(noise(1), level=0.5)
    with pytest.raises(ValueError, match="trials"):
        judged(noise(1), trials=0)
    with pytest.raises(ValueError, match="finite"):
        judged([math.nan] * 40)


@pytest.mark.parametrize("draw", [noise, clustered])
def test_a_martingale_is_rarely_called_an_edge(draw):
    """Nominal 5 %; with 300 records at most 9 % (that is 3.2 standard errors above)."""
    edges = [judged(draw(1000 + seed), seed=seed).edge for seed in range(300)]
    assert edges.count(Edge.EDGE) <= 27
    assert edges.count(Edge.NO_EDGE) <= 27


def test_a_clear_mean_is_nearly_always_called_an_edge():
    """Four errors above zero: power above 98 % at one trial, above 80 % at twenty."""
    lift = 4.0 / math.sqrt(480)
    one = [judged(noise(2000 + seed) + lift, seed=seed).edge for seed in range(100)]
    assert one.count(Edge.EDGE) >= 97
    twenty = [judged(noise(2000 + s) + lift, seed=s, trials=20).edge for s in range(30)]
    assert twenty.count(Edge.EDGE) >= 24
