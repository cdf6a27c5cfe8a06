"""Cutting a recording at T leaves everything before T as it was, byte for byte."""

import numpy as np
import pytest

from market.account import Setup
from market.breach import limit_settings
from market.features import observer_settings
from market.guard import guard_settings
from market.latency import ConstantLatency
from market.layout import EVENT_LOCAL_NS
from market.policy import policy_settings
from market.queueing import fill_model
from market.replay import replay_one
from market.replay_step import FILLED_VISIBLE_NS, PLACED_NOW_NS
from market.risked import with_risk
from market.synthetic import synthetic_day
from market.tape import build_tape, cut

SECOND_NS = 10**9
CUTS = 20


@pytest.fixture(scope="module")
def whole():
    events, _ = synthetic_day(seed=11, hours=1.0)
    return events, tape_of(events)


def tape_of(events):
    return build_tape(
        events,
        interval_ns=SECOND_NS,
        cycle_ns=30 * SECOND_NS,
        settings=with_risk(
            observer_settings(warmup_s=120.0),
            value_s=3_600.0,
            cost_share=0.001,
            cost_tick_lots=1e8,
        ),
        latency=ConstantLatency(5_000_000, 5_000_000, 5_000_000),
    )


def setup():
    scale = np.array([1000, 100_000, 1, 500_000_000, 0, 40_000, 0, 1], dtype=np.int64)
    return Setup(
        scale=scale,
        model=fill_model(),
        limits=limit_settings(capital_units=10**13),
        policy=policy_settings(capital=100_000.0),
        guarding=guard_settings(),
        cycle=np.array([30 * SECOND_NS], dtype=np.int64),
        opening=np.array([9 * 10**12, 10**9, 10**9], dtype=np.int64),
    )


def lived(tape):
    parameters = np.array([0.04, 3.0, 1.0, 6.0])
    return replay_one(tape, parameters, setup(), first_step=0, last_step=len(tape.steps))


@pytest.mark.parametrize("number", range(CUTS))
def test_what_comes_after_a_cut_changes_nothing_before_it(whole, number):
    """Features, decisions and fills before a random T do not know what follows."""
    events, tape = whole
    rng = np.random.default_rng(number)
    low, high = int(events[0, EVENT_LOCAL_NS]), int(events[-1, EVENT_LOCAL_NS])
    at = int(rng.integers(low + 300 * SECOND_NS, high))
    part = tape_of(cut(events, at))
    kept = tape.until(int(part.steps[-1, 0]))
    assert part.steps.tobytes() == kept.steps.tobytes()
    assert part.views.tobytes() == kept.views.tobytes()
    assert part.plans.tobytes() == kept.plans.tobytes()
    short, full = lived(part), lived(kept)
    assert len(short.filled) > 0
    assert short.placed.tobytes() == full.placed.tobytes()
    assert short.filled.tobytes() == full.filled.tobytes()
    whole_run = lived(tape)
    last_ns = int(part.steps[-1, 0])
    before = whole_run.placed[whole_run.placed[:, PLACED_NOW_NS] <= last_ns]
    assert short.placed.tobytes() == before.tobytes()
    known = whole_run.filled[whole_run.filled[:, FILLED_VISIBLE_NS] <= last_ns]
    assert short.filled.tobytes() == known.tobytes()
