"""The reward: its three parts by hand, and what it must not pay for."""

import math

import numpy as np
import pytest

from market import reward
from market.layout import (
    LEDGER_COLUMNS,
    LEDGER_FEES,
    LEDGER_MARK,
    LEDGER_SPREAD,
    SCALE_COLUMNS,
    SCALE_LOT,
    SCALE_TICK_LOT,
    UNITS,
    VIEW_COLUMNS,
    VIEW_MID,
    VIEW_SIGMA,
)

CYCLE = 25 * 10**9


class Desk:
    """Mid 1,000 ticks of 1 quote a lot; h is 2 ticks, base_quantity 5 lots: a unit is 10 quote."""

    def __init__(self, **weights):
        self.view = np.zeros(VIEW_COLUMNS)
        self.view[[VIEW_MID, VIEW_SIGMA]] = 1000.0, 2.0
        self.ledger = np.zeros(LEDGER_COLUMNS, dtype=np.int64)
        self.ledger[LEDGER_MARK] = 2_000
        self.scale = np.zeros(SCALE_COLUMNS, dtype=np.int64)
        self.scale[[SCALE_TICK_LOT, SCALE_LOT]] = UNITS, UNITS
        self.parameters = np.array([0.4, 1.0, 5.0, 50.0])
        self.weights = reward.reward_weights(**weights)
        self.kept = np.zeros(reward.KEPT_COLUMNS)
        self.parts = np.full(reward.REWARD_COLUMNS, np.nan)

    def cycle(self, net, *, spread=0.0, fees=0.0, position=0):
        """Let one cycle end, with totals since the opening; return its reward."""
        self.ledger[[LEDGER_SPREAD, LEDGER_FEES]] = round(spread * UNITS), round(fees * UNITS)
        return reward.reward_cycle(
            net, position, self.view, self.ledger, self.parameters, CYCLE, self.scale,
            self.weights, self.kept, self.parts,
        )  # fmt: skip


def test_spread_less_fees_is_profit_in_units():
    """12 quote earned and 2 paid are one unit."""
    desk = Desk()
    assert desk.cycle(10.0, spread=12.0, fees=-2.0) == pytest.approx(1.0)
    assert desk.cycle(10.0, spread=12.0, fees=-2.0) == 0.0  # nothing more came
    assert desk.parts.tolist() == [0.0, 0.0, 0.0]


def test_gains_of_a_bet_are_damped_and_its_losses_are_not():
    """A position that rose by 10 counts 8.5 of them; one that fell by 10 counts all."""
    desk = Desk(beta=0.0, gamma=0.0, damping=0.15)
    assert desk.cycle(10.0) == pytest.approx(0.85)
    assert desk.cycle(0.0) == pytest.approx(-1.0)


def test_a_position_costs_half_its_variance():
    """3 lots at 2 ticks per sqrt(s) over 25 s deviate by 30 quote, 3 units: 4.5, half of 9."""
    desk = Desk(beta=0.5, gamma=0.0)
    assert desk.cycle(0.0, position=-3) == pytest.approx(-0.5 * 4.5)
    assert desk.cycle(0.0, position=3) == pytest.approx(-0.5 * 4.5)


def test_a_drawdown_costs_once():
    """Only what the deepest fall grows by is counted: 20, then nothing, then 10 more."""
    desk = Desk(alpha=0.0, beta=1.0, gamma=0.0)
    falls = [desk.cycle(net) for net in (0.0, -20.0, -5.0, -20.0, -30.0)]
    assert falls == pytest.approx([0.0, -2.0, 0.0, 0.0, -1.0])


def test_losing_cycles_are_remembered():
    """The root mean square of losses fades with its memory; gains do not enter it."""
    desk = Desk(alpha=0.0, beta=0.0, gamma=1.0, memory_cycles=2.0)
    fade = math.exp(-0.5)
    first = desk.cycle(-10.0)
    assert first == pytest.approx(-math.sqrt(1.0 - fade))
    assert desk.cycle(90.0) == pytest.approx(first * math.sqrt(fade))


def test_before_a_mark_there_is_no_reward():
    """Nothing is worth anything before the first mid."""
    desk = Desk()
    desk.ledger[LEDGER_MARK] = 0
    assert desk.cycle(50.0, spread=50.0) == 0.0
    assert not desk.kept.any()


@pytest.mark.parametrize("wrong", [{"alpha": -1.0}, {"damping": 1.5}, {"memory_cycles": 0.0}])
def test_weights_out_of_bounds_are_refused(wrong):
    """With the figures, in one line."""
    with pytest.raises(ValueError, match="need alpha, beta, gamma >= 0"):
        reward.reward_weights(**wrong)
