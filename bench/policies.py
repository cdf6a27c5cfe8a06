"""The policies against one another: the NEXO-USDT day and three artificial ones, at several fees.

python -m bench.policies --feed NEXO.npz [--fees=-0.5,0,2] [--days 3] [--budget 20000000]

One frame, that suggested by the first minutes, for all. Learned and chosen is on all but the last
eight hours of a day, shown is what happens on these, traded through from flat:

- fixed: both quotes half a spread from mid, whatever is held;
- by volatility: the closed form, its spread scaled every ten minutes by the volatility of then over
  that of the first hour;
- closed form: what is quoted by default;
- plan: `executor.policy = plan`;
- trained: the plan with what `counterpoint train` learned before;
- not quoting is zero by definition.

Money is net of holding, fees included. Intervals are 95 %, of a block bootstrap over ten minutes.
Markouts are of all fills, basis points of the mid 30 s and 5 min after them, for us. Every run is a
look at the test span of NEXO and is written into --log. There is no bar on profit.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from agents.backtest.opening import open_backtest, stored_tape
from agents.session import Session, parameter_row
from agents.settings import Settings
from agents.training import recorded, train, with_residual
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from market.account import Setup
from market.layout import PARAMETER_SPREAD, PLAN_SLOPE, STEP_NOW_NS, VIEW_MID
from market.policy import POLICY_DYNAMIC
from market.replay import replay, replay_one
from market.replay_step import (
    FILLED_PRICE_TICKS,
    FILLED_SIDE,
    FILLED_VISIBLE_NS,
    REPLAY_FEES,
    REPLAY_FILLS,
    REPLAY_NET,
    REPLAY_SPREAD,
)
from market.schedule import nets_scaled, volatility
from market.tape import Tape
from market.types import F8, I8
from market.verdict import mean_bounds

TEST_NS = 8 * 3_600 * 10**9
HOUR_NS = 3_600 * 10**9
SLICE_NS = 600 * 10**9
LATER_NS = (30 * 10**9, 300 * 10**9)
LOG = Path(__file__).parents[1] / "docs" / "looks.md"
BASE = "closed form"


def of_feed(path: Path, data: Path, fee: float, budget: int, seed: int) -> list[dict[str, Any]]:
    """Return a row a policy, of the last hours of a feed at one maker fee."""
    document = {
        "data": data,
        "feed": {"path": path, "maker_fee_bps": fee},
        "executor": {"policy": "plan"},
    }
    session, tape = open_backtest(Settings.model_validate(document), stored_tape)
    begin_ns = (
        session.last_ns // HOUR_NS * HOUR_NS
        + (HOUR_NS if session.last_ns % HOUR_NS > HOUR_NS // 2 else 0)
        - TEST_NS
    )
    first, last = tape.step_at(begin_ns), len(tape.steps)
    learned = train(
        [recorded(session, tape, until_ns=begin_ns)[0]],
        recorded(session, tape, until_ns=begin_ns)[1],
        budget_steps=budget,
        seed=seed,
    )
    dynamic = session.setup
    closed = dynamic.policy.copy()
    closed[POLICY_DYNAMIC] = 0.0
    still = dynamic._replace(policy=closed)
    trained = dynamic._replace(policy=with_residual(dynamic.policy, learned.coefficients))
    ways = {
        "fixed": (fixed(session, tape), still),
        BASE: (tape, still),
        "plan": (tape, dynamic),
        "trained": (tape, trained),
    }
    found = {name: earned(session, *way, first, last) for name, way in ways.items()}
    found["by volatility"] = {"net": scaled(session, tape, still, first, last)}
    held = learned.held_out
    print(
        f"  held-out end of the training: {held['mean']:+.3f} a slice "
        f"({held['lower']:+.3f} to {held['upper']:+.3f}), better: {learned.better}",
        file=sys.stderr,
    )
    base = found[BASE]["net"]
    rows = []
    for name, one in found.items():
        net = one.pop("net")
        row = {"fee_bps": fee, "name": name, "net": float(net.sum()), "interval": bounds(net)}
        row["over"] = float((net - base).sum())
        row["over_interval"] = bounds(net - base) if name != BASE else (0.0, 0.0)
        rows.append(row | one)
    return rows


def fixed(session: Session, tape: Tape) -> Tape:
    """Return the tape with a plan of half a spread on both sides."""
    spread = parameter_row(session.baseline)[PARAMETER_SPREAD]
    plans = np.zeros_like(tape.plans)
    plans[:, :PLAN_SLOPE] = (spread / 200.0 * tape.views[:, VIEW_MID])[:, None]
    return replace(tape, plans=plans)


def scaled(session: Session, tape: Tape, setup: Setup, first: int, last: int) -> F8:
    """Return f8[slices], net profits with the spread scaled every ten minutes."""
    starts = np.arange(first, last, SLICE_NS // tape.interval_ns)
    calm = tape.step_at(session.first_ns + HOUR_NS)
    reference = float(volatility(tape, np.array([calm]))[0])
    return nets_scaled(
        tape, parameter_row(session.baseline)[None], setup, starts=starts, last_step=last,
        slices=slices_of(tape, first, last), reference=reference,
    )[0]  # fmt: skip


def slices_of(tape: Tape, first: int, last: int) -> int:
    """Return the slices of ten minutes between two steps."""
    return max(1, round((last - first) * tape.interval_ns / SLICE_NS))


def earned(session: Session, tape: Tape, setup: Setup, first: int, last: int) -> dict[str, Any]:
    """Return what a policy made of a span: f8[slices] of net profits, its split, its markouts."""
    row = parameter_row(session.baseline)
    told = {"first_step": first, "last_step": last}
    parts = replay(tape, row[None], setup, slices=slices_of(tape, first, last), **told)[0]
    record = replay_one(tape, row, setup, **told)
    total = parts.sum(axis=0)
    return {
        "net": parts[:, REPLAY_NET],
        "spread": float(total[REPLAY_SPREAD]),
        "fees": float(total[REPLAY_FEES]),
        "inventory": float(total[REPLAY_NET] - total[REPLAY_SPREAD] - total[REPLAY_FEES]),
        "fills": int(total[REPLAY_FILLS]),
        "markouts_bps": [markout(tape, record.filled, later) for later in LATER_NS],
    }


def markout(tape: Tape, filled: I8, later_ns: int) -> float:
    """Return the mean of side x (mid later - price) over price, basis points; 0 without fills."""
    if not len(filled):
        return 0.0
    times = np.minimum(filled[:, FILLED_VISIBLE_NS] + later_ns, tape.steps[-1, STEP_NOW_NS])
    mids = tape.views[np.searchsorted(tape.steps[:, STEP_NOW_NS], times), VIEW_MID]
    price = filled[:, FILLED_PRICE_TICKS]
    return float(np.mean(filled[:, FILLED_SIDE] * (mids - price) / price)) * 1e4


def bounds(values: F8) -> tuple[float, float]:
    """Return the 95 % interval of a sum."""
    low, high, _ = mean_bounds(values, level=0.025, draws=4_000, seed=1)
    return low * len(values), high * len(values)


def shown(row: dict[str, Any]) -> str:
    """Return a row as a line."""
    (low, high), (less, more) = row["interval"], row["over_interval"]
    line = (
        f"{row['fee_bps']:>5g} {row['name']:<14}{row['net']:>8.2f} [{low:+8.2f}, {high:+8.2f}]"
        f"{row['over']:>8.2f} [{less:+8.2f}, {more:+8.2f}]"
    )
    if "fills" not in row:
        return line
    soon, late = row["markouts_bps"]
    return (
        f"{line}{row['spread']:>8.2f}{row['inventory']:>8.2f}{row['fees']:>7.2f}"
        f"{row['fills']:>6}{soon:>7.2f}{late:>7.2f}"
    )


def logged(log: Path, rows: list[dict[str, Any]]) -> None:
    """Add a line to the list of looks."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    fees = sorted({row["fee_bps"] for row in rows})
    told = "; ".join(
        f"{fee:g}: "
        + ", ".join(f"{row['name']} {row['net']:+.2f}" for row in rows if row["fee_bps"] == fee)
        for fee in fees
    )
    text = ", ".join(f"{fee:g}" for fee in fees)
    with log.open("a", encoding="utf-8") as file:
        file.write(f"| {now} | `python -m bench.policies` | {text} | {told} | nothing |\n")


def main() -> int:
    """Print the tables and one JSON line; write the look down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feed", type=Path)
    parser.add_argument("--fees", default="-0.5,0,2")
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--budget", type=int, default=20_000_000)
    parser.add_argument("--log", type=Path, default=LOG)
    told = parser.parse_args()
    tables: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        feeds = {} if told.feed is None else {"NEXO-USDT": told.feed}
        for day in range(told.days):
            feeds[f"artificial {101 + day}"] = folder / f"{day}.npz"
            save(folder / f"{day}.npz", synthetic_recording(seed=101 + day))
        for feed, path in feeds.items():
            print(
                f"{feed}\n{'fee':>5} {'':<14}{'net':>8} {'95 %':>20}{'over closed':>14}"
                f"{'95 %':>14}{'spread':>10}{'invent.':>8}{'fees':>7}{'fills':>6}{'30 s':>7}"
                f"{'5 min':>7}"
            )
            tables[feed] = []
            for fee in told.fees.split(","):
                found = of_feed(path, folder, float(fee), told.budget, 1)
                for row in found:
                    print(shown(row), flush=True)
                tables[feed] += found
    if told.feed is not None:
        logged(told.log, tables["NEXO-USDT"])
    print(json.dumps({"bench": "policies", "tables": tables}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
