import errno

import pytest

from protocol import stopfile
from protocol.stopfile import (
    PREPARED_NAME,
    add_prepared,
    add_stop,
    aims_of,
    lift_stops,
    prepare_stop,
    read_stops,
    stops_in,
)

ONE, TWO = "1" * 32, "2" * 32


def test_stops_are_added_and_lifted_by_their_ids(tmp_path):
    """What is left stays; the last one takes the file with it."""
    add_stop(tmp_path, ONE, flatten=False)
    add_stop(tmp_path, TWO, flatten=True)
    assert stops_in(tmp_path) == {ONE: False, TWO: True}
    lift_stops(tmp_path, [ONE])
    assert stops_in(tmp_path) == {TWO: True}
    lift_stops(tmp_path, [TWO])
    assert stops_in(tmp_path) == {}


def test_a_guardians_stop_keeps_its_aim_beside_others(tmp_path):
    """It stops like any other, and says at which process; a stop aimed at nobody has no aim."""
    process = "a" * 32
    add_stop(tmp_path, ONE, flatten=False, silent=process)
    add_stop(tmp_path, TWO, flatten=True)
    text = (tmp_path / stopfile.STOP_NAME).read_bytes()
    assert stops_in(tmp_path) == {ONE: False, TWO: True}
    assert aims_of(text) == {ONE: process}
    assert aims_of(f"{ONE} silent nobody\n{TWO} {process}\n".encode()) == {}


def test_a_damaged_file_stops_all_the_same():
    """An id is made of what it holds and of when: a second `touch` is a new stop."""
    assert list(read_stops(b"\xff nonsense", 1).values()) == [False]
    assert read_stops(b"", 1) == read_stops(b"", 1)
    assert read_stops(b"", 1) != read_stops(b"", 2)
    assert list(read_stops(b"flatten\n", 1).values()) == [True]


def test_a_prepared_stop_needs_no_room(tmp_path, monkeypatch):
    """On a full disc the file that was made ready becomes the stop file."""
    prepare_stop(tmp_path, ONE)
    assert stops_in(tmp_path) == {}

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(stopfile, "_write", full)
    add_prepared(tmp_path, ONE)
    assert stops_in(tmp_path) == {ONE: False}
    assert not (tmp_path / PREPARED_NAME).exists()


def test_a_prepared_stop_joins_those_that_are_there(tmp_path, monkeypatch):
    """With room both hold; without, the other one holds already, and the writer is told."""
    prepare_stop(tmp_path, ONE)
    add_stop(tmp_path, TWO, flatten=False)
    add_prepared(tmp_path, ONE)
    assert set(stops_in(tmp_path)) == {ONE, TWO}
    prepare_stop(tmp_path, "3" * 32)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(stopfile, "_write", full)
    with pytest.raises(OSError, match="No space"):
        add_prepared(tmp_path, "3" * 32)
