"""Learn to quote a market from nothing but its step: calibrate, plan, then a tested residual.

1. *Calibrate* (`learning_calibration.py`): explore on a grid of depths and count.
2. *Plan* (`learning_plan.py`): exact dynamic programming on the estimate.
3. *Residual* (`learning_residual.py`): a few coefficients by evolution strategies; or, when asked
   for, a small network by its gradient (`learning_ppo.py`).

The plan is what is returned unless, on seeds that nothing was fitted to, the residual is better
beyond its error or the closed form is. Budgets count steps, never seconds; all chance comes from
the seed; nothing depends on how fast anything ran.
"""

from dataclasses import dataclass

import numpy as np

from agents.executor.learning_calibration import Calibration, Estimate
from agents.executor.learning_environment import Environment, Purse
from agents.executor.learning_plan import plan_table, start_table
from agents.executor.learning_ppo import train
from agents.executor.learning_residual import Generation, search
from market.stylised import QuoteTable
from market.types import F8

BUDGET_STEPS = 40_000_000
CALLS_MAX = 250_000
PROBE_SHARE = 0.02
ROUND_SHARES = (0.08, 0.16, 0.40)  # of what the probe leaves; the last rounds are near the plan
RESIDUAL_SHARE = 0.6  # of what the rounds leave; the rest is the held-out test
ERRORS = 2.5
RESIDUALS = {"evolution": search, "ppo": train}


@dataclass(frozen=True, slots=True)
class Study:
    """What was learned and how: `table` is the choice among `start`, `plan` and `residual`."""

    table: QuoteTable
    chosen: str
    start: QuoteTable
    plan: QuoteTable
    plans: tuple[QuoteTable, ...]
    estimate: Estimate
    generations: tuple[Generation, ...]
    steps_spent: int


def learn(
    environment: Environment,
    *,
    budget_steps: int = BUDGET_STEPS,
    seed: int = 0,
    residual: str = "evolution",
) -> QuoteTable:
    """Return the quotes learned, f8[steps, 2 q_max + 1, regimes] a side.

    Args:
        environment: offers `copies`, `steps`, `q_max`, `regimes`, `depth_low`, `depth_high`,
            `reset(seed)` and `step(bid, ask)`, see `learning_environment.py`; nothing else of it
            is used.
        budget_steps: most steps, each copy counted; at most CALLS_MAX calls of `step` are made.
        seed: of everything; same seed, same bytes.
        residual: of RESIDUALS.
    """
    return study(environment, budget_steps=budget_steps, seed=seed, residual=residual).table


def study(
    environment: Environment,
    *,
    budget_steps: int = BUDGET_STEPS,
    seed: int = 0,
    residual: str = "evolution",
) -> Study:
    """Learn as `learn` does and tell how; at least two steps of every copy are needed."""
    if residual not in RESIDUALS:
        raise ValueError(f"residual must be one of {tuple(RESIDUALS)}, found {residual!r}")
    calls = min(CALLS_MAX, int(budget_steps) // int(environment.copies))
    if calls < 2:
        raise ValueError(
            f"budget_steps must be at least two steps of {environment.copies} copies, "
            f"found {budget_steps}"
        )
    purse = Purse(environment, calls=calls, seed=seed)
    shape = {"steps": purse.steps, "q_max": purse.q_max}
    calibration = Calibration(purse)
    calibration.probe(max(1, int(PROBE_SHARE * calls)))
    plans: list[QuoteTable] = []
    left = purse.left
    for index, share in enumerate(ROUND_SHARES):
        last = index == len(ROUND_SHARES) - 1
        calibration.explore(_episodes(share * left, purse, last=last), plans[-1] if plans else None)
        plans.append(plan_table(calibration.estimate, **shape))
        if purse.left == 0:
            break
    estimate, plan = calibration.estimate, plans[-1]
    start = start_table(estimate, **shape, low=purse.low, high=purse.high)
    learned, generations = RESIDUALS[residual](
        purse,
        plan,
        decay=estimate.decay,
        calls=int(RESIDUAL_SHARE * purse.left),
        rng=np.random.default_rng([seed, 1]),
    )
    tables = {"plan": plan, "start": start}
    if generations:
        tables["residual"] = learned
    chosen = choose(purse, tables)
    spent = (calls - purse.left) * purse.copies
    return Study(
        tables[chosen], chosen, start, plan, tuple(plans), estimate, tuple(generations), spent
    )


def choose(purse: Purse, tables: dict[str, QuoteTable]) -> str:
    """Return the best of the tables on fresh seeds: the first, unless one beats it beyond error.

    All tables meet the same seeds, so that what is compared is paired by copy.
    """
    totals: dict[str, list[F8]] = {name: [] for name in tables}
    while purse.left >= len(tables) * purse.steps:
        seed = purse.fresh_seed()
        for name, table in tables.items():
            totals[name].append(purse.play(table, seed))
    first, *others = tables
    best, margin = first, 0.0
    for name in others:
        if not totals[name]:
            break
        gains = np.concatenate(totals[name]) - np.concatenate(totals[first])
        error = float(gains.std()) / np.sqrt(len(gains))
        gain = float(gains.mean())
        if gain > ERRORS * error and gain > margin:
            best, margin = name, gain
    return best


def _episodes(calls: float, purse: Purse, *, last: bool) -> int:
    """Return whole episodes where they fit: the end of one is worth seeing, once at any price."""
    whole = round(calls / purse.steps) * purse.steps
    if whole == 0 and purse.steps <= purse.left // (1 if last else 2):
        whole = purse.steps
    return max(1, min(purse.left, whole if whole > 0 else int(calls)))
