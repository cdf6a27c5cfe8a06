import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.coordinator.hedge import (
    LOSS_UNITS,
    Hedge,
    Patience,
    Running,
    begun,
    losses_of,
    running_after,
)

HORIZON = 48


def names(count):
    return tuple(f"optimizer-{number}" for number in range(1, count + 1))


def regret(hedge, sequence):
    """(expected loss of the weights less the best strategy's loss, its bound)."""
    expected, lost = 0.0, dict.fromkeys(hedge.experts, 0.0)
    for losses in sequence:
        weights = hedge.weights()
        for name, weight in zip(hedge.experts, weights, strict=True):
            share = losses.get(name, LOSS_UNITS) / LOSS_UNITS
            expected += weight * share
            lost[name] += share
        hedge = hedge.after(losses)
    bound = math.sqrt(hedge.horizon * math.log(len(hedge.experts)) / 2.0)
    return expected - min(lost.values()), bound


def adversary(hedge, length):
    """Losses that hit whoever weighs most, chosen after the weights are known."""
    for _ in range(length):
        weights = hedge.weights()
        leader = hedge.experts[weights.index(max(weights))]
        losses = {name: LOSS_UNITS * (name == leader) for name in hedge.experts}
        yield losses
        hedge = hedge.after(losses)


def test_the_regret_of_the_weights_is_bounded_on_random_losses():
    """sqrt(T ln K / 2), whatever T and K; noise, trends and losses that are missing."""
    dice = np.random.default_rng(4)
    for _ in range(300):
        count, length = int(dice.integers(2, 9)), int(dice.integers(2, 120))
        experts = names(count)
        bias = dice.random(count) * dice.integers(0, 2)
        sequence = []
        for _ in range(length - 1):
            drawn = np.clip(dice.random(count) * 0.7 + 0.3 * bias, 0, 1)
            row = {name: round(LOSS_UNITS * x) for name, x in zip(experts, drawn, strict=True)}
            if dice.random() < 0.05:
                row.pop(experts[int(dice.integers(count))])
            sequence.append(row)
        found, bound = regret(begun(experts, length), sequence)
        assert found <= bound + 1e-9


@pytest.mark.parametrize("count", [2, 3, 8])
@pytest.mark.parametrize("length", [4, 48, 200])
def test_the_regret_is_bounded_against_an_adversary_that_sees_the_weights(count, length):
    """Whoever leads loses everything, window after window."""
    hedge = begun(names(count), length)
    found, bound = regret(hedge, list(adversary(hedge, length - 1)))
    assert 0.0 < found <= bound


@given(st.lists(st.lists(st.integers(0, LOSS_UNITS), min_size=3, max_size=3), max_size=47))
def test_the_regret_is_bounded_on_any_losses(rows):
    """Whatever hypothesis can think of."""
    experts = names(3)
    sequence = [dict(zip(experts, row, strict=True)) for row in rows]
    found, bound = regret(begun(experts, HORIZON), sequence)
    assert found <= bound + 1e-9


def test_weights_follow_the_formula():
    """exp(-sqrt(8 ln K / T) L), normalised; equal at first, and a lone strategy weighs 1."""
    hedge = begun(names(2), 8)
    assert hedge.weights() == (0.5, 0.5)
    later = hedge.after({"optimizer-1": LOSS_UNITS, "optimizer-2": 0})
    rate = math.sqrt(8 * math.log(2) / 8)
    assert later.weights()[0] == pytest.approx(1 / (1 + math.exp(rate)))
    assert begun(names(1), 8).after({}).weights() == (1.0,)


def test_all_begins_anew_when_the_horizon_is_reached():
    """The rate was made for T windows and no more."""
    hedge = begun(names(2), 3)
    for _ in range(2):
        hedge = hedge.after({"optimizer-1": 0, "optimizer-2": LOSS_UNITS})
    assert hedge.windows == 2
    assert hedge.after({}) == begun(names(2), 3)


def test_whoever_is_not_measured_has_lost_everything():
    """Silence is no way to keep a weight."""
    hedge = begun(names(2), HORIZON).after({"optimizer-1": LOSS_UNITS // 2})
    assert hedge.lost == (LOSS_UNITS // 2, LOSS_UNITS)


def test_huge_losses_overflow_nothing():
    """Differences alone matter."""
    hedge = Hedge(names(2), 10**6, (10**14, 10**14 + LOSS_UNITS), 999_998)
    assert sum(hedge.weights()) == pytest.approx(1.0)


def test_losses_are_relative_to_the_set_that_was_in_force():
    """It loses a half; the largest difference is worth a whole half more or less."""
    found = losses_of({"a": 4.0, "b": -1.0, "c": 1.0}, 1.0)
    assert found == {"a": 0, "b": round(LOSS_UNITS * (0.5 + 1 / 3)), "c": LOSS_UNITS // 2}
    assert losses_of({"a": 2.0, "b": 2.0}, 2.0) == {"a": LOSS_UNITS // 2, "b": LOSS_UNITS // 2}
    assert losses_of({"a": float("nan"), "b": 3.0}, 2.0) == {"a": LOSS_UNITS, "b": 0}


@given(st.dictionaries(st.sampled_from("abc"), st.floats(), min_size=1), st.floats(-1e12, 1e12))
def test_losses_always_lie_between_nothing_and_everything(nets, reference):
    """Whatever a replay says."""
    assert all(0 <= each <= LOSS_UNITS for each in losses_of(nets, reference).values())


class Race:
    """Two strategies; the second is better by a given loss a window."""

    def __init__(self, patience):
        self.hedge, self.patience = begun(names(2), HORIZON), patience
        self.running, self.now_ns = Running(), 0

    def window(self, first, second):
        """One more window with these losses, out of a hundred."""
        self.now_ns += 600
        unit = LOSS_UNITS // 100
        self.hedge = self.hedge.after({"optimizer-1": first * unit, "optimizer-2": second * unit})
        self.running = running_after(self.running, self.hedge, self.now_ns, self.patience)
        return self.running


def test_another_takes_over_only_after_leading_for_long_enough():
    """By a margin, for k windows in a row, and not before the dwell time has passed."""
    race = Race(Patience(margin=0.05, windows=3, dwell_ns=0))
    assert race.window(50, 50).expert == "optimizer-1"
    for _ in range(2):
        assert race.window(100, 0).expert == "optimizer-1"
    assert race.running.streak == 2
    assert race.window(100, 0) == Running("optimizer-2", since_ns=race.now_ns, switches=1)
    slow = Race(Patience(margin=0.05, windows=1, dwell_ns=10_000))
    slow.window(50, 50)
    held = [slow.window(100, 0).expert for _ in range(17)]
    assert held == ["optimizer-1"] * 16 + ["optimizer-2"]


def test_a_lead_below_the_margin_counts_for_nothing():
    """And one window without it ends the streak."""
    race = Race(Patience(margin=0.1, windows=2, dwell_ns=0))
    race.window(50, 50)
    for _ in range(3):
        assert race.window(51, 50).streak == 0
    assert race.window(100, 0).streak == 1
    assert race.window(0, 100).streak == 0


def test_a_strategy_that_is_gone_is_replaced_at_once():
    """When K changes there is nobody to be patient with."""
    held = Running("preset-wide", since_ns=5, switches=3)
    hedge = begun(names(2), HORIZON)
    found = running_after(held, hedge, 9, Patience(0.05, 3, 10**9))
    assert found == Running("optimizer-1", since_ns=9, switches=3)
