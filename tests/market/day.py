"""A short artificial day with its tape and a setup, made once for all tests of tape and replay."""

import functools

import numpy as np

from market.account import Setup
from market.breach import limit_settings
from market.clocks import merge_clocks
from market.features import observer_settings
from market.funding import NO_FUNDING
from market.guard import guard_settings
from market.latency import ConstantLatency
from market.latency_text import parse_latency
from market.layout import (
    EVENT_EXCH_NS,
    EVENT_LOCAL_NS,
    EVENT_SEEN,
    SCALE_COLUMNS,
    SCALE_FEE_IN_BASE,
    SCALE_LOT,
    SCALE_MAKER_FEE,
    SCALE_MIN_LOTS,
    SCALE_SPOT,
    SCALE_TAKER_FEE,
    SCALE_TICK_LOT,
)
from market.policy import policy_settings
from market.queueing import fill_model
from market.risked import with_risk
from market.synthetic import synthetic_day
from market.tape import build_tape

SECOND = 10**9
UNITS = 10**8
CAPITAL = 100_000
MS = 10**6
LATENCY = ConstantLatency(5 * MS, 5 * MS, 5 * MS)
TOLD = {"interval_ns": SECOND, "cycle_ns": 30 * SECOND, "latency": LATENCY}
OBSERVER = with_risk(
    observer_settings(warmup_s=60.0), value_s=3_600.0, cost_share=0.001, cost_tick_lots=1e8
)
CANDIDATES = np.array(
    [[0.02, 2.0, 2.0, 10.0], [0.05, 3.0, 1.0, 8.0], [0.1, 1.0, 3.0, 9.0], [0.01, 5.0, 0.5, 5.0]]
)


@functools.cache
def events(hours=0.5, seed=3):
    """The day: i8[n, EVENT_COLUMNS]."""
    return synthetic_day(seed=seed, hours=hours)[0]


@functools.cache
def split_events():
    """The same market seen late: up to 0.4 s of local delay, so that many rows are split."""
    rows = events().copy()
    late = np.random.default_rng(1).integers(1_000_000, 400_000_000, len(rows))
    rows[:, EVENT_LOCAL_NS] = rows[:, EVENT_EXCH_NS] + late
    rows = rows[np.argsort(rows[:, EVENT_LOCAL_NS], kind="stable")]
    order = np.argsort(rows[:, EVENT_EXCH_NS], kind="stable")
    origin, seen = (np.zeros(2 * len(rows), dtype=np.int64) for _ in range(2))
    count = merge_clocks(order, rows, origin, seen)
    both = rows[origin[:count]]
    both[:, EVENT_SEEN] = seen[:count]
    return both


@functools.cache
def tape(latency="5ms"):
    """Its tape, one row a second."""
    latency = parse_latency(latency)
    return build_tape(events(), settings=OBSERVER, **{**TOLD, "latency": latency})


def setup(*, maker=20_000, in_base=0, funding=NO_FUNDING):
    """An account of 100,000 quote that holds its target."""
    scale = np.zeros(SCALE_COLUMNS, dtype=np.int64)
    scale[SCALE_TICK_LOT], scale[SCALE_LOT] = UNITS // 100 // 1_000, UNITS // 1_000
    scale[SCALE_MIN_LOTS], scale[SCALE_SPOT], scale[SCALE_FEE_IN_BASE] = 1, 1, in_base
    scale[SCALE_MAKER_FEE], scale[SCALE_TAKER_FEE] = maker, 40_000
    target = 10 * UNITS
    return Setup(
        scale=scale,
        model=fill_model(),
        limits=limit_settings(capital_units=CAPITAL * UNITS),
        policy=policy_settings(capital=float(CAPITAL)),
        guarding=guard_settings(),
        cycle=np.array([TOLD["cycle_ns"]], dtype=np.int64),
        opening=np.array([(CAPITAL - 1_000) * UNITS, target, target], dtype=np.int64),
        funding=funding,
    )
