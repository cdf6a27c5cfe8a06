"""A recording that grows: nothing that was flushed is lost, nothing torn is read."""

import functools
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exchange.audit import check
from exchange.book_levels import Levels
from exchange.errors import RecordingError
from exchange.recorder import Recorder
from exchange.recording import Meta, Recording, load, save
from exchange.recording_folder import FolderSource, load_recording, open_source
from exchange.recording_stream import FileSource
from exchange.segments import is_segment_folder, segments_in
from exchange.tapes import open_tape
from market.book import apply, new_book, window_for
from market.layout import (
    BUY,
    EVENT_COLUMNS,
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOCAL_NS,
    EVENT_SEEN,
    KIND_CLEAR,
    KIND_SNAPSHOT,
    KIND_TRADE,
    SELL,
)
from market.tape import build_tape
from market.tape_growing import GrowingTape
from market.tape_sides import Making
from tests.market import day
from tests.market.day import SECOND

META = Meta(
    venue="binance-spot", symbol="BTC-USDT", base="BTC", quote="USDT", tick="0.01", lot="0.001"
)
MAKING = Making(day.TOLD["interval_ns"], day.TOLD["cycle_ns"], day.OBSERVER, day.LATENCY)
STREAM = ("hit_events", "hit_codes", "hit_lots", "hit_ns", "frames", "delays", "base")


@functools.cache
def rows():
    """Some minutes of the artificial day."""
    events = day.events()
    return events[: int(np.searchsorted(events[:, EVENT_LOCAL_NS], events[0, 4] + 600 * SECOND))]


def record(folder, events, *, step=100, close=True, **told):
    """Record events in messages of `step` rows; return the recorder."""
    recorder = Recorder(folder, META, durable=False, **told)
    for first in range(0, len(events), step):
        part = events[first : first + step]
        recorder.append(part, int(part[-1, EVENT_LOCAL_NS]))
    if close:
        recorder.close()
    return recorder


def leave(recorder):
    """End as a killed process does: nothing more is written."""
    if recorder._file is not None:
        os.close(recorder._file)
    os.close(recorder._lock)


def read_all(source, block=997):
    """Read until nothing comes."""
    parts = [np.zeros((0, EVENT_COLUMNS), dtype=np.int64)]
    while True:
        events = np.empty((block, EVENT_COLUMNS), dtype=np.int64)
        count = source.read(events)
        if count == 0:
            return np.concatenate(parts)
        parts.append(events[:count])


def test_what_was_recorded_is_read_again_whatever_was_rotated(tmp_path):
    """The folder is the recording; each sealed segment is one of its own, and passes its check."""
    recorder = record(tmp_path / "day", rows(), rotate_ns=120 * SECOND)
    whole = load_recording(tmp_path / "day")
    assert (whole.events == rows()).all()
    assert len(recorder.sealed) == len(segments_in(tmp_path / "day")) >= 5
    assert all(audit.passed for _, audit in recorder.sealed), recorder.sealed
    assert check(whole).passed
    assert whole.meta.counts.trades == int((rows()[:, EVENT_KIND] == KIND_TRADE).sum())
    assert recorder.tally.rows == len(rows())
    assert recorder.tally.clock_raised == 0
    meta = save(tmp_path / "one.npz", whole)
    assert load(tmp_path / "one.npz").meta == meta
    assert is_segment_folder(tmp_path / "day")
    assert not is_segment_folder(tmp_path)
    assert not is_segment_folder(tmp_path / "one.npz")


def test_a_sealed_segment_begins_with_the_book_of_the_one_before(tmp_path):
    """So it replays alone: the same levels as the recording has at its end."""
    record(tmp_path / "day", rows(), rotate_ns=200 * SECOND)
    sealed = [load(path) for path in segments_in(tmp_path / "day").values()]
    assert sealed[1].events[0, EVENT_KIND] == KIND_SNAPSHOT
    books = []
    for events in (rows(), sealed[-1].events):
        levels, touch = new_book(*window_for(rows()))
        for kind, side, _, _, _, price, lots in events.tolist():
            if kind != KIND_TRADE:
                apply(levels, touch, kind, side, price, lots)
        books.append(levels)
    assert (books[0] == books[1]).all()


def test_the_segments_of_an_hour_that_was_taken_away_are_read_from_the_next_one_on(tmp_path):
    """Then the book in front of the first one counts; a hole in the middle is refused."""
    folder = tmp_path / "day"
    record(folder, rows(), rotate_ns=150 * SECOND)
    paths = list(segments_in(folder).values())
    middle = paths[2].rename(tmp_path / "away.npz")
    with pytest.raises(RecordingError, match="segment 3 is missing"):
        load_recording(folder)
    middle.rename(paths[2])
    paths[0].unlink()
    rest = load_recording(folder)
    assert rest.events[0, EVENT_KIND] == KIND_SNAPSHOT
    assert (rest.events[-1000:] == rows()[-1000:]).all()
    assert check(rest).passed


def test_a_torn_tail_is_cut_at_every_byte(tmp_path):
    """A row that is half there is never read, and the next recorder goes on behind it."""
    events = rows()[:300]
    record(tmp_path / "day", events, close=False).flush(0)
    path = tmp_path / "day" / "000001.segment"
    whole = path.read_bytes()
    for cut in range(65):
        folder = tmp_path / f"cut{cut}"
        folder.mkdir()
        (folder / path.name).write_bytes(whole[: len(whole) - cut])
        kept = 300 - (cut + 63) // 64
        assert (load_recording(folder).events == events[:kept]).all()
        with Recorder(folder, META, durable=False) as recorder:
            recorder.append(rows()[300:400], 0)
        again = load_recording(folder).events
        assert (again[:kept] == events[:kept]).all()
        assert again[kept, EVENT_KIND] == KIND_CLEAR
        assert (again[kept + 1 :] == rows()[300:400]).all()


def test_rows_that_a_power_cut_left_empty_are_no_data(tmp_path):
    """Zeros at the end of a file are the disk's, not the market's."""
    recorder = record(tmp_path, rows()[:300], close=False)
    recorder.flush(0)
    leave(recorder)
    path = tmp_path / "000001.segment"
    path.write_bytes(path.read_bytes() + bytes(640))
    assert len(load_recording(tmp_path).events) == 300
    Recorder(tmp_path, META).close()
    assert len(load(tmp_path / "000001.npz").events) == 300


@settings(max_examples=15, deadline=None)
@given(
    deeds=st.lists(
        st.tuples(st.integers(1, 4_000), st.booleans(), st.booleans(), st.floats(0.0, 1.0)),
        max_size=12,
    ),
    head=st.sampled_from([1 << 16, 3_000]),
)
@example(deeds=[(1, True, True, 0.5)] * 3 + [(3_999, True, True, 0.9)] * 2, head=3_000)
def test_any_split_of_appends_and_advances_gives_the_same_tape(deeds, head):
    """Follow a growing folder through rotations and seals: the bytes of `build_tape`."""
    events = day.split_events()[:12_000]
    whole = build_tape(events, settings=day.OBSERVER, **day.TOLD)
    start, end = int(events[0, EVENT_LOCAL_NS]), int(events[-1, EVENT_LOCAL_NS])
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        recorder = Recorder(folder, META, durable=False, rotate_ns=60 * SECOND)
        first, growing = 0, None
        for step, flushes, seals, share in [*deeds, (len(events), True, True, 1.0)]:
            part = events[first : first + step]
            first += step
            now_ns = int(events[min(first, len(events)) - 1, EVENT_LOCAL_NS])
            recorder.append(part, now_ns)
            if flushes:
                recorder.flush(now_ns)
            if growing is None:
                source = stack.enter_context(FolderSource(folder, follow=True))
                growing = GrowingTape(source, MAKING, head_rows=head)
            if seals:
                recorder.seal()
            tape = growing.advance(start + round(share * (end - start)))
            count = len(tape.steps)
            assert tape.views.tobytes() == whole.views[:count].tobytes()
            assert tape.steps.tobytes() == whole.steps[:count].tobytes()
        recorder.close()
        tape = growing.finish()
    for made in ("steps", "views", "plans"):
        assert getattr(tape, made).tobytes() == getattr(whole, made).tobytes()
    for made in STREAM:
        assert getattr(tape.stream, made).tobytes() == getattr(whole.stream, made).tobytes()
    assert tape.event_count == whole.event_count
    if head > len(events):
        assert (tape.base, tape.width) == (whole.base, whole.width)


def test_the_tape_of_a_folder_is_the_tape_of_its_file(tmp_path):
    """What a backtest opens; a stored tape is told apart by what the folder holds."""
    recorder = record(tmp_path / "day", rows(), close=False, rotate_ns=120 * SECOND)
    recorder.seal()
    recorder.flush(0)
    store = tmp_path / "store"
    tape = open_tape(tmp_path / "day", MAKING, store=store)
    whole = build_tape(rows(), settings=day.OBSERVER, **day.TOLD)
    for made in ("steps", "views", "plans"):
        assert getattr(tape, made).tobytes() == getattr(whole, made).tobytes()
    recorder.lost(1 << 61, 1 << 61, 0)
    recorder.append(rows()[:10], 1 << 61)
    assert len(list(store.iterdir())) == 1
    with FolderSource(tmp_path / "day") as source:
        assert source.expected == len(rows()) + 11
    recorder.close()


def test_two_readers_that_look_at_different_moments_have_one_tape(tmp_path):
    """What is known at a time is told by the events until then, not by when one looks."""
    events = rows()
    at_ns = int(events[len(events) // 2, EVENT_LOCAL_NS])
    recorder = Recorder(tmp_path, META, durable=False)
    recorder.append(events[: len(events) * 2 // 3], 10 * SECOND)
    with FolderSource(tmp_path, follow=True) as source:
        first = GrowingTape(source, MAKING).advance(at_ns)
    recorder.append(events[len(events) * 2 // 3 :], 20 * SECOND)
    recorder.close()
    with FolderSource(tmp_path, follow=True) as source:
        late = GrowingTape(source, MAKING)
        second = late.advance(at_ns)
    assert (first.base, first.width, first.event_count) == (
        second.base,
        second.width,
        second.event_count,
    )
    for made in ("steps", "views", "plans"):
        assert getattr(first, made).tobytes() == getattr(second, made).tobytes()
    for made in STREAM:
        assert getattr(first.stream, made).tobytes() == getattr(second.stream, made).tobytes()
    assert late.known_ns > at_ns


def test_a_lost_stream_is_a_clear_and_times_never_run_back(tmp_path):
    """The audit as it goes counts both, and the recording passes its check."""
    events = rows()[:2_000].copy()
    events[1_000, [EVENT_EXCH_NS, EVENT_LOCAL_NS]] -= 5 * SECOND
    with Recorder(tmp_path, META) as recorder:
        recorder.append(events[:1_500], 0)
        now_ns = int(events[1_499, EVENT_LOCAL_NS]) + 90 * SECOND
        recorder.lost(now_ns, now_ns, now_ns)
        book = Levels()
        book.apply(events[:1_500])
        recorder.append(book.snapshot(now_ns, now_ns), now_ns)
    assert recorder.tally.clock_raised == 1
    assert (recorder.tally.clears, recorder.tally.silences) == (1, 1)
    assert recorder.tally.longest_silence_ns == 90 * SECOND
    whole = load_recording(tmp_path)
    assert whole.events[1_500, EVENT_KIND] == KIND_CLEAR
    assert whole.meta.counts.clears == whole.meta.counts.clock_raised == 1
    found = check(whole)
    assert found.passed, found.errors
    assert any("lost its connection" in text for text in found.warnings)


@pytest.mark.parametrize(("side", "price"), [(BUY, 9_990), (SELL, 10_020), (0, 0), (SELL, 0)])
def test_a_clear_means_the_same_to_the_recorder_as_to_the_book(side, price):
    """From the touch to the price, that price included; of side 0 everything."""
    made = [(4, BUY, 3, 1, 1, 9_990 - k, 5 + k) for k in range(-5, 5)]
    made += [(4, SELL, 3, 1, 1, 10_020 + k, 5 + k) for k in range(-5, 5)]
    made.append((KIND_CLEAR, side, 3, 2, 2, price, 0))
    events = np.array(made, dtype=np.int64)
    book = Levels()
    book.apply(events)
    levels, touch = new_book(0, 20_000)
    for kind, which, _, _, _, at, lots in made:
        apply(levels, touch, kind, which, at, lots)
    for row, which in ((0, BUY), (1, SELL)):
        kept = {int(at): int(levels[row, at]) for at in np.flatnonzero(levels[row])}
        assert book.sides[which] == kept


def test_one_recorder_a_folder_and_one_instrument(tmp_path):
    """A second one, or another symbol, is refused before anything is written."""
    recorder = Recorder(tmp_path, META)
    with pytest.raises(RecordingError, match="another recorder"):
        Recorder(tmp_path, META)
    recorder.append(rows()[:10], 10 * SECOND)
    leave(recorder)
    with pytest.raises(RecordingError, match="holds binance-spot BTC-USDT"):
        Recorder(tmp_path, META.model_copy(update={"symbol": "ETH-USDT"}))
    Recorder(tmp_path, META).close()


def test_a_full_disk_leaves_whole_rows(tmp_path, monkeypatch):
    """Half of a write is taken back; once there is room, it is written again."""
    recorder = Recorder(tmp_path, META)
    recorder.append(rows()[:100], 0)
    recorder.flush(0)
    recorder.append(rows()[100:200], 0)
    real = os.write

    def half(number, raw):
        if len(raw) < 6_000:
            raise OSError(28, "No space left on device")
        return real(number, raw[:5_000])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        with pytest.raises(RecordingError, match="No space left"):
            recorder.flush(0)
    assert len(load_recording(tmp_path).events) == 100
    recorder.close()
    assert (load_recording(tmp_path).events == rows()[:200]).all()


def test_a_foreign_file_among_segments_is_named(tmp_path):
    """One line that says which file, and what to do."""
    (tmp_path / "000001.segment").write_bytes(b"something else altogether, and longer")
    with pytest.raises(RecordingError, match=r"000001\.segment: is no segment"):
        load_recording(tmp_path)
    with pytest.raises(RecordingError, match="no segment in it"):
        FolderSource(_empty(tmp_path))


def _empty(folder):
    made = folder / "empty"
    made.mkdir()
    return made


def test_a_segment_that_is_sealed_while_it_is_read_is_read_to_its_end(tmp_path):
    """The reader holds the rows open, and goes on with the next segment."""
    recorder = Recorder(tmp_path, META, durable=False, rotate_rows=1_000)
    recorder.append(rows()[:900], 10 * SECOND)
    with FolderSource(tmp_path, follow=True) as source:
        assert len(read_all(source)) == 900
        recorder.append(rows()[900:1_200], 20 * SECOND)
        recorder.append(rows()[1_200:1_500], 30 * SECOND)
        recorder.seal()
        assert not (tmp_path / "000001.segment").exists()
        assert (read_all(source) == rows()[900:1_500]).all()
    with open_source(tmp_path) as still, FolderSource(tmp_path) as again:
        recorder.append(rows()[1_500:1_600], 40 * SECOND)
        assert still.identity == again.identity
        assert len(read_all(still)) == still.expected == 1_500
    recorder.close()
    with FileSource(tmp_path / "000001.npz") as sealed:
        assert sealed.meta.notes["opening"] == 0
    with FolderSource(tmp_path) as other:
        assert other.identity != again.identity


def test_a_recording_of_a_folder_has_the_records_of_its_segments(tmp_path):
    """Both clocks, to the last bit, and the header's instrument."""
    record(tmp_path, day.split_events()[:5_000])
    found = load_recording(tmp_path)
    assert isinstance(found, Recording)
    assert (found.events == day.split_events()[:5_000]).all()
    assert (found.events[:, EVENT_SEEN] != 3).any()
    with FolderSource(tmp_path) as source:
        assert source.meta.symbol == META.symbol
