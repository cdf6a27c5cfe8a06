"""Grid plans and smooth curves: each kernel against what it must equal."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from market.stylised import QuoteTable, StylisedMarket, evaluate, solve
from market.stylised_counts import (
    ASK_FILLED,
    BID_FILLED,
    BOTH,
    CLEAR_COUNT,
    CLEAR_SUM,
    NEITHER,
    UNCLEAR,
    count_step,
)
from market.stylised_plan import find_line, plan_backward, write_envelope
from market.stylised_smooth import BAND, factor_banded, inverse_diagonal, solve_banded
from market.stylised_step import fill_chance


def envelope(depths, chances):
    corners, best, chance = (np.zeros(len(depths)) for _ in range(3))
    count = write_envelope(depths, chances, corners, best, chance)
    return corners, best, chance, count


@settings(max_examples=80, deadline=None)
@given(seed=some.integers(0, 10_000), size=some.integers(1, 40), c=some.floats(-5.0, 5.0))
def test_the_envelope_finds_the_best_node(seed, size, c):
    """Bisection on the envelope equals a look at every node, ties and flats included."""
    rng = np.random.default_rng(seed)
    depths = np.sort(rng.uniform(-1.0, 3.0, size))
    chances = np.sort(rng.choice(np.linspace(0.0, 1.0, 12), size))[::-1].copy()
    corners, best, chance, count = envelope(depths, chances)
    line = find_line(c, corners, count)
    assert chance[line] * (best[line] + c) == pytest.approx(np.max(chances * (depths + c)))


def test_a_plan_on_the_true_curve_is_the_solution():
    """A grid of 4,001 depths loses less than a millionth of the optimum."""
    market = StylisedMarket(
        steps=60, dt=0.1, intensity=8.0, decay=1.5, sigma=1.0, phi=0.1, alpha=0.2, q_max=4,
        fee=0.1, depth_low=-0.5, depth_high=4.0, drift=(-0.5, 0.0, 0.5),
        transition=((0.9, 0.1, 0.0), (0.05, 0.9, 0.05), (0.0, 0.1, 0.9)),
    )  # fmt: skip
    grid = np.linspace(-0.5, 4.0, 4001)
    curve = np.array([fill_chance(each, market.numbers(), *market.curve()) for each in grid])
    sides = [np.stack([each, each]) for each in envelope(grid, curve)[:3]]
    count = envelope(grid, curve)[3]
    table = QuoteTable(np.empty((60, 9, 3)), np.empty((60, 9, 3)))
    plan_backward(
        0.1, 0.01, 0.2, (count, count), *sides, market.drift * 0.1, market.transition,
        *table, np.zeros((9, 3)), np.empty((9, 3)),
    )  # fmt: skip
    _, value = solve(market)
    assert evaluate(market, table) == pytest.approx(value, rel=1e-6)


def test_banded_algebra_equals_the_dense_one():
    """Factor, solve and diagonal of the inverse, against numpy."""
    rng = np.random.default_rng(3)
    for n in (1, 2, 3, 5, 30):
        dense = np.diag(rng.uniform(5.0, 9.0, n))
        for k in range(1, min(BAND, n - 1) + 1):
            beside = rng.uniform(-1.0, 1.0, n - k)
            dense += np.diag(beside, k) + np.diag(beside, -k)
        bands = np.zeros((BAND + 1, n))
        for k in range(min(BAND, n - 1) + 1):
            bands[k, : n - k] = np.diag(dense, -k)
        right = rng.normal(size=n)
        found, inverse = right.copy(), np.zeros((BAND + 1, n))
        factor_banded(bands)
        solve_banded(bands, found)
        inverse_diagonal(bands, inverse)
        assert found == pytest.approx(np.linalg.solve(dense, right))
        assert inverse[0] == pytest.approx(np.diag(np.linalg.inv(dense)))


@pytest.mark.parametrize("noise", [0.0, 0.01, 1.0])
def test_counts_say_what_the_hidden_fills_were(noise):
    """Positions and rewards alone: with little noise no outcome is wrong or unclear."""
    rng, size, q_max, fee = np.random.default_rng(6), 4_000, 2, 0.1
    nodes = np.linspace(0.2, 2.0, 7)
    q, regime = rng.integers(-2, 3, size), rng.integers(0, 2, size)
    i, j = rng.integers(0, 7, (2, size))
    bought = (rng.random(size) < 0.4) & (q < q_max)
    sold = (rng.random(size) < 0.4) & (q > -q_max)
    after = q + bought - sold
    edges = bought * (nodes[i] - fee) + sold * (nodes[j] - fee)
    reward = edges + after * noise * rng.standard_normal(size)
    pairs = np.zeros((7, 7, 5), dtype=np.int64)
    alone = [np.zeros((7, 2), dtype=np.int64) for _ in range(2)]
    moments, moves = np.zeros((5, 2, 5)), np.zeros((2, 2), dtype=np.int64)
    unknown = np.full(7, -1.0)
    count_step(
        q, regime, after, regime[::-1].copy(), reward, i, j, nodes, fee, noise,
        unknown, unknown, pairs, *alone, moments, moves,
    )  # fmt: skip
    open_both = np.abs(q) < q_max
    outcome = np.where(
        bought, np.where(sold, BOTH, BID_FILLED), np.where(sold, ASK_FILLED, NEITHER)
    )
    hidden = (after == q) & (12.0 * noise * np.abs(after) >= nodes[i] + nodes[j] - 2 * fee)
    told = np.where(hidden, UNCLEAR, outcome)[open_both]
    expected = np.zeros_like(pairs)
    np.add.at(expected, (i[open_both], j[open_both], told), 1)
    assert np.array_equal(pairs, expected)
    assert (told == UNCLEAR).any() == (noise == 1.0)
    assert alone[0].sum(axis=0).tolist() == [(q == -2).sum(), (bought & (q == -2)).sum()]
    assert alone[1].sum(axis=0).tolist() == [(q == 2).sum(), (sold & (q == 2)).sum()]
    assert moves.sum() == size
    clear = ~(hidden & open_both)
    assert moments[CLEAR_COUNT].sum() == clear.sum()
    assert moments[CLEAR_SUM].sum() == pytest.approx((reward - edges)[clear].sum())
