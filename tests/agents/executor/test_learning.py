"""The learner: near the exact optimum, within its budget, the same bytes for the same seed."""

import numpy as np
import pytest

from agents.executor.learning import choose, learn, study
from agents.executor.learning_calibration import fit_moments
from agents.executor.learning_environment import Purse
from agents.executor.learning_residual import features, shifted
from agents.executor.learning_round import Round, Sums, share_out
from market.stylised import QuoteTable, StylisedMarket, evaluate, solve
from market.stylised_counts import ASK_FILLED, BID_FILLED, MOMENTS, OUTCOMES, UNCLEAR

FIGURES = {
    "steps": 50,
    "dt": 1.0,
    "intensity": 0.7,
    "decay": 1.5,
    "sigma": 0.2,
    "phi": 0.01,
    "alpha": 0.1,
    "q_max": 4,
    "fee": 0.1,
    "depth_low": -0.5,
    "depth_high": 5.0,
    "drift": (-0.08, 0.0, 0.08),
    "transition": ((0.9, 0.1, 0.0), (0.05, 0.9, 0.05), (0.0, 0.1, 0.9)),
}
COPIES = 512
BUDGET = 3_000_000
NOISE = {"sigma": 2.0, "drift": (0.0,), "transition": ((1.0,),), "fill_law": "linear"}
FAT_TAILS = {"rate_table": (np.linspace(0, 5, 30), 0.8 / (1 + np.linspace(0, 5, 30)) ** 2)}


def market(**figures):
    return StylisedMarket(**(FIGURES | figures))


class Proxy:
    """Copies, reset, step and the static shape; positions and regimes as one of three forms."""

    SHAPE = ("copies", "steps", "q_max", "regimes", "depth_low", "depth_high")
    __slots__ = (*SHAPE, "_form", "_inner", "taken")

    def __init__(self, market, copies=COPIES, form="name"):
        self._inner, self._form, self.taken = market.environment(copies), form, 0
        for name in self.SHAPE:
            setattr(self, name, getattr(self._inner, name))

    def reset(self, seed):
        """Begin anew."""
        return self._told(self._inner.reset(seed))

    def step(self, bid, ask):
        """Quote, and be billed."""
        self.taken += self.copies
        seen, reward, done = self._inner.step(bid, ask)
        return self._told(seen), reward, done

    def _told(self, seen):
        if self._form == "key":
            return seen._asdict()
        return seen if self._form == "name" else (seen.t, seen.q.astype(np.int32), seen.regime)


def same(one, other):
    return one.bid.tobytes() == other.bid.tobytes() and one.ask.tobytes() == other.ask.tobytes()


@pytest.mark.parametrize(
    "figures",
    [
        pytest.param({}, id="regimes"),
        pytest.param(NOISE, id="noise, linear", marks=pytest.mark.slow),
        pytest.param(FAT_TAILS, id="fat tails", marks=pytest.mark.slow),
    ],
)
def test_three_million_steps_reach_the_optimum(figures):
    """Ninety-nine hundredths of the exact value, never below the closed form, all paid for."""
    here = market(**figures)
    proxy = Proxy(here)
    found = study(proxy, budget_steps=BUDGET, seed=1)
    _, best = solve(here)
    value = evaluate(here, found.table)
    assert value > 0.99 * best
    assert value >= evaluate(here, found.start) - 0.005 * best
    assert found.table.bid.shape == (50, 9, len(here.drift))
    assert proxy.taken == found.steps_spent <= BUDGET


def test_the_same_seed_gives_the_same_bytes_in_every_form():
    """Observations by name, by key or in order make no difference; another seed does."""
    tables = [
        learn(Proxy(market(), form=form), budget_steps=600_000, seed=seed)
        for form, seed in (("name", 3), ("key", 3), ("order", 3), ("name", 4))
    ]
    assert same(tables[0], tables[1])
    assert same(tables[0], tables[2])
    assert not same(tables[0], tables[3])


@pytest.mark.parametrize("budget", [2 * COPIES, 9 * COPIES, 60 * COPIES, 130 * COPIES])
def test_a_small_budget_is_kept_and_gives_legal_quotes(budget):
    """Two steps or less than three episodes: a poorer table, no more steps than were granted."""
    proxy = Proxy(market())
    table = learn(proxy, budget_steps=budget, seed=0)
    assert proxy.taken <= budget
    for quotes in table:
        assert np.all((quotes >= -0.5) & (quotes <= 5.0))
    with pytest.raises(ValueError, match="budget_steps must be at least two steps of 512"):
        learn(proxy, budget_steps=COPIES, seed=0)


def test_moments_give_back_drift_and_penalties():
    """Rewards without fills, made by the model itself, in two regimes."""
    rng = np.random.default_rng(2)
    moments = np.zeros((2, MOMENTS, 2, 7))
    for last, regime, state in np.ndindex(2, 2, 7):
        q = state - 3
        count = 200_000
        rewards = q * ((-0.02, 0.05)[regime] + 0.3 * rng.standard_normal(count))
        rewards -= (0.01 + 0.2 * last) * q * q
        moments[last, :3, regime, state] = count, rewards.sum(), (rewards**2).sum()
    drift, phi, alpha, noise = fit_moments(moments)
    assert drift == pytest.approx([-0.02, 0.05], abs=1e-3)
    assert (phi, alpha, noise) == pytest.approx((0.01, 0.2, 0.3), abs=1e-3)


def test_a_drift_within_its_error_is_none_and_penalties_are_never_negative():
    """What a handful of noisy steps says is not believed."""
    moments = np.zeros((2, MOMENTS, 1, 3))
    moments[0, :3, 0, 0] = 100, 3.0, 100.0
    moments[0, :3, 0, 2] = 100, 1.0, 100.0
    drift, phi, alpha, _ = fit_moments(moments)
    assert (drift.tolist(), phi, alpha) == ([0.0], 0.0, 0.0)


@pytest.mark.parametrize("laden", [0.0, 0.25])
def test_laden_copies_take_on_all_they_may_and_the_others_do_not_notice(laden):
    """Long and short in turn, near the limit at half time; nothing else about a round differs."""
    noticed = []

    class Watched(Proxy):
        __slots__ = ()

        def step(self, bid, ask):
            noticed.append((bid.copy(), ask.copy()))
            return super().step(bid, ask)

    purse = Purse(Watched(market()), calls=100, seed=1)
    nodes = np.linspace(purse.low, purse.high, 33)
    table = QuoteTable(*(np.full((50, 9, 3), 1.0) for _ in range(2)))
    now = Round(purse, np.arange(33), nodes, table=table, reach=3, anywhere=0.1, laden=laden)
    sums = Sums(purse)
    unknown = np.full(33, -1.0)
    now.run(50, sums, fee=0.1, noise=np.inf, chances=(unknown, unknown))
    count = round(laden * COPIES)
    for t, (bid, ask) in enumerate(noticed):
        if t < 25:
            assert (bid[:count:2] == nodes[0]).all()
            assert (ask[:count:2] == nodes[-1]).all()
            assert (ask[1:count:2] == nodes[0]).all()
            assert (bid[1:count:2] == nodes[-1]).all()
        within = np.abs(bid[count:] - 1.0) <= 4 * (nodes[1] - nodes[0])
        assert 0.85 < within.mean() < 1.0
    states = sums.moments[0, 0].sum(axis=0) + sums.moments[0, 3].sum(axis=0)
    squares = (states * np.arange(-4, 5) ** 2).sum() / states.sum()
    assert (squares > 8.0) == (laden > 0.0)


def test_unclear_steps_are_shared_out_by_their_likelihood():
    """No fill or two cannot be told apart: one-sided fills say how likely each was."""
    p, r, trials = np.array([0.6, 0.3]), np.array([0.5, 0.1]), 1_000_000
    pairs = np.zeros((2, 2, OUTCOMES), dtype=np.int64)
    pairs[:, :, BID_FILLED] = np.rint(trials * np.outer(p, 1 - r))
    pairs[:, :, ASK_FILLED] = np.rint(trials * np.outer(1 - p, r))
    pairs[:, :, UNCLEAR] = trials - pairs.sum(axis=2)
    counts = share_out(pairs, np.full(2, 0.2), np.full(2, 0.2), 400)
    assert counts[0, 1] / counts[0, 0] == pytest.approx(p, abs=1e-3)
    assert counts[1, 1] / counts[1, 0] == pytest.approx(r, abs=1e-3)


def test_both_sides_share_the_coefficients():
    """What the residual adds to the ask is what it adds to the bid, position and regime turned."""
    rows = features(6, 2, 3)
    plan = QuoteTable(np.full((6, 5, 3), 1.0), np.full((6, 5, 3), 1.0))
    table = shifted(plan, np.linspace(-0.1, 0.1, len(rows)), rows, 0.0, 2.0)
    assert np.array_equal(table.ask, table.bid[:, ::-1, ::-1])
    assert same(shifted(plan, np.zeros(len(rows)), rows, 0.0, 2.0), plan)


class Slipping(Proxy):
    """A market that no plan expresses: quotes stand off by a depth that depends on the regime."""

    __slots__ = ("_lean",)

    def reset(self, seed):
        """Begin anew."""
        seen = super().reset(seed)
        self._lean = 0.4 * (seen.regime - 1)
        return seen

    def step(self, bid, ask):
        """Quote, off by what the regime has it."""
        seen, reward, done = super().step(bid + self._lean, ask - self._lean)
        self._lean = 0.4 * (seen.regime - 1)
        return seen, reward, done


def test_the_residual_repairs_what_the_plan_cannot_know():
    """On such a market it is chosen, and on fresh seeds better than the plan beyond error."""
    found = study(Slipping(market()), budget_steps=4 * BUDGET, seed=2)
    assert found.chosen == "residual"
    purse = Purse(Slipping(market(), copies=8192), calls=100, seed=99)
    gains = purse.play(found.table, 5) - purse.play(found.plan, 5)
    assert gains.mean() > 3 * gains.std() / np.sqrt(len(gains))


QUIET = {"steps": 20, "drift": (0.0,), "transition": ((1.0,),)}
SHORT = QUIET | {"steps": 6, "sigma": 2.0}
HARD = QUIET | {"sigma": 1.0, "phi": 0.1, "alpha": 1.0}
NOISY = QUIET | {"sigma": 3.0}


@pytest.mark.parametrize(
    ("figures", "residual", "seed", "budget"),
    [
        pytest.param(SHORT, "evolution", 2, 300_000, id="short, evolution"),
        pytest.param(SHORT, "ppo", 0, 300_000, id="short, ppo"),
        pytest.param(HARD, "ppo", 1, 300_000, id="penalty, ppo"),
        pytest.param(HARD, "evolution", 1, 300_000, id="penalty", marks=pytest.mark.slow),
        pytest.param(NOISY, "evolution", 0, BUDGET, id="noise", marks=pytest.mark.slow),
        pytest.param(NOISY, "ppo", 1, BUDGET, id="noise, ppo", marks=pytest.mark.slow),
        pytest.param({}, "ppo", 0, BUDGET, id="regimes, ppo", marks=pytest.mark.slow),
    ],
)
def test_a_residual_never_leaves_it_worse_than_its_start(figures, residual, seed, budget):
    """By exact value, where most of these residuals, kept untested, would: noise misled them."""
    here, copies = market(**figures), 256 if budget < BUDGET else COPIES
    found = study(here.environment(copies), budget_steps=budget, seed=seed, residual=residual)
    assert found.generations
    _, best = solve(here)
    assert evaluate(here, found.table) >= evaluate(here, found.start) - 0.005 * best


def test_the_held_out_test_keeps_the_first_unless_another_is_better():
    """A worse table never wins; a much better one does."""
    here = market()
    best, _ = solve(here)
    poor = QuoteTable(np.full_like(best.bid, 2.5), np.full_like(best.ask, 2.5))
    for first, second, chosen in ((best, poor, "first"), (poor, best, "second")):
        purse = Purse(Proxy(here), calls=400, seed=3)
        assert choose(purse, {"first": first, "second": second}) == chosen
        assert purse.left < 100
