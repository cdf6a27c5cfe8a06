"""What a venue saw is recorded beside its work, and reads as the market that it lived through."""

import numpy as np
import pytest

from exchange.binance.instrument import meta_of
from exchange.binance.venue import BinanceVenue
from exchange.recorder import Recorder
from exchange.recording_folder import load_recording
from exchange.recording_sink import RecordingSink
from market.layout import EVENT_KIND, KIND_CLEAR, STEP_COLUMNS, STEP_CURSOR
from market.tape import build_tape
from tests.agents.executor.market import recording, session_for
from tests.contract.venue import Desk
from tests.exchange.binance.stage import LOCKSTEP, staged
from tests.exchange.binance.test_venue_contract import record_of

pytestmark = [pytest.mark.slow, pytest.mark.slice]
KEPT = [column for column in range(STEP_COLUMNS) if column != STEP_CURSOR]


async def test_the_recording_of_a_venue_has_the_steps_that_the_venue_saw(tmp_path):
    """Byte for byte: what the executor was shown is what a replay of its recording shows."""
    path = recording(tmp_path)
    session = session_for(path, feed={"hours": 0.5})
    with staged(path, "--speed", "lockstep") as stage:
        venue = BinanceVenue(stage.settings(pace=LOCKSTEP), session.observer, record_of(session))
        opening = await venue.open()
        meta = meta_of(
            opening.known, maker_fee=opening.maker_fee, taker_fee=opening.taker_fee, spot=True
        )
        sink = RecordingSink(Recorder(tmp_path / "seen", meta, durable=False))
        venue.record(sink.add)
        desk = Desk(venue, session.setup)
        await desk.step(600)
        await venue.close()
        ended = sink.close()
    assert (ended.skipped, ended.failures, ended.doubtful, ended.sealed) == (0, 0, 0, 1)
    found = load_recording(tmp_path / "seen")
    assert found.meta.tick == session.meta.tick
    assert int((found.events[:, EVENT_KIND] == KIND_CLEAR).sum()) == 1
    tape = build_tape(
        found.events, interval_ns=10**9, cycle_ns=30 * 10**9, settings=session.observer
    )
    lived = {step.now_ns: step for step in desk.steps}
    told = [row for row in range(len(tape.steps)) if int(tape.steps[row, 0]) in lived]
    assert len(told) >= 598
    for row in told:
        step = lived[int(tape.steps[row, 0])]
        assert np.array_equal(tape.steps[row, KEPT], step.step_row[KEPT])
        assert tape.views[row].tobytes() == step.view_row.tobytes()
