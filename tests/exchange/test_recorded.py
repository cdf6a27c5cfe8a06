import numpy as np
import pytest

from exchange.errors import VenueError
from exchange.recorded import BLOCK_STEPS, INTENT_COLUMNS, Intents, RecordedVenue
from market.layout import ACTION_CANCEL, ACTION_PLACE, BUY, SELL, STEP_ASK, STEP_BID
from tests.agents.executor.market import recording, session_for
from tests.contract.venue import Desk, VenueContract


@pytest.fixture(scope="module", params=["5ms", "sampled:80ms,2500ms"])
def session(request, tmp_path_factory):
    """Half an hour, with a steady latency and with one that changes from step to step."""
    path = recording(tmp_path_factory.mktemp("feed"))
    return session_for(path, feed={"hours": 0.5}, executor={"latency": request.param})


def venue_of(session) -> RecordedVenue:
    return RecordedVenue(
        session.tape_builder(),
        session.setup,
        first_ns=session.first_ns,
        last_ns=session.last_ns,
    )


class TestRecorded(VenueContract):
    """The recorded venue keeps the contract of all venues."""

    @pytest.fixture
    def desk(self, session):
        """Open a fresh desk over the recording."""

        async def opened() -> Desk:
            return Desk(venue_of(session), session.setup)

        return opened


async def test_the_feed_is_lived_once_from_first_to_last_step(session):
    """Every guard step of the session, each once, then the end."""
    venue = venue_of(session)
    times = [seen.now_ns async for seen in venue.events()]
    interval = session.settings.executor.guard_interval_ns
    assert times == list(range(session.first_ns, venue.last_ns + 1, interval))
    assert len(times) > BLOCK_STEPS


async def test_the_public_rows_are_those_of_the_whole_tape(session):
    """Observing block by block shows the same market as observing at once."""
    tape = session.tape_builder().advance(session.last_ns)
    venue = venue_of(session)
    first = tape.step_at(session.first_ns)
    number = first
    async for seen in venue.events():
        assert np.array_equal(seen.step_row, tape.steps[number])
        assert np.array_equal(seen.view_row, tape.views[number])
        number += 1
    assert number == tape.steps.shape[0]


def row(kind, order_id, side=0, price=0, lots=0):
    intent = np.zeros(INTENT_COLUMNS, dtype=np.int64)
    intent[:5] = (kind, order_id, side, price, lots)
    return intent


def test_a_venue_rebuilt_from_intents_goes_on_exactly_as_the_first_one(session):
    """Rebuilding at any time leads to the same reports as having lived through it."""
    lived = venue_of(session)
    sent, reports, order_id = [], [], 0
    for number in range(600):
        seen = lived.step()
        assert seen is not None
        reports.append(seen.reports.copy())
        bid, ask = int(seen.step_row[STEP_BID]), int(seen.step_row[STEP_ASK])
        rows = []
        if number % 7 == 3 and 0 < bid < ask < 1 << 60:
            rows = [
                row(ACTION_PLACE, order_id + 1, BUY, bid, 60),
                row(ACTION_PLACE, order_id + 2, SELL, ask, 60),
            ]
            if order_id:
                rows.append(row(ACTION_CANCEL, order_id))
            order_id += 2
        if rows:
            intents = Intents(seen.now_ns, np.array(rows))
            sent.append(intents)
            send(lived, intents)
    assert sum(len(each) for each in reports) > 100
    times = [session.first_ns + n * session.settings.executor.guard_interval_ns for n in range(600)]
    for cut in (0, 137, 388, 598):
        again = venue_of(session)
        again.rebuild([each for each in sent if each.now_ns <= times[cut]], times[cut])
        assert again.now_ns() == times[cut]
        for number in range(cut + 1, 600):
            seen = again.step()
            assert np.array_equal(seen.reports, reports[number]), (cut, number)
            for each in sent:
                if each.now_ns == seen.now_ns:
                    send(again, each)


def send(venue, intents):
    """Send journaled intents at the venue's present time."""
    venue.rebuild([intents], intents.now_ns)


def test_intents_of_another_recording_are_refused(session):
    """A journal beside the wrong recording is an error, not a guess."""
    venue = venue_of(session)
    foreign = Intents(session.last_ns + 1, np.array([row(ACTION_PLACE, 1, BUY, 100, 1)]))
    with pytest.raises(VenueError, match="another recording"):
        venue.rebuild([foreign], session.first_ns)
