"""Days on which markets fell, as recordings, and an executor that lives through one of them."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from agents.executor import records
from agents.executor.judged import named
from agents.executor.recovery import open_journal
from agents.executor.result import Journaled, journaled
from agents.session import Session, open_session
from agents.settings import Settings
from exchange.importers.bars import CLOSE, HIGH, LOW, OPEN, VOLUME, Bars, import_bars
from exchange.importers.bars_played import cut_bars, played_recording
from exchange.recording import save
from protocol.messages import utc_ns

ROOT = Path(__file__).parents[1]
CAPITAL = 5.0
"""BTC; the market takes it back within seconds."""
MINUTE_NS = 60 * 10**9
PATIENCE_S = 900.0
FLASH_DEPTH = 0.30
FLASH_BARS = 10
FLASH_VOLUME = 20.0
FREE: dict[str, Any] = {
    "max_position_size": 1.0, "stop_loss_threshold": 1.0, "peak_drawdown_limit": 1.0,
    "daily_loss_limit": 1.0, "value_at_risk_limit": 0.0, "participation_limit": 0.0,
    "flatten_cost_limit": 0.0, "stressed_loss_limit": 0.0, "price_collar": 0.5,
}  # fmt: skip
"""The whole capital in one position, and no limit of loss."""


@dataclass(frozen=True, slots=True)
class Case:
    """A day on which a market fell.

    Attributes:
        name: for people.
        bars: file below the feeds.
        start: UTC; it ends on the same day, so that one day's loss is looked at.
        hours: played.
        flash: UTC minute of a crash of FLASH_DEPTH that is put into it; empty: none.
    """

    name: str
    bars: str
    start: str
    hours: float
    flash: str = ""


CASES = (
    Case("fall of 16 January 2018, XRP", "ohlcv-bittrex-5m-20171119/BTC_XRP-5.json.gz",
         "2018-01-16T16:00:00Z", 6.0),
    Case("fall of 2 February 2018, XLM", "ohlcv-bittrex-5m-20171119/BTC_XLM-5.json.gz",
         "2018-02-02T03:00:00Z", 6.0),
    Case("crash within minutes, XLM", "ohlcv-bittrex-5m-20171119/BTC_XLM-5.json.gz",
         "2018-01-15T13:00:00Z", 3.0),
    Case("flash crash, 30 % in a minute", "ohlcv-bittrex-1m-20180120/BTC_ETH-1.json.gz",
         "2018-01-21T00:30:00Z", 3.0, "2018-01-21T02:00:00Z"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lived:
    """What an executor did on such a day.

    Attributes:
        session: its settings, instrument and tape.
        run: as it was journaled.
        judged: figures of each step that was judged, by name, oldest first.
        cancels: times of its cancels, ns.
    """

    session: Session
    run: Journaled
    judged: list[dict[str, Any]]
    cancels: list[int]


def recording_of(case: Case, feeds: Path, folder: Path) -> tuple[Path, float]:
    """Write the case's recording; return it and the first price."""
    bars = import_bars([feeds / case.bars])
    bars = cut_bars(bars, utc_ns(case.start), case.hours)
    if case.flash:
        bars = with_flash(bars, utc_ns(case.flash))
    path = folder / "feed.npz"
    save(path, played_recording(bars, seed=1, hours=case.hours))
    return path, float(bars.figures[0, OPEN])


def with_flash(bars: Bars, at_ns: int) -> Bars:
    """Return bars that fall by FLASH_DEPTH within one and come back half at once, then slowly."""
    row = int(np.searchsorted(bars.times_ns, at_ns))
    figures = bars.figures.copy()
    low = figures[row, OPEN] * (1.0 - FLASH_DEPTH)
    back = 1.0 - FLASH_DEPTH / 2.0
    figures[row, CLOSE] *= back
    figures[row, LOW] = low
    figures[row, HIGH] = max(figures[row, OPEN], figures[row, CLOSE])
    after = slice(row + 1, row + 1 + FLASH_BARS)
    figures[after, : CLOSE + 1] *= np.linspace(back, 1.0, FLASH_BARS)[:, None]
    figures[row : row + 1 + FLASH_BARS, VOLUME] *= FLASH_VOLUME
    return replace(bars, figures=figures)


def live(feed: Path, price: float, folder: Path, **risk: Any) -> Lived:
    """Let an executor live through a recording as a user starts it, alone; return what it did."""
    folder.mkdir()
    worth = CAPITAL / price
    document: dict[str, Any] = {
        "feed": {"path": str(feed), "maker_fee_bps": 0.0},
        "account": {"capital": CAPITAL, "target_base": 0.0},
        "executor": {"probe": 1.0},
        "parameters": {
            "spread_percentage": 0.4, "levels": 3,
            "base_quantity": 0.33 * worth, "max_position": worth,
        },
        "risk": FREE | risk,
    }  # fmt: skip
    session = open_session(run_alone(document, folder))
    with open_journal(folder, readonly=True) as journal:
        judged = [
            {"now_ns": row.time_ns, "kind": row.kind, **named(row.body)}
            for row in journal.rows(records.JUDGED)
            if row.kind in ("step", "state")
        ]
    run = journaled(folder, session)
    placed = run.record.placed
    return Lived(session, run, judged, cancels_of(placed))


def cancels_of(placed: Any) -> list[int]:
    """Return the times of cancels of i8[n, PLACED_COLUMNS]."""
    from market.layout import ACTION_CANCEL
    from market.replay_step import PLACED_KIND, PLACED_NOW_NS

    return [int(at) for at in placed[placed[:, PLACED_KIND] == ACTION_CANCEL, PLACED_NOW_NS]]


def run_alone(document: dict[str, Any], folder: Path) -> Settings:
    """Let an executor live through a recording as a process of its own; return its settings."""
    settings = Settings.model_validate_json(json.dumps(document)).located(folder)
    config = folder / "config.json"
    config.write_text(settings.model_dump_json(), encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "agents.executor", "--alone", "--config", str(config),
         "--run", str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=PATIENCE_S, check=True, capture_output=True,
    )  # fmt: skip
    return settings
