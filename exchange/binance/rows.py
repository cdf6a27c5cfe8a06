"""The public market of a stream as guard steps, by the same kernels as the tape's.

Events gather in a buffer that lets go of what was read; the local book has a window that its
first events fix for good. Nothing here knows of sockets.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from market.book import new_book, window_for
from market.calibration import MEMORY_CURSOR
from market.features import new_observer, observe
from market.growing import grown
from market.layout import (
    BUY,
    EVENT_COLUMNS,
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOCAL_NS,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SEEN,
    EVENT_SIDE,
    KIND_CLEAR,
    KIND_DEPTH,
    KIND_SNAPSHOT,
    KIND_TRADE,
    PLAN_COLUMNS,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
    SELL,
    STEP_COLUMNS,
    VIEW_COLUMNS,
)
from market.tape import grid_of
from market.types import F8, I8

Levels: TypeAlias = Sequence[tuple[int, int]]
"""(ticks, lots) of one side."""
Event: TypeAlias = tuple[int, int, int, int, int, int, int]
"""One event; columns are EVENT_* of `market.layout`."""
Sink: TypeAlias = Callable[[I8], None]
"""Takes i8[n, EVENT_COLUMNS], every event as it came: whole messages, never changed after."""
BOTH = SEEN_EXCHANGE | SEEN_LOCAL
MISSED_NS = 6 * 3_600 * 10**9
"""Longest time that is lived through without a market after what was recalled."""
KEPT_MIN = 1 << 14
"""Events behind the cursor that are kept rather than moved."""


def _event(kind: int, side: int, exch_ns: int, local_ns: int, ticks: int, lots: int) -> Event:
    row = [0] * EVENT_COLUMNS
    row[EVENT_KIND], row[EVENT_SIDE], row[EVENT_SEEN] = kind, side, BOTH
    row[EVENT_EXCH_NS], row[EVENT_LOCAL_NS] = exch_ns, local_ns
    row[EVENT_PRICE_TICKS], row[EVENT_LOTS] = ticks, lots
    first, second, third, fourth, fifth, sixth, seventh = row
    return first, second, third, fourth, fifth, sixth, seventh


def trade_event(side: int, exch_ns: int, local_ns: int, ticks: int, lots: int) -> Event:
    """Return a print; `side` is the aggressor's."""
    return _event(KIND_TRADE, side, exch_ns, local_ns, ticks, lots)


def depth_events(bids: Levels, asks: Levels, exch_ns: int, local_ns: int) -> list[Event]:
    """Return the level changes of one diff, bids first."""
    return [
        _event(KIND_DEPTH, side, exch_ns, local_ns, ticks, lots)
        for side, levels in ((BUY, bids), (SELL, asks))
        for ticks, lots in levels
    ]


def lost_event(exch_ns: int, local_ns: int) -> Event:
    """Return that the book is not known from now on."""
    return _event(KIND_CLEAR, 0, exch_ns, local_ns, 0, 0)


def snapshot_events(bids: Levels, asks: Levels, exch_ns: int, local_ns: int) -> list[Event]:
    """Return a whole book in place of the one before."""
    rows = [lost_event(exch_ns, local_ns)]
    rows.extend(
        _event(KIND_SNAPSHOT, side, exch_ns, local_ns, ticks, lots)
        for side, levels in ((BUY, bids), (SELL, asks))
        for ticks, lots in levels
        if lots > 0
    )
    return rows


def lost_at_once(events: I8) -> I8:
    """Return a copy in which the book is lost with the last event before, not when it came back."""
    moved = events.copy()
    clears = np.flatnonzero((events[:, EVENT_KIND] == KIND_CLEAR) & (events[:, EVENT_SIDE] == 0))
    clears = clears[clears > 0]
    moved[clears, EVENT_LOCAL_NS] = events[clears - 1, EVENT_LOCAL_NS]
    return moved


class MarketRows:
    """Guard steps of a growing feed.

    Args:
        settings: f8[OBSERVER_COLUMNS].
    """

    def __init__(self, settings: F8) -> None:
        self._settings = settings
        self._events: I8 = np.zeros((0, EVENT_COLUMNS), dtype=np.int64)
        self._count = 0
        self._first = 0
        self._levels, self._touch = new_book(0, 1)
        self._window: tuple[int, int] | None = None
        self._memory, self._cells = new_observer(settings)
        self._sink: Sink | None = None
        self._recalled = 0  # events that were recorded before
        self._missed: tuple[int, int] | None = None  # first step after these, and the interval
        self.last_ticks = 0

    @property
    def window(self) -> tuple[int, int] | None:
        """The first tick and the width of the local book; None before the first price."""
        return self._window

    def hand_on(self, sink: Sink) -> None:
        """Hand every event to a sink as well, those that came before the first step included."""
        first = self._recalled - self._first
        assert first >= 0, "a sink comes before the first step"
        if self._count > first:
            sink(self._events[first : self._count].copy())
        self._sink = sink

    def recall(self, events: I8, interval_ns: int) -> None:
        """Live through what was recorded before, before anything else; then the book is not known.

        Args:
            events: i8[n, EVENT_COLUMNS], as they were recorded.
            interval_ns: guard interval.
        """
        if not len(events):
            return
        self._events, self._count = lost_at_once(events), len(events)
        first_ns, last_ns = grid_of(events, interval_ns)
        for now_ns in range(first_ns, last_ns + 1, interval_ns):
            self.observe(now_ns)
        end_ns = int(events[:, EVENT_LOCAL_NS].max())
        self.add([lost_event(end_ns, end_ns)])
        self._recalled = self._first + self._count
        self._missed = last_ns + interval_ns, interval_ns

    def add(self, rows: Sequence[Event]) -> None:
        """Take events in the order in which they became known here; local times never fall."""
        if not rows:
            return
        self._events = grown(self._events, self._count, self._count + len(rows))
        self._events[self._count : self._count + len(rows)] = rows
        self._count += len(rows)
        if self._sink is not None:
            self._sink(self._events[self._count - len(rows) : self._count].copy())
        if rows[-1][EVENT_KIND] == KIND_TRADE:
            self.last_ticks = rows[-1][EVENT_PRICE_TICKS]

    def observe(self, now_ns: int) -> tuple[I8, F8, F8]:
        """Live through the step at a time; return its step, view and plan row."""
        if self._missed is not None:  # a move over them is no move of a step
            (first_ns, interval_ns), self._missed = self._missed, None
            for missed_ns in range(max(first_ns, now_ns - MISSED_NS), now_ns, interval_ns):
                self._observe(missed_ns, self._recalled - self._first)
        return self._observe(now_ns, self._count)

    def _observe(self, now_ns: int, count: int) -> tuple[I8, F8, F8]:
        if self._window is None:
            base, width = window_for(self._events[: self._count])
            if width > 1:
                self._window = base, width
                self._levels, self._touch = new_book(base, width)
        step = np.zeros(STEP_COLUMNS, dtype=np.int64)
        view, plan = np.zeros(VIEW_COLUMNS), np.zeros(PLAN_COLUMNS)
        observe(
            self._events[:count],
            self._first,
            self._levels,
            self._touch,
            self._memory,
            self._cells,
            now_ns,
            self._settings,
            step,
            view,
            plan,
        )
        self._let_go()
        return step, view, plan

    def _let_go(self) -> None:
        """Move what was not read yet to the front, now and then."""
        behind = int(self._memory[MEMORY_CURSOR]) - self._first
        if behind < max(KEPT_MIN, self._count - behind):
            return
        left = self._count - behind
        self._events[:left] = self._events[behind : self._count].copy()
        self._first += behind
        self._count = left
