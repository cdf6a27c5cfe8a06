"""The guardian at USD-M futures: it cancels as on spot, and arms the exchange's own switch."""

import contextlib
import signal
import time

import pytest

from exchange.guardian.account import BinanceAccount, Place
from protocol.stopfile import stops_in
from tests.exchange.guardian.test_guardian import (
    PATIENCE_S,
    TOKEN,
    WINDOW_MS,
    events,
    program,
    until,
)
from tests.exchange.simulated.market import SYMBOL, serving, write

COUNTDOWN_S = 5.0


@pytest.fixture(scope="module")
def exchange(tmp_path_factory):
    """An exchange of futures for all tests of this file."""
    feed = write(tmp_path_factory.mktemp("feed"), seconds=1200)
    with serving("--feed", feed, "--futures") as server:
        yield server


@contextlib.contextmanager
def look(exchange):
    """The exchange, asked for our orders."""
    place = Place(f"{exchange.url}/fapi", SYMBOL, f"cp-{TOKEN}-", futures=True)
    account = BinanceAccount(place, "test", "test", time.monotonic_ns)
    try:
        yield account
    finally:
        account.close()


def guardian(folder, url):
    """A guardian of futures."""
    told = ("--folder", folder, "--rest", f"{url}/fapi", "--symbol", SYMBOL, "--token", TOKEN)
    more = ("--futures", "--countdown", COUNTDOWN_S, "--window-ms", WINDOW_MS)
    return program("exchange.guardian", *told, *more)


def beater(folder, exchange):
    """A stand-in for an executor at futures."""
    return program("tests.exchange.guardian.beater", folder, exchange.url, TOKEN, "futures")


@pytest.mark.slow
def test_orders_of_a_dead_executor_are_taken_back(exchange, tmp_path):
    """The guardian's own cancels, over `/fapi`."""
    with (
        look(exchange) as ours,
        guardian(tmp_path, exchange.url),
        beater(tmp_path, exchange) as trader,
    ):
        assert trader.stdout.readline()
        until(lambda: "beat_heard" in events(tmp_path))
        trader.send_signal(signal.SIGKILL)
        until(lambda: ours.sweep(cancel=False) == 0)
        until(lambda: len(stops_in(tmp_path)) == 1)  # a thread of its own writes it
        until(lambda: "nothing_of_ours_is_open" in events(tmp_path))


@pytest.mark.slow
@pytest.mark.slice
def test_the_switch_of_the_exchange_takes_the_orders_when_the_guardian_is_dead_too(
    exchange, tmp_path
):
    """Executor and guardian killed at once: countdownCancelAll runs out and cancels."""
    # What the guardian of another test has set must not do it.
    until(lambda: not exchange.ask("/status")["countdowns"].get("test"))
    with (
        look(exchange) as ours,
        guardian(tmp_path, exchange.url) as guard,
        beater(tmp_path, exchange) as trader,
    ):
        assert trader.stdout.readline()
        until(lambda: exchange.ask("/status")["countdowns"].get("test"))
        guard.send_signal(signal.SIGKILL)
        trader.send_signal(signal.SIGKILL)
        trader.wait(PATIENCE_S)
        assert ours.sweep(cancel=False) > 0
        until(lambda: ours.sweep(cancel=False) == 0)
        assert stops_in(tmp_path) == {}
