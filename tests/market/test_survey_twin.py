"""The survey and the plan by dynamic programming against their slow twins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.calibration import (
    MEMORY_DRIFT_XX,
    MEMORY_DRIFT_XY,
    MEMORY_SURVEY,
    OBSERVER_DRIFT_RIDGE,
    OBSERVER_DRIFT_SHARE,
    OBSERVER_FEE,
)
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
