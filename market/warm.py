"""Compiles every kernel that a run needs, once, before processes start that would all compile."""

import time

import numpy as np

from market.account import Account, Setup, open_account
from market.audit import SAMPLE_COLUMNS, SURVEY_COLUMNS, survey
from market.book import new_book, window_for
from market.breach import limit_settings
from market.clocks import merge_clocks
from market.features import observer_settings
from market.guard import flatten, guard_settings
from market.layout import (
    EVENT_EXCH_NS,
    PARAMETER_COLUMNS,
    SCALE_COLUMNS,
    SCALE_LOT,
    SCALE_MIN_LOTS,
    SCALE_SPOT,
    SCALE_TICK_LOT,
    SEEN_LOCAL,
    STEP_COLUMNS,
)
from market.policy import policy_settings
from market.queueing import fill_model
from market.replay import replay
from market.synthetic import synthetic_day
from market.tape import build_tape
from market.types import I8
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
    setup = warm_setup()
    parameters = np.zeros((1, PARAMETER_COLUMNS))
    parameters[0] = (0.05, 2.0, 1.0, 5.0)
    replay(tape, parameters, setup, first_step=0, last_step=len(tape.steps))
    edge_verdict(np.arange(64.0) % 7.0 - 3.0, round_trips=100, trials=1, seed=1)
    read_recording(events)
    end_trading(open_account(setup, trips=0), setup)
    return time.perf_counter() - began


def warm_setup() -> Setup:
    """Return a setup that quotes: a spot instrument of 1e-5 quote a tick and lot."""
    scale = np.zeros(SCALE_COLUMNS, dtype=np.int64)
    scale[SCALE_TICK_LOT] = 1000
    scale[SCALE_LOT] = 100_000
    scale[SCALE_MIN_LOTS] = 1
    scale[SCALE_SPOT] = 1
    return Setup(
        scale=scale,
        model=fill_model(),
        limits=limit_settings(capital_units=10**13),
        policy=policy_settings(capital=100_000.0),
        guarding=guard_settings(),
        cycle=np.array([30 * SECOND_NS], dtype=np.int64),
        opening=np.array([10**13, 10**9, 10**9], dtype=np.int64),
    )


def read_recording(events: I8) -> None:
    """Do what importing and auditing a recording does."""
    merged = np.zeros((2, 2 * len(events)), dtype=np.int64)
    order = np.argsort(events[:, EVENT_EXCH_NS], kind="stable")
    merge_clocks(order, events, merged[0], merged[1])
    samples = np.zeros((1, SAMPLE_COLUMNS), dtype=np.int64)
    meter = np.zeros(SURVEY_COLUMNS, dtype=np.int64)
    book = new_book(*window_for(events))
    survey(events, SEEN_LOCAL, *book, SECOND_NS, 100.0, SECOND_NS, samples, meter)


def end_trading(account: Account, setup: Setup) -> None:
    """Do what only the end of trading asks for; a replay never does."""
    row = np.zeros(STEP_COLUMNS, dtype=np.int64)
    flatten(
        row, account.own, account.own_meter, 0, 0, 0, setup.scale, setup.guarding, account.actions
    )
