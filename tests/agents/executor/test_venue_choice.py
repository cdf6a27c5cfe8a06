"""Where an executor trades, and how long it waits there for a market."""

import pytest

from agents.executor.venue_choice import patience_ns
from agents.settings import Settings


@pytest.mark.parametrize(
    ("pace", "speed", "minutes"), [("feed", 60, 60), ("feed", 1, 10), ("wall", 60, 10)]
)
def test_a_warm_up_outlasts_a_machine_that_stands_still(pace, speed, minutes):
    """A replayed feed at 60x goes on for an hour while a machine is busy for a minute."""
    place = {"kind": "binance", "url": "testnet", "symbol": "BTC-USDT", "pace": pace}
    settings = Settings.model_validate({"venue": place, "run": {"speed": speed}})
    assert patience_ns(settings) == minutes * 60 * 10**9
