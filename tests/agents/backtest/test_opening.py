"""The session of a backtest, from the head of its recording and its tape."""

import pytest

from agents.backtest.opening import head_of, open_backtest
from agents.feeds import feed_path
from agents.session import feed_of, open_session
from exchange.advice import AdviceError
from exchange.errors import RecordingError
from exchange.recording import load
from exchange.tapes import open_tape
from protocol.errors import SettingsError
from protocol.messages import utc_text
from tests.agents.executor.market import perpetual, recording, settings_for

BLOCK_ROWS = 256


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("feed")


@pytest.fixture(scope="module")
def feed(folder):
    return recording(folder)


@pytest.fixture(scope="module")
def funded(folder):
    return perpetual(folder)


def made(session):
    """Make the tape, as the command line does."""
    settings = session.settings
    return open_tape(
        feed_path(settings), session.making(), feed=feed_of(settings), until_ns=session.until_ns
    )


def opened(settings, make=made):
    return open_backtest(settings, make, block_rows=BLOCK_ROWS)


def start_of(path, minutes):
    """A time so many minutes into a recording, as a setting takes it."""
    return utc_text(load(path).meta.span_ns[0] + minutes * 60 * 10**9)


@pytest.mark.parametrize(
    "part",
    [
        {},
        {"hours": 0.3},
        {"hours": 50},
        {"minutes": 20},
        {"minutes": 20, "hours": 0.25},
        {"minutes": 20, "hours": 20},
        {"delay": "sampled:80ms,2500ms"},
        {"delay": "700ms", "hours": 0.3, "minutes": 3},
        {"minutes": 57},
    ],
)
@pytest.mark.parametrize("kind", ["spot", "perpetual"])
def test_it_is_the_session_that_a_whole_recording_gives(feed, funded, part, kind):
    """Span, set-up, observer, starting set, number of events."""
    path, part = (feed if kind == "spot" else funded), dict(part)
    if "minutes" in part:
        part["start"] = start_of(path, part.pop("minutes"))
    settings = settings_for(path, feed=part)
    wanted = open_session(settings)
    session, tape = opened(settings)
    assert (session.first_ns, session.last_ns) == (wanted.first_ns, wanted.last_ns)
    assert session.baseline == wanted.baseline
    assert session.meta == wanted.meta
    assert session.observer.tobytes() == wanted.observer.tobytes()
    for name, ours, theirs in zip(session.setup._fields, session.setup, wanted.setup, strict=True):
        assert ours.tobytes() == theirs.tobytes(), name
    assert (len(session.setup.funding) > 0) == (kind == "perpetual")
    assert session.event_count == wanted.event_count == tape.event_count > 1_000
    assert session.events.size == 0


def test_only_a_head_is_read_for_it(feed):
    """Warm-up and one cycle, and no more than a block beyond."""
    settings = settings_for(feed)
    _, head, whole = head_of(settings, BLOCK_ROWS)
    assert not whole
    assert len(head) < len(load(feed).events) / 4
    _, head, whole = head_of(settings_for(feed, executor={"warmup_s": 4000}), BLOCK_ROWS)
    assert whole
    assert len(head) == len(load(feed).events)


@pytest.mark.parametrize(
    "sections",
    [
        {"feed": {"hours": 0.01}},
        {"feed": {"start": "2031-01-01T00:00:00Z"}},
        {"feed": {"start": "2001-01-01T00:00:00Z"}},
        {"executor": {"warmup_s": 4000}},
        {"feed": {"funding_bps": 1.0}},
        {"feed": {"fill_model": "powr"}},
        {"feed": {"delay": "soon"}},
        {"feed": {"path": "absent.npz"}},
        {"account": {"capital": 1.0}},
    ],
)
def test_what_is_wrong_is_said_in_the_same_words_before_any_tape(feed, sections):
    """Hours, start, length, funding, model, delay, file, capital."""

    def never(session):
        raise AssertionError(session)

    settings = settings_for(feed, **sections)
    errors = (RecordingError, SettingsError, AdviceError)
    with pytest.raises(errors) as wanted:
        open_session(settings)
    with pytest.raises(errors) as found:
        opened(settings, never)
    assert str(found.value) == str(wanted.value)
