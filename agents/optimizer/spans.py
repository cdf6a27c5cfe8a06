"""Which steps a window is made of: blocks to train on, a gap, a test; the horizon lies ahead.

Before it lies what is known already, as much again at most: nothing is chosen by it, but how sure
one may be of a choice is.

The gap between train and test is a purge (what was opened in training is closed or forgotten: each
part starts flat) and an embargo, the tuning latency: as late as a decision comes into force after
its boundary, so late the test begins after the training. From boundary to boundary all of it rolls
on. A window is at least as long as configured; where trades are rare it is longer.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from market.account import Setup
from market.layout import STEP_NOW_NS, VIEW_MID, VIEW_READY, VIEW_SIGMA
from market.replay import replay, slice_edges
from market.replay_step import REPLAY_FILLS
from market.tape import Tape
from market.types import F8

SECOND_NS = 1_000_000_000
SPAN_MIN_S = 3600.0
"""A shorter window says nothing."""
FILLS_TRAIN, FILLS_AHEAD = 200.0, 50.0
"""Fills of the set in force that a window and a horizon should hold."""
LONGER = 6.0
"""Windows and horizons are at most so many times as long as configured."""
PURGE_S = 60.0
TEST_SHARE = 0.4
"""Of the window: one candidate on fresh slices tells more than the best of many on old ones."""
EARLIER_MIN = 4
"""Slices that the record before a window must hold to be looked at."""
BLOCKS = 6
"""Parts of the training span that are raced over; each starts flat."""


@dataclass(frozen=True, slots=True)
class Part:
    """Steps [first, last), cut into slices of equal length."""

    first: int
    last: int
    slices: int


@dataclass(frozen=True, slots=True)
class Spans:
    """One window.

    Attributes:
        blocks: the training span, in time order.
        test: begins purge and embargo after the last block, ends with the window.
        earlier: ends where the blocks begin; None where there is too little.
        slice_s: seconds of a slice, in training; in the test as nearly as slices fit.
        horizon_s: seconds for which the verdict is meant.
    """

    blocks: tuple[Part, ...]
    test: Part
    slice_s: float
    horizon_s: float
    earlier: Part | None = None

    @property
    def first(self) -> int:
        """The first step."""
        return self.blocks[0].first

    @property
    def last(self) -> int:
        """One past the last step."""
        return self.test.last

    @property
    def ahead(self) -> float:
        """The horizon in slices."""
        return self.horizon_s / self.slice_s


def bounds(tape: Tape, window_s: float) -> tuple[int, int]:
    """Return the steps [first, last) of the window: its end is the tape's, warm-up left out."""
    last = len(tape.steps)
    ready = np.flatnonzero(tape.views[:, VIEW_READY] > 0.5)
    if last == 0 or ready.size == 0:
        return last, last
    first = max(int(ready[0]), last - round(window_s * SECOND_NS / tape.interval_ns))
    return first, last


def times(tape: Tape, first: int, last: int) -> tuple[int, int]:
    """Return the venue times of the first and the last of steps [first, last)."""
    if first >= last:
        end = int(tape.steps[-1, STEP_NOW_NS]) if len(tape.steps) else 0
        return end, end
    return int(tape.steps[first, STEP_NOW_NS]), int(tape.steps[last - 1, STEP_NOW_NS])


def lengths(
    tape: Tape, setup: Setup, held: F8, *, window_s: float, horizon_s: float
) -> tuple[float, float]:
    """Return (window, horizon) in seconds: as configured, or longer for want of trades.

    Args:
        held: f8[PARAMETER_COLUMNS], the set in force, whose fills are counted.
        window_s, horizon_s: as configured.
    """
    first, last = bounds(tape, window_s)
    span_s = (last - first) * tape.interval_ns / SECOND_NS
    if span_s < SPAN_MIN_S:
        return window_s, horizon_s
    figures = replay(tape, held[None], setup, first_step=first, last_step=last)
    rate = float(figures[0, 0, REPLAY_FILLS]) / span_s
    if not rate > 0.0:
        return window_s * LONGER, horizon_s * LONGER
    return (
        min(window_s * LONGER, max(window_s, FILLS_TRAIN / rate)),
        min(horizon_s * LONGER, max(horizon_s, FILLS_AHEAD / rate)),
    )


def laid_out(
    steps: tuple[int, int],
    *,
    interval_s: float,
    slices: int,
    horizon_s: float,
    embargo_s: float,
    since: int | None = None,
) -> Spans:
    """Return the parts of a window of steps [first, last).

    Args:
        interval_s: seconds of a step.
        slices: of the training span, >= 2.
        horizon_s: of the verdict.
        embargo_s: see the module.
        since: first step of the record; None: the window's first.
    """
    first, last = steps
    tested = round(TEST_SHARE * (last - first))
    gap = min(round((PURGE_S + embargo_s) / interval_s), (last - first) // 8)
    split = last - tested - gap
    each = max(1, math.ceil(slices / BLOCKS))
    count = max(2, slices // each)
    edges = [first + (split - first) * index // count for index in range(count + 1)]
    blocks = tuple(Part(low, high, each) for low, high in pairwise(edges))
    slice_steps = (split - first) / (count * each)
    test = Part(last - tested, last, max(2, round(tested / slice_steps)))
    begin = max(first if since is None else since, first - (last - first))
    before = round((first - begin) / slice_steps)
    earlier = Part(begin, first, before) if before >= EARLIER_MIN else None
    return Spans(blocks, test, slice_steps * interval_s, horizon_s, earlier)


def sigma_of(tape: Tape, first: int, last: int) -> float:
    """Return the median volatility of mid over steps [first, last), fraction per sqrt(second)."""
    views = tape.views[first:last]
    return float(np.median(views[:, VIEW_SIGMA] / np.maximum(1e-9, views[:, VIEW_MID])))


def sigmas_of(tape: Tape, part: Part) -> F8:
    """Return f8[slices], `sigma_of` each slice of a part."""
    edges = slice_edges(part.first, part.last, part.slices)
    return np.array([sigma_of(tape, *each) for each in pairwise(edges)])
