"""What may be carried beside others on the same capital."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk.portfolio import (
    EXECUTORS_MAX,
    ROWS_MIN,
    Exposure,
    Moves,
    PortfolioLimits,
    joint_value,
    moves_of,
    room,
)
from risk.var_covariance import shrunk_correlation

OFF = {"portfolio": 1.0, "value": 0.0}


def moving(rho, sigma=1e-4):
    """Return how two symbols move that have one volatility and this correlation."""
    matrix = np.array([[1.0, rho], [rho, 1.0]])
    return Moves(matrix, matrix * sigma * sigma)


def holding(long=0.0, short=0.0, limit=100.0, capital=10_000.0):
    """Return an exposure out of few figures."""
    return Exposure(long, short, limit, capital)


@st.composite
def houses(draw, least=2, most=4):
    """Draw executors, how their symbols move, and limits."""
    count = draw(st.integers(least, most))
    part = st.floats(0.0, 1.0)
    exposures = []
    for _ in range(count):
        limit = draw(st.floats(1.0, 1e4))
        exposures.append(Exposure(draw(part) * limit, draw(part) * limit, limit, 100.0 * limit))
    loads = np.array([[draw(st.floats(-1.0, 1.0)) for _ in range(2)] for _ in range(count)])
    matrix = loads @ loads.T + np.diag([draw(st.floats(0.01, 1.0)) for _ in range(count)])
    sizes = np.sqrt(np.diag(matrix))
    known = draw(st.booleans())
    correlation = matrix / np.outer(sizes, sizes) if known else np.ones((count, count))
    sigmas = np.array([draw(st.floats(1e-6, 1e-2)) for _ in range(count)])
    covariance = correlation * np.outer(sigmas, sigmas) if known else None
    limits = PortfolioLimits(
        threshold=draw(st.floats(0.05, 1.0)),
        pair=draw(st.floats(0.1, 1.0)),
        portfolio=draw(st.floats(0.1, 1.0)),
        value=draw(st.sampled_from([0.0, 1e-4, 0.01, 0.5])),
    )
    return exposures, Moves(correlation, covariance), limits


def seen_from(place, exposures, moves):
    """Return a house as one of its executors sees it."""
    order = [place, *(each for each in range(len(exposures)) if each != place)]
    grid = np.ix_(order, order)
    covariance = None if moves.covariance is None else moves.covariance[grid]
    others = [exposures[each] for each in order[1:]]
    return exposures[place], others, Moves(moves.correlation[grid], covariance)


def test_alone_nothing_is_capped():
    """One symbol cannot be correlated with another."""
    found = room(holding(), [], Moves(np.ones((1, 1)), None), PortfolioLimits())
    assert found.either == math.inf
    assert found.binding == "none"


def test_a_correlated_pair_counts_together_one_way_and_not_the_other():
    """Reckoned by hand: 0.75 x 200 less the other's 90 leaves 60, half of which may be taken."""
    limits = PortfolioLimits(pair=0.75, **OFF)
    found = room(holding(), [holding(long=90.0)], moving(0.9), limits)
    assert found.long == pytest.approx(30.0)
    assert found.short == pytest.approx(75.0)
    assert (found.either, found.binding) == (found.long, "pair")
    opposed = room(holding(), [holding(long=90.0)], moving(-0.9), limits)
    assert (opposed.long, opposed.short) == (found.short, found.long)


def test_a_pair_below_the_threshold_does_not_count_together():
    """Diversification is left to the limit of the portfolio."""
    limits = PortfolioLimits(threshold=0.7, **OFF)
    assert room(holding(), [holding(long=100.0)], moving(0.69), limits).either == math.inf


def test_the_portfolio_counts_by_correlation():
    """At 0 exposures add like legs of a triangle, at 1 like lengths; half of the way may be gone.

    By hand: bound 0.75 x 200 = 150, the other at 90: sqrt(150^2 - 90^2) = 120, and 150 - 90 = 60.
    """
    limits = PortfolioLimits(pair=1.0, value=0.0)
    other = [holding(long=90.0)]
    assert room(holding(), other, moving(0.0), limits).long == pytest.approx(60.0)
    found = room(holding(), other, moving(1.0), limits)
    assert (found.long, found.binding) == (pytest.approx(30.0), "portfolio")


def test_the_value_at_risk_of_all_stays_within_its_limit():
    """By hand: 1 % of 20,000 over 2.326 x 60 x 1e-3 lets 1433 of exposure, half is ours."""
    limits = PortfolioLimits(pair=1.0, portfolio=1.0, value=0.01)
    found = room(holding(), [holding()], moving(0.5, sigma=1e-3), limits)
    assert found.either == pytest.approx(0.5 * 200.0 / (2.3263478740408408 * 60.0 * 1e-3))
    assert found.binding == "value"


def test_what_is_not_known_counts_as_moving_together_either_way():
    """Too few prices: a hedge is not believed."""
    prices = np.ones((ROWS_MIN, 2))
    moves = moves_of(prices, 30.0)
    found = room(holding(), [holding(long=90.0)], moves, PortfolioLimits(**OFF))
    assert found.long == found.short == pytest.approx(30.0)


def test_two_series_of_one_source_are_found_correlated_and_two_sources_are_not():
    """The shrunk correlation is of the returns; the covariance is of one second."""
    rng = np.random.default_rng(5)
    common, apart = rng.normal(0.0, 1e-3, 400), rng.normal(0.0, 1e-3, (400, 3))
    steps = np.column_stack([common, common + 0.2 * apart[:, 0], apart[:, 1]])
    moves = moves_of(np.exp(np.cumsum(steps, axis=0)), 30.0)
    assert moves.correlation[0, 1] > 0.9
    assert abs(moves.correlation[0, 2]) < 0.2
    assert moves.covariance is not None
    assert moves.covariance[0, 0] == pytest.approx(1e-6 / 30.0, rel=0.2)


def test_value_and_shortfall_are_those_of_the_normal_distribution():
    """2.326 and 2.665 sigmas of what both together risk."""
    value, shortfall = joint_value(np.array([100.0, 100.0]), moving(1.0, sigma=1e-3), 3_600.0)
    assert value == pytest.approx(2.3263478740408408 * 200.0 * 60.0 * 1e-3)
    assert shortfall == pytest.approx(2.665214220345808 * 12.0)
    with pytest.raises(ValueError, match="common prices"):
        joint_value(np.zeros(2), Moves(np.ones((2, 2)), None), 1.0)


def test_one_market_under_two_names_is_known_to_be_one_in_spite_of_fat_tails():
    """A shrunk correlation of these rows is far below 1, and the pair would not count together."""
    steps = np.random.default_rng(3).standard_t(2.5, size=(60, 1)) * 1e-3
    prices = np.exp(np.cumsum(np.hstack([steps, steps]), axis=0))
    assert moves_of(prices, 30.0).correlation[0, 1] == pytest.approx(1.0)
    assert shrunk_correlation(np.diff(np.log(prices), axis=0))[0, 1] < 0.9


def test_a_price_that_never_moved_is_correlated_with_none():
    """It risks nothing, and is no hedge either."""
    prices = np.column_stack([np.ones(60), np.exp(np.linspace(0.0, 0.1, 60))])
    moves = moves_of(prices, 30.0)
    assert moves.correlation[0, 1] == 0.0
    assert room(holding(), [holding(long=90.0)], moves, PortfolioLimits()).long > 0.0


@settings(max_examples=150, deadline=None)
@given(houses())
def test_a_cap_is_never_negative_and_no_matter_of_order(house):
    """Whoever is named first among the others changes nothing."""
    own, others, moves = seen_from(0, *house[:2])
    found = room(own, others, moves, house[2])
    assert found.long >= 0.0
    assert found.short >= 0.0
    back = [0, *range(len(others), 0, -1)]
    grid = np.ix_(back, back)
    covariance = None if moves.covariance is None else moves.covariance[grid]
    turned = room(own, others[::-1], Moves(moves.correlation[grid], covariance), house[2])
    assert turned.long == pytest.approx(found.long, rel=1e-9, abs=1e-6)
    assert turned.short == pytest.approx(found.short, rel=1e-9, abs=1e-6)


@settings(max_examples=150, deadline=None)
@given(houses(), st.data())
def test_more_held_by_another_or_its_silence_never_loosens_the_cap(house, data):
    """Monotone in every figure of the others; silence is the most of it."""
    own, others, moves = seen_from(0, *house[:2])
    fresh = room(own, others, moves, house[2])
    place = data.draw(st.integers(0, len(others) - 1))
    held = others[place]
    grow = st.floats(0.0, 1.0)
    more = Exposure(
        held.long + data.draw(grow) * (held.limit - held.long),
        held.short + data.draw(grow) * (held.limit - held.short),
        held.limit,
        held.capital,
    )
    for worse in (more, held.used_up()):
        found = room(own, [*others[:place], worse, *others[place + 1 :]], moves, house[2])
        assert found.long <= fresh.long * (1 + 1e-9) + 1e-6
        assert found.short <= fresh.short * (1 + 1e-9) + 1e-6


@settings(max_examples=150, deadline=None)
@given(houses())
def test_all_at_their_caps_at_once_break_no_limit(house):
    """Each acts on what all said at one time, none knows what the others then do."""
    exposures, moves, limits = house
    count = len(exposures)
    reach = []
    for place in range(count):
        found = room(*seen_from(place, exposures, moves), limits)
        used = exposures[place]
        if found.long < used.long or found.short < used.short:
            return  # a limit was broken before: then nobody may add
        reach.append((-found.short, found.long))
    for corner in itertools.product(*reach):
        e = np.where(np.isfinite(corner), corner, 0.0)
        bound = limits.portfolio * sum(each.limit for each in exposures)
        if limits.portfolio < 1.0:
            assert math.sqrt(e @ moves.correlation @ e) <= bound * (1 + 1e-6)
        if limits.value and moves.covariance is not None:
            value, _ = joint_value(e, moves, limits.value_s)
            assert value <= limits.value * sum(each.capital for each in exposures) * (1 + 1e-6)
        for one, two in itertools.combinations(range(count), 2):
            if limits.pair < 1.0 and moves.correlation[one, two] >= limits.threshold:
                both = limits.pair * (exposures[one].limit + exposures[two].limit)
                assert abs(e[one] + e[two]) <= both * (1 + 1e-6) or e[one] * e[two] < 0.0


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: PortfolioLimits(pair=0.0),
        lambda: PortfolioLimits(value=math.nan),
        lambda: PortfolioLimits(age_ns=0),
        lambda: holding(long=math.nan),
        lambda: holding(limit=-1.0),
        lambda: room(holding(), [holding()] * EXECUTORS_MAX, moving(0.0), PortfolioLimits()),
        lambda: room(holding(), [], moving(0.0), PortfolioLimits()),
        lambda: moves_of(np.array([[1.0, math.nan]]), 1.0),
    ],
)
def test_what_is_no_figure_is_refused(wrong):
    """A NaN would let everything pass."""
    with pytest.raises(ValueError, match=r"must be|at most|need"):
        wrong()
