"""The stylised market as a Gymnasium environment, one market at a time.

    gymnasium.make("market.stylised_gymnasium:counterpoint/StylisedMarket-v0", steps=200, ...)

The part before the colon is imported by Gymnasium, and importing registers.
"""

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

from market.stylised import Observation, StylisedMarket

NAME = "counterpoint/StylisedMarket-v0"
SEEDS = 2**63 - 1
DEFAULT: dict[str, Any] = {
    "steps": 200,
    "dt": 0.005,
    "intensity": 140.0,
    "decay": 1.5,
    "sigma": 2.0,
    "phi": 0.2,
    "alpha": 0.001,
    "q_max": 10,
    "fee": 0.0,
    "depth_low": -1.0,
    "depth_high": 4.0,
    "drift": (0.0,),
    "transition": ((1.0,),),
}


class StylisedMarketEnv(gymnasium.Env[npt.NDArray[np.int64], npt.NDArray[np.float64]]):
    """One agent quoting one stylised market (`market/stylised.py` states the model).

    **Action**, `Box(depth_low, depth_high, (2,), float64)`: depths of bid and ask from mid.

    **Observation**, `MultiDiscrete`, int64:

    | index | what | range |
    | --- | --- | --- |
    | 0 | steps taken | 0 .. steps |
    | 1 | position + q_max | 0 .. 2 q_max |
    | 2 | regime | 0 .. regimes - 1 |

    **Reward**: edges earned by fills, mark of what is held, less the penalties; finite, unbounded.
    **Start**: q = 0, the middle regime. **End**: terminated after `steps` steps, never truncated.
    `info["position"]` is the position. Version 0: the first.

    Args:
        market: a market; or its keyword arguments, over those of Avellaneda and Stoikov 2008.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - Gymnasium reads it from the class

    def __init__(self, market: StylisedMarket | None = None, **figures: Any) -> None:
        self.market = StylisedMarket(**(DEFAULT | figures)) if market is None else market
        self._copies = self.market.environment(1)
        self.action_space = gymnasium.spaces.Box(
            self.market.depth_low, self.market.depth_high, (2,), np.float64
        )
        self.observation_space = gymnasium.spaces.MultiDiscrete(
            [self.market.steps + 1, 2 * self.market.q_max + 1, self.market.regimes]
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[np.int64], dict[str, Any]]:
        """Begin an episode; the same seed gives the same chance, whatever is quoted."""
        super().reset(seed=seed, options=options)
        return self._seen(self._copies.reset(int(self.np_random.integers(SEEDS))))

    def step(
        self, action: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.int64], float, bool, bool, dict[str, Any]]:
        """Quote (bid, ask)."""
        observation, reward, done = self._copies.step(action[:1], action[1:])
        seen, info = self._seen(observation)
        return seen, float(reward[0]), done, False, info

    def _seen(self, observation: Observation) -> tuple[npt.NDArray[np.int64], dict[str, Any]]:
        position = int(observation.q[0])
        place = [observation.t[0], position + self.market.q_max, observation.regime[0]]
        return np.array(place, dtype=np.int64), {"position": position}


if NAME not in gymnasium.registry:
    gymnasium.register(NAME, entry_point="market.stylised_gymnasium:StylisedMarketEnv")
