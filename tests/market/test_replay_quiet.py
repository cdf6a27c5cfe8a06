"""Quiet steps: what is walked in a few comparisons ends as what is lived through step by step."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.breach import RISK_SINCE_NS, limit_settings
from market.features import observer_settings
from market.guard import guard_settings
from market.latency import ConstantLatency
from market.layout import (
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOCAL_NS,
    EVENT_LOTS,
    EVENT_SEEN,
    EVENT_SIDE,
    FUNDING_COLUMNS,
    KIND_CLEAR,
    KIND_DEPTH,
    LEDGER_TRIPS,
    NO_ASK,
    NO_BID,
    REPORT_ACCEPTED,
    REPORT_FILL,
    SCALE_MIN_NOTIONAL,
    SCALE_SPOT,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
    STEP_ASK,
    STEP_BID,
    STEP_NOW_NS,
)
from market.policy import policy_settings
from market.queueing import fill_model
from market.refresh import HELD_LACKS
from market.replay import replay, replay_one
from market.replay_step import (
    COUNT_REPORTS,
    HEARD_KIND,
    HEARD_ORDER_ID,
    HEARD_VISIBLE_NS,
    PLACED_NOW_NS,
    PLACED_ORDER_ID,
)
from market.synthetic import synthetic_day
from market.tape import build_tape
from tests.market import day

SECOND = day.SECOND
HOURS = 0.12


def troubled(events, seed, holes):
    """The same market with lost levels, empty sides, and rows that only one clock saw."""
    rng = np.random.default_rng(seed)
    rows = events.copy()
    depth = np.flatnonzero(rows[:, EVENT_KIND] == KIND_DEPTH)
    cleared = rng.choice(depth, holes)
    rows[cleared, EVENT_KIND] = KIND_CLEAR
    rows[cleared, EVENT_SIDE] = rng.integers(-1, 2, holes)
    rows[rng.choice(depth, 3 * holes), EVENT_LOTS] = 0
    rows[rng.choice(depth, 3 * holes), EVENT_SEEN] = SEEN_EXCHANGE
    rows[rng.choice(depth, 3 * holes), EVENT_SEEN] = SEEN_LOCAL
    return rows


def shaken(tape, seed, share):
    """The same tape, its local touch displaced at some steps: a touch that no hit explains."""
    rng = np.random.default_rng(seed)
    steps = tape.steps.copy()
    sound = (steps[:, STEP_BID] != NO_BID) & (steps[:, STEP_ASK] != NO_ASK)
    chosen = np.flatnonzero(sound & (rng.random(len(steps)) < share))
    steps[np.ix_(chosen, [STEP_BID, STEP_ASK])] += rng.integers(-9, 10, len(chosen))[:, None]
    return replace(tape, steps=steps, skims={})


@st.composite
def markets(draw):
    """A tape: some seconds or tenths between steps, some delays, some trouble."""
    seed = draw(st.integers(1, 6))
    events = troubled(synthetic_day(seed=seed, hours=HOURS)[0], seed, draw(st.integers(0, 40)))
    # Midnight, or the end of a quarter of an hour, within the session.
    events[:, [EVENT_EXCH_NS, EVENT_LOCAL_NS]] += draw(st.sampled_from([0, 86_220, 720])) * SECOND
    interval = draw(st.sampled_from([SECOND // 10, SECOND, 2 * SECOND, 30 * SECOND]))
    cycle_s = draw(st.sampled_from([30.0, 60.0]))
    delays = [draw(st.sampled_from([0, 5, 300, 1_200])) * day.MS for _ in range(3)]
    tape = build_tape(
        events,
        interval_ns=interval,
        cycle_ns=round(cycle_s) * SECOND,
        settings=observer_settings(
            interval_s=interval / SECOND, cycle_s=cycle_s, warmup_s=draw(st.sampled_from([0, 40]))
        ),
        latency=ConstantLatency(*delays),
    )
    return shaken(tape, seed, draw(st.sampled_from([0.0, 0.02, 0.3])))


@st.composite
def new_limits(draw):
    """Those that are off unless told, often so tight that they bind."""
    return {
        "notional_fraction": draw(st.sampled_from([0.0, 0.0, 0.0005])),
        "age_ns": draw(st.sampled_from([0, 0, 1, 3])) * SECOND,
        "orders_per_second": draw(st.sampled_from([0.0, 0.0, 0.05, 2.0])),
        "orders_burst": draw(st.sampled_from([1, 5])),
        "value_fraction": draw(st.sampled_from([0.0, 1e-5])),
        "flow_share": draw(st.sampled_from([0.0, 1e-4])),
        "impact_fraction": draw(st.sampled_from([0.0, 3e-4])),
        "loss_operator": draw(st.booleans()),
        "rest_ns": draw(st.sampled_from([0, 45])) * SECOND,
        "slack": draw(st.sampled_from([0.1, 0.1, 1e-4, 0.0])),
        "stress_fraction": draw(st.sampled_from([0.0, 0.0, 0.001])),
        "loss_closes": draw(st.booleans()),
    }


@st.composite
def setups(draw):
    """An account with limits so tight that they are often crossed."""
    plain = day.setup(
        maker=draw(st.sampled_from([0, 20_000, -5_000, 150_000])),
        in_base=draw(st.sampled_from([0, 1])),
    )
    scale = plain.scale.copy()
    scale[SCALE_SPOT] = draw(st.sampled_from([0, 1, 1]))
    scale[SCALE_MIN_NOTIONAL] = draw(st.sampled_from([0, 0, 30, 200])) * day.UNITS
    opening = plain.opening.copy()
    opening[1:] += draw(st.sampled_from([0, 1, 70_000]))  # dust: worth in odd parts of a unit
    funding = np.zeros((draw(st.integers(0, 3)), FUNDING_COLUMNS), dtype=np.int64)
    funding[:, 0] = synthetic_start() + np.arange(len(funding)) * 97 * SECOND
    funding[:, 1] = 50_000
    return plain._replace(
        scale=scale,
        opening=opening,
        funding=funding,
        model=fill_model(draw(st.sampled_from(["risk-averse", "power:3", "touch"]))),
        limits=limit_settings(
            capital_units=day.CAPITAL * day.UNITS,
            stop_loss_fraction=draw(st.sampled_from([0.02, 2e-4, 5e-5])),
            daily_loss_fraction=draw(st.sampled_from([0.05, 1e-5, 6e-5])),
            drawdown_fraction=draw(st.sampled_from([0.1, 2e-5, 7e-5])),
            volatility_cutoff=draw(st.sampled_from([5.0, 1.02, 0.0])),
            max_position_fraction=draw(st.sampled_from([0.01, 0.004])),
            open_orders_max=draw(st.sampled_from([200, 7])),
            cooldown_ns=draw(st.sampled_from([0, 20, 600])) * SECOND,
            **draw(new_limits()),
        ),
        policy=policy_settings(
            capital=float(day.CAPITAL),
            kelly_observations_min=2,
            drift_one_side=draw(st.sampled_from([0.0, 0.05, 1.0])),
        ),
        guarding=guard_settings(
            pull_threshold_sigma=draw(st.sampled_from([3.0, 0.4, 0.0])),
            refresh_tolerance_ticks=draw(st.integers(0, 3)),
            flatten_share=draw(st.sampled_from([0.005, 1e-5, 0.0])),
        ),
    )


def synthetic_start():
    """The first step of the day's tape."""
    return int(day.tape().steps[0, STEP_NOW_NS])


candidates = st.tuples(
    st.sampled_from([0.005, 0.02, 0.05, 0.1]),
    st.integers(1, 20).map(float),
    st.sampled_from([0.05, 0.5, 2.0]),
    st.sampled_from([1.0, 8.0, 12.0]),
)


def assert_same(one, other):
    """Every array of two records, to the last byte; of the guard's all but its scratch."""
    for name in ("placed", "filled", "heard", "equity", "counts", "figures"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name
    for name in one.account._fields:
        left, right = getattr(one.account, name), getattr(other.account, name)
        if name == "guard_state":
            left, right = left[:HELD_LACKS], right[:HELD_LACKS]
        assert left.tobytes() == right.tobytes(), name


@settings(max_examples=40, deadline=None)
@given(tape=markets(), setup=setups(), candidate=candidates, cut=st.integers(0, 40))
def test_a_quiet_step_changes_what_a_full_one_would(tape, setup, candidate, cut):
    """Orders, fills, figures and the account itself, whatever the market and the settings."""
    told = {"first_step": min(cut, len(tape.steps)), "last_step": len(tape.steps)}
    fast = replay_one(tape, np.array(candidate), setup, **told)
    assert_same(fast, replay_one(tape, np.array(candidate), setup, step_by_step=True, **told))
    rows = np.array([candidate, (0.03, 3.0, 1.0, 8.0)])
    parts = replay(tape, rows, setup, slices=3, **told)
    slow = replay(tape, rows, setup, slices=3, step_by_step=True, **told)
    assert parts.tobytes() == slow.tobytes()


@pytest.mark.slow
@settings(max_examples=3_000, deadline=None)
@given(tape=markets(), setup=setups(), candidate=candidates, cut=st.integers(0, 40))
def test_a_quiet_step_changes_what_a_full_one_would_at_length(tape, setup, candidate, cut):
    """The same, for an hour's patience."""
    told = {"first_step": min(cut, len(tape.steps)), "last_step": len(tape.steps)}
    fast = replay_one(tape, np.array(candidate), setup, **told)
    assert_same(fast, replay_one(tape, np.array(candidate), setup, step_by_step=True, **told))


@pytest.mark.parametrize("limit", ["daily_loss_fraction", "drawdown_fraction"])
def test_a_quiet_step_heeds_what_closing_may_cost(limit):
    """With limits about as large as what is kept back for closing, some halt in quiet stretches."""
    halts = set()
    for fraction in np.geomspace(3e-5, 2e-4, 12):
        told = {"daily_loss_fraction": 1.0, "drawdown_fraction": 1.0} | {limit: float(fraction)}
        limits = limit_settings(capital_units=day.CAPITAL * day.UNITS, loss_closes=True, **told)
        setup = day.setup()._replace(limits=limits)
        one, other = (
            replay_one(
                day.tape(), day.CANDIDATES[0], setup, first_step=0,
                last_step=len(day.tape().steps), step_by_step=slowly,
            )
            for slowly in (False, True)
        )  # fmt: skip
        assert_same(one, other)
        halts.add(int(one.account.risk[RISK_SINCE_NS]))
    assert len(halts) > 6


def test_a_worker_leaves_nothing_of_one_candidate_to_the_next():
    """Halted, reduced or full of orders: the next one starts as new, in any order."""
    setup = day.setup()._replace(
        limits=limit_settings(
            capital_units=day.CAPITAL * day.UNITS, stop_loss_fraction=2e-4, drawdown_fraction=5e-5
        )
    )
    rows = np.vstack([day.CANDIDATES, day.CANDIDATES[::-1]])
    told = {"first_step": 30, "last_step": 1_400, "slices": 2}
    together = replay(day.tape(), rows, setup, **told)
    for number in range(len(rows)):
        alone = replay(day.tape(), rows[number : number + 1], setup, **told)
        assert alone.tobytes() == together[number : number + 1].tobytes()


def test_what_was_heard_besides_fills_is_kept_with_its_times():
    """Accepted, rejected, cancelled: each names its order and is known after it was sent."""
    tape, setup = day.tape(), day.setup()
    one = replay_one(tape, day.CANDIDATES[0], setup, first_step=0, last_step=len(tape.steps))
    counts = one.counts[COUNT_REPORTS:]
    kinds = np.bincount(one.heard[:, HEARD_KIND], minlength=REPORT_FILL + 1)
    assert kinds[REPORT_ACCEPTED] == counts[REPORT_ACCEPTED] > 100
    assert kinds[REPORT_FILL] == 0
    assert (np.diff(one.heard[:, HEARD_VISIBLE_NS]) >= 0).all()
    sent = {int(row[PLACED_ORDER_ID]): int(row[PLACED_NOW_NS]) for row in one.placed[::-1]}
    for row in one.heard[:200]:
        assert row[HEARD_VISIBLE_NS] >= sent[int(row[HEARD_ORDER_ID])] + 10 * day.MS
    assert one.account.ledger[LEDGER_TRIPS] > 10
