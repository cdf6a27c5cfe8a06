"""A tape that forgets: what it still knows is what a tape knows that forgets nothing."""

import numpy as np
import pytest

from market.layout import EVENT_LOCAL_NS, STEP_NOW_NS
from market.replay import replay
from market.stream import lots_at
from market.tape_growing import SPARE, GrowingTape
from market.tape_sides import Making
from tests.market import day
from tests.market.day import SECOND

MAKING = Making(day.TOLD["interval_ns"], day.TOLD["cycle_ns"], day.OBSERVER, day.LATENCY)
KEPT_S = 417
"""No whole number of cycles."""
FIGURES = ("steps", "views", "plans")


class Coming:
    """Events as they come, so many at once; `until_ns` is how far they have."""

    def __init__(self, events, piece):
        self.events, self.piece, self.place, self.until_ns = events, piece, 0, 0

    def read(self, out):
        """Write the next events; return how many."""
        come = int(np.searchsorted(self.events[:, EVENT_LOCAL_NS], self.until_ns, side="right"))
        count = max(0, min(self.piece, len(out), come - self.place))
        out[:count] = self.events[self.place : self.place + count]
        self.place += count
        return count


def growing(piece, **told):
    """Return (the events that come, the tape of them)."""
    source = Coming(day.events(), piece)
    return source, GrowingTape(source, MAKING, head_rows=2_000, **told)


def moments():
    """Times at which one looks: now and then, often, and after a long while."""
    first, last = (int(day.events()[row, EVENT_LOCAL_NS]) for row in (0, -1))
    shares = [0.05, 0.2, 0.21, 0.2101, 0.4, *np.linspace(0.5, 0.6, 30), 0.95, 0.99]
    return [first + round(share * (last - first)) for share in shares]


@pytest.mark.parametrize("piece", [997, 1 << 16])
def test_what_it_knows_is_what_the_whole_knows(piece):
    """Rows, levels, and what candidates would have done, after each of many looks."""
    (source, forgetful), (other, whole) = growing(piece, kept_ns=KEPT_S * SECOND), growing(piece)
    for now_ns in moments():
        source.until_ns = other.until_ns = now_ns
        found, known = forgetful.advance(now_ns), whole.advance(now_ns)
        gone = len(known.steps) - len(found.steps)
        assert found.steps[0, STEP_NOW_NS] <= max(
            now_ns - KEPT_S * SECOND, known.steps[0, STEP_NOW_NS]
        )
        for each in FIGURES:
            assert getattr(found, each).tobytes() == getattr(known, each)[gone:].tobytes()
        assert found.stream.delays.tobytes() == known.stream.delays[gone:].tobytes()
        assert found.event_count == known.event_count
        same_levels(found, known)
        first = found.step_at(now_ns - KEPT_S * SECOND // 2)
        told = {"setup": day.setup(), "slices": 2}
        ours = replay(found, day.CANDIDATES, first_step=first, last_step=len(found.steps), **told)
        theirs = replay(
            known, day.CANDIDATES, first_step=first + gone, last_step=len(known.steps), **told
        )
        assert ours.tobytes() == theirs.tobytes()
    assert gone > 2 * KEPT_S
    assert ours[:, :, 0].any()


def same_levels(found, known):
    """Each level holds the same lots after any event that lies within what is known."""
    rng = np.random.default_rng(7)
    low, high = (int(found.stream.frames[row, 0]) for row in (0, -1))
    keys = found.stream.level_keys
    for _ in range(40):
        column = int(rng.choice(keys)) & ((1 << 20) - 1)
        row, cut = int(rng.integers(2)), int(rng.integers(low, high + 1))
        assert lots_at(found.stream, row, column, cut) == lots_at(known.stream, row, column, cut)


def test_it_never_holds_more_than_its_room():
    """Its arrays of steps keep their size, however long it lives or has been asleep."""
    source, tape = growing(1_000, kept_ns=KEPT_S * SECOND)
    room = KEPT_S + 1 + (KEPT_S + 1) // SPARE + 1
    times = moments()
    for now_ns in times:
        source.until_ns = now_ns
        found = tape.advance(now_ns)
        assert len(found.steps) <= room
        if now_ns < times[1]:
            continue  # its window is not told yet
        for each in (found.steps, found.views, found.plans, found.stream.frames):
            assert each.base is not None
            assert len(each.base) == room
    assert len(found.stream.hit_events) < len(day.events()) // 4


def test_what_was_handed_out_stays():
    """A search goes on over its tape while the next one is begun."""
    source, tape = growing(1_000, kept_ns=KEPT_S * SECOND)
    times = moments()
    source.until_ns = times[4]
    held = tape.advance(times[4])
    stream = held.stream
    # The last row learns when its order arrives, and the last block may yet reach farther.
    stream = stream._replace(frames=stream.frames[:-1], hit_blocks=stream.hit_blocks[:-1])
    parts = [*(getattr(held, each) for each in FIGURES), *stream]
    before = [each.tobytes() for each in parts]
    for now_ns in times[5:]:
        source.until_ns = now_ns
        tape.advance(now_ns)
    assert [each.tobytes() for each in parts] == before
