"""Random order flow: nothing that happens breaks a limit, and each limit is needed for that."""

import pytest

from bench.risk_flow import HIDDEN, OFF, PERPETUAL, Flow
from bench.risk_judge import LimitBrokenError
from risk.gate import LIMIT_NAMES

STEPS = 8_000
PLANTED_FLOWS = 16


@pytest.mark.parametrize("spot", [True, False])
def test_no_sequence_of_events_breaks_a_limit(spot):
    """Jumps, gaps, NaN, silence, crossed books, everything filled at once, parameters at random."""
    flow = Flow(7, spot=spot)
    for _ in range(STEPS):
        flow.step()
    assert flow.approved > 100
    assert len(flow.refused) > len(LIMIT_NAMES) // 2


@pytest.mark.slow
def test_each_limit_fires_in_the_long_run_and_none_is_broken():
    """Every code of refusal and every reason of the table, over spot and perpetual."""
    flows = [Flow(11, spot=True), Flow(12, spot=False)]
    for flow in flows:
        for _ in range(200_000):
            flow.step()
    assert set().union(*(flow.refused for flow in flows)) == set(LIMIT_NAMES.values())
    assert set().union(*(flow.reasons for flow in flows)) == set(range(8))


@pytest.mark.parametrize("plant", [*OFF, *HIDDEN])
def test_each_limit_s_removal_is_caught(plant):
    """Taken away from the gate alone, the judge finds what it let pass."""
    with pytest.raises(LimitBrokenError):
        live_through(plant)


def live_through(plant):
    """Let flow after flow happen; a price must move far to make a position too heavy."""
    for seed in range(1, PLANTED_FLOWS):
        flow = Flow(seed, plant=plant, spot=plant not in PERPETUAL)
        for _ in range(6_000):
            flow.step()
