"""A second reading of a synthetic tape: what stood, what printed, what a grid of seconds shows."""

import numpy as np

from market.jit import allocating_kernel as kernel
from market.layout import (
    BUY,
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOCAL_NS,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SIDE,
    KIND_TRADE,
    NO_ASK,
    NO_BID,
)
from tests.twins.synthetic_maker import book_step

FAULT_CROSSED = 0  # best bid at or above best ask after any one event
FAULT_ABSENT = 1  # a trade larger than what stood at its price
FAULT_ORDER = 2  # a trade worse than what still stood nearer to the touch
FAULT_TOTAL = 3  # the total after a trade is not what stood less what traded
FAULT_EMPTY = 4  # a side is empty at the end of a batch
FAULT_CLOCK = 5  # a clock runs backwards, or the local one before the exchange's
FAULTS = 6


def window(events):
    """Return first tick and width of an array of prices that holds the whole tape."""
    least = int(events[:, EVENT_PRICE_TICKS].min()) - 40
    return least, int(events[:, EVENT_PRICE_TICKS].max()) - least + 40


@kernel
def audit(events, base, width):
    """Return i8[FAULTS]: how often each rule of a consistent tape is broken."""
    faults = np.zeros(FAULTS, np.int64)
    lots = np.zeros((2, width), np.int64)
    traded = np.zeros((2, width), np.int64)  # in this batch, not yet reported in a total
    bid, ask = -1, width
    for index in range(events.shape[0]):
        event = events[index]
        column = event[EVENT_PRICE_TICKS] - base
        if event[EVENT_LOCAL_NS] < event[EVENT_EXCH_NS]:
            faults[FAULT_CLOCK] += 1
        if index > 0:
            before = events[index - 1]
            late = event[EVENT_EXCH_NS] >= before[EVENT_EXCH_NS]
            faults[FAULT_CLOCK] += 0 if late else 1
            late = event[EVENT_LOCAL_NS] >= before[EVENT_LOCAL_NS]
            faults[FAULT_CLOCK] += 0 if late else 1
        if event[EVENT_KIND] == KIND_TRADE:
            row = 1 if event[EVENT_SIDE] == BUY else 0
            traded[row, column] += event[EVENT_LOTS]
            if traded[row, column] > lots[row, column]:
                faults[FAULT_ABSENT] += 1
            if row == 1:
                for nearer in range(ask, column):
                    faults[FAULT_ORDER] += lots[1, nearer] > traded[1, nearer]
            else:
                for nearer in range(column + 1, bid + 1):
                    faults[FAULT_ORDER] += lots[0, nearer] > traded[0, nearer]
            continue
        row = 0 if event[EVENT_SIDE] == BUY else 1
        if traded[row, column] > 0:
            if event[EVENT_LOTS] != lots[row, column] - traded[row, column]:
                faults[FAULT_TOTAL] += 1
            traded[row, column] = 0
        bid, ask = book_step(lots, event, base, bid, ask)
        if bid >= ask:
            faults[FAULT_CROSSED] += 1
        now = event[EVENT_EXCH_NS]
        last = index + 1 == events.shape[0] or events[index + 1, EVENT_EXCH_NS] > now
        if last and (bid < 0 or ask >= width):
            faults[FAULT_EMPTY] += 1
    return faults


@kernel
def sampled(events, base, width, grid_ns, levels, touch, depth_sum):
    """Fill touch i8[len(grid_ns), 2] with best bid and ask after all events up to each time.

    `depth_sum` f8[levels] gains the bid lots at each place behind the touch, at every time.
    """
    lots = np.zeros((2, width), np.int64)
    bid, ask = -1, width
    cursor = 0
    for index in range(grid_ns.shape[0]):
        while cursor < events.shape[0] and events[cursor, EVENT_EXCH_NS] <= grid_ns[index]:
            bid, ask = book_step(lots, events[cursor], base, bid, ask)
            cursor += 1
        touch[index, 0] = bid + base if bid >= 0 else NO_BID
        touch[index, 1] = ask + base if ask < width else NO_ASK
        for place in range(min(levels, bid + 1)):
            depth_sum[place] += lots[0, bid - place]


def sweeps_of(events):
    """Return times, signs and total lots of the market orders: prints of one instant are one."""
    trades = events[events[:, EVENT_KIND] == KIND_TRADE]
    first = np.flatnonzero(np.diff(trades[:, EVENT_EXCH_NS], prepend=-1))
    total = np.add.reduceat(trades[:, EVENT_LOTS], first)
    return trades[first, EVENT_EXCH_NS], trades[first, EVENT_SIDE], total
