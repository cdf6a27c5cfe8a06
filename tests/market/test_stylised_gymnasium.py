"""The stylised market behind Gymnasium's interface."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from market.stylised import StylisedMarket
from market.stylised_gymnasium import DEFAULT, StylisedMarketEnv

NAME = "market.stylised_gymnasium:counterpoint/StylisedMarket-v0"


# Depths are quoted as they are: a box from -1 to 1 would hide what they mean.
@pytest.mark.filterwarnings("ignore:.*symmetric and normalized space.*:UserWarning")
def test_gymnasium_finds_no_fault():
    """`check_env`, as made by name and with two regimes."""
    check_env(gymnasium.make(NAME, steps=30).unwrapped)
    chain = {"drift": (-1.0, 1.0), "transition": ((0.9, 0.1), (0.1, 0.9))}
    check_env(gymnasium.make(NAME, **chain).unwrapped)


def test_an_episode_ends_after_its_steps_and_repeats_by_seed():
    """Terminated, not truncated; same seed, same rewards; the position is told."""
    episodes = []
    for _ in range(2):
        environment = gymnasium.make(NAME, steps=12, q_max=2)
        seen, info = environment.reset(seed=4)
        assert (seen.tolist(), info) == ([0, 2, 0], {"position": 0})
        rewards, ended = [], False
        while not ended:
            seen, reward, ended, cut, info = environment.step(np.array([0.4, 0.6]))
            assert not cut
            assert info["position"] == seen[1] - 2
            rewards.append(reward)
        episodes.append(rewards)
    assert episodes[0] == episodes[1]
    assert len(episodes[0]) == 12


def test_it_is_the_same_market_as_the_batched_one():
    """A market may be handed over whole."""
    market = StylisedMarket(**DEFAULT)
    assert StylisedMarketEnv(market).market is market
