import json
from pathlib import Path

import pytest

from agents.cli.exits import CommandError
from agents.cli.guardian import arguments_of, newest
from agents.executor.account_keys import token_of
from agents.settings import Settings
from exchange.guardian.__main__ import parser


def settings_of(**venue):
    return Settings.model_validate_json(json.dumps({"venue": venue} if venue else {}))


def test_a_guardian_is_told_the_executors_own_names_and_place():
    """Its account, its symbol, and the mark that the executor's orders carry."""
    settings = settings_of(kind="binance", url="testnet", symbol="BTC-USDT")
    told = parser().parse_args(arguments_of(Path("run"), settings, silence=2.5))
    assert told.rest == "https://testnet.binance.vision/api"
    assert told.symbol == "BTCUSDT"
    assert told.token == token_of(settings.account.executor, "BTCUSDT")
    assert (told.silence, told.window_ms) == (2.5, 5_000)


def test_a_recording_needs_no_guardian(tmp_path):
    """Nothing can be left behind there; and without a run there is nothing to guard."""
    with pytest.raises(CommandError, match="needs no guardian"):
        arguments_of(tmp_path, settings_of(), silence=3.0)
    with pytest.raises(CommandError, match="no run under"):
        newest(tmp_path)
    folder = tmp_path / "runs" / "one"
    folder.mkdir(parents=True)
    (tmp_path / "runs" / "latest").symlink_to("one")
    assert newest(tmp_path) == folder
