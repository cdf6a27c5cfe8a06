"""The guardian as a process beside another, at `replay-exchange`, over sockets."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exchange.guardian.account import BinanceAccount, Place
from protocol.beat import read_beat
from protocol.stopfile import stops_in
from tests.exchange.simulated.market import SYMBOL, serving, write

ROOT = Path(__file__).parents[3]
TOKEN = "beater"
PATIENCE_S = 60.0
"""Of a busy machine; `bench.guardian` holds the five seconds."""
WINDOW_MS = 2_000
"""Orders settle in three seconds, not six: a guardian that is told to end waits ten at most."""


OPENED = []


@pytest.fixture(autouse=True)
def closed():
    """Nothing that a test opened stays open."""
    yield
    while OPENED:
        OPENED.pop().close()


@pytest.fixture(scope="module")
def exchange(tmp_path_factory):
    """An exchange for all tests of this file."""
    feed = write(tmp_path_factory.mktemp("feed"), seconds=1200)
    with serving("--feed", feed) as server:
        yield server


def look(exchange, prefix=f"cp-{TOKEN}-"):
    """The exchange, asked for orders by the beginning of their names."""
    place = Place(f"{exchange.url}/api", SYMBOL, prefix)
    OPENED.append(BinanceAccount(place, "test", "test", time.monotonic_ns))
    return OPENED[-1]


@contextlib.contextmanager
def program(*arguments, **environ):
    """A process, killed at the end; its standard error can be read."""
    with subprocess.Popen(
        [sys.executable, "-m", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
    ) as process:
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def guardian(folder, url, *more):
    """A guardian beside a stand-in."""
    told = ("--folder", folder, "--rest", f"{url}/api", "--symbol", SYMBOL, "--token", TOKEN)
    return program("exchange.guardian", *told, "--window-ms", WINDOW_MS, *more)


def beater(folder, exchange):
    """A stand-in for an executor."""
    return program("tests.exchange.guardian.beater", folder, exchange.url, TOKEN)


def events(folder):
    """What the guardian's log tells."""
    try:
        lines = (folder / "guardian.log").read_text().splitlines()
    except FileNotFoundError:
        return []
    return [json.loads(line)["event"] for line in lines]


def until(condition, *, seconds=PATIENCE_S):
    """Wait for what another process does."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + seconds, "it did not come about"
        signal.sigtimedwait([], 0.02)


@pytest.mark.slow
@pytest.mark.slice
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_orders_of_a_silent_executor_are_taken_back(exchange, tmp_path, how):
    """All of ours, whatever was on its way; an order of somebody else stays."""
    foreign = look(exchange, "hand-")
    told = {"side": "BUY", "type": "LIMIT_MAKER", "quantity": "1.00", "price": "97.00"}
    name = f"hand-{how.name}"
    foreign._signed("POST", "order", {"symbol": SYMBOL, "newClientOrderId": name, **told})
    ours = look(exchange)
    with guardian(tmp_path, exchange.url), beater(tmp_path, exchange) as trader:
        assert trader.stdout.readline()
        until(lambda: "beat_heard" in events(tmp_path))
        trader.send_signal(how)
        until(lambda: ours.sweep(cancel=False) == 0)
        until(lambda: len(stops_in(tmp_path)) == 1)  # a thread of its own writes it
        until(lambda: "nothing_of_ours_is_open" in events(tmp_path))
        if how is signal.SIGSTOP:
            trader.send_signal(signal.SIGCONT)
            until(lambda: events(tmp_path).count("nothing_of_ours_is_open") == 2)
            assert "beat_returned" in events(tmp_path)
        assert ours.sweep(cancel=False) == 0
    assert foreign.sweep(cancel=True) == 1


@pytest.mark.slow
def test_an_executor_that_ends_cleanly_raises_no_alarm(exchange, tmp_path):
    """SIGTERM to the executor, then to the guardian: no stop file, exit code 0."""
    with guardian(tmp_path, exchange.url) as guard:
        until(lambda: "guardian_ready" in events(tmp_path))
        with beater(tmp_path, exchange) as trader:
            assert trader.stdout.readline()
            trader.terminate()
            assert trader.wait(PATIENCE_S) == 0
        until(lambda: "executor_ended" in events(tmp_path))
        assert read_beat(tmp_path).ended
        guard.terminate()
        assert guard.wait(PATIENCE_S) == 0
    assert stops_in(tmp_path) == {}
    assert events(tmp_path)[-1] == "guardian_ended"


@pytest.mark.slow
def test_a_guardian_that_is_asked_to_end_finishes_what_it_began(exchange, tmp_path):
    """SIGTERM in the middle of an alarm: it goes when nothing of ours is open."""
    with guardian(tmp_path, exchange.url) as guard, beater(tmp_path, exchange) as trader:
        assert trader.stdout.readline()
        until(lambda: "beat_heard" in events(tmp_path))
        trader.kill()
        until(lambda: "beat_stopped" in events(tmp_path))
        guard.terminate()
        assert guard.wait(PATIENCE_S) == 0
    assert look(exchange).sweep(cancel=False) == 0
    assert "nothing_of_ours_is_open" in events(tmp_path)


@pytest.mark.slow
def test_a_guardian_that_reaches_nobody_says_so_and_goes_on(exchange, tmp_path):
    """The exchange is away when the executor dies: stopped at once, cancelled when it is back."""
    feed = write(tmp_path, seconds=600)
    state = tmp_path / "state"
    state.mkdir()
    with contextlib.ExitStack() as stack:
        house = contextlib.ExitStack()
        first = stack.enter_context(house).enter_context(serving("--feed", feed, "--state", state))
        port = int(first.url.rsplit(":", 1)[1])
        stack.enter_context(guardian(tmp_path, first.url))
        trader = stack.enter_context(beater(tmp_path, first))
        assert trader.stdout.readline()
        until(lambda: "beat_heard" in events(tmp_path))
        trader.send_signal(signal.SIGKILL)
        house.close()
        until(lambda: stops_in(tmp_path))
        until(lambda: "exchange_not_reached" in events(tmp_path))
        second = stack.enter_context(serving("--feed", feed, "--state", state, port=port))
        until(lambda: "orders_cancelled" in events(tmp_path), seconds=30)
        ours = look(second)
        until(lambda: ours.sweep(cancel=False) == 0)


@pytest.mark.slow
@pytest.mark.slice
def test_a_second_guardian_is_refused(tmp_path):
    """One line, exit code of a configuration, and the first one goes on."""
    with guardian(tmp_path, "http://127.0.0.1:9") as first:
        assert first.stdout.readline()
        with guardian(tmp_path, "http://127.0.0.1:9") as second:
            _, said = second.communicate(timeout=PATIENCE_S)
        assert second.returncode == 1
        assert "another guardian guards" in said
        assert first.poll() is None


def test_a_wrong_start_is_one_line(tmp_path):
    """No key beyond loopback, no address, an impossible figure."""
    for more, said in (
        (("--rest", "https://example.org/api"), "COUNTERPOINT_GUARDIAN_KEY must be given"),
        (("--rest", "ftp://127.0.0.1"), "http(s) address"),
        (("--silence", "0"), "--silence must be in [0.5, 60]"),
        (("--token", "NOT A TOKEN"), "executor's token"),
    ):
        with guardian(tmp_path, "http://127.0.0.1:9", *more) as process:
            _, error = process.communicate(timeout=PATIENCE_S)
        assert process.returncode in (1, 4)
        assert said in error
        assert "Traceback" not in error
