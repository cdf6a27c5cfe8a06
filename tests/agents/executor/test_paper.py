"""An executor on paper over sockets: its fills are those of a replay of what it recorded."""

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agents.executor import records
from agents.executor.agreement import agreement
from agents.executor.recovery import intents, open_journal
from agents.executor.venue_choice import trading_settings
from agents.facts import RECORDING_NAME, read_facts
from agents.session import session_at
from agents.settings import Settings
from exchange.binance.settings import Pace
from exchange.importers.synthetic import synthetic_recording
from exchange.recorded import (
    INTENT_KIND,
    INTENT_LOTS,
    INTENT_ORDER_ID,
    INTENT_SIDE,
    INTENT_TAKER,
    RecordedVenue,
)
from exchange.recording import save
from exchange.recording_folder import load_recording
from market.layout import ACTION_CANCEL, REPORT_FILL, REPORT_FUNDING, REPORT_KIND, REPORT_VISIBLE_NS
from market.tape import TapeBuilder
from protocol.errors import JournalError, SettingsError
from tests.agents.executor.market import perpetual
from tests.exchange.binance.stage import ROOT, staged

SPEED = "60"
TIGHT = ("parameters.spread_percentage=0.02", "parameters.levels=2", "executor.warmup_s=300")


@contextlib.contextmanager
def trading(stage, folder: Path, venue: str):
    """Run an executor on paper in a process of its own."""
    command = [sys.executable, "-m", "agents.cli.main", "executor", "--venue", venue]
    command += ["--url", stage.url, "--symbol", stage.symbol, "--pace", "feed", "--speed", SPEED]
    for each in TIGHT:
        command += ["--set", each]
    process = subprocess.Popen(
        [*command, "--data", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def fills_of(folder: Path) -> int:
    """Return how many fills the journal holds; 0 while there is none."""
    for path in (folder / "data" / "runs").glob("*/executor.db"):
        with contextlib.suppress(JournalError), open_journal(path.parent, readonly=True) as journal:
            rows = [records.report_rows(row.body)[1] for row in journal.rows(records.REPORTS)]
            return sum(map(len, rows))
    return 0


@pytest.mark.slow
@pytest.mark.parametrize("venue", ["paper", "paper-futures"])
def test_the_fills_of_paper_are_those_of_a_replay_of_its_recording(tmp_path, venue):
    """One by one, with everything that came between, from its journal and its recording."""
    futures = venue == "paper-futures"
    feed = tmp_path / "day.npz"
    if futures:
        feed = perpetual(tmp_path, hours=2.0)
    else:
        save(feed, synthetic_recording(seed=3, hours=2.0))
    more = ["--futures"] if futures else []
    with (
        staged(feed, "--speed", SPEED, *more) as stage,
        trading(stage, tmp_path / "data", venue) as process,
    ):
        for _ in range(120):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=1)
            assert process.poll() is None, "it goes on until it is told to end"
            if fills_of(tmp_path) >= 12:
                break
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    folder = next((tmp_path / "data" / "runs").glob("*/executor.db")).parent
    facts = read_facts(folder)
    session = session_at(Settings(), facts, folder)
    recorded = load_recording(folder / RECORDING_NAME)
    found = recorded.events
    setup = session.setup
    if futures:
        setup = setup._replace(funding=np.array(recorded.meta.funding, dtype=np.int64))
    making = session.making()
    builder = TapeBuilder(
        found,
        interval_ns=making.interval_ns,
        cycle_ns=making.cycle_ns,
        settings=making.settings,
        latency=making.latency,
    )
    with open_journal(folder, readonly=True) as journal:
        sent = {each.now_ns: each.rows for each in intents(journal, 1 << 62)}
        lived = [records.report_rows(row.body)[0] for row in journal.rows(records.REPORTS)]
    reports = np.concatenate(lived)
    replay = RecordedVenue(builder, setup, first_ns=facts.first_ns, last_ns=1 << 62)
    again = []
    while (step := replay.step()) is not None:
        again.append(step.reports)
        for row in sent.get(step.now_ns, ()):
            if row[INTENT_KIND] == ACTION_CANCEL:
                replay._cancel(int(row[INTENT_ORDER_ID]))
            else:
                side, price, lots = (int(each) for each in row[INTENT_SIDE : INTENT_LOTS + 1])
                taker = int(row[INTENT_TAKER])
                replay._submit(int(row[INTENT_ORDER_ID]), side, price, lots, taker)
    replayed = np.concatenate(again)
    # A recording ends with its last event, while the clock went on; and at the end quotes are taken
    # back between two steps.
    end_ns = min(replay.now_ns(), max(sent)) - 5 * 10**9
    replayed, reports = (each[each[:, REPORT_VISIBLE_NS] <= end_ns] for each in (replayed, reports))
    assert np.array_equal(replayed, reports)
    assert int((reports[:, REPORT_KIND] == REPORT_FILL).sum()) >= 5
    assert (REPORT_FUNDING in reports[:, REPORT_KIND]) == futures
    assert facts.meta.spot != futures
    assert futures == (facts.target_units == 0)
    judged = agreement(folder, replace(session, setup=setup))
    assert judged.measured.predicted.net_units == judged.actual.net_units, "fundings included"


def test_paper_needs_no_key_and_watches_the_live_market():
    """Fees are the configured ones, or what an account without discounts pays."""
    settings = Settings.model_validate({"venue": {"kind": "paper", "symbol": "BTC-USDT"}})
    market = trading_settings(settings, {})
    assert (market.key, market.symbol, market.place.name) == ("", "BTCUSDT", "live")
    assert (market.maker_fee, market.taker_fee) == (market.taker_fee, market.maker_fee)
    assert float(market.maker_fee) == 0.001
    assert market.pace is Pace.WALL
    again = Settings.model_validate_json(settings.model_dump_json())
    assert trading_settings(again, {}) == market


def test_paper_of_futures_watches_the_futures_market_at_its_fees():
    """Live unless another is named, with what that exchange takes without discounts."""
    settings = Settings.model_validate({"venue": {"kind": "paper-futures", "symbol": "BTC-USDT"}})
    market = trading_settings(settings, {})
    assert market.place.rest == "https://fapi.binance.com/fapi"
    assert (float(market.maker_fee), float(market.taker_fee)) == (0.0002, 0.0005)
    assert not settings.venue.guarded


def test_paper_cannot_be_led_in_lockstep():
    """Lockstep goes by an account's requests."""
    venue = {"kind": "paper", "symbol": "BTC-USDT", "pace": "lockstep", "control": "http://[::1]:1"}
    with pytest.raises(SettingsError, match="lockstep"):
        trading_settings(Settings.model_validate({"venue": venue}), {})
