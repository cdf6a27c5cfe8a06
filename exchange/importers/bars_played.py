"""Makes a recording of price bars, played as a market with a full book (`market/played.py`).

The spread follows the range of the bars, the depth their volume over their range. Tick and lot are
powers of ten, about a ten-thousandth of the price and a hundred-thousandth of a bar's volume, and
no finer than the ledger: the recording's bars are the source's, rounded to them.
"""

import math
from decimal import Decimal

import numpy as np
from scipy.signal import lfilter

from exchange.errors import FeedError
from exchange.importers.assembly import counts_of
from exchange.importers.bars import CLOSE, HIGH, LOW, OPEN, VOLUME, Bars, BarsMeta
from exchange.recording import Meta, Recording, from_steps, to_steps
from market.layout import (
    EVENT_COLUMNS,
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOCAL_NS,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    KIND_TRADE,
)
from market.played import (
    ANCHORS,
    BAR_BEGIN_NS,
    BAR_CLOSE,
    BAR_COLUMNS,
    BAR_HIGH,
    BAR_LOTS,
    BAR_LOW,
    BAR_OPEN,
    BAR_SPREAD,
    BAR_TRADES,
    BEAT_EVENTS,
    HOLE_NS,
    open_played,
    play,
)
from market.synthetic import hump
from market.synthetic_book import (
    LADDER,
    STATE_ASK,
    STATE_ASK_LAST,
    STATE_BASE,
    STATE_BID,
    STATE_BID_LAST,
    STATE_COLUMNS,
    STATE_COUNT,
    U8,
)
from market.types import F8, I8

SECOND_NS = 10**9
HOUR_NS = 3_600 * SECOND_NS
HOURS_MAX = 24.0 * 31
BEAT_NS = 2 * SECOND_NS
BEATS_MAX = 300
PERIOD_MIN_NS = 10 * SECOND_NS
TICK_SHARE = 1e-4
LOT_SHARE = 1e-5
SPREAD_SHARE = 0.08  # of the range of a minute
SPREAD_MAX = 500  # ticks
DEPTH_S = 300.0  # so many seconds' volume stands on a side
THIN, THICK = 0.1, 3.0  # depth in a wild bar and in a calm one, of that
TRADES_SHARE = 0.3  # of the beats of a bar of median volume
MEMORY = 0.9  # of the averages over bars


def played_recording(
    bars: Bars,
    *,
    seed: int,
    start_ns: int | None = None,
    hours: float = 24.0,
    maker_fee_bps: float = 0.0,
    taker_fee_bps: float = 4.0,
) -> Recording:
    """Return bars as a recording; the same arguments give the same bytes.

    Args:
        bars: of one symbol.
        seed: of everything between the prices that the bars tell, >= 0.
        start_ns: bars that begin earlier are left out; None: none is.
        hours: length, in (0, 744].
        maker_fee_bps, taker_fee_bps: of the account, cost positive.

    Raises:
        FeedError: an argument is out of range, the bars are too short for a path, none is left, or
            prices vary too much for one tick.
    """
    chosen = cut_bars(bars, start_ns, hours)
    if seed < 0:
        raise FeedError(f"--seed must be at least 0, found {seed}")
    period_ns = bars.meta.period_ns
    if period_ns < PERIOD_MIN_NS:
        raise FeedError(f"bars must last at least 10 s, found {period_ns / 1e9:g} s")
    figures = chosen.figures
    tick = step_of(float(np.median(figures[:, CLOSE])) * TICK_SHARE)
    traded = figures[figures[:, VOLUME] > 0, VOLUME]
    least = 1e-8 / float(tick)  # of a lot: the ledger counts in 1e-8 of the quote asset
    lot = step_of(max(least, float(np.median(traded)) * LOT_SHARE if len(traded) else least))
    beats = min(BEATS_MAX, max(2 * ANCHORS, period_ns // BEAT_NS))
    rows, depths = rows_of(chosen, tick, lot, beats)
    events = played_events(rows, depths, seed, period_ns, beats, tick)
    base, quote = bars.meta.symbol.split("-")
    meta = Meta(
        venue="synthetic",
        symbol=bars.meta.symbol,
        base=base,
        quote=quote,
        tick=tick,
        lot=lot,
        maker_fee_bps=maker_fee_bps,
        taker_fee_bps=taker_fee_bps,
        span_ns=(int(events[0, EVENT_LOCAL_NS]), int(events[-1, EVENT_LOCAL_NS])),
        source=f"bars of {bars.meta.venue} ({bars.meta.source}), played with seed {seed}",
        counts=counts_of(events),
        notes={"seed": seed, "bars": len(rows), "period_ns": period_ns},
    )
    return Recording(meta, events)


def cut_bars(bars: Bars, start_ns: int | None, hours: float) -> Bars:
    """Return the bars of some hours.

    Raises:
        FeedError: the hours are out of range, or none is left.
    """
    if not 0.0 < hours <= HOURS_MAX:
        raise FeedError(f"--hours must be above 0 and at most {HOURS_MAX:g}, found {hours:g}")
    first_ns = int(bars.times_ns[0]) if start_ns is None else start_ns
    kept = (bars.times_ns >= first_ns) & (bars.times_ns < first_ns + round(hours * HOUR_NS))
    if not kept.any():
        raise FeedError(f"{bars.meta.source}: no bar of {bars.meta.symbol} in these hours")
    return Bars(bars.meta, bars.times_ns[kept], np.ascontiguousarray(bars.figures[kept]))


def step_of(figure: float) -> str:
    """Return the power of ten nearest to a figure, at least 1e-8, as decimal text."""
    place = max(-8, round(math.log10(figure)))
    return f"{Decimal(1).scaleb(place):f}"


def rows_of(bars: Bars, tick: str, lot: str, beats: int) -> tuple[I8, F8]:
    """Return (i8[n, BAR_COLUMNS], f8[n] lots of a side) of bars."""
    figures = bars.figures
    rows = np.zeros((len(figures), BAR_COLUMNS), dtype=np.int64)
    rows[:, BAR_BEGIN_NS] = bars.times_ns
    told = ((BAR_OPEN, OPEN), (BAR_HIGH, HIGH), (BAR_LOW, LOW), (BAR_CLOSE, CLOSE))
    for column, figure in told:
        rows[:, column] = to_steps(figures[:, figure], tick)[0]
    rows[:, BAR_LOTS] = np.maximum(ANCHORS, to_steps(figures[:, VOLUME], lot)[0])
    spans = (rows[:, BAR_HIGH] - rows[:, BAR_LOW]).astype(np.float64)
    wild = np.maximum(averaged(spans), 0.5 * spans)
    minutes = bars.meta.period_ns / (60 * SECOND_NS)
    least = np.rint(SPREAD_SHARE * wild / math.sqrt(minutes))
    rows[:, BAR_SPREAD] = np.clip(least, 1, SPREAD_MAX)
    lots = rows[:, BAR_LOTS].astype(np.float64)
    share = TRADES_SHARE * beats * lots / np.median(lots)
    rows[:, BAR_TRADES] = np.clip(np.rint(share), ANCHORS, beats)
    calm = np.clip(max(1.0, float(np.median(spans))) / np.maximum(wild, 1.0), THIN, THICK)
    depths = averaged(lots) * calm * (DEPTH_S * SECOND_NS / bars.meta.period_ns)
    return rows, depths


def averaged(figures: F8) -> F8:
    """Return the exponential average of a row of figures, each included."""
    start = np.array([MEMORY * figures[0]])
    smooth, _ = lfilter([1.0 - MEMORY], [1.0, -MEMORY], figures, zi=start)
    return np.asarray(smooth)


def played_events(rows: I8, depths: F8, seed: int, period_ns: int, beats: int, tick: str) -> I8:
    """Return i8[n, EVENT_COLUMNS] of bars.

    Raises:
        FeedError: the lowest price is so few ticks that the ladder does not fit below it.
    """
    room = LADDER + 2 * SPREAD_MAX + 2
    lowest = int(rows[:, BAR_LOW].min())
    reach = LADDER + int(rows[:, BAR_SPREAD].max()) + 2
    if lowest <= reach:
        raise FeedError(
            f"prices fall to {lowest} ticks of {tick}, the book reaches {reach} below them; "
            "choose fewer hours"
        )
    width = int(rows[:, BAR_HIGH].max()) - lowest + 2 * room
    book = np.zeros((2, width), dtype=np.int64)
    state = np.zeros(STATE_COLUMNS, dtype=np.int64)
    state[STATE_BASE] = lowest - room
    opened = int(rows[0, BAR_OPEN])
    state[STATE_BID] = state[STATE_BID_LAST] = opened - room // 2
    state[STATE_ASK] = state[STATE_ASK_LAST] = opened + room // 2
    random: U8 = np.random.SeedSequence(seed).generate_state(1, np.uint64).astype(np.uint64)
    profile = hump() / hump().sum()
    idle = HOLE_NS // (period_ns // beats)
    buffer = np.zeros((4 * (beats + 1) * BEAT_EVENTS + 4 * idle, EVENT_COLUMNS), dtype=np.int64)
    open_played(buffer, state, book, random, rows, profile * depths[0])
    parts, number = [], 0
    while number < len(rows):
        number = play(
            buffer, state, book, random, profile, rows, depths, number, period_ns, beats,
            np.zeros(LADDER),
        )  # fmt: skip
        parts.append(buffer[: state[STATE_COUNT]].copy())
        state[STATE_COUNT] = 0
    return np.concatenate(parts)


def bars_of_prints(recording: Recording, period_ns: int) -> Bars:
    """Return bars of a recording's trades, by exchange time.

    Raises:
        FeedError: nobody traded.
    """
    events, meta = recording.events, recording.meta
    trades = events[events[:, EVENT_KIND] == KIND_TRADE]
    if len(trades) == 0:
        raise FeedError(f"{meta.symbol}: nobody traded, so no bars")
    begins = trades[:, EVENT_EXCH_NS] // period_ns * period_ns
    firsts = np.flatnonzero(np.append(True, begins[1:] != begins[:-1]))
    lasts = np.append(firsts[1:], len(trades)) - 1
    prices = from_steps(trades[:, EVENT_PRICE_TICKS], meta.tick)
    volumes = from_steps(np.add.reduceat(trades[:, EVENT_LOTS], firsts), meta.lot)
    columns = [
        prices[firsts],
        np.maximum.reduceat(prices, firsts),
        np.minimum.reduceat(prices, firsts),
        prices[lasts],
        volumes,
    ]
    told = BarsMeta(venue=meta.venue, symbol=meta.symbol, period_ns=period_ns, source="trades")
    return Bars(told, begins[firsts], np.column_stack(columns))


def differing(bars: Bars, recording: Recording) -> int:
    """Return how many bars the trades of a recording tell otherwise than these, to tick and lot.

    A bar of less than ANCHORS lots, or of no known volume, has as many.
    """
    meta = recording.meta
    told = bars_of_prints(recording, bars.meta.period_ns)
    if not np.array_equal(told.times_ns, bars.times_ns):
        return len(set(told.times_ns.tolist()) ^ set(bars.times_ns.tolist()))
    wrong = np.zeros(len(bars.times_ns), dtype=bool)
    for column in (OPEN, HIGH, LOW, CLOSE, VOLUME):
        step = meta.lot if column == VOLUME else meta.tick
        one, other = (to_steps(each.figures[:, column], step)[0] for each in (bars, told))
        if column == VOLUME:
            one = np.maximum(one, ANCHORS)  # a trade for each of the four prices
        wrong |= one != other
    return int(wrong.sum())
