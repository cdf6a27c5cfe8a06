"""A tape skimmed: what a quiet step of a replay has to look at, as narrow columns.

Made once per tape and settings, for all candidates. Prices are columns of the tape's window, so
that they fit four bytes; what one account decides stands in `quiet.py`.
"""

import math
from typing import NamedTuple

import numpy as np

from market.breach import LIMIT_AGE_NS, LIMIT_VOLATILITY, VOLATILITY_RETURN
from market.guard import GUARD_CYCLE_SECONDS, GUARD_PULL_SIGMA, GUARD_PULL_TICKS
from market.jit import inlined_kernel, kernel
from market.layout import (
    FRAME_HIGH,
    FRAME_HIT,
    FRAME_LOW,
    NO_ASK,
    NO_BID,
    STEP_ASK,
    STEP_BID,
    STEP_HEARD_NS,
    STEP_NOW_NS,
    VIEW_READY,
    VIEW_SIGMA,
    VIEW_SIGMA_REFERENCE,
)
from market.types import F8, I4, I8

COLUMN_FAR = 1 << 29  # beyond every column; the sum of two fits four bytes
STATE_UNSOUND = 0  # no sound book; else 1 + the flags below
STATE_READY = 1  # ready to be quoted on
STATE_OVER = 2  # volatility above the cutoff
STATE_CALM = 4  # volatility so low that a halt for it ends
STATE_STALE = 8  # nothing was heard of the market for too long


# --- one step in one line of the processor's cache; begins as a step's row does ---------------
CELL_SIGMA = 4  # f8
CELL_REFERENCE = 5  # f8
CELL_READY = 6  # f8
CELL_HIT_LAST = 7  # hits until the step; its window begins with those until the one before
CELL_COLUMNS = 8


class Skim(NamedTuple):
    """One row a step; prices less the window's first tick, i4."""

    state: I4  # i4[steps]: STATE_UNSOUND, or 1 + STATE_* flags
    bid: I4  # i4[steps], local touch
    ask: I4  # i4[steps]
    low: I4  # i4[steps]: lowest price that hits of the step's window reach on bids
    high: I4  # i4[steps]: highest on asks
    reach: I4  # i4[steps]: twice the move of mid that pulls a side, rounded down
    cells: I8  # i8[steps, CELL_COLUMNS]: what else a step needs that is no decision
    figures: F8  # the same memory as f8
    delays: I8  # i8[steps, DELAY_COLUMNS], or one row when all are alike
    base: I8  # i8[1]


def new_skim(base: int, count: int, delays: I8) -> Skim:
    """Return a skim of `count` unsound steps; without any, no step of a replay is quiet.

    `delays` are i8[steps, DELAY_COLUMNS] of the stream.
    """
    state, bid, ask, low, high, reach = (np.zeros(count, dtype=np.int32) for _ in range(6))
    room = np.zeros((count + 1) * CELL_COLUMNS, dtype=np.int64)
    start = (-room.ctypes.data % 64) // 8
    cells = room[start : start + count * CELL_COLUMNS].reshape(count, CELL_COLUMNS)
    if count and (delays == delays[0]).all():
        delays = delays[:1]
    figures = cells.view(np.float64)
    ticks = np.array([base], dtype=np.int64)
    return Skim(state, bid, ask, low, high, reach, cells, figures, delays, ticks)


@kernel
def skim_steps(
    steps: I8,
    views: F8,
    frames: I8,
    first: int,
    last: int,
    guarding: F8,
    limits: F8,
    skim: Skim,
) -> None:
    """Write rows [first, last) of a skim; the arguments are a tape's rows and a setup's settings.

    A pull asks 0.5 x moved > bound of whole moved, which is moved > floor(2 x bound).
    """
    base = skim.base[0]
    root = math.sqrt(guarding[GUARD_CYCLE_SECONDS])
    cutoff = limits[LIMIT_VOLATILITY]
    for step in range(first, last):
        bid = steps[step, STEP_BID]
        ask = steps[step, STEP_ASK]
        state = STATE_UNSOUND
        if bid != NO_BID and ask != NO_ASK and bid < ask:
            state = 1
            if views[step, VIEW_READY] >= 0.5:
                state += STATE_READY
            ratio = 0.0
            if views[step, VIEW_SIGMA_REFERENCE] > 0.0:
                ratio = views[step, VIEW_SIGMA] / views[step, VIEW_SIGMA_REFERENCE]
            if cutoff > 0.0 and not ratio <= cutoff:
                state += STATE_OVER
            if ratio <= VOLATILITY_RETURN * cutoff:
                state += STATE_CALM
            age_ns = steps[step, STEP_NOW_NS] - steps[step, STEP_HEARD_NS]
            if age_ns > limits[LIMIT_AGE_NS] > 0.0:
                state += STATE_STALE
        skim.state[step] = state
        skim.bid[step] = near(bid, base)
        skim.ask[step] = near(ask, base)
        skim.low[step] = near(frames[step, FRAME_LOW], base)
        skim.high[step] = near(frames[step, FRAME_HIGH], base)
        bound = views[step, VIEW_SIGMA] * root
        bound = max(guarding[GUARD_PULL_TICKS], guarding[GUARD_PULL_SIGMA] * bound)
        skim.cells[step, STEP_NOW_NS] = steps[step, STEP_NOW_NS]
        skim.cells[step, STEP_BID] = bid
        skim.cells[step, STEP_ASK] = ask
        skim.cells[step, STEP_HEARD_NS] = steps[step, STEP_HEARD_NS]
        skim.figures[step, CELL_SIGMA] = views[step, VIEW_SIGMA]
        skim.figures[step, CELL_REFERENCE] = views[step, VIEW_SIGMA_REFERENCE]
        skim.figures[step, CELL_READY] = views[step, VIEW_READY]
        skim.cells[step, CELL_HIT_LAST] = frames[step, FRAME_HIT]
        skim.reach[step] = int(min(2.0 * bound, float(COLUMN_FAR)))


@kernel
def near(price: int, base: int) -> int:
    """Return a price as a column, one far beyond the window for a price that is not there."""
    return int(min(COLUMN_FAR, max(-COLUMN_FAR, price - base)))


@inlined_kernel
def delay_row(skim: Skim, step: int) -> int:
    """Return the row of a skim's delays that holds for a step."""
    return step if skim.delays.shape[0] > 1 else 0
