"""From a recording to its tape: out of the store, or read piece by piece and kept there."""

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from exchange.order_ids import read_births
from exchange.recording import Recording
from exchange.recording_folder import open_source
from exchange.recording_stream import CutSource
from market.feed_delay import DelayedSource, FeedDelay
from market.tape import NO_IDS, Tape
from market.tape_sides import Making
from market.tape_store import StoreError, load_tape, save_tape, tape_key
from market.tape_stream import ArraySource, EventSource, stream_tape
from market.types import I8

TAPES = "tapes"
"""Folder of the tapes that are kept between runs, in the data folder."""
Progress = Callable[[int, int], None]
"""Told (events read, events expected) now and then."""


class _Told:
    """A source that says how far it has come."""

    def __init__(self, source: EventSource, progress: Progress) -> None:
        self.expected = source.expected
        self._source = source
        self._progress = progress
        self._read = 0

    def read(self, events: I8) -> int:
        """Write the next events."""
        count = self._source.read(events)
        self._read += count
        self._progress(self._read, self.expected)
        return count


def silent(*_: object) -> None:
    """Tell nobody."""


def open_tape(
    recording: Path | Recording,
    making: Making,
    *,
    feed: FeedDelay | None = None,
    until_ns: int | None = None,
    births: bool = False,
    store: Path | None = None,
    progress: Progress = silent,
    tell: Callable[[str], None] = silent,
) -> Tape:
    """Return the tape of a recording, without its events.

    Args:
        recording: a file or a folder of segments, read piece by piece, or one that lies in memory.
        making: guard interval, cycle, observer settings and latency.
        feed: delay of the feed in place of the recorded one.
        until_ns: the recording as it stood at that time.
        births: tell from the order ids of a file when each order came to its place, as fill
            model `fifo` needs it; the file is read twice and lies in memory whole for it.
        store: folder of stored tapes; None neither looks nor keeps.
        progress: told how far reading has come; not called when the tape was stored.
        tell: takes one line when a stored tape is of no use or cannot be kept.

    Raises:
        RecordingError: the recording cannot be read, is damaged, or has no order ids.
        ValueError: births of a recording in memory, where no ids are.
    """
    if births and isinstance(recording, Recording):
        raise ValueError("a recording in memory has no order ids")
    with ExitStack() as stack:
        source: EventSource
        if isinstance(recording, Recording):
            source = ArraySource(recording.events)
            # The digest in the meta is that of a file; events in memory may be others.
            content = "" if store is None else hashlib.sha256(recording.events.data).hexdigest()
        else:
            source = file = open_source(recording)
            stack.callback(file.close)
            content = file.identity
        key = ""
        if store is not None:
            key = tape_key(
                content=content,
                making=making,
                span="" if until_ns is None else f"until {until_ns}",
                feed="recorded" if feed is None else feed.text(),
                births=births,
            )
            stored = _stored(store, key, tell)
            if stored is not None:
                return stored
        born = NO_IDS
        if births and isinstance(recording, Path):
            born = read_births(recording, feed=feed, until_ns=until_ns)
        source = _Told(source, progress)
        if feed is not None:
            source = DelayedSource(source, feed)
        if until_ns is not None:
            source = CutSource(source, until_ns)
        tape = stream_tape(source, making, born=born)
    if store is not None:
        try:
            save_tape(store, key, tape)
        except OSError as error:
            tell(f"the tape could not be kept in {store}: {error.strerror or error}")
    return tape


def _stored(store: Path, key: str, tell: Callable[[str], None]) -> Tape | None:
    try:
        return load_tape(store, key)
    except StoreError as error:
        tell(f"a stored tape is of no use and is made anew: {error}")
        return None
