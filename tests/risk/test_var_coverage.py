import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from risk.var_coverage import coverage, independence_ratio, kupiec_ratio


def flags(count, *places):
    found = np.zeros(count, dtype=bool)
    found[list(places)] = True
    return found


def test_kupiec_accepts_what_his_table_accepts():
    """Kupiec 1995, table 1: at 99 % over 255 days fewer than 7 failures pass, over 1000 4 to 17."""
    critical = 3.841
    passed = [n for n in range(40) if kupiec_ratio(n, 255, 0.99) < critical]
    assert passed == [*range(0 if kupiec_ratio(0, 255, 0.99) < critical else 1, 7)]
    assert [n for n in range(60) if kupiec_ratio(n, 1000, 0.99) < critical] == [*range(5, 17)]


def test_kupiec_by_hand():
    """Ten failures of a thousand at 99 % are exactly right; twenty are worked out."""
    assert kupiec_ratio(10, 1000, 0.99) == pytest.approx(0.0, abs=1e-12)
    by_hand = 2 * (20 * math.log(0.02 / 0.01) + 980 * math.log(0.98 / 0.99))
    assert kupiec_ratio(20, 1000, 0.99) == pytest.approx(by_hand)
    assert kupiec_ratio(0, 100, 0.99) == pytest.approx(-200 * math.log(0.99))


def test_failures_in_a_row_are_found_though_their_number_is_right():
    """Ten of a thousand: spread out they pass, in a row Christoffersen rejects and Kupiec not."""
    spread = coverage(flags(1000, *range(50, 1000, 100)), 0.99)
    clustered = coverage(flags(1000, *range(500, 510)), 0.99)
    assert spread.passed()
    assert spread.exceeded == clustered.exceeded == 10
    assert clustered.kupiec > 0.9
    assert clustered.independence < 1e-6
    assert clustered.conditional < 1e-6
    assert not clustered.passed()


def test_independence_by_hand():
    """One pair in twenty failures over four hundred rows, counted and put into the formula."""
    row = flags(400, *range(5, 385, 20), 6)
    n11, n10, n01 = 1, 19, 19
    n00 = 399 - n11 - n10 - n01
    q01, q11, q = n01 / (n01 + n00), n11 / (n11 + n10), (n01 + n11) / 399
    by_hand = 2 * (
        n01 * math.log(q01) + n00 * math.log(1 - q01) + n11 * math.log(q11)
        + n10 * math.log(1 - q11) - (n01 + n11) * math.log(q) - (n00 + n10) * math.log(1 - q)
    )  # fmt: skip
    assert independence_ratio(row) == pytest.approx(by_hand)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.booleans(), min_size=2, max_size=300), st.sampled_from([0.95, 0.99]))
def test_every_series_of_exceedances_has_p_values(row, level):
    """None, all, one: no case divides by zero."""
    found = coverage(np.array(row, dtype=bool), level)
    for p in (found.kupiec, found.independence, found.conditional):
        assert 0.0 <= p <= 1.0
    assert found.rate == pytest.approx(np.mean(row))


def test_the_tests_reject_a_right_model_about_as_often_as_they_say():
    """Draws at the promised rate are rejected by Kupiec near one time in twenty, as counted."""
    counts = np.arange(60)
    rejected = np.array([kupiec_ratio(int(n), 1000, 0.99) >= 3.841 for n in counts])
    assert float(binom.pmf(counts, 1000, 0.01)[rejected].sum()) == pytest.approx(0.05, abs=0.025)


def test_one_forecast_is_no_series():
    """Too few to judge is an error, not a pass."""
    with pytest.raises(ValueError, match="two forecasts"):
        coverage(np.zeros(1, dtype=bool), 0.99)
