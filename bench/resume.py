"""Stacks trade a recorded day at sixty times its speed while their exchange fails again and again.

python -m bench.resume [--feed DAY.npz | --folder ../shared/feeds/binance-spot-nexousdt-20240723]
                       [--rounds 5] [--calm 1] [--calm-s 60] [--stops 20] [--speed 60]
                       [--mode NAME]...

In each mode `counterpoint run --venue binance` trades as a user starts it. A round is: the exchange
is killed and started again; every connection is cut; answers about orders are dropped. After each
the seconds until an order of ours rests that is newer than all before, and what must hold between
journal and exchange. `counterpoint replay-session` then says how far the backtest agrees, of the
run with faults and of --calm runs without, --calm-s long each. At last what `counterpoint stop` and
`rearm` do, --stops times each. Exit 0 only when everything held: orders within 10 s, no problem,
the agreement within the band of `docs/venues.md`, every stop with nothing of ours open behind it.
"""

import argparse
import contextlib
import io
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from agents.cli.control import rearm, stop
from agents.cli.exits import OK
from agents.cli.flags import resolve
from bench.day import FEED, MAKER_FEE_BPS, imported
from bench.stack_house import QUOTING_S, StackHouse
from bench.venue_checks import Book, problems_of

LIMIT_S = 10.0
"""Until orders stand again."""
MODES = ("master-slave", "consensus")
OVERLAP_MIN = {"calm": 0.98, "faults": 0.90, "stops": 0.90}
"""Of the lots, with measured delays."""
NET_MAX_BPS = {"calm": 1.0, "faults": 3.0, "stops": 3.0}
"""Of the turnover."""
BETWEEN_S = 3.0
DROPPED = 2
"""Answers of each kind."""
FILLS_MIN = {"calm": 20, "faults": 20, "stops": 1}
STOP_P50_S, STOP_MAX_S = 1.0, 5.0
TIMEOUT_S = 20.0
JOIN_S = 1.0
"""The hub grants the operator one join a second."""


def main() -> int:
    """Run every mode; print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feed", type=Path)
    parser.add_argument("--folder", type=Path, default=FEED)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calm", type=int, default=1)
    parser.add_argument("--calm-s", type=float, default=60.0)
    parser.add_argument("--stops", type=int, default=20)
    parser.add_argument("--speed", type=float, default=60.0)
    parser.add_argument("--mode", action="append", choices=MODES)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        feed = told.feed or imported(told.folder, folder / "day.npz")
        runs = []
        for mode in told.mode or MODES:
            for number in range(told.calm):
                house = house_of(feed, folder / f"{mode}-{number}", mode, told.speed)
                runs.append(calm(house, mode, told.calm_s))
            if told.rounds:
                house = house_of(feed, folder / f"{mode}-faults", mode, told.speed)
                runs.append(faulted(house, mode, told.rounds))
        if told.stops:
            house = house_of(feed, folder / "stops", MODES[0], told.speed)
            runs.append(stopped(house, MODES[0], told.stops))
    table(runs)
    held = all(run["held"] for run in runs)
    print(json.dumps({"bench": "resume", "held": held, "runs": runs}))
    return 0 if held else 1


def house_of(feed: Path, folder: Path, mode: str, speed: float) -> StackHouse:
    """Return the house of one run."""
    fee = ("--maker-fee", f"{MAKER_FEE_BPS:g}")
    return StackHouse(feed, folder, "--mode", mode, "--optimizers", "2", speed=speed, told=fee)


def calm(stack: StackHouse, mode: str, seconds: float) -> dict[str, Any]:
    """Trade undisturbed."""
    with stack as house:
        begin(house)
        house.pause(seconds)
        return ended(house, "calm", mode, [], {})


def faulted(stack: StackHouse, mode: str, rounds: int) -> dict[str, Any]:
    """Trade while the exchange fails, round by round."""
    back_s: dict[str, list[float]] = {"killed": [], "cut": [], "dropped": []}
    problems: list[str] = []
    with stack as house:
        begin(house)
        for _ in range(rounds):
            for kind, strike in (("killed", restart), ("cut", cut), ("dropped", drop)):
                house.pause(BETWEEN_S)
                began_s = strike(house)
                house.until_quoting(max(Book(house).intents), seconds=QUOTING_S)
                back_s[kind].append(time.monotonic() - began_s)
                problems += problems_of(house, ended=False)
                print(f"{mode:<14}{kind:<10}{back_s[kind][-1]:>6.2f} s, "
                      f"problems {len(problems)}", flush=True)  # fmt: skip
        house.pause(BETWEEN_S)
        return ended(house, "faults", mode, problems, back_s)


def stopped(stack: StackHouse, mode: str, trials: int) -> dict[str, Any]:
    """Stop and rearm again and again, as the commands do."""
    took_s: dict[str, list[float]] = {"stop": [], "rearm": [], "quoting": []}
    problems: list[str] = []
    with stack as house:
        begin(house)
        loaded = resolve(None, None, {"data": house.data})
        for _ in range(trials):
            house.pause(JOIN_S)
            began_s = time.monotonic()
            with contextlib.redirect_stdout(io.StringIO()):
                code = stop(loaded, reason="bench", flatten=False, timeout_s=TIMEOUT_S, run=None)
            took_s["stop"].append(time.monotonic() - began_s)
            if code != OK:
                problems.append(f"a stop was not acknowledged: exit code {code}")
            problems += [f"order {each} is open behind a stop" for each in house.open_ids()]
            newest = max(Book(house).intents)
            house.pause(JOIN_S)
            problems += [f"order {each} came under a stop" for each in house.open_ids()]
            began_s = time.monotonic()
            with contextlib.redirect_stdout(io.StringIO()):
                code = rearm(loaded, reason="bench", run=None)
            took_s["rearm"].append(time.monotonic() - began_s)
            if code != OK:
                problems.append(f"a stop was not lifted: exit code {code}")
            house.until_quoting(newest, seconds=QUOTING_S)
            took_s["quoting"].append(time.monotonic() - began_s)
        run = ended(house, "stops", mode, problems, {})
    fast = np.median(took_s["stop"]) <= STOP_P50_S and max(took_s["stop"]) <= STOP_MAX_S
    fast = fast and max(took_s["quoting"]) <= LIMIT_S
    seconds = {name: [round(each, 2) for each in row] for name, row in took_s.items()}
    return run | {"back_s": seconds, "held": run["held"] and bool(fast)}


def begin(house: StackHouse) -> None:
    """Start, beside somebody else's order."""
    house.place_foreign()
    house.start()
    house.until_quoting(seconds=QUOTING_S)


def restart(house: StackHouse) -> float:
    """Kill the exchange and start it again; return when it serves."""
    before = house.said().count("venue_lost")
    house.exchange.kill()
    house.until(lambda: house.said().count("venue_lost") > before)
    house.exchange.start()
    return time.monotonic()


def cut(house: StackHouse) -> float:
    """End every connection without a word; return when."""
    began_s = time.monotonic()
    house.exchange.control_port("POST", "disconnect", kind="all", code=1006)
    return began_s


def drop(house: StackHouse) -> float:
    """Drop the answers to some orders and cancels; return when the last of them was dropped."""
    for request in ("order.place", "order.cancel"):
        fault = {"kind": "drop_after", "request": request, "count": DROPPED}
        house.exchange.control_port("POST", "faults", **fault)
    house.until(lambda: not house.exchange.control_port("GET", "faults"))
    return time.monotonic()


def ended(
    house: StackHouse,
    kind: str,
    mode: str,
    problems: list[str],
    back_s: dict[str, list[float]],
) -> dict[str, Any]:
    """End the run, compare everything, and ask how far a backtest agrees."""
    code = house.end()
    problems = problems + problems_of(house, ended=True)
    for each in problems[:20]:
        print(each)
    said = house.agreement()
    actual, predicted = said["actual"], said["measured"]
    every = [each for row in back_s.values() for each in row]
    overlap, net_bps = predicted["overlap"], predicted["net_difference_bps"]
    print(f"{mode:<14}{kind:<10}{overlap:>7.1%} of the lots, {net_bps:+.3f} bps", flush=True)
    in_band = overlap >= OVERLAP_MIN[kind] and abs(net_bps) <= NET_MAX_BPS[kind]
    return {
        "run": kind,
        "mode": mode,
        "hours": said["hours"],
        "orders": said["orders"],
        "fills": actual["fills"],
        "back_s": {name: [round(each, 2) for each in row] for name, row in back_s.items()},
        "problems": len(problems),
        "overlap": overlap,
        "overlap_configured": said["configured"]["overlap"],
        "net_difference_bps": net_bps,
        "order_delay_ms": said["order_delay_ms"],
        "held": code == 0
        and not problems
        and max(every, default=0.0) <= LIMIT_S
        and actual["fills"] >= FILLS_MIN[kind]
        and in_band,
    }


def table(runs: list[dict[str, Any]]) -> None:
    """Print what was measured beside what must hold."""
    bars = {"stop": f"{STOP_MAX_S:g}, p50 {STOP_P50_S:g}", "rearm": "-"}
    print(f"\n{'':<10}{'times':>7}{'p50 s':>8}{'max s':>8}   at most")
    for name in ("killed", "cut", "dropped", "stop", "rearm", "quoting"):
        row = [each for run in runs for each in run["back_s"].get(name, ())]
        if row:
            bar = bars.get(name, f"{LIMIT_S:g}")
            print(f"{name:<10}{len(row):>7}{np.median(row):>8.2f}{max(row):>8.2f}   {bar}")
    print(f"\n{'':<8}{'mode':<14}{'hours':>7}{'fills':>7}{'overlap':>9}{'net, bps':>10}   band")
    for run in runs:
        kind = run["run"]
        print(
            f"{kind:<8}{run['mode']:<14}{run['hours']:>7.2f}{run['fills']:>7}"
            f"{run['overlap']:>9.1%}{run['net_difference_bps']:>+10.3f}"
            f"   >= {OVERLAP_MIN[kind]:.0%}, <= {NET_MAX_BPS[kind]:g} bps"
        )


if __name__ == "__main__":
    sys.exit(main())
