"""Our engine against hftbacktest 2.4.4: first whether the fills are equal, then how fast.

    python -m bench.engine [--feeds FOLDER] [--only equality|speed] [--engine NAME] [--quick]

Makes the peer's own environment (once), the 10 M-event feed, and imports the recordings beside the
repository. Compares every step of 16 candidates x three intervals x four recordings x two queue
models; then times both engines in turn on one core. No figure is printed when one step differs.
Exit code 0 only when every bar holds; the last line is one JSON object. `docs/engine.md` says
what is compared and what is not.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.engine_equality import INTERVALS_MS, QUEUES, Verdict, compare
from bench.engine_feeds import BUSY, RECORDED, Feed, Market, make_feed, scratch
from bench.engine_speed import (
    Engine,
    Ratios,
    Rival,
    compat_engine,
    default_engine,
    one_core,
    time_cold,
    time_flat,
    time_plans,
    time_sweep,
    time_threads,
    time_warm,
    warm_up,
)
from bench.peer import Peer, environment
from market.tape import Tape

CANDIDATES = 16
FLAT_MOST = 1.6


def tell(*columns: object) -> None:
    """Print one line of a table at once."""
    print(*columns, flush=True)


def summary(market: Market, verdicts: Sequence[Verdict]) -> bool:
    """Print what a comparison found; return whether it is equal and means something."""
    good = True
    for interval_ms in INTERVALS_MS:
        for queue in QUEUES:
            found = [v for v in verdicts if (v.interval_ms, v.queue) == (interval_ms, queue)]
            if not found:
                continue
            wrong = [v for v in found if v.different]
            fills = min(v.fills for v in found)
            enough = fills >= market.fills_least or (market.fills_least < 1000 and fills > 0)
            good = good and not wrong and enough
            tell(
                f"{market.name:<26}{interval_ms:>7} ms  {queue:<12}{len(found):>4} candidates"
                f"{len(wrong):>4} differ   fills {fills:>6,} to {max(v.fills for v in found):>7,}"
                f"   cancels from {min(v.cancels for v in found):>7,}"
                + ("" if enough else f"   fewer fills than {market.fills_least}")
            )
            for v in wrong[:3]:
                tell(f"    candidate {v.candidate}: {v.different} steps, the first is {v.first}")
    return good


def check_equality(peer: Peer, feeds: Sequence[Feed], *, quick: bool) -> dict[str, Any]:
    """Compare all feeds; return figures, `equal` among them."""
    began = time.monotonic()
    runs = differing = 0
    equal = True
    for feed in feeds:
        count = 2 if quick else CANDIDATES
        verdicts = compare(feed, peer, candidates=count, intervals_ms=INTERVALS_MS)
        equal = summary(feed.market, verdicts) and equal
        runs += len(verdicts)
        differing += sum(v.different > 0 for v in verdicts)
    return {
        "equal": equal,
        "runs": runs,
        "differing": differing,
        "equality_s": round(time.monotonic() - began),
    }


def show(bars: Ratios) -> None:
    """Print a row of ratios."""
    ratios = bars.ratios
    tell(
        f"  {bars.name:<44}{median(bars.ours) * 1e3:>11.2f}{median(bars.theirs) * 1e3:>12.1f}"
        f"{median(ratios):>9.2f}{min(ratios):>9.2f}{max(ratios):>9.2f}"
        f"{bars.bar:>8g}{bars.aim:>7g}  {'holds' if bars.holds else 'MISSED'}"
    )


def measure(engine: Engine, feed: Feed, rival: Rival, *, quick: bool) -> dict[str, Any]:
    """Time one of our engines against the peer; print its table; return its figures."""
    records = np.load(feed.path)
    cores = os.sched_getaffinity(0)
    runs = 4 if quick else CANDIDATES
    repeats = 2 if quick else 5
    began = time.process_time()
    warm_up(engine, feed, rival, records)
    first_s = time.process_time() - began
    tell(f"\n{engine.name}: first calls (compile or load, and two tapes) {first_s:.1f} s")
    tell(
        f"  {'':<44}{'ours ms':>11}{'peer ms':>12}{'ratio':>9}{'least':>9}{'most':>9}"
        f"{'bar':>8}{'aim':>7}"
    )
    kept = one_core()
    found = []
    made = engine.tape(records, 100)
    fills = engine.fills(engine.batch(made, engine.candidates(feed, runs), 1))
    tell(f"  fills a candidate at 100 ms: {fills.min():,.0f} to {fills.max():,.0f}")
    if isinstance(made, Tape):
        decisions, plans_s = time_plans(made)
        tell(f"  plans of {decisions} decisions, called one by one: {plans_s * 1e3:.2f} ms")
    del made
    fast = Ratios("one candidate, warm, 100 ms", 150, 500)
    found.append(time_warm(engine, rival, records, interval_ms=100, runs=runs, bars=fast))
    show(fast)
    slow = Ratios("one candidate, warm, 30 s", 250, 1000)
    found.append(time_warm(engine, rival, records, interval_ms=30_000, runs=runs, bars=slow))
    show(slow)
    if median(fast.ratios) < fast.bar / 10:  # a sweep would take hours
        os.sched_setaffinity(0, kept)
        tell("  far below the bar: nothing else is timed")
        return {"holds": False, "ratios": {fast.name: round(median(fast.ratios), 2)}}
    cold = Ratios("one candidate, decode and tape included", 1.5, 2.3)
    found.append(time_cold(engine, rival, records, repeats=repeats, bars=cold))
    show(cold)
    sweep = Ratios("256 candidates, decode and tape included", 100, 250)
    found.append(time_sweep(engine, feed, records, theirs=fast.theirs, repeats=repeats, bars=sweep))
    show(sweep)
    flat = time_flat(engine, feed, records)
    os.sched_setaffinity(0, kept)
    spread = max(flat.values()) / min(flat.values())
    threads = Ratios("two threads against one, wall", 1.8, 2.0)
    if len(cores) > 1:
        found.append(time_threads(engine, feed, records, repeats=repeats, bars=threads))
        show(threads)
    tell(
        "  CPU ms a candidate by batch: "
        + ", ".join(f"{count}: {ms:.2f}" for count, ms in flat.items())
        + f"; most over least {spread:.2f} (bar {FLAT_MOST})"
    )
    good = all(bars.holds for bars in found) and spread <= FLAT_MOST and len(cores) > 1
    return {
        "holds": good,
        "fills": [int(fills.min()), int(fills.max())],
        "flat": round(spread, 3),
        "ratios": {
            bars.name: [round(f(bars.ratios), 2) for f in (median, min, max)] for bars in found
        },
        "ours_ms": {bars.name: round(median(bars.ours) * 1e3, 3) for bars in found},
        "peer_ms": {bars.name: round(median(bars.theirs) * 1e3, 1) for bars in found},
    }


def gather(folder: Path, feeds: Path, markets: Sequence[Market]) -> tuple[list[Feed], list[str]]:
    """Return the feeds that are there, and the names of those that are not."""
    found, missing = [], []
    for market in markets:
        try:
            found.append(make_feed(market, folder, feeds))
        except FileNotFoundError as error:
            missing.append(market.name)
            tell(f"{market.name}: no such recording: {error}")
    return found, missing


def main() -> int:
    """Compare, time, print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--feeds", type=Path, default=Path("../shared/feeds"))
    parser.add_argument("--only", choices=("equality", "speed"))
    parser.add_argument("--engine", choices=("compatibility", "default"), help="time one only")
    parser.add_argument("--quick", action="store_true", help="few candidates and repeats")
    told = parser.parse_args()
    figures: dict[str, Any] = {"bench": "engine"}
    peer = Peer(environment())
    tell(f"peer: hftbacktest {peer.version['version']}, numpy {peer.version['numpy']}")
    with tempfile.TemporaryDirectory(dir=scratch()) as temporary:
        # With speed alone, one interval of the synthetic feed still has to be equal.
        recorded = () if told.only == "speed" else RECORDED
        feeds, missing = gather(Path(temporary), told.feeds, (*recorded, BUSY))
        quick = told.quick or told.only == "speed"
        figures |= check_equality(peer, feeds, quick=quick) | {"missing": missing}
        holds = figures["equal"] and not missing
        if not figures["equal"]:
            tell("not equal: no figures")
        elif told.only != "equality":
            rival = Rival(peer, feeds[-1])
            for engine in (compat_engine(feeds[-1]), default_engine(feeds[-1])):
                if told.engine and not engine.name.startswith(told.engine):
                    continue
                figures[engine.name] = measure(engine, feeds[-1], rival, quick=told.quick)
                holds = holds and figures[engine.name]["holds"]
    peer.close()
    print(json.dumps(figures | {"holds": holds}))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
