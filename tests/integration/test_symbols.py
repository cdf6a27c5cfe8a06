"""Two executors at one exchange on one account, a symbol each, as a user starts them."""

import json
import os
import signal
from decimal import Decimal

import pytest

from agents.executor import records
from agents.executor.account_keys import token_of
from agents.executor.judged import named
from agents.executor.recovery import open_journal
from agents.executor.result import journaled
from agents.session import open_session
from agents.settings import Settings
from bench.venue_house import Exchange, wait_until
from exchange.importers.synthetic import called, synthetic_recording
from exchange.recording import save
from market.layout import LEDGER_BASE, LEDGER_FILLS, LEDGER_QUOTE
from market.quotes import LOTS_HUGE
from tests.agents.command_line import Process, told

SYMBOLS = ("AAA-USDT", "BBB-USDT")
CODES = ("AAAUSDT", "BBBUSDT")
NAMES = ("executor-1", "executor-2")
SPEED = 20
QUICK = ("--optimizers", "0", "--set", "executor.warmup_s=120", "--set", "executor.cycle_s=5")


@pytest.fixture(scope="module")
def feeds(tmp_path_factory):
    """Two artificial days with an edge, of two symbols."""
    folder = tmp_path_factory.mktemp("feeds")
    paths = []
    for symbol, seed in zip(SYMBOLS, (3, 4), strict=True):
        paths.append(folder / f"{symbol}.npz")
        day = synthetic_recording(seed=seed, hours=2, setting="planted_edge")
        save(paths[-1], called(day, symbol))
    return paths


def run_of(data, name):
    """The folder of an executor's run, and its settings."""
    for path in sorted((data / "runs").glob("*/config.json")):
        settings = Settings.model_validate_json(path.read_bytes())
        if settings.account.executor == name:
            return path.parent, settings
    raise AssertionError(f"no run of {name}")


def lived(data, name):
    """Opening balances and ledger of an executor, and its looks at the limits."""
    folder, settings = run_of(data, name)
    session = open_session(settings)
    with open_journal(folder, readonly=True) as journal:
        looks = [named(row.body) for row in journal.rows(records.JUDGED) if row.kind != "opened"]
    return session.setup.opening, journaled(folder, session).record, looks


def reach(look):
    """The largest position with all orders of a side filled, lots."""
    return max(
        look["position_lots"] + look["open_buy_lots"],
        look["open_sell_lots"] - look["position_lots"],
    )


@pytest.mark.slow
def test_two_executors_trade_two_symbols_of_one_account_and_one_dies_meanwhile(feeds, tmp_path):
    """Each books its own fills alone; both ledgers together are what moved the account; the
    orders of the other are never touched, and none is left at the end.
    """
    exchange = Exchange(feeds, tmp_path, speed=f"{SPEED}")
    exchange.start()
    data = tmp_path / "data"
    try:
        before = exchange.balances()
        run = Process(
            "run", "--data", data, "--venue", "binance", "--url", exchange.url, "--pace", "feed",
            "--speed", SPEED, "--symbol", SYMBOLS[0], "--symbol", SYMBOLS[1], *QUICK, "--json",
        )  # fmt: skip
        for _ in range(2):
            run.read_until("run ")
        wait_until(lambda: all(len(exchange.trades(symbol=each)) > 10 for each in CODES))
        folder, _ = run_of(data, NAMES[1])
        os.kill(json.loads((folder / "processes.json").read_bytes())[NAMES[1]], signal.SIGKILL)
        log = folder / f"{NAMES[1]}.log"
        wait_until(lambda: '"recovered"' in log.read_text())
        count = len(exchange.trades(symbol=CODES[0]))
        wait_until(lambda: len(exchange.trades(symbol=CODES[0])) > count + 5)
        run.send(signal.SIGINT)
        code, out, error = run.end()
        assert code == 0, error
        moved = {
            asset: Decimal(amount) - Decimal(before[asset])
            for asset, amount in exchange.balances().items()
        }
        assert exchange.ask("GET", "openOrders", symbol=CODES[0]) == []
        assert exchange.ask("GET", "openOrders", symbol=CODES[1]) == []
        trades = {each: exchange.trades(symbol=each) for each in CODES}
        orders = {each: exchange.ask("GET", "allOrders", symbol=each, limit=1000) for each in CODES}
    finally:
        exchange.kill()
    found = json.loads(out)["runs"]
    assert [each["recording"]["symbol"] for each in found] == list(SYMBOLS)
    booked = dict.fromkeys(moved, Decimal(0))
    for name, symbol, code in zip(NAMES, SYMBOLS, CODES, strict=True):
        opening, record, looks = lived(data, name)
        ledger = record.account.ledger
        assert int(ledger[LEDGER_FILLS]) == len(trades[code])
        base = symbol.partition("-")[0]
        booked["USDT"] += Decimal(int(ledger[LEDGER_QUOTE]) - int(opening[0])) / 10**8
        booked[base] += Decimal(int(ledger[LEDGER_BASE]) - int(opening[1])) / 10**8
        prefix = f"cp-{token_of(name, code)}-"
        assert {row["clientOrderId"].startswith(prefix) for row in orders[code]} == {True}
        heard = [look for look in looks if 0 < look["portfolio_lots"] < LOTS_HUGE]
        assert heard
        assert max(reach(look) for look in looks) <= max(look["portfolio_lots"] for look in heard)
    assert booked == moved
    deaths = json.loads((run_of(data, NAMES[1])[0] / "run.json").read_bytes())["parts"][NAMES[1]]
    assert deaths["deaths"] == 1


def test_symbols_that_cannot_be_traded_together_are_one_line(tmp_path):
    """Twice the same, too many, no venue, a lockstep, recordings at a venue."""
    venue = ("--venue", "binance", "--url", "http://127.0.0.1:9")
    both = ("--symbol", "AAA-USDT", "--symbol", "BBB-USDT")
    lockstep = ("--pace", "lockstep", "--control", "http://127.0.0.1:9")
    for more, code, word in (
        ((*venue, "--symbol", "AAA-USDT", "--symbol", "AAAUSDT"), 2, "found AAA-USDT twice"),
        ((*venue, *both, "--symbol", "nothing"), 2, "found 'nothing'"),
        ((*venue, *both * 3), 2, "at most 4 --symbol"),
        (both, 2, "give --venue, or recordings by --feed"),
        ((*venue, *both, *lockstep), 4, "needs a key for each executor"),
        ((*venue, *both, "--feed", "a.npz", "--feed", "b.npz"), 2, "not traded at a venue"),
        ((*venue, *both, "--set", "bus.port=5000"), 4, "bus.port must be unset"),
    ):
        found, line = told(tmp_path, "run", *more)
        assert found == code, line
        assert word in line
        assert not (tmp_path / "runs").exists()
