"""Finds the real resting orders of a recording that knows its orders by id, and their fates.

An order is born where its id first adds to a level, and shrinks where its id takes from it. A
decrement that a trade explains (same price, same lots, at most two seconds apart, the aggressor on
the other side, each trade used once) is a fill; any other is its cancel, partial ones included:
what happens after is not looked at.

An order that trades as a taker does not rest. Mostly the importer holds it beside the book then;
but when its counterpart leaves a moment before it shrinks itself, it shows in the book meanwhile.
A decrement that a trade of its own side explains ends this: the order is born there, with what is
left of it, or not at all. An order whose price changes is a market order on its way through the
book (so Bitstamp shows one) and never rests; one that grows is another order from then on.
"""

import bisect
import dataclasses
from collections import defaultdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from exchange.errors import RecordingError
from exchange.importers.detect import Format, format_of, import_feed
from exchange.importers.reading import Progress, files_of, quiet
from exchange.recording import Recording, load, read_members
from market.book import new_book, window_for
from market.ghosts import (
    GHOST_BIRTH,
    GHOST_BORN_NS,
    GHOST_COLUMNS,
    GHOST_DONE_NS,
    GHOST_END,
    GHOST_END_NS,
    GHOST_FILLED_LOTS,
    GHOST_FIRST_NS,
    GHOST_ID,
    GHOST_LAST,
    GHOST_LOTS,
    GHOST_PRICE_TICKS,
    GHOST_SIDE,
    GHOST_TOUCHED_NS,
    WHOLE,
    level_changes,
)
from market.layout import (
    BUY,
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SEEN,
    EVENT_SIDE,
    KIND_DEPTH,
    KIND_TRADE,
    NEVER,
    SEEN_EXCHANGE,
    SELL,
)
from market.types import I8

MATCH_NS = 2_000_000_000
ROUNDING_LOTS = 1  # a level's total and a trade are each rounded to whole lots
WHICH = (
    "calibrating needs a recording of single orders with their ids, such as the Bitstamp order "
    "log; level-2 recordings (Binance, Tardis) have none"
)


@dataclasses.dataclass(slots=True)
class Life:
    """One order while its rows are read. Rows are numbers of events."""

    number: int
    side: int
    price_ticks: int
    lots: int
    birth: int
    remaining: int
    touched: int = -1  # row after which its price was the best of its side
    last: int = -1  # row of its end, -1 when the recording ends first
    shrunk: list[tuple[int, int]] = dataclasses.field(default_factory=list)  # row, lots


@dataclasses.dataclass(frozen=True, slots=True)
class OrderLevel:
    """A recording with order ids, and what each of its n events did."""

    recording: Recording
    order_ids: I8  # i8[n], 0 where none
    deltas: I8  # i8[n]: lots by which the level changed
    bests: I8  # i8[n, 2]: best bid and ask after it, ticks
    born: I8  # i8[n]: event that added the order which changed, 0 unknown


def read_orders(path: Path, progress: Progress = quiet) -> OrderLevel:
    """Read a recording (.npz), or a raw order log, with its order ids.

    Raises:
        RecordingError: it has no order ids, or cannot be read.
        FeedError: the raw log is damaged.
    """
    if path.suffix == ".npz":
        recording = load(path)
        data: npt.NDArray[np.void] | None = read_members(path)[0]
    else:
        if format_of(files_of([path])) is not Format.BITSTAMP:
            raise RecordingError(f"{path}: no order log; {WHICH}")
        made = import_feed([path], progress=progress)
        recording, data = made.recording, made.data
    ids = np.zeros(0, np.int64) if data is None else data["order_id"].astype(np.int64)
    if not ids.any():
        raise RecordingError(f"{path}: no order ids in it; {WHICH}")
    return order_level(recording, ids)


def order_level(recording: Recording, order_ids: I8) -> OrderLevel:
    """Return a recording with what each event changed."""
    events = recording.events
    levels, touch = new_book(*window_for(events))
    deltas = np.zeros(len(events), np.int64)
    bests = np.zeros((len(events), 2), np.int64)
    level_changes(events, levels, touch, deltas, bests)
    rows = np.flatnonzero(order_ids)
    _, first, which = np.unique(order_ids[rows], return_index=True, return_inverse=True)
    births = np.where(deltas[rows[first]] > 0, rows[first], 0)
    born = np.zeros(len(events), np.int64)
    born[rows] = births[which]
    return OrderLevel(recording, order_ids, deltas, bests, born)


def lives_of(orders: OrderLevel) -> list[Life]:
    """Return what stood in the book under one id at one price, in order of birth."""
    events = orders.recording.events
    seen = (events[:, EVENT_SEEN] & SEEN_EXCHANGE) != 0
    rows = np.flatnonzero(seen & (events[:, EVENT_KIND] == KIND_DEPTH))
    table = np.column_stack(
        (
            rows,
            orders.order_ids[rows],
            events[rows][:, [EVENT_SIDE, EVENT_PRICE_TICKS]],
            orders.deltas[rows],
            orders.bests[rows],
        )
    )
    alive: dict[int, Life] = {}
    waiting: defaultdict[tuple[int, int], set[int]] = defaultdict(set)  # not yet at the touch
    found: list[Life] = []
    stood: dict[int, int] = {}  # price of each id
    moved: set[int] = set()
    for row, number, side, price, delta, bid, ask in table.tolist():
        life = alive.get(number)
        if number and stood.setdefault(number, price) != price:
            moved.add(number)
        if life is not None and (delta > 0 or number in moved):
            close(life, row, alive, waiting)
            life = None
        if number and delta > 0:
            life = alive[number] = Life(number, side, price, delta, row, delta)
            found.append(life)
            waiting[side, price].add(number)
        elif life is not None and delta < 0:
            life.shrunk.append((row, -delta))
            life.remaining += delta
            if life.remaining <= ROUNDING_LOTS:
                close(life, row, alive, waiting)
        for key in ((BUY, bid), (SELL, ask)):
            for reached in waiting.pop(key, ()):
                alive[reached].touched = row
    return [life for life in found if life.number not in moved]


def close(
    life: Life, row: int, alive: dict[int, Life], waiting: dict[tuple[int, int], set[int]]
) -> None:
    """End a life at a row."""
    life.last = row
    del alive[life.number]
    waiting.get((life.side, life.price_ticks), set()).discard(life.number)


def prints_of(events: I8) -> I8:
    """Return i8[n, 5] of the exchange's trades: time, row, lots, price, aggressor."""
    rows = np.flatnonzero(
        ((events[:, EVENT_SEEN] & SEEN_EXCHANGE) != 0) & (events[:, EVENT_KIND] == KIND_TRADE)
    )
    order = rows[np.argsort(events[rows, EVENT_EXCH_NS], kind="stable")]
    found = events[order][:, [EVENT_EXCH_NS, EVENT_KIND, EVENT_LOTS, EVENT_PRICE_TICKS, EVENT_SIDE]]
    found[:, 1] = order
    return found


def explain(lives: list[Life], events: I8, *, taker: bool) -> list[dict[int, int]]:
    """Return for each life which trade (row) explains which decrement (row), nearest first.

    Args:
        lives: in order of birth.
        events: i8[n, EVENT_COLUMNS].
        taker: the order was the aggressor, at its own price or a better one; else it rested.
    """
    trades = prints_of(events)
    times = trades[:, 0].tolist()
    pairs = []
    for index, life in enumerate(lives):
        for row, lots in life.shrunk:
            now_ns = int(events[row, EVENT_EXCH_NS])
            first = bisect.bisect_left(times, now_ns - MATCH_NS)
            last = bisect.bisect_right(times, now_ns + MATCH_NS)
            for when_ns, trade, traded, price, side in trades[first:last].tolist():
                better = life.side * (life.price_ticks - price)
                fits = (
                    (side == life.side and better >= 0)
                    if taker
                    else (side == -life.side and better == 0 and trade > life.birth)
                )
                if fits and abs(traded - lots) <= ROUNDING_LOTS:
                    pairs.append((abs(when_ns - now_ns), trade, index, row))
    found: list[dict[int, int]] = [{} for _ in lives]
    used: set[int] = set()
    for _, trade, index, row in sorted(pairs):
        if trade not in used and row not in found[index]:
            used.add(trade)
            found[index][row] = trade
    return found


def rest_of(life: Life, took: list[int], bests: I8) -> Life | None:
    """Return a life from its last trade as a taker on; None when nothing rested after it."""
    if not took:
        return life
    birth = max(took)
    lots = life.lots - sum(less for row, less in life.shrunk if row <= birth)
    later = [(row, less) for row, less in life.shrunk if row > birth]
    if lots <= ROUNDING_LOTS:
        return None
    end = life.last if life.last >= 0 else len(bests)
    column = 0 if life.side == BUY else 1
    reached = np.flatnonzero(bests[birth:end, column] == life.price_ticks)
    touched = birth + int(reached[0]) if reached.size else -1
    return Life(life.number, life.side, life.price_ticks, lots, birth, 0, touched, life.last, later)


def ghost_of(life: Life, prints: dict[int, int], events: I8) -> list[int]:
    """Return a life as a row of GHOST_COLUMNS."""
    end = life.last if life.last >= 0 else len(events)
    first_ns = done_ns = NEVER
    filled = 0
    for row, lots in life.shrunk:
        trade = prints.get(row)
        if trade is None:
            end = row
            break
        filled += lots
        now_ns = int(events[trade, EVENT_EXCH_NS])
        first_ns = min(first_ns, now_ns)
        if (life.lots - filled) * WHOLE <= life.lots:
            done_ns, end = now_ns, trade + 1
    ghost = [0] * GHOST_COLUMNS
    ghost[GHOST_ID] = life.number
    ghost[GHOST_SIDE] = life.side
    ghost[GHOST_PRICE_TICKS] = life.price_ticks
    ghost[GHOST_LOTS] = life.lots
    ghost[GHOST_BIRTH] = life.birth
    ghost[GHOST_LAST] = life.last + 1 if life.last >= 0 else len(events)
    ghost[GHOST_END] = end
    ghost[GHOST_BORN_NS] = int(events[life.birth, EVENT_EXCH_NS])
    touched = life.touched
    ghost[GHOST_TOUCHED_NS] = int(events[touched, EVENT_EXCH_NS]) if touched >= 0 else NEVER
    ghost[GHOST_FIRST_NS] = first_ns
    ghost[GHOST_DONE_NS] = done_ns
    ended_ns = int(events[min(end, len(events) - 1), EVENT_EXCH_NS])
    ghost[GHOST_END_NS] = ended_ns if done_ns == NEVER else done_ns
    ghost[GHOST_FILLED_LOTS] = filled
    return ghost


def find_ghosts(orders: OrderLevel) -> I8:
    """Return i8[n, GHOST_COLUMNS]: every order that rested, in order of birth.

    One that crossed the other side as it came in is none: post-only, ours would be refused.
    """
    events = orders.recording.events
    lives = lives_of(orders)
    filled = explain(lives, events, taker=False)
    took = explain(lives, events, taker=True)
    table = []
    for life, prints, taken in zip(lives, filled, took, strict=True):
        rest = rest_of(life, [row for row in taken if row not in prints], orders.bests)
        if rest is not None:
            table.append(ghost_of(rest, prints, events))
    found = np.array(table, np.int64).reshape(-1, GHOST_COLUMNS)
    side = found[:, GHOST_SIDE]
    opposite = orders.bests[found[:, GHOST_BIRTH], np.where(side == BUY, 1, 0)]
    found = found[side * (found[:, GHOST_PRICE_TICKS] - opposite) < 0]
    return found[np.argsort(found[:, GHOST_BIRTH], kind="stable")]


def touched(ghosts: I8) -> I8:
    """Return those that the touch reached: the best price of their side, for a while, was theirs.

    That is, after some event of the exchange while the order rested, its price was the best of
    its side. An order that improves the best price is there from its birth.
    """
    return np.ascontiguousarray(ghosts[ghosts[:, GHOST_TOUCHED_NS] != NEVER])
