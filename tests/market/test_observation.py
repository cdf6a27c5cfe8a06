"""The eight numbers: what each is, that none leaves its bounds, that nothing unknown is told."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market import observation as seen
from market.breach import limit_settings
from market.layout import (
    LEDGER_COLUMNS,
    LEDGER_DAY_OPENING,
    LEDGER_EQUITY,
    LEDGER_MARK,
    LOT_COLUMNS,
    LOT_TIME_NS,
    LOTS_MAX,
    UNITS,
    VIEW_COLUMNS,
    VIEW_IMBALANCE,
    VIEW_MID,
    VIEW_MID_AVERAGE,
    VIEW_RETURN,
    VIEW_SIGMA,
    VIEW_SIGMA_REFERENCE,
)
from market.lots import LOTS_COUNT, LOTS_FIRST, LOTS_METER_COLUMNS
from market.policy import (
    KELLY_COLUMNS,
    KELLY_COUNT,
    KELLY_SQUARES,
    KELLY_SUM,
    KELLY_SUM_SQUARES,
    KELLY_WEIGHT,
)

HOUR = 3_600 * 10**9
CYCLE = 30 * 10**9
LIMITS = limit_settings(capital_units=10_000 * UNITS, daily_loss_fraction=0.05)


class Desk:
    """An account of 10,000 quote in a market of mid 1,000 ticks, sigma 2 ticks per sqrt(s)."""

    def __init__(self):
        self.now = 50 * HOUR
        self.view = np.zeros(VIEW_COLUMNS)
        self.view[[VIEW_MID, VIEW_MID_AVERAGE, VIEW_SIGMA, VIEW_SIGMA_REFERENCE]] = 1000, 990, 2, 1
        self.view[[VIEW_RETURN, VIEW_IMBALANCE]] = -5.0, 0.25
        self.ledger = np.zeros(LEDGER_COLUMNS, dtype=np.int64)
        self.ledger[LEDGER_MARK] = 2_000
        self.ledger[[LEDGER_EQUITY, LEDGER_DAY_OPENING]] = 9_750 * UNITS, 10_000 * UNITS
        self.lots = np.zeros((LOTS_MAX, LOT_COLUMNS), dtype=np.int64)
        self.meter = np.zeros(LOTS_METER_COLUMNS, dtype=np.int64)
        self.meter[[LOTS_FIRST, LOTS_COUNT]] = 7, 2
        self.lots[7:9, LOT_TIME_NS] = self.now - HOUR // 2, self.now
        self.kelly = np.zeros(KELLY_COLUMNS)
        self.position, self.most = -30, 40

    def look(self):
        """Return the eight numbers."""
        found = np.full(seen.OBSERVATION_COLUMNS, np.nan)
        seen.look(
            self.now, self.view, self.ledger, self.lots, self.meter, self.kelly, self.position,
            self.most, LIMITS, CYCLE, found,
        )  # fmt: skip
        return found


def test_each_number_is_what_its_name_says():
    """Worked out by hand for one desk."""
    desk = Desk()
    desk.kelly[[KELLY_COUNT, KELLY_WEIGHT, KELLY_SQUARES]] = 4, 4, 4
    desk.kelly[[KELLY_SUM, KELLY_SUM_SQUARES]] = 4.0, 16.0  # mean 1, variance 4, error 1
    deviation = 2.0 * math.sqrt(30.0)
    wanted = [-0.5, 10 / deviation, -5 / deviation, math.log(2), 0.25, 0.5, 1.0, -0.75]
    assert desk.look() == pytest.approx(wanted)


def test_before_anything_is_known_all_is_zero():
    """An empty market and account tell nothing, and say so by zeros."""
    desk = Desk()
    for each in (desk.view, desk.ledger, desk.meter):
        each[:] = 0
    desk.most = 0
    assert not desk.look().any()


ANY = st.floats(allow_nan=True, allow_infinity=True)


@given(
    view=st.lists(ANY, min_size=VIEW_COLUMNS, max_size=VIEW_COLUMNS),
    kelly=st.lists(ANY, min_size=KELLY_COLUMNS, max_size=KELLY_COLUMNS),
    equity=st.integers(-(10**17), 10**17),
    position=st.integers(-(10**9), 10**9),
)
def test_no_market_and_no_account_leads_out_of_bounds(view, kelly, equity, position):
    """Whatever the feed says, the numbers are finite and at most 3 in size."""
    desk = Desk()
    desk.view[:], desk.kelly[:] = view, kelly
    desk.ledger[LEDGER_EQUITY], desk.position = equity, position
    found = desk.look()
    assert np.isfinite(found).all()
    assert np.abs(found).max() <= seen.LIMIT
