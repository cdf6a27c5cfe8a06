"""Residual, second choice: a network of 2 x 32 tanh on top of a plan, by proximal policy ascent.

Its last layer begins at zero, so that it begins as the plan. Each round plays one episode with
noise, weighs every action against the mean of its state, and climbs the clipped objective with
Adam. Nothing but a purse is needed; all chance comes from the generator that is handed in, and
no sum depends on threads.
"""

import numpy as np

from agents.executor.learning_environment import Purse
from agents.executor.learning_residual import Generation, features
from market.stylised import QuoteTable
from market.stylised_ppo import (
    HIDDEN,
    SIDES,
    clipped_gradient,
    net_backward,
    net_forward,
    place_quotes,
    write_advantages,
)
from market.types import F8, I8

EPOCHS, PARTS = 4, 4
CLIP = 0.2
TRACE = 0.9
RATE = 3e-3
SPREAD_START = 0.3  # of 1 / decay
DECAYS = (0.9, 0.999)
EPSILON = 1e-8


class Ascent:
    """Adam (Kingma and Ba 2015, algorithm 1) on one flat vector, upwards."""

    def __init__(self, size: int) -> None:
        self._mean, self._square, self._count = np.zeros(size), np.zeros(size), 0

    def step(self, weights: F8, gradient: F8) -> None:
        """Move the weights, in place."""
        self._count += 1
        self._mean += (1.0 - DECAYS[0]) * (gradient - self._mean)
        self._square += (1.0 - DECAYS[1]) * (gradient * gradient - self._square)
        mean = self._mean / (1.0 - DECAYS[0] ** self._count)
        square = self._square / (1.0 - DECAYS[1] ** self._count)
        weights += RATE * mean / (np.sqrt(square) + EPSILON)


class Policy:
    """A network over all states of a market, and the deviation of its noise by side."""

    def __init__(self, inputs: F8, rng: np.random.Generator) -> None:
        self.inputs = inputs
        rows, width = inputs.shape
        self._shapes = ((HIDDEN, width + 1), (HIDDEN, HIDDEN + 1), (SIDES, HIDDEN + 1))
        self.weights = np.zeros(sum(a * b for a, b in self._shapes) + SIDES)
        one, two, _ = self.layers(self.weights)
        one[:, :-1] = rng.standard_normal((HIDDEN, width)) / np.sqrt(width)
        two[:, :-1] = rng.standard_normal((HIDDEN, HIDDEN)) / np.sqrt(HIDDEN)
        self.weights[-SIDES:] = np.log(SPREAD_START)
        self._first, self._second = np.empty((rows, HIDDEN)), np.empty((rows, HIDDEN))
        self._room = np.empty((2, HIDDEN))

    def layers(self, flat: F8) -> tuple[F8, F8, F8]:
        """Return the three layers as views of a flat vector."""
        ends = np.cumsum([a * b for a, b in self._shapes])
        parts = np.split(flat[: ends[-1]], ends[:-1])
        one, two, last = (part.reshape(to) for part, to in zip(parts, self._shapes, strict=True))
        return one, two, last

    @property
    def spread(self) -> F8:
        """Deviations of the noise, f8[SIDES]."""
        return np.exp(self.weights[-SIDES:])

    def means(self) -> F8:
        """Return what is added to the plan, f8[rows, SIDES], in units."""
        out = np.empty((len(self.inputs), SIDES))
        one, two, last = (np.ascontiguousarray(part.T) for part in self.layers(self.weights))
        net_forward(self.inputs, one, two, last, self._first, self._second, out)
        return out

    def gradient(self, upstream: F8, d_log: F8) -> F8:
        """Return the flat gradient, given those by the last means and by the logs of spread."""
        flat = np.zeros_like(self.weights)
        _, two, last = self.layers(self.weights)
        net_backward(
            self.inputs, two, last, self._first, self._second, upstream,
            *self.layers(flat), self._room,
        )  # fmt: skip
        flat[-SIDES:] = d_log
        return flat


class Trainer:
    """A policy on top of a plan, and the rounds in which it learns.

    Args:
        purse: the market; a round costs one episode.
        plan: what the policy begins as.
        unit: of the network's outputs, a depth; 1 / decay.
        rng: weights and noise.
    """

    def __init__(
        self, purse: Purse, plan: QuoteTable, *, unit: float, rng: np.random.Generator
    ) -> None:
        self._purse, self._plan, self._unit, self._rng = purse, plan, unit, rng
        rows = features(purse.steps, purse.q_max, purse.regimes)
        self.policy = Policy(np.ascontiguousarray(rows.reshape(len(rows), -1).T), rng)
        self._base = np.stack([plan.bid.ravel(), plan.ask.ravel()], axis=1) / unit
        self._ascent = Ascent(len(self.policy.weights))
        shape = (purse.steps, purse.copies)
        self._place, self._reward = np.empty(shape, dtype=np.int64), np.empty(shape)
        self._noise = np.empty((purse.steps, SIDES, purse.copies))

    def round(self) -> float:
        """Play one episode and learn from it; return the mean reward of a copy, noise and all."""
        means, spread = self.policy.means(), self.policy.spread
        self._play(means, spread)
        rows = len(means)
        advantage = np.empty_like(self._reward)
        write_advantages(
            self._place, self._reward, TRACE, np.zeros(rows), np.zeros(rows), advantage
        )
        advantage -= advantage.mean()
        advantage /= max(1e-12, float(advantage.std()))
        cuts = np.linspace(0, self._purse.copies, min(PARTS, self._purse.copies) + 1).astype(int)
        for _ in range(EPOCHS):
            for part in map(slice, cuts[:-1], cuts[1:]):
                place = np.ascontiguousarray(self._place[:, part])
                noise = np.ascontiguousarray(self._noise[..., part])
                gain = np.ascontiguousarray(advantage[:, part])
                self._climb(place, noise, gain, (means, spread))
        return float(self._reward.sum(axis=0).mean()) * self._unit

    def table(self) -> QuoteTable:
        """Return the quotes of the policy without its noise."""
        depths = (self._base + self.policy.means()) * self._unit
        depths = np.clip(depths, self._purse.low, self._purse.high)
        shape = self._plan.bid.shape
        return QuoteTable(*(np.ascontiguousarray(side).reshape(shape) for side in depths.T))

    def _play(self, means: F8, spread: F8) -> None:
        purse = self._purse
        states = 2 * purse.q_max + 1
        quotes = np.empty((SIDES, purse.copies))
        q, regime = purse.reset(purse.fresh_seed())
        for t in range(purse.steps):
            self._place[t] = ((t * states) + q + purse.q_max) * purse.regimes + regime
            self._rng.standard_normal(out=self._noise[t])
            place_quotes(self._base, means, spread, self._noise[t], self._place[t], quotes)
            quotes *= self._unit
            q, regime, reward = purse.step(quotes[0], quotes[1])
            self._reward[t] = reward / self._unit

    def _climb(self, place: I8, noise: F8, gain: F8, old: tuple[F8, F8]) -> None:
        upstream, d_log = np.zeros_like(old[0]), np.zeros(SIDES)
        new = (self.policy.means(), self.policy.spread)
        clipped_gradient(place, noise, gain, old, new, CLIP, upstream, d_log)
        self._ascent.step(self.policy.weights, self.policy.gradient(upstream, d_log))


def train(
    purse: Purse, plan: QuoteTable, *, decay: float, calls: int, rng: np.random.Generator
) -> tuple[QuoteTable, list[Generation]]:
    """Return the plan with the residual that training ended at, and how it went.

    Arguments as those of `learning_residual.search`.
    """
    trainer = Trainer(purse, plan, unit=1.0 / decay, rng=rng)
    history: list[Generation] = []
    spent_until = purse.left - calls
    while purse.left - purse.steps >= spent_until:
        left = purse.left
        mean, step = trainer.round(), float(trainer.policy.spread.mean()) / decay
        best = max(mean, history[-1].best) if history else mean
        history.append(Generation(left, mean, best, step))
    return trainer.table(), history
