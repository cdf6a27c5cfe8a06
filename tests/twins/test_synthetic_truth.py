"""What the settings promise about edge, judged by a maker that the house did not write."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from market.layout import EVENT_EXCH_NS
from market.synthetic import VALUE_TICKS, synthetic_day
from tests.twins.synthetic_audit import window
from tests.twins.synthetic_maker import (
    FILL_COLUMNS,
    FILL_PRICE,
    FILL_SIDE,
    FILL_TIME,
    QUEUE_FIRST,
    QUEUE_LAST,
    RULE_AFTER_TRADE,
    RULE_AGAINST_IMBALANCE,
    RULE_IMBALANCE,
    RULE_INSIDE,
    RULE_SYMMETRIC,
    RULE_WITH_TRADE,
    make_market,
    mid_path,
)

ROOT = Path(__file__).parent.parent.parent
SECOND_NS = 1_000_000_000
ORDER_LOTS = 500
LIMIT_LOTS = 5_000
SKEWS = (RULE_IMBALANCE, RULE_AGAINST_IMBALANCE, RULE_AFTER_TRADE, RULE_WITH_TRADE)
WAYS = [(RULE_INSIDE, 0.0)]  # a rule and its depth in ticks
WAYS += [(RULE_SYMMETRIC, depth) for depth in (0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0)]
WAYS += [(rule, depth) for rule in SKEWS for depth in (0.5, 1.5, 3.0)]


class Day:
    """A tape, its description, and the mid after each of its events."""

    def __init__(self, seed, setting, hours, **more):
        self.events, meta = synthetic_day(seed=seed, hours=hours, setting=setting, **more)
        self.truth = meta["truth"]
        self.window = window(self.events)
        self.mids = mid_path(self.events, *self.window)
        self.when_ns = self.events[:, EVENT_EXCH_NS].copy()

    def made(self, rule, depth, *, queue, refresh_s=1.0):
        """Return fills i8[n, FILL_COLUMNS] and final profit in ticks of one order."""
        fills = np.zeros((100_000, FILL_COLUMNS), np.int64)
        refresh_ns = int(refresh_s * SECOND_NS)
        count, position, cash = make_market(
            self.events, *self.window, refresh_ns, rule, depth, queue, ORDER_LOTS, LIMIT_LOTS, fills
        )
        assert count < len(fills)
        return fills[:count], (cash + position * self.mids[-1]) / ORDER_LOTS

    def markouts(self, fills, delay_s, fee_ticks=0.0):
        """Return f8[n]: ticks that each fill has earned `delay_s` later, its fee paid."""
        when = fills[:, FILL_TIME] + int(delay_s * SECOND_NS)
        mid = self.mids[np.searchsorted(self.when_ns, when, side="right") - 1]
        fee = fee_ticks * fills[:, FILL_PRICE] / VALUE_TICKS
        return (mid - fills[:, FILL_PRICE]) * fills[:, FILL_SIDE] - fee


@pytest.mark.parametrize("fee_bps", [0.0, 2.3, -0.4])
def test_no_fill_of_a_zero_edge_day_ever_earns_at_its_own_instant(fee_bps):
    """The theorem itself: not on average, but each fill, first in queue, any rule, any depth."""
    total = 0
    for seed in range(5):
        day = Day(seed, "zero_edge", 3.0, maker_fee_bps=fee_bps)
        assert day.truth["edge_at_some_depth"] is False
        for rule, depth in WAYS:
            fills, _ = day.made(rule, depth, queue=QUEUE_FIRST)
            total += len(fills)
            assert day.markouts(fills, 0.0, fee_bps).max(initial=-1.0) <= 1e-9
    assert total > 20_000


def test_no_way_of_quoting_earns_on_zero_edge_days():
    """Mean markouts after 1, 10 and 60 s are not above zero for any of 21 ways to quote."""
    days = [Day(seed, "zero_edge", 8.0) for seed in range(6)]
    for rule, depth in WAYS:
        pairs = [(day, day.made(rule, depth, queue=QUEUE_FIRST)[0]) for day in days]
        for delay_s in (1.0, 10.0, 60.0):
            earned = np.concatenate([day.markouts(fills, delay_s) for day, fills in pairs])
            error = earned.std() / np.sqrt(len(earned))
            assert earned.mean() <= 2.0 * error, (rule, depth, delay_s)


def test_profit_on_zero_edge_days_is_a_loss_when_one_quotes_at_the_touch():
    """Nobody gets rich there, and the busiest maker loses most surely."""
    days = [Day(seed, "zero_edge", 12.0) for seed in range(5)]
    for queue in (QUEUE_FIRST, QUEUE_LAST):
        profits = [day.made(RULE_SYMMETRIC, 1.0, queue=queue)[1] for day in days]
        assert np.mean(profits) < 0.0
        assert sum(profit > 0.0 for profit in profits) <= 1


def test_a_sensible_maker_earns_on_every_planted_day():
    """At the truth's best depth, last in the queue, four hours are enough to see it."""
    for seed in range(6):
        day = Day(seed, "planted_edge", 4.0)
        depth = day.truth["best_depth_ticks"]
        fills, profit = day.made(RULE_SYMMETRIC, depth, queue=QUEUE_LAST)
        earned = day.markouts(fills, 60.0)
        assert len(fills) > 400
        assert earned.mean() > 4.0 * earned.std() / np.sqrt(len(earned))
        assert profit > 0.3 * len(fills) * depth


def test_a_maker_that_looks_every_half_minute_earns_on_every_planted_day():
    """The edge does not hang on speed: quotes that stand for 30 s keep it."""
    for seed in range(6):
        day = Day(seed, "planted_edge", 12.0)
        depth = day.truth["best_depth_ticks"] + 1.0
        fills, profit = day.made(RULE_SYMMETRIC, depth, queue=QUEUE_LAST, refresh_s=30.0)
        assert profit > 0.2 * len(fills) * depth


def test_depth_matters_on_planted_days_and_the_best_differs_by_seed():
    """Quoting at the touch, as the spread suggests, leaves more than half of the profit there."""
    best = set()
    near, right, far = [], [], []
    for seed in range(5):
        day = Day(seed, "planted_edge", 12.0)
        depth = day.truth["best_depth_ticks"]
        best.add(depth)
        for profits, ticks in ((near, 0.5), (right, depth), (far, 20.0)):
            profits.append(day.made(RULE_SYMMETRIC, ticks, queue=QUEUE_LAST)[1])
    assert all(well > 2.0 * poor for well, poor in zip(right, near, strict=True))
    assert sum(right) > 2.0 * sum(far)
    assert len(best) >= 3


def test_the_default_day_has_a_modest_edge_at_zero_fee():
    """A maker at the right depth earns on most days; a fee of six basis points takes it all."""
    profits, fills_count = [], 0
    for seed in range(4):
        day = Day(seed, "default", 24.0)
        depth = day.truth["best_depth_ticks"]
        fills, profit = day.made(RULE_SYMMETRIC, depth, queue=QUEUE_LAST)
        profits.append(profit)
        fills_count += len(fills)
    assert sum(profit > 0.0 for profit in profits) >= 3
    assert sum(profits) - 6.0 * fills_count < 0.0


def test_a_larger_informed_share_takes_more_from_every_fill():
    """The parameter is the toxicity of the flow: markouts fall as it rises."""
    means = []
    for share in (0.0, 0.4, 0.8):
        day = Day(1, "default", 12.0, informed_share=share)
        fills, _ = day.made(RULE_SYMMETRIC, 3.0, queue=QUEUE_FIRST)
        means.append(day.markouts(fills, 60.0).mean())
    assert means[0] > means[1] + 1.0 > means[2] + 2.0


@pytest.mark.parametrize("setting", ["planted_edge", "default"])
def test_the_truth_of_a_fill_agrees_with_its_markout(setting):
    """The curve in the description is measured by a maker first in its queue after a minute."""
    days = [Day(seed, setting, 24.0) for seed in range(2)]
    for depth in (2.0, 4.0, 8.0):
        for day in days:
            fills, _ = day.made(RULE_SYMMETRIC, depth, queue=QUEUE_FIRST, refresh_s=0.2)
            earned = day.markouts(fills, 60.0)
            told = day.truth["net_ticks_per_fill"][day.truth["depths_ticks"].index(depth)]
            # The maker prices from a mid that a hole has moved, so it stands a little deeper.
            error = earned.std() / np.sqrt(len(earned))
            assert abs(earned.mean() - told) < 4.0 * error + 0.15 * told


HASHES = """
import hashlib, warnings
warnings.simplefilter("ignore")  # interpreted 64-bit words overflow on purpose
from market.synthetic import SETTINGS, synthetic_day
for setting in SETTINGS:
    events, _ = synthetic_day(seed=9, hours=0.05, setting=setting)
    print(setting, len(events), hashlib.sha256(events.tobytes()).hexdigest())
"""


def test_the_interpreter_makes_the_same_bytes_as_the_compiler():
    """Every kernel of the synthetic day, run as plain Python, is its own slow twin."""
    printed = [
        subprocess.run(
            [sys.executable, "-c", HASHES],
            cwd=ROOT,
            env=os.environ | {"NUMBA_DISABLE_JIT": disabled},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for disabled in ("0", "1")
    ]
    assert printed[0].count("\n") == 3
    assert printed[0] == printed[1]
