import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.beat import BEAT_NAME, ENDED, EVERY_S, Beat, BeatFile, pack, read_beat, unpack

RUN = bytes(range(16))


@given(run=st.binary(min_size=16, max_size=16), count=st.integers(0, ENDED))
def test_a_beat_comes_back_as_it_was_written(run, count):
    """The file's 32 bytes hold the process and its count."""
    data = pack(Beat(run, count))
    assert len(data) == 32
    assert unpack(data) == Beat(run, count)


@given(at=st.integers(0, 31), bit=st.integers(0, 7))
def test_a_torn_beat_is_none(at, bit):
    """A reader that meets half of a write takes it for nothing new."""
    data = bytearray(pack(Beat(RUN, 7)))
    data[at] ^= 1 << bit
    assert unpack(bytes(data)) is None
    assert unpack(bytes(data[:at])) is None


def test_a_process_beats_at_most_ten_times_a_second(tmp_path):
    """The loop may turn much faster: it costs one comparison then."""
    file = BeatFile(tmp_path, RUN)
    for turn in range(1000):
        file.beat(turn * EVERY_S / 100)
    assert read_beat(tmp_path).count == pytest.approx(10, abs=1)


def test_a_clean_end_is_the_last_word(tmp_path):
    """Nothing is written after it; a process that never beat leaves no file."""
    BeatFile(tmp_path, RUN).end()
    assert read_beat(tmp_path) is None
    file = BeatFile(tmp_path, RUN)
    file.beat(0.0)
    assert not read_beat(tmp_path).ended
    file.end()
    file.beat(100.0)
    assert read_beat(tmp_path).ended


def test_another_process_takes_the_file_over(tmp_path):
    """The number of the process tells them apart, whatever the counts are."""
    BeatFile(tmp_path, RUN).beat(0.0)
    before = read_beat(tmp_path)
    BeatFile(tmp_path, bytes(16)).beat(0.0)
    assert read_beat(tmp_path) != before
    assert (tmp_path / BEAT_NAME).stat().st_size == 32
