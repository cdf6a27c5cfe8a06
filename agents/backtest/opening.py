"""Opens the session of a backtest without holding its recording: a head of it, and its tape.

The head holds the warm-up, from which the starting parameters are suggested; all that comes later
is on the tape. The same settings give the same session as `session.open_session`, less its events.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from agents.costs import funding_of
from agents.feeds import existing_path, feed_path
from agents.session import Session, feed_of, needed_seconds, session_of, window
from agents.settings import Settings
from exchange.recording import Meta
from exchange.recording_folder import open_source
from exchange.recording_stream import read_head
from exchange.tapes import TAPES, Progress, open_tape, silent
from market.feed_delay import DelayedSource
from market.layout import EVENT_COLUMNS, EVENT_LOCAL_NS, EVENT_SEEN, SEEN_LOCAL, STEP_NOW_NS
from market.tape import BLOCK_ROWS, Tape, grid_of
from market.tape_sides import NO_TIME
from market.tape_stream import EventSource
from market.types import I8
from protocol.messages import utc_ns


def open_backtest(
    settings: Settings, make: Callable[[Session], Tape], *, block_rows: int = BLOCK_ROWS
) -> tuple[Session, Tape]:
    """Return a session without events, and the tape that `make` makes of it.

    Everything that is wrong with the settings or the hours is said before the tape is made.

    Args:
        settings: of feed, account, executor and risk.
        make: makes the tape of a session, as `session.making()` and `until_ns` say.
        block_rows: events of the head that are read at once.

    Raises:
        RecordingError, SettingsError, AdviceError: as `session.open_session`, and as `make`.
    """
    meta, head, whole = head_of(settings, block_rows)
    events, first_ns, last_ns = window(head, settings, whole=whole)
    session = session_of(settings, meta, events, first_ns, last_ns)
    del head, events
    session = replace(session, events=np.zeros((0, EVENT_COLUMNS), dtype=np.int64))
    tape = make(session)
    if not whole:
        last_ns = end_of(session, tape)
    funding = funding_of(session.meta, settings, first_ns, last_ns)
    setup = session.setup._replace(funding=funding)
    return replace(session, last_ns=last_ns, setup=setup, event_count=tape.event_count), tape


def stored_tape(
    session: Session, *, progress: Progress = silent, tell: Callable[[str], None] = silent
) -> Tape:
    """Return the tape of a session: kept in the data folder from an earlier run, or made and kept.

    Args:
        session: of `open_backtest`.
        progress: told how far reading has come.
        tell: takes one line when a stored tape is of no use.

    Raises:
        RecordingError: the recording cannot be read.
    """
    return open_tape(
        feed_path(session.settings),
        session.making(),
        feed=feed_of(session.settings),
        until_ns=session.until_ns,
        births=session.by_order,
        store=session.settings.data / TAPES,
        progress=progress,
        tell=tell,
    )


def head_of(settings: Settings, block_rows: int) -> tuple[Meta, I8, bool]:
    """Return (meta, events through warm-up and one cycle, whether these are all of them)."""
    interval, feed = settings.executor.guard_interval_ns, feed_of(settings)
    with open_source(existing_path(settings)) as file:
        source: EventSource = file if feed is None else DelayedSource(file, feed)
        events = read_head(source, NO_TIME, block_rows=block_rows)
        first_ns, _ = grid_of(events, interval)
        if settings.feed.start is not None:
            first_ns = max(first_ns, utc_ns(settings.feed.start))
        # The start is moved to the grid, and the grid ends before the last event.
        until_ns = first_ns + needed_seconds(settings) * 10**9 + 2 * interval
        if last_local_ns(events) <= until_ns:
            later = read_head(source, until_ns, block_rows=block_rows)
            events = np.concatenate((events, later))
    return file.meta, events, last_local_ns(events) <= until_ns


def last_local_ns(events: I8) -> int:
    """Return the time of the last event of the local clock; NO_TIME when there is none."""
    local = events[(events[:, EVENT_SEEN] & SEEN_LOCAL) != 0, EVENT_LOCAL_NS]
    return int(local[-1]) if local.size else NO_TIME


def end_of(session: Session, tape: Tape) -> int:
    """Return the last step of a session whose recording is told by its tape alone."""
    last_ns = int(tape.steps[-1, STEP_NOW_NS])
    if session.until_ns is None:
        return last_ns
    # The last of the hours that are asked for, unless the recording itself ends before.
    interval = tape.interval_ns
    return min(session.last_ns, max(last_ns, session.meta.span_ns[1] // interval * interval))
