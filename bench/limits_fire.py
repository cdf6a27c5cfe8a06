"""Each limit fires in a recorded run and at the simulated exchange, and not when it is off.

python -m bench.limits_fire [--limit daily_loss_limit ...] [--part recorded --part exchange]

A market is made in which limits are crossed (`limits_house.py`). An executor as a user starts it
lives through it once without any limit and once with each: on the recording, and at the simulated
exchange over sockets, in lockstep. What counts is the exported audit of the run: a refusal with the
limit's name, a change of state with its reason, or the cap that it put on the position. Without the
limit there must be none. Exit 0 only if so for every limit of `counterpoint risk limits`.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agents.cli.risk_limits import rows_of
from agents.executor import records
from agents.executor.audited import Audited
from agents.executor.recovery import open_journal
from agents.session import open_session
from agents.settings import Settings
from bench.crash_house import run_alone
from bench.day import live as live_at
from bench.day import lockstep
from bench.limits_house import BASE, LATENCY, PLACES, SECTIONS, made_feed
from protocol.chain_check import contents, verify
from protocol.chain_file import FOLDER
from risk.states import TABLE

PARTS = ("recorded", "exchange")
FREE = "none"
REASONS = {rule.name: rule.limit for rule in TABLE}
"""The setting behind each reason of a state."""
REFUSED = {"last_trade_collar": "price_collar", "price_age_limit": "price_age_s"}
"""Refusals whose name is not the setting's."""
CAPS = {
    "value_cap": ("value_at_risk_limit",),
    "liquidity_cap": ("participation_limit", "flatten_cost_limit"),
    "stress_cap": ("stressed_loss_limit",),
}
"""What an audit's cap is the cap of; both of one column are never set together here."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one run's audit shows; counts of records by the limit that they name."""

    limit: str
    part: str
    found: dict[str, int]
    example: str
    sound: bool
    seconds: float


def main() -> int:
    """Run all; print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", action="append", choices=tuple(PLACES))
    parser.add_argument("--part", action="append", choices=PARTS)
    told = parser.parse_args()
    names = tuple(told.limit or PLACES)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        feed = made_feed(folder / "made.npz")
        for part in told.part or PARTS:
            for limit in (FREE, *names):
                rows.append(lived(feed, folder / f"{part}-{limit}", part, limit))
                print(line(rows[-1]), flush=True)
        absent = missing(feed)
    held = not absent and all(as_it_must(row, names) for row in rows)
    for each in absent:
        print(f"{each}: `risk limits` knows it, nothing here makes it fire")
    document = {"held": held, "absent": absent, "rows": [asdict(row) for row in rows]}
    print(json.dumps({"bench": "limits_fire", **document}))
    return 0 if held else 1


def as_it_must(row: Row, names: tuple[str, ...]) -> bool:
    """Return whether a limit fired where it was set, and no limit where none was."""
    if row.limit == FREE:
        return row.sound and not any(row.found.get(name) for name in names)
    return row.sound and row.found.get(row.limit, 0) > 0


def settings_of(feed: Path, limit: str) -> dict[str, Any]:
    """Return the sections of a run with one limit, FREE: none."""
    told = {"path": str(feed), "maker_fee_bps": 0.0}
    return {"feed": told, **SECTIONS, "risk": BASE | PLACES.get(limit, {})}


def lived(feed: Path, folder: Path, part: str, limit: str) -> Row:
    """Live through the market once; return what the audit of it shows."""
    began_s = time.monotonic()
    sections = settings_of(feed, limit)
    session = open_session(Settings.model_validate_json(json.dumps(sections)))
    folder.mkdir()
    run = folder
    if part == "recorded":
        run_alone(sections, folder)
    else:
        run = folder / "run"
        more = {name: sections[name] for name in ("account", "risk", "parameters")}
        with lockstep(session, feed, folder, LATENCY) as exchange:
            live_at(session, folder, exchange, LATENCY, more)
    found, example, sound = shown(run, float(SECTIONS["parameters"]["max_position"]))
    named = {name: found[name] for name in sorted(found)}
    return Row(limit, part, named, example.get(limit, ""), sound, time.monotonic() - began_s)


def shown(run: Path, asked: float) -> tuple[Counter[str], dict[str, str], bool]:
    """Return records by the limit that they name, the first of each, and whether the chain holds.

    Args:
        run: folder of a run.
        asked: largest position of the parameters: a cap of no less binds nothing.
    """
    with open_journal(run, readonly=True) as journal:
        report = verify(contents(run / FOLDER), journal, records.TABLES, None)
        lines = list(Audited(journal, report.checked.records).decisions(0, 1 << 62))
    found: Counter[str] = Counter()
    first: dict[str, str] = {}
    for each in lines:
        for name, what in named(each, asked):
            found[name] += 1
            first.setdefault(name, f"record {each['record']} {each['time'][11:19]} {what}")
    return found, first, report.sound


def named(each: dict[str, Any], asked: float) -> list[tuple[str, str]]:
    """Return the limits that one line of an audit names, each with what it says."""
    if each["what"] == "refused":
        name = each["limit"]
        what = f"refused {name} {each['figure']:.6g}, bound {each['bound']:.6g}"
        return [(REFUSED.get(name, name), what)]
    if each["what"] == "risk_state" and each["risk_reason"]:
        what = f"{each['risk_state']} for {each['risk_reason']}"
        return [(REASONS[each["risk_reason"]], what)]
    caps = []
    for column, limits in CAPS.items():
        told = each.get(column) or ""
        if told and float(told) < asked:
            caps += [(limit, f"{column} {told}") for limit in limits]
    return caps


def missing(feed: Path) -> list[str]:
    """Return the limits that `risk limits` shows and no row here sets."""
    settings = Settings.model_validate_json(json.dumps(settings_of(feed, FREE)))
    return [row.name for row in rows_of(settings, {}) if row.name not in PLACES]


def line(row: Row) -> str:
    """Return one row of the table."""
    told = row.found.get(row.limit, 0)
    if row.limit == FREE:
        told = sum(row.found.values())
    broken = "" if row.sound else ", CHAIN BROKEN"
    return f"{row.part:<9} {row.limit:<20} {told:>6} records  {row.example}{broken}"


if __name__ == "__main__":
    sys.exit(main())
