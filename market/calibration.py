"""Learns, from public data alone, what the plan needs: fill intensity, volatility, drift.

Everything here is an online function of the past: decayed sums, read off at cycle edges. Nothing
here knows our orders, so one calibration serves all candidates on a tape.
"""

import math

import numpy as np

from market.jit import kernel
from market.layout import (
    PLAN_COLUMNS,
    VIEW_COLUMNS,
    VIEW_DECAY_ASK,
    VIEW_DECAY_BID,
    VIEW_DRIFT,
    VIEW_IMBALANCE,
    VIEW_INTENSITY_ASK,
    VIEW_INTENSITY_BID,
    VIEW_MID,
    VIEW_MID_AVERAGE,
    VIEW_SIGMA,
    VIEW_SIGMA_REFERENCE,
)
from market.liquidity import DEPTH_COLUMNS
from market.survey import SURVEY_COLUMNS
from market.types import F8
from market.value import VALUE_COLUMNS

BINS = 16

# --- decayed sums of fill depths: cells f8[CELL_ROWS, BINS] ---------------------------------
CELL_BID = 0  # arrivals by a seller, by how deep below mid they reached
CELL_ASK = 1  # arrivals by a buyer, by how high above mid they reached
CELL_EDGE = 2  # lower edge of each bin, as a fraction of mid; the first is 0
CELL_ROWS = 3

# --- what the observer may be told: f8[OBSERVER_COLUMNS] ------------------------------------
OBSERVER_INTERVAL_S = 0  # seconds between steps
OBSERVER_CYCLE_STEPS = 1  # steps in a cycle, the length of the ring
OBSERVER_KEEP_MID = 2  # share that a decayed sum keeps from one step to the next
OBSERVER_KEEP_SIGMA = 3
OBSERVER_KEEP_REFERENCE = 4
OBSERVER_KEEP_FLOW = 5
OBSERVER_KEEP_DRIFT = 6
OBSERVER_KEEP_FILLS = 7  # from one cycle to the next
OBSERVER_WARMUP_STEPS = 8
OBSERVER_PRIOR_DEPTH = 9  # mean depth of arrivals before data, fraction of mid
OBSERVER_PRIOR_SECONDS = 10
OBSERVER_PRIOR_ARRIVALS = 11
OBSERVER_DRIFT_RIDGE = 12  # prior squares of imbalance
OBSERVER_SIGMA_MIN = 13  # fraction of mid per sqrt(second)
OBSERVER_AVERSION = 14
OBSERVER_ORDERS = 15  # orders that make up max_position in the plan
OBSERVER_FEE = 16  # maker fee, fraction of price
OBSERVER_DRIFT_SHARE = 17
OBSERVER_VALUE_STEPS = 18  # cycles of the horizon of value at risk; 0: not reckoned
OBSERVER_COST_SHARE = 19  # cost of closing at once, fraction of the worth; 0: not reckoned
OBSERVER_COST_TICK_LOTS = 20  # largest position that is asked for, ticks x lots
OBSERVER_DYNAMIC = 21  # 1: a plan by dynamic programming is made as well; 0: the closed form is it
OBSERVER_KEEP_QUICK = 22  # of the survey's quick counter, from one cycle to the next
OBSERVER_COLUMNS = 23

# --- what it remembers: f8[MEMORY_RING + RING_COLUMNS x cycle steps], zeros at first ---------
MEMORY_CURSOR = 0  # events read
MEMORY_STEPS = 1
MEMORY_MID = 2  # last sound mid, ticks; 0 before the first
MEMORY_LAST = 3  # last trade price, ticks
MEMORY_AVERAGE = 4  # decayed sum of mid, and of ones
MEMORY_AVERAGE_WEIGHT = 5
MEMORY_SQUARES = 6  # decayed sum of squared moves a second, and of ones
MEMORY_SQUARES_WEIGHT = 7
MEMORY_REFERENCE = 8
MEMORY_REFERENCE_WEIGHT = 9
MEMORY_FLOW = 10  # decayed sum of lots, and of seconds
MEMORY_FLOW_SECONDS = 11
MEMORY_DRIFT_XX = 12  # decayed sums of imbalance^2 and imbalance x move over the next cycle
MEMORY_DRIFT_XY = 13
MEMORY_FILL_SECONDS = 14  # decayed seconds in which `cells` were counted
MEMORY_HEARD = 15  # events read until the step before
MEMORY_SILENT = 16  # steps since the one by which the newest event was read
MEMORY_VIEW = 17  # the last view row
MEMORY_PLAN = MEMORY_VIEW + VIEW_COLUMNS  # the last plan row
MEMORY_SURVEY = MEMORY_PLAN + PLAN_COLUMNS  # of `survey.py`
MEMORY_DEPTH = MEMORY_SURVEY + SURVEY_COLUMNS  # how far both sides went at the last cycle's end
MEMORY_VALUE = MEMORY_DEPTH + 2 * DEPTH_COLUMNS  # of `value.py`
MEMORY_RING = MEMORY_VALUE + VALUE_COLUMNS  # rows of the last cycle's steps

# --- a row of the ring ------------------------------------------------------------------------
RING_MID = 0  # 0: an unsound book
RING_IMBALANCE = 1
RING_LOW = 2  # of the sellers' prints; 0: none
RING_HIGH = 3  # of the buyers'
RING_COLUMNS = 4

SUPPORT = 3.0  # fewest decayed arrivals for a depth to count in the fit


def new_cells(edge_min: float = 2.5e-5, edge_max: float = 6.4e-3) -> F8:
    """Return f8[CELL_ROWS, BINS] without arrivals.

    Args:
        edge_min: lower edge of the second bin, fraction of mid; the first begins at 0.
        edge_max: lower edge of the last bin; the edges between grow geometrically.
    """
    cells = np.zeros((CELL_ROWS, BINS))
    cells[CELL_EDGE, 1:] = np.geomspace(edge_min, edge_max, BINS - 1)
    return cells


@kernel
def depth_bin(depth: float, cells: F8) -> int:
    """Return the bin of a depth (fraction of mid); a negative depth lands in bin 0."""
    low = 0
    high = BINS - 1
    while low < high:  # bisection: four comparisons for 16 bins
        middle = (low + high + 1) // 2
        if depth >= cells[CELL_EDGE, middle]:
            low = middle
        else:
            high = middle - 1
    return low


@kernel
def fit_intensity(
    cells: F8,
    row: int,
    mid: float,
    seconds: float,
    prior_depth: float,
    prior_seconds: float,
    prior_arrivals: float,
) -> tuple[float, float]:
    """Fit A and k of A exp(-k depth), the fills a second of an order resting at a depth.

    An order at a bin's lower edge would have been reached by every arrival of that bin and all
    deeper ones, so the rate at that edge is the decayed count from there on over the decayed time.
    ln(rate) is fitted by a straight line in depth, weighted by the count (the variance of the log
    of a Poisson count is one over the count). The prior is an exponential of mean depth
    `prior_depth` observed for `prior_arrivals` arrivals in `prior_seconds`; it is what remains
    when data are thin. k is kept within a factor 30 of the prior's.

    Args:
        cells: f8[CELL_ROWS, BINS].
        row: CELL_BID or CELL_ASK.
        mid: ticks.
        seconds: decayed observation time.
        prior_depth: fraction of mid, > 0.
        prior_seconds: > 0.
        prior_arrivals: > 0.

    Returns:
        (A per second, k per tick).
    """
    time = seconds + prior_seconds
    prior_decay = 1.0 / (prior_depth * mid)
    above = 0.0
    weight = 0.0
    weight_x = 0.0
    weight_y = 0.0
    weight_xx = 0.0
    weight_xy = 0.0
    for back in range(BINS):
        bin_index = BINS - 1 - back
        above += cells[row, bin_index]
        x = cells[CELL_EDGE, bin_index] * mid
        count = above + prior_arrivals * math.exp(-prior_decay * x)
        # Depth 0 lies inside the spread, where nothing could have been reached less deep.
        if bin_index == 0 or (above < SUPPORT and count < 0.05 * prior_arrivals):
            continue
        y = math.log(count / time)
        weight += count
        weight_x += count * x
        weight_y += count * y
        weight_xx += count * x * x
        weight_xy += count * x * y
    total = above + prior_arrivals
    decay = prior_decay
    spread = weight * weight_xx - weight_x * weight_x
    if weight > 0.0 and spread > 1e-9 * weight * weight_xx:
        decay = (weight_x * weight_y - weight * weight_xy) / spread
    decay = min(30.0 * prior_decay, max(prior_decay / 30.0, decay))
    if weight > 0.0:
        return math.exp((weight_y + decay * weight_x) / weight), decay
    return total / time, decay


@kernel
def shrunk_slope(sum_xx: float, sum_xy: float, ridge: float) -> float:
    """Return the regression slope of y on x, shrunk to 0 by a ridge (prior squares of x)."""
    denominator = sum_xx + ridge
    if denominator <= 0.0:
        return 0.0
    return sum_xy / denominator


@kernel
def update_averages(
    view_row: F8, past_mid: float, seconds: float, memory: F8, settings: F8
) -> None:
    """Update the decayed averages of mid and volatility, and write them and the drift.

    Volatility is the root of the decayed mean of (move over a cycle)^2 / cycle, one observation a
    step: over a cycle, so that the bounce between bid and ask does not count as risk.

    Args:
        view_row: f8[VIEW_COLUMNS]; VIEW_MID is read.
        past_mid: ticks, `seconds` ago; 0 when there is none.
        seconds: horizon of the move.
        memory: changed.
        settings: f8[OBSERVER_COLUMNS].
    """
    mid = view_row[VIEW_MID]
    keep = settings[OBSERVER_KEEP_MID]
    memory[MEMORY_AVERAGE] = keep * memory[MEMORY_AVERAGE] + mid
    memory[MEMORY_AVERAGE_WEIGHT] = keep * memory[MEMORY_AVERAGE_WEIGHT] + 1.0
    view_row[VIEW_MID_AVERAGE] = memory[MEMORY_AVERAGE] / memory[MEMORY_AVERAGE_WEIGHT]
    least = settings[OBSERVER_SIGMA_MIN] * mid
    if past_mid > 0.0 and seconds > 0.0:
        square = (mid - past_mid) ** 2 / seconds
        keep = settings[OBSERVER_KEEP_SIGMA]
        memory[MEMORY_SQUARES] = keep * memory[MEMORY_SQUARES] + square
        memory[MEMORY_SQUARES_WEIGHT] = keep * memory[MEMORY_SQUARES_WEIGHT] + 1.0
        keep = settings[OBSERVER_KEEP_REFERENCE]
        memory[MEMORY_REFERENCE] = keep * memory[MEMORY_REFERENCE] + square
        memory[MEMORY_REFERENCE_WEIGHT] = keep * memory[MEMORY_REFERENCE_WEIGHT] + 1.0
    sigma = 0.0
    reference = 0.0
    if memory[MEMORY_SQUARES_WEIGHT] > 0.0:
        sigma = math.sqrt(memory[MEMORY_SQUARES] / memory[MEMORY_SQUARES_WEIGHT])
        reference = math.sqrt(memory[MEMORY_REFERENCE] / memory[MEMORY_REFERENCE_WEIGHT])
    view_row[VIEW_SIGMA] = max(least, sigma)
    view_row[VIEW_SIGMA_REFERENCE] = max(least, reference)
    slope = shrunk_slope(
        memory[MEMORY_DRIFT_XX], memory[MEMORY_DRIFT_XY], settings[OBSERVER_DRIFT_RIDGE]
    )
    bound = view_row[VIEW_SIGMA] * math.sqrt(
        settings[OBSERVER_CYCLE_STEPS] * settings[OBSERVER_INTERVAL_S]
    )
    view_row[VIEW_DRIFT] = min(bound, max(-bound, slope * view_row[VIEW_IMBALANCE]))


@kernel
def calibrate(view_row: F8, memory: F8, cells: F8, settings: F8) -> None:
    """Fit the fill intensities of both sides and let their counts decay by one cycle."""
    depth = settings[OBSERVER_PRIOR_DEPTH]
    seconds = settings[OBSERVER_PRIOR_SECONDS]
    arrivals = settings[OBSERVER_PRIOR_ARRIVALS]
    mid = view_row[VIEW_MID]
    time = memory[MEMORY_FILL_SECONDS]
    fit = fit_intensity(cells, CELL_BID, mid, time, depth, seconds, arrivals)
    view_row[VIEW_INTENSITY_BID] = fit[0]
    view_row[VIEW_DECAY_BID] = fit[1]
    fit = fit_intensity(cells, CELL_ASK, mid, time, depth, seconds, arrivals)
    view_row[VIEW_INTENSITY_ASK] = fit[0]
    view_row[VIEW_DECAY_ASK] = fit[1]
    keep = settings[OBSERVER_KEEP_FILLS]
    memory[MEMORY_FILL_SECONDS] = keep * time
    for column in range(BINS):
        cells[CELL_BID, column] *= keep
        cells[CELL_ASK, column] *= keep
