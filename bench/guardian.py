"""An executor at an exchange is killed or stopped again and again: who cancels its orders.

python -m bench.guardian [--trials 50] [--speed 20] [--seed 1]

Each trial: a guardian and an executor beside a simulated exchange, ours resting, somebody else's
order too; then SIGKILL or SIGSTOP in turn, and the time until the exchange shows nothing of ours.
After the first, a SIGKILL, the executor must quote again by itself; the others are rearmed, for so
many silences are no accident. Before them a coordinator and its hubs are killed beside a live
executor, where nothing may happen. Then, a fifth as often, USD-M futures: the executor alone is
killed, and executor and guardian at once, where only the exchange's own switch
(`countdownCancelAll`) is left.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.planted_house import struck
from bench.venue_house import FOREIGN, ROOT, VenueHouse
from protocol.stopfile import lift_stops, stops_in

LIMIT_S = 5.0
COUNTDOWN_S = 5.0
SWITCH_S = COUNTDOWN_S + 1.0
"""Until the switch has taken every order: it was set at most so long before, or a little later."""
FUTURES_PART = 5
QUIET_S = 6.0
"""Longer than a guardian takes to act."""
PATIENCE_S = 60.0


def main() -> int:
    """Run the trials, and print a table and one JSON line."""
    return struck(run, __doc__, what="trials", count=50, each_s=40.0)


def run(feed: Path, folder: Path, trials: int, speed: float, seed: int) -> dict[str, object]:
    """Run so many trials; return the figures."""
    rng = np.random.default_rng(seed)
    took_s: dict[str, list[float]] = {"SIGKILL": [], "SIGSTOP": []}
    orders, late, by_itself = 0, 0, False
    with VenueHouse(feed, folder / "house", speed=speed) as house:
        house.place_foreign()
        spared = coordinator_killed(house, folder / "stack")
        with guarded(house) as guard:
            house.start()
            house.until_quoting()
            for number in range(1, trials + 1):
                time.sleep(float(rng.uniform(0.5, 2.0)))
                how = signal.SIGKILL if number % 2 else signal.SIGSTOP
                resting = len(house.open_ids())
                seconds, again = trial(house, how, last=number == trials)
                orders += resting
                late += again
                took_s[how.name].append(seconds)
                print(f"{number:>3} {how.name}  {resting:>2} orders, gone after {seconds:.2f} s, "
                      f"{again} later", flush=True)  # fmt: skip
                if number < trials:
                    newest = started_again(house, lift=number > 1)
                    house.until_quoting(newest, seconds=PATIENCE_S)
                    by_itself = by_itself or (number == 1 and not stops_in(house.folder))
            memory_mb = memory_of(guard)
        foreign = FOREIGN in names(house)
    every = [each for row in took_s.values() for each in row]
    futures = of_futures(feed, folder / "futures", max(2, trials // FUTURES_PART), speed, rng)
    took_s |= futures
    print(f"\n{'signal':<8}{'trials':>8}{'p50 s':>8}{'max s':>8}")
    for name, row in took_s.items():
        if row:
            print(f"{name:<8}{len(row):>8}{np.median(row):>8.2f}{max(row):>8.2f}")
    in_time = sum(each <= LIMIT_S for each in every)
    alone, switch = (max(row) for row in futures.values())
    return {
        "bench": "guardian",
        "trials": trials,
        "in_time": in_time,
        "gone_s_p50": round(float(np.median(every)), 2),
        "gone_s_max": round(max(every), 2),
        "orders": orders,
        "orders_that_came_later": late,
        "quotes_again_by_itself": by_itself,
        "coordinator_killed_cancels_nothing": spared,
        "foreign_order_stays": foreign,
        "guardian_mb": memory_mb,
        "futures_gone_s_max": round(alone, 2),
        "futures_switch_s_max": round(switch, 2),
        "held": in_time == trials
        and spared
        and foreign
        and not late
        and by_itself
        and alone <= LIMIT_S
        and switch <= SWITCH_S,
    }


def of_futures(
    feed: Path, folder: Path, trials: int, speed: float, rng: np.random.Generator
) -> dict[str, list[float]]:
    """Kill at USD-M futures, the executor alone and with its guardian; return the seconds."""
    took_s: dict[str, list[float]] = {"futures": [], "switch": []}
    newest = 0
    with VenueHouse(feed, folder, speed=speed, futures=True) as house:
        for number in range(trials):
            name = "switch" if number % 2 else "futures"
            with guarded(house) as guard:
                house.place_foreign()
                house.start()
                house.until_quoting(newest, seconds=PATIENCE_S)
                until(lambda: bool(house.exchange.control_port("GET", "status")["countdowns"]))
                time.sleep(float(rng.uniform(0.5, 3.0)))
                resting = len(house.open_ids())
                began_s = time.monotonic()
                if name == "switch":
                    guard.kill()
                house.kill()
                # Ours may be filled meanwhile; the switch takes others' orders too, far ones.
                left = partial(names, house) if name == "switch" else house.open_ids
                until(partial(none_of, left))
                took_s[name].append(time.monotonic() - began_s)
                print(f"{number + 1:>3} {name:<8} {resting:>2} orders, gone after "
                      f"{took_s[name][-1]:.2f} s", flush=True)  # fmt: skip
                if name == "futures":
                    until(lambda: bool(stops_in(house.folder)))
                    house.exchange.ask("DELETE", "order", origClientOrderId=FOREIGN)
            newest = newest_of(house)
            lift_stops(house.folder, list(stops_in(house.folder)))
    return took_s


def trial(house: VenueHouse, how: signal.Signals, *, last: bool) -> tuple[float, int]:
    """Silence the executor; return after how long nothing of ours is open, and what came later."""
    process = house._process  # noqa: SLF001 - the house kills, it does not stop
    assert process is not None
    began_s = time.monotonic()
    process.send_signal(how)
    until(lambda: not house.open_ids())
    took_s = time.monotonic() - began_s
    later = 0
    watched_s = time.monotonic() + 1.0
    while time.monotonic() < watched_s:
        later = max(later, len(house.open_ids()))
        time.sleep(0.1)
    until(lambda: bool(stops_in(house.folder)))
    if (
        last and how is signal.SIGSTOP
    ):  # the beat returns, and the executor finds that it is stopped
        process.send_signal(signal.SIGCONT)
        until(lambda: "beat_returned" in log_of(house.folder) and not house.open_ids())
        assert house.end() == 0, "the executor did not end cleanly"
    house.kill()
    return took_s, later


def none_of(left: Callable[[], list[Any]]) -> bool:
    """Return whether nothing is left."""
    return not left()


def newest_of(house: VenueHouse) -> int:
    """Return the newest id of an order of ours that there ever was."""
    return max((int(name.rpartition("-")[2]) for name in all_names(house)), default=0)


def started_again(house: VenueHouse, *, lift: bool) -> int:
    """Start again, the stops lifted before where told so; return the newest order id."""
    newest = newest_of(house)
    if lift:
        lift_stops(house.folder, list(stops_in(house.folder)))
    house.start()
    return newest


def coordinator_killed(house: VenueHouse, data: Path) -> bool:
    """Kill the coordinator of a whole stack; return whether its guardian left all as it was."""
    told = ("--url", house.exchange.url, "--symbol", house.exchange.symbol, "--pace", "feed")
    more = ("--speed", f"{house.settings.run.speed:g}", "--set", "venue.ignore_foreign=true")
    more += ("--set", "executor.warmup_s=120", "--set", "executor.cycle_s=5")
    run = ("run", "--optimizers", "1", *told, *more, "--data", str(data))
    latest = data / "runs" / "latest"
    with program(data, "agents.cli.main", *run) as stack:
        until((latest / "processes.json").exists)
        until(lambda: "beat_heard" in log_of(latest) and len(house.open_ids()) > 0)
        pids = json.loads((latest / "processes.json").read_bytes())
        os.kill(pids["coordinator"], signal.SIGKILL)
        quiet_s = time.monotonic() + QUIET_S
        while time.monotonic() < quiet_s:
            time.sleep(0.2)
        spared = not stops_in(latest) and "beat_stopped" not in log_of(latest)
        spared = spared and len(house.open_ids()) > 0
        stack.terminate()
        stack.wait(timeout=PATIENCE_S)
        until(lambda: "executor_ended" in log_of(latest))
        spared = spared and not stops_in(latest)
    until(lambda: not house.open_ids())
    return spared


def all_names(house: VenueHouse) -> list[str]:
    """Return the names of all orders of ours that there ever were."""
    found = [row["clientOrderId"] for row in house.exchange.orders()]
    return [name for name in found if name.startswith(house.prefix)]


def names(house: VenueHouse) -> list[str]:
    """Return the names of all open orders, others' too."""
    return [row["clientOrderId"] for row in house.exchange.ask("GET", "openOrders")]


def log_of(folder: Path) -> str:
    """Return what a guardian has logged."""
    try:
        return (folder / "guardian.log").read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


@contextlib.contextmanager
def program(folder: Path, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that is asked to end afterwards; what it says goes into a file of the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "program.stderr").open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=errors,
            stderr=errors,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()


def guarded(house: VenueHouse) -> "contextlib.AbstractContextManager[subprocess.Popen[bytes]]":
    """A guardian beside the executor that is to come."""
    token = house.prefix.removeprefix("cp-").rstrip("-")
    root = "fapi" if house.futures else "api"
    told = ("--folder", str(house.folder), "--rest", f"{house.exchange.url}/{root}")
    more = ("--symbol", house.exchange.symbol, "--token", token)
    if house.futures:
        more += ("--futures", "--countdown", f"{COUNTDOWN_S:g}")
    return program(house.folder.parent, "exchange.guardian", *told, *more)


def memory_of(process: "subprocess.Popen[bytes]") -> float:
    """Return the resident memory of a process, MB."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    row = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return round(int(row.split()[1]) / 1024, 1)


def until(true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    end_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end_s, "it did not become true in time"
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main())
