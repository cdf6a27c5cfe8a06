"""The tape of a session: online from its events, or read from the file."""

import pytest

from agents.feeds import feed_path
from agents.session import feed_of
from exchange.tapes import open_tape
from protocol.errors import SettingsError
from tests.agents.executor.market import recording, session_for, settings_for


@pytest.fixture(scope="module")
def feed(tmp_path_factory):
    return recording(tmp_path_factory.mktemp("feed"))


@pytest.mark.parametrize("part", [{}, {"hours": 0.5}, {"hours": 0.5, "delay": "sampled:20ms,80ms"}])
def test_the_tape_from_the_file_is_the_one_that_the_venue_walks(feed, part):
    """Steps, views, plans and frames to the last step, for a part and with a feed of our own."""
    session = session_for(feed, feed=part)
    online = session.tape_builder().advance(session.last_ns)
    kept = open_tape(
        feed_path(session.settings),
        session.making(),
        feed=feed_of(session.settings),
        until_ns=session.until_ns,
    )
    assert len(online.steps) > 100
    for name in ("steps", "views", "plans"):
        assert getattr(online, name).tobytes() == getattr(kept, name).tobytes()
    assert online.stream.frames.tobytes() == kept.stream.frames.tobytes()
    assert online.stream.delays.tobytes() == kept.stream.delays.tobytes()


def test_a_feed_delay_that_cannot_be_read_is_a_settings_error(feed):
    """One line that names the setting."""
    with pytest.raises(SettingsError, match=r"feed\.delay.*recorded"):
        feed_of(settings_for(feed, feed={"delay": "soon"}))
