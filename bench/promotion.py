"""A worse policy is kept from being promoted, and rolled back when it is in force.

python -m bench.promotion [--trials 200] [--seed 1]

On artificial days, by the executor's own rules (`agents/executor/promotion.py`). What is worse on
purpose is a residual that draws both quotes towards mid, below what informed traders cost there.

Worse candidates. A trial is a stretch of three hours: the closed form in force, in shadow one
whose half width is 0.82 of its. Scaled down: blocks of five minutes, looked at after 18 and 36 of
them, from 20 round trips on (as meant: ten minutes, every 432 blocks, 1,000 round trips). Bar: at
most 5 % are promoted. Beside: the roles exchanged, how often the better one is.

Rollback. Every fourth stretch: a policy like the one of before is in force for an hour, then
its half width becomes 0.37 of what it was. Bar: 95 % are rolled back within 12 blocks of ten
minutes, half within 6; an end of the stretch before that counts as too late.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from agents.backtest.opening import open_backtest, stored_tape
from agents.executor.promotion import (
    Stage,
    may_promote,
    must_go_back,
    shadowed_blocks,
)
from agents.promotion_settings import Promotion
from agents.session import Session, parameter_row
from agents.settings import Settings
from agents.training import with_residual
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from market.policy import RESIDUALS
from market.tape import Tape
from market.types import F8

STRETCH_S = 3 * 3600
STRETCHES = 7  # a day, after its first hours
TRIAL = Promotion(block_s=300, blocks=18, trips=20)
BACK = Promotion()
CALM = 6  # blocks before the promoted policy is made worse
SHARE_MAX, BLOCKS_MAX, BLOCKS_HALF = 0.05, 12, 6
WORSE, MUCH_WORSE = -0.2, -1.0  # natural log of the width's factor


def narrowed(by: float) -> F8:
    """Return the coefficients of a width that is exp(by) times the plan's."""
    row = np.zeros(RESIDUALS)
    row[0] = by
    return row


def stretches(session: Session, tape: Tape) -> list[tuple[int, int]]:
    """Return the steps of the day's stretches, the last ones."""
    size = STRETCH_S * 10**9 // tape.interval_ns
    last = len(tape.steps)
    found = [(last - (at + 1) * size, last - at * size) for at in range(STRETCHES)]
    assert found[-1][0] > tape.step_at(session.first_ns), "the day is too short"
    return found[::-1]


def of_day(seed: int, count: int) -> list[dict[str, Any]]:
    """Return what happened on the stretches of one artificial day."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "day.npz"
        save(path, synthetic_recording(seed=seed))
        document = {"data": folder, "feed": {"path": path, "maker_fee_bps": 0.0}}
        session, tape = open_backtest(Settings.model_validate(document), stored_tape)
    setup, parameters = session.setup, parameter_row(session.baseline)
    held, worse, much = (
        with_residual(setup.policy, narrowed(each)) for each in (0.0, WORSE, MUCH_WORSE)
    )
    rows = []
    for number, steps in enumerate(stretches(session, tape)[:count]):
        told = (parameters, steps, TRIAL)
        live, live_trips = shadowed_blocks(tape, setup, held, *told)
        candidate, trips = shadowed_blocks(tape, setup, worse, *told)
        row = {
            "gain": float((candidate - live).sum()),
            "promoted": promoted(live, candidate, trips, seed),
            "exchanged": promoted(candidate, live, live_trips, seed),
        }
        if number % 4 == 0:
            before, _ = shadowed_blocks(tape, setup, held, parameters, steps, BACK)
            bad, _ = shadowed_blocks(tape, setup, much, parameters, steps, BACK)
            bad[:CALM] = before[:CALM]
            row["back"] = blocks_until_back(before, bad, session.settings.account.capital, seed)
        rows.append(row)
    return rows


def promoted(live: F8, candidate: F8, trips: int, seed: int) -> bool:
    """Return whether any look promotes the candidate; its trips come evenly."""
    for end in range(TRIAL.blocks, len(live) + 1, TRIAL.blocks):
        share = trips * end // len(live)
        look = end // TRIAL.blocks
        found = may_promote(live[:end], candidate[:end], share, TRIAL, look=look, seed=seed)
        if found.stage is Stage.PROMOTED:
            return True
    return False


def blocks_until_back(before: F8, bad: F8, capital: float, seed: int) -> int:
    """Return the blocks from when the policy was made worse until it is rolled back."""
    for end in range(1, len(bad) + 1):
        found = must_go_back(before[:end], bad[:end], capital, BACK, seed=seed)
        if found.stage is Stage.ROLLED_BACK:
            return end - CALM
    return len(bad)


def main() -> int:
    """Print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    rows: list[dict[str, Any]] = []
    while len(rows) < told.trials:
        seed = 1_000 * told.seed + len(rows)
        rows += of_day(seed, told.trials - len(rows))
        print(f"{len(rows)} of {told.trials}", file=sys.stderr, flush=True)
    gains = np.array([row["gain"] for row in rows])
    back = [row["back"] for row in rows if "back" in row]
    found = {
        "trials": len(rows),
        "gain": float(gains.mean()),
        "gain_error": float(gains.std(ddof=1) / np.sqrt(len(gains))),
        "worse_promoted": float(np.mean([row["promoted"] for row in rows])),
        "better_promoted": float(np.mean([row["exchanged"] for row in rows])),
        "rollbacks": len(back),
        "blocks_median": float(np.median(back)),
        "blocks_95": float(np.quantile(back, 0.95)),
        "late": sum(each > BLOCKS_MAX for each in back),
    }
    print(
        f"{found['trials']} candidates, worse by {-found['gain']:.3f} a stretch (standard error "
        f"{found['gain_error']:.3f}): {found['worse_promoted']:.1%} promoted, at most "
        f"{SHARE_MAX:.0%}; the better one {found['better_promoted']:.1%}"
    )
    print(
        f"{found['rollbacks']} promoted and made worse: back after {found['blocks_median']:g} "
        f"blocks, median, 95 % within {found['blocks_95']:g}, {found['late']} not in {BLOCKS_MAX}"
    )
    good = (
        found["gain"] < 0.0
        and found["worse_promoted"] <= SHARE_MAX
        and found["blocks_median"] <= BLOCKS_HALF
        and found["blocks_95"] <= BLOCKS_MAX
    )
    print(json.dumps({"bench": "promotion", "good": good, **found}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
