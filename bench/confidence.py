"""Is the optimizer's confidence to be believed? Walk-forward decisions on fresh artificial markets.

    python -m bench.confidence --out FILE [--markets 120] [--from 2000]      # measure
    python -m bench.confidence --out FILE --markets 40 --from 96000 --fit    # fit the shipped prior

Each market is 20 hours of `market/synthetic.py` with a drawn toxicity and own first parameters
(`bench/window_markets.py`). The optimizer walks over it as it does alone, an hour between
boundaries, from the first whole window on; each candidate that came to the test, published or not,
is a decision, and its outcome are the two hours after, where the market lasts so long. A finished
market is a line of FILE, so an interrupted run goes on. `--fit` writes
`agents/optimizer/prior.json` from all markets of FILE, and which they are: measure on others.

The bars: >= 300 decisions on >= 20 markets, Brier skill over the base rate >= 0.08 with the lower
end of its 95 % interval (bootstrap over markets) above zero, calibration error <= 0.05.
"""

import argparse
import json
import math
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from agents.optimizer.confidence import PRIOR_FILE, Calibrator, Evidence
from agents.optimizer.standalone import walk
from bench.window_markets import market
from market.reliability import reliability, skill_interval
from market.types import F8

BUDGET = 128
FIRST = 9
"""Boundary, in hours, from which on a window of eight hours is whole."""
AHEAD_SHARE = 0.95
"""Of the horizon that must have been seen for a decision to be scored."""
DECISIONS_MIN, MARKETS_MIN = 300, 20
SKILL_MIN, ERROR_MAX = 0.08, 0.05
RIDGE = (0.1, 0.5)
"""Precision of the weights before the first market is seen."""
APART = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.3)
"""Standard deviations tried for the constant between markets, in logits."""
OVERLAP = 0.5
"""Weight of an own outcome: its horizon is two hours, of which the next shares one."""
WORTH = 0.25
"""What a simulated decision counts against an own one: markets differ more than simulations do."""
PRIOR = Path(__file__).parents[1] / "agents" / "optimizer" / PRIOR_FILE


def walked(seed: int, budget: int) -> dict[str, Any]:
    """Return the decisions of one market."""
    begin_s = time.process_time()
    found = walk(market(seed, budget=budget), first=FIRST)
    rows = [
        {
            **row["evidence"],
            "stated": row["confidence_score"],
            "proposed": row["proposed"],
            "won": row["ahead"]["won"],
            "gain": row["ahead"]["utility_gain"],
            "chance": row["chance"],
            "reason": row["reason"].partition(":")[0],
        }
        for row in found["rows"]
        if row["evidence"] is not None
        and row["ahead"] is not None
        and not row["warm_up"]
        and row["ahead"]["hours"] >= AHEAD_SHARE * row["horizon_hours"]
    ]
    windows = sum(not row["warm_up"] for row in found["rows"])
    cpu_s = round(time.process_time() - begin_s, 2)
    return {"seed": seed, "windows": windows, "cpu_s": cpu_s, "rows": rows}


def kept(path: Path) -> list[dict[str, Any]]:
    """Return the markets of FILE, by seed."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return sorted(map(json.loads, lines), key=lambda each: int(each["seed"]))


def collected(path: Path, seeds: range, budget: int) -> list[dict[str, Any]]:
    """Return all markets, those that FILE lacks walked over now and appended to it."""
    held = {each["seed"]: each for each in kept(path)}
    for seed in seeds:
        if seed in held:
            continue
        held[seed] = walked(seed, budget)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(held[seed]) + "\n")
        print(f"market {seed}: {len(held[seed]['rows'])} decisions", file=sys.stderr, flush=True)
    return [held[seed] for seed in seeds]


def fitted(markets: list[dict[str, Any]]) -> Calibrator:
    """Return the calibrator that these decisions lead to.

    Markets differ in their base rate by more than the evidence tells, so the constant is shipped
    as known to within that difference: it gives way to own outcomes sooner than the slopes do. How
    much they differ is what makes each market's outcomes likeliest, told one after the other.
    """
    blank = Calibrator((0.0, 0.5), as_rows(np.diag(RIDGE)))
    known = [(evidence(row), row["won"]) for each in markets for row in each["rows"]]
    found = blank.updated(known, weight=WORTH)
    covariance = np.linalg.inv(np.array(found.precision))
    tried = []
    for apart in APART:
        wider = covariance.copy()
        wider[0, 0] += apart**2
        tried.append(Calibrator(found.weights, as_rows(np.linalg.inv(wider))))
    return min(tried, key=lambda each: surprise(each, markets))


def surprise(calibrator: Calibrator, markets: list[dict[str, Any]]) -> float:
    """Return minus the log likelihood of all outcomes, each stated after those known by then."""
    total = 0.0
    for each in markets:
        rows = each["rows"]
        for place, row in enumerate(rows):
            # An hour between decisions, two hours of horizon: the newest two are not known yet.
            known = [(evidence(past), past["won"]) for past in rows[: max(0, place - 2)]]
            p = calibrator.updated(known, weight=OVERLAP).probability(evidence(row))
            total -= math.log(p if row["won"] else 1.0 - p)
    return total


def evidence(row: dict[str, Any]) -> Evidence:
    """Return the evidence of a decision."""
    return Evidence(*(row[each.name] for each in fields(Evidence)))


def as_rows(matrix: F8) -> tuple[tuple[float, ...], ...]:
    """Return a matrix as a calibrator keeps it."""
    return tuple(tuple(row) for row in matrix.tolist())


def spans(seeds: list[int]) -> list[list[int]]:
    """Return rising seeds as [first, last] of each run without a gap."""
    found: list[list[int]] = []
    for seed in seeds:
        if found and seed == found[-1][1] + 1:
            found[-1][1] = seed
        else:
            found.append([seed, seed])
    return found


def write_prior(markets: list[dict[str, Any]]) -> None:
    """Write the shipped prior that these decisions lead to."""
    found = fitted(markets)
    document = {
        "fitted_by": "python -m bench.confidence --fit",
        "markets": len(markets),
        "seeds": spans([each["seed"] for each in markets]),
        "decisions": sum(len(each["rows"]) for each in markets),
        "weights": [round(each, 4) for each in found.weights],
        "precision": [[round(each, 4) for each in row] for row in found.precision],
    }
    PRIOR.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def main() -> int:
    """Print the reliability table and one JSON line; 0 when every bar holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--markets", type=int, default=120)
    parser.add_argument("--from", dest="first", type=int, default=2000)
    parser.add_argument("--budget", type=int, default=BUDGET)
    parser.add_argument("--fit", action="store_true")
    told = parser.parse_args()
    seeds = range(told.first, told.first + told.markets)
    markets = collected(told.out, seeds, told.budget)
    rows = [row for each in markets for row in each["rows"]]
    owner = np.array([each["seed"] for each in markets for _ in each["rows"]])
    won = np.array([float(row["won"]) for row in rows])
    if told.fit:
        write_prior(kept(told.out))
    stated = np.array([row["stated"] for row in rows])
    found = reliability(stated, won)
    low, high = skill_interval(stated, won, owner, np.random.default_rng(1))
    print(f"{'stated':>8}{'came true':>11}{'count':>7}")
    for said, true, count in found.bins:
        print(f"{said:>8.3f}{true:>11.3f}{count:>7}")
    proposed = np.array([row["proposed"] for row in rows])
    holds = (
        len(rows) >= DECISIONS_MIN
        and len(markets) >= MARKETS_MIN
        and (found.skill or 0.0) >= SKILL_MIN
        and low > 0.0
        and found.error is not None
        and found.error <= ERROR_MAX
    )
    document = {
        "bench": "confidence",
        "markets": len(markets),
        "windows": sum(each["windows"] for each in markets),
        **found.as_dict(),
        "skill_low": low,
        "skill_high": high,
        "published": int(proposed.sum()),
        "published_won": float(won[proposed].mean()) if proposed.any() else None,
        "abstained_won": float(won[~proposed].mean()) if (~proposed).any() else None,
        "holds": holds,
    }
    print(json.dumps(document))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
