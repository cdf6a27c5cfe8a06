"""The four coordination modes side by side, and one run that switches through all of them.

python -m bench.modes [--feed nexo.npz] [--hours H] [--optimizers 3] [--set section.key=value ...]
                      [--planted SEED] [--planted-hours H] [--least N] [--quick] [--calm]

Two days: the recording of `--feed` as a user runs it, nothing set but the mode; and, since few sets
are worth adopting on a day without an edge, an artificial day with a planted edge that begins with
a far too wide spread, so that there is something to decide: there every mode must adopt `--least`
sets. Without `--feed` the planted day alone.

Every run is made twice and must give the same bytes, the second time with both cores kept busy by
something else (`--calm`: not busy; `--quick`: made once). Every version that the executor applied
must be applied once, and explained by one entry of the decision log under one mode
(`agents.coordinator.audit`). The exit code says whether all of it held.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.coordinator.audit import audit
from agents.coordinator.log import read_records
from agents.coordinator.rules import rules_from
from agents.executor import records
from agents.executor.recovery import open_journal
from agents.executor.state import as_pair
from agents.settings import Settings
from bench.stack import Outcome, run
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from protocol.messages import Mode, Pair

THROUGH_ALL = "through all"
CORES = 2
LEAST = 20
"""Sets that each mode must adopt on the planted day."""
TURNS = 12
"""Of the run through all modes: three for each, so that none meets the beginning alone."""
ORDER = (Mode.MASTER_SLAVE, Mode.PEER, Mode.CONSENSUS, Mode.HIERARCHICAL)
PLANTED: Mapping[str, str] = {
    # Seven times what this day wants, and short steps: a long way to go, so much to decide.
    "parameters.spread_percentage": "0.2",
    "optimizer.step_limit": "0.07",
    "optimizer.boundary_s": "300",
    "optimizer.window_hours": "2",
    "optimizer.budget": "16",
    # Seats say what they think, sure or not; how that is decided is what is compared.
    "optimizer.confidence_min": "0.5",
    "optimizer.chance_max": "1",
    "coordinator.confidence_min": "0.5",
    "executor.proposes": "true",
}


@dataclass(frozen=True, slots=True)
class Day:
    """One recording under one configuration.

    Attributes:
        arguments: of `counterpoint run`, without the mode.
        least: sets that every mode must adopt on it; under the run through all modes, one each
            when it is above zero.
    """

    name: str
    arguments: tuple[str, ...]
    least: int = 0


@contextmanager
def burning(cores: int) -> Iterator[None]:
    """Keep cores busy with something else meanwhile."""
    loop = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(loop) for _ in range(cores)]
    try:
        yield
    finally:
        for each in others:
            each.kill()
            each.wait()


def settings_of(changes: Mapping[str, str]) -> tuple[str, ...]:
    """Return changed settings as arguments of the command line."""
    return tuple(part for name, value in changes.items() for part in ("--set", f"{name}={value}"))


def planted_day(folder: Path, *, seed: int, hours: float, optimizers: str, least: int) -> Day:
    """Make the artificial day in a folder."""
    path = folder / "planted.npz"
    save(path, synthetic_recording(seed=seed, hours=hours + 0.05, setting="planted_edge"))
    where = ("--feed", str(path), "--hours", f"{hours:g}", "--optimizers", optimizers)
    name = f"planted edge, seed {seed}, {hours:g} h"
    return Day(name, (*where, *settings_of(PLANTED)), least)


def schedule_of(boundaries: int, turns: int = TURNS) -> str:
    """Return changes of mode, turn by turn; the first turn is longer: a window must first fill."""
    first = boundaries // 10
    step = (boundaries - first) / turns
    changes = (f"{first + round(step * n)}:{ORDER[n % len(ORDER)]}" for n in range(1, turns))
    return ",".join(changes)


def applied_in(folder: Path) -> list[Pair]:
    """Return every pair that the executor's journal says it applied, in order."""
    with open_journal(folder, readonly=True) as journal:
        rows = journal.rows(records.PARAMETERS, kinds=("applied",))
        return [as_pair(row.body["pair"]) for row in rows]


def problems(outcome: Outcome) -> list[str]:
    """Return what the decision log of a run does not explain."""
    text = (outcome.folder / "config.json").read_bytes()
    rules = rules_from(Settings.model_validate_json(text))
    applied = applied_in(outcome.folder)
    counts = Counter(applied)
    twice = [f"{pair} was applied {count} times" for pair, count in counts.items() if count > 1]
    return audit(rules, read_records(outcome.folder), applied) + twice


def row(mode: str, outcome: Outcome, *, same: bool | None) -> dict[str, Any]:
    """Return the line of one mode."""
    result, tuning = outcome.result, outcome.result["tuning"]
    applied = [each for each in tuning["decisions"] if each["fate"] == "applied"]
    return {
        "mode": mode,
        "boundaries": tuning["boundaries"],
        "proposals": tuning["proposals_made"],
        "decided": len(tuning["decisions"]),
        "adopted": len(applied),
        "adopted_by_mode": dict(Counter(each["mode"] for each in applied)),
        "switches": len(tuning["mode_changes"]),
        "refused": tuning["proposals_refused"],
        "alarms": tuning["alarms"],
        "net": float(result["tuned"]["profit"]["net_of_holding"]),
        "untuned_net": float(result["untuned"]["profit"]["net_of_holding"]),
        "supervision": tuning["supervision"],
        "unexplained": problems(outcome),
        "identical": same,
        "wall_s": round(outcome.wall_s, 1),
    }


def failures(day: Day, found: Mapping[str, Any]) -> list[str]:
    """Return why the bar does not hold for one line."""
    wrong = list(found["unexplained"])
    if found["identical"] is False:
        wrong.append("the second run gave other bytes")
    if found["alarms"]:
        wrong.append(f"{found['alarms']} alarms of peers that found another merge")
    if found["mode"] != THROUGH_ALL:
        if found["adopted"] < day.least:
            wrong.append(f"{found['adopted']} sets adopted, {day.least} are asked for")
        return wrong
    if found["switches"] < len(Mode) - 1:
        wrong.append(f"{found['switches']} changes of mode")
    missing = sorted(set(Mode) - set(found["adopted_by_mode"]))
    if day.least and missing:
        wrong.append(f"nothing adopted under {', '.join(missing)}")
    return wrong


def show(found: Mapping[str, Any]) -> None:
    """Print one line of the table."""
    refused = ", ".join(f"{code} {count}" for code, count in found["refused"].items()) or "-"
    same = {True: "yes", False: "NO", None: "-"}[found["identical"]]
    counts = f"{found['proposals']:>10}{found['decided']:>9}{found['adopted']:>9}"
    money = f"{found['net']:>10.2f}{found['untuned_net']:>10.2f}"
    kept = f"{len(found['unexplained']):>13}{same:>11}{found['wall_s']:>8.0f}"
    print(f"{found['mode']:<14}{counts}{money}{kept}  {refused}", flush=True)
    if found["mode"] == THROUGH_ALL:
        shares = ", ".join(f"{mode} {n}" for mode, n in found["adopted_by_mode"].items()) or "none"
        print(f"{'':<14}  {found['switches']} changes of mode; adopted under {shares}", flush=True)


def compare(day: Day, folder: Path, *, twice: bool, cores: int) -> list[dict[str, Any]]:
    """Run one day under every mode and through all; print a line each and return them.

    Args:
        folder: for the data of the runs.
        twice: whether each is repeated, with `cores` kept busy.
    """
    print(f"\n{day.name}")
    print(
        f"{'mode':<14}{'proposals':>10}{'decided':>9}{'adopted':>9}{'net':>10}{'untuned':>10}"
        f"{'unexplained':>13}{'identical':>11}{'wall s':>8}  refused"
    )
    rows: list[dict[str, Any]] = []
    for name in (*(mode.value for mode in Mode), THROUGH_ALL):
        data = folder / name.replace(" ", "-")
        if name == THROUGH_ALL:
            schedule = schedule_of(rows[0]["boundaries"])
            mode: tuple[str, ...] = (
                *("--mode", ORDER[0].value),
                *("--set", f"coordinator.schedule={schedule}"),
            )
        else:
            mode = ("--mode", name)
        outcome = run(data, *day.arguments, *mode)
        same = None
        if twice:
            with burning(cores):
                again = run(data, *day.arguments, *mode)
            same = again.result_bytes == outcome.result_bytes
        found = row(name, outcome, same=same)
        found["wrong"] = failures(day, found)
        rows.append(found)
        show(found)
        for line in found["wrong"]:
            print(f"{'':<14}  WRONG: {line}", flush=True)
    return rows


def main() -> int:
    """Compare the modes on one day or two, print the tables and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feed", help="a recording; the planted day is run beside it")
    parser.add_argument("--hours", help="of the feed; all, unless told")
    parser.add_argument("--optimizers", default="3")
    parser.add_argument("--set", action="append", default=[], help="of the runs on the feed")
    parser.add_argument("--planted", type=int, default=1, help="seed of the planted day; 0: none")
    parser.add_argument("--planted-hours", type=float, default=14.0)
    parser.add_argument("--least", type=int, default=LEAST, help="adopted in every mode, planted")
    parser.add_argument("--calm", action="store_true", help="the second run beside nothing else")
    parser.add_argument("--quick", action="store_true", help="each run once")
    told = parser.parse_args()
    cores = 0 if told.calm else CORES
    days = []
    with tempfile.TemporaryDirectory(prefix="cp") as name:
        folder = Path(name)
        if told.feed:
            hours = ("--hours", told.hours) if told.hours else ()
            changes = settings_of(dict(each.split("=", 1) for each in told.set))
            where = ("--feed", told.feed, *hours, "--optimizers", told.optimizers)
            days.append(Day(Path(told.feed).name, (*where, *changes)))
        if told.planted:
            days.append(
                planted_day(
                    folder,
                    seed=told.planted,
                    hours=told.planted_hours,
                    optimizers=told.optimizers,
                    least=told.least,
                )
            )
        how = "once" if told.quick else f"twice, the second time with {cores} cores kept busy"
        count = len(days) * (len(Mode) + 1)
        print(f"{count} runs with {told.optimizers} optimizers, {how}; about 2 minutes each")
        tables = {
            day.name: compare(day, folder / f"day-{n}", twice=not told.quick, cores=cores)
            for n, day in enumerate(days)
        }
    good = all(not each["wrong"] for rows in tables.values() for each in rows)
    print(json.dumps({"bench": "modes", "good": good, "days": tables}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
