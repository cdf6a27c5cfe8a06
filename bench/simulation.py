"""Plays seeded simulations of the whole bus: virtual clock, network and disks, real cores.

python -m bench.simulation [--seeds 20] [--from 0] [--trace] [--pairs] [--planted]
"""

import argparse
import json
import sys
import time
from collections import Counter

from tests.simulation.planted import DEFECTS, planted
from tests.simulation.shrink import report
from tests.simulation.world import simulate

DEFECT_SEEDS = 200
FAULTS_MIN, CRASHES_MIN, DECISIONS_MIN, SECONDS_MIN = 20, 3, 10, 300.0


def main() -> int:
    """Play a range of seeds; print a line for each that fails, and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--trace", action="store_true", help="print everything that happens")
    parser.add_argument("--pairs", action="store_true", help="play each twice, compare digests")
    parser.add_argument("--planted", action="store_true", help="look for the planted defects")
    told = parser.parse_args()
    seeds = range(told.first, told.first + told.seeds)
    return find(seeds) if told.planted else play(seeds, trace=told.trace, pairs=told.pairs)


def play(seeds: range, *, trace: bool, pairs: bool) -> int:
    """Play seeds; return 0 when none broke anything and each broke enough."""
    began_s = time.process_time()
    totals: Counter[str] = Counter()
    broken = []
    for seed in seeds:
        outcome = simulate(seed, keep=trace)
        if trace:
            print("\n".join(outcome.trace))
        totals.update(decisions=outcome.decisions, crashes=outcome.crashes, faults=outcome.faults)
        totals["seconds"] += round(outcome.seconds)
        totals["thin"] += outcome.violation is None and not (
            outcome.faults >= FAULTS_MIN
            and outcome.crashes >= CRASHES_MIN
            and outcome.decisions >= DECISIONS_MIN
            and outcome.seconds >= SECONDS_MIN
        )
        totals["unlike"] += pairs and simulate(seed).digest != outcome.digest
        if outcome.violation is not None:
            broken.append(seed)
            print(report(seed), flush=True)
    cpu_s = (time.process_time() - began_s) / len(seeds)
    print(f"{len(seeds)} seeds from {seeds.start}: {len(broken)} broken {broken}, {dict(totals)}")
    line = {"bench": "simulation", "first": seeds.start, "seeds": len(seeds), **totals}
    print(json.dumps({**line, "broken": broken, "cpu_s_each": round(cpu_s, 2)}))
    return 1 if broken or totals["unlike"] or totals["thin"] else 0


def find(seeds: range) -> int:
    """Look for each planted defect; return 0 when all are found."""
    found = {}
    for defect in DEFECTS:
        with planted(defect):
            for seed in seeds:
                outcome = simulate(seed)
                if outcome.violation is not None:
                    found[defect.name] = seed - seeds.start + 1
                    print(f"{defect.name}: seed {seed}: {outcome.violation}"[:150], flush=True)
                    break
            else:
                print(f"{defect.name}: NOT FOUND", flush=True)
    print(json.dumps({"bench": "simulation", "planted": len(DEFECTS), "found": found}))
    return 0 if len(found) == len(DEFECTS) else 1


if __name__ == "__main__":
    sys.exit(main())
