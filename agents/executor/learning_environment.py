"""What a learner sees of a market: quotes in, positions and rewards out, and a bill for each step.

An environment offers `copies`, `steps`, `q_max`, `regimes`, `depth_low`, `depth_high`,
`reset(seed) -> observation` and `step(bid, ask) -> (observation, reward, done)`; an observation
holds `t`, `q` and `regime`, by name or in this order. Nothing else of it is touched.
"""

from typing import Any, Protocol

import numpy as np

from market.stylised import QuoteTable
from market.stylised_counts import quote_copies
from market.types import F8, I8


class Environment(Protocol):
    """Copies of one market behind one step."""

    copies: int
    steps: int
    q_max: int
    regimes: int
    depth_low: float
    depth_high: float

    def reset(self, seed: int) -> Any:
        """Begin anew; return the observation."""

    def step(self, bid: F8, ask: F8) -> tuple[Any, F8, Any]:
        """Quote; return (observation, reward f8[copies], done)."""


class Purse:
    """An environment with a bound on its calls and a seed of its own for every episode.

    Args:
        environment: see above.
        calls: most calls of `step`; each moves every copy once.
        seed: root of all seeds.
    """

    def __init__(self, environment: Environment, *, calls: int, seed: int) -> None:
        self._environment = environment
        self.copies = int(environment.copies)
        self.steps = int(environment.steps)
        self.q_max = int(environment.q_max)
        self.regimes = int(environment.regimes)
        self.low, self.high = float(environment.depth_low), float(environment.depth_high)
        self.left = calls
        self._seeds = np.random.default_rng(seed)
        self._bid, self._ask = np.empty(self.copies), np.empty(self.copies)

    def fresh_seed(self) -> int:
        """Return a seed that was not used before; it fits every generator's range."""
        return int(self._seeds.integers(1, 2**31 - 1))

    def reset(self, seed: int) -> tuple[I8, I8]:
        """Begin an episode; return (q, regime), i8[copies] of our own."""
        return self._read(self._environment.reset(seed))

    def step(self, bid: F8, ask: F8) -> tuple[I8, I8, F8]:
        """Spend one call; return (q, regime, reward)."""
        assert self.left > 0, "the budget is spent"
        self.left -= 1
        observation, reward, _ = self._environment.step(bid, ask)
        return *self._read(observation), np.ascontiguousarray(reward, dtype=np.float64)

    def play(self, table: QuoteTable, seed: int) -> F8:
        """Return the total reward of each copy over one episode, f8[copies]."""
        q, regime = self.reset(seed)
        total = np.zeros(self.copies)
        for t in range(self.steps):
            quote_copies(table.bid[t], table.ask[t], q, regime, self._bid, self._ask)
            q, regime, reward = self.step(self._bid, self._ask)
            total += reward
        return total

    def _read(self, observation: Any) -> tuple[I8, I8]:
        if hasattr(observation, "q"):
            q, regime = observation.q, observation.regime
        elif isinstance(observation, dict):
            q, regime = observation["q"], observation["regime"]
        else:
            _, q, regime = observation
        return _whole(q, self.copies), _whole(regime, self.copies)


def _whole(values: Any, copies: int) -> I8:
    found = np.array(values, dtype=np.int64)  # a copy: the environment may write into its own
    if found.shape != (copies,):
        raise ValueError(f"an observation must have shape ({copies},), found {found.shape}")
    return found
