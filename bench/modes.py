"""The four coordination modes on one recording, and one run that switches through all of them.

python -m bench.modes [--feed nexo.npz | --planted SEED] [--hours H] [--optimizers 3] [--busy]
                      [--quick] [--set section.key=value ...]

Each is run twice and must give the same bytes, the second time with both cores kept busy when
`--busy` is given; `--quick` leaves the second runs out. Every applied version must be explained by
exactly one entry of the decision log, under exactly one mode (`agents.coordinator.audit`).
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agents.coordinator.audit import audit
from agents.coordinator.log import read_records
from agents.coordinator.rules import rules_from
from agents.executor.result import journaled
from agents.session import open_session
from agents.settings import Settings
from bench.stack import Outcome, run
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from protocol.messages import Mode

THROUGH_ALL = "through all"
CORES = 2


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


def schedule_of(boundaries: int) -> str:
    """Return three changes of mode in the later part: a window must first fill with data."""
    first = boundaries // 3
    step = max(1, (boundaries - first) // 4)
    modes = (Mode.PEER, Mode.CONSENSUS, Mode.HIERARCHICAL)
    return ",".join(f"{first + step * n}:{mode.value}" for n, mode in enumerate(modes, 1))


def problems(outcome: Outcome) -> list[str]:
    """Return what the decision log of a run does not explain."""
    text = (outcome.folder / "config.json").read_bytes()
    settings = Settings.model_validate_json(text)
    applied = journaled(outcome.folder, open_session(settings)).applied
    return audit(rules_from(settings), read_records(outcome.folder), applied)


def row(name: str, outcome: Outcome, *, same: bool | None) -> dict[str, Any]:
    """Return the line of one mode."""
    result, tuning = outcome.result, outcome.result["tuning"]
    applied = [each for each in tuning["decisions"] if each["fate"] == "applied"]
    return {
        "mode": name,
        "boundaries": tuning["boundaries"],
        "proposals": tuning["proposals_made"],
        "decided": len(tuning["decisions"]),
        "adopted": len(applied),
        "adopted_by_mode": dict(Counter(each["mode"] for each in applied)),
        "refused": tuning["proposals_refused"],
        "alarms": tuning["alarms"],
        "net": float(result["tuned"]["profit"]["net_of_holding"]),
        "untuned_net": float(result["untuned"]["profit"]["net_of_holding"]),
        "supervision": tuning["supervision"],
        "unexplained": problems(outcome),
        "identical": same,
        "wall_s": round(outcome.wall_s, 1),
    }


def show(found: dict[str, Any]) -> None:
    """Print one line of the table."""
    refused = ", ".join(f"{code} {count}" for code, count in found["refused"].items()) or "-"
    same = {True: "yes", False: "NO", None: "-"}[found["identical"]]
    print(
        f"{found['mode']:<14}{found['proposals']:>10}{found['adopted']:>9}{found['net']:>10.2f}"
        f"{found['untuned_net']:>10.2f}{len(found['unexplained']):>13}{same:>11}  {refused}",
        flush=True,
    )


def main() -> int:
    """Run every mode, print the table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feed", help="recording; without it the bundled day, or --planted")
    parser.add_argument("--planted", type=int, help="seed of a day with a planted edge")
    parser.add_argument("--hours", type=float, default=4.0)
    parser.add_argument("--optimizers", default="3")
    parser.add_argument("--set", action="append", default=[], dest="changes")
    parser.add_argument("--busy", action="store_true", help="keep both cores busy the second time")
    parser.add_argument("--quick", action="store_true", help="run each once")
    told = parser.parse_args()
    changes = [part for each in told.changes for part in ("--set", each)]
    every = [each for each in told.changes if each.startswith("optimizer.boundary_s=")]
    boundary_s = int(every[-1].partition("=")[2]) if every else 600
    rows = []
    print(
        f"{'mode':<14}{'proposals':>10}{'adopted':>9}{'net':>10}{'untuned':>10}"
        f"{'unexplained':>13}{'identical':>11}  refused"
    )
    with tempfile.TemporaryDirectory(prefix="cp") as folder:
        feed = told.feed
        if told.planted is not None:
            feed = str(Path(folder) / "planted.npz")
            hours = told.hours + 0.05
            day = synthetic_recording(seed=told.planted, hours=hours, setting="planted_edge")
            save(Path(feed), day)
        shared = ["--hours", str(told.hours), "--optimizers", told.optimizers, *changes]
        shared += ["--feed", feed] if feed else []
        schedule = schedule_of(int(told.hours * 3600 / boundary_s))
        for name in (*(mode.value for mode in Mode), THROUGH_ALL):
            through = name == THROUGH_ALL
            mode = ["--set", f"coordinator.schedule={schedule}"] if through else ["--mode", name]
            data = Path(folder) / name.replace(" ", "-")
            outcome = run(data, *shared, *mode)
            same = None
            if not told.quick:
                with burning(CORES if told.busy else 0):
                    again = run(data, *shared, *mode)
                same = again.result_bytes == outcome.result_bytes
            rows.append(row(name, outcome, same=same))
            show(rows[-1])
    good = all(not each["unexplained"] and each["identical"] is not False for each in rows)
    print(json.dumps({"bench": "modes", "schedule": schedule, "good": good, "rows": rows}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
