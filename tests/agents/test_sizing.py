"""Who decides on sizes: Kelly with a probe, or nobody."""

import pytest

from agents.settings import Settings
from agents.sizing import candidate_of, policy_of
from market.policy import (
    KELLY_FRACTION,
    POLICY_VOLATILITY,
    new_kelly,
    observe_profit,
    size_fraction,
)


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


def test_the_volatility_that_a_spread_is_meant_at_is_handed_on():
    """To the policy that is live and to the one in shadow; 0, which follows nothing, by default."""
    executor = {"volatility_reference": 2e-5, "candidate": "plan"}
    settings = Settings.model_validate({"executor": executor})
    for row in (policy_of(settings), candidate_of(settings)):
        assert row[POLICY_VOLATILITY] == 2e-5
    assert policy_of(Settings())[POLICY_VOLATILITY] == 0.0
