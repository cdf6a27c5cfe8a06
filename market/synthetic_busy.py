"""A busy artificial market, shaped like a public recording of USD-M BTCUSDT: for timing engines.

10 M events in 7127 s: 1341 level updates a second and 4.4 % trades, at a tick of 0.1 and a lot of
0.001. Most updates are far behind the touch (the median one 416 ticks), the touch itself moves
some times a second, market orders come in bursts and walk the book. Nothing here knows of an
edge: for that see `synthetic.py`. The best bid is below the best ask after every event.
"""

import math

import numpy as np
import numpy.typing as npt

from market.jit import kernel
from market.layout import (
    ASK_ROW,
    BID_ROW,
    BUY,
    KIND_DEPTH,
    KIND_SNAPSHOT,
    KIND_TRADE,
    RECORDING_DTYPE,
    SELL,
)
from market.synthetic_book import U8, uniform
from market.types import F8, I8

EVENTS = 10_000_000
SECONDS = 7127.0
START_NS = 1_735_689_600_000_000_000  # 2025-01-01 00:00 UTC
MID_TICKS = 600_000  # 60,000.0
WIDTH = 1 << 17  # ticks of the book; the mid starts in the middle
DEEP = 12_000  # ticks behind the touch of the furthest level
TRADE_SHARE = 0.044
NEAR_SHARE = 0.22  # of the level updates: within some ticks of the touch
FAR_MEDIAN = 765.0  # ticks, of the other ones; they are lognormal
FAR_SIGMA = 1.15
TICKS_A_UNIT = 10.0
LOTS_A_UNIT = 1000.0

EXCHANGE_AND_LOCAL = (1 << 31) | (1 << 30)  # hftbacktest's flags, see `exchange/recording.py`
BUY_FLAG = 1 << 29
SELL_FLAG = 1 << 28

# --- state of the market: i8[STATE_COLUMNS] --------------------------------------------------
STATE_COUNT = 0  # events written
STATE_TRADES = 1  # of them
STATE_NOW_NS = 2
STATE_LOCAL_NS = 3
STATE_BID = 4  # best prices, columns of the book
STATE_ASK = 5
STATE_CALM = 6  # batches left in this regime
STATE_PACE = 7  # of the regime: moves a hundred batches
STATE_COLUMNS = 8

# words of a record of 64 bytes, as eight integers or doubles
WORD_FLAGS = 0
WORD_EXCH_NS = 1
WORD_LOCAL_NS = 2
WORD_PRICE = 3
WORD_QUANTITY = 4


@kernel
def emit(words: I8, numbers: F8, state: I8, kind: int, side: int, column: int, lots: int) -> None:
    """Write one event of now; nothing when the buffer is full."""
    row = state[STATE_COUNT]
    if row >= words.shape[0]:
        return
    words[row, WORD_FLAGS] = kind | EXCHANGE_AND_LOCAL | (BUY_FLAG if side == BUY else SELL_FLAG)
    words[row, WORD_EXCH_NS] = state[STATE_NOW_NS]
    words[row, WORD_LOCAL_NS] = state[STATE_LOCAL_NS]
    numbers[row, WORD_PRICE] = (MID_TICKS - WIDTH // 2 + column) / TICKS_A_UNIT
    numbers[row, WORD_QUANTITY] = lots / LOTS_A_UNIT
    state[STATE_COUNT] = row + 1
    if kind == KIND_TRADE:
        state[STATE_TRADES] += 1


@kernel
def put(words: I8, numbers: F8, state: I8, book: I8, side: int, column: int, lots: int) -> None:
    """Set a level and say so; an emptied best level hands the touch to the next one."""
    row = BID_ROW if side == BUY else ASK_ROW
    if book[row, column] == 0 and lots == 0:
        return
    book[row, column] = lots
    best = STATE_BID if side == BUY else STATE_ASK
    if lots > 0 and (column - state[best]) * side > 0:
        state[best] = column
    elif lots == 0 and column == state[best]:
        while book[row, state[best]] == 0:
            state[best] -= side
    emit(words, numbers, state, KIND_DEPTH, side, column, lots)


@kernel
def exponential(random: U8, mean: float) -> float:
    """Draw from an exponential distribution."""
    return -mean * math.log(1.0 - uniform(random))


@kernel
def normal(random: U8) -> float:
    """Draw from the standard normal distribution (Box and Muller)."""
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(random)))
    return radius * math.cos(2.0 * math.pi * uniform(random))


@kernel
def size(random: U8, mean: float) -> int:
    """Draw a heavy-tailed number of lots, at least one."""
    return 1 + int(mean * 0.6 * math.exp(1.1 * normal(random)))


@kernel
def move(words: I8, numbers: F8, state: I8, book: I8, random: U8, ticks: int) -> None:
    """Move the touch: eat or withdraw one side, then post the other one behind it.

    Args:
        words, numbers: the same records as i8[n, 8] and f8[n, 8].
        state: i8[STATE_COLUMNS].
        book: i8[2, WIDTH].
        random: u8[1].
        ticks: i8, signed.
    """
    side = BUY if ticks > 0 else SELL  # of the quotes that follow the move
    best, other = STATE_ASK, STATE_BID
    if side == SELL:
        best, other = STATE_BID, STATE_ASK
    last = state[other] + ticks
    if not DEEP + 100 < last < WIDTH - DEEP - 100:
        return
    while (state[best] - last) * side <= 0:
        put(words, numbers, state, book, -side, state[best], 0)
    here = state[other]
    while here != last:
        here += side
        if here == last or uniform(random) < 0.7:
            put(words, numbers, state, book, side, here, size(random, 900.0))
    gap = 1 if uniform(random) < 0.93 else 2 + int(exponential(random, 1.5))
    quote = last + side * gap
    if (quote - state[best]) * side < 0:
        put(words, numbers, state, book, -side, quote, size(random, 900.0))


@kernel
def sweep(words: I8, numbers: F8, state: I8, book: I8, random: U8) -> None:
    """Let one market order walk the book: its prints, then what is left of the levels."""
    side = BUY if uniform(random) < 0.5 else SELL
    row, best = (ASK_ROW, STATE_ASK) if side == BUY else (BID_ROW, STATE_BID)
    rest = size(random, 260.0)
    first = state[best]
    column = first
    for _ in range(12):
        there = book[row, column]
        prints = 1 + int(exponential(random, 0.9))
        while there > 0 and rest > 0:
            prints -= 1
            part = min(there, rest)
            if prints > 0:
                part = min(part, size(random, 60.0))
            emit(words, numbers, state, KIND_TRADE, side, column, part)
            there -= part
            rest -= part
        if rest == 0 or not 200 < column < WIDTH - 200:
            break
        column += side
        while book[row, column] == 0:
            column += side
    state[STATE_NOW_NS] += 1_000_000 + int(exponential(random, 2e6))
    follow(state, random)
    left = there
    while first != column:
        if book[row, first] > 0:
            put(words, numbers, state, book, -side, first, 0)
        first += side
    if book[row, column] != left:
        put(words, numbers, state, book, -side, column, left)


@kernel
def follow(state: I8, random: U8) -> None:
    """Let the local clock follow the exchange's, never backwards."""
    late = 2_000_000 + int(exponential(random, 8e5))
    if uniform(random) < 0.002:
        late += int(exponential(random, 2e7))
    state[STATE_LOCAL_NS] = max(state[STATE_LOCAL_NS], state[STATE_NOW_NS] + late)


@kernel
def update(words: I8, numbers: F8, state: I8, book: I8, random: U8) -> None:
    """Change one level that is not the best one, mostly far from it."""
    side = BUY if uniform(random) < 0.5 else SELL
    row, best = (BID_ROW, STATE_BID) if side == BUY else (ASK_ROW, STATE_ASK)
    near = uniform(random) < NEAR_SHARE
    if near:
        behind = int(exponential(random, 5.0))
    else:
        behind = 1 + int(FAR_MEDIAN * math.exp(FAR_SIGMA * normal(random)))
    if behind > DEEP:
        behind = 1 + int(uniform(random) * DEEP)
    column = state[best] - side * behind
    before = book[row, column]
    gone = before > 0 and behind > 0 and uniform(random) < (0.25 if near else 0.5)
    if gone:
        put(words, numbers, state, book, side, column, 0)
    elif before > 0 and uniform(random) < 0.5:  # a part of it is withdrawn
        left = max(1, int(before * uniform(random)))
        put(words, numbers, state, book, side, column, left)
    else:
        more = size(random, 700.0 if near else 250.0)
        put(words, numbers, state, book, side, column, min(before + more, 400_000))


@kernel
def batch(words: I8, numbers: F8, state: I8, book: I8, random: U8) -> None:
    """Write one diff message: perhaps a move of the touch, then level updates."""
    if state[STATE_CALM] == 0:
        state[STATE_CALM] = 200 + int(exponential(random, 4000.0))
        state[STATE_PACE] = 5 + int(exponential(random, 9.0))
    state[STATE_CALM] -= 1
    if uniform(random) * 100.0 < state[STATE_PACE]:
        ticks = 1 + int(exponential(random, 0.4 * state[STATE_PACE]))
        sign = 1 if uniform(random) < 0.5 else -1
        move(words, numbers, state, book, random, sign * ticks)
    gap = state[STATE_ASK] - state[STATE_BID]
    if gap > 1 and uniform(random) < 0.6:  # somebody closes the spread
        lots = size(random, 500.0)
        if uniform(random) < 0.5:
            put(words, numbers, state, book, BUY, state[STATE_ASK] - 1, lots)
        else:
            put(words, numbers, state, book, SELL, state[STATE_BID] + 1, lots)
    for _ in range(4 + int(exponential(random, 21.0))):
        update(words, numbers, state, book, random)


@kernel
def opening(words: I8, numbers: F8, state: I8, book: I8, random: U8) -> None:
    """Write the snapshot that the market begins with."""
    for side in (BUY, SELL):
        row, best = (BID_ROW, STATE_BID) if side == BUY else (ASK_ROW, STATE_ASK)
        for behind in range(DEEP):
            if behind > 0 and uniform(random) > max(0.1, 1.0 - behind / 60.0):
                continue
            column = state[best] - side * behind
            book[row, column] = size(random, 900.0 if behind < 30 else 300.0)
            emit(words, numbers, state, KIND_SNAPSHOT, side, column, book[row, column])


@kernel
def run(words: I8, numbers: F8, state: I8, book: I8, random: U8, end_ns: int) -> None:
    """Fill the records from the first to the last; the last stands at about `end_ns`."""
    count = words.shape[0]
    opening(words, numbers, state, book, random)
    while state[STATE_COUNT] < count:
        left = (end_ns - state[STATE_NOW_NS]) / (count - state[STATE_COUNT])  # ns an event
        before = state[STATE_COUNT]
        lacking = TRADE_SHARE * before - state[STATE_TRADES]
        burst = lacking > 0 and uniform(random) < min(0.9, 0.02 + lacking / 2000.0)
        state[STATE_NOW_NS] += 1
        follow(state, random)
        if burst:
            for _ in range(1 + int(exponential(random, 3.0))):
                sweep(words, numbers, state, book, random)
                state[STATE_NOW_NS] += int(exponential(random, 4e6))
                follow(state, random)
        else:
            batch(words, numbers, state, book, random)
        # The clock waits for what was written, so that the market ends when it was told to.
        wait = exponential(random, max(left, 0.0) * (state[STATE_COUNT] - before))
        state[STATE_NOW_NS] += int(wait)


def busy_records(
    *, seed: int = 1, events: int = EVENTS, seconds: float = SECONDS, start_ns: int = START_NS
) -> npt.NDArray[np.void]:
    """Return records of RECORDING_DTYPE; the same arguments give the same bytes.

    Args:
        seed: of everything random, >= 0.
        events: how many, >= 1.
        seconds: about how long, > 0.
        start_ns: exchange time of the first event.

    Raises:
        ValueError: an argument is out of range.
    """
    if seed < 0 or events < 1 or not 0.0 < seconds <= 1e7:
        raise ValueError(
            "seed must be >= 0, events >= 1, seconds in (0, 1e7], "
            f"found {seed}, {events}, {seconds}"
        )
    data = np.zeros(events, RECORDING_DTYPE)
    plain = data.view(np.uint8).reshape(events, RECORDING_DTYPE.itemsize)
    random: U8 = np.random.SeedSequence(seed).generate_state(1, np.uint64).astype(np.uint64)
    state = np.zeros(STATE_COLUMNS, np.int64)
    state[STATE_NOW_NS] = start_ns
    state[STATE_LOCAL_NS] = start_ns + 2_000_000
    state[STATE_BID] = WIDTH // 2 - 1
    state[STATE_ASK] = WIDTH // 2
    book = np.zeros((2, WIDTH), np.int64)
    end_ns = start_ns + round(seconds * 1e9)
    run(plain.view(np.int64), plain.view(np.float64), state, book, random, end_ns)
    return data
