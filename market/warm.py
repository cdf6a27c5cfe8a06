"""Compiles every kernel that a run needs, once, before processes start that would all compile."""

import time

import numpy as np

from market.account import Setup
from market.breach import limit_settings
from market.features import observer_settings
from market.guard import guard_settings
from market.layout import (
    DELAY_COLUMNS,
    PARAMETER_COLUMNS,
    SCALE_COLUMNS,
    SCALE_LOT,
    SCALE_MIN_LOTS,
    SCALE_SPOT,
    SCALE_TICK_LOT,
)
from market.policy import policy_settings
from market.replay import replay
from market.synthetic import synthetic_day
from market.tape import build_tape
from market.verdict import edge_verdict

SECOND_NS = 10**9


def warm() -> float:
    """Run a few minutes of an artificial market through everything; return the seconds it took."""
    began = time.perf_counter()
    events, _ = synthetic_day(seed=1, hours=0.2)
    tape = build_tape(
        events,
        interval_ns=SECOND_NS,
        cycle_ns=30 * SECOND_NS,
        settings=observer_settings(warmup_s=60.0),
    )
    scale = np.zeros(SCALE_COLUMNS, dtype=np.int64)
    scale[SCALE_TICK_LOT] = 1000
    scale[SCALE_LOT] = 100_000
    scale[SCALE_MIN_LOTS] = 1
    scale[SCALE_SPOT] = 1
    setup = Setup(
        scale=scale,
        delays=np.zeros(DELAY_COLUMNS, dtype=np.int64),
        limits=limit_settings(capital_units=10**13),
        policy=policy_settings(capital=100_000.0),
        guarding=guard_settings(),
        cycle=np.array([30 * SECOND_NS], dtype=np.int64),
        opening=np.array([10**13, 10**9, 10**9], dtype=np.int64),
    )
    parameters = np.zeros((1, PARAMETER_COLUMNS))
    parameters[0] = (0.05, 2.0, 1.0, 5.0)
    replay(tape, parameters, setup, first_step=0, last_step=len(tape.steps))
    edge_verdict(np.arange(64.0) % 7.0 - 3.0, round_trips=100, trials=1, seed=1)
    return time.perf_counter() - began
