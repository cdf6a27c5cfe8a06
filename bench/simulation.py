"""Plays seeded simulations of the whole bus: virtual clock, network and disks, real cores.

python -m bench.simulation [--seeds 20] [--from 0] [--each] [--pairs] [--planted]
python -m bench.simulation --from SEED --seeds 1 --trace [--keep 3,7]
"""

import argparse
import json
import sys
import time
from collections import Counter

from tests.simulation.planted import DEFECTS, planted
from tests.simulation.shrink import chosen, report
from tests.simulation.world import simulate

DEFECT_SEEDS = 200
PROGRESS = 100


def main() -> int:
    """Play a range of seeds; print a line for each that fails, and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--trace", action="store_true", help="print everything that happens")
    parser.add_argument("--keep", help="places of the only faults that shall happen, or none")
    parser.add_argument("--each", action="store_true", help="print one line for each seed")
    parser.add_argument("--pairs", action="store_true", help="play each twice, compare digests")
    parser.add_argument("--planted", action="store_true", help="look for the planted defects")
    told = parser.parse_args()
    seeds = range(told.first, told.first + told.seeds)
    if told.planted:
        return find(seeds)
    if told.keep:
        return retell(told.first, told.keep)
    return play(seeds, trace=told.trace, each=told.each, pairs=told.pairs)


def retell(seed: int, keep: str) -> int:
    """Play one seed with some of its faults and print all that happens."""
    outcome = simulate(seed, chosen(seed, keep), keep=True)
    print("\n".join([*outcome.trace, str(outcome)]))
    return 0 if outcome.violation is None else 1


def play(seeds: range, *, trace: bool, each: bool, pairs: bool) -> int:
    """Play seeds; return 0 when none broke anything and each broke enough."""
    began_s = time.process_time()
    totals: Counter[str] = Counter()
    least: dict[str, int] = {}
    broken, thin = [], []
    for place, seed in enumerate(seeds):
        outcome = simulate(seed, keep=trace)
        if trace:
            print("\n".join(outcome.trace))
        if each:
            print(outcome, flush=True)
        elif place % PROGRESS == PROGRESS - 1:
            print(f"{place + 1} of {len(seeds)}, {len(broken)} broken", file=sys.stderr, flush=True)
        totals.update(decisions=outcome.decisions, crashes=outcome.crashes, faults=outcome.faults)
        totals["seconds"] += round(outcome.seconds)
        for name in ("faults", "crashes", "decisions", "seconds"):
            least[name] = min(least.get(name, 10**9), round(getattr(outcome, name)))
        if outcome.violation is None and not outcome.rich:
            thin.append(seed)
            print(f"too little happened: {outcome}", flush=True)
        totals["unlike"] += pairs and simulate(seed).digest != outcome.digest
        if outcome.violation is not None:
            broken.append(seed)
            print(report(seed), flush=True)
    cpu_s = round((time.process_time() - began_s) / len(seeds), 2)
    totals["thin"] = len(thin)
    print(f"{len(seeds)} seeds from {seeds.start}: {len(broken)} broken {broken}, {dict(totals)}")
    line = {"bench": "simulation", "first": seeds.start, "seeds": len(seeds), **totals}
    print(json.dumps({**line, "broken": broken, "least": dict(least), "cpu_s_each": cpu_s}))
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
