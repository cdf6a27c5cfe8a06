"""The replay of real orders and the engine's exchange side say the same of every order."""

import numpy as np
import pytest

from exchange.ghosts import find_ghosts
from market.book import new_book, window_for
from market.fills import advance, open_exchange, submit
from market.ghosts import (
    FATE_COLUMNS,
    FATE_FIRST_NS,
    FATE_LOTS,
    GHOST_BIRTH,
    GHOST_END,
    GHOST_ID,
    GHOST_LAST,
    GHOST_LOTS,
    GHOST_PRICE_TICKS,
    GHOST_SIDE,
    replay_ghosts,
)
from market.layout import (
    DELAY_COLUMNS,
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SEEN,
    EVENT_SIDE,
    KIND_TRADE,
    NEVER,
    REPORT_EXCH_NS,
    REPORT_FILL,
    REPORT_KIND,
    REPORT_LOTS,
    SCALE_COLUMNS,
    SCALE_LOT,
    SCALE_MIN_LOTS,
    SCALE_TICK_LOT,
)
from market.queueing import QUEUE_COLUMNS, fill_model
from tests.exchange.order_log import FairExchange


def without(orders, ghost):
    """Return the recording as if an order had never been: its rows unseen, its lots taken off."""
    events = orders.recording.events.copy()
    events[:, EVENT_EXCH_NS] = np.arange(len(events))
    own = 0
    for row in range(ghost[GHOST_BIRTH], ghost[GHOST_LAST]):
        if orders.order_ids[row] == ghost[GHOST_ID]:
            own += orders.deltas[row]
            events[row, EVENT_SEEN] = 0
        elif events[row, EVENT_KIND] != KIND_TRADE and (
            events[row, [EVENT_SIDE, EVENT_PRICE_TICKS]].tolist()
            == ghost[[GHOST_SIDE, GHOST_PRICE_TICKS]].tolist()
        ):
            events[row, EVENT_LOTS] -= own
    return events


def engine_fills(orders, ghost, model):
    """Return (lots, row of the first fill) of an order of ours in its place, until its end."""
    events = without(orders, ghost)
    born = orders.born.astype(np.int32)
    scale = np.zeros(SCALE_COLUMNS, dtype=np.int64)
    scale[[SCALE_TICK_LOT, SCALE_LOT, SCALE_MIN_LOTS]] = 1
    exchange = open_exchange(*new_book(*window_for(events)))
    delays = np.zeros(DELAY_COLUMNS, dtype=np.int64)
    birth = int(ghost[GHOST_BIRTH])
    advance(events, born, exchange, model, scale, delays, birth - 1)
    submit(
        exchange.orders, exchange.arrivals, exchange.meter, 1, int(ghost[GHOST_SIDE]),
        int(ghost[GHOST_PRICE_TICKS]), int(ghost[GHOST_LOTS]), 0, birth, delays, 0,
    )  # fmt: skip
    count = advance(events, born, exchange, model, scale, delays, int(ghost[GHOST_END]) - 1)
    said = exchange.reports[:count]
    fills = said[said[:, REPORT_KIND] == REPORT_FILL]
    first = int(fills[0, REPORT_EXCH_NS]) if len(fills) else -1
    return int(fills[:, REPORT_LOTS].sum()), first


@pytest.mark.parametrize(
    "name",
    ["risk-averse", "power:4", "power-share:2", "power-front:1", "log", "log-share", "fifo",
     "touch", "trade-through"],
)  # fmt: skip
def test_the_engine_fills_an_order_in_a_ghosts_place_as_the_replay_says(name):
    """Each order taken out of the book, and ours put there: the same lots, the same first print."""
    orders = FairExchange(21, steps=160).log.orders()
    ghosts = find_ghosts(orders)
    model = fill_model(name)
    fates = np.zeros((len(ghosts), FATE_COLUMNS), np.int64)
    replay_ghosts(
        orders.recording.events, orders.order_ids, orders.deltas, orders.bests, orders.born,
        ghosts, model, 0, np.zeros(QUEUE_COLUMNS), fates,
    )  # fmt: skip
    times = orders.recording.events[:, EVENT_EXCH_NS]
    filled = 0
    for ghost, fate in zip(ghosts, fates, strict=True):
        lots, first = engine_fills(orders, ghost, model)
        assert lots == fate[FATE_LOTS]
        assert (times[first] if first >= 0 else NEVER) == fate[FATE_FIRST_NS]
        filled += lots > 0
    assert (filled > 10) == (name != "trade-through")  # a fair exchange trades through nobody
