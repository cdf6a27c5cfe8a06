import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk.var import PATHS, SEED_ROWS, Method, Model, tail, variances_ahead, volatilities
from risk.var_covariance import shrunk_correlation, shrunk_covariance
from risk.var_quantile import cornish_fisher_tail, expansion, rises, weighted_tail
from risk.var_returns import Closes, returns_of, rows_for
from risk.var_walk import calibrate, walk

ONE = np.ones(1)
HOUR_NS = 3600 * 10**9


def normal_rows(count, *, seed=1, sigma=0.01, symbols=1):
    return np.random.default_rng(seed).normal(0.0, sigma, (count, symbols))


@pytest.mark.parametrize("method", list(Method))
def test_every_method_finds_the_tail_of_a_normal_market(method):
    """Independent normal returns have a known quantile (2.326 s) and tail mean (2.665 s)."""
    model = Model(method=method, window=20_000, decay=0.995, age_decay=1.0)
    found = tail(normal_rows(20_000), ONE, level=0.99, model=model)
    sigma = 0.01 if method is Method.HISTORICAL else volatilities(normal_rows(20_000), 0.995)[-1, 0]
    assert found.value_at_risk == pytest.approx(2.326 * sigma, rel=0.05)
    assert found.shortfall == pytest.approx(2.665 * sigma, rel=0.05)
    assert found.rows == 20_000


def test_the_quantile_is_exceeded_as_often_as_promised_in_small_samples():
    """The k-th largest of n equal losses is exceeded by the next one with chance k / (n + 1)."""
    losses = np.arange(1.0, 100.0)  # 99 of them: the largest stands for 1 %
    assert weighted_tail(losses, np.ones(99), 0.99) == (99.0, 99.0)
    assert weighted_tail(losses, np.ones(99), 0.95) == pytest.approx((95.0, 97.0))


def test_younger_losses_weigh_more():
    """The same losses in another order are another tail once ages count."""
    losses = np.concatenate([np.full(50, 5.0), np.ones(50)])
    young = 0.9 ** np.arange(99.0, -1.0, -1.0)
    assert weighted_tail(losses, young, 0.95)[0] == pytest.approx(1.0, abs=0.2)
    assert weighted_tail(losses[::-1], young, 0.95)[0] == 5.0


@pytest.mark.parametrize("method", [Method.NORMAL, Method.FILTERED])
def test_a_market_that_wakes_up_raises_the_bound(method):
    """Today's volatility counts, not that of the whole window."""
    quiet = normal_rows(500)
    awake = np.vstack([quiet[:-30], 5.0 * quiet[-30:]])
    model = Model(method=method, decay=0.94)
    calm = tail(quiet, ONE, level=0.99, model=model).value_at_risk
    assert tail(awake, ONE, level=0.99, model=model).value_at_risk > 2.5 * calm


def test_volatility_knows_only_what_came_before():
    """Changing a row leaves every forecast up to it as it was."""
    rows = normal_rows(200)
    other = rows.copy()
    other[150] *= 100.0
    before, after = volatilities(rows, 0.94), volatilities(other, 0.94)
    assert np.array_equal(before[:151], after[:151])
    assert after[151, 0] > before[151, 0]


def test_a_jump_is_measured_by_the_volatility_before_it():
    """A fall of a hundred times the usual move stays one when the market is calm again."""
    rows = np.where(np.arange(300) % 2, 0.01, -0.01)[:, None]
    rows[150] = -1.0
    found = tail(rows, ONE, level=0.999, model=Model(decay=0.8))
    assert found.value_at_risk == pytest.approx(1.0, rel=0.05)


def test_volatility_agrees_with_the_recursion_written_out():
    """s2 <- d s2 + (1 - d) r^2, from the mean square of the first rows."""
    rows = normal_rows(120)
    variance = float(np.mean(rows[:SEED_ROWS] ** 2))
    for row, sigma in zip(rows[:, 0], volatilities(rows, 0.9)[:, 0], strict=False):
        assert sigma == pytest.approx(math.sqrt(variance))
        variance = 0.9 * variance + 0.1 * row * row


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1000),
    method=st.sampled_from(list(Method)),
    scale=st.floats(0.1, 1e6),
    heavy=st.floats(2.1, 30.0),
    steps=st.sampled_from([1, 4]),
)
def test_a_bound_scales_with_the_exposure_and_grows_with_the_level(
    seed, method, scale, heavy, steps
):
    """Twice as much is twice the risk; 99 % is no less than 95 %; the shortfall is no smaller."""
    rows = 0.01 * np.random.default_rng(seed).standard_t(heavy, (150, 2))
    held = np.array([1.0, -0.5])
    model = Model(method=method)

    def ask(exposures, level):
        rng = np.random.default_rng(7)
        return tail(rows, exposures, level=level, model=model, steps=steps, rng=rng)

    low, high = ask(held, 0.95), ask(held, 0.99)
    assert 0.0 <= low.value_at_risk <= high.value_at_risk <= high.shortfall
    assert low.value_at_risk <= low.shortfall <= high.shortfall * (1 + 1e-9)
    assert ask(scale * held, 0.99).value_at_risk == pytest.approx(
        scale * high.value_at_risk, rel=1e-9
    )


def test_opposite_symbols_are_a_smaller_risk_than_either():
    """What hedges is seen: two symbols that move together, held long and short."""
    rows = normal_rows(500)
    both = np.hstack([rows, rows + normal_rows(500, seed=2, sigma=0.001)])
    for method in Method:
        model = Model(method=method)
        hedged = tail(both, np.array([1.0, -1.0]), level=0.99, model=model).value_at_risk
        alone = tail(both, np.array([1.0, 0.0]), level=0.99, model=model).value_at_risk
        assert hedged < 0.35 * alone, method


def test_shrinking_is_that_of_ledoit_and_wolf_and_leaves_plenty_of_rows_alone():
    """Few rows are shrunk much, many hardly; the trace stays."""
    mixed = np.array([[1.0, 0.8], [0.0, 0.6]])
    few, many = (normal_rows(count, symbols=2) @ mixed for count in (10, 50_000))
    short, long = shrunk_covariance(few), shrunk_covariance(many)
    assert short.shrinkage > 10 * long.shrinkage
    assert np.trace(short.matrix) == pytest.approx(np.mean(few**2, axis=0).sum())
    assert shrunk_correlation(many)[0, 1] == pytest.approx(0.8, abs=0.02)
    assert np.array_equal(shrunk_correlation(many[:, :1]), np.ones((1, 1)))


def test_a_normal_shape_leaves_the_normal_quantile():
    """Without skewness and excess kurtosis the expansion is the identity."""
    z = np.linspace(-3.0, 3.0, 13)
    assert np.array_equal(expansion(z, 0.0, 0.0), z)
    assert expansion(np.array([2.0]), 0.5, 1.0)[0] == pytest.approx(
        2.0 + 3 * 0.5 / 6 + 2.0 / 24 - 6.0 * 0.25 / 36
    )


@settings(max_examples=100, deadline=None)
@given(skewness=st.floats(-3, 3), kurtosis=st.floats(0, 8))
def test_an_expansion_that_is_said_to_rise_does(skewness, kurtosis):
    """Outside of its domain the expansion turns round, and a larger level would risk less."""
    if rises(skewness, kurtosis):
        assert (np.diff(expansion(np.linspace(-8.0, 8.0, 400), skewness, kurtosis)) > -1e-9).all()


def test_a_jump_of_half_the_price_does_not_turn_the_tail_round():
    """Kurtosis of hundreds is held to where the expansion means something."""
    losses = np.append(normal_rows(500)[:, 0], 0.5)
    bounds = [cornish_fisher_tail(losses, 0.01, level)[0] for level in (0.9, 0.95, 0.99, 0.999)]
    assert bounds == sorted(bounds)
    assert cornish_fisher_tail(np.zeros(9), 0.01, 0.99) == (0.0, 0.0)


def test_a_long_horizon_goes_back_to_the_mean():
    """Four steps of a steady market are twice the risk of one; a burst does not last for ever."""
    rows = normal_rows(5000)
    model = Model(window=5000, decay=0.995)
    rng = np.random.default_rng(1)
    one = tail(rows, ONE, level=0.95, model=model)
    four = tail(rows, ONE, level=0.95, model=model, steps=4, rng=rng)
    assert four.value_at_risk == pytest.approx(2.0 * one.value_at_risk, rel=0.08)
    ahead = variances_ahead(np.array([4.0]), np.array([1.0]), 0.9, 100)
    assert ahead[0, 0] == 4.0
    assert ahead[-1, 0] == pytest.approx(1.0, abs=1e-3)
    assert PATHS >= 1000
    with pytest.raises(ValueError, match="rng"):
        tail(rows, ONE, level=0.95, steps=2)


@pytest.mark.parametrize(
    ("rows", "held", "level", "steps", "says"),
    [
        (np.zeros((99, 1)), ONE, 0.99, 1, "at least 100"),
        (np.zeros((200, 2)), ONE, 0.99, 1, "symbols"),
        (np.full((200, 1), np.nan), ONE, 0.99, 1, "finite"),
        (np.zeros((200, 1)), np.array([np.inf]), 0.99, 1, "finite"),
        (np.zeros((200, 1)), ONE, 99.0, 1, "level"),
        (np.zeros((200, 1)), ONE, 0.99, 0, "steps"),
    ],
)
def test_what_no_tail_can_be_told_from_is_refused(rows, held, level, steps, says):
    """A bound from nothing would let everything pass."""
    with pytest.raises(ValueError, match=says):
        tail(rows, held, level=level, steps=steps)


def test_a_market_that_stands_still_risks_nothing():
    """No volatility is no error."""
    for method in Method:
        found = tail(np.zeros((200, 1)), ONE, level=0.99, model=Model(method=method))
        assert (found.value_at_risk, found.shortfall) == (0.0, 0.0)


@pytest.mark.parametrize("wrong", [{"decay": 1.0}, {"age_decay": 0.0}, {"window": 99}])
def test_settings_out_of_range_are_refused(wrong):
    """A decay of 1 would never learn."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Model(**wrong)


def test_a_walk_knows_the_past_only():
    """Whatever comes later, the forecasts of before stay what they were."""
    rows = normal_rows(700)
    other = rows.copy()
    other[650:] *= 50.0
    model = Model()
    asked = {"level": 0.99, "model": model, "first": 500, "last": 700}
    before, after = walk(rows, ONE, **asked), walk(other, ONE, **asked)
    assert np.array_equal(before.bounds[:151], after.bounds[:151])
    assert not np.array_equal(before.bounds[151:], after.bounds[151:])
    assert after.coverage().exceeded > before.coverage().exceeded


def test_calibration_prefers_a_fast_decay_where_volatility_jumps():
    """Tick loss is least for the decay that follows."""
    sigma = np.where(np.arange(900) // 60 % 2, 0.02, 0.001)
    rows = normal_rows(900, sigma=1.0) * sigma[:, None]
    found = calibrate(rows, ONE, level=0.95, model=Model(window=300), first=300, last=900)
    assert found.decay == 0.90


def test_returns_of_several_symbols_end_together_and_know_no_later_price():
    """A price stands until the next is known; where none came the return is zero and is counted."""
    slow = Closes(np.array([0, 2, 3, 5]) * HOUR_NS, np.array([100.0, 110.0, 99.0, 99.0]))
    fast = Closes(np.arange(6) * HOUR_NS, np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0]))
    found = returns_of([slow, fast], HOUR_NS)
    assert found.figures[:, 0] == pytest.approx([0.0, 0.1, -0.1, 0.0, 0.0])
    assert found.figures[:, 1] == pytest.approx(np.ones(5))
    assert found.still.tolist() == [0.4, 0.0]
    assert found.ends_ns.tolist() == [hour * HOUR_NS for hour in range(1, 6)]
    with pytest.raises(ValueError, match="two whole horizons"):
        returns_of([slow], 4 * HOUR_NS)


def test_a_horizon_is_cut_only_where_there_are_too_few_of_it():
    """79 days hold 1,895 hours but only 78 days."""
    span, period = 79 * 24 * HOUR_NS, HOUR_NS // 12
    assert rows_for(span, period, HOUR_NS, 600) == (HOUR_NS, 1)
    assert rows_for(span, period, 24 * HOUR_NS, 600) == (3 * HOUR_NS, 8)
    assert rows_for(HOUR_NS, period, 2 * period, 600) == (period, 2)
    with pytest.raises(ValueError, match="multiple"):
        rows_for(span, period, period + 1, 600)
