"""Trains stable-baselines3's PPO on one stylised market, in the peer's own environment.

    python -m bench.ppo_peer < ONE.json    # answers with one JSON object

Told: `figures` of the market, `plan` (a depth that both sides quote at every state), `unit`,
`seed`, `copies`, `steps`. The market is the compiled one itself behind the peer's `VecEnv`, so that
its clock runs on its own work; inputs, residual and episode are those of `learning_ppo.py`.
"""

import json
import sys
import time
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv

from agents.executor.learning_residual import features
from market.stylised import QuoteTable, StylisedMarket, evaluate, solve

BOUND = 10.0


class Copies(VecEnv):  # type: ignore[misc]
    """All copies of a market as one vectorised environment; episodes begin anew by themselves."""

    def __init__(self, market: StylisedMarket, copies: int, told: dict[str, Any]) -> None:
        self.inner, self.told, self.episodes = market.environment(copies), told, 0
        self.rows = features(market.steps, market.q_max, market.regimes).astype(np.float32)
        seen = Box(-1.0, 1.0, (len(self.rows),), np.float32)
        super().__init__(copies, seen, Box(-BOUND, BOUND, (2,), np.float32))
        self.q_max = market.q_max
        self.nothing: list[dict[str, Any]] = [{} for _ in range(copies)]

    def reset(self) -> Any:
        """Begin an episode with a seed of its own."""
        self.episodes += 1
        seen = self.inner.reset(self.told["seed"] * 1_000_003 + self.episodes)
        return self._inputs(seen)

    def step_async(self, actions: Any) -> None:
        """Take the actions."""
        self.quotes = self.told["plan"] + self.told["unit"] * actions.astype(np.float64)

    def step_wait(self) -> Any:
        """Step; where the episode ends, the inputs are those of the next one's begin."""
        bid, ask = (np.ascontiguousarray(side) for side in self.quotes.T)
        seen, reward, done = self.inner.step(bid, ask)
        if done:
            last = self._inputs(seen._replace(t=seen.t - 1))
            infos = [{"terminal_observation": each} for each in last]
        else:
            infos = self.nothing
        inputs = self.reset() if done else self._inputs(seen)
        ends = np.full(self.num_envs, done)
        return inputs, (reward / self.told["unit"]).astype(np.float32), ends, infos

    def _inputs(self, seen: Any) -> Any:
        return self.rows[:, seen.t, seen.q + self.q_max, seen.regime].T

    def close(self) -> None:
        """Nothing is open."""

    def get_attr(self, *_: Any, **__: Any) -> list[Any]:
        """Return what each copy would answer: nothing."""
        return [None for _ in range(self.num_envs)]

    def set_attr(self, *_: Any, **__: Any) -> None:
        """Copies have no attributes of their own."""

    env_method = get_attr

    def env_is_wrapped(self, *_: Any, **__: Any) -> list[bool]:
        """No copy is wrapped."""
        return [False for _ in range(self.num_envs)]


def fraction(model: Any, market: StylisedMarket, told: dict[str, Any], best: float) -> float:
    """Return the exact value of the policy without its noise over the optimum."""
    rows = features(market.steps, market.q_max, market.regimes)
    inputs = torch.as_tensor(rows.reshape(len(rows), -1).T, dtype=torch.float32)
    with torch.no_grad():
        means = model.policy.get_distribution(inputs).mode().numpy().astype(np.float64)
    depths = told["plan"] + told["unit"] * means
    depths = np.clip(depths, market.depth_low, market.depth_high)
    table = QuoteTable(*(side.reshape(rows.shape[1:]) for side in depths.T))
    return evaluate(market, table) / best


def main() -> None:
    """Train, look after every rollout with the clock stopped, and answer with the best look."""
    told = json.load(sys.stdin)
    torch.set_num_threads(1)
    market = StylisedMarket(**told["figures"])
    _, optimum = solve(market)
    copies = Copies(market, told["copies"], told)
    copies.reset()
    copies.step_async(np.zeros((told["copies"], 2)))
    copies.step_wait()  # compiles
    model = PPO(
        "MlpPolicy",
        copies,
        n_steps=market.steps,
        batch_size=told["copies"] * market.steps // 4,
        n_epochs=4,
        learning_rate=3e-3,
        gamma=1.0,
        gae_lambda=0.9,
        seed=told["seed"],
        device="cpu",
        policy_kwargs={"net_arch": [32, 32], "log_std_init": float(np.log(0.3))},
    )
    with torch.no_grad():
        model.policy.action_net.weight.zero_()
        model.policy.action_net.bias.zero_()
    looks = []
    wall = processor = 0.0
    while model.num_timesteps < told["steps"]:
        began, worked = time.perf_counter(), time.process_time()
        model.learn(told["copies"] * market.steps, reset_num_timesteps=False)
        wall += time.perf_counter() - began
        processor += time.process_time() - worked
        looks.append((model.num_timesteps, wall, processor, fraction(model, market, told, optimum)))
    print(json.dumps({"looks": looks}))


if __name__ == "__main__":
    main()
