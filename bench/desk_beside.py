"""Whether trading feels a desk that nobody reads, is flooded, killed, or cut off.

    python -m bench.desk_beside [--part same,late] [--hours 2] [--rounds 4] [--trials 10]

same: the whole stack lives through a recording in lockstep, without a desk and beside one that
suffers (`desk_beside_same`). Every row of the executor's journal and of the decision log, the
chain of the journal's audit, and result.json must be the same bytes.

late: an executor quotes on the real clock, under a coordinator with its hubs, and the same desk
comes and goes in turns, so that the machine's moods are shared out. A decision is late by the time
from the moment at which the clock had it due until journal and venue had all of it; a trial stops
and rearms as `bench.stops` does. Above p99 without a desk either may be by `DECISION_MORE_S` and
`STOP_MORE_S` at most, and no stop takes longer than `STOP_MAX_S`.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.desk_beside_executor import noted
from bench.desk_beside_house import NONE, Desk, TimedHouse
from bench.desk_beside_same import WAYS, lived
from bench.stops import rearm_s, spread, stop_s

PARTS = ("same", "late")
DECISION_MORE_S = 0.025
STOP_MORE_S = 0.1
STOP_MAX_S = 1.0
SETTLE_S = 2.0
"""Before the trials of a turn, which counts as well."""
SPEED = 20.0
"""Feed seconds a wall second: four decisions a second, twenty steps."""
DAY_S = 6 * 3600.0
FIGURES = ("decision_p50_s", "decision_p99_s", "stop_p50_s", "stop_p99_s")


def same(folder: Path, hours: float) -> tuple[dict[str, Any], bool]:
    """Live through one recording in every way; return the figures, and whether all is the same."""
    found = {}
    for name, way in WAYS.items():
        found[name] = lived(folder / name.replace(" ", "-"), hours, way)
        print(f"{name:<12}" + str({k: v for k, v in found[name].items() if k != "left"}))
    first, *others = (each.pop("left") for each in found.values())
    good = all(each == first for each in others)
    for name in {**first, **{key: "" for each in others for key in each}}:
        alike = all(each.get(name) == first.get(name) for each in others)
        print(f"{name:<48}{'the same in all' if alike else 'DIFFERENT':>16}", flush=True)
    return {**found, "compared": len(first)}, good


def late(folder: Path, rounds: int, trials: int) -> tuple[dict[str, Any], bool]:
    """Stop and decide beside every desk; return the figures, and whether the bar holds."""
    with TimedHouse(folder, hours=DAY_S / 3600.0, speed=SPEED) as house:
        house.until(quoting=True)
        desk = Desk(house)
        stops: dict[str, list[float]] = {name: [] for name in desk.ways}
        spans: dict[str, list[tuple[float, float]]] = {name: [] for name in desk.ways}
        for _ in range(rounds):
            for name, way in desk.ways.items():
                with way():
                    began_s = time.monotonic()
                    time.sleep(SETTLE_S)
                    for _ in range(trials):
                        stops[name].append(stop_s(house))
                        rearm_s(house)
                    spans[name].append((began_s, time.monotonic()))
        steps = noted(house.folder)
    found: dict[str, Any] = {}
    for name, turns in spans.items():
        decided = [
            step.late_s
            for step in steps
            if step.decided and any(begin <= step.done_s <= end for begin, end in turns)
        ]
        found[name] = {
            "decisions": len(decided), **spread("decision", decided),
            "stops": len(stops[name]), **spread("stop", stops[name]),
        }  # fmt: skip
    return {**found, "told": dict(desk.told)}, show(found)


def show(found: dict[str, Any]) -> bool:
    """Print the table; return whether the bar holds."""
    print(f"{'ms':<12}" + "".join(f"{name[:-2].replace('_', ' '):>16}" for name in FIGURES))
    bare, good = found[NONE], True
    for name, each in found.items():
        cells = (f"{1e3 * each[key]:>9.1f} x{each[key] / bare[key]:<5.2f}" for key in FIGURES)
        print(f"{name:<12}" + "".join(cells) + f"  of {each['decisions']}, {each['stops']}")
        good = (
            good
            and each["decision_p99_s"] <= bare["decision_p99_s"] + DECISION_MORE_S
            and each["stop_p99_s"] <= bare["stop_p99_s"] + STOP_MORE_S
            and each["stop_max_s"] <= STOP_MAX_S
        )
    return good


def main() -> int:
    """Measure, print tables and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", default=",".join(PARTS))
    parser.add_argument("--hours", type=float, default=2.0, help="of the recording in lockstep")
    parser.add_argument("--rounds", type=int, default=4, help="turns of each desk")
    parser.add_argument("--trials", type=int, default=10, help="stops of a turn")
    told = parser.parse_args()
    document: dict[str, Any] = {"bench": "desk_beside", "good": True}
    for part in told.part.split(","):
        with tempfile.TemporaryDirectory(prefix="cp") as name:
            if part == "same":
                document[part], good = same(Path(name), told.hours)
            else:
                document[part], good = late(Path(name), told.rounds, told.trials)
            document["good"] = document["good"] and good
    print(json.dumps(document))
    return 0 if document["good"] else 1


if __name__ == "__main__":
    sys.exit(main())
