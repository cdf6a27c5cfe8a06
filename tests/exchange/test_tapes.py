"""From a recording to its tape, through the store and without."""

import pytest

from exchange.errors import RecordingError
from exchange.recording import Meta, Recording, load, save
from exchange.tapes import open_tape
from market.feed_delay import ConstantFeed, delay_feed
from market.layout import EVENT_LOCAL_NS
from market.tape import build_tape, cut
from tests.market import day
from tests.market.test_tape_store import MAKING, bytes_of

META = Meta(venue="v", symbol="A-B", base="A", quote="B", tick="0.01", lot="0.001")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A recording of half an hour."""
    file = tmp_path_factory.mktemp("feed") / "day.npz"
    save(file, Recording(META, day.split_events()))
    return file


def rows_of(tape):
    """Return the local rows and the frames, as bytes."""
    return [part.tobytes() for part in (tape.steps, tape.views, tape.plans, tape.stream.frames)]


def test_a_file_and_a_recording_in_memory_give_the_same_tape(path):
    """And the same one as the builder's."""
    recording = load(path)
    tape = open_tape(path, MAKING)
    assert bytes_of(tape) == bytes_of(open_tape(recording, MAKING))
    whole = build_tape(recording.events, settings=day.OBSERVER, **day.TOLD)
    assert rows_of(tape) == rows_of(whole)


def test_a_tape_is_made_once(path, tmp_path):
    """The second time nothing is read."""
    seen, told = [], []
    talk = {"progress": lambda *at: seen.append(at), "tell": told.append}
    open_tape(path, MAKING, store=tmp_path, **talk)
    assert seen[-1] == (len(day.split_events()),) * 2
    seen.clear()
    tape = open_tape(path, MAKING, store=tmp_path, **talk)
    assert seen == told == []
    assert bytes_of(tape) == bytes_of(open_tape(path, MAKING))


def test_a_damaged_tape_is_made_anew_with_one_line(path, tmp_path):
    """And is whole from then on."""
    open_tape(path, MAKING, store=tmp_path)
    (file,) = tmp_path.glob("*.tape")
    file.write_bytes(file.read_bytes()[:-5_000])
    told = []
    tape = open_tape(path, MAKING, store=tmp_path, tell=told.append)
    assert len(told) == 1
    assert "made anew" in told[0]
    assert bytes_of(open_tape(path, MAKING, store=tmp_path, tell=told.append)) == bytes_of(tape)
    assert len(told) == 1


def test_a_store_that_cannot_be_written_costs_one_line(path, tmp_path):
    """The tape is made all the same."""
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    told = []
    tape = open_tape(path, MAKING, store=tmp_path / "file" / "tapes", tell=told.append)
    assert len(tape.steps) > 0
    assert any("could not be kept" in line for line in told)


def test_a_tape_until_a_time_is_that_of_the_cut_recording(path):
    """As it stood then."""
    until = int(day.split_events()[9_000, EVENT_LOCAL_NS])
    tape = open_tape(path, MAKING, until_ns=until)
    rows = cut(day.split_events(), until)
    assert rows_of(tape) == rows_of(build_tape(rows, settings=day.OBSERVER, **day.TOLD))


def test_a_feed_of_our_own_takes_the_place_of_the_recorded_one(path, tmp_path):
    """The same as rewriting the events first; it has a key of its own."""
    events = day.split_events().copy()
    delay_feed(events, ConstantFeed(3_000_000))
    wanted = rows_of(build_tape(events, settings=day.OBSERVER, **day.TOLD))
    open_tape(path, MAKING, store=tmp_path)
    told = {"feed": ConstantFeed(3_000_000), "store": tmp_path}
    assert rows_of(open_tape(path, MAKING, **told)) == wanted
    assert len(list(tmp_path.glob("*.tape"))) == 2


def test_a_damaged_recording_gives_no_tape(path, tmp_path):
    """Nothing is kept of it."""
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0x55
    broken = tmp_path / "broken.npz"
    broken.write_bytes(bytes(raw))
    with pytest.raises(RecordingError, match="damaged"):
        open_tape(broken, MAKING, store=tmp_path / "tapes")
    assert not (tmp_path / "tapes").exists()
