"""What a tape tells of risk at the end of each cycle, against books and returns kept in lists."""

import numpy as np
import pytest

from market import layout
from market.features import observer_settings
from market.risked import with_risk
from market.tape import build_tape
from risk.var import tail
from tests.market import day
from tests.twins import liquidity as twin

CYCLE_S = 10
SHARE = 0.00031217  # no whole number of half ticks: no ties
TICK_LOTS = 5e8
ROWS_MIN = 100


def tape_of(events, **told):
    """Return the tape of a day with a decision every ten seconds."""
    asked = {"value_s": 0.0, "cost_share": 0.0, "cost_tick_lots": 0.0} | told
    settings = with_risk(observer_settings(cycle_s=float(CYCLE_S), warmup_s=60.0), **asked)
    grid = {**day.TOLD, "cycle_ns": CYCLE_S * day.SECOND}
    return build_tape(events, settings=settings, **grid)


def sides(events):
    """Yield the local book as (bids, asks), price to lots, after each event."""
    bids, asks = {}, {}
    for row in events.tolist():
        side, price, lots = (
            row[layout.EVENT_SIDE],
            row[layout.EVENT_PRICE_TICKS],
            row[layout.EVENT_LOTS],
        )
        depth = row[layout.EVENT_KIND] in (layout.KIND_DEPTH, layout.KIND_SNAPSHOT)
        if depth and row[layout.EVENT_SEEN] & layout.SEEN_LOCAL:
            book = bids if side == layout.BUY else asks
            book.pop(price, None)
            if lots:
                book[price] = lots
        yield bids, asks


@pytest.mark.parametrize("market", [day.events, day.split_events])
def test_the_room_of_every_decision_is_that_of_the_book_then(market):
    """One book for both clocks, or one of its own: bids close a long position, asks a short one."""
    events = market()
    assert not np.any(events[:, layout.EVENT_KIND] == layout.KIND_CLEAR)
    tape = tape_of(events, cost_share=SHARE, cost_tick_lots=TICK_LOTS)
    books, read, found, wanted = sides(events), 0, set(), 0
    for step, view in zip(tape.steps, tape.views, strict=True):
        while read < step[layout.STEP_CURSOR]:
            bids, asks = next(books)
            read += 1
        if step[layout.STEP_NOW_NS] % (CYCLE_S * day.SECOND):
            continue
        if step[layout.STEP_BID] < step[layout.STEP_ASK]:  # else: what was told before
            half = int(step[layout.STEP_BID] + step[layout.STEP_ASK])
            most = int(2 * TICK_LOTS // half) + 1
            told = (half, most, SHARE, view[layout.VIEW_SIGMA], view[layout.VIEW_FLOW])
            rows = (sorted(bids.items(), reverse=True), sorted(asks.items()))
            wanted = min(twin.room_of(side, *told) for side in rows)
        assert view[layout.VIEW_ROOM] == wanted
        found.add(wanted)
    assert len(found) > 10


def test_the_loss_of_every_decision_is_the_default_model_of_what_came_before():
    """Of mids at the ends of cycles, a cycle ahead; nothing is told before a hundred of them."""
    tape = tape_of(day.events(), value_s=float(CYCLE_S))
    returns, past = [], None
    for step, view in zip(tape.steps, tape.views, strict=True):
        if step[layout.STEP_NOW_NS] % (CYCLE_S * day.SECOND):
            continue
        mid = view[layout.VIEW_MID]
        if past is not None:
            returns.append(mid / past - 1.0)
        past = mid
        if len(returns) < ROWS_MIN:
            assert view[layout.VIEW_LOSS] == 0.0
            continue
        column = np.array(returns)[:, None]
        wanted = max(
            tail(column, np.array([side]), level=0.99).value_at_risk for side in (-mid, mid)
        )
        assert view[layout.VIEW_LOSS] == pytest.approx(wanted, rel=1e-8)
    assert len(returns) > ROWS_MIN + 50
