"""The tape: causal, the same in pieces, the same of a recording that was cut."""

import numpy as np
import pytest

from market.layout import (
    ASK_ROW,
    BID_ROW,
    EVENT_EXCH_NS,
    EVENT_LOCAL_NS,
    EVENT_LOTS,
    EVENT_PRICE_TICKS,
    EVENT_SEEN,
    FRAME_CANCEL_NS,
    FRAME_EVENT,
    FRAME_HIT,
    FRAME_ORDER_EVENT,
    FRAME_ORDER_NS,
    LEVEL_SIDE_SHIFT,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
    STEP_CURSOR,
    STEP_NOW_NS,
)
from market.replay import replay
from market.stream import lots_at
from market.tape import TapeBuilder, build_tape, cut, grid_of
from tests.market import day

SECOND = day.SECOND
MARKETS = {"one clock": day.events, "split clocks": day.split_events}


def bytes_of(tape):
    """Everything that a replay reads, but the events, as bytes."""
    return tape.steps.tobytes(), tape.views.tobytes(), tape.plans.tobytes()


def same_exchange(piece, whole, cuts):
    """Whether two streams say the same up to the shorter one's last step; segments may differ."""
    steps = len(piece.frames)
    hits = int(piece.frames[-1, FRAME_HIT]) if steps else 0
    for name in ("hit_events", "hit_codes", "hit_lots", "hit_ns"):
        assert getattr(piece, name)[:hits].tobytes() == getattr(whole, name)[:hits].tobytes()
    assert piece.delays.tobytes() == whole.delays[:steps].tobytes()
    # Arrivals after the last step are not known to the shorter one yet.
    arrivals = piece.frames[:, FRAME_ORDER_NS]
    known = arrivals <= arrivals[-1:] - piece.delays[-1:, 0]
    assert known[:-2].all()
    assert piece.frames[known].tobytes() == whole.frames[:steps][known].tobytes()
    columns = [*range(FRAME_ORDER_EVENT), FRAME_CANCEL_NS]
    assert (piece.frames[:, columns] == whole.frames[:steps, columns]).all()
    end = int(piece.frames[-1, FRAME_EVENT]) if steps else 0
    for cut_at in cuts[cuts <= end].tolist():
        for row in (BID_ROW, ASK_ROW):
            keys = np.unique(whole.level_keys) & ((1 << LEVEL_SIDE_SHIFT) - 1)
            for column in keys[:: max(1, len(keys) // 8)].tolist():
                assert lots_at(piece, row, column, cut_at) == lots_at(whole, row, column, cut_at)


@pytest.mark.parametrize("market", MARKETS)
def test_a_tape_built_in_pieces_is_the_tape_built_at_once(market):
    """Random steps forward, some of them none: the same bytes, and the same exchange."""
    events = MARKETS[market]()
    whole = build_tape(events, settings=day.OBSERVER, **day.TOLD)
    builder = TapeBuilder(events, settings=day.OBSERVER, **day.TOLD)
    now, end = builder.first_ns - SECOND, int(whole.steps[-1, STEP_NOW_NS])
    rng = np.random.default_rng(2)
    while now < end:
        now += int(rng.integers(0, 200 * SECOND))
        piece = builder.advance(now)
        assert bytes_of(piece) == bytes_of(whole.until(now))
        same_exchange(piece.stream, whole.stream, rng.integers(0, len(events), 3))
    assert bytes_of(piece) == bytes_of(whole)


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("seed", range(5))
def test_a_builder_reads_nothing_later_than_now(market, seed):
    """What lies beyond now, on its own clock, may be anything."""
    events = MARKETS[market]()
    rng = np.random.default_rng(seed)
    low, high = int(events[0, EVENT_LOCAL_NS]), int(events[-1, EVENT_LOCAL_NS])
    now = int(rng.integers(low + 120 * SECOND, high))
    later = (events[:, EVENT_LOCAL_NS] > now) & (events[:, EVENT_EXCH_NS] > now)
    noise = events.copy()
    noise[later, EVENT_LOTS] = rng.integers(0, 50, later.sum())
    # Prices of the past only: the window may be as wide as the whole recording needs.
    noise[later, EVENT_PRICE_TICKS] = rng.choice(events[~later, EVENT_PRICE_TICKS], later.sum())
    tapes = []
    for rows in (events, noise):
        builder = TapeBuilder(rows, settings=day.OBSERVER, **day.TOLD)
        tapes.append(builder.advance(now))
    assert tapes[0].steps.tobytes() == tapes[1].steps.tobytes()
    assert tapes[0].views.tobytes() == tapes[1].views.tobytes()
    assert tapes[0].plans.tobytes() == tapes[1].plans.tobytes()
    same_exchange(tapes[0].stream, tapes[1].stream, rng.integers(0, len(events), 3))


@pytest.mark.parametrize("seed", range(20))
def test_the_tape_of_a_cut_recording_is_the_cut_tape_of_the_whole(seed):
    """Steps, views, plans and the figures of a replay, with clocks that disagree."""
    events = day.split_events()
    rng = np.random.default_rng(seed)
    now = int(events[0, EVENT_LOCAL_NS]) + int(rng.integers(100, 1_700) * SECOND)
    now += int(rng.integers(0, SECOND))
    part = build_tape(cut(events, now), settings=day.OBSERVER, **day.TOLD)
    whole = build_tape(events, settings=day.OBSERVER, **day.TOLD).until(now)
    rows = len(part.steps)
    assert rows >= len(whole.steps) - 2  # a quiet last second has no event to end the grid
    for name in ("steps", "views", "plans"):
        assert getattr(part, name).tobytes() == getattr(whole, name)[:rows].tobytes()
    assert (
        part.stream.frames[:, FRAME_HIT].tobytes()
        == whole.stream.frames[:rows, FRAME_HIT].tobytes()
    )
    told = {"first_step": rows // 2, "last_step": rows, "slices": 2}
    ours, theirs = (replay(tape, day.CANDIDATES[:2], day.setup(), **told) for tape in (part, whole))
    assert ours.tobytes() == theirs.tobytes()


def test_the_local_rows_follow_the_local_clock():
    """The step's cursor is the last local event at or before now."""
    events = day.split_events()
    tape = build_tape(events, settings=day.OBSERVER, **day.TOLD)
    local = np.flatnonzero(events[:, EVENT_SEEN] & SEEN_LOCAL)
    for row in tape.steps[:: len(tape.steps) // 50]:
        seen = local[events[local, EVENT_LOCAL_NS] <= row[STEP_NOW_NS]]
        assert row[STEP_CURSOR] == seen[-1] + 1


def test_the_grid_begins_after_the_first_local_event_and_ends_with_the_last():
    """Multiples of the interval, and none beyond what was recorded."""
    rows = np.zeros((4, day.events().shape[1]), dtype=np.int64)
    rows[:, EVENT_SEEN] = (SEEN_EXCHANGE, SEEN_LOCAL, 3, SEEN_EXCHANGE)
    rows[:, EVENT_LOCAL_NS] = (5, 20, 39, 99)
    assert grid_of(rows, 10) == (30, 30)
    rows[1, EVENT_LOCAL_NS] = 19
    assert grid_of(rows, 10) == (20, 30)
    assert grid_of(rows[:1], 10) == (0, -1)


def test_a_step_is_found_by_its_time():
    """The first one at or after it; cutting keeps those at or before it."""
    tape = day.tape()
    when = int(tape.steps[700, STEP_NOW_NS])
    assert tape.step_at(when) == 700
    assert tape.step_at(when - 1) == 700
    assert tape.step_at(when + 1) == 701
    assert len(tape.until(when).steps) == 701
    assert len(tape.until(when - 1).steps) == 700
    assert len(tape.until(when).stream.frames) == len(tape.until(when).stream.delays) == 701
