"""The NEXO-USDT day, chosen on its first sixteen hours, held to its last eight, at several fees.

python -m bench.walk_forward --feed NEXO.npz [--fees=-0.5,0,2,10] [--budget 128]

Train is 2024-07-23 15:40 to 07-24 08:00 UTC, test 08:00 to 16:00. Held against each other there:

- tuned: what the optimizer had in force at 08:00, walking over the training span, and stays;
- tuned on: the same, going on to tune every two hours, on the past alone;
- best found: the best candidate of its last window before 08:00, whatever its confidence;
- default: the set suggested by the first minutes, which was in force before any tuning;
- by volatility: the default, its spread scaled every hour by the volatility of the past hour over
  that of the first hour;
- nothing: not quoting, which is zero by definition.

Money is net of holding, fees included. Every set begins every hour flat. Intervals are 95 %, of a
bootstrap of blocks of an hour. Every run is a look at the test span and is written into --log.
There is no bar on profit: exit 0 when every line was worked out.
"""

import argparse
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from agents.backtest.opening import open_backtest, stored_tape
from agents.optimizer.spans import sigma_of
from agents.optimizer.studies import MEMORY, Studies
from agents.optimizer.study import Plan, Window, studied
from agents.optimizer.study_walk import BLOCK, interval
from agents.optimizer.trail import Clocks
from agents.session import Session, parameter_row
from agents.settings import Settings
from market.replay import replay
from market.replay_step import REPLAY_FILLS, REPLAY_NET
from market.tape import Tape
from market.types import F8
from protocol.messages import QuoteParameters, utc_ns

TEST = ("2024-07-24T08:00:00Z", "2024-07-24T16:00:00Z")
HOUR_NS = 3_600 * 10**9
HOURS = 8
LOG = Path(__file__).parents[1] / "docs" / "looks.md"
NAMES = ("tuned", "tuned on", "best found", "default", "by volatility")


def searched(settings: Settings) -> tuple[Session, Tape, list[Window]]:
    """Walk over the whole day; return every window."""
    session, tape = open_backtest(settings, stored_tape)
    windows: list[Window] = []
    with Studies.open(MEMORY) as studies:
        studied(
            session, tape, Plan.of(session, count=None, hours=None), studies=studies, name="walk",
            clocks=Clocks(time.perf_counter, time.time_ns), on_batch=lambda *_, **__: None,
            on_window=windows.append,
        )  # fmt: skip
    return session, tape, windows


def hourly(session: Session, tape: Tape, windows: list[Window]) -> dict[str, list[QuoteParameters]]:
    """Return what each contestant has in force at the beginning of every hour of the test."""
    begin_ns, default = utc_ns(TEST[0]), session.baseline
    latency_ns = session.settings.optimizer.tuning_latency_ns
    trained = [each for each in windows if each.kept.now_ns + latency_ns <= begin_ns]
    last = trained[-1]
    found: dict[str, list[QuoteParameters]] = {name: [] for name in NAMES}
    first = tape.step_at(session.first_ns), tape.step_at(session.first_ns + HOUR_NS)
    calm = sigma_of(tape, *first)
    for hour in range(HOURS):
        now_ns = begin_ns + hour * HOUR_NS
        known = [each for each in windows if each.kept.now_ns + latency_ns <= now_ns]
        past = sigma_of(tape, tape.step_at(now_ns - HOUR_NS), tape.step_at(now_ns))
        spread = min(10.0, round(default.spread_percentage * past / calm, 4))
        found["tuned"].append(last.after)
        found["tuned on"].append(known[-1].after)
        found["best found"].append(last.judgement.chosen or last.after)
        found["default"].append(default)
        found["by volatility"].append(default.model_copy(update={"spread_percentage": spread}))
    return found


def earned(session: Session, tape: Tape, sets: list[QuoteParameters]) -> tuple[F8, int]:
    """Return f8[t] profits of ten minutes over the test, and the fills."""
    begin_ns, parts, fills = utc_ns(TEST[0]), [], 0
    for hour, each in enumerate(sets):
        first = tape.step_at(begin_ns + hour * HOUR_NS)
        last = tape.step_at(begin_ns + (hour + 1) * HOUR_NS)
        figures = replay(
            tape, parameter_row(each)[None], session.setup,
            first_step=first, last_step=last, slices=BLOCK,
        )[0]  # fmt: skip
        parts.append(figures[:, REPLAY_NET])
        fills += int(figures[:, REPLAY_FILLS].sum())
    return np.concatenate(parts), fills


def at_fee(feed: Path, data: Path, fee: float, budget: int) -> list[dict[str, Any]]:
    """Return a row a contestant at one maker fee."""
    document = {
        "data": data,
        "feed": {"path": feed, "maker_fee_bps": fee},
        "optimizer": {"budget": budget, "window_hours": 16.0},
    }
    session, tape, windows = searched(Settings.model_validate(document))
    published = [each.judgement.better for each in windows]
    sets = hourly(session, tape, windows)
    profits = {name: earned(session, tape, held) for name, held in sets.items()}
    rng = np.random.default_rng([1, len(windows)])
    rows = []
    for name, (net, fills) in profits.items():
        ahead = net - profits["default"][0]
        rows.append(
            {
                "fee_bps": fee,
                "name": name,
                "spread": [
                    round(each.spread_percentage, 4) for each in (sets[name][0], sets[name][-1])
                ],
                "net": float(net.sum()),
                "net_interval": interval(net, rng),
                "over_default": float(ahead.sum()),
                "over_default_interval": interval(ahead, rng),
                "fills": fills,
                "windows": len(windows),
                "published": sum(published),
            }
        )
    return rows


def shown(row: dict[str, Any]) -> str:
    """Return a row as a line."""
    low, high = row["net_interval"]
    less, more = row["over_default_interval"]
    return (
        f"{row['fee_bps']:>6g}  {row['name']:<14}{row['spread'][0]:>8.4f}{row['net']:>10.2f} "
        f"[{low:+9.2f}, {high:+9.2f}]{row['over_default']:>10.2f} [{less:+9.2f}, {more:+9.2f}]"
        f"{row['fills']:>7}"
    )


def logged(log: Path, fees: str, rows: list[dict[str, Any]]) -> None:
    """Add a line to the list of looks."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    told = "; ".join(
        f"{row['fee_bps']:g}: {row['published']} of {row['windows']} published, tuned on "
        f"{row['net']:+.2f}, default {row['net'] - row['over_default']:+.2f}"
        for row in rows
        if row["name"] == "tuned on"
    )
    with log.open("a", encoding="utf-8") as file:
        file.write(f"| {now} | `python -m bench.walk_forward` | {fees} | {told} | nothing |\n")


def main() -> int:
    """Print the table and one JSON line; write the look down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feed", type=Path, required=True)
    parser.add_argument("--fees", default="-0.5,0,2,10")
    parser.add_argument("--budget", type=int, default=128)
    parser.add_argument("--log", type=Path, default=LOG)
    told = parser.parse_args()
    rows: list[dict[str, Any]] = []
    print(
        f"{'fee':>6}  {'':<14}{'spread':>8}{'net':>10} {'95 %':>22}{'over default':>14}"
        f"{'95 %':>19}{'fills':>7}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for fee in told.fees.split(","):
            found = at_fee(told.feed, Path(folder), float(fee), told.budget)
            for row in found:
                print(shown(row), flush=True)
            rows += found
    logged(told.log, told.fees.replace(",", ", "), rows)
    print(json.dumps({"bench": "walk_forward", "rows": rows}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
