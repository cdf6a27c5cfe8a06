"""Time the engine: building a tape, and replaying candidates on it, cold and warm.

Seconds are CPU seconds of this process, so that a busy machine changes little. The first call of
each kernel (compilation, or loading from the cache) is timed apart and in no other figure. Run it
with COUNTERPOINT_KERNELS set to an empty folder to see the compilation.
"""

import json
import time
from collections.abc import Callable
from statistics import median

import numpy as np

from market.account import Setup
from market.book import new_book, window_for
from market.breach import limit_settings
from market.features import observer_settings
from market.fills import advance, open_exchange
from market.guard import guard_settings
from market.layout import (
    DELAY_COLUMNS,
    SCALE_COLUMNS,
    SCALE_LOT,
    SCALE_MIN_LOTS,
    SCALE_SPOT,
    SCALE_TICK_LOT,
)
from market.policy import policy_settings
from market.queueing import fill_model
from market.replay import replay
from market.replay_step import REPLAY_FILLS
from market.synthetic import synthetic_day
from market.tape import NO_IDS, Tape, build_tape
from market.types import F8, I8
from market.warm import warm

HOURS = 24.0
CANDIDATES = 16
REPEATS = 5
SECOND_NS = 10**9
UNITS = 10**8


def setup() -> Setup:
    """Return an account of 100,000 quote on the artificial symbol, 2 bps maker fee."""
    scale = np.zeros(SCALE_COLUMNS, dtype=np.int64)
    scale[SCALE_TICK_LOT], scale[SCALE_LOT] = UNITS // 100 // 1000, UNITS // 1000
    scale[SCALE_MIN_LOTS], scale[SCALE_SPOT] = 1, 1
    return Setup(
        scale=scale,
        delays=np.full(DELAY_COLUMNS, 5_000_000, dtype=np.int64),
        model=fill_model(),
        limits=limit_settings(capital_units=100_000 * UNITS),
        policy=policy_settings(capital=100_000.0),
        guarding=guard_settings(),
        cycle=np.array([30 * SECOND_NS], dtype=np.int64),
        opening=np.array([99_000 * UNITS, 10 * UNITS, 10 * UNITS], dtype=np.int64),
    )


def candidates(count: int) -> F8:
    """Return `count` parameter sets that differ in every dial."""
    rng = np.random.default_rng(7)
    rows = np.empty((count, 4))
    rows[:, 0] = rng.uniform(0.02, 0.12, count)
    rows[:, 1] = rng.integers(1, 6, count)
    rows[:, 2] = rng.uniform(0.2, 2.0, count)
    rows[:, 3] = rows[:, 1] * rows[:, 2] * rng.uniform(1.0, 2.0, count)
    return rows


def timed(work: Callable[[], object]) -> list[float]:
    """Return the CPU seconds of each of several runs."""
    seconds = []
    for _ in range(REPEATS):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return seconds


def exchange_alone(events: I8, base: int, width: int) -> None:
    """Advance the exchange over all events without an order of ours: the floor of a replay."""
    exchange = open_exchange(*new_book(base, width))
    delays = np.zeros(DELAY_COLUMNS, dtype=np.int64)
    scale = np.zeros(SCALE_COLUMNS, dtype=np.int64)
    advance(events, NO_IDS, exchange, fill_model(), scale, delays, 1 << 62)


def tape_of(events: I8) -> Tape:
    """Return the tape of a second's guard interval and thirty seconds' cycle."""
    settings = observer_settings()
    return build_tape(events, interval_ns=SECOND_NS, cycle_ns=30 * SECOND_NS, settings=settings)


def main() -> None:
    """Print a table and one JSON line."""
    first_s = warm()
    events, _ = synthetic_day(seed=1, hours=HOURS)
    window = window_for(events)
    tape = tape_of(events)
    count, steps = len(events), len(tape.steps)
    told = {"first_step": 0, "last_step": steps}
    rows, account = candidates(CANDIDATES), setup()
    fills = replay(tape, rows, account, **told)[:, 0, REPLAY_FILLS]
    single = replay(tape, rows[:1], account, **told)
    if single[0, 0, REPLAY_FILLS] != fills[0]:
        raise SystemExit("a candidate alone and in company differ: no figures")
    floor = timed(lambda: exchange_alone(events, *window))
    build = timed(lambda: tape_of(events))
    batch = [s / CANDIDATES for s in timed(lambda: replay(tape, rows, account, **told))]
    table = [
        ("exchange without orders", floor, count),
        ("tape", build, count),
        ("one candidate", batch, count),
    ]
    print(f"{count:,} events, {steps:,} guard steps, {np.median(fills):,.0f} fills a candidate")
    print(f"{'':<26}{'ms':>9}{'least':>9}{'ns/event':>11}{'us/step':>9}{'M events/s':>12}")
    for name, seconds, events_read in table:
        typical = median(seconds)
        print(
            f"{name:<26}{typical * 1e3:>9.2f}{min(seconds) * 1e3:>9.2f}"
            f"{typical / events_read * 1e9:>11.2f}{typical / steps * 1e6:>9.2f}"
            f"{events_read / typical / 1e6:>12.1f}"
        )
    guard_us = (median(batch) - median(floor)) / steps * 1e6
    print(f"guard step without its events: {guard_us:.2f} us")
    print(f"first calls (compile or load): {first_s:.1f} s")
    figures = {
        "bench": "engine",
        "events": count,
        "steps": steps,
        "fills_median": float(np.median(fills)),
        "exchange_ns_per_event": round(median(floor) / count * 1e9, 2),
        "tape_ns_per_event": round(median(build) / count * 1e9, 2),
        "candidate_ms": round(median(batch) * 1e3, 3),
        "candidate_events_per_s": round(count / median(batch)),
        "guard_step_us": round(guard_us, 3),
        "first_calls_s": round(first_s, 2),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
