import hashlib
import json

import numpy as np
import pytest

from exchange.recording import Meta
from market.layout import (
    EVENT_COLUMNS,
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOCAL_NS,
    EVENT_PRICE_TICKS,
    EVENT_SEEN,
    KIND_SNAPSHOT,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
)
from market.synthetic import SETTINGS, START_NS, VALUE_TICKS, synthetic_day
from market.synthetic_book import uniform
from market.synthetic_flow import sweep_ticks
from market.synthetic_truth import depth_chances
from tests.twins.synthetic_audit import FAULTS, audit, sampled, sweeps_of, window
from tests.twins.synthetic_maker import mid_path

SECOND_NS = 1_000_000_000


def day(seed, setting="default", hours=24.0, **more):
    return synthetic_day(seed=seed, setting=setting, hours=hours, **more)


def mids(events, step_s=1):
    base, width = window(events)
    first, last = events[0, EVENT_EXCH_NS], events[-1, EVENT_EXCH_NS]
    grid = np.arange(first + SECOND_NS, last, step_s * SECOND_NS)
    touch = np.zeros((len(grid), 2), np.int64)
    depth = np.zeros(30)
    sampled(events, base, width, grid, 30, touch, depth)
    return 0.5 * touch.sum(axis=1), touch[:, 1] - touch[:, 0], depth / len(grid)


def correlation(x, lag):
    x = x - x.mean()
    return float((x[lag:] * x[:-lag]).mean() / (x * x).mean())


def test_chance_is_splitmix64_and_nothing_else():
    """The generator is the published one: its first five words of seed 1234567."""
    state = np.array([1234567], np.uint64)
    words = (
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    )
    assert [uniform(state) for _ in words] == [(word >> 11) / 2**53 for word in words]


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_same_arguments_give_the_same_bytes(setting):
    """A seed names a day; another seed names another."""
    one, meta_one = day(5, setting, 1.0)
    two, meta_two = day(5, setting, 1.0)
    other, _ = day(6, setting, 1.0)
    assert hashlib.sha256(one.tobytes()).digest() == hashlib.sha256(two.tobytes()).digest()
    assert json.dumps(meta_one) == json.dumps(meta_two)
    assert other.shape != one.shape or not np.array_equal(other, one)


def test_a_longer_day_begins_with_the_shorter_one():
    """Nothing that happens depends on when the recording will end."""
    short, _ = day(7, hours=1.0)
    long, _ = day(7, hours=8.0)
    assert np.array_equal(long[: len(short)], short)


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_day_is_about_a_million_events_that_fit_together(setting):
    """Never crossed, never empty; each print takes what stood, nearest first; clocks only rise."""
    events, meta = day(11, setting)
    assert events.dtype == np.int64
    assert events.shape[1] == EVENT_COLUMNS
    assert 700_000 < len(events) < 2_000_000
    assert meta["events"] == len(events)
    assert audit(events, *window(events)).tolist() == [0] * FAULTS


def test_a_day_opens_with_a_snapshot_on_both_clocks():
    """First a whole ladder a side at the start, seen a few milliseconds later, then changes."""
    events, _ = day(2, hours=0.5)
    snapshot = events[:, EVENT_KIND] == KIND_SNAPSHOT
    count = int(snapshot.sum())
    assert 40 <= count <= 60
    assert snapshot[:count].all()
    assert set(events[:count, EVENT_EXCH_NS]) == {START_NS}
    assert START_NS % (86_400 * SECOND_NS) == 0
    assert set(events[:, EVENT_SEEN]) == {SEEN_EXCHANGE | SEEN_LOCAL}
    delay_ms = (events[:, EVENT_LOCAL_NS] - events[:, EVENT_EXCH_NS]) / 1e6
    assert delay_ms.min() > 1.5
    assert 2.0 < np.median(delay_ms) < 5.0
    assert delay_ms.max() <= 101.0


def test_all_events_of_one_instant_are_seen_at_one_instant():
    """No step of a grid can fall between a sweep's prints and the book that they leave."""
    events, _ = day(3, "zero_edge", 2.0)
    same = np.diff(events[:, EVENT_EXCH_NS]) == 0
    assert same.any()
    assert (np.diff(events[:, EVENT_LOCAL_NS])[same] == 0).all()


def test_the_description_is_ready_for_json_and_names_the_instrument():
    """Ticks and lots are decimal text, fees are signed numbers, the truth rides along."""
    _, meta = day(4, hours=0.1, maker_fee_bps=-0.25, taker_fee_bps=7.5)
    again = json.loads(json.dumps(meta, allow_nan=False))
    assert again == meta
    picked = {name: meta[name] for name in ("venue", "symbol", "base", "quote", "tick", "lot")}
    assert picked == {
        "venue": "synthetic",
        "symbol": "SYN-USDT",
        "base": "SYN",
        "quote": "USDT",
        "tick": "0.01",
        "lot": "0.001",
    }
    assert (meta["maker_fee_bps"], meta["taker_fee_bps"]) == (-0.25, 7.5)
    assert meta["truth"]["edge_at_some_depth"] is True


def test_the_description_splits_into_a_recordings_meta_and_notes():
    """What a recording has a field for carries that field's name; the rest goes into its notes."""
    _, meta = day(4, hours=0.1)
    known = {name: meta[name] for name in Meta.model_fields if name in meta}
    rest = {name: meta[name] for name in meta if name not in known}
    kept = Meta(**known, notes=rest)
    assert kept.span_ns == tuple(meta["span_ns"])
    assert set(rest) == {"seed", "setting", "setting_figures", "events", "trades", "truth"}


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"setting": "free_lunch"}, "setting"),
        ({"hours": 0.0}, "hours"),
        ({"hours": float("nan")}, "hours"),
        ({"seed": -1}, "seed"),
        ({"start_ns": 5}, "start_ns"),
        ({"informed_share": 1.5}, "informed_share"),
        ({"informed_share": float("nan")}, "informed_share"),
        ({"maker_fee_bps": float("inf")}, "fees"),
        ({"setting": "zero_edge", "informed_share": 0.5}, "informed_share"),
        ({"setting": "zero_edge", "maker_fee_bps": -1.0}, "maker_fee_bps"),
    ],
)
def test_a_wrong_argument_is_named(wrong, named):
    """One line: what was found and what is allowed."""
    with pytest.raises(ValueError, match=named):
        synthetic_day(**{"seed": 1, "hours": 0.1} | wrong)


def test_spreads_are_a_few_ticks_and_mostly_the_narrowest():
    """Stylised fact: most of the time the book is as tight as the regime allows."""
    for seed in (1, 2):
        _, spread, _ = mids(day(seed)[0])
        assert spread.min() == 1
        assert 1 <= np.median(spread) <= 3
        assert np.mean(spread <= 4) > 0.75
        assert np.quantile(spread, 0.99) <= 20


@pytest.mark.parametrize("setting", SETTINGS)
def test_depth_rises_to_a_hump_behind_the_touch(setting):
    """Stylised fact: the most lots stand a few ticks behind the best price, then ever fewer."""
    _, _, depth = mids(day(1, setting)[0])
    crest = int(np.argmax(depth))
    assert 2 <= crest <= 10
    assert depth[crest] > 1.2 * depth[0]
    assert depth[crest] > 2.0 * depth[25]


@pytest.mark.parametrize("setting", SETTINGS)
def test_volatility_comes_in_clusters_and_returns_have_heavy_tails(setting):
    """Stylised facts: |returns| of a minute stay correlated for minutes; kurtosis above normal."""
    near, far, tails = [], [], []
    for seed in range(3):
        price, _, _ = mids(day(seed, setting)[0], step_s=60)
        moves = np.diff(price)
        near.append(correlation(np.abs(moves), 1))
        far.append(np.mean([correlation(np.abs(moves), lag) for lag in (2, 3, 4, 5)]))
        tails.append(np.mean(moves**4) / np.mean(moves**2) ** 2)
    assert np.mean(near) > 0.1
    assert np.mean(far) > 0.05
    assert np.mean(tails) > 4.5


@pytest.mark.parametrize("setting", SETTINGS)
def test_market_orders_come_in_clusters_and_their_sizes_have_heavy_tails(setting):
    """Stylised facts: counts vary far more than a Poisson's; 1 % of orders trade > 4 % of lots."""
    events, meta = day(1, setting)
    times, signs, lots = sweeps_of(events)
    assert len(times) == meta["truth"]["sweeps"]
    counts = np.bincount((times - times[0]) // (10 * SECOND_NS))
    assert counts.var() / counts.mean() > 2.0
    largest = np.sort(lots)[-len(lots) // 100 :]
    assert largest.sum() > 0.04 * lots.sum()
    persistence = correlation(signs.astype(float), 1)
    expected = 2.0 * SETTINGS[setting].repeat - 1.0
    assert abs(persistence - expected) < 4.0 / np.sqrt(len(signs))


def test_the_mid_of_a_zero_edge_day_is_a_martingale():
    """Signature: variance grows linearly; neither last sign nor imbalance foretells the mid."""
    ratios = []
    for seed in range(4):
        events, meta = day(seed, "zero_edge")
        price, _, _ = mids(events)
        unit = np.mean(np.diff(price) ** 2)
        ratios.append([np.mean((price[k:] - price[:-k]) ** 2) / k / unit for k in (5, 30, 120)])
        last = mid_path(events, *window(events))[-1]
        assert last - VALUE_TICKS == meta["truth"]["value_move_ticks"]
        times, signs, _ = sweeps_of(events)
        index = (times - events[0, EVENT_EXCH_NS]) // SECOND_NS
        index = np.clip(index, 0, len(price) - 62)
        later = price[index + 61] - price[index + 1]
        assert abs(np.corrcoef(signs, later)[0, 1]) < 0.03
    assert np.allclose(np.mean(ratios, axis=0), 1.0, atol=0.06)


def test_the_mid_of_a_planted_day_comes_back():
    """The other two markets have what a maker lives on: sweeps that revert within a minute."""
    for setting, most in (("planted_edge", 0.5), ("default", 0.8)):
        price, _, _ = mids(day(1, setting)[0])
        ratio = np.mean((price[30:] - price[:-30]) ** 2) / 30 / np.mean(np.diff(price) ** 2)
        assert ratio < most


def test_the_chances_of_depth_are_those_that_are_drawn():
    """The truth's formula and the kernel's draws are the same distribution."""
    state = np.array([99], np.uint64)
    drawn = np.bincount([sweep_ticks(state, 3.0) for _ in range(40_000)], minlength=27) / 40_000
    chances = depth_chances(3.0)
    assert abs(chances.sum() - 1.0) < 1e-12
    assert np.abs(np.cumsum(drawn - chances)).max() < 0.01


def test_prices_stay_on_the_market():
    """A day moves by percents, not by multiples."""
    for setting in SETTINGS:
        events, _ = day(8, setting)
        price = events[:, EVENT_PRICE_TICKS]
        assert 8_000 < price.min() < price.max() < 12_500
