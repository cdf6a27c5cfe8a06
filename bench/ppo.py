"""The learner's small PPO against stable-baselines3's, at equal evaluated reward.

    python -m bench.ppo [--peer FOLDER] [--seeds 5] [--steps 1024000] [--repeats 12]

Both learn a residual on one depth for every state, on a market with regimes, from the same inputs,
with the same net, copies, epochs and batches, on one thread. The peer is trained in an environment
of its own (made in FOLDER when there is none), and its best look counts; ours trains until its
exact value is at least that, and does so again and again from the same seed, since one training
of half a second says little of its pace. Looks stop the clock; steps a second are of the processor
time of all of them, since other work may share the machine. Exit 0 only with ten times the steps a
second in every seed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from agents.executor.learning_environment import Purse
from agents.executor.learning_ppo import Trainer
from bench.peer import cache_folder
from market.stylised import QuoteTable, StylisedMarket, evaluate, solve

FIGURES: dict[str, Any] = {
    "steps": 50,
    "dt": 1.0,
    "intensity": 0.7,
    "decay": 1.5,
    "sigma": 0.2,
    "phi": 0.01,
    "alpha": 0.1,
    "q_max": 4,
    "fee": 0.1,
    "depth_low": -0.5,
    "depth_high": 5.0,
    "drift": [-0.08, 0.0, 0.08],
    "transition": [[0.9, 0.1, 0.0], [0.05, 0.9, 0.05], [0.0, 0.1, 0.9]],
}
UNIT = 1.0 / FIGURES["decay"]
PLAN = UNIT + FIGURES["fee"]
COPIES = 2048
OURS_MOST = 40_000_000
REPEATS = 12
BAR = 10.0
PINS = (("torch==2.13.0",), ("stable-baselines3", "gymnasium", "numpy", "numba"))


def peer_python(folder: Path) -> Path:
    """Return the Python of the peer's environment; make it when there is none."""
    python = folder / "bin" / "python"
    line = "import numba, stable_baselines3, torch"
    if python.exists() and subprocess.run([python, "-c", line], check=False).returncode == 0:
        return python
    print(f"making the peer's environment in {folder} (some minutes, once)", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    for pins in PINS:  # torch first: its plain name pulls what a machine without a GPU never uses
        subprocess.run([python, "-m", "pip", "install", "--quiet", *pins], check=True)
    return python


def peer(python: Path, seed: int, steps: int) -> tuple[int, float, float, float]:
    """Return (steps, wall s, processor s, fraction of the optimum) of the peer's best look."""
    told = {"figures": FIGURES, "plan": PLAN, "unit": UNIT, "seed": seed}
    told |= {"copies": COPIES, "steps": steps}
    done = subprocess.run(
        [python, "-m", "bench.ppo_peer"],
        input=json.dumps(told),
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"},
    )
    if done.returncode != 0:
        raise RuntimeError(f"the peer ended: {done.stderr.strip()[-500:]}")
    best = max(json.loads(done.stdout.splitlines()[-1])["looks"], key=lambda look: look[3])
    return int(best[0]), float(best[1]), float(best[2]), float(best[3])


def ours(seed: int, wanted: float, repeats: int = REPEATS) -> tuple[int, float, float, float]:
    """Return the same of ours, everything but the fraction as the sum over the repeats."""
    runs = [trained(seed, wanted) for _ in range(repeats)]
    taken, wall, processor, found = zip(*runs, strict=True)
    assert len(set(zip(taken, found, strict=True))) == 1, "the same seed trained otherwise"
    return sum(taken), sum(wall), sum(processor), found[0]


def trained(seed: int, wanted: float) -> tuple[int, float, float, float]:
    """Return the same of one training, until its fraction is `wanted` or OURS_MOST steps."""
    market = StylisedMarket(**FIGURES)
    _, optimum = solve(market)
    purse = Purse(market.environment(COPIES), calls=OURS_MOST // COPIES, seed=seed)
    shape = (market.steps, 2 * market.q_max + 1, market.regimes)
    plan = QuoteTable(np.full(shape, PLAN), np.full(shape, PLAN))
    trainer = Trainer(purse, plan, unit=UNIT, rng=np.random.default_rng([seed, 1]))
    wall = processor = found = 0.0
    taken = 0
    while found < wanted and purse.left >= market.steps:
        began, worked = time.perf_counter(), time.process_time()
        trainer.round()
        wall += time.perf_counter() - began
        processor += time.process_time() - worked
        taken += COPIES * market.steps
        found = evaluate(market, trainer.table()) / optimum
    return taken, wall, processor, found


def main() -> int:
    """Train both for every seed; print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", type=Path, default=cache_folder() / "stable-baselines3")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1_024_000)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    told = parser.parse_args()
    python = peer_python(told.peer)
    trained(99, 0.78)  # compiles; counted nowhere
    titles = ("steps", "wall s", "cpu s", "steps/s", "fraction")
    print(f"{'seed':>4}{'who':>6}" + "".join(f"{each:>11}" for each in titles))
    rows, ratios, holds = [], [], True
    for seed in range(told.seeds):
        theirs = peer(python, seed, told.steps)
        mine = ours(seed, theirs[3], told.repeats)
        for who, row in (("peer", theirs), ("ours", mine)):
            taken, wall, processor, found = row
            speed = taken / processor
            figures = f"{taken:>11}{wall:>11.2f}{processor:>11.2f}{speed:>11.0f}{found:>11.5f}"
            print(f"{seed:>4}{who:>6}{figures}", flush=True)
        ratio = (mine[0] / mine[2]) / (theirs[0] / theirs[2])
        rows.append({"seed": seed, "peer": theirs, "ours": mine})
        ratios.append(ratio)
        holds = holds and ratio >= BAR and mine[3] >= theirs[3]
    worst, median = min(ratios), statistics.median(ratios)
    print(f"steps a second, ours over the peer's: {worst:.1f} at worst, {median:.1f} in the middle")
    document = {"bench": "ppo", "holds": holds, "ratio_worst": worst, "ratio_median": median}
    print(json.dumps(document | {"copies": COPIES, "repeats": told.repeats, "rows": rows}))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
