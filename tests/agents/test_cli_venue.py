"""What a run at an exchange says before it has anything to show."""

import json

import pytest

from agents.cli.venue import first_words
from agents.settings import Settings


@pytest.mark.parametrize("pace", ["wall", "feed", "lockstep"])
def test_why_it_is_silent_is_said_and_where_to_look(tmp_path, pace):
    """Of a feed at another pace nothing may ever come."""
    told = {"kind": "binance", "url": "http://127.0.0.1:9010", "symbol": "BTC-USDT", "pace": pace}
    if pace == "lockstep":
        told["control"] = "http://127.0.0.1:9011"
    settings = Settings.model_validate_json(
        json.dumps({"venue": told, "executor": {"warmup_s": 77}})
    )
    line = first_words(tmp_path, settings)
    assert line.startswith("watches the market for 77 s before it quotes")
    assert f"{tmp_path}/executor-1.log" in line
    assert ("another pace" in line) == (pace != "wall")
