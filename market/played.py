"""Plays price bars as a market with a full book: trades, quotes around them, one beat at a time.

The path of a bar goes through its open, its two extremes (the nearer to the open first, as it is
told by where the bar closed) and its close; each of the four is a trade at exactly that price, no
trade is beyond the extremes, and the trades add up to the volume. Between them the mid wanders
around straight lines. The ladder stands around the mid and is moved with it by
`synthetic_book.settle`, so the book is never crossed between two events. What a market maker earns
here is an artefact of the path; what a fall does to an account is not.
"""

from market.jit import kernel
from market.layout import (
    ASK_ROW,
    BID_ROW,
    BUY,
    KIND_DEPTH,
    KIND_SNAPSHOT,
    KIND_TRADE,
    SELL,
)
from market.synthetic_book import (
    DUST_LOTS,
    LADDER,
    STATE_ASK,
    STATE_BASE,
    STATE_BID,
    STATE_COUNT,
    STATE_NOW_NS,
    STATE_SIGN,
    STATE_VALUE,
    U8,
    begin_batch,
    emit,
    exponential,
    level_lots,
    normal,
    settle,
    uniform,
)
from market.types import F8, I8

# --- one bar as it is played: i8[n, BAR_COLUMNS]; prices in ticks ------------------------------
BAR_BEGIN_NS = 0
BAR_OPEN = 1
BAR_HIGH = 2
BAR_LOW = 3
BAR_CLOSE = 4
BAR_LOTS = 5  # traded
BAR_SPREAD = 6  # least distance of the touch
BAR_TRADES = 7  # about so many
BAR_COLUMNS = 8

ANCHORS = 4
BEAT_EVENTS = 6 * LADDER + 8
"""Most events of one beat: both ladders taken away and written anew, and a trade."""
HOLE_NS = 900 * 10**9
"""A longer hole between bars is a venue that does not answer: nothing is quoted in it."""
SEEN_NS = 150 * 10**6
"""Before the end of a beat, in which nothing happens: both clocks see a bar's trades in it."""
WANDER_KEPT = 0.9
WANDER_SHARE = 0.02
"""Of a bar's range: what a beat adds to the distance of the mid from the straight line."""
FOLLOW = 0.7
"""Chance that a trade goes the way of the path."""


@kernel
def open_played(events: I8, state: I8, book: I8, random: U8, bars: I8, profile: F8) -> None:
    """Write the snapshot before the first bar; `state` has its base and ends of the ladder."""
    bar = bars[0]
    state[STATE_NOW_NS] = bar[BAR_BEGIN_NS]
    state[STATE_VALUE] = 2 * bar[BAR_OPEN]
    state[STATE_SIGN] = BUY
    begin_batch(state, random)
    settle(events, state, book, random, profile, bar[BAR_SPREAD], KIND_SNAPSHOT)


@kernel
def play(
    events: I8,
    state: I8,
    book: I8,
    random: U8,
    profile: F8,
    bars: I8,
    depths: F8,
    first: int,
    period_ns: int,
    beats: int,
    scratch: F8,
) -> int:
    """Play bars until the buffer has no room for another; return the first that was not played.

    Args:
        events: i8[rows, EVENT_COLUMNS], written from state[STATE_COUNT] on.
        state: i8[STATE_COLUMNS] of `synthetic_book.py`.
        book: i8[2, width].
        random: u8[1], the state of chance.
        profile: f8[LADDER], share of a side's depth that a level holds.
        bars: i8[n, BAR_COLUMNS].
        depths: f8[n], lots of a side's ladder.
        first: bar to begin with.
        period_ns: of a bar.
        beats: of a bar, at least ANCHORS.
        scratch: f8[LADDER].
    """
    beat_ns = period_ns // beats
    number = first
    while number < bars.shape[0]:
        idle = 0
        if number > 0:
            gap_ns = bars[number, BAR_BEGIN_NS] - bars[number - 1, BAR_BEGIN_NS] - period_ns
            idle = gap_ns // beat_ns if gap_ns <= HOLE_NS else 0
        if state[STATE_COUNT] + (beats + 1) * BEAT_EVENTS + 4 * idle > events.shape[0]:
            break
        for level in range(LADDER):
            scratch[level] = profile[level] * depths[number]
        for beat in range(idle):
            begin_ns = bars[number, BAR_BEGIN_NS] - (idle - beat) * beat_ns
            start_beat(state, random, begin_ns, beat_ns)
            renew(events, state, book, random, scratch)
        play_bar(events, state, book, random, scratch, bars[number], beat_ns, beats)
        number += 1
    return number


@kernel
def start_beat(state: I8, random: U8, begin_ns: int, beat_ns: int) -> None:
    """Draw when a beat's events happen and are seen."""
    state[STATE_NOW_NS] = begin_ns + int(uniform(random) * (beat_ns - SEEN_NS))
    begin_batch(state, random)


@kernel
def play_bar(
    events: I8, state: I8, book: I8, random: U8, profile: F8, bar: I8, beat_ns: int, beats: int
) -> None:
    """Play one bar."""
    rising = bar[BAR_CLOSE] >= bar[BAR_OPEN]
    early = 1 + int(uniform(random) * (beats // 2 - 1))
    late = early + 1 + int(uniform(random) * (beats - 2 - early))
    least = bar[BAR_SPREAD]
    chance = (bar[BAR_TRADES] - ANCHORS) / max(1, beats - ANCHORS)
    left = bar[BAR_LOTS]
    wander = 0.0
    for beat in range(beats):
        start_beat(state, random, bar[BAR_BEGIN_NS] + beat * beat_ns, beat_ns)
        left_anchors = 1 + (beat < late) + (beat < early) if beat > 0 else ANCHORS - 1
        if beat == beats - 1:
            left_anchors = 0
        side = 0
        price = 0
        if beat == 0:
            side, price = (BUY if rising else SELL), bar[BAR_OPEN]
        elif beat == beats - 1:
            side, price = (BUY if rising else SELL), bar[BAR_CLOSE]
        elif beat in (early, late):
            low = (beat == early) == rising
            side, price = (SELL, bar[BAR_LOW]) if low else (BUY, bar[BAR_HIGH])
        else:
            wander = WANDER_KEPT * wander
            wander += WANDER_SHARE * (bar[BAR_HIGH] - bar[BAR_LOW]) * normal(random)
            mid, way = point(bar, rising, beat, early, late, beats)
            half = 0.5 * least
            mid = min(max(mid + wander, bar[BAR_LOW] + half), max(bar[BAR_HIGH] - half, mid))
            if uniform(random) < chance and left > left_anchors:
                side = way if uniform(random) < FOLLOW else -way
                price = round(mid + side * half)
                price = min(max(price, bar[BAR_LOW]), bar[BAR_HIGH])
            else:
                state[STATE_VALUE] = round(2.0 * mid)
        if side != 0:
            state[STATE_VALUE] = 2 * price - side * least
        settle(events, state, book, random, profile, least, KIND_DEPTH)
        renew(events, state, book, random, profile)
        if side != 0:
            lots = left
            if beat < beats - 1:
                waiting = max(1.0, chance * (beats - 1 - beat)) + left_anchors
                lots = int(left / waiting * exponential(random))
                lots = max(1, min(lots, left - left_anchors))
            trade(events, state, book, random, profile, side, price, max(1, lots))
            left -= lots


@kernel
def point(bar: I8, rising: bool, beat: int, early: int, late: int, beats: int) -> tuple[float, int]:
    """Return where the straight path is at a beat, ticks, and which way it goes."""
    one = bar[BAR_LOW] if rising else bar[BAR_HIGH]
    two = bar[BAR_HIGH] if rising else bar[BAR_LOW]
    begin, end, start, stop = 0, early, bar[BAR_OPEN], one
    if beat > late:
        begin, end, start, stop = late, beats - 1, two, bar[BAR_CLOSE]
    elif beat > early:
        begin, end, start, stop = early, late, one, two
    share = (beat - begin) / (end - begin)
    return start + share * (stop - start), (BUY if stop >= start else SELL)


@kernel
def renew(events: I8, state: I8, book: I8, random: U8, profile: F8) -> None:
    """Redraw one level of each side behind the touch: quotes come and go while nobody trades."""
    for row in range(2):
        side, best = (BUY, state[STATE_BID]) if row == BID_ROW else (SELL, state[STATE_ASK])
        depth = 1 + int(uniform(random) * (LADDER - 1))
        price = best - side * depth
        lots = level_lots(random, profile, depth)
        if lots != book[row, price - state[STATE_BASE]]:
            book[row, price - state[STATE_BASE]] = lots
            emit(events, state, KIND_DEPTH, side, price, lots)


@kernel
def trade(
    events: I8, state: I8, book: I8, random: U8, profile: F8, side: int, price: int, lots: int
) -> None:
    """Let somebody take lots at the touch, which holds them and has some left."""
    row = ASK_ROW if side == BUY else BID_ROW
    column = price - state[STATE_BASE]
    if book[row, column] < lots + DUST_LOTS:
        book[row, column] = lots + level_lots(random, profile, 0)
        emit(events, state, KIND_DEPTH, -side, price, book[row, column])
    emit(events, state, KIND_TRADE, side, price, lots)
    book[row, column] -= lots
    emit(events, state, KIND_DEPTH, -side, price, book[row, column])
