"""Fundings beside a recording that grows, and in what is made of it."""

import pytest

from exchange.errors import RecordingError
from exchange.recorder import Recorder
from exchange.recording_folder import load_recording
from exchange.recording_fundings import FUNDINGS_NAME, add_fundings, read_fundings
from market.layout import EVENT_LOCAL_NS
from tests.exchange.test_recorder import META, rows
from tests.market.day import SECOND


def test_a_funding_is_in_the_folder_and_in_the_sealed_file_of_its_time(tmp_path):
    """Those from before and after what was recorded are left out; a final rate wins."""
    events = rows()
    first_ns, last_ns = (int(events[at, EVENT_LOCAL_NS]) for at in (0, -1))
    inside = [(first_ns + part * (last_ns - first_ns) // 4, 10 * part) for part in (1, 3)]
    outside = [(first_ns - 1, 1), (last_ns + 1, 2)]
    with Recorder(tmp_path / "day", META, rotate_rows=len(events) // 2) as recorder:
        recorder.append(events[: len(events) // 2], 0)
        recorder.fund((inside[0], (inside[1][0], 7), *outside))
        recorder.fund((inside[1],))
        recorder.append(events[len(events) // 2 :], SECOND)
        recorder.flush(2 * SECOND)
        assert load_recording(tmp_path / "day").meta.funding == tuple(inside), "as it grows"
    assert load_recording(tmp_path / "day").meta.funding == tuple(inside)
    parts = [load_recording(path).meta for path in sorted((tmp_path / "day").glob("*.npz"))]
    assert len(parts) == 2
    assert sorted({row for part in parts for row in part.funding}) == inside
    for part in parts:
        assert all(part.span_ns[0] <= at <= part.span_ns[1] for at, _ in part.funding)
    (tmp_path / "day" / FUNDINGS_NAME).unlink()
    assert load_recording(tmp_path / "day").meta.funding == tuple(inside), "the files know them"


def test_fundings_that_are_damaged_are_one_line(tmp_path):
    """What was found, and what to do."""
    assert read_fundings(tmp_path) == ()
    add_fundings(tmp_path, [(2, 5), (1, -5)])
    assert read_fundings(tmp_path) == ((1, -5), (2, 5))
    (tmp_path / FUNDINGS_NAME).write_text("[[1")
    with pytest.raises(RecordingError, match="take it away"):
        read_fundings(tmp_path)
