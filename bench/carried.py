"""How often the loss that caps a position was exceeded: the executor's own figure, out of sample.

    python -m bench.carried --feed DAY.npz [--feed ...] [--horizon 30 --horizon 3600]

Each recording is read as the executor reads it, with decisions every 30 s; at each, the loss of a
lot at 99 % over the horizon is held against what came, long and short, and beside it the normal
figure with the volatility now. Rows of a longer horizon overlap, so there are few independent ones:
Kupiec's test is of every n-th. One figure serves both sides, of the worse. The bar: over one cycle
the side that exceeds it more often does so half to one and a half times as often as it says; the
normal figure has no bar.
"""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

from exchange.recording_folder import load_recording
from market.features import observer_settings
from market.layout import STEP_NOW_NS, VIEW_LOSS, VIEW_MID, VIEW_READY, VIEW_SIGMA
from market.risked import with_risk
from market.tape import build_tape
from market.types import F8
from market.value import CHANCE, SCORE
from risk.var_coverage import coverage

SECOND_NS = 10**9
CYCLE_S = 30
SHARE_LOW, SHARE_HIGH = 0.5 * CHANCE, 1.5 * CHANCE


def forecasts(path: Path, horizon_s: int) -> tuple[F8, F8, F8]:
    """Return (loss told, normal loss, mid) of each decision with a figure, ticks."""
    settings = with_risk(
        observer_settings(cycle_s=float(CYCLE_S)),
        value_s=float(horizon_s), cost_share=0.0, cost_tick_lots=0.0,
    )  # fmt: skip
    tape = build_tape(
        load_recording(path).events,
        interval_ns=SECOND_NS, cycle_ns=CYCLE_S * SECOND_NS, settings=settings,
    )  # fmt: skip
    edges = tape.steps[:, STEP_NOW_NS] % (CYCLE_S * SECOND_NS) == 0
    views = tape.views[edges]
    views = views[(views[:, VIEW_LOSS] > 0.0) & (views[:, VIEW_READY] >= 0.5)]
    normal = SCORE * views[:, VIEW_SIGMA] * math.sqrt(horizon_s)
    return views[:, VIEW_LOSS], normal, views[:, VIEW_MID]


def exceeded(bound: F8, mids: F8, steps: int) -> dict[str, Any]:
    """Return how often either side lost more; the test is of every `steps`-th row."""
    moves = mids[steps:] - mids[:-steps]
    told = bound[:-steps]
    sides = {"long": -moves > told, "short": moves > told}
    found: dict[str, Any] = {"forecasts": len(moves), "apart": len(moves) // steps}
    for side, beyond in sides.items():
        found[side] = round(float(beyond.mean()), 5)
        judged = coverage(beyond[::steps], 1.0 - CHANCE)
        found[f"{side}_kupiec"] = round(judged.kupiec, 4)
    return found


def main() -> int:
    """Walk each recording; print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feed", type=Path, action="append", required=True)
    parser.add_argument("--horizon", type=int, action="append")
    told = parser.parse_args()
    rows, held = [], True
    print(f"{'recording':<26}{'horizon':>8} {'figure':<9}{'rows':>6}{'long':>9}{'short':>9}")
    for path in told.feed:
        for horizon_s in told.horizon or (CYCLE_S, 3_600):
            loss, normal, mids = forecasts(path, horizon_s)
            steps = max(1, horizon_s // CYCLE_S)
            for figure, bound in (("filtered", loss), ("normal", normal)):
                found = exceeded(bound, mids, steps)
                rows.append(
                    {"recording": path.name, "horizon_s": horizon_s, "figure": figure, **found}
                )
                print(
                    f"{path.name:<26}{horizon_s:>8} {figure:<9}{found['forecasts']:>6}"
                    f"{found['long']:>9.2%}{found['short']:>9.2%}",
                    flush=True,
                )
                if figure == "filtered" and steps == 1:
                    held &= SHARE_LOW <= max(found["long"], found["short"]) <= SHARE_HIGH
    print(json.dumps({"bench": "carried", "rows": rows, "held": held}))
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
