"""Who decides on sizes: Kelly with a probe, or nobody."""

import pytest

from agents.settings import Settings
from agents.sizing import policy_of
from market.policy import KELLY_FRACTION, new_kelly, observe_profit, size_fraction


@pytest.mark.parametrize(("sizing", "after_losses"), [("kelly", 0.2), ("fixed", 1.0)])
def test_a_loser_keeps_the_probe_unless_sizing_is_fixed(sizing, after_losses):
    """Both quote all of it at first; what was lost counts for Kelly only."""
    told = {"sizing": sizing, "probe": 0.2}
    tuning = policy_of(Settings.model_validate({"executor": told}))
    kelly = new_kelly()
    assert size_fraction(tuning, kelly) == 1.0
    for profit in (-2.0, -1.0) * 60:
        kelly[KELLY_FRACTION] = 1.0
        observe_profit(profit, tuning, kelly)
    assert size_fraction(tuning, kelly) == after_losses
