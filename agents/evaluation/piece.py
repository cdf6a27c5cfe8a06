"""One recording at one fee, all arms: computed once, kept as a file, and found again.

A piece is named by a digest of all that it depends on, the piece before it included (S1 is tuned
once and carried on). Whoever stops a long evaluation and begins it again computes what is missing.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agents.evaluation.arms import Schedule, arms_of, begun, grounds_of
from agents.evaluation.ground import SECOND_NS, Ground, opened
from agents.evaluation.house import House, through
from agents.evaluation.learned import LEARNED, learned_ground, planned
from agents.evaluation.oracle import Tables, oracle
from agents.evaluation.plan import Plan
from agents.evaluation.store import keep, kept
from agents.settings import Settings
from market.comparison import PERIOD_COLUMNS, periods_of
from market.layout import LEDGER_TRIPS, LEDGER_TURNOVER, SCALE_TICK_LOT, UNITS
from market.replay import Record
from market.replay_step import (
    COUNT_PLACED,
    EQUITY_EXCESS,
    EQUITY_NOW_NS,
    FILLED_LOTS,
    FILLED_PRICE_TICKS,
    FILLED_VISIBLE_NS,
)
from market.schedule import replay_schedule
from market.types import F8, I8
from protocol.messages import utc_text

SCHEMA = 3
HOUSE = Path(__file__).parents[2]
SOURCES = (
    "market/**/*.py",
    "protocol/**/*.py",
    "risk/**/*.py",
    "exchange/**/*.py",
    "agents/*.py",
    "agents/backtest/**/*.py",
    "agents/cli/evaluate_house.py",
    "agents/cli/run.py",
    "agents/cli/supervisor.py",
    "agents/coordinator/**/*.py",
    "agents/evaluation/**/*.py",
    "agents/executor/**/*.py",
    "agents/optimizer/**/*.py",
)
"""Code that a result depends on; another line in it is another result."""
NO_MATTER = ("data", "bus", "desk", "run", "venue")
"""Sections that no arm's result depends on."""
BPS = 10_000
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Task:
    """One piece to be done.

    Attributes:
        number: place of the recording, from 0.
        settings: of this recording and fee, complete.
        arms: names, in the order of the plan.
        before: document of the piece before; None for the first recording.
        tables: of the oracle, by climate.
        house: runs the stack, for the arms of modes; None: without them.
    """

    number: int
    settings: Settings
    plan: Plan
    arms: tuple[str, ...]
    before: Mapping[str, Any] | None
    tables: Tables
    house: House | None = None

    @property
    def fee_bps(self) -> float:
        """The maker fee."""
        return float(self.settings.feed.maker_fee_bps or 0.0)


def sources_digest() -> str:
    """Return a digest of the code that results depend on."""
    found = hashlib.sha256()
    for part in SOURCES:
        for path in sorted(HOUSE.glob(part)):
            found.update(path.relative_to(HOUSE).as_posix().encode())
            found.update(path.read_bytes())
    return found.hexdigest()


def feed_digest(path: Path) -> str:
    """Return the SHA-256 of a recording's file; of a folder, of all files in it."""
    found = hashlib.sha256()
    for each in sorted(path.rglob("*")) if path.is_dir() else (path,):
        if each.is_file():
            found.update(each.read_bytes())
    return found.hexdigest()


def key_of(task: Task, code: str) -> str:
    """Return the digest that names a piece."""
    told = task.settings.model_dump(mode="json", exclude=set(NO_MATTER))
    told["feed"].pop("path")
    path = task.settings.feed.path
    assert path is not None, "an evaluation names its recordings"
    told |= {
        "schema": SCHEMA,
        "code": code,
        "recording": feed_digest(path),
        "plan": task.plan.model_dump(mode="json"),
        "arms": task.arms,
        "tables": {name: each.model_dump() for name, each in task.tables.items()},
        "before": None if task.before is None else task.before["key"],
    }
    for name in ("threads", "cluster"):
        told["optimizer"].pop(name)
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def piece(task: Task, folder: Path, *, code: str, on_arm: Progress) -> dict[str, Any]:
    """Return the document of a piece: from its file, or computed, kept there, and read back.

    Raises:
        RecordingError: see `ground.opened`.
        OSError: it cannot be kept.
    """
    key = key_of(task, code)
    path = folder / f"{task.number:03d}-{task.fee_bps:g}bps-{key[:16]}.json"
    found = kept(path)
    if found is None:
        keep(path, computed(task, key, on_arm))
        found = kept(path)
    assert found is not None, f"{path} was changed while it was written"
    return found


def computed(task: Task, key: str, on_arm: Progress) -> dict[str, Any]:
    """Return the document of a piece, computed."""
    ground = opened(task.settings, task.plan, training=task.before is None)
    on_arm("training")
    carried = begun(ground, {} if task.before is None else task.before["carried"])
    grounds = dict.fromkeys(task.arms, ground) | grounds_of(ground, carried)
    if {*LEARNED, "O"} & set(task.arms):
        grounds["O"] = planned(task.settings, task.plan, training=task.before is None)
    if set(LEARNED) & set(task.arms):
        learned, lesson = learned_ground(grounds["B"], grounds["O"], carried)
        carried |= lesson
        grounds |= dict.fromkeys(LEARNED, learned)
    known = arms_of(ground)
    if ground.climates and task.tables:
        known["O"] = oracle(task.tables)
    edges = edges_of(ground)
    if task.house is not None:
        modes = task.plan.modes.items()
        known |= {name: through(name, mode, task.house) for name, mode in modes}
    arms, kept = {}, dict(carried)
    for name in task.arms:
        if name not in known:
            continue
        on_arm(name)
        schedule = known[name](grounds[name], carried)
        arms[name] = told_of(grounds[name], schedule, edges)
        if schedule.kept is not None:
            kept[name] = schedule.kept
    path = task.settings.feed.path
    assert path is not None, "an evaluation names its recordings"
    return {
        "schema": SCHEMA,
        "key": key,
        "recording": path.name,
        "symbol": ground.session.meta.symbol,
        "venue": ground.session.meta.venue,
        "fee_bps": task.fee_bps,
        "first": utc_text(int(edges[0])),
        "last": utc_text(int(edges[-1])),
        "periods": len(edges) - 1,
        "arms": arms,
        "carried": kept,
    }


def edges_of(ground: Ground) -> I8:
    """Return i8[n + 1], the whole periods of the test."""
    period_ns = ground.plan.period_s * SECOND_NS
    first_ns, last_ns = ground.time(ground.first), ground.time(ground.last - 1)
    return first_ns + np.arange((last_ns - first_ns) // period_ns + 1) * period_ns


def told_of(ground: Ground, schedule: Schedule, edges: I8) -> dict[str, Any]:
    """Replay a schedule and return its periods and counts as plain values."""
    setup = ground.session.setup
    if not schedule.starts.size:
        rows: F8 = np.zeros((len(edges) - 1, PERIOD_COLUMNS))
        return {"rows": rows.tolist(), "fills": 0, "orders": 0, "turnover": 0.0, "changes": 0,
                "tried": 0}  # fmt: skip
    record = replay_schedule(
        ground.tape, schedule.starts, schedule.sets, setup, last_step=ground.last
    )
    ledger = record.account.ledger
    trips = record.account.trips[: min(int(ledger[LEDGER_TRIPS]), len(record.account.trips))]
    tick_lot_units = int(setup.scale[SCALE_TICK_LOT])
    excess = record.equity[:, EQUITY_EXCESS]
    if schedule.surcharge_bps:
        excess = excess - surcharge(record, schedule.surcharge_bps, tick_lot_units)
    rows = periods_of(
        record.equity[:, EQUITY_NOW_NS],
        excess,
        trips,
        edges_ns=edges,
        tick_lot_units=tick_lot_units,
        risk_fraction=ground.plan.risk_fraction,
    )
    return {
        "rows": rows.tolist(),
        "fills": len(record.filled),
        "orders": int(record.counts[COUNT_PLACED]),
        "turnover": float(ledger[LEDGER_TURNOVER]) / UNITS,
        "changes": len(schedule.starts) - 1,
        "tried": schedule.tried,
    }


def surcharge(record: Record, bps: float, tick_lot_units: int) -> I8:
    """Return i8[equity rows], quote units that an arm would have paid more by then.

    Args:
        record: of what it did without knowing of it.
        bps: of each fill's notional.
        tick_lot_units: quote units of one lot at one tick.
    """
    fills = record.filled
    notional = fills[:, FILLED_PRICE_TICKS] * fills[:, FILLED_LOTS] * tick_lot_units
    paid = np.concatenate([[0], np.cumsum(np.round(notional * bps / BPS).astype(np.int64))])
    count = np.searchsorted(fills[:, FILLED_VISIBLE_NS], record.equity[:, EQUITY_NOW_NS], "right")
    found: I8 = paid[count]
    return found
