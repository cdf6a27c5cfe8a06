"""The list of our own orders."""

import numpy as np
import pytest

from market import own
from market.layout import (
    BUY,
    OWN_ID,
    OWN_LEVEL,
    OWN_OPEN,
    OWN_PENDING,
    OWN_REMAINING,
    OWN_STATE,
    REPORT_ACCEPTED,
    REPORT_CANCEL_REJECTED,
    REPORT_CANCELLED,
    REPORT_COLUMNS,
    REPORT_FILL,
    REPORT_KIND,
    REPORT_LOTS,
    REPORT_ORDER_ID,
    REPORT_REJECTED,
    SCALE_COLUMNS,
    SCALE_LOT,
    SCALE_TICK_LOT,
    SELL,
)


@pytest.fixture
def listed():
    orders, meter = own.new_own()
    for side, price in ((BUY, 990), (BUY, 985), (SELL, 1010), (SELL, 1015)):
        own.insert_own(orders, meter, side, price, 10, 0, 0)
    return orders, meter


def heard(listed, kind, order_id, lots=0):
    row = np.zeros(REPORT_COLUMNS, dtype=np.int64)
    row[[REPORT_KIND, REPORT_ORDER_ID, REPORT_LOTS]] = kind, order_id, lots
    return own.apply_report(*listed, row)


def ids(listed):
    orders, meter = listed
    return [int(x) for x in orders[: meter[own.OWN_METER_COUNT], OWN_ID]]


def test_the_list_stays_dense_and_in_the_order_of_sending(listed):
    """Removing from the middle closes the gap; ids count on."""
    assert heard(listed, REPORT_CANCELLED, 2) == own.OK
    assert ids(listed) == [1, 3, 4]
    assert own.insert_own(*listed, BUY, 980, 3, 2, 0) == 5
    assert ids(listed) == [1, 3, 4, 5]
    assert listed[0][3, OWN_LEVEL] == 2
    assert not listed[0][4:].any()


def test_a_report_about_a_stranger_is_counted(listed):
    """It changes nothing else."""
    before = listed[0].copy()
    assert heard(listed, REPORT_FILL, 99, 3) == own.UNKNOWN_ORDER
    assert listed[1][own.OWN_METER_UNKNOWN] == 1
    assert (listed[0] == before).all()


def test_an_order_lives_from_pending_to_its_last_fill(listed):
    """Accepted, filled in part, filled whole."""
    orders, _ = listed
    assert orders[0, OWN_STATE] == OWN_PENDING
    heard(listed, REPORT_ACCEPTED, 1)
    assert orders[0, OWN_STATE] == OWN_OPEN
    heard(listed, REPORT_FILL, 1, 4)
    assert orders[0, OWN_REMAINING] == 6
    heard(listed, REPORT_FILL, 1, 6)
    assert ids(listed) == [2, 3, 4]


@pytest.mark.parametrize("kind", [REPORT_CANCELLED, REPORT_REJECTED, REPORT_CANCEL_REJECTED])
def test_what_the_exchange_calls_gone_is_gone(listed, kind):
    """A cancel that came too late says so too."""
    heard(listed, kind, 3)
    assert ids(listed) == [1, 2, 4]


def test_what_is_being_cancelled_still_counts_as_open(listed):
    """Lots and balances stay tied up until the exchange confirms."""
    scale = np.zeros(SCALE_COLUMNS, dtype=np.int64)
    scale[[SCALE_TICK_LOT, SCALE_LOT]] = 1000, 10**6
    own.mark_cancelling(*listed, 1)
    assert own.open_lots(*listed, BUY) == 20
    assert own.free_quote(*listed, 10**9, scale) == 10**9 - 19_750_000
    assert own.free_base(*listed, 30 * 10**6, scale) == 10 * 10**6
    assert own.free_base(*listed, 10 * 10**6, scale) == 0
