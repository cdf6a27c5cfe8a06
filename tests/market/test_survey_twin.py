"""The survey and the plan by dynamic programming against their slow twins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.book import new_book, window_for
from market.calibration import (
    MEMORY_DRIFT_XX,
    MEMORY_DRIFT_XY,
    MEMORY_SURVEY,
    OBSERVER_DRIFT_RIDGE,
    OBSERVER_DRIFT_SHARE,
    OBSERVER_FEE,
    OBSERVER_KEEP_DRIFT,
    OBSERVER_KEEP_FILLS,
    OBSERVER_KEEP_QUICK,
)
from market.features import new_observer, observer_settings
from market.layout import (
    EVENT_KIND,
    EVENT_LOCAL_NS,
    EVENT_PRICE_TICKS,
    EVENT_SIDE,
    KIND_TRADE,
    PLAN_ASK,
    PLAN_BID,
    PLAN_COLUMNS,
    PLAN_DYNAMIC,
    PLAN_SLOPE,
    STEP_COLUMNS,
    STEP_NOW_NS,
    VIEW_COLUMNS,
    VIEW_IMBALANCE,
    VIEW_MID,
)
from market.planned import with_dynamic, write_dynamic_plan
from market.survey import (
    BINS,
    NODES,
    REGIMES,
    SURVEY_CHAIN,
    SURVEY_COLUMNS,
    SURVEY_HITS,
    SURVEY_LOSS,
    SURVEY_ODDS,
    SURVEY_SEEN,
    note_sample,
    write_chain,
    write_nodes,
)
from market.tape import grid_of
from market.tape_sides import observe_steps
from tests.market import day
from tests.market.day import SECOND
from tests.twins.survey import Survey, plan

MID, AVERSION, FEE = 1_000_000.0, 0.1, 1e-5
KEEPS = (np.exp(-1 / 120), np.exp(-1 / 5))


def lived(seed, cycles):
    """Return one survey in both makes: cycles of a market that changes its depths once."""
    rng = np.random.default_rng(seed)
    survey, twin = np.zeros(SURVEY_COLUMNS), Survey()
    often, depth, sigma = rng.uniform(0.2, 3.0), rng.uniform(1e-4, 1e-3), rng.uniform(5e-5, 8e-4)
    change, regime = rng.integers(cycles), int(rng.integers(REGIMES))
    for cycle in range(cycles):
        factor = 3.0 if cycle >= change else 1.0
        counts = rng.poisson(often, 2)
        reaches = tuple(
            float(rng.exponential(depth * factor, count).max()) if count else -1.0
            for count in counts
        )
        move = rng.normal(0.0, sigma * factor)
        following = int(rng.integers(REGIMES))
        sample = (reaches, 1 / MID, move, 0.7 * move, KEEPS, (regime, following))
        note_sample(survey, *sample)
        twin.sample(*sample)
        regime = following
    return survey, twin


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 150))
def test_the_survey_counts_as_its_twin_does(seed, cycles):
    """Counters, odds, shape and chain to twelve digits, and what is read from them."""
    survey, twin = lived(seed, cycles)
    for counter, wanted in ((survey[:4], twin.slow), (survey[4:8], twin.quick)):
        assert counter == pytest.approx([*vars(wanted).values()], rel=1e-12)
    assert survey[SURVEY_ODDS] == pytest.approx(twin.odds, rel=1e-9)
    assert survey[SURVEY_SEEN] == twin.seen
    for first, wanted in ((SURVEY_HITS, twin.hits), (SURVEY_LOSS, twin.loss)):
        found = survey[first : first + 2 * BINS].reshape(2, BINS)
        assert found == pytest.approx(wanted, rel=1e-12, abs=1e-12)
    chain = np.empty((REGIMES, REGIMES))
    write_chain(survey, chain)
    assert survey[SURVEY_CHAIN:].reshape(REGIMES, REGIMES) == pytest.approx(twin.chain, rel=1e-12)
    assert chain == pytest.approx(twin.moves(), rel=1e-12)
    if twin.hits.sum() > 0:
        for side in range(2):
            rows = np.empty((3, NODES))
            write_nodes(survey, side, *rows)
            for found, wanted in zip(rows, twin.nodes(side), strict=True):
                assert found == pytest.approx(wanted, rel=1e-10, abs=1e-15)


@pytest.mark.parametrize("imbalance", [-0.93, 0.13, 0.5])
def test_the_plan_is_the_one_that_trying_every_pair_of_depths_finds(imbalance):
    """Sixty cycles backwards, then the line in the position: within a billionth."""
    rules = with_dynamic(observer_settings(risk_aversion=AVERSION))
    rules[OBSERVER_FEE] = FEE
    survey, twin = lived(11, 140)
    memory, _ = new_observer(rules)
    memory[MEMORY_SURVEY : MEMORY_SURVEY + SURVEY_COLUMNS] = survey
    memory[MEMORY_DRIFT_XX], memory[MEMORY_DRIFT_XY] = 40.0, 900_000.0
    slope = rules[OBSERVER_DRIFT_SHARE] * 900_000.0 / (40.0 + rules[OBSERVER_DRIFT_RIDGE])
    view, found = np.zeros(VIEW_COLUMNS), np.zeros(PLAN_DYNAMIC)
    view[VIEW_MID], view[VIEW_IMBALANCE] = MID, imbalance
    assert write_dynamic_plan(view, memory, rules, found)
    told = {"mid": MID, "imbalance": imbalance, "aversion": AVERSION, "fee": FEE}
    wanted = plan(twin, **told, slope=slope)
    assert found[[PLAN_BID, PLAN_ASK, PLAN_SLOPE]] == pytest.approx(wanted, rel=1e-9)
    assert slope > 0.0 < wanted[2]


CYCLE = 30
"""Steps of a second."""


def observed(rules, rows):
    """Return (steps, views, memory) after an observer has lived through some events."""
    first_ns, last_ns = grid_of(rows, SECOND)
    count = (last_ns - first_ns) // SECOND + 1
    memory, cells = new_observer(rules)
    steps = np.zeros((count, STEP_COLUMNS), dtype=np.int64)
    views, plans = np.zeros((count, VIEW_COLUMNS)), np.zeros((count, PLAN_COLUMNS))
    told = (rows, 0, *new_book(*window_for(rows)), memory, cells, rules, first_ns, SECOND)
    observe_steps(*told, 0, count, steps, views, plans)
    return steps, views, memory


def reaches_of(prices, sides, mid):
    """How deep sellers and buyers came from a mid, fraction of it; -1 where nobody came."""
    sold, bought = prices[sides < 0], prices[sides > 0]
    return (
        max(0.0, mid - sold.min()) / mid if sold.size else -1.0,
        max(0.0, bought.max() - mid) / mid if bought.size else -1.0,
    )


def test_a_cycle_s_sample_is_what_its_prints_say():
    """Prints, mids and imbalances of a day, cycle by cycle, counted from the events alone."""
    rules, rows = with_dynamic(day.OBSERVER), day.events()
    steps, views, memory = observed(rules, rows)
    traded = rows[(rows[:, EVENT_KIND] == KIND_TRADE) & (rows[:, EVENT_SIDE] != 0)]
    times = steps[:, STEP_NOW_NS]
    places = np.searchsorted(traded[:, EVENT_LOCAL_NS], times, side="right")
    mids, imbalances = views[:, VIEW_MID], views[:, VIEW_IMBALANCE]
    twin, product, square = Survey(), 0.0, 0.0
    keeps = (rules[OBSERVER_KEEP_FILLS], rules[OBSERVER_KEEP_QUICK])
    for step in range(CYCLE, len(steps)):
        mid, before = mids[step - CYCLE], imbalances[step - CYCLE]
        move = mids[step] - mid
        square = rules[OBSERVER_KEEP_DRIFT] * square + before**2
        product = rules[OBSERVER_KEEP_DRIFT] * product + before * move
        if times[step] % (CYCLE * SECOND) == 0:
            prints = traded[places[step - CYCLE] : places[step]]
            reaches = reaches_of(prints[:, EVENT_PRICE_TICKS], prints[:, EVENT_SIDE], mid)
            surprise = move - before * product / (square + rules[OBSERVER_DRIFT_RIDGE])
            lain = [
                min(REGIMES - 1, int((each + 1) / 2 * REGIMES))
                for each in (before, imbalances[step])
            ]
            twin.sample(reaches, 1 / mid, move / mid, surprise / mid, keeps, tuple(lain))
    survey = memory[MEMORY_SURVEY : MEMORY_SURVEY + SURVEY_COLUMNS]
    assert survey[SURVEY_SEEN] == twin.seen > 50
    for counter, wanted in ((survey[:4], twin.slow), (survey[4:8], twin.quick)):
        assert counter == pytest.approx([*vars(wanted).values()], rel=1e-9)
    for first, wanted in ((SURVEY_HITS, twin.hits), (SURVEY_LOSS, twin.loss)):
        found = survey[first : first + 2 * BINS].reshape(2, BINS)
        assert found == pytest.approx(wanted, rel=1e-9, abs=1e-12)
    assert survey[SURVEY_CHAIN:].reshape(REGIMES, REGIMES) == pytest.approx(twin.chain, rel=1e-9)
