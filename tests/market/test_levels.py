"""Places in the level histories: against plain searches."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from market.layout import SEGMENT_COLUMNS, SEGMENT_EVENT, SEGMENT_KEY, SEGMENT_KEY_END
from market.levels import find_key, find_segment, rows_before

RISING = st.lists(st.integers(0, 60), max_size=30).map(sorted)


@settings(max_examples=100, deadline=None)
@given(RISING, st.integers(0, 62), st.data())
def test_rows_before_an_event_are_found_from_any_earlier_row(events, event, data):
    """The strides that grow from a near row end where a plain search does."""
    rows = np.array(events, dtype=np.int32)
    wanted = int(np.searchsorted(rows, event, side="left"))
    first = data.draw(st.integers(0, wanted))
    end = data.draw(st.integers(first, len(rows)))
    assert rows_before(rows, first, end, event) == min(wanted, end)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(-2, 110), st.data())
def test_a_segment_is_found_from_any_guess(lengths, event, data):
    """The last one that begins at or before the event; -1 before the first."""
    segments = np.zeros((len(lengths), SEGMENT_COLUMNS), dtype=np.int64)
    segments[:, SEGMENT_EVENT] = np.cumsum([3, *lengths[:-1]])
    hint = data.draw(st.integers(0, len(lengths) + 2))
    wanted = int(np.searchsorted(segments[:, SEGMENT_EVENT], event, side="right")) - 1
    assert find_segment(segments, event, hint) == wanted


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 40), max_size=20, unique=True).map(sorted), st.integers(0, 41))
def test_a_key_is_looked_for_in_its_segment_alone(keys, key):
    """Keys of the segments around it do not count."""
    segments = np.zeros((1, SEGMENT_COLUMNS), dtype=np.int64)
    segments[0, [SEGMENT_KEY, SEGMENT_KEY_END]] = 2, 2 + len(keys)
    row = np.array([50, 60, *keys, 0, 1], dtype=np.int32)
    assert find_key(row, segments, 0, key) == 2 + int(np.searchsorted(keys, key))
