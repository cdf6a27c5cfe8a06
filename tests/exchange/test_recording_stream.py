"""Recordings read piece by piece: the same events, verified, in bounded memory."""

import zipfile
from unittest.mock import Mock, patch

import numpy as np
import pytest

from exchange.errors import RecordingError
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import Meta, Recording, encode, load, save
from exchange.recording_stream import CutSource, FileSource, RecordSource, read_head
from market.layout import EVENT_LOCAL_NS
from market.tape import cut
from market.tape_stream import ArraySource
from tests.market import day

META = Meta(venue="v", symbol="A-B", base="A", quote="B", tick="0.01", lot="0.001")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A recording of half an hour."""
    file = tmp_path_factory.mktemp("feed") / "day.npz"
    save(file, Recording(META, day.split_events()))
    return file


def everything(source, rows=1_000):
    """Return all events of a source."""
    parts, buffer = [], np.empty((rows, 7), dtype=np.int64)
    while count := source.read(buffer):
        parts.append(buffer[:count].copy())
    return np.concatenate(parts)


def test_a_file_in_pieces_is_the_file_at_once(path):
    """And it says what it is before it is read."""
    with FileSource(path) as source:
        assert source.expected == len(day.split_events())
        assert source.meta == load(path).meta
        assert everything(source).tobytes() == load(path).events.tobytes()


def test_records_in_memory_and_mapped_from_a_file_are_the_same_events(tmp_path):
    """Pages that were read are given back; reading them again would still work."""
    data = encode(day.split_events(), tick="0.01", lot="0.001")
    np.save(tmp_path / "data.npy", data)
    for records in (data, np.load(tmp_path / "data.npy", mmap_mode="r")):
        found = everything(RecordSource(records, tick="0.01", lot="0.001"))
        assert found.tobytes() == day.split_events().tobytes()


def test_a_changed_file_is_noticed_when_it_has_been_read(path, tmp_path):
    """The digest in its meta is that of other data."""
    other = tmp_path / "other.npz"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        raw = bytearray(old.read("data.npy"))
        raw[-64 * 50 + 8] ^= 1
        new.writestr("data.npy", bytes(raw))
        new.writestr("meta.npy", old.read("meta.npy"))
    with FileSource(other) as source, pytest.raises(RecordingError, match="sha256"):
        everything(source)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.99])
def test_a_cut_off_file_is_refused_in_one_line(path, tmp_path, share):
    """Wherever it ends."""
    raw = path.read_bytes()
    short = tmp_path / "short.npz"
    short.write_bytes(raw[: int(share * len(raw))])
    with pytest.raises(RecordingError, match=r"short\.npz: (damaged|is empty)"):
        FileSource(short)


def test_damaged_bytes_are_noticed(path, tmp_path):
    """In the middle of the packed data."""
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0x55
    broken = tmp_path / "broken.npz"
    broken.write_bytes(bytes(raw))
    with FileSource(broken) as source, pytest.raises(RecordingError, match="damaged"):
        everything(source)


def test_what_is_no_recording_is_refused(path, tmp_path):
    """Another archive, no meta, no file."""
    np.savez(tmp_path / "a.npz", other=np.zeros(3))
    with pytest.raises(RecordingError, match="no member `data`"):
        FileSource(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", data=np.zeros(3))
    with pytest.raises(RecordingError, match="no meta"):
        FileSource(tmp_path / "b.npz")
    with pytest.raises(RecordingError, match="no such file"):
        FileSource(tmp_path / "c.npz")
    shut = Mock(side_effect=PermissionError(13, "Permission denied"))
    with (
        patch("exchange.recording_stream.zipfile.ZipFile", shut),
        pytest.raises(RecordingError, match="may not be read by this user"),
    ):
        FileSource(path)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "d.npz", "w") as new:
        np.save(tmp_path / "plain.npy", np.zeros(3))
        new.write(tmp_path / "plain.npy", "data.npy")
        new.writestr("meta.npy", old.read("meta.npy"))
    with pytest.raises(RecordingError, match="columns"):
        FileSource(tmp_path / "d.npz")


def test_an_event_off_the_grid_is_named_by_its_place_in_the_recording():
    """Not by its place in the piece."""
    data = encode(day.events()[:5_000], tick="0.01", lot="0.001")
    data["px"][4_321] += 0.0031
    with pytest.raises(RecordingError, match=r"price .* of event 4321 is no multiple"):
        everything(RecordSource(data, tick="0.01", lot="0.001"))


def test_a_cut_source_is_the_cut_recording():
    """What either clock had shown, and nothing of the rest."""
    events = day.split_events()
    for at in (0, len(events) // 3, len(events) - 1):
        until = int(events[at, EVENT_LOCAL_NS]) + 1
        found = everything(CutSource(ArraySource(events), until), rows=300)
        assert found.tobytes() == cut(events, until).tobytes()


def test_the_head_of_a_recording_reaches_past_the_time_asked_for():
    """Whole blocks, no more than needed."""
    events = day.events()
    until = int(events[5_000, EVENT_LOCAL_NS])
    head = read_head(ArraySource(events), until, block_rows=1_000)
    assert 5_000 < len(head) <= 7_000
    assert head.tobytes() == events[: len(head)].tobytes()
    assert len(read_head(ArraySource(events), 1 << 62)) == len(events)


def test_a_recording_made_here_streams(tmp_path):
    """The bundled one, by its own tick and lot."""
    recording = synthetic_recording(seed=1, hours=0.1)
    save(tmp_path / "day.npz", recording)
    with FileSource(tmp_path / "day.npz") as source:
        assert everything(source).tobytes() == recording.events.tobytes()
