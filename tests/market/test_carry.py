"""What may be carried: value at risk and the market's room, each by hand."""

import math

import numpy as np
import pytest

from market import breach, carry
from market.layout import (
    SCALE_COLUMNS,
    SCALE_TICK_LOT,
    VIEW_COLUMNS,
    VIEW_FLOW,
    VIEW_LOSS,
    VIEW_MID,
    VIEW_ROOM,
    VIEW_SIGMA,
)
from market.quotes import LOTS_HUGE

CAPITAL = 10**12


def view(*, mid=1_000.0, sigma=0.5, flow=2.0, loss=0.0, room=0.0):
    row = np.zeros(VIEW_COLUMNS)
    row[VIEW_MID], row[VIEW_SIGMA], row[VIEW_FLOW] = mid, sigma, flow
    row[VIEW_LOSS], row[VIEW_ROOM] = loss, room
    return row


def scale():
    row = np.zeros(SCALE_COLUMNS, dtype=np.int64)
    row[SCALE_TICK_LOT] = 100_000
    return row


def test_value_at_risk_caps_the_lots():
    """Half a tick a root second is 30 ticks an hour: 69.8 at 99 %, so 10^10 units hold 1,432."""
    limits = breach.limit_settings(capital_units=CAPITAL, value_fraction=0.01, value_s=3_600.0)
    assert carry.value_cap_lots(view(), limits, scale()) == 1_432
    assert carry.value_cap_lots(view(sigma=1.0), limits, scale()) == 716
    assert carry.value_cap_lots(view(sigma=0.0), limits, scale()) == LOTS_HUGE
    assert carry.value_cap_lots(view(loss=10.0), limits, scale()) == 10_000
    assert carry.value_cap_lots(view(loss=math.nan), limits, scale()) == 1_432
    off = breach.limit_settings(capital_units=CAPITAL)
    assert carry.value_cap_lots(view(), off, scale()) == LOTS_HUGE


def test_the_market_s_room_is_the_smaller_of_flow_and_book():
    """Two lots a second: a tenth of an hour is 720; at once only what the book takes back."""
    flow = {"flow_share": 0.1, "close_s": 3_600.0}
    limits = breach.limit_settings(capital_units=CAPITAL, **flow)
    assert carry.liquid_cap_lots(view(), limits) == 720
    assert carry.liquid_cap_lots(view(flow=0.0), limits) == 0
    limits = breach.limit_settings(capital_units=CAPITAL, impact_fraction=0.01)
    assert carry.liquid_cap_lots(view(room=41.0), limits) == 41
    assert carry.liquid_cap_lots(view(), limits) == 0  # no book that was looked at: nothing
    assert carry.liquid_cap_lots(view(room=math.nan), limits) == 0
    both = breach.limit_settings(capital_units=CAPITAL, impact_fraction=0.01, **flow)
    assert carry.liquid_cap_lots(view(flow=math.nan, room=9.0), both) == 0
    assert carry.liquid_cap_lots(view(room=1_000.0), both) == 720


@pytest.mark.parametrize("column", [breach.RISK_VALUE_LOTS, breach.RISK_LIQUID_LOTS])
def test_caps_of_a_decision_are_told_to_the_gate(column):
    """A percent of air lies below the position's limit, the others are as they are."""
    risk = breach.new_risk()
    limits = breach.limit_settings(
        capital_units=CAPITAL, value_fraction=0.01, flow_share=0.1, close_s=3_600.0
    )
    cap = carry.carry_lots(2_000, view(), limits, scale(), risk)
    assert risk[breach.RISK_VALUE_LOTS] == 1_432
    assert risk[breach.RISK_LIQUID_LOTS] == 720
    assert cap == min(99, 720)
    limits[breach.LIMIT_POSITION] = 1.0
    assert carry.carry_lots(2_000, view(), limits, scale(), risk) == 720
    risk[breach.RISK_PORTFOLIO_LOTS] = 3
    assert carry.carry_lots(2_000, view(), limits, scale(), risk) == 3
    assert risk[column] > 3
