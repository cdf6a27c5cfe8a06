import asyncio
import json

import pytest

from agents.coordinator.log import read_records
from agents.coordinator.records import Kind
from agents.coordinator.story import story
from agents.optimizer.shell import Optimizer
from agents.settings import Settings
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from protocol.bus.frames import derive_id
from protocol.keys import new_keys
from tests.agents.coordinator.test_shell import Executor, Running, party, settled
from tests.agents.coordinator.world import BASELINE, ident


@pytest.fixture
def settings(tmp_path):
    new_keys(tmp_path / "keys")
    save(tmp_path / "day.npz", synthetic_recording(seed=1, hours=0.5))
    document = {
        "data": str(tmp_path),
        "feed": {"path": str(tmp_path / "day.npz")},
        "parameters": BASELINE.model_dump(),
        "bus": {"folder": str(tmp_path / "b"), "keys": str(tmp_path / "keys")},
    }
    return Settings.model_validate_json(json.dumps(document))


async def test_a_seat_on_the_bus_answers_a_boundary(settings):
    """It joins, hears the boundary, thinks, and its answer stands in the log under its own id."""
    mind = Optimizer(settings, settings.data, "optimizer-1")
    async with Running(settings), party(settings, "executor-1") as one:
        executor = Executor(one)
        task = asyncio.create_task(mind.serve({}))
        await settled(one.join())
        key = executor.reach(1)
        assert key == ident("boundary", 1)
        executor.tell_seat(1, "optimizer-1")
        done = await settled(executor.done.get())
        assert done.decision is None
        mind.end()
        await settled(task)
    records = read_records(settings.data / "run")
    answers = [each.body for each in records if each.kind is Kind.ANSWER]
    own = next(body for body in answers if body["seat"] == "optimizer-1")
    assert own["id"] == derive_id(settings.seed, "optimizer-1", "answer", 1)
    assert own["update"] is None
    assert story(records)["boundaries"] == 1
