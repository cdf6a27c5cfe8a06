"""The acting side of a synthetic market: who comes, when, and what the value does then.

Five clocks run at once, each memoryless given the state (Ogata's thinning serves the one whose
rate decays between events):

    traffic      orders are added and cancelled at single levels, pulled towards the profile
    news         the value steps half a tick up or down
    sweep        a market order takes the book from the touch outward to a drawn depth
    refill       the hole left by a sweep halves
    regime       calm, busy and stormy hours, and spells of a wider spread

A sweep of sign e whose limit stands k ticks behind the touch reaches D = spread / 2 + k ticks
from the value. With probability phi it is informed and moves the value by

    e * (D - fee)+ * w,   w = 2 (1 - p) if its sign repeats the last one, else 2 p,

where p is the chance that a sign repeats. The weight w makes the value a martingale whatever p
is: p 2(1 - p) D - (1 - p) 2p D = 0 (the surprise rule of Madhavan, Richardson, Roomans 1997).
D is drawn from the same distribution on both sides and does not look at quantities, so neither
the shape of the book nor its imbalance foretells a jump.
"""

import math

from market.jit import kernel
from market.layout import (
    ASK_ROW,
    BID_ROW,
    BUY,
    EVENT_KIND,
    EVENT_PRICE_TICKS,
    KIND_DEPTH,
    KIND_TRADE,
)
from market.synthetic_book import (
    DUST_LOTS,
    LADDER,
    STATE_ASK,
    STATE_ASK_HOLE,
    STATE_ASK_LAST,
    STATE_BASE,
    STATE_BID,
    STATE_BID_HOLE,
    STATE_BID_LAST,
    STATE_COUNT,
    STATE_INFORMED,
    STATE_NOW_NS,
    STATE_REGIME,
    STATE_SIGN,
    STATE_SPREAD,
    STATE_SWEEPS,
    STATE_VALUE,
    STATE_WIDE,
    U8,
    begin_batch,
    emit,
    exponential,
    settle,
    uniform,
)
from market.types import F8, I8

# --- one regime: f8[REGIMES, REGIME_COLUMNS] ------------------------------------------------
REGIMES = 3  # calm, busy, storm
REGIME_NEWS = 0  # half-tick steps of the value a second
REGIME_SWEEPS = 1  # spontaneous sweeps a second, before self-excitation
REGIME_DEPTH = 2  # mean of the exponential behind a sweep's depth, ticks
REGIME_SPREAD = 3  # least spread, ticks
REGIME_TRAFFIC = 4  # single-level changes a second
REGIME_LEAVE = 5  # rate of leaving it, a second
REGIME_NEXT = 6  # three columns: chance of each regime when leaving
REGIME_COLUMNS = 9

# --- the market: f8[MARKET_COLUMNS] ---------------------------------------------------------
MARKET_INFORMED = 0  # phi, share of sweeps that move the value
MARKET_REPEAT = 1  # p, chance that a sweep's sign repeats the last one
MARKET_FEE_RATE = 2  # fraction of the price left to the maker by an informed sweep
MARKET_REFILL = 3  # rate at which a hole halves, a second; 0: there are no holes
MARKET_SIGNAL = 4  # tilt of a news step by the imbalance at the touch, 0: none
MARKET_EXCITE = 5  # sweeps a second that one sweep adds at once
MARKET_DECAY = 6  # rate at which that fades, a second
MARKET_WIDEN = 7  # rate of entering and, tenfold, of leaving a wide spell, a second
MARKET_DRIFT = 8  # tilt of every news step, 0: none
MARKET_COLUMNS = 9

SWEEP_TICKS_MAX = 26  # behind the touch; a ladder is never emptied by one order
BLOCK_SHARE = 0.03  # of the sweeps reach BLOCK_FACTOR times as deep
BLOCK_FACTOR = 3.0
FEE_MARGIN_TICKS = 100.0  # a fill lies nearer than this to the value

RUN_DONE = 0
RUN_FULL = 1  # the buffer must be emptied; call again
RUN_OUTSIDE = 2  # the value left the window of the book
ROOM = 1024  # rows that one batch may need at most


@kernel
def traffic(events: I8, state: I8, book: I8, random: U8, profile: F8) -> None:
    """Add to or cancel from one level; more often near the touch, drawn to the profile."""
    u = uniform(random)
    depth = int(LADDER * u * math.sqrt(u))
    row, side, price = BID_ROW, BUY, state[STATE_BID] - depth
    if uniform(random) < 0.5:
        row, side, price = ASK_ROW, -BUY, state[STATE_ASK] + depth
    column = price - state[STATE_BASE]
    stood = book[row, column]
    size = int(0.3 * profile[depth] * exponential(random)) + 1
    if uniform(random) * (profile[depth] + stood) < profile[depth]:
        lots = max(stood + size, DUST_LOTS)
    else:
        lots = stood - size
        if lots < DUST_LOTS:
            lots = DUST_LOTS if depth == 0 else 0
    if lots != stood:
        begin_batch(state, random)
        book[row, column] = lots
        emit(events, state, KIND_DEPTH, side, price, lots)


@kernel
def news(state: I8, book: I8, random: U8, signal: float, drift: float) -> None:
    """Step the value half a tick; up with chance 1/2 + drift + signal * imbalance at the touch."""
    chance = 0.5 + drift
    if signal != 0.0:
        bid = book[BID_ROW, state[STATE_BID] - state[STATE_BASE]]
        ask = book[ASK_ROW, state[STATE_ASK] - state[STATE_BASE]]
        chance += signal * (bid - ask) / (bid + ask)
    if uniform(random) < chance:
        state[STATE_VALUE] += 1
    else:
        state[STATE_VALUE] -= 1


@kernel
def sweep_ticks(random: U8, mean: float) -> int:
    """Draw how many ticks behind the touch a sweep's limit stands: floor of an exponential."""
    reach = mean * exponential(random)
    if uniform(random) < BLOCK_SHARE:
        reach *= BLOCK_FACTOR
    return min(int(reach), SWEEP_TICKS_MAX)


@kernel
def take(events: I8, state: I8, book: I8, random: U8, sign: int, ticks: int) -> int:
    """Trade from the touch to `ticks` behind it; return the best price left on that side.

    Levels before the limit are taken whole, the one at the limit in part two times of three.
    All trades are written first, then the totals that they leave.
    """
    resting = -sign
    row, best = BID_ROW, state[STATE_BID]
    if sign == BUY:
        row, best = ASK_ROW, state[STATE_ASK]
    base = state[STATE_BASE]
    first = state[STATE_COUNT]
    for step in range(ticks + 1):
        price = best - resting * step
        stood = book[row, price - base]
        if stood > 0:
            lots = stood
            if step == ticks and uniform(random) < 0.667:
                u = uniform(random)
                lots = max(int(stood * u * u), DUST_LOTS // 2)
                if stood - lots < DUST_LOTS:
                    lots = stood
            book[row, price - base] = stood - lots
            emit(events, state, KIND_TRADE, sign, price, lots)
    return tell_left(events, state, book, sign, first)


@kernel
def tell_left(events: I8, state: I8, book: I8, sign: int, first: int) -> int:
    """Write what the trades from row `first` on left of their levels; return the best price."""
    resting = -sign
    row, best, last = BID_ROW, state[STATE_BID], state[STATE_BID_LAST]
    if sign == BUY:
        row, best, last = ASK_ROW, state[STATE_ASK], state[STATE_ASK_LAST]
    base = state[STATE_BASE]
    end = state[STATE_COUNT]
    for index in range(first, end):
        if events[index, EVENT_KIND] == KIND_TRADE:
            price = events[index, EVENT_PRICE_TICKS]
            emit(events, state, KIND_DEPTH, resting, price, book[row, price - base])
    price = best
    while resting * (price - last) >= 0 and book[row, price - base] == 0:
        price -= resting
    return int(price)


@kernel
def jump_half_ticks(random: U8, market: F8, value: int, reach: int, repeats: bool) -> int:
    """Return how far an informed sweep moves the value, half ticks, >= 0.

    `reach` is D in half ticks. The fee is rounded down to half ticks at a price on the safe
    side of every fill, so that the move is never less than D - fee when signs are independent.
    """
    rate = market[MARKET_FEE_RATE]
    margin = FEE_MARGIN_TICKS if rate < 0.0 else -FEE_MARGIN_TICKS
    fee = math.floor(2.0 * rate * (0.5 * value + margin))
    chance = market[MARKET_REPEAT]
    weight = 2.0 * (1.0 - chance) if repeats else 2.0 * chance
    # Rounded at random, so that the mean is exact; a whole number stays what it is.
    move: int = math.floor(max(reach - fee, 0) * weight + uniform(random))
    return move


@kernel
def sweep(events: I8, state: I8, book: I8, random: U8, market: F8, mean_ticks: float) -> None:
    """Let one market order through: trades, totals, and what the value makes of it."""
    repeats = uniform(random) < market[MARKET_REPEAT]
    sign = state[STATE_SIGN] if repeats else -state[STATE_SIGN]
    ticks = sweep_ticks(random, mean_ticks)
    best, hole = STATE_BID, STATE_BID_HOLE
    if sign == BUY:
        best, hole = STATE_ASK, STATE_ASK_HOLE
    # The limit is meant from the touch of a whole book; what stands first is taken in any case.
    state[best] = take(events, state, book, random, sign, max(0, ticks - state[hole]))
    if uniform(random) < market[MARKET_INFORMED]:
        reach = state[STATE_SPREAD] + 2 * ticks
        move = jump_half_ticks(random, market, state[STATE_VALUE], reach, repeats)
        state[STATE_VALUE] += sign * move
        state[STATE_INFORMED] += 1
    if market[MARKET_REFILL] > 0.0:
        # Ticks from the touch of a whole book, at the new value, to the best price left.
        ideal = (state[STATE_VALUE] + sign * state[STATE_SPREAD]) // 2
        state[hole] = max(0, sign * (state[best] - ideal))
    state[STATE_SIGN] = sign
    state[STATE_SWEEPS] += 1


@kernel
def next_regime(random: U8, regimes: F8, regime: int) -> int:
    """Draw the regime that follows `regime`."""
    u = uniform(random)
    for candidate in range(REGIMES):
        u -= regimes[regime, REGIME_NEXT + candidate]
        if u < 0.0:
            return candidate
    return regime


@kernel
def run(
    events: I8,
    state: I8,
    book: I8,
    random: U8,
    heat: F8,
    profile: F8,
    market: F8,
    regimes: F8,
    end_ns: int,
) -> int:
    """Run the market until `end_ns` or until `events` is nearly full; return RUN_*.

    Args:
        events: i8[rows, EVENT_COLUMNS]; written from row state[STATE_COUNT].
        state: i8[STATE_COLUMNS]; where the market stands, advanced in place.
        book: i8[2, width]; lots by price, column 0 is state[STATE_BASE].
        random: u8[1]; state of the chance.
        heat: f8[1]; sweeps a second added by past sweeps.
        profile: f8[LADDER]; mean lots of a level by its place behind the touch.
        market: f8[MARKET_COLUMNS].
        regimes: f8[REGIMES, REGIME_COLUMNS].
        end_ns: exchange time at which to stop.
    """
    while True:
        if state[STATE_COUNT] > events.shape[0] - ROOM:
            return RUN_FULL
        row = state[STATE_VALUE] // 2 - state[STATE_BASE]
        if row < 4 * LADDER or row > book.shape[1] - 4 * LADDER:
            return RUN_OUTSIDE
        regime = regimes[state[STATE_REGIME]]
        holes = state[STATE_BID_HOLE] + state[STATE_ASK_HOLE]
        r_traffic = regime[REGIME_TRAFFIC]
        r_news = r_traffic + regime[REGIME_NEWS]
        r_regime = r_news + regime[REGIME_LEAVE]
        r_wide = r_regime + market[MARKET_WIDEN] * (10.0 if state[STATE_WIDE] == 1 else 1.0)
        r_refill = r_wide + (market[MARKET_REFILL] if holes > 0 else 0.0)
        r_total = r_refill + regime[REGIME_SWEEPS] + heat[0]
        wait = exponential(random) / r_total
        state[STATE_NOW_NS] += int(wait * 1e9) + 1
        if state[STATE_NOW_NS] >= end_ns:
            return RUN_DONE
        heat[0] *= math.exp(-market[MARKET_DECAY] * wait)
        u = uniform(random) * r_total
        if u < r_traffic:
            traffic(events, state, book, random, profile)
            continue
        if u >= r_refill + regime[REGIME_SWEEPS] + heat[0]:
            continue  # thinned: the excitement has faded meanwhile
        begin_batch(state, random)
        if u < r_news:
            news(state, book, random, market[MARKET_SIGNAL], market[MARKET_DRIFT])
        elif u < r_regime:
            state[STATE_REGIME] = next_regime(random, regimes, state[STATE_REGIME])
        elif u < r_wide:
            state[STATE_WIDE] = 1 - state[STATE_WIDE]
        elif u < r_refill:
            state[STATE_BID_HOLE] //= 2
            state[STATE_ASK_HOLE] //= 2
        else:
            sweep(events, state, book, random, market, regime[REGIME_DEPTH])
            heat[0] += market[MARKET_EXCITE]
        least = int(regimes[state[STATE_REGIME], REGIME_SPREAD])
        settle(events, state, book, random, profile, least, KIND_DEPTH)
