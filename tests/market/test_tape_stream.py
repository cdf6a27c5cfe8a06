"""A tape made block by block is the tape made at once."""

import numpy as np
import pytest

from market import tape as tape_module
from market import tape_stream
from market.layout import (
    EVENT_EXCH_NS,
    EVENT_LOCAL_NS,
    EVENT_SEEN,
    SEEN_EXCHANGE,
    SEEN_LOCAL,
    STEP_NOW_NS,
)
from market.tape import TapeBuilder, build_tape
from market.tape_sides import Making, last_times
from market.tape_stream import ArraySource, stream_tape
from tests.market import day
from tests.market.test_tape import same_exchange

MAKING = Making(day.TOLD["interval_ns"], day.TOLD["cycle_ns"], day.OBSERVER, day.LATENCY)


def late_market():
    """The local clock runs 3 s ahead for a while: an exchange event may come long after it."""
    rows = day.split_events().copy()
    early = slice(len(rows) // 3, len(rows) // 2)
    rows[early, EVENT_LOCAL_NS] -= 1_500_000_000
    np.maximum.accumulate(rows[:, EVENT_LOCAL_NS], out=rows[:, EVENT_LOCAL_NS])
    return rows


def early_market():
    """The local clock runs 2 s behind: every event is seen before it happened."""
    rows = day.events().copy()
    rows[:, EVENT_LOCAL_NS] = rows[:, EVENT_EXCH_NS] - 2 * day.SECOND
    return rows


def coarse_market():
    """Both clocks tick four times a second: many events at one time, some at a step's own."""
    rows = day.events().copy()
    rows[:, [EVENT_EXCH_NS, EVENT_LOCAL_NS]] //= day.SECOND // 4
    rows[:, [EVENT_EXCH_NS, EVENT_LOCAL_NS]] *= day.SECOND // 4
    return rows


def parting_market():
    """One clock at first, split clocks from the middle on."""
    rows = day.events().copy()
    rows[len(rows) // 2 :: 3, EVENT_SEEN] = SEEN_LOCAL
    rows[len(rows) // 2 + 1 :: 3, EVENT_SEEN] = SEEN_EXCHANGE
    return rows


MARKETS = {
    "one clock": day.events,
    "split clocks": day.split_events,
    "odd clocks": late_market,
    "clock behind": early_market,
    "coarse clocks": coarse_market,
    "parting clocks": parting_market,
}


class Dribble(ArraySource):
    """Gives a few events at a time, sometimes one."""

    def __init__(self, events, seed):
        super().__init__(events)
        self.rng = np.random.default_rng(seed)

    def read(self, events):
        """Copy some of the next ones."""
        return super().read(events[: int(self.rng.integers(1, 1 + min(len(events), 3_000)))])


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("block_rows", [64, 1_000, 1 << 16])
def test_a_tape_made_in_blocks_is_the_tape_made_online(market, block_rows, monkeypatch):
    """The same bytes of steps, views, plans, hits and frames, whatever the blocks."""
    monkeypatch.setattr(tape_stream, "HEAD_ROWS", block_rows)
    events = MARKETS[market]()
    builder = TapeBuilder(events, settings=day.OBSERVER, **day.TOLD)
    whole = builder.advance(1 << 62)
    source = Dribble(events, 1) if block_rows == 1_000 else ArraySource(events)
    tape = stream_tape(source, MAKING, block_rows=block_rows)
    assert len(tape.events) == 0
    for name in ("steps", "views", "plans"):
        assert getattr(tape, name).tobytes() == getattr(whole, name).tobytes()
    for name in ("hit_events", "hit_codes", "hit_lots", "hit_ns", "frames", "delays", "base"):
        assert getattr(tape.stream, name).tobytes() == getattr(whole.stream, name).tobytes()
    monkeypatch.setattr(tape_module, "BLOCK_ROWS", block_rows)
    again = build_tape(events, settings=day.OBSERVER, **day.TOLD)
    assert again.views.tobytes() == whole.views.tobytes()
    assert again.stream.frames.tobytes() == whole.stream.frames.tobytes()
    same_exchange(tape.stream, whole.stream, np.random.default_rng(3).integers(0, len(events), 5))


def test_a_recording_without_local_events_has_no_steps():
    """Nothing to decide on, nothing to fail on."""
    rows = day.events()[:500].copy()
    rows[:, EVENT_SEEN] &= ~SEEN_LOCAL
    for events in (rows, rows[:0]):
        tape = stream_tape(ArraySource(events), MAKING)
        assert len(tape.steps) == len(tape.stream.frames) == 0


def test_the_last_times_of_a_block_are_those_of_each_clock():
    """From behind, whichever comes first."""
    rows = day.split_events()[:400]
    local = rows[rows[:, EVENT_SEEN] & SEEN_LOCAL != 0, EVENT_LOCAL_NS]
    exch = rows[rows[:, EVENT_SEEN] & 1 != 0, EVENT_EXCH_NS]
    assert last_times(rows) == (local[-1], exch[-1])


def test_the_grid_ends_with_the_last_local_event():
    """Also when it stands at the very step."""
    rows = day.events()[:2_000].copy()
    edge = int(rows[-1, EVENT_LOCAL_NS]) // day.SECOND * day.SECOND + day.SECOND
    rows[-1, EVENT_LOCAL_NS] = edge
    tape = stream_tape(ArraySource(rows), MAKING)
    assert tape.steps[-1, STEP_NOW_NS] == edge
