"""What closing a position would cost now, and how long it would take without haste.

Pure functions of the public market at one moment. The arithmetic is that of the cap on what an
executor may carry (`market/liquidity.py`, `market/carry.py`), so what is told here is what binds.
"""

import math
from dataclasses import dataclass

import numpy as np

from market.book import new_book, window_for
from market.features import new_observer, observer_settings
from market.layout import (
    ASK_ROW,
    BID_ROW,
    NO_ASK,
    NO_BID,
    SCALE_TICK_LOT,
    TOUCH_ASK,
    TOUCH_BID,
    UNITS,
    VIEW_FLOW,
    VIEW_SIGMA,
)
from market.liquidity import DEPTH_COLUMNS, flatten_cost
from market.prints import read_events
from market.types import F8, I8


@dataclass(frozen=True, slots=True)
class Flatten:
    """Closing a position.

    Attributes:
        lots: signed position.
        worth: of it at mid, quote asset, >= 0.
        cost: of closing it at once against mid, before fees, quote asset; infinite when neither
            the book nor what trades takes it.
        share: cost over worth; 0 when flat.
        book_lots: lots that the book takes; the rest goes by the square-root law.
        seconds: until closed as the given share of what trades; infinite when nothing does.
    """

    lots: int
    worth: float
    cost: float
    share: float
    book_lots: int
    seconds: float


def flatten(
    lots: int, levels: I8, touch: I8, view_row: F8, scale: I8, *, participation: float
) -> Flatten:
    """Return what closing a position costs: the whole book first, then the square-root law.

    Args:
        lots: signed position.
        levels: i8[2, width], the local book.
        touch: i8[TOUCH_COLUMNS].
        view_row: f8[VIEW_COLUMNS]; volatility and flow are read.
        scale: i8[SCALE_COLUMNS].
        participation: share of the flow that closing may be, in (0, 1].

    Raises:
        ValueError: no sound two-sided book, or a share out of range.
    """
    bid, ask = int(touch[TOUCH_BID]), int(touch[TOUCH_ASK])
    if bid == NO_BID or ask == NO_ASK or bid >= ask:
        raise ValueError("closing is costed on a two-sided book that is not crossed")
    if not 0.0 < participation <= 1.0:
        raise ValueError(f"participation must be in (0, 1], found {participation}")
    amount = abs(lots)
    sigma, flow = float(view_row[VIEW_SIGMA]), float(view_row[VIEW_FLOW])
    row = BID_ROW if lots > 0 else ASK_ROW
    depth = np.empty(DEPTH_COLUMNS)
    spent, held = flatten_cost(levels, touch, row, float(amount), sigma, flow, depth)
    unit = 0.5 * float(scale[SCALE_TICK_LOT]) / UNITS  # quote asset of half a tick on a lot
    worth = (bid + ask) * unit * amount
    cost = spent * unit
    return Flatten(
        lots=lots,
        worth=worth,
        cost=cost,
        share=cost / worth if worth > 0.0 else 0.0,
        book_lots=int(held),
        seconds=seconds_to_close(amount, flow, participation),
    )


def seconds_to_close(lots: int, flow: float, participation: float) -> float:
    """Return how long closing takes as a share of what trades.

    Args:
        lots: >= 0.
        flow: traded lots a second.
        participation: in (0, 1].
    """
    if lots == 0:
        return 0.0
    return lots / (participation * flow) if flow > 0.0 else math.inf


def book_at(events: I8, now_ns: int) -> tuple[I8, I8]:
    """Return (levels, touch) of the local book at a time.

    Args:
        events: i8[n, EVENT_COLUMNS], from the beginning.
        now_ns: local clock.
    """
    levels, touch = new_book(*window_for(events))
    memory, cells = new_observer(observer_settings())
    read_events(events, 0, levels, touch, memory, cells, now_ns)
    return levels, touch
