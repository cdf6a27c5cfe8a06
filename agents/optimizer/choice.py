"""Which of many candidates is tested, and which is chosen: lower bounds, then utility or the knee.

Near the best lower bound the flattest candidate comes first, the one whose neighbours are good as
well: a lone peak among poor neighbours is luck, or will be gone when the market has moved a little.
"""

import numpy as np

from agents.optimizer.fronts import dominated
from agents.optimizer.objectives import GAIN
from agents.optimizer_settings import Preference
from market.types import F8, I8

TIE = 0.5
"""Standard errors below the best lower bound within which candidates are taken as equal."""
TESTED = 8
"""Candidates that are put to the test. With one alone the older part of a window chose, and the
newest could only refuse: such a choice gained 0.262 on the horizon after, the best by both parts
of eight 0.299 (24 windows of 6 artificial markets, +- 0.026)."""
BALL = 0.1
"""Width of the neighbourhood that flatness is judged by, in sides of the search's cube: five
percent of a parameter either way at a step limit of a quarter."""


def shortlist(values: F8, violations: F8, how: Preference) -> I8:
    """Return the rows to test, at most TESTED, the best first; none when none is better.

    Args:
        values, violations, how: see `pick`.
    """
    rows = np.flatnonzero((violations <= 0.0) & (values[:, GAIN] < 0.0))
    order = values[rows, GAIN]
    if how is Preference.KNEE and len(rows):
        rows = rows[dominated(values[rows], np.zeros(len(rows))) == 0]
        order = bend(values[rows])
    best: I8 = rows[np.argsort(order, kind="stable")][:TESTED]
    return best


def pick(points: F8, values: F8, violations: F8, errors: F8, how: Preference) -> int | None:
    """Return the row to choose: feasible, its lower bound above zero; None when there is none.

    Args:
        points: f8[n, d], in the unit cube.
        values: f8[n, m], minimised; the lower bound of the gain is column GAIN, negated.
        violations: f8[n].
        errors: f8[n], standard error of each gain.
        how: what decides.
    """
    rows = np.flatnonzero((violations <= 0.0) & (values[:, GAIN] < 0.0))
    if len(rows) == 0:
        return None
    if how is Preference.KNEE:
        front = rows[dominated(values[rows], np.zeros(len(rows))) == 0]
        return int(front[bend(values[front]).argmin()])
    lower = -values[rows, GAIN]
    best = int(lower.argmax())
    near = lower >= lower[best] - TIE * errors[rows[best]]
    flat = flatness(points, -values[:, GAIN])[rows]
    return int(rows[np.where(near, flat, -np.inf).argmax()])


def flatness(points: F8, lower: F8) -> F8:
    """Return f8[n], the mean lower bound around each of f8[n, d], weighted by nearness."""
    square = ((points[:, None, :] - points[None, :, :]) ** 2).sum(2)
    weight = np.exp(-0.5 * square / BALL**2)
    mean: F8 = weight @ lower / weight.sum(1)
    return mean


def bend(front: F8) -> F8:
    """Return f8[n], smallest at the knee: the point farthest below the plane of the extremes.

    Das 1999: values are scaled by the front's extremes; the plane through the extremes is that on
    which the scaled values sum to one.
    """
    span = np.ptp(front, axis=0)
    scaled = (front - front.min(0)) / np.where(span > 0.0, span, 1.0)
    total: F8 = scaled.sum(1)
    return total
