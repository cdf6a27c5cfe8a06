"""A small maker of the tests' own: one order a side, refreshed on a grid, against a tape.

It shares nothing with the house's strategy, so that it can bear witness about a market's truth.
It is favoured where that makes the witness stronger: no latency, and it sees the exchange's book.
"""

import math

import numpy as np

from market.jit import allocating_kernel as kernel
from market.layout import (
    BUY,
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SIDE,
    KIND_TRADE,
    SELL,
)

# How the two prices are chosen at each refresh; m is mid, d the asked depth.
RULE_SYMMETRIC = 0  # m - d, m + d
RULE_IMBALANCE = 1  # only on the side that the heavier touch supports, d from mid
RULE_AGAINST_IMBALANCE = 2
RULE_INSIDE = 3  # one tick inside the touch where there is room, else at the touch
RULE_AFTER_TRADE = 4  # only on the side that the last trade hit, d from mid
RULE_WITH_TRADE = 5  # only on the other side

FILL_TIME = 0
FILL_SIDE = 1
FILL_PRICE = 2
FILL_LOTS = 3
FILL_COLUMNS = 4

QUEUE_FIRST = 0  # always first in its queue
QUEUE_LAST = 1  # behind everything that stood at its price when it came


@kernel
def mid_path(events, base, width):
    """Return f8[n]: mid in ticks after each event, NaN while a side is empty."""
    lots = np.zeros((2, width), np.int64)
    bid, ask = -1, width
    mids = np.full(events.shape[0], np.nan)
    for index in range(events.shape[0]):
        bid, ask = book_step(lots, events[index], base, bid, ask)
        if bid >= 0 and ask < width:
            mids[index] = 0.5 * (bid + ask) + base
    return mids


@kernel
def book_step(lots, event, base, bid, ask):
    """Apply one event to lots i8[2, width]; return the new touch as columns."""
    if event[EVENT_KIND] == KIND_TRADE:
        return bid, ask
    column = event[EVENT_PRICE_TICKS] - base
    if event[EVENT_SIDE] == BUY:
        lots[0, column] = event[EVENT_LOTS]
        bid = max(bid, column)
        while bid >= 0 and lots[0, bid] == 0:
            bid -= 1
    else:
        lots[1, column] = event[EVENT_LOTS]
        ask = min(ask, column)
        while ask < lots.shape[1] and lots[1, ask] == 0:
            ask += 1
    return bid, ask


@kernel
def wanted(rule, depth, bid, ask, bid_lots, ask_lots, last_sign):
    """Return the bid and ask column wanted, -1 for none."""
    mid = 0.5 * (bid + ask)
    buy = min(math.floor(mid - depth), ask - 1)
    sell = max(math.ceil(mid + depth), bid + 1)
    if rule == RULE_INSIDE:
        buy, sell = (bid + 1, ask - 1) if ask - bid >= 2 else (bid, ask)
        if sell <= buy:
            sell = buy + 1
    lean = 0
    if rule in (RULE_IMBALANCE, RULE_AGAINST_IMBALANCE):
        lean = 1 if bid_lots > ask_lots else -1
        if rule == RULE_AGAINST_IMBALANCE:
            lean = -lean
    elif rule in (RULE_AFTER_TRADE, RULE_WITH_TRADE):
        lean = -last_sign if rule == RULE_AFTER_TRADE else last_sign
    if lean < 0:
        buy = -1
    elif lean > 0:
        sell = -1
    return buy, sell


@kernel
def filled_by(event, side, column, base, ahead):
    """Return lots that reach an order at `column`, and the queue left ahead of it."""
    price, lots = event[EVENT_PRICE_TICKS] - base, event[EVENT_LOTS]
    if event[EVENT_KIND] == KIND_TRADE:
        if event[EVENT_SIDE] == side or side * (price - column) > 0:
            return 0, ahead
        if price != column:
            return lots, 0
        eaten = min(ahead, lots)
        return lots - eaten, ahead - eaten
    if event[EVENT_SIDE] == -side:
        return (lots, 0) if side * (column - price) >= 0 else (0, ahead)
    return 0, (min(ahead, lots) if price == column else ahead)


@kernel
def make_market(events, base, width, refresh_ns, rule, depth, queue, order_lots, limit_lots, fills):
    """Quote through the tape; return count of fills, final position, final cash in tick lots.

    `events` i8[n, EVENT_COLUMNS] lie in `width` columns from tick `base`. Both orders of
    `order_lots` are priced anew every `refresh_ns`, by `rule`, `depth` ticks from mid, and stand
    first or last in their `queue`. No order could carry the position beyond `limit_lots`.
    `fills` i8[rows, FILL_COLUMNS] is written.
    """
    lots = np.zeros((2, width), np.int64)
    bid, ask, count, position, cash = -1, width, 0, 0, 0
    columns, left, ahead = np.full(2, -1), np.zeros(2, np.int64), np.zeros(2, np.int64)
    last_sign = 1
    refresh = (events[0, EVENT_EXCH_NS] // refresh_ns + 1) * refresh_ns
    for index in range(events.shape[0]):
        event = events[index]
        while event[EVENT_EXCH_NS] > refresh:
            buy, sell = wanted(rule, depth, bid, ask, lots[0, bid], lots[1, ask], last_sign)
            for row in range(2):
                side, column = (BUY, buy) if row == 0 else (SELL, sell)
                if column != columns[row]:
                    ahead[row] = lots[row, column] if queue == QUEUE_LAST else 0
                room = side * position + order_lots <= limit_lots
                columns[row] = column if room else -1
                left[row] = order_lots
            refresh += refresh_ns
        for row in range(2):
            side = BUY if row == 0 else SELL
            if columns[row] >= 0 and left[row] > 0:
                reach, ahead[row] = filled_by(event, side, columns[row], base, ahead[row])
                got = min(reach, left[row])
                if got > 0 and count < fills.shape[0]:
                    left[row] -= got
                    price = columns[row] + base
                    position += side * got
                    cash -= side * got * price
                    fills[count, FILL_TIME] = event[EVENT_EXCH_NS]
                    fills[count, FILL_SIDE] = side
                    fills[count, FILL_PRICE] = price
                    fills[count, FILL_LOTS] = got
                    count += 1
        if event[EVENT_KIND] == KIND_TRADE:
            last_sign = event[EVENT_SIDE]
        bid, ask = book_step(lots, event, base, bid, ask)
    return count, position, cash
