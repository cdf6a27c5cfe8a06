"""A second mechanism of an artificial market: prices move because queues run empty.

In `synthetic_flow.py` a value moves and the book follows; a sweep's depth is drawn whatever stands
there. Here orders of a drawn size meet the queues as they are (queue-reactive: Huang, Lehalle,
Rosenbaum 2015, J. Amer. Statist. Assoc. 110, 107-122), and each side's orders excite more of the
same side (Hawkes). Buyers come oftener when more is bid than offered. Only when a queue is empty
may the reference price follow, with the chance `informed`; otherwise the hole fills again. A
strategy that is good on one of the two by knowing its formula is not good on the other.
"""

import math

from market.jit import kernel
from market.layout import ASK_ROW, BID_ROW, BUY, KIND_DEPTH, KIND_TRADE, SELL
from market.synthetic_book import (
    DUST_LOTS,
    LADDER,
    STATE_ASK,
    STATE_ASK_HOLE,
    STATE_BASE,
    STATE_BID,
    STATE_BID_HOLE,
    STATE_COUNT,
    STATE_INFORMED,
    STATE_NOW_NS,
    STATE_SIGN,
    STATE_SPREAD,
    STATE_SWEEPS,
    STATE_VALUE,
    U8,
    begin_batch,
    emit,
    exponential,
    normal,
    settle,
    uniform,
)
from market.synthetic_flow import (
    MARKET_DECAY,
    MARKET_DRIFT,
    MARKET_EXCITE,
    MARKET_INFORMED,
    MARKET_REFILL,
    MARKET_SIGNAL,
    REGIME_DEPTH,
    REGIME_NEWS,
    REGIME_SPREAD,
    REGIME_SWEEPS,
    REGIME_TRAFFIC,
    ROOM,
    RUN_DONE,
    RUN_FULL,
    RUN_OUTSIDE,
    SWEEP_TICKS_MAX,
    news,
    tell_left,
    traffic,
)
from market.types import F8, I8

ORDER_LOTS = 6_000.0  # a market order's mean size for each tick of REGIME_DEPTH
ORDER_SIGMA = 1.0  # of its logarithm


@kernel
def bid_share(state: I8, book: I8) -> float:
    """Return the bid's share of what stands at the touch."""
    bid = book[BID_ROW, state[STATE_BID] - state[STATE_BASE]]
    ask = book[ASK_ROW, state[STATE_ASK] - state[STATE_BASE]]
    return float(bid / max(1, bid + ask))


@kernel
def take_lots(events: I8, state: I8, book: I8, sign: int, lots: int) -> int:
    """Trade a number of lots from the touch outward; return the best price left on that side."""
    resting = -sign
    row, best = BID_ROW, state[STATE_BID]
    if sign == BUY:
        row, best = ASK_ROW, state[STATE_ASK]
    base = state[STATE_BASE]
    first = state[STATE_COUNT]
    left = lots
    for step in range(SWEEP_TICKS_MAX + 1):
        price = best - resting * step
        stood = book[row, price - base]
        part = min(left, stood)
        if stood - part < DUST_LOTS:
            part = stood
        if part > 0:
            book[row, price - base] = stood - part
            emit(events, state, KIND_TRADE, sign, price, part)
            left -= part
        if left <= 0:
            break
    return int(tell_left(events, state, book, sign, first))


@kernel
def order(events: I8, state: I8, book: I8, random: U8, sign: int, market: F8, depth: float) -> None:
    """Let one market order meet its queues; the price follows, or the hole stays for a while."""
    size = ORDER_LOTS * depth * math.exp(ORDER_SIGMA * normal(random) - 0.5 * ORDER_SIGMA**2)
    best, hole = STATE_BID, STATE_BID_HOLE
    if sign == BUY:
        best, hole = STATE_ASK, STATE_ASK_HOLE
    before = state[best]
    state[best] = take_lots(events, state, book, sign, max(1, int(size)))
    emptied = sign * (state[best] - before)
    if emptied > 0 and uniform(random) < market[MARKET_INFORMED]:
        state[STATE_VALUE] += 2 * sign * emptied
        state[STATE_INFORMED] += 1
    ideal = (state[STATE_VALUE] + sign * state[STATE_SPREAD]) // 2
    state[hole] = max(0, sign * (state[best] - ideal))
    state[STATE_SIGN] = sign
    state[STATE_SWEEPS] += 1


@kernel
def from_heat(at: float, share: float, regime: F8, heat: F8) -> bool:
    """Return whether what was drawn is an order that past ones excited; `at` is its place.

    Such a rate fades while one waits, so that some of them do not come (Ogata's thinning).
    """
    sellers = regime[REGIME_SWEEPS] * (1.0 - share)
    if at < sellers + heat[0]:
        return bool(at >= sellers)
    return bool(at >= regime[REGIME_SWEEPS] + heat[0])


@kernel
def run_queue(
    events: I8,
    state: I8,
    book: I8,
    random: U8,
    heat: F8,
    profile: F8,
    market: F8,
    regime: F8,
    end_ns: int,
) -> int:
    """Run the market until `end_ns` or until `events` is nearly full; return RUN_*.

    Args:
        events, state, book, random, profile, market, end_ns: as `synthetic_flow.run`.
        heat: f8[2]; orders a second added by past ones, sellers and buyers.
        regime: f8[REGIME_COLUMNS]; its depth is a market order's size.
    """
    while True:
        if state[STATE_COUNT] > events.shape[0] - ROOM:
            return RUN_FULL
        row = state[STATE_VALUE] // 2 - state[STATE_BASE]
        if row < 4 * LADDER or row > book.shape[1] - 4 * LADDER:
            return RUN_OUTSIDE
        share = bid_share(state, book)
        holes = state[STATE_BID_HOLE] + state[STATE_ASK_HOLE]
        r_traffic = regime[REGIME_TRAFFIC]
        r_news = r_traffic + regime[REGIME_NEWS]
        r_refill = r_news + (market[MARKET_REFILL] if holes > 0 else 0.0)
        r_sell = r_refill + regime[REGIME_SWEEPS] * (1.0 - share) + heat[0]
        r_total = r_sell + regime[REGIME_SWEEPS] * share + heat[1]
        wait = exponential(random) / r_total
        state[STATE_NOW_NS] += int(wait * 1e9) + 1
        if state[STATE_NOW_NS] >= end_ns:
            return RUN_DONE
        kept = math.exp(-market[MARKET_DECAY] * wait)
        u = uniform(random) * r_total
        faded = from_heat(u - r_refill, share, regime, heat) and uniform(random) >= kept
        heat[0] *= kept
        heat[1] *= kept
        if faded:
            continue
        if u < r_traffic:
            traffic(events, state, book, random, profile)
            continue
        begin_batch(state, random)
        if u < r_news:
            news(state, book, random, market[MARKET_SIGNAL], market[MARKET_DRIFT])
        elif u < r_refill:
            state[STATE_BID_HOLE] //= 2
            state[STATE_ASK_HOLE] //= 2
        else:
            sign = SELL if u < r_sell else BUY
            order(events, state, book, random, sign, market, regime[REGIME_DEPTH])
            heat[0 if sign == SELL else 1] += market[MARKET_EXCITE]
        settle(events, state, book, random, profile, int(regime[REGIME_SPREAD]), KIND_DEPTH)
