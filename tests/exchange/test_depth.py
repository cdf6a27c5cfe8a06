"""The join of diffs and snapshot: either the book is right, or the gap is known."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.depth import BUFFER_MAX, DepthSync, Diff, Sync
from tests.examples import examples


def spot(first, last):
    return Diff(first, last, (first, last))


def test_a_snapshot_in_the_middle_drops_what_it_holds():
    """Diffs that the snapshot contains are not applied a second time."""
    sync = DepthSync()
    for diff in (spot(5, 7), spot(8, 10), spot(11, 12)):
        assert sync.diff(diff) == ()
    assert sync.snapshot(9) == (spot(8, 10), spot(11, 12))
    assert sync.diff(spot(13, 13)) == (spot(13, 13),)
    assert (sync.state, sync.last_id) == (Sync.SYNCED, 13)


def test_a_snapshot_older_than_the_first_diff_is_asked_for_again():
    """Between it and the stream something is missing."""
    sync = DepthSync()
    sync.diff(spot(5, 7))
    assert sync.snapshot(3) is None
    assert sync.state is Sync.WAITING
    assert sync.snapshot(4) == (spot(5, 7),)


def test_a_missing_diff_is_a_gap_and_nothing_passes_until_the_restart():
    """A book with a hole is not shown."""
    sync = DepthSync()
    sync.snapshot(4)
    assert sync.diff(spot(6, 7)) == ()
    assert sync.state is Sync.GAP
    assert "6..7" in sync.reason
    assert sync.diff(spot(5, 5)) == ()
    assert sync.snapshot(100) == ()
    sync.restart()
    assert sync.snapshot(7) == ()
    assert sync.diff(spot(8, 8)) == (spot(8, 8),)


def test_a_futures_book_follows_the_name_of_the_predecessor():
    """The first diff contains the snapshot's id, each later one names the one before."""
    sync = DepthSync(futures=True)
    one = Diff(8, 12, "one", previous=7)
    assert sync.diff(Diff(5, 7, "old", previous=4)) == ()
    assert sync.diff(one) == ()
    assert sync.snapshot(10) == (one,)
    two = Diff(14, 15, "two", previous=12)
    assert sync.diff(two) == (two,)
    assert sync.diff(two) == ()
    assert sync.state is Sync.SYNCED
    assert sync.diff(Diff(17, 18, "four", previous=16)) == ()
    assert sync.state is Sync.GAP


def test_a_stream_without_a_snapshot_is_given_up():
    """What is kept is bounded."""
    sync = DepthSync()
    for number in range(BUFFER_MAX + 1):
        sync.diff(spot(number + 1, number + 1))
    assert sync.state is Sync.GAP


@st.composite
def streams(draw):
    """Diffs as they happened, and as they arrived."""
    futures = draw(st.booleans())
    sent, last, update = [], 0, 0
    for _ in range(draw(st.integers(3, 14))):
        first = update + 1
        update = first + draw(st.integers(0, 2))
        levels = {draw(st.integers(1, 5)): draw(st.integers(0, 3)) for _ in range(2)}
        sent.append(Diff(first, update, tuple(levels.items()), last if futures else -1))
        last = update
    arrived = list(sent)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(arrived) - 1))
        match draw(st.sampled_from(["lose", "double", "swap", "late"])):
            case "lose" if len(arrived) > 1:
                arrived.pop(at)
            case "double":
                arrived.insert(at, arrived[at])
            case "swap":
                other = draw(st.integers(0, len(arrived) - 1))
                arrived[at], arrived[other] = arrived[other], arrived[at]
            case "late":
                arrived.append(arrived.pop(at))
    return futures, sent, arrived, draw(st.integers(0, update)), draw(st.integers(0, len(arrived)))


def book_at(sent, last_id):
    """Return the levels after every update up to an id; a diff that spans it counts whole."""
    levels = {}
    for diff in sent:
        if diff.last <= last_id:
            levels.update(diff.body)
    return levels


@settings(max_examples=examples(1_000))
@given(streams())
def test_any_loss_doubling_or_order_is_seen_or_does_no_harm(stream):
    """The book is that of the exchange at the same update id, or the state says gap."""
    futures, sent, arrived, taken, joins_at = stream
    ends = [0, *(diff.last for diff in sent)]
    snapshot_id = max(end for end in ends if end <= taken)
    sync = DepthSync(futures=futures)
    levels, joined = None, False

    def apply(diffs):
        for diff in diffs:
            levels.update(diff.body)

    for number, diff in enumerate([*arrived, None]):
        if number >= joins_at and not joined:
            kept = sync.snapshot(snapshot_id)
            if kept is not None:
                joined, levels = True, book_at(sent, snapshot_id)
                apply(kept)
        if diff is not None:
            passed = sync.diff(diff)
            assert not passed or joined
            if passed:
                apply(passed)
        if joined and sync.state is Sync.SYNCED:
            assert levels == book_at(sent, sync.last_id)
    clean = arrived == sent
    if clean and joined:
        assert sync.state is Sync.SYNCED
        assert sync.last_id == max(snapshot_id, sent[-1].last)


@pytest.mark.parametrize("futures", [False, True])
def test_an_undisturbed_stream_joins_wherever_the_snapshot_was_taken(futures):
    """No false alarm: a clean stream never shows a gap."""
    sent = [Diff(n, n, n, n - 1) for n in range(1, 30)]
    for taken in range(1, 29):
        for read in range(taken, 29):
            sync = DepthSync(futures=futures)
            for diff in sent[:read]:
                sync.diff(diff)
            kept = sync.snapshot(taken)
            assert kept is not None
            applied = [*kept]
            for diff in sent[read:]:
                applied.extend(sync.diff(diff))
            assert applied == sent[taken - futures :]
