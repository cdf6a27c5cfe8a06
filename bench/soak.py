"""A day through the stack of containers at 60x, with faults at random: what holds afterwards.

python -m bench.soak FEED --symbol NEXO-USDT [--minutes M] [--seed S] [--folder FOLDER]

Kills (-9; of each part once), partitions, errors of the exchange and a database that is down strike
one after the other, and between them the desk stops and rearms. At the end whoever writes a journal
is ended, and all that is kept must agree: intents, orders, fills, balances, decisions, audit,
database (`bench/container_kept.py`); no row of a journal is missing, no decision either but where a
fault explains it, and no stop that was acknowledged. Memory of a process may grow by 5 % after its
first hour of feed time. Exit 0 only when all of that holds. Latencies are stated.
"""

import argparse
import json
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from http.client import HTTPException
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import median
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from agents.executor import records
from agents.executor.recovery import open_journal
from bench.container_house import BOLD, PARTS, Stack, engine_missing, until
from bench.container_kept import Kept
from bench.soak_faults import OVERRIDE, Struck, drawn, feed_ns, strike

SPEED = 60
GROWTH_MAX = 0.05
HOUR_S = 3600 / SPEED
"""An hour of feed time."""
CALM_S = (15.0, 45.0)
"""Between two faults."""
STOPS_EVERY = 2
"""A stop after so many faults."""
CYCLE_NS = 30 * 10**9
LATE_NS = 4 * CYCLE_NS
"""A decision that comes later than the one before by more is missing."""
AFTER_NS = SPEED * 30 * 10**9
"""So long after a fault or a stop a decision may still be missing because of it."""
ASKED_MAX = 20
STEP_S = 5
"""Between two figures that Prometheus keeps."""
ENOUGH = 36
"""Figures of memory, in three thirds."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """A stop that was acknowledged, and lifted again.

    Attributes:
        id: of the word.
        took_s: until nothing of ours was open.
        asked: how often it had to be asked for.
        resting: orders at the exchange right afterwards.
        began_ns, ended_ns: feed time.
    """

    id: str
    took_s: float
    asked: int
    resting: int
    began_ns: int
    ended_ns: int


def main() -> int:
    """Soak; print the lines and the JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("feed", type=Path, help="a recording, .npz")
    parser.add_argument("--symbol", default="NEXO-USDT", help="of the recording")
    parser.add_argument("--minutes", type=float, default=20.0, help="of faults")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("counterpoint-data/soak"))
    told = parser.parse_args()
    if problem := engine_missing():
        print(problem, file=sys.stderr)
        return 4
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was begun is taken down
    told.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cp") as place:
        feed = Path(place) / "day.npz"
        shutil.copyfile(told.feed, feed)
        feed.chmod(0o644)
        Path(place).chmod(0o755)
        stack = Stack(
            Path(place), COMPOSE_PROFILES="monitoring", FEED=str(feed), SYMBOL=told.symbol,
            SPEED=str(SPEED),
        )  # fmt: skip
        try:
            figures = soaked(stack, Random(told.seed), told.minutes * 60, told.folder)  # noqa: S311 - faults
        finally:
            for part in (*PARTS, "postgres"):
                (told.folder / f"{part}.log").write_text(stack.logs(part), encoding="utf-8")
            stack.down()
            stack.run("docker", "image", "rm", stack.image, check=False)
    held = not figures["violations"] and not figures["grown"]
    print(json.dumps({"bench": "soak", "seed": told.seed, **figures, "held": held}))
    return 0 if held else 1


def soaked(stack: Stack, rng: Random, seconds: float, folder: Path) -> dict[str, Any]:
    """Start the stack, let faults strike for so long, and look at what is left."""
    stack.make_keys()
    (stack.folder / "docker-compose.override.yml").write_text(BOLD + OVERRIDE, encoding="utf-8")
    stack.up("--build")
    stack.until_healthy((*PARTS, "postgres"))
    until(stack.trades, "there are fills")
    began_s = time.monotonic()
    faults: list[Struck] = []
    coming = drawn(rng)
    stops: list[Stopped] = []
    while time.monotonic() - began_s < seconds:
        time.sleep(rng.uniform(*CALM_S))
        if len(faults) % STOPS_EVERY == 0:
            stops.append(stopped(stack))
            say(f"stop  {stops[-1].took_s:g} s, asked {stops[-1].asked} times")
        faults.append(strike(stack, *next(coming), rng))
        say(f"fault {faults[-1].kind} {faults[-1].what}: whole after {faults[-1].took_s:g} s")
    until(stack.resting, "it quotes at the end")
    lasted_s = time.monotonic() - began_s
    grown = growth(stack, lasted_s)
    latency = decisions_p99(stack, lasted_s)
    hours = round(lasted_s * SPEED / 3600, 2)
    stack.compose("stop", "executor", "optimizer", "coordinator")
    with tempfile.TemporaryDirectory() as place:
        kept = Kept(stack, Path(place))
        wrong = [*kept.problems(), *missing_rows(kept.folder), *lost_stops(kept.folder, stops)]
        gaps, unexplained = gaps_of(kept.folder, faults, stops)
        wrong += unexplained
        fills = len(stack.trades())
    for line in wrong:
        say(f"WRONG {line}")
    (folder / "faults.json").write_text(json.dumps([asdict(each) for each in faults], indent=1))
    took = sorted(each.took_s for each in stops)
    return {
        "feed_hours": hours,
        "faults": dict(Counter(each.kind for each in faults)),
        "whole_again_s_max": max((each.took_s for each in faults), default=0.0),
        "fills": fills,
        "violations": len(wrong),
        "wrong": wrong[:5],
        "gaps": gaps,
        "memory_growth": grown,
        "grown": [
            part
            for part, shares in grown.items()
            if max(shares["held"], shares["most"]) >= GROWTH_MAX
        ],
        "decision_p99_s": latency,
        "stops": len(stops),
        "stop_s_median": median(took) if took else None,
        "stop_s_p99": took[min(len(took) - 1, int(0.99 * len(took)))] if took else None,
    }


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


# --- stops ------------------------------------------------------------------------------------
def stopped(stack: Stack) -> Stopped:
    """Stop everything through the desk, look at the exchange, and rearm."""
    before_ns, name, asked = feed_ns(stack), secrets.token_hex(16), 1
    began_s = time.monotonic()
    while not act(stack, "stop", name):
        asked += 1
        assert asked < ASKED_MAX, f"stop {name} is not acknowledged"
    took_s = round(time.monotonic() - began_s, 3)
    resting = stack.resting()
    until(lambda: act(stack, "rearm", secrets.token_hex(16)), "it is rearmed")
    until(stack.resting, "it quotes again")
    return Stopped(name, took_s, asked, resting, before_ns, feed_ns(stack))


def act(stack: Stack, action: str, name: str) -> bool:
    """Ask the desk to act; return whether everybody acknowledged it."""
    token = (stack.folder / "counterpoint-data/keys/desk-act.token").read_text().strip()
    request = Request(
        f"http://127.0.0.1:{stack.desk_port}/api/v1/{action}",
        json.dumps({"id": name, "reason": "soak"}).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        with urlopen(request, timeout=30) as answer:  # noqa: S310 - it is ours, on loopback
            return int(answer.status) == 200
    except (HTTPError, OSError, HTTPException):
        time.sleep(0.5)
        return False


def lost_stops(folder: Path, stops: list[Stopped]) -> list[str]:
    """Return the stops after which something rested, or that the journal does not hold."""
    with open_journal(folder, readonly=True) as journal:
        heard = {row.body["id"] for row in journal.rows(records.HEARD, kinds=("stop",))}
    return [
        *(f"stop {each.id} is in no journal" for each in stops if each.id not in heard),
        *(f"after stop {each.id} {each.resting} orders rest" for each in stops if each.resting),
    ]


# --- journals ---------------------------------------------------------------------------------
def missing_rows(folder: Path) -> list[str]:
    """Return the tables of the executor's journal in which a number is missing."""
    found = []
    with open_journal(folder, readonly=True) as journal:
        for table in records.TABLES:
            numbers = [row.seq for row in journal.rows(table)]
            if numbers != list(range(1, len(numbers) + 1)):
                found.append(f"{table} has {len(numbers)} rows, the last is {numbers[-1]}")
    return found


def gaps_of(
    folder: Path, faults: list[Struck], stops: list[Stopped]
) -> tuple[dict[str, Any], list[str]]:
    """Return how long no decision was made, and each time that nothing explains."""
    with open_journal(folder, readonly=True) as journal:
        times = [row.time_ns for row in journal.rows(records.CYCLES)]
    gaps = [(a, b) for a, b in pairwise(times) if b - a > LATE_NS]
    known = [(each.began_ns, each.ended_ns + AFTER_NS) for each in (*faults, *stops)]
    strange = [
        (a, b) for a, b in gaps if not any(first <= b and a <= last for first, last in known)
    ]
    longest = max((b - a for a, b in gaps), default=0)
    figures = {
        "decisions": len(times),
        "gaps": len(gaps),
        "longest_s": round(longest / 1e9),
        "unexplained": len(strange),
    }
    return figures, [f"no decision for {(b - a) / 1e9:.0f} s of feed from {a}" for a, b in strange]


# --- figures ----------------------------------------------------------------------------------
def growth(stack: Stack, seconds: float) -> dict[str, dict[str, float]]:
    """Return by process how much it grew in its longest life, after an hour of feed.

    What it holds between two works (the least of a third of its life) and while it works (the most)
    are each held against the same of the first third; with the hours of that life.
    """
    found: dict[str, dict[str, float]] = {}
    longest: dict[str, int] = {}
    for part, values in lives_of(stack, seconds):
        later = values[int(HOUR_S / STEP_S) :]
        if len(later) >= ENOUGH and len(later) > longest.get(part, 0):
            longest[part] = len(later)
            third = len(later) // 3
            first, last = later[:third], later[-third:]
            found[part] = {
                "held": round(min(last) / min(first) - 1, 4),
                "most": round(max(last) / max(first) - 1, 4),
                "hours": round(len(later) * STEP_S * SPEED / 3600, 1),
            }
    return found


def lives_of(stack: Stack, seconds: float) -> list[tuple[str, list[float]]]:
    """Return the memory of each life of each process, every STEP_S, as Prometheus saw it."""
    span = (time.time() - seconds, time.time())
    starts = series(stack, "process_start_time_seconds", span)
    sizes = series(stack, "process_resident_memory_bytes", span)
    lives: dict[tuple[str, float], list[float]] = {}
    for name, begun in starts.items():
        for moment, start in begun.items():
            if moment in sizes.get(name, {}):
                lives.setdefault((name, start), []).append(sizes[name][moment])
    return [(name, values) for (name, _), values in lives.items()]


def series(stack: Stack, metric: str, span: tuple[float, float]) -> dict[str, dict[float, float]]:
    """Return by part a metric's figures by time; the optimizer is known by its address alone."""
    start, end = span
    path = f"query_range?query={metric}&start={start}&end={end}&step={STEP_S}"
    found: dict[str, dict[float, float]] = {}
    for row in stack.prometheus(path)["result"]:
        host = row["metric"]["instance"].partition(":")[0]
        part = host if host in PARTS else "optimizer"
        found.setdefault(part, {}).update({float(t): float(v) for t, v in row["values"]})
    return found


def decisions_p99(stack: Stack, seconds: float) -> float | None:
    """Return what 99 of 100 decisions took at most, over all lives of the executor."""
    buckets = f"increase(counterpoint_decision_cycle_seconds_bucket[{int(seconds) + 1}s])"
    rows = stack.ask_prometheus(f"histogram_quantile(0.99, sum by (le) ({buckets}))")
    return round(float(rows[0]["value"][1]), 4) if rows else None


if __name__ == "__main__":
    sys.exit(main())
