"""The closed form against its published parameter sets, and the line it becomes."""

import math

import numpy as np
import pytest

from market import plan
from market.layout import (
    PLAN_ASK,
    PLAN_BID,
    PLAN_COLUMNS,
    PLAN_SLOPE,
    VIEW_COLUMNS,
    VIEW_DECAY_ASK,
    VIEW_DECAY_BID,
    VIEW_DRIFT,
    VIEW_INTENSITY_ASK,
    VIEW_INTENSITY_BID,
    VIEW_MID,
    VIEW_SIGMA,
)


def view(sigma=0.3, intensity=0.9, decay=0.3, mid=10_000.0, drift=0.0):
    row = np.zeros(VIEW_COLUMNS)
    row[VIEW_MID] = mid
    row[VIEW_SIGMA] = sigma
    row[VIEW_DRIFT] = drift
    row[[VIEW_INTENSITY_BID, VIEW_INTENSITY_ASK]] = intensity
    row[[VIEW_DECAY_BID, VIEW_DECAY_ASK]] = decay
    return row


def planned(row, aversion=0.1, orders=10.0, fee=0.0, drift_share=1.0):
    out = np.zeros(PLAN_COLUMNS)
    plan.write_plan(row, aversion, orders, fee, drift_share, out)
    return out


@pytest.mark.parametrize(
    ("sigma", "intensity", "decay", "gamma", "position", "bid"),
    [
        (0.3, 0.9, 0.3, 0.01, 0, 3.31292),  # the paper's parameter set, T = 600
        (0.3, 0.9, 0.3, 0.01, 15, 4.33090),
        (2.0, 140.0, 1.5, 0.1, 10, 1.1884),  # Avellaneda and Stoikov's constants
    ],
)
def test_the_closed_form_gives_the_published_depths(sigma, intensity, decay, gamma, position, bid):
    """Gueant, Lehalle, Fernandez-Tapia 2013, to the digits that were cross-checked."""
    spread, skew = plan.closed_form(sigma, intensity, decay, gamma / decay)
    assert spread + (2 * position + 1) / 2 * skew == pytest.approx(bid, abs=1e-4)


def test_without_risk_aversion_the_depth_is_one_over_k():
    """The limit of ln(1 + g/k)/g, and no skew."""
    assert plan.closed_form(0.3, 0.9, 0.25, 0.0) == (4.0, 0.0)
    spread, skew = plan.closed_form(0.3, 0.9, 0.25, 1e-7)
    assert spread == pytest.approx(4.0, rel=1e-6)
    assert skew < 1e-3


def test_the_line_in_x_is_the_closed_form_in_orders():
    """At x = q / orders the plan's depths are the paper's."""
    out = planned(view(), aversion=0.01 / 0.3, orders=20.0)
    for q in (-10, 0, 15):
        x = q / 20.0
        spread, skew = plan.closed_form(0.3, 0.9, 0.3, 0.01 / 0.3)
        assert out[PLAN_BID] + out[PLAN_SLOPE] * x == pytest.approx(spread + (2 * q + 1) / 2 * skew)
        assert out[PLAN_ASK] - out[PLAN_SLOPE] * x == pytest.approx(spread - (2 * q - 1) / 2 * skew)


def test_a_fee_moves_both_depths_out_and_thins_the_fills():
    """Earning depth - f at rate A exp(-k depth) is the fee-free problem with A exp(-k f)."""
    fee_ticks = 2.0
    out = planned(view(), aversion=0.1, fee=fee_ticks / 10_000.0)
    spread, skew = plan.closed_form(0.3, 0.9 * math.exp(-0.3 * fee_ticks), 0.3, 0.1)
    assert out[PLAN_BID] == pytest.approx(fee_ticks + spread + skew / 2)
    assert out[PLAN_SLOPE] == pytest.approx(10.0 * skew)


@pytest.mark.parametrize("fee", [-0.0005, 0.0, 0.0002, 0.001])
def test_no_depth_lies_below_the_fee_floor(fee):
    """Even where depth costs all fills, a quote at x = 0 is not planned at a loss."""
    out = planned(view(decay=50.0, sigma=1e-6), fee=fee)
    assert out[PLAN_BID] >= fee * 10_000.0 + 0.5
    assert out[PLAN_ASK] >= fee * 10_000.0 + 0.5


def test_an_expected_rise_brings_the_bid_nearer_and_the_ask_further():
    """The quotes follow the expected mid, as far as they are told to."""
    still, rising = planned(view()), planned(view(drift=1.0), drift_share=0.5)
    assert rising[PLAN_BID] == pytest.approx(still[PLAN_BID] - 0.5)
    assert rising[PLAN_ASK] == pytest.approx(still[PLAN_ASK] + 0.5)
    assert rising[PLAN_SLOPE] == still[PLAN_SLOPE]


def test_degenerate_inputs_give_finite_depths():
    """No arrivals, no decay, no volatility: still numbers."""
    for row in (view(intensity=0.0), view(decay=0.0), view(sigma=0.0), view(mid=0.0)):
        assert np.isfinite(planned(row)).all()
