"""Replays real orders as ours through every fill model, and scores what each said of them.

    python -m bench.ghosts [--feed LOG_OR_NPZ] [--pictures docs/pictures]

The bar: at least 3,000 real orders that the touch reached; on the held-out third of the day the
engine's default beats trade-through-only and fill-at-touch in log score, with 95 % intervals
(paired blocks of ten minutes) that exclude zero.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from agents.cli.calibrate import document, draw, examined, show

DAY = Path("../shared/feeds/bitstamp-spot-btcusd-20150501/2015-05-01.log.bz2")
GHOSTS_MIN = 3_000
BOUNDS = ("trade-through", "touch")


def main() -> int:
    """Run the test; print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feed", type=Path, default=DAY)
    parser.add_argument("--pictures", type=Path, help="folder for the plots")
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    began = time.process_time()
    truth = examined(told.feed, seed=told.seed)
    seconds = time.process_time() - began
    show(truth)
    if told.pictures is not None:
        draw(truth, told.pictures)
    beats = {name: truth.differences[name].low > 0.0 for name in BOUNDS}
    enough = truth.reached >= GHOSTS_MIN
    print(
        json.dumps(
            {"bench": "ghosts", "cpu_s": round(seconds, 1), "enough": enough, "beats": beats}
            | document(truth)
        )
    )
    return 0 if enough and all(beats.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
