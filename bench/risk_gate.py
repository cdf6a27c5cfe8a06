"""The gate under random flow, and what it costs.

python -m bench.risk_gate [--steps 1000000] [--feed DAY.npz] [--part flow --part cost --part replay]

`flow`: a million random steps, half on spot and half on a perpetual contract, beside a judge of
its own: no limit is broken, each fires; then each is taken away from the gate, and missed. `cost`:
an order through the gate as the executor sends it, its entries for the journal included. `replay`:
candidates over a day, against the same program with `check_capped` and `evaluate` cut out of it,
under limits that do not bind.
Exit 0 only when no limit was broken, all fired, all were missed, and the costs are within bounds.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from agents.executor.records import refusal_entry, sent_entry
from agents.feeds import ensure_bundled
from agents.settings import Settings
from bench.risk_flow import HIDDEN, OFF, PERPETUAL, Flow, action_of, setup_of
from bench.risk_judge import CAPITAL, SECOND, LimitBrokenError
from market.account import open_account
from market.breach import REASONS
from market.layout import BUY, SELL, STEP_ASK, STEP_BID, STEP_COLUMNS, STEP_HEARD_NS, STEP_NOW_NS
from market.own import insert_own
from market.strategy import enter_order
from protocol.orders import Approved, Refused
from risk import gate
from risk.limits import Limits
from risk.states import REASON_NAMES

ROOT = Path(__file__).parent.parent
STEPS = 1_000_000
PLANTED_STEPS = 100_000
ORDER_US_MAX = 50.0
SHARE_MAX = 0.10
ORDERS = 20_000
ROUNDS = 15
PARTS = ("flow", "cost", "replay")
CUT = {
    "market/breach.py": ('    """Return the answer of `check_order`', "    return APPROVED\n"),
    "market/states.py": (
        '    """Judge the account at a mark',
        "    return ACTIVE\n",
    ),
}
"""Where a program without judgement answers at once: before which docstring, and what."""
LOOSE = {
    "stop_loss_threshold": 1.0, "daily_loss_limit": 1.0, "peak_drawdown_limit": 1.0,
    "volatility_cutoff": 1000.0, "price_age_s": 3600.0, "price_collar": 0.5,
}  # fmt: skip
CHILD = """
import json, sys, time
import numpy as np
from agents.session import open_session, parameter_row
from agents.settings import Settings
from market.replay import replay
session = open_session(Settings.model_validate_json(sys.argv[1]))
tape = session.tape_builder().advance(session.last_ns)
row = parameter_row(session.baseline)
rng = np.random.default_rng(1)
rows = np.tile(row, (40, 1))
rows[:, 0] = np.minimum(10.0, rows[:, 0] * rng.uniform(0.3, 2.0, len(rows)))
rows[:, 1] = rng.integers(1, 6, len(rows))
rows[:, 2] = rows[:, 3] / rows[:, 1] * rng.uniform(0.3, 1.0, len(rows))
told = {"first_step": tape.step_at(session.first_ns), "last_step": len(tape.steps), "threads": 1}
replay(tape, rows[:2], session.setup, slices=1, **told)
for line in sys.stdin:
    began = time.process_time()  # other processes may run beside it
    out = replay(tape, rows, session.setup, slices=1, **told)
    print(json.dumps([(time.process_time() - began) / len(rows), float(out.sum())]), flush=True)
"""


def main() -> int:
    """Measure; print tables and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--feed", type=Path)
    parser.add_argument("--part", action="append", choices=PARTS)
    told = parser.parse_args()
    parts = told.part or PARTS
    found: dict[str, Any] = {"bench": "risk_gate"}
    held = True
    if "flow" in parts:
        found["flow"], fine = flow_part(told.steps)
        held &= fine
    if "cost" in parts:
        found["cost"], fine = cost_part()
        held &= fine
    if "replay" in parts:
        found["replay"], fine = replay_part(told.feed)
        held &= fine
    print(json.dumps(found | {"held": held}))
    return 0 if held else 1


def flow_part(steps: int) -> tuple[dict[str, Any], bool]:
    """Live through random flow, whole and with each limit taken away."""
    refused: Counter[str] = Counter()
    reasons: Counter[int] = Counter()
    approved = broken = 0
    for spot in (True, False):
        flow = Flow(1 + spot, spot=spot)
        for _ in range(steps // 2):
            try:
                flow.step()
            except LimitBrokenError as error:
                print(f"broken: {error}")
                broken += 1
                break
        refused += flow.refused
        reasons += flow.reasons
        approved += flow.approved
    print(f"{steps:,} steps, {approved:,} orders approved, {broken} limits broken")
    for name in sorted(gate.LIMIT_NAMES.values()):
        print(f"  {name:<22} refused {refused[name]:>9,}")
    for reason in range(1, REASONS):
        print(f"  {REASON_NAMES[reason]:<22} looks   {reasons[reason]:>9,}")
    missed = {plant: missed_after(plant) for plant in (*OFF, *HIDDEN)}
    for plant, after in missed.items():
        print(f"  without {plant:<22} found after {after or 'NEVER':>7}")
    fired = set(refused) == set(gate.LIMIT_NAMES.values()) and set(reasons) == set(range(REASONS))
    fine = broken == 0 and fired and all(missed.values())
    told = {"steps": steps, "approved": approved, "broken": broken, "refused": dict(refused)}
    named = {REASON_NAMES[reason] or "active": count for reason, count in reasons.items()}
    return told | {"reasons": named, "missed_after": missed}, fine


def missed_after(plant: str) -> int | None:
    """Return after how many steps a limit's removal was found; None: never."""
    steps = 0
    for seed in range(1, 1 + PLANTED_STEPS // 5_000):
        flow = Flow(seed, plant=plant, spot=plant not in PERPETUAL)
        try:
            for _ in range(5_000):
                steps += 1
                flow.step()
        except LimitBrokenError:
            return steps
    return None


def cost_part() -> tuple[dict[str, Any], bool]:
    """Time orders one by one: judged, entered, and written as entries of the journal."""
    setup = setup_of(Limits(capital_units=CAPITAL, max_position_size=1.0), spot=True)
    row = np.zeros(STEP_COLUMNS, dtype=np.int64)
    row[[STEP_NOW_NS, STEP_HEARD_NS, STEP_BID, STEP_ASK]] = SECOND, SECOND, 9_999, 10_001
    account = open_account(setup, trips=0)
    for level in range(40):
        insert_own(account.own, account.own_meter, BUY, 9_900 - level, 1, level, 0)
        insert_own(account.own, account.own_meter, SELL, 10_100 + level, 1, level, 0)
    count = int(account.own_meter[0])
    spent = []
    for number in range(ORDERS):
        action = action_of(BUY, 9_990, 2 if number % 10 else 1_000_000)
        began = time.perf_counter_ns()
        judged = gate.check(action, row, account, setup)
        if isinstance(judged, Approved):
            order_id = enter_order(action, SECOND, account, setup)
            sent_entry(SECOND, [(SECOND, 1, order_id, BUY, 9_990, 2, 0, 0, 0)])
        elif isinstance(judged, Refused):
            refusal_entry(SECOND, [(judged, (SECOND, 1, 0, BUY, 9_990, 2, 0, 1, 0))])
        spent.append((time.perf_counter_ns() - began) / 1e3)
        account.own_meter[0] = count
    p50, p99 = (float(np.percentile(spent[100:], at)) for at in (50, 99))
    print(f"one order, 80 open: p50 {p50:.1f} us, p99 {p99:.1f} us; at most {ORDER_US_MAX:g} (p50)")
    return {"p50_us": round(p50, 1), "p99_us": round(p99, 1)}, p50 <= ORDER_US_MAX


def replay_part(feed: Path | None) -> tuple[dict[str, Any], bool]:
    """Time a day's candidates with and without judgement, in turns."""
    told: dict[str, Any] = {"feed": {"maker_fee_bps": 0.0}, "risk": LOOSE}
    told["feed"] |= {"path": str(feed.resolve())} if feed else {"hours": 24.0}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        told["data"] = str(folder / "data")
        ensure_bundled(Settings.model_validate(told))
        bare = folder / "bare"
        shutil.copytree(ROOT, bare, ignore=shutil.ignore_patterns(".git", "tests", "docs", ".venv"))
        for path, (before, answer) in CUT.items():
            text = (bare / path).read_text(encoding="utf-8")
            place = text.index("\n", text.index('"""', text.index(before) + 8))
            (bare / path).write_text(text[: place + 1] + answer + text[place + 1 :], "utf-8")
        whole, cut = run(ROOT, told, None), run(bare, told, folder / "kernels")
        times: list[list[float]] = [[], []]
        sums = [0.0, 0.0]
        for _ in range(ROUNDS):
            for which, child in enumerate((whole, cut)):
                spent, sums[which] = ask(child)
                times[which].append(spent)
        for child in (whole, cut):
            child.terminate()
            child.wait()
    with_s, without_s = min(times[0]), min(times[1])
    share = 1.0 - without_s / with_s
    same = sums[0] == sums[1]
    print(f"replay: {with_s * 1e3:.2f} ms a candidate, {without_s * 1e3:.2f} ms without the gate")
    print("the same figures" if same else "OTHER FIGURES: the times cannot be compared")
    print(f"share of the gate: {share:.1%}; at most {SHARE_MAX:.0%}")
    found = {"with_ms": with_s * 1e3, "without_ms": without_s * 1e3, "share": share}
    return found | {"same": same}, same and share <= SHARE_MAX


def run(root: Path, told: dict[str, Any], kernels: Path | None) -> subprocess.Popen[str]:
    """Start a program that replays each time it is asked."""
    environ = {**os.environ, "PYTHONPATH": str(root)}
    if kernels is not None:
        environ["COUNTERPOINT_KERNELS"] = str(kernels)
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, json.dumps(told)],
        cwd=root, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def ask(child: subprocess.Popen[str]) -> tuple[float, float]:
    """Return the seconds of a candidate, and the sum of all figures."""
    assert child.stdin is not None, "a pipe"
    assert child.stdout is not None, "a pipe"
    child.stdin.write("go\n")
    child.stdin.flush()
    spent, total = json.loads(child.stdout.readline())
    return spent, total


if __name__ == "__main__":
    sys.exit(main())
