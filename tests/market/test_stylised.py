"""The stylised market: one step, exact solver and exact evaluator against slow twins."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy.special import ndtri

from market.stylised import QuoteTable, StylisedMarket, evaluate, solve
from market.stylised_solve import best_depth
from market.stylised_step import fill_chance, normal

CHAIN = ((0.9, 0.1), (0.2, 0.8))
FIGURES = {
    "steps": 40,
    "dt": 0.1,
    "intensity": 6.0,
    "decay": 1.5,
    "sigma": 0.8,
    "phi": 0.2,
    "alpha": 0.1,
    "q_max": 3,
    "fee": 0.05,
    "depth_low": -0.2,
    "depth_high": 3.0,
    "drift": (-0.4, 0.5),
    "transition": CHAIN,
}
POINTS = np.array([0.0, 0.3, 0.7, 1.5, 2.5])
TABLE = (POINTS, 9.0 / (1.0 + 2.0 * POINTS) ** 1.5)
LAWS = [
    {"fill_law": law, "rate_table": table}
    for law, table in itertools.product(("poisson", "linear"), (None, TABLE))
]
NAMES = ("poisson", "poisson table", "linear", "linear table")
WORD = 2**64


def market(**figures):
    return StylisedMarket(**(FIGURES | figures))


def random_table(market, seed=0):
    rng = np.random.default_rng(seed)
    shape = (market.steps, 2 * market.q_max + 1, market.regimes)
    low, high = market.depth_low, market.depth_high
    return QuoteTable(rng.uniform(low, high, shape), rng.uniform(low, high, shape))


def play(environment, table, seed):
    seen = environment.reset(seed)
    total = np.zeros(environment.copies)
    done = False
    while not done:
        at = (seen.t, seen.q + environment.q_max, seen.regime)
        seen, reward, done = environment.step(table.bid[at], table.ask[at])
        total += reward
    return total


# --- slow twins ------------------------------------------------------------------------------
def mixed(x):
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) % WORD
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) % WORD
    return x ^ (x >> 31)


def uniforms(seed, copy, t):
    golden = 0x9E3779B97F4A7C15
    key = mixed((mixed((seed * golden + golden) % WORD) + copy * golden) % WORD)
    words = [mixed((key + (2 * t + lane) * golden) % WORD) for lane in (1, 2)]
    return [(part + 0.5) / 2**32 for word in words for part in (word >> 32, word % 2**32)]


def chance(market, depth):
    if market.rate_table is None:
        rate = market.intensity * math.exp(-market.decay * depth)
    else:
        rate = np.interp(depth, *market.rate_table)
    rate *= market.dt
    return min(1.0, rate) if market.fill_law == "linear" else 1.0 - math.exp(-rate)


def slow_step(market, q, regime, t, bid, ask, draws):
    """The five sentences of the model, one copy."""
    bid, ask = (min(market.depth_high, max(market.depth_low, each)) for each in (bid, ask))
    bought = q < market.q_max and draws[0] < chance(market, bid)
    sold = q > -market.q_max and draws[1] < chance(market, ask)
    q += int(bought) - int(sold)
    reward = bought * (bid - market.fee) + sold * (ask - market.fee)
    noise = market.sigma * math.sqrt(market.dt) * ndtri(draws[2])
    reward += q * (market.drift[regime] * market.dt + noise)
    reward -= market.phi * q * q * market.dt
    reward -= market.alpha * q * q * (t == market.steps - 1)
    following = int(np.searchsorted(np.cumsum(market.transition[regime]), draws[3], side="right"))
    return q, min(following, market.regimes - 1), reward


def tree_worth(market, q, regime, bid, ask, later):
    """Expected reward of one step from (q, regime), all outcomes listed; `later[q, regime]`."""
    p = chance(market, bid) if q < market.q_max else 0.0
    r = chance(market, ask) if q > -market.q_max else 0.0
    total = 0.0
    for bought, sold in itertools.product((0, 1), (0, 1)):
        weight = (p if bought else 1 - p) * (r if sold else 1 - r)
        held = q + bought - sold
        if weight > 0.0:
            edge = bought * (bid - market.fee) + sold * (ask - market.fee)
            move = market.drift[regime] * market.dt * held - market.phi * held**2 * market.dt
            after = sum(market.transition[regime, to] * later(held, to) for to in (0, 1))
            total += weight * (edge + move + after)
    return total


# --- tests -----------------------------------------------------------------------------------
@pytest.mark.parametrize("law", LAWS, ids=NAMES)
def test_a_step_does_what_the_five_sentences_say(law):
    """Copy by copy, step by step, the kernel equals the slow twin."""
    here = market(**law)
    environment = here.environment(6)
    rng = np.random.default_rng(1)
    seen = environment.reset(77)
    state = [(0, 1)] * 6
    for t in range(here.steps):
        quotes = rng.uniform(-1.0, 4.0, (2, 6))
        seen, reward, done = environment.step(*quotes)
        for copy in range(6):
            draws = uniforms(77, copy, t)
            *now, worth = slow_step(here, *state[copy], t, *quotes[:, copy], draws)
            state[copy] = tuple(now)
            assert (seen.q[copy], seen.regime[copy]) == state[copy]
            assert reward[copy] == pytest.approx(worth, abs=1e-12)
        assert done == (t == here.steps - 1)
    with pytest.raises(ValueError, match="episode has ended"):
        environment.step(*quotes)


def test_the_normal_quantile_is_exact():
    """AS 241 against scipy, tails included."""
    for u in (2**-33, 1e-12, 0.01, 0.074, 0.076, 0.3, 0.5, 0.93, 1 - 2**-33):
        assert normal(u) == pytest.approx(ndtri(u), rel=1e-13, abs=1e-15)


def test_chance_depends_on_seed_copy_and_step_alone():
    """Common random numbers: another quote, another number of copies, the same regimes."""
    paths = []
    for copies, depth in ((3, 0.0), (8, 2.0)):
        environment = market().environment(copies)
        seen = environment.reset(5)
        regimes = [seen.regime[:3]]
        for _ in range(20):
            seen, _, _ = environment.step(np.full(copies, depth), np.full(copies, depth))
            regimes.append(seen.regime[:3])
        paths.append(np.array(regimes))
    assert np.array_equal(*paths)
    assert len(np.unique(paths[0])) == 2


@pytest.mark.parametrize("law", LAWS, ids=NAMES)
def test_the_evaluator_equals_monte_carlo(law):
    """Within 3 standard errors of 60,000 episodes of a random table."""
    here = market(**law)
    table = random_table(here)
    total = play(here.environment(60_000), table, 3)
    error = total.std() / math.sqrt(len(total))
    assert evaluate(here, table) == pytest.approx(total.mean(), abs=3 * error)


@pytest.mark.parametrize("law", LAWS, ids=NAMES)
def test_the_solver_equals_brute_force_on_a_tiny_case(law):
    """Two steps, every outcome listed, every pair of 61 depths tried in every state."""
    here = market(**law, steps=2, q_max=1, intensity=12.0, phi=2.0)
    grid = np.linspace(here.depth_low, here.depth_high, 61)
    last = {}

    def best(q, regime, later):
        return max(
            tree_worth(here, q, regime, bid, ask, later)
            for bid in (grid if q < 1 else grid[:1])
            for ask in (grid if q > -1 else grid[:1])
        )

    for q, regime in itertools.product((-1, 0, 1), (0, 1)):
        last[q, regime] = best(q, regime, lambda held, _: -here.alpha * held**2)
    # The terminal penalty falls due on what is held after the last fills.
    brute = best(0, 1, lambda held, to: last[held, to])
    table, value = solve(here)
    assert brute <= value + 1e-12
    assert value - brute < 1e-3
    assert evaluate(here, table) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("law", LAWS, ids=NAMES)
def test_no_other_table_is_better_than_the_solution(law):
    """Random pushes of the optimal table, of three sizes, never gain."""
    here = market(**law)
    table, value = solve(here)
    assert evaluate(here, table) == pytest.approx(value, abs=1e-12)
    rng = np.random.default_rng(2)
    for size in (1e-3, 0.05, 1.0):
        pushed = [each + rng.normal(0.0, size, each.shape) for each in table]
        assert evaluate(here, QuoteTable(*pushed)) < value


@settings(max_examples=60, deadline=None)
@given(
    c=some.floats(-4.0, 4.0),
    law=some.sampled_from(["poisson", "linear"]),
    steep=some.floats(0.2, 3.0),
    rate=some.floats(0.05, 30.0),
    tabled=some.booleans(),
)
def test_the_best_depth_beats_a_fine_grid(c, law, steep, rate, tabled):
    """Of p(d) (d + c): the solver's depth against 801 others."""
    table = (POINTS, rate / (1.0 + POINTS) ** steep) if tabled else None
    here = market(intensity=rate, decay=steep, fill_law=law, rate_table=table)
    numbers, curve = here.numbers(), here.curve()

    def worth(depth):
        return fill_chance(depth, numbers, *curve) * (depth + c)

    found = best_depth(c, numbers, *curve)
    assert here.depth_low <= found <= here.depth_high
    grid = np.linspace(here.depth_low, here.depth_high, 801)
    assert worth(found) >= max(map(worth, grid)) - 1e-12


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"steps": 0}, "steps must be a whole number >= 1, found 0"),
        ({"sigma": math.nan}, "sigma must be >= 0, found nan"),
        ({"fill_law": "cubic"}, "fill_law must be one of"),
        ({"depth_low": 3.0}, "depth_low must be < depth_high"),
        ({"drift": (0.0,)}, "found shapes"),
        ({"transition": ((0.9, 0.2), (0.5, 0.5))}, "sum to 1"),
        ({"rate_table": ([0.0, 1.0], [1.0, 2.0])}, "do not rise"),
    ],
)
def test_a_wrong_figure_is_named(wrong, told):
    """What, allowed, found."""
    with pytest.raises(ValueError, match=told):
        market(**wrong)


def test_quotes_of_a_wrong_shape_are_refused():
    """One depth a copy; a table of the market's own shape."""
    environment = market().environment(2)
    environment.reset(1)
    with pytest.raises(ValueError, match=r"bid must have shape \(2,\), found \(3,\)"):
        environment.step(np.zeros(3), np.zeros(2))
    with pytest.raises(ValueError, match=r"must have shape \(40, 7, 2\)"):
        evaluate(market(), (np.zeros((40, 7, 1)), np.zeros((40, 7, 1))))
