"""Planted-edge and zero-edge days through the whole stack, to see whether the verdict is right.

python -m bench.edge [--seeds 20] [--from 1] [--hours 4]
"""

import argparse
import json
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.stack import Outcome, run
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save

PLANTED_BAR = 0.9
ZERO_BAR = 0.1


def one(setting: str, seed: int, hours: float, folder: Path) -> Outcome:
    """Run the stack on one artificial day."""
    feed = folder / f"{setting}-{seed}.npz"
    save(feed, synthetic_recording(seed=seed, hours=hours, setting=setting))
    outcome = run(folder / f"{setting}-{seed}", "--feed", str(feed), "--seed", str(seed))
    feed.unlink()
    return outcome


def row(setting: str, seed: int, outcome: Outcome) -> dict[str, Any]:
    """Return the line of one run."""
    result = outcome.result
    tuned = result["tuned"]
    applied = sum(each["fate"] == "applied" for each in result["tuning"]["decisions"])
    return {
        "setting": setting,
        "seed": seed,
        "verdict": tuned["verdict"]["edge"],
        "applied": applied,
        "net": float(tuned["profit"]["net_of_holding"]),
        "untuned_net": float(result["untuned"]["profit"]["net_of_holding"]),
        "round_trips": tuned["fills"]["round_trips"],
        "quoted": float(tuned["quoted"]["sent_quote"]),
        "untuned_quoted": float(result["untuned"]["quoted"]["sent_quote"]),
        "wall_s": round(outcome.wall_s, 1),
    }


def main() -> int:
    """Run every seed of both settings, two at a time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--from", dest="first", type=int, default=1)
    parser.add_argument("--hours", type=float, default=4.0)
    told = parser.parse_args()
    seeds = range(told.first, told.first + told.seeds)
    jobs = [(setting, seed) for seed in seeds for setting in ("planted_edge", "zero_edge")]
    rows = []
    print(
        f"{'setting':<13}{'seed':>5} {'verdict':<12}{'applied':>8}{'net':>10}{'untuned':>10}"
        f"{'trips':>7}{'quoted':>13}{'untuned':>13}"
    )
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(one, *job, told.hours, Path(folder)) for job in jobs]
        for job, done in zip(jobs, waiting, strict=True):
            found = row(*job, done.result())
            rows.append(found)
            print(
                f"{found['setting']:<13}{found['seed']:>5} {found['verdict']:<12}"
                f"{found['applied']:>8}{found['net']:>10.2f}{found['untuned_net']:>10.2f}"
                f"{found['round_trips']:>7}{found['quoted']:>13,.0f}"
                f"{found['untuned_quoted']:>13,.0f}",
                flush=True,
            )
    planted = [each for each in rows if each["setting"] == "planted_edge"]
    zero = [each for each in rows if each["setting"] == "zero_edge"]
    good = sum(each["verdict"] == "edge" and each["applied"] > 0 for each in planted)
    false = sum(each["verdict"] == "edge" for each in zero)
    document = {
        "bench": "edge",
        "seeds": told.seeds,
        "hours": told.hours,
        "planted_edge_and_applied": good,
        "planted_edge": sum(each["verdict"] == "edge" for each in planted),
        "planted_applied": sum(each["applied"] > 0 for each in planted),
        "zero_edge_called_edge": false,
        "rows": rows,
    }
    print(json.dumps(document))
    return 0 if good >= PLANTED_BAR * told.seeds and false <= ZERO_BAR * told.seeds else 1


if __name__ == "__main__":
    sys.exit(main())
