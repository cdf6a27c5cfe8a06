from hypothesis import given
from hypothesis import strategies as st

from exchange.binance.clock import DRIFT_NS, FeedClock, Offset, WallClock

SECOND = 10**9


@given(
    truth=st.integers(-(10**12), 10**12),
    ways=st.lists(st.tuples(st.integers(0, SECOND), st.integers(0, SECOND)), min_size=1),
)
def test_the_offset_is_never_further_off_than_half_the_shortest_way(truth, ways):
    """However the way there and the way back differ."""
    offset = Offset()
    for number, (there, back) in enumerate(ways):
        asked = number * 10 * SECOND
        offset.measured(asked, asked + there + truth, asked + there + back)
    kept = ways[-8:]
    assert abs(offset.ns - truth) <= min(there + back for there, back in kept) / 2 + 1


def test_a_clock_that_was_set_is_followed_at_once():
    """What was measured before counts no more, even if it was measured better."""
    offset = Offset()
    for number in range(8):
        offset.measured(number * SECOND, number * SECOND + 1_000, number * SECOND + 2_000)
    offset.measured(9 * SECOND, 16 * SECOND + 10**7, 9 * SECOND + 2 * 10**7)
    assert offset.ns == 7 * SECOND
    offset.measured(10 * SECOND, 17 * SECOND + DRIFT_NS // 2, 10 * SECOND + 2 * 10**7)
    assert len(offset.samples) == 2


def test_the_clock_of_the_wall_never_runs_backwards():
    """Even when the offset falls."""
    offset = Offset()
    clock = WallClock(offset)
    offset.measured(0, 5 * SECOND, 0)
    assert clock.now_ns(SECOND) == 6 * SECOND
    offset.measured(0, 0, 0)
    assert clock.now_ns(SECOND) == 6 * SECOND
    assert clock.wait_s(8 * SECOND, SECOND) == 2


def test_a_feed_clock_follows_the_message_that_was_least_late():
    """And a feed that paused is followed by and by."""
    clock = FeedClock(speed=10.0)
    assert clock.now_ns(0) == 0
    clock.heard(1_000 * SECOND, 0)
    clock.heard(1_009 * SECOND, SECOND)
    assert clock.now_ns(SECOND) == 1_010 * SECOND - SECOND // 64
    assert clock.wait_s(1_020 * SECOND - SECOND // 64, SECOND) == 1.0


def test_a_feed_clock_stands_still_while_nothing_can_be_heard():
    """An exchange that is restarted goes on where its feed stood, not where ours would be."""
    clock = FeedClock(speed=10.0)
    clock.heard(1_000 * SECOND, 0)
    assert clock.now_ns(SECOND) == 1_010 * SECOND
    clock.lost()
    assert clock.now_ns(9 * SECOND) == 1_010 * SECOND
    clock.heard(1_012 * SECOND, 9 * SECOND)
    assert clock.now_ns(9 * SECOND) == 1_012 * SECOND
