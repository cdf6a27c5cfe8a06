"""Paper trading of a perpetual contract: no base to begin with, and fundings as in a replay."""

import numpy as np
import pytest

from exchange.recorded import RecordedVenue
from exchange.recorder import Recorder
from exchange.recording_folder import load_recording
from exchange.recording_sink import RecordingSink
from market.layout import EVENT_LOCAL_NS, REPORT_FILL, REPORT_FUNDING, REPORT_KIND
from market.tape import TapeBuilder
from protocol.orders import Approved
from tests.agents.executor.market import perpetual, session_for
from tests.contract.venue import Desk
from tests.exchange.test_paper import paper_over, quote

STEPS = 900


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Half an hour of a contract that is funded every two minutes."""
    path = perpetual(tmp_path_factory.mktemp("feed"))
    return session_for(path, feed={"hours": 0.5}, executor={"latency": "20ms"})


async def test_a_new_account_holds_no_position(session):
    """On spot it holds plenty of both assets; a contract is not held to begin with."""
    from exchange.binance.settings import Record

    venue = paper_over(session, Record())
    opening = await venue.open()
    assert opening.base_units == 0
    assert opening.quote_units > 10**15


async def test_fills_and_fundings_are_those_of_a_replay_of_what_it_recorded(session, tmp_path):
    """Byte for byte: what is charged at a step is charged there again, over a stream lost too."""
    first_ns = int(session.events[0, EVENT_LOCAL_NS])
    venue = paper_over(session, cuts_ns=[first_ns + 200 * 10**9 + 5])
    await venue.open()
    sink = RecordingSink(
        Recorder(tmp_path / "seen", session.meta.model_copy(update={"funding": ()}))
    )
    venue.record(sink.add)
    venue.record_fundings(sink.fund)
    lived = Desk(venue, session.setup)
    sent = await quote(lived, STEPS)
    await lived.step(3)
    await venue.close()
    sink.close()
    found = load_recording(tmp_path / "seen")
    span = found.meta.span_ns
    assert found.meta.funding == tuple(
        row for row in session.meta.funding if span[0] <= row[0] <= span[1]
    )
    making, steps = session.making(), lived.steps
    builder = TapeBuilder(
        found.events,
        interval_ns=making.interval_ns,
        cycle_ns=making.cycle_ns,
        settings=making.settings,
        latency=making.latency,
    )
    setup = session.setup._replace(funding=np.array(found.meta.funding, dtype=np.int64))
    replay = RecordedVenue(builder, setup, first_ns=steps[0].now_ns, last_ns=steps[-1].now_ns)
    waiting = list(sent)
    for step in steps[: len(steps) - 2]:  # the grid of a recording ends with its last event
        again = replay.step()
        assert again is not None
        assert again.reports.tobytes() == step.reports.tobytes()
        while waiting and waiting[0][0] == step.now_ns:
            _, what = waiting.pop(0)
            await (replay.place(what) if isinstance(what, Approved) else replay.cancel(what))
    kinds = [row[REPORT_KIND] for row in lived.reports]
    assert kinds.count(REPORT_FILL) > 100
    assert kinds.count(REPORT_FUNDING) >= 5
