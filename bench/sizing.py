"""Kelly's share of the base quantity against the whole of it, on the same days and parameters.

    python -m bench.sizing [--feed DAY.npz] [--fees -0.5,0,2,10] [--seeds 8] [--hours 8]

Artificial days with a planted edge, with none, and as they come by default; then the recording,
once a fee. The share is asked for at each decision and knows the past only, so a day is out of
sample throughout. Per day and sizing: net profit against holding, deepest fall, profit over the
root of the summed squared exposure, and what was quoted. The bar: Kelly loses no more where there
is no edge. Which is the better default is for a reader to judge.
"""

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agents.session import Session, open_session, parameter_row
from agents.settings import Settings
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from market.replay import replay
from market.replay_step import (
    REPLAY_DRAWDOWN,
    REPLAY_EXPOSURE,
    REPLAY_NET,
    REPLAY_QUOTED_WORTH,
    REPLAY_STEPS,
)
from market.tape import Tape

SIZINGS = ("fixed", "kelly")
SETTINGS = ("planted_edge", "zero_edge", "default")


def days(told: argparse.Namespace, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (kind of day, settings of its feed)."""
    for setting in SETTINGS:
        for seed in range(1, told.seeds + 1):
            path = folder / f"{setting}.npz"
            save(path, synthetic_recording(seed=seed, hours=told.hours, setting=setting))
            yield setting, {"path": str(path)}
    if told.feed is not None:
        for fee in told.fees.split(","):
            feed = {"path": str(told.feed.resolve()), "maker_fee_bps": float(fee)}
            yield f"recording at {fee} bps", feed


def lived(session: Session, tape: Tape) -> dict[str, float]:
    """Return the figures of a day with its starting parameters."""
    rows = parameter_row(session.baseline)[None, :]
    span = {"first_step": tape.step_at(session.first_ns), "last_step": len(tape.steps)}
    out = replay(tape, rows, session.setup, slices=1, threads=1, **span)[0, 0]
    risk = math.sqrt(out[REPLAY_EXPOSURE] * out[REPLAY_STEPS])
    return {
        "net": float(out[REPLAY_NET]),
        "fall": float(out[REPLAY_DRAWDOWN]),
        "per_risk": float(out[REPLAY_NET]) / risk if risk > 0.0 else 0.0,
        "quoted": float(out[REPLAY_QUOTED_WORTH]),
    }


def compared(feed: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return a day's figures by sizing; the tape is made once."""
    found, tape = {}, None
    for sizing in SIZINGS:
        session = open_session(
            Settings.model_validate({"feed": feed, "executor": {"sizing": sizing}})
        )
        if tape is None:
            tape = session.tape_builder().advance(session.last_ns)
        found[sizing] = lived(session, tape)
    return found


def main() -> int:
    """Compare; print a line a day, the sums, and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feed", type=Path)
    parser.add_argument("--fees", default="-0.5,0,2,10")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--hours", type=float, default=8.0)
    told = parser.parse_args()
    rows = []
    print(f"{'day':<24}{'sizing':<8}{'net':>10}{'fall':>10}{'per risk':>12}{'quoted':>12}")
    with tempfile.TemporaryDirectory() as name:
        for kind, feed in days(told, Path(name)):
            found = compared(feed)
            rows.append({"day": kind, **found})
            for sizing, each in found.items():
                print(
                    f"{kind:<24}{sizing:<8}{each['net']:>10.3f}{each['fall']:>10.3f}"
                    f"{1e6 * each['per_risk']:>12.3f}{each['quoted']:>12,.1f}",
                    flush=True,
                )
    sums = {
        kind: {
            sizing: {
                figure: sum(row[sizing][figure] for row in rows if row["day"] == kind)
                for figure in ("net", "fall", "per_risk")
            }
            for sizing in SIZINGS
        }
        for kind in dict.fromkeys(row["day"] for row in rows)
    }
    for kind, both in sums.items():
        for sizing, each in both.items():
            print(f"sum: {kind:<24}{sizing:<8}{each['net']:>10.3f}{each['fall']:>10.3f}")
    losing = sums["zero_edge"]
    held = losing["kelly"]["net"] >= losing["fixed"]["net"]
    print(json.dumps({"bench": "sizing", "sums": sums, "rows": rows, "held": held}))
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
