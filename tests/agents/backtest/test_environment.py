"""A recording as a Gymnasium environment, by name."""

import gymnasium
import pytest
from gymnasium.utils.env_checker import check_env

from protocol.errors import SettingsError
from tests.agents.executor.market import recording

NAME = "agents.backtest.environment:counterpoint/MarketMaking-v0"


@pytest.fixture(scope="module")
def feed(tmp_path_factory):
    return recording(tmp_path_factory.mktemp("feed"))


def test_a_recording_opens_by_name(feed, tmp_path):
    """Gymnasium makes it, finds no fault, and an episode has as many cycles as it was told."""
    told = {"data": str(tmp_path), "executor.warmup_s": "120"}
    environment = gymnasium.make(NAME, feed=str(feed), cycles=20, settings=told)
    check_env(environment.unwrapped, skip_render_check=True)
    environment.reset(seed=4)
    count, over = 0, False
    while not over:
        *_, over, info = environment.step(environment.action_space.sample())
        count += 1
    assert count == 20
    assert set(info) >= {"net", "position", "profit", "risk", "consistency"}


def test_a_setting_that_is_none_is_refused_in_one_line(feed):
    """As on the command line."""
    with pytest.raises(SettingsError, match=r"executor\.warmup"):
        gymnasium.make(NAME, feed=str(feed), settings={"executor.warmup": "120"})
