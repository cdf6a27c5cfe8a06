"""The plan by dynamic programming, and the survey of what resting orders would have met."""

import math

import numpy as np
import pytest

from market.calibration import MEMORY_SURVEY
from market.features import new_observer, observer_settings
from market.layout import (
    PLAN_ASK,
    PLAN_BID,
    PLAN_DYNAMIC,
    PLAN_SLOPE,
    VIEW_COLUMNS,
    VIEW_IMBALANCE,
    VIEW_MID,
)
from market.planned import HORIZON, ORDERS, with_dynamic, write_dynamic_plan
from market.stylised import StylisedMarket, evaluate, solve
from market.survey import (
    COUNTER_CYCLES,
    COUNTER_HITS,
    COUNTER_SQUARES,
    QUEUE_SHARE,
    SURVEY_COLUMNS,
    SURVEY_HITS,
    SURVEY_SEEN,
    mean_reach,
    note_sample,
)
from market.synthetic import synthetic_day
from market.tape import TapeBuilder, build_tape

MID, AVERSION = 1_000_000.0, 0.1
TICK = 1.0 / MID
FOREVER = (1.0, 1.0)
SETTINGS = with_dynamic(observer_settings(risk_aversion=AVERSION))
SECOND_NS = 10**9


def surveyed(rng, cycles, *, intensity, depth, sigma, loss=None, keeps=FOREVER, survey=None):
    """Return a survey of cycles in which `intensity` orders a side reach exponential depths.

    With a loss only one side is reached in a cycle, and mid goes so far through it.
    """
    survey = np.zeros(SURVEY_COLUMNS) if survey is None else survey
    for _ in range(cycles):
        reaches, lost = [-1.0, -1.0], 0.0
        for row, count in enumerate(rng.poisson(intensity, 2)):
            if count:
                reaches[row] = rng.exponential(depth, count).max()
        if loss is not None:
            side = rng.integers(2)
            reaches[1 - side] = -1.0
            lost = loss * (2 * side - 1) if reaches[side] >= 0.0 else 0.0
        move = rng.normal(0.0, sigma)
        note_sample(survey, tuple(reaches), TICK, move, move + lost, keeps, (2, 2))
    return survey


def planned(survey, imbalance=0.0, settings=SETTINGS):
    """Return the plan of a survey, None when it is too thin."""
    memory, _ = new_observer(settings)
    memory[MEMORY_SURVEY : MEMORY_SURVEY + SURVEY_COLUMNS] = survey
    view, plan = np.zeros(VIEW_COLUMNS), np.zeros(PLAN_DYNAMIC)
    view[VIEW_MID], view[VIEW_IMBALANCE] = MID, imbalance
    return plan if write_dynamic_plan(view, memory, settings, plan) else None


def fraction(plan, intensity, depth, sigma):
    """Return the exact reward of a plan over the optimum of the market that was surveyed."""
    decay, noise = 1.0 / (depth * MID), sigma * MID
    phi = 0.5 * AVERSION * decay * noise**2
    market = StylisedMarket(
        steps=HORIZON, dt=1.0, intensity=intensity, decay=decay, sigma=noise, phi=phi, alpha=phi,
        q_max=ORDERS, fee=0.0, depth_low=0.0, depth_high=10.0 / decay, drift=[0.0],
        transition=[[1.0]],
    )  # fmt: skip
    x = np.arange(-ORDERS, ORDERS + 1) / ORDERS
    pair = (plan[PLAN_BID] + plan[PLAN_SLOPE] * x, plan[PLAN_ASK] - plan[PLAN_SLOPE] * x)
    bid, ask = (np.broadcast_to(each[None, :, None], (HORIZON, len(x), 1)) for each in pair)
    return evaluate(market, (bid, ask)) / solve(market)[1]


@pytest.mark.parametrize("intensity", [0.7, 3.0])
@pytest.mark.parametrize("sigma", [1e-4, 6e-4])
def test_the_plan_of_a_long_survey_is_near_the_exact_optimum(intensity, sigma):
    """The survey sees reaches alone, the optimum knows A, k and sigma; a line in x is enough."""
    rng = np.random.default_rng(7)
    survey = surveyed(rng, 3_000, intensity=intensity, depth=5e-4, sigma=sigma)
    assert fraction(planned(survey), intensity, 5e-4, sigma) >= 0.985


def test_orders_that_are_filled_before_the_market_moves_through_them_go_deeper():
    """Three basis points on, after every fill: both sides ask for about as much more."""
    rng = np.random.default_rng(3)
    kind = {"intensity": 1.5, "depth": 5e-4, "sigma": 2e-4}
    fair = planned(surveyed(rng, 1_000, **kind, loss=0.0))
    rng = np.random.default_rng(3)
    toxic = planned(surveyed(rng, 1_000, **kind, loss=3e-4))
    for side in (PLAN_BID, PLAN_ASK):
        assert fair[side] + 2e-4 * MID < toxic[side] < fair[side] + 4e-4 * MID


def test_a_change_of_the_market_is_believed_within_cycles_and_noise_is_not():
    """Depths halve and the volatility doubles after 300 cycles; before, the counts grow old."""
    keeps = (math.exp(-1.0 / 120.0), math.exp(-1.0 / 5.0))
    early, late = [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        calm = {"intensity": 2.0, "depth": 6e-4, "sigma": 3e-4, "keeps": keeps}
        survey = surveyed(rng, 300, **calm)
        early.append(survey[COUNTER_CYCLES])
        before = mean_reach(survey)
        changed = calm | {"depth": 3e-4, "sigma": 6e-4}
        surveyed(rng, 20, **changed, survey=survey)
        late.append(mean_reach(survey) / before)
        assert survey[SURVEY_SEEN] == 320
    assert np.median(early) > 60.0  # of at most 111
    assert np.median(late) < 0.65


def test_little_data_make_no_plan():
    """Nineteen cycles are too few, and cycles in which nobody traded are none."""
    rng = np.random.default_rng(1)
    kind = {"intensity": 2.0, "depth": 5e-4, "sigma": 2e-4}
    assert planned(surveyed(rng, 19, **kind)) is None
    assert planned(surveyed(rng, 20, **kind)) is not None
    assert planned(surveyed(rng, 40, intensity=0.0, depth=5e-4, sigma=2e-4)) is None


def test_a_sample_is_counted_as_its_docstring_says():
    """By hand: the first reach is the mean; a share of the orders there waited behind the queue."""
    survey = np.zeros(SURVEY_COLUMNS)
    note_sample(survey, (4.0 * TICK, -1.0), TICK, 2e-4, 1e-4, FOREVER, (0, 4))
    assert survey[COUNTER_CYCLES] == survey[COUNTER_HITS] == 1.0
    assert survey[COUNTER_SQUARES] == pytest.approx(4e-8)
    assert mean_reach(survey) == pytest.approx(4.0 * TICK)
    edges = 0.05 * 1.48 ** np.arange(15)
    wanted = np.zeros(32)
    wanted[np.searchsorted(edges, 1.0)] += QUEUE_SHARE
    wanted[np.searchsorted(edges, 0.75)] += 1.0 - QUEUE_SHARE
    assert survey[SURVEY_HITS : SURVEY_HITS + 32] == pytest.approx(wanted)


def test_the_tape_holds_the_same_plan_however_it_is_built_and_cut():
    """In blocks with one book for both clocks, step by step, and cut at a time; then thin data."""
    events, _ = synthetic_day(seed=5, hours=1.0)
    told = {"interval_ns": SECOND_NS, "cycle_ns": 30 * SECOND_NS}
    settings = with_dynamic(observer_settings(warmup_s=60.0))
    whole = build_tape(events, settings=settings, **told)
    builder = TapeBuilder(events, settings=settings, **told)
    half = builder.first_ns + 1_800 * SECOND_NS
    part = builder.advance(half)
    assert part.plans.tobytes() == whole.plans[: len(part.plans)].tobytes()
    rest = builder.advance(builder.first_ns + 7_200 * SECOND_NS)
    assert rest.plans.tobytes() == whole.plans.tobytes()
    closed = build_tape(events, settings=observer_settings(warmup_s=60.0), **told).plans
    mine, theirs = whole.plans[:, PLAN_DYNAMIC:], closed[:, :PLAN_DYNAMIC]
    assert (whole.plans[:, :PLAN_DYNAMIC] == theirs).all()
    assert (mine[:600] == theirs[:600]).all()
    assert (mine[700:] != theirs[700:]).any(axis=1).mean() > 0.9
    assert (closed[:, PLAN_DYNAMIC:] == theirs).all()
    assert np.isfinite(whole.plans).all()
