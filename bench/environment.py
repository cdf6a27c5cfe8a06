"""The recorded market as a training environment: how fast it is, and what its reward is made of.

python -m bench.environment [--feed DAY.npz] [--seed 1] [--rounds 3]

The closed form lives through the whole recording, then random actions do. Exit 0 only when the
weighted parts of the reward stand to one another as they should for the closed form (risk and
consistency each 10 to 30 % of the mean size of profit) and a cycle takes at most a millisecond.
Without `--feed` the bundled artificial day; the bar of the parts is for a real one.
"""

import argparse
import json
import sys
import tempfile
import time
from typing import Any

import numpy as np

from agents.backtest.environment import market_making
from market.recorded_gymnasium import PARTS, RecordedMarketEnv

SHARE = (0.1, 0.3)
CYCLE_MAX_S = 1e-3


def main() -> int:
    """Measure, print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3, help="the fastest counts")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = market_making(told.feed, settings={"data": folder})
    rows = {
        "closed form": best(environment, told.rounds, told.seed, random=False),
        "random": best(environment, told.rounds, told.seed, random=True),
    }
    print(f"{environment.cycles} cycles of {environment.tape.interval_ns / 1e9:g} s steps")
    for name, row in rows.items():
        shares = ", ".join(f"{part} {row[part]:.3f}" for part in PARTS)
        print(f"{name:<12} {row['cycles_a_second']:>8,.0f} cycles/s; mean size of {shares}")
    closed = rows["closed form"]
    shares = [closed[part] / closed["profit"] for part in PARTS[1:]]
    fast = min(row["cycles_a_second"] for row in rows.values()) >= 1.0 / CYCLE_MAX_S
    good = fast and (told.feed is None or all(SHARE[0] <= each <= SHARE[1] for each in shares))
    print(json.dumps({"bench": "environment", "good": good, "shares": shares, "rows": rows}))
    return 0 if good else 1


def best(environment: RecordedMarketEnv, rounds: int, seed: int, *, random: bool) -> dict[str, Any]:
    """Return the parts of the reward, and the speed of the fastest of some rounds."""
    speeds = []
    for _ in range(rounds):
        environment.reset(seed=seed)
        environment.action_space.seed(seed)
        parts, over = [], False
        began_s = time.perf_counter()
        while not over:
            if random:
                *_, over, info = environment.step(environment.action_space.sample())
            else:
                *_, over, info = environment.follow()
            parts.append([info[name] for name in PARTS])
        speeds.append(len(parts) / (time.perf_counter() - began_s))
    means = np.abs(np.array(parts)).mean(axis=0).tolist()
    return {
        "cycles_a_second": max(speeds),
        "net": info["net"],
        **dict(zip(PARTS, means, strict=True)),
    }


if __name__ == "__main__":
    sys.exit(main())
