"""Whether the market has changed so much that earlier windows are no guide for this one."""

import math

import numpy as np

from market.layout import VIEW_MID, VIEW_READY, VIEW_SIGMA
from market.tape import Tape

RATIO = 2.0
"""Volatilities that differ by less are one regime."""
DEVIATIONS = 4.0
"""Of the slices before, by which the recent volatility must differ."""
SLICES_MIN = 8


def changed(tape: Tape, first: int, split: int, last: int, *, slice_steps: int) -> bool:
    """Return whether volatility in steps [split, last) is another than in [first, split).

    Medians of log volatility by slice are compared, in units of the earlier slices' median
    deviation (times 1.4826, that of a normal distribution), so one wild slice is no change.

    Args:
        slice_steps: steps of a slice, >= 1.
    """

    def slices(begin: int, end: int) -> list[float]:
        found = []
        for start in range(begin, end - slice_steps + 1, slice_steps):
            views = tape.views[start : start + slice_steps]
            sound = views[views[:, VIEW_READY] > 0.5]
            if len(sound):
                sigma = float(
                    np.median(sound[:, VIEW_SIGMA] / np.maximum(1e-9, sound[:, VIEW_MID]))
                )
                found.append(math.log(max(sigma, 1e-12)))
        return found

    before, recent = slices(first, split), slices(split, last)
    if len(before) < SLICES_MIN or not recent:
        return False
    middle = float(np.median(before))
    spread = 1.4826 * float(np.median(np.abs(np.array(before) - middle)))
    move = abs(float(np.median(recent)) - middle)
    return move > math.log(RATIO) and move > DEVIATIONS * spread
