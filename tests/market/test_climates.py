"""Days of changing climates: frozen, sound, and each climate what it says."""

import hashlib
from itertools import pairwise

import numpy as np
import pytest

from market.climates import CLIMATES, HOUR_NS, MECHANISMS, climate_day, path_of
from market.layout import (
    BUY,
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_PRICE_TICKS,
    EVENT_SIDE,
    KIND_TRADE,
)
from market.synthetic import START_NS
from tests.twins.synthetic_audit import FAULTS, audit, sampled, window

FROZEN = {
    "value": "0cb32db49e031a646cf41f579952872f4aae20e3674fab47f218605a58cb0a60",
    "queue": "84b120dcc8e3e3b3ca6ee0f9ef4b773aadbc02b12b5a601211941e2f4f97f295",
}
"""SHA-256 of the first 20,000 events of seed 1: another digest is another family of markets."""


def mids(events):
    base, width = window(events)
    first, last = events[0, EVENT_EXCH_NS], events[-1, EVENT_EXCH_NS]
    grid = np.arange(first + 10**9, last, 10**9)
    touch = np.zeros((len(grid), 2), np.int64)
    sampled(events, base, width, grid, 30, touch, np.zeros(30))
    return 0.5 * touch.sum(axis=1), touch[:, 1] - touch[:, 0]


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_the_bytes_are_frozen(mechanism):
    """Nobody is judged on a market that was changed after agents were tuned."""
    events, _ = climate_day(seed=1, hours=1.0, mechanism=mechanism)
    assert hashlib.sha256(events[:20_000].tobytes()).hexdigest() == FROZEN[mechanism]


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_day_is_sound_and_the_same_again(mechanism):
    """No crossed book, no level below nothing, clocks that rise; another seed is another day."""
    events, meta = climate_day(seed=2, hours=1.0, mechanism=mechanism)
    again, _ = climate_day(seed=2, hours=1.0, mechanism=mechanism)
    assert events.tobytes() == again.tobytes()
    assert events.tobytes() != climate_day(seed=3, hours=1.0, mechanism=mechanism)[0].tobytes()
    base, width = window(events)
    assert audit(events, base, width).tolist() == [0] * FAULTS
    assert meta["truth"]["climates"][0][0] == START_NS
    assert meta["trades"] > 50


def test_climates_last_hours_and_change():
    """At least one hour each, three on average, never the same twice in a row."""
    path = path_of(np.random.default_rng(1), 3000.0)
    stays = np.diff([at_ns for at_ns, _, _ in path]) / HOUR_NS
    assert stays.min() >= 1.0
    assert stays.mean() == pytest.approx(3.0, rel=0.1)
    names = [name for _, name, _ in path]
    assert set(names) == set(CLIMATES)
    assert all(one != other for one, other in pairwise(names))


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_each_climate_is_what_it_says(mechanism):
    """Lively trades most; after a toxic trade the mid goes on its way, after a lively one not."""
    trades, after = {}, {}
    for name in CLIMATES:
        events, _ = climate_day(seed=5, hours=2.0, mechanism=mechanism, only=name)
        rows = events[events[:, EVENT_KIND] == KIND_TRADE]
        trades[name] = len(rows)
        mid, _ = mids(events)
        at = (rows[:, EVENT_EXCH_NS] - events[0, EVENT_EXCH_NS]) // 10**9
        known = at + 20 < len(mid)
        sign = np.where(rows[known, EVENT_SIDE] == BUY, 1.0, -1.0)
        # What a maker on the other side has after twenty seconds, ticks.
        after[name] = float(np.mean(sign * (rows[known, EVENT_PRICE_TICKS] - mid[at[known] + 20])))
    assert max(trades, key=trades.__getitem__) == "lively"
    assert trades["quiet"] < trades["lively"] / 3
    assert after["toxic"] < after["lively"] - 0.5


def test_what_is_out_of_range_is_refused():
    """One line: found and allowed."""
    with pytest.raises(ValueError, match="mechanism must be one of value, queue"):
        climate_day(seed=1, mechanism="other")
    with pytest.raises(ValueError, match="climate must be one of"):
        climate_day(seed=1, only="stormy")
    with pytest.raises(ValueError, match="hours"):
        climate_day(seed=1, hours=0.0)
