"""Recording beside the work: the venue never waits, and never hears of the disk."""

import errno
import os
import threading
import time

import numpy as np
import pytest

from exchange.book_levels import Levels
from exchange.recorder import Recorder
from exchange.recording_folder import load_recording
from exchange.recording_sink import RecordingSink, last_of_levels
from exchange.segments import segments_in
from market.layout import (
    EVENT_EXCH_NS,
    EVENT_KIND,
    EVENT_LOCAL_NS,
    KIND_CLEAR,
    KIND_SNAPSHOT,
)
from tests.exchange.test_recorder import META, rows
from tests.market.day import SECOND

FAST = 0.005


def sink_at(folder, *, held_max=1_000_000, **told):
    """Return a sink that writes all the time."""
    recorder = Recorder(folder, META, durable=False, **told)
    return RecordingSink(recorder, flush_s=FAST, held_max=held_max)


def hand(sink, events, *, step=50):
    """Hand events over in messages."""
    for first in range(0, len(events), step):
        sink.add(events[first : first + step])


def until(condition, *, seconds=20):
    """Wait for what a thread does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        threading.Event().wait(FAST)


def book_of(events):
    """Return the book that events end with."""
    book = Levels()
    book.apply(events)
    return book.sides


class Disk:
    """Stands before `os`: full, or slow, when told so."""

    def __init__(self, monkeypatch):
        self.full = False
        self.open = threading.Event()
        self.open.set()
        self.write, self.waiting = os.write, 0
        monkeypatch.setattr("exchange.recorder.os.write", self._write)

    def _write(self, number, data):
        if not self.open.is_set():
            self.waiting += 1
            self.open.wait(30)
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.write(number, data)


def test_what_is_handed_over_is_read_while_it_grows_and_sealed_by_rotation(tmp_path):
    """Not one event is lost or moved, and a segment ends exactly at its boundary."""
    sink = sink_at(tmp_path / "day", rotate_ns=60 * SECOND)
    hand(sink, rows()[:3000])
    until(lambda: sink.state().held == 0)
    assert (load_recording(tmp_path / "day").events == rows()[:3000]).all()
    hand(sink, rows()[3000:])
    ended = sink.close()
    assert (load_recording(tmp_path / "day").events == rows()).all()
    assert ended.taken == len(rows())
    assert (ended.held, ended.skipped, ended.failures, ended.doubtful) == (0, 0, 0, 0)
    minutes = np.unique(rows()[:, EVENT_LOCAL_NS] // (60 * SECOND))
    assert ended.sealed == len(segments_in(tmp_path / "day")) == len(minutes)


def test_a_disk_that_is_full_for_a_while_costs_nothing(tmp_path, monkeypatch):
    """What could not be written is held and written later; the state says why it waits."""
    disk = Disk(monkeypatch)
    sink = sink_at(tmp_path / "day", rotate_ns=120 * SECOND)
    hand(sink, rows()[:2000])
    until(lambda: sink.state().held == 0)
    disk.full = True
    hand(sink, rows()[2000:4000])
    until(lambda: sink.state().failures > 3)
    assert "No space left" in sink.state().failing
    assert (load_recording(tmp_path / "day").events == rows()[:2000]).all()
    disk.full = False
    until(lambda: sink.state().held == 0)
    assert sink.state().failing == ""
    hand(sink, rows()[4000:])
    sink.close()
    assert (load_recording(tmp_path / "day").events == rows()).all()


def test_a_disk_that_stays_full_leaves_a_hole_that_shows(tmp_path, monkeypatch):
    """Beyond the bound events are skipped; then a clear, the book as it stands, and all that came.

    Nobody who reads it takes the old book for the new one.
    """
    disk = Disk(monkeypatch)
    sink = sink_at(tmp_path / "day", held_max=1000)
    hand(sink, rows()[:500])
    until(lambda: sink.state().held == 0)
    disk.full = True
    for first in range(500, 4000, 500):
        hand(sink, rows()[first : first + 500])
        failures = sink.state().failures
        until(lambda failures=failures: sink.state().failures > failures + 1)
    skipped = sink.state().skipped
    assert skipped == 2500, "a thousand are held, from then on it is one hole"
    disk.full = False
    until(lambda: sink.state().held == 0)
    hand(sink, rows()[4000:4900])
    assert sink.close().skipped == skipped
    found = load_recording(tmp_path / "day").events
    assert (found[:1500] == rows()[:1500]).all()
    assert (found[1500, [EVENT_KIND, EVENT_LOCAL_NS]] == [KIND_CLEAR, rows()[1500, 4]]).all()
    assert found[1501, EVENT_KIND] == KIND_SNAPSHOT
    assert (found[-900:] == rows()[4000:4900]).all()
    assert set(found[1501:-900, EVENT_KIND]) == {KIND_SNAPSHOT}
    assert book_of(found) == book_of(rows()[:4900])


def test_a_disk_that_hangs_never_makes_the_venue_wait(tmp_path, monkeypatch):
    """Handing over takes no time, memory stays bounded, and the book is right afterwards."""
    disk = Disk(monkeypatch)
    sink = sink_at(tmp_path / "day", held_max=1000)
    hand(sink, rows()[:500])
    until(lambda: sink.state().held == 0)
    disk.open.clear()
    hand(sink, rows()[500:900])
    until(lambda: disk.waiting)
    began = time.monotonic()
    hand(sink, rows()[900:])
    assert time.monotonic() - began < 5, "the disk hangs for thirty"
    assert sink._queued <= 1000
    assert sum(map(len, sink._passed)) < 2500
    disk.open.set()
    until(lambda: sink.state().held == 0 and not sink._passed)
    sink.add(rows()[-1:].copy())
    ended = sink.close()
    assert ended.taken == len(rows()) + 1
    found = load_recording(tmp_path / "day").events
    hole = int(np.flatnonzero(found[:, EVENT_KIND] == KIND_CLEAR)[-1])
    assert 500 <= hole <= 1900
    assert ended.skipped == len(rows()) - hole
    assert (found[:hole] == rows()[:hole]).all()
    assert found[hole, EVENT_LOCAL_NS] == rows()[hole, EVENT_LOCAL_NS]
    assert book_of(found) == book_of(rows())


def test_a_recorder_that_breaks_stops_nobody(tmp_path, monkeypatch):
    """Even a mistake of ours: it is told, and what comes is counted as missing."""
    sink = sink_at(tmp_path / "day")
    hand(sink, rows()[:1000])
    until(lambda: sink.state().held == 0)
    monkeypatch.setattr(sink.recorder, "append", lambda *_: 1 // 0)
    hand(sink, rows()[1000:2000])
    until(lambda: sink.state().skipped == 1000)
    assert "ZeroDivisionError" in sink.state().failing
    sink.close()
    assert (load_recording(tmp_path / "day").events == rows()[:1000]).all()


def test_events_from_before_there_was_a_time_stand_just_before_the_first(tmp_path):
    """A replayed feed tells its time by its messages: the book at the start has none yet."""
    events = rows()[:3000].copy()
    events[:700, [EVENT_EXCH_NS, EVENT_LOCAL_NS]] = 0
    sink = sink_at(tmp_path / "day")
    hand(sink, events)
    sink.close()
    found = load_recording(tmp_path / "day").events
    assert (found[:700, EVENT_LOCAL_NS] == events[700, EVENT_LOCAL_NS] - 1).all()
    first_ns = min(events[700, EVENT_EXCH_NS], events[700, EVENT_LOCAL_NS] - 1)
    assert (found[:700, EVENT_EXCH_NS] == first_ns).all()
    assert (found[700:] == events[700:]).all()


@pytest.mark.parametrize("count", [1, 700, 2000, 5000])
def test_the_last_of_each_level_makes_the_same_book(count):
    """What is kept of events that nobody can write is enough for the book, and small."""
    events = rows()[:count]
    short = last_of_levels(events)
    assert book_of(short) == book_of(events)
    assert len(short) <= len(np.unique(events[:, [1, 5]], axis=0)) + 1
