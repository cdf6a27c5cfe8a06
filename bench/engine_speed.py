"""Both engines on one feed, in turn, in one run, on one core: CPU seconds and their ratios.

The first call of everything is made before any clock starts. A warm figure is one candidate after
another one, a cold figure begins with the 64-byte records.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from bench.engine_equality import MS, request, tape_of, terms_of
from bench.engine_feeds import Feed, dials, parameters_of
from bench.peer import Peer
from exchange.recording_stream import RecordSource
from market.account import Setup
from market.breach import limit_settings
from market.calibration import (
    OBSERVER_AVERSION,
    OBSERVER_DRIFT_SHARE,
    OBSERVER_FEE,
    OBSERVER_ORDERS,
)
from market.compat import Terms, compat, compat_road
from market.compat_money import RESULT_FILLS
from market.compat_road import Road
from market.features import observer_settings
from market.guard import guard_settings
from market.layout import (
    PLAN_COLUMNS,
    SCALE_COLUMNS,
    SCALE_LOT,
    SCALE_MAKER_FEE,
    SCALE_MIN_LOTS,
    SCALE_TICK_LOT,
    STEP_NOW_NS,
    UNITS,
)
from market.plan import write_plan
from market.policy import policy_settings
from market.queueing import fill_model
from market.replay import replay
from market.replay_step import REPLAY_FILLS
from market.tape import Tape
from market.tape_sides import Making
from market.tape_stream import stream_tape
from market.types import F8

QUEUE = "power_prob"
LEVELS = 20
SWEEP = 256
CAPITAL = 1_000_000  # quote asset
# Percent, of the default model's candidates: a few thousand fills in the two hours of the feed, as
# many as a maker with 2 bps of fees could want. A candidate pays about 1 us a fill.
SPREAD = (0.12, 0.18)


@dataclass(slots=True)
class Ratios:
    """The peer's seconds over ours, pair by pair, and the seconds themselves."""

    name: str
    bar: float
    aim: float
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    def add(self, ours: float, theirs: float) -> None:
        """Add one pair of runs, made one right after the other."""
        self.ours.append(ours)
        self.theirs.append(theirs)

    @property
    def ratios(self) -> list[float]:
        """Return the ratio of each pair."""
        return [theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=True)]

    @property
    def holds(self) -> bool:
        """Return whether the median ratio reaches its bar."""
        return median(self.ratios) >= self.bar


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return (CPU seconds, what it returned)."""
    began = time.process_time()
    found = work()
    return time.process_time() - began, found


def one_core() -> set[int]:
    """Bind this process, and what it starts from now on, to one core; return the cores it had."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    return cores


@dataclass(frozen=True, slots=True)
class Engine:
    """One of our engines, as this benchmark drives it."""

    name: str
    tape: Callable[
        [Any, int], Any
    ]  # from 64-byte records, at an interval in ms, to what a batch needs
    batch: Callable[[Any, F8, int], F8]  # (what `tape` made, candidates, threads)
    candidates: Callable[[Feed, int], F8]
    fills: Callable[[F8], F8]  # of each candidate, from what `batch` returned


def streamed(feed: Feed, records: Any, interval_ms: int, terms: Terms) -> Tape:
    """Return the tape of records, decoded block by block: what a backtest of a file does."""
    making = Making(
        interval_ms * MS,
        30_000 * MS,
        observer_settings(interval_s=interval_ms / 1e3),
        terms.latency,
    )
    source = RecordSource(records, tick=feed.market.tick, lot=feed.market.lot)
    return stream_tape(source, making)


def compat_engine(feed: Feed) -> Engine:
    """Return compatibility mode."""
    terms = terms_of(feed, QUEUE)

    def build(records: Any, interval_ms: int) -> Road:
        return compat_road(streamed(feed, records, interval_ms, terms), terms)

    def batch(road: Road, rows: F8, threads: int) -> F8:
        return compat(road, rows, terms, threads=threads)

    def rows(told: Feed, count: int) -> F8:
        return dials(told.market, count, levels=LEVELS)

    return Engine("compatibility mode", build, batch, rows, lambda out: out[:, RESULT_FILLS])


def setup_of(feed: Feed) -> Setup:
    """Return an account of the default model that trades the feed's market on margin."""
    market = feed.market
    scale = np.zeros(SCALE_COLUMNS, np.int64)
    scale[SCALE_LOT] = UNITS // market.lots_a_unit
    scale[SCALE_TICK_LOT] = round(float(market.tick) * UNITS) // market.lots_a_unit
    scale[SCALE_MIN_LOTS] = 1
    scale[SCALE_MAKER_FEE] = round(market.maker_fee * UNITS)
    return Setup(
        scale=scale,
        model=fill_model(),
        limits=limit_settings(capital_units=CAPITAL * UNITS),
        policy=policy_settings(capital=float(CAPITAL)),
        guarding=guard_settings(),
        cycle=np.array([30_000 * MS], np.int64),
        opening=np.array([CAPITAL * UNITS, 0, 0], np.int64),
    )


def default_engine(feed: Feed) -> Engine:
    """Return our own model: the whole strategy of the live executor, strict fills."""
    setup = setup_of(feed)
    terms = terms_of(feed, QUEUE)

    def build(records: Any, interval_ms: int) -> Tape:
        return streamed(feed, records, interval_ms, terms)

    def batch(tape: Tape, rows: F8, threads: int) -> F8:
        last = len(tape.steps)
        return replay(tape, rows, setup, first_step=0, last_step=last, threads=threads)

    def rows(told: Feed, count: int) -> F8:
        return parameters_of(replace(told.market, spread=SPREAD), count, levels=LEVELS)

    return Engine("default model", build, batch, rows, lambda out: out[:, 0, REPLAY_FILLS])


class Rival:
    """The peer on one feed: its CPU seconds for candidate after candidate, as they are needed."""

    def __init__(self, peer: Peer, feed: Feed) -> None:
        self.peer, self.feed = peer, feed
        self.rows = dials(feed.market, SWEEP, levels=LEVELS)
        self.tapes: dict[int, Tape] = {}
        peer.ask({"feed": str(feed.path)})

    def seconds(self, interval_ms: int, index: int) -> float:
        """Return the CPU seconds of one run, backtest made anew, its compilation not counted."""
        terms = terms_of(self.feed, QUEUE)
        if interval_ms not in self.tapes:
            self.tapes[interval_ms] = tape_of(self.feed, interval_ms, terms)
        tape = self.tapes[interval_ms]
        run = request(self.feed, tape, self.rows[index], terms, QUEUE)
        return float(self.peer.ask({"run": run})["cpu_s"])


def warm_up(engine: Engine, feed: Feed, rival: Rival, records: Any) -> None:
    """Make every first call of both engines, on all signatures."""
    rows = engine.candidates(feed, 2)
    made = engine.tape(records, 30_000)
    engine.batch(made, rows, 2)
    engine.batch(made, rows, 1)
    rival.seconds(30_000, 0)


def time_warm(
    engine: Engine, rival: Rival, records: Any, *, interval_ms: int, runs: int, bars: Ratios
) -> Ratios:
    """Time single candidates on a tape that is there, each next to the peer's run of it."""
    made = engine.tape(records, interval_ms)
    rows = engine.candidates(rival.feed, runs)
    engine.batch(made, rows[:2], 1)
    for index in range(runs):
        theirs = rival.seconds(interval_ms, index)
        other = (index + 1) % runs  # the peer's run swept the caches: warm is after another one
        engine.batch(made, rows[other : other + 1], 1)
        ours, _ = timed(partial(engine.batch, made, rows[index : index + 1], 1))
        bars.add(ours, theirs)
    return bars


def time_plans(tape: Tape) -> tuple[int, float]:
    """Return (decisions, CPU seconds): the closed form again for each decision of a tape."""
    told = observer_settings()
    row = np.zeros(PLAN_COLUMNS)
    views = tape.views[(tape.steps[:, STEP_NOW_NS] % (30_000 * MS) == 0) & (tape.views[:, 0] > 0)]

    def plan(view: F8) -> None:
        write_plan(
            view,
            told[OBSERVER_AVERSION],
            told[OBSERVER_ORDERS],
            told[OBSERVER_FEE],
            told[OBSERVER_DRIFT_SHARE],
            row,
        )

    plan(views[0])
    began = time.process_time()
    for view in views:
        plan(view)
    return len(views), time.process_time() - began


def time_cold(engine: Engine, rival: Rival, records: Any, *, repeats: int, bars: Ratios) -> Ratios:
    """Time one candidate from the 64-byte records on: decode, tape, run."""
    rows = engine.candidates(rival.feed, repeats)

    def work(index: int) -> None:
        engine.batch(engine.tape(records, 100), rows[index : index + 1], 1)

    for index in range(repeats):
        theirs = rival.seconds(100, index)
        ours, _ = timed(partial(work, index))
        bars.add(ours, theirs)
    return bars


def time_sweep(
    engine: Engine, feed: Feed, records: Any, *, theirs: list[float], repeats: int, bars: Ratios
) -> Ratios:
    """Time 256 candidates from the records on, against as many of the peer's mean run."""
    rows = engine.candidates(feed, SWEEP)

    def work() -> None:
        engine.batch(engine.tape(records, 100), rows, 1)

    for _ in range(repeats):
        ours, _ = timed(work)
        bars.add(ours, sum(theirs) / len(theirs) * SWEEP)
    return bars


def time_threads(engine: Engine, feed: Feed, records: Any, *, repeats: int, bars: Ratios) -> Ratios:
    """Time the sweep's candidates on two threads and on one, in wall seconds, in turn."""
    made = engine.tape(records, 100)
    rows = engine.candidates(feed, SWEEP)
    for _ in range(repeats):
        walls = []
        for threads in (1, 2):
            began = time.perf_counter()
            engine.batch(made, rows, threads)
            walls.append(time.perf_counter() - began)
        bars.add(walls[1], walls[0])
    return bars


def time_flat(engine: Engine, feed: Feed, records: Any) -> dict[int, float]:
    """Return CPU ms a candidate by the size of the batch; the candidates are the same eight."""
    made = engine.tape(records, 100)
    eight = engine.candidates(feed, 8)
    found = {}
    for count in (8, 64, 256, 1024):
        rows = np.tile(eight, (count // 8, 1))
        least = min(timed(partial(engine.batch, made, rows, 1))[0] for _ in range(3))
        found[count] = least / count * 1e3
    return found
