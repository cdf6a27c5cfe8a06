"""`counterpoint scout`: what is asked, what is printed, and a live look over sockets."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agents.cli.exits import USAGE, CommandError
from agents.cli.main import app
from agents.cli.scout import fee_of
from exchange.errors import FeedSymbolError
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from tests.exchange.binance.stage import ROOT, staged


@pytest.fixture(scope="module")
def feed(tmp_path_factory) -> Path:
    """An hour of an artificial market that pays its makers."""
    path = tmp_path_factory.mktemp("feed") / "day.npz"
    save(path, synthetic_recording(seed=1, hours=1.0, setting="planted_edge"))
    return path


def asked(*arguments):
    return CliRunner().invoke(app, ["scout", *map(str, arguments)])


@pytest.mark.parametrize(
    ("text", "bps"), [("10bps", 10), ("10", 10), ("0.1%", 10), ("-0.5bps", -0.5), (" 2 bps ", 2)]
)
def test_a_fee_is_read_as_it_is_written(text, bps):
    """Basis points, or per cent."""
    assert fee_of(text) == pytest.approx(bps)


@pytest.mark.parametrize("text", ["", "ten", "10 pips", "1e3", "nan", "2000bps", "--1"])
def test_any_other_fee_is_refused(text):
    """With what is allowed."""
    with pytest.raises(CommandError, match="--fee") as caught:
        fee_of(text)
    assert caught.value.exit_code == USAGE


def test_a_recording_is_judged_and_the_answer_is_the_last_line(feed):
    """Spread, trades, depths, break-even, capital, parameters, and the verdict with its reason."""
    result = asked("SYN-USDT", "--feed", feed, "--fee", "1bps")
    assert result.exit_code == 0, result.output
    for word in ("spread", "tick", "a minute", "break-even", "capital", "spread_percentage"):
        assert word in result.output
    assert result.output.strip().splitlines()[-1].startswith("MAKEABLE: ")
    assert all(len(line) < 140 for line in result.output.splitlines())


def test_the_json_holds_every_figure(feed):
    """Programs read the same."""
    told = json.loads(asked("--feed", feed, "--fee", "1bps", "--json").output)
    assert told["answer"] == "makeable"
    assert told["break_even_fee_bps"] > 1
    assert told["smallest_capital"] > 0
    assert set(told["parameters"]) == {
        "spread_percentage",
        "levels",
        "base_quantity",
        "max_position",
    }
    assert told["depths"][0]["end_of_line"]["lower_bps"] is not None


def test_what_makes_no_sense_is_one_line(feed):
    """Another symbol, no symbol, no capital."""
    assert isinstance(asked("ETH-USDT", "--feed", feed).exception, FeedSymbolError)
    assert "name a symbol" in str(asked().exception)
    assert "--capital" in str(asked("--feed", feed, "--capital", "0").exception)
    assert "--minutes" in str(asked("BTC-USDT", "--minutes", "0").exception)


@pytest.mark.slow
def test_a_live_market_is_watched_for_its_minutes_without_a_key(feed):
    """Over sockets, at 300 times the speed: the spread and the answer come back."""
    with staged(feed, "--speed", "300") as stage:
        command = [sys.executable, "-m", "agents.cli.main", "scout", stage.symbol]
        command += ["--url", stage.url, "--speed", "300", "--minutes", "30", "--fee", "1bps"]
        done = subprocess.run(
            [*command, "--json"], cwd=ROOT, capture_output=True, timeout=60, check=True
        )
    told = json.loads(done.stdout)
    assert told["symbol"] == "SYN-USDT"
    assert told["hours"] > 0.4
    assert told["answer"] in ("makeable", "cannot tell")
