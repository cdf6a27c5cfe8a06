"""Walks a recording's events for its audit and its description: clocks, crossings, odd prints.

Nothing here judges: the figures go to `exchange/audit.py`, which knows what is too much.
"""

from market.book import apply
from market.jit import kernel
from market.layout import (
    BUY,
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOCAL_NS,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SEEN,
    EVENT_SIDE,
    KIND_DEPTH,
    KIND_SNAPSHOT,
    KIND_TRADE,
    NO_ASK,
    NO_BID,
    SEEN_LOCAL,
    TOUCH_ASK,
    TOUCH_BID,
)
from market.types import I8

# --- what a survey counts: i8[SURVEY_COLUMNS] -----------------------------------------------
SURVEY_BATCHES = 0  # runs of depth rows under one pair of stamps
SURVEY_CHANGES = 1  # depth rows
SURVEY_SNAPSHOT_ROWS = 2
SURVEY_TRADES = 3
SURVEY_BUYS = 4  # trades whose aggressor bought
SURVEY_TRADED_LOTS = 5
SURVEY_CROSSED = 6  # batches after which best bid >= best ask
SURVEY_CROSSED_NS = 7  # time of the first of them, 0: none
SURVEY_BACK = 8  # rows earlier than their predecessor on this clock
SURVEY_BACK_ROW = 9  # the first of them
SURVEY_SILENCES = 10  # pauses longer than asked for
SURVEY_LONGEST_NS = 11
SURVEY_LONGEST_AT_NS = 12  # when the longest began
SURVEY_AT_TOUCH = 13  # trades at the best price of the other side
SURVEY_INSIDE = 14
SURVEY_THROUGH = 15
SURVEY_OFF_MARKET = 16  # trades farther beyond the touch than asked for
SURVEY_OFF_MARKET_NS = 17
SURVEY_SAMPLES = 18  # rows of samples written
SURVEY_ROWS = 19  # events of this clock
SURVEY_COLUMNS = 20

SAMPLE_NS = 0
SAMPLE_BID = 1
SAMPLE_ASK = 2
SAMPLE_COLUMNS = 3


@kernel
def classify(meter: I8, touch: I8, price: int, side: int, off_market_bps: float) -> bool:
    """Count where a trade printed by the book at that moment; True when it is off the market."""
    bid = touch[TOUCH_BID]
    ask = touch[TOUCH_ASK]
    if bid == NO_BID or ask == NO_ASK:
        return False
    beyond = max(price - ask, bid - price)
    edge = ask if side == BUY else bid
    if price == edge:
        meter[SURVEY_AT_TOUCH] += 1
    elif beyond > 0:
        meter[SURVEY_THROUGH] += 1
    else:
        meter[SURVEY_INSIDE] += 1
    if 2.0 * beyond * 10_000.0 > off_market_bps * (bid + ask):
        meter[SURVEY_OFF_MARKET] += 1
        return True
    return False


@kernel
def close_batch(meter: I8, touch: I8, now_ns: int) -> None:
    """Count a finished run of depth rows, and whether it left the book crossed."""
    meter[SURVEY_BATCHES] += 1
    if touch[TOUCH_BID] >= touch[TOUCH_ASK]:
        if meter[SURVEY_CROSSED] == 0:
            meter[SURVEY_CROSSED_NS] = now_ns
        meter[SURVEY_CROSSED] += 1


@kernel
def count_pause(meter: I8, row: int, last_ns: int, now_ns: int, silence_ns: int) -> None:
    """Count the time between two events of a clock: backwards, a silence, the longest so far."""
    pause_ns = now_ns - last_ns
    if pause_ns < 0:
        if meter[SURVEY_BACK] == 0:
            meter[SURVEY_BACK_ROW] = row
        meter[SURVEY_BACK] += 1
    if pause_ns > silence_ns:
        meter[SURVEY_SILENCES] += 1
    if pause_ns > meter[SURVEY_LONGEST_NS]:
        meter[SURVEY_LONGEST_NS] = pause_ns
        meter[SURVEY_LONGEST_AT_NS] = last_ns


@kernel
def sample(meter: I8, touch: I8, samples: I8, next_ns: int, now_ns: int, every_ns: int) -> int:
    """Write the touch at every sample time before `now_ns`; return the next sample time."""
    while next_ns < now_ns and meter[SURVEY_SAMPLES] < samples.shape[0]:
        at = meter[SURVEY_SAMPLES]
        samples[at, SAMPLE_NS] = next_ns
        samples[at, SAMPLE_BID] = touch[TOUCH_BID]
        samples[at, SAMPLE_ASK] = touch[TOUCH_ASK]
        meter[SURVEY_SAMPLES] += 1
        next_ns += every_ns
    return next_ns


@kernel
def survey(
    events: I8,
    seen: int,
    levels: I8,
    touch: I8,
    silence_ns: int,
    off_market_bps: float,
    sample_ns: int,
    samples: I8,
    meter: I8,
) -> int:
    """Walk the events of one clock, rebuild the book and count; return the rows walked.

    Args:
        events: i8[n, EVENT_COLUMNS].
        seen: SEEN_LOCAL or SEEN_EXCHANGE, the clock.
        levels, touch: an empty book; rebuilt in place.
        silence_ns: a longer pause is a silence.
        off_market_bps: a trade farther beyond the touch, in bps of mid, is off the market.
        sample_ns: distance of samples; they stand at its multiples.
        samples: i8[m, SAMPLE_COLUMNS], written: best bid and ask at each sample time.
        meter: i8[SURVEY_COLUMNS], zeros; written.
    """
    clock = EVENT_LOCAL_NS if seen == SEEN_LOCAL else EVENT_EXCH_NS
    last_ns = 0
    next_ns = 0
    pending = -1  # a row of the depth batch not yet closed
    for row in range(events.shape[0]):
        if events[row, EVENT_SEEN] & seen == 0:
            continue
        now_ns = events[row, clock]
        kind = events[row, EVENT_KIND]
        if pending >= 0 and (
            events[row, EVENT_LOCAL_NS] != events[pending, EVENT_LOCAL_NS]
            or events[row, EVENT_EXCH_NS] != events[pending, EVENT_EXCH_NS]
        ):
            close_batch(meter, touch, events[pending, clock])
            pending = -1
        if meter[SURVEY_ROWS] == 0:
            next_ns = (now_ns // sample_ns + 1) * sample_ns
        else:
            count_pause(meter, row, last_ns, now_ns, silence_ns)
        next_ns = sample(meter, touch, samples, next_ns, now_ns, sample_ns)
        meter[SURVEY_ROWS] += 1
        last_ns = now_ns
        price = events[row, EVENT_PRICE_TICKS]
        side = events[row, EVENT_SIDE]
        lots = events[row, EVENT_LOTS]
        if kind == KIND_TRADE:
            meter[SURVEY_TRADES] += 1
            meter[SURVEY_BUYS] += side == BUY
            meter[SURVEY_TRADED_LOTS] += lots
            first = meter[SURVEY_OFF_MARKET] == 0
            if classify(meter, touch, price, side, off_market_bps) and first:
                meter[SURVEY_OFF_MARKET_NS] = now_ns
            continue
        apply(levels, touch, kind, side, price, lots)
        pending = row
        meter[SURVEY_CHANGES] += kind == KIND_DEPTH
        meter[SURVEY_SNAPSHOT_ROWS] += kind == KIND_SNAPSHOT
    if pending >= 0:
        close_batch(meter, touch, events[pending, clock])
    return int(meter[SURVEY_ROWS])
