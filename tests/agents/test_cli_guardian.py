import json
from pathlib import Path

import pytest

from agents.cli.exits import CommandError
from agents.cli.guardian import arguments_of, guarding, newest
from agents.cli.run import guardians
from agents.executor.account_keys import token_of
from agents.settings import Settings
from exchange.guardian.__main__ import parser
from protocol.errors import SecretError


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


def test_a_run_at_an_exchange_is_guarded_with_a_key_of_its_own(tmp_path):
    """From two files, from the environment, or as the default account of a loopback exchange."""
    place = {"kind": "binance", "url": "testnet", "symbol": "BTC-USDT"}
    assert guarding(tmp_path, settings_of(**place), {}) is None
    environ = {"COUNTERPOINT_GUARDIAN_KEY": "key", "COUNTERPOINT_GUARDIAN_SECRET": "secret"}
    assert guarding(tmp_path, settings_of(**place), environ) is not None
    files = {}
    for name in ("guardian_key_file", "guardian_secret_file"):
        path = tmp_path / name
        path.write_text("hush", encoding="ascii")
        path.chmod(0o600)
        files[name] = str(path)
    told = parser().parse_args(guarding(tmp_path, settings_of(**place, **files), {}))
    assert (str(told.key_file), str(told.secret_file)) == tuple(files.values())
    assert told.metrics_port is None
    near = settings_of(**(place | {"url": "http://127.0.0.1:9010"}))
    assert guarding(tmp_path, near, {}) is not None


def test_half_a_key_is_a_mistake_and_none_is_said(tmp_path, capsys):
    """A run that has no guardian says what it would take; a wrong key is no run."""
    place = {"kind": "binance", "url": "testnet", "symbol": "BTC-USDT"}
    with pytest.raises(SecretError, match="COUNTERPOINT_GUARDIAN_SECRET"):
        guarding(tmp_path, settings_of(**place), {"COUNTERPOINT_GUARDIAN_KEY": "key"})
    assert guardians(tmp_path, settings_of(**place)) == []
    assert "no guardian: " in capsys.readouterr().err


def test_who_leaves_no_orders_behind_is_not_guarded(tmp_path, capsys):
    """A recording, paper, and an exchange that waits for its client."""
    paper = settings_of(kind="paper", symbol="BTC-USDT")
    waits = settings_of(
        kind="binance", url="http://127.0.0.1:9", symbol="BTC-USDT", pace="lockstep", control="x"
    )
    for settings in (settings_of(), paper, waits):
        assert guardians(tmp_path, settings) == []
    assert capsys.readouterr().err == ""
