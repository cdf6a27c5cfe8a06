"""`counterpoint backtest --random N` as a process, warm: its time, and its first row run alone.

    python -m bench.backtest --feed nexo.npz [--sets 1000] [--repeats 3]

The bar: 1,000 sets over the NEXO-USDT day end within 10 s on two quiet cores, and the command that
the sweep prints gives the first row again, figure for figure. CPU seconds are told beside the
wall's, since only they mean something on a machine that is shared.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from statistics import median
from typing import Any

WALL_S_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run of the command."""

    result: dict[str, Any]
    wall_s: float
    cpu_s: float


def run(*arguments: str) -> Outcome:
    """Run `counterpoint backtest ... --json` and return what it printed and took."""
    began, before = time.perf_counter(), os.times()
    done = subprocess.run(
        [sys.executable, "-m", "agents.cli.main", "backtest", *arguments, "--json"],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    after = os.times()
    cpu_s = after.children_user + after.children_system
    cpu_s -= before.children_user + before.children_system
    return Outcome(json.loads(done.stdout), time.perf_counter() - began, cpu_s)


def same_row(sweep: dict[str, Any], alone: dict[str, Any]) -> bool:
    """Return whether a set run alone has the very figures of the sweep's first row."""
    left, right = ({**each["rows"][0], "starting_set": None} for each in (sweep, alone))
    return left == right and sweep["first_row"] == alone["first_row"]


def main() -> int:
    """Run it cold once, then warm; print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feed", required=True)
    parser.add_argument("--sets", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        given = ("--feed", told.feed, "--data", folder)
        run(*given)  # compiles what is missing and keeps the tape
        sweeps = [run(*given, "--random", str(told.sets)) for _ in range(told.repeats)]
        alone = run(*sweeps[0].result["reproduce"][2:], "--data", folder)
    walls, cpus = [each.wall_s for each in sweeps], [each.cpu_s for each in sweeps]
    same = same_row(sweeps[0].result, alone.result)
    print(f"{told.sets:,} sets, {told.repeats} runs, {os.cpu_count()} cores")
    print(f"wall  median {median(walls):.1f} s, least {min(walls):.1f} s, most {max(walls):.1f} s")
    print(f"cpu   median {median(cpus):.1f} s, least {min(cpus):.1f} s, most {max(cpus):.1f} s")
    print(f"alone {alone.wall_s:.1f} s, {'the same row' if same else 'ANOTHER ROW'}")
    good = same and min(walls) <= WALL_S_MAX
    print(json.dumps({"bench": "backtest", "wall_s": walls, "cpu_s": cpus, "same": same}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
