"""The portfolio against its own sources and against peers, by hypervolume at equal evaluations.

    python -m bench.tuner [--seeds 3] [--problems zdt1,osy] [--peers]

1000 evaluations in batches of 64; the median over seeds of the share of the front's hypervolume,
noise left out of the score. Peers cost a hundred times what we do, so their figures are kept in
`tuner_peers.json` (measured on 26 November 2026; median, CPU ms a trial, seeds) and `--peers`
measures Optuna again. pymoo's come from an environment of its own: it is no dependency.

The bars: at least the best peer, at least the best source alone - 0.01, at most 8 ms CPU a trial.
"""

import argparse
import json
import logging
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from agents.optimizer.space import Space
from agents.optimizer.tuner import PORTFOLIO, Tuner
from bench.tuner_problems import PROBLEMS, Problem

TRIALS, BATCH = 1000, 64
SHOWN = "zdt1,zdt2,zdt3,dtlz2,osy,noisy,wfg4"
SINGLE_SLACK = 0.01
CPU_MS_MAX = 8.0
PEERS = Path(__file__).with_name("tuner_peers.json")
Found = tuple[float, float]
"""Score and CPU ms a trial."""


def ours(problem: Problem, seed: int, sources: tuple[str, ...]) -> Found:
    """Search once."""
    rng = np.random.default_rng(10_000 + seed)
    begin = time.process_time()
    tuner = Tuner(
        Space.unit(problem.dimensions), problem.objectives, batch=BATCH, seed=seed, sources=sources
    )
    true: list[np.ndarray[Any, Any]] = []
    while tuner.told < TRIALS:
        points = tuner.ask(min(BATCH, TRIALS - tuner.told))
        values, beyond = problem.evaluate(points)
        true.append(values)
        tuner.tell(points, problem.told(values, rng), beyond)
    cpu = (time.process_time() - begin) / TRIALS * 1e3
    return problem.score(np.vstack(true), tuner.archive.violations), cpu


def optunas(problem: Problem, seed: int, method: str) -> Found:
    """Search once with a sampler of Optuna's."""
    import optuna

    optuna.logging.set_verbosity(logging.ERROR)
    warnings.simplefilter("ignore")

    def limits(trial: optuna.trial.FrozenTrial) -> list[float]:
        return [trial.user_attrs["beyond"]]

    samplers = optuna.samplers
    sampler: optuna.samplers.BaseSampler = {
        "optuna tpe": lambda: samplers.TPESampler(seed=seed, constraints_func=limits),
        "optuna tpe multivariate": lambda: samplers.TPESampler(
            seed=seed, multivariate=True, constraints_func=limits
        ),
        "optuna nsga2": lambda: samplers.NSGAIISampler(seed=seed, constraints_func=limits),
    }[method]()
    rng = np.random.default_rng(10_000 + seed)
    true, violations = [], []

    def objective(trial: optuna.Trial) -> tuple[float, ...]:
        names = [f"x{index}" for index in range(problem.dimensions)]
        unit = np.array([[trial.suggest_float(name, 0.0, 1.0) for name in names]])
        values, beyond = problem.evaluate(unit)
        true.append(values[0])
        violations.append(float(beyond[0]))
        trial.set_user_attr("beyond", violations[-1])
        return tuple(problem.told(values, rng)[0].tolist())

    study = optuna.create_study(directions=["minimize"] * problem.objectives, sampler=sampler)
    begin = time.process_time()
    study.optimize(objective, n_trials=TRIALS)
    cpu = (time.process_time() - begin) / TRIALS * 1e3
    return problem.score(np.array(true), np.array(violations)), cpu


def measured(names: list[str], seeds: int) -> dict[str, dict[str, list[float]]]:
    """Run Optuna's samplers and keep their figures beside pymoo's."""
    kept: dict[str, dict[str, list[float]]] = json.loads(PEERS.read_text(encoding="utf-8"))
    for name in names:
        for method in ("optuna tpe", "optuna tpe multivariate", "optuna nsga2"):
            runs = [optunas(PROBLEMS[name], seed, method) for seed in range(1, seeds + 1)]
            score, cpu = np.median(runs, axis=0)
            kept.setdefault(name, {})[method] = [float(score), float(cpu), seeds]
            print(f"{name:8s} {method:24s} {score:7.4f} {cpu:8.2f} ms", flush=True)
    PEERS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return kept


def judged(name: str, seeds: int, peers: dict[str, list[float]]) -> dict[str, Any]:
    """Print the lines of one problem and return its verdict."""
    figures = {}
    for label, sources in [("portfolio", PORTFOLIO), *((each, (each,)) for each in PORTFOLIO)]:
        runs = [ours(PROBLEMS[name], seed, sources) for seed in range(1, seeds + 1)]
        score, cpu = np.median(runs, axis=0)
        figures[label] = [float(score), float(cpu)]
        print(f"{name:8s} {label:24s} {score:7.4f} {cpu:8.2f} ms", flush=True)
    for label, (score, cpu, count) in peers.items():
        print(f"{name:8s} {label:24s} {score:7.4f} {cpu:8.2f} ms, {count:.0f} seeds, kept")
    score, cpu = figures.pop("portfolio")
    alone = max(found for found, _ in figures.values())
    peer = max((found for found, *_ in peers.values()), default=0.0)
    return {
        "kind": PROBLEMS[name].kind,
        "score": score,
        "best_source": alone,
        "best_peer": peer,
        "cpu_ms": cpu,
        "holds": score >= peer and score >= alone - SINGLE_SLACK and cpu <= CPU_MS_MAX,
    }


def main() -> int:
    """Print the table and the JSON line; 0 only if every bar holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--problems", default=SHOWN, help=f"of {', '.join(PROBLEMS)}")
    parser.add_argument("--peers", action="store_true", help="measure Optuna again first")
    asked = parser.parse_args()
    names = asked.problems.split(",")
    if asked.peers:
        peers = measured(names, asked.seeds)
    else:
        peers = json.loads(PEERS.read_text(encoding="utf-8"))
    verdicts = {name: judged(name, asked.seeds, peers.get(name, {})) for name in names}
    holds = all(each["holds"] for each in verdicts.values())
    print(json.dumps({"trials": TRIALS, "batch": BATCH, "problems": verdicts, "holds": holds}))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
