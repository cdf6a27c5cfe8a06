"""`--venue live` against an address of this machine: refused as it would be at the real one."""

import pytest

from agents.cli.main import app
from agents.executor.account_keys import binance_settings
from agents.ladder import Found, Rung, keep, ladder_file, promotion
from agents.settings import Settings
from protocol.errors import SettingsError
from tests.agents.command_line import RUNNER

NOWHERE = "http://127.0.0.1:9"
LIVE = ("--venue", "live", "--url", NOWHERE, "--symbol", "SYN-USDT")
CONFIRMED = ("--set", "venue.confirm_live=SYN-USDT")
EARNED = Found(1.0, 100, 0.0, None, None, ())


def refused(*arguments):
    """Return the one line of a refusal, and its exit code."""
    result = RUNNER.invoke(app, ["executor", *map(str, arguments)])
    line = str(result.exception)
    assert "\n" not in line
    return line, getattr(result.exception, "exit_code", None)


def test_real_money_is_refused_first_without_confirmation_then_without_its_rung(tmp_path):
    """Both lines say what to type; with both given it goes on, to an exchange that is none."""
    data = ("--data", tmp_path)
    line, code = refused(*LIVE, *data)
    assert line.startswith("venue.confirm_live must be SYN-USDT to trade real money at 127.0.0.1")
    assert code == 4
    line, code = refused(*LIVE, *CONFIRMED, *data)
    assert line.startswith("SYNUSDT stands on the rung simulate of the ladder, and real money with")
    assert line.endswith("or say --skip-ladder")
    assert code == 4
    line, _ = refused(*LIVE, *CONFIRMED, "--skip-ladder", *data)
    assert "ladder" not in line
    assert "127.0.0.1:9" in line


def test_a_rung_that_was_earned_lets_real_money_start(tmp_path):
    """Minimum size by capital; more needs the last rung; play money needs none."""
    document = {
        "data": str(tmp_path),
        "account": {"capital": 400},
        "venue": {"kind": "binance", "url": NOWHERE, "symbol": "SYN-USDT", "real": True},
    }
    document["venue"]["confirm_live"] = "SYNUSDT"
    small = Settings.model_validate(document)
    with pytest.raises(SettingsError, match="stands on the rung simulate"):
        binance_settings(small, {})
    keep(ladder_file(small), promotion("SYNUSDT", Rung.MINIMUM, EARNED, "run", "now"))
    assert binance_settings(small, {}).confirmed
    document["account"]["capital"] = 4_000
    with pytest.raises(SettingsError, match=r"4000 is full \(minimum: at most 500\)"):
        binance_settings(Settings.model_validate(document), {})
    document["venue"]["real"] = False
    assert binance_settings(Settings.model_validate(document), {}).confirmed
