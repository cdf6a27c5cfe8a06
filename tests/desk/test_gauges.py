"""How much of a limit is used, and what fills were worth a while later: hand-computed."""

import pytest

from desk.gauges import gauges, markouts

SECOND = 10**9
UNIT = 10**8
LIMITS = {"max_position_size": 0.1, "peak_drawdown_limit": 0.2}


def test_the_position_counts_with_every_open_order_of_its_worse_side():
    """3 held and 4 to buy at a mid of 2 are 14 of 20; the executor's own shares stand beside."""
    pnl = {
        "position": "3", "open_buy": "4", "open_sell": "5", "mark": "2", "position_limit": "20",
    }  # fmt: skip
    found = gauges({"used": {"peak_drawdown_limit": 0.25}}, pnl, LIMITS)
    assert found == {
        "max_position_size": {"share": 0.7, "limit": 0.1},
        "peak_drawdown_limit": {"share": 0.25, "limit": 0.2},
    }


@pytest.mark.parametrize("used", [None, "x", ["a"]])
def test_nothing_is_guessed_where_nothing_was_said(used):
    """An executor that is silent, or says what it should not."""
    assert gauges({"used": used}, {}, {}) == {}


def test_a_markout_is_the_last_mid_known_against_the_price():
    """A buy at 99 with the mid at 100, then 102 at its half minute: +100 and +300 basis points."""
    fill = {"time_ns": 100 * SECOND, "side": "buy", "price": 99 * UNIT, "mark": 100 * UNIT}
    marks = [{"time_ns": at * SECOND, "mark": mid * UNIT} for at, mid in ((120, 102), (131, 90))]
    found = {each["horizon_s"]: each for each in markouts([fill], marks)}
    assert found[0] == {"horizon_s": 0, "bps": 100.0, "fills": 1}
    assert found[30] == {"horizon_s": 30, "bps": 300.0, "fills": 1}
    assert found[60] == {"horizon_s": 60, "bps": None, "fills": 0}


def test_no_fill_has_no_markout():
    """An empty run."""
    assert all(each["bps"] is None for each in markouts([], []))
