"""`counterpoint record`: what a person may ask for, and what is said of anything else."""

import pytest

from agents.cli.exits import USAGE, CommandError
from agents.cli.main import app
from agents.cli.record import as_text, market_of
from exchange.binance.settings import Pace
from tests.agents.command_line import RUNNER


@pytest.mark.parametrize("text", ["BTC-USDT", "btc/usdt", "BTCUSDT"])
def test_a_symbol_is_understood_however_it_is_written(text):
    """The public market needs no key, and live it keeps the wall's time."""
    market = market_of("binance", text, None, None)
    assert (market.symbol, market.key, market.pace) == ("BTCUSDT", "", Pace.WALL)
    assert market.place.streams.startswith("wss://stream.binance.com")


def test_another_address_is_a_replayed_feed_at_its_speed():
    """A simulated exchange tells its time by its messages."""
    market = market_of("binance", "BTC-USDT", "http://127.0.0.1:9010", 60.0)
    assert (market.pace, market.speed) == (Pace.FEED, 60.0)
    assert market.place.rest == "http://127.0.0.1:9010/api"
    assert market_of("binance", "BTC-USDT", "http://127.0.0.1:9010", None).speed == 1.0


@pytest.mark.parametrize(
    ("url", "rest", "pace"),
    [
        (None, "https://fapi.binance.com/fapi", Pace.WALL),
        ("testnet", "https://testnet.binancefuture.com/fapi", Pace.WALL),
        ("http://127.0.0.1:9010", "http://127.0.0.1:9010/fapi", Pace.FEED),
    ],
)
def test_futures_are_a_venue_of_their_own(url, rest, pace):
    """Live, practising, or a simulated exchange, each below its own addresses."""
    market = market_of("binance-futures", "BTC-USDT", url, None)
    assert (market.place.futures, market.place.rest, market.pace) == (True, rest, pace)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            ("kraken", "BTC-USDT", None, None),
            "--venue must be binance, binance-futures, testnet, demo",
        ),
        (("binance-futures", "BTC-USDT", "testnet", 60.0), "--url"),
        (("binance", "BTC-USDT", None, 60.0), "--url"),
        (("binance", "??", None, None), "a symbol is like BTC-USDT, found '\\?\\?'"),
        (("binance", "BTC-USDT", "ftp://x", None), "an http.s. address, found 'ftp://x'"),
        (("binance", "BTC-USDT", "http://127.0.0.1:1", 0.0), "--speed"),
        (("binance", "BTC-USDT", "http://127.0.0.1:1", float("nan")), "--speed"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(asked, said):
    """One line that says what is allowed."""
    with pytest.raises(CommandError, match=said) as caught:
        market_of(*asked)
    assert caught.value.exit_code == USAGE


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("record --symbol BTC-USDT --rotate x", "--rotate: rotation is a time"),
        ("record --symbol BTC-USDT --maker-fee nan", "--maker-fee must be in [-100, 1000]"),
        ("record --symbol BTC-USDT --minutes nan", "--minutes must be above 0"),
        ("scout BTC-USDT --capital inf", "--capital must be above 0 and finite"),
        ("scout BTC-USDT --venue kraken", "--venue must be"),
    ],
)
def test_a_wrong_option_is_a_usage_error_of_both_commands(words, said):
    """Exit code 2, as everywhere; nobody is asked anything."""
    found = RUNNER.invoke(app, words.split())
    assert found.exception.exit_code == USAGE
    assert said in str(found.exception)


def test_the_summary_says_what_is_missing():
    """Nobody has to look for it."""
    told = {
        "folder": "day",
        "symbol": "BTC-USDT",
        "events": 1000,
        "losses": 2,
        "silences": 0,
        "longest_silence_s": 3.5,
        "skipped": 7,
        "failing": "",
        "files": [{"file": "000001.npz", "passed": False, "errors": ["a gap"], "warnings": []}],
    }
    text = as_text(told)
    assert "2 losses of the stream" in text
    assert "7 events are missing" in text
    assert "NOT passed: a gap" in text
