"""The small policy on top of a plan: its gradient, its critic, and what it learns."""

import numpy as np
import pytest

from agents.executor.learning import study
from agents.executor.learning_environment import Purse
from agents.executor.learning_ppo import Policy, Trainer
from market.stylised import QuoteTable, StylisedMarket, evaluate, solve
from market.stylised_ppo import HIDDEN, clipped_gradient, write_advantages

MARKET = StylisedMarket(
    steps=20, dt=1.0, intensity=0.7, decay=1.5, sigma=0.2, phi=0.01, alpha=0.1, q_max=4, fee=0.1,
    depth_low=-0.5, depth_high=5.0, drift=(-0.08, 0.0, 0.08),
    transition=((0.9, 0.1, 0.0), (0.05, 0.9, 0.05), (0.0, 0.1, 0.9)),
)  # fmt: skip
SHAPE = (20, 9, 3)


def objective(weights, width, samples, old, clip):
    """Return the clipped objective sample by sample, in plain numpy."""
    inputs, place, noise, gains = samples
    one, two, last = np.split(weights[:-2], np.cumsum([HIDDEN * (width + 1), HIDDEN * 33]))
    layer = inputs
    for part, outs in ((one, HIDDEN), (two, HIDDEN), (last, 2)):
        matrix = part.reshape(outs, -1)
        layer = layer @ matrix[:, :-1].T + matrix[:, -1]
        layer = np.tanh(layer) if outs == HIDDEN else layer
    spread = np.exp(weights[-2:])
    total = 0.0
    for t, copy in np.ndindex(place.shape):
        z = noise[t, :, copy]
        action = old[0][place[t, copy]] + old[1] * z
        away = (action - layer[place[t, copy]]) / spread
        log_new = -0.5 * (away @ away) - np.log(spread).sum()
        log_old = -0.5 * (z @ z) - np.log(old[1]).sum()
        ratio = np.exp(log_new - log_old)
        gain = gains[t, copy]
        total += min(ratio * gain, np.clip(ratio, 1.0 - clip, 1.0 + clip) * gain)
    return total / place.size


def test_the_gradient_is_that_of_the_objective_reckoned_sample_by_sample():
    """Central differences of the slow twin, by weights of every layer and by both deviations."""
    rng = np.random.default_rng(5)
    policy = Policy(rng.uniform(-1.0, 1.0, (12, 4)), rng)
    old = (policy.means(), policy.spread)
    policy.weights += 0.05 * rng.standard_normal(len(policy.weights))
    place, noise = rng.integers(0, 12, (6, 10)), rng.standard_normal((6, 2, 10))
    gains = rng.standard_normal((6, 10))
    upstream, d_log = np.zeros((12, 2)), np.zeros(2)
    new = (policy.means(), policy.spread)
    found = clipped_gradient(place, noise, gains, old, new, 0.2, upstream, d_log)
    gradient = policy.gradient(upstream, d_log)
    samples = (policy.inputs, place, noise, gains)

    def at(weights):
        return objective(weights, 4, samples, old, 0.2)

    assert found == pytest.approx(at(policy.weights), rel=1e-12)
    unclipped = clipped_gradient(
        place, noise, gains, old, new, 9.0, np.zeros_like(upstream), np.zeros(2)
    )
    assert unclipped != pytest.approx(found, rel=1e-6)  # some samples are beyond the bound
    some = np.concatenate([rng.choice(len(gradient) - 68, 25, replace=False), np.arange(-68, 0)])
    for each in some:
        moved = np.zeros(len(gradient))
        moved[each] = 1e-6
        slope = (at(policy.weights + moved) - at(policy.weights - moved)) / 2e-6
        assert gradient[each] == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_advantages_are_those_of_the_formula():
    """Values are means by state of what followed; then sums of lambda^k delta, term by term."""
    rng = np.random.default_rng(2)
    steps, copies, trace = 5, 40, 0.7
    place = rng.integers(0, 3, (steps, copies)) + 3 * np.arange(steps)[:, None]
    reward = rng.standard_normal((steps, copies))
    value, later = np.zeros(3 * steps), np.zeros(copies)
    for t in range(steps)[::-1]:
        for row in np.unique(place[t]):
            value[row] = (reward[t] + later)[place[t] == row].mean()
        later = value[place[t]]
    delta = reward - value[place]
    delta[:-1] += value[place[1:]]
    wanted = [sum(trace**k * delta[t + k] for k in range(steps - t)) for t in range(steps)]
    found = np.empty((steps, copies))
    write_advantages(place, reward, trace, np.zeros(3 * steps), np.zeros(3 * steps), found)
    assert found == pytest.approx(np.array(wanted), abs=1e-12)


def trained(seed, rounds):
    """Return what a policy quotes that began at one depth for every state."""
    purse = Purse(MARKET.environment(256), calls=20 * rounds, seed=seed)
    plan = QuoteTable(np.full(SHAPE, 0.77), np.full(SHAPE, 0.77))
    trainer = Trainer(purse, plan, unit=1 / 1.5, rng=np.random.default_rng(seed))
    begun = trainer.table()
    for _ in range(rounds):
        trainer.round()
    return begun, trainer.table()


def test_it_begins_as_the_plan_and_mends_a_bad_one():
    """Same seed, same bytes; half of the way to the optimum within forty episodes."""
    _, best = solve(MARKET)
    begun, table = trained(1, 40)
    assert (begun.bid == 0.77).all()
    assert (begun.ask == 0.77).all()
    start, end = evaluate(MARKET, begun), evaluate(MARKET, table)
    assert end - start > 0.5 * (best - start)
    _, again = trained(1, 40)
    assert again.bid.tobytes() == table.bid.tobytes()
    assert trained(2, 1)[1].bid.tobytes() != trained(1, 1)[1].bid.tobytes()


@pytest.mark.slow
def test_the_learner_takes_it_as_its_residual_when_asked():
    """Within the budget; a name that is none is refused with those that are."""
    environment = MARKET.environment(256)
    found = study(environment, budget_steps=400_000, seed=3, residual="ppo")
    assert len(found.generations) > 5
    assert found.steps_spent <= 400_000
    assert evaluate(MARKET, found.table) > 0.98 * solve(MARKET)[1]
    with pytest.raises(ValueError, match=r"residual must be one of .*'ppo'.*, found 'sac'"):
        study(environment, budget_steps=400_000, residual="sac")
