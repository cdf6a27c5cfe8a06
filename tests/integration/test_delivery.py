"""Decisions of the real coordinator and the real executor while something is lost or dies.

The test plays a proposer and the operator; `lossy_coordinator` is the coordinator, but for what its
hub is told to lose.
"""

import asyncio
import contextlib
import tempfile
import time
from pathlib import Path

import pytest

from agents.coordinator.audit import audit
from agents.coordinator.log import read_records
from agents.coordinator.rules import rules_from
from agents.executor.result import journaled
from agents.session import open_session
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from protocol.errors import NackCode
from protocol.messages import Ack, EmergencyStop, Mode, ModeChange, Nack, Rearm, Stage
from tests.integration.house import House, settings_in
from tests.integration.lossy_coordinator import FOR_EVER, lose, lost
from tests.protocol.spy import Spy

FINAL_S = 30.0
STOP_S = 3.0
QUIET_S = 2.2
"""Two heartbeats: who lacks something asks after the second."""
TO_EXECUTOR = [
    {"topic": "ctl.executor-1.decision", "copies": FOR_EVER},
    {"topic": "ctl.executor-1.snapshot", "copies": FOR_EVER},
]
"""Without either of them the executor cannot learn of a decision."""
ONCE = (
    {"topic": "ctl.coordinator.parameter_update"},
    {"topic": "ctl.optimizer-1.ack", "body": '"received"'},
    {"topic": "ctl.optimizer-1.ack", "body": '"decided"'},
    {"topic": "ctl.optimizer-1.ack", "body": '"applied"'},
    {"topic": "ctl.executor-1.round"},
    {"topic": "ctl.executor-1.decision"},
    {"topic": "ctl.coordinator.ack"},
    {"topic": "ctl.coordinator.ack", "skip": 1},
    {"topic": "ctl.coordinator.ack", "skip": 2},
)
"""Everything that is said between a proposal and its coming into force, each lost once."""
QUICK = ONCE[2:3]
"""What is said again at once; after `received` it takes five seconds."""


@pytest.fixture(scope="module")
def house():
    """Coordinator and executor as processes; peers, so that every set is adopted."""
    with tempfile.TemporaryDirectory(prefix="cp") as name:
        folder = Path(name)
        save(folder / "day.npz", synthetic_recording(seed=3, hours=3.0))
        settings = settings_in(
            folder,
            folder / "day.npz",
            coordinator={"mode": "peer"},
            optimizer={"validity_hours": 0.1, "tuning_latency_s": 40},
            run={"clock": "real", "speed": 40.0},
        )
        with House(settings) as made:
            made.coordinator()
            made.executor()
            yield made


@contextlib.asynccontextmanager
async def playing(house):
    """The proposer and the operator, with a spy, once the executor trades and nothing is open."""
    lose(house.folder)
    async with house.joined("optimizer-1") as proposer, house.joined("operator") as operator:
        await proposer.trading()
        await operator.trading()
        await proposer.until(lambda: proposer.logged().flight is None, "nothing is in flight")
        with Spy(house.control_out) as spy:
            yield proposer, operator, spy


async def final(future):
    """Return the answer that ends a message."""
    return (await asyncio.wait_for(future, FINAL_S)).word


async def proposed(proposer, factor=1.1):
    """Propose, wait until it is decided, and return the future of its final answer."""
    future = proposer.me.post("coordinator", proposer.update(factor))
    await proposer.until(lambda: proposer.logged().flight is not None, "it is decided")
    return future


async def settled(proposer, spy):
    """Wait until the incumbents agree, and nobody has asked for a snapshot for a while."""
    await proposer.until(proposer.agree, "the incumbents agree")
    spy.take()
    quiet_s, ends_s = time.monotonic(), time.monotonic() + FINAL_S
    while time.monotonic() < quiet_s + QUIET_S:
        await asyncio.sleep(0.1)
        asked = [each for each in spy.take() if each.kind == "snapshot_request"]
        quiet_s = time.monotonic() if asked else quiet_s
        assert time.monotonic() < ends_s, f"snapshot requests do not cease: {asked}"
    await proposer.until(proposer.agree, "the incumbents still agree")


def answered_nacks(spy):
    """Return what was said in answer to an answer."""
    answers = {each.header["id"] for each in spy.heard if each.kind in {"ack", "nack"}}
    return [each for each in spy.heard if each.header.get("ref") in answers]


async def put_through(house, rule):
    """Propose a set while one message is lost; the proposer must hear that it is in force."""
    async with playing(house) as (proposer, _, spy):
        before = len(lost(house.folder))
        lose(house.folder, rule)
        found = await final(proposer.me.post("coordinator", proposer.update(1.1)))
        assert isinstance(found, Ack)
        assert found.stage is Stage.APPLIED
        assert lost(house.folder)[before:] == [rule["topic"]]
        await proposer.until(proposer.agree, "the incumbents agree")
        spy.take()
        assert answered_nacks(spy) == []


@pytest.mark.parametrize("rule", QUICK, ids=lambda rule: rule.get("body", rule["topic"]))
async def test_a_proposer_learns_the_outcome_though_an_ack_is_lost(house, rule):
    """What was answered once is answered again when it is said again."""
    await put_through(house, rule)


@pytest.mark.slow
@pytest.mark.slice
@pytest.mark.parametrize("number", range(len(ONCE)))
async def test_any_single_message_of_a_decision_may_be_lost(house, number):
    """Each ack of either side, the round, the decision, the proposal itself."""
    await put_through(house, ONCE[number])


async def test_a_decision_lost_across_a_mode_switch_still_arrives(house):
    """It is judged by its pair alone, and afterwards nobody asks for a snapshot any more."""
    async with playing(house) as (proposer, operator, spy):
        lose(house.folder, *TO_EXECUTOR)
        future = await proposed(proposer)
        state = proposer.logged()
        other = Mode.MASTER_SLAVE if state.mode is Mode.PEER else Mode.PEER
        change = {"from": state.mode, "to": other, "gen": state.generation, "reason": "drill"}
        word = ModeChange.model_validate(change)
        assert await final(operator.me.post("coordinator", word)) == Ack(stage=Stage.DECIDED)
        assert not future.done()
        lose(house.folder)
        assert (await final(future)).stage is Stage.APPLIED
        await settled(proposer, spy)
        back = {"from": other, "to": state.mode, "gen": state.generation + 1, "reason": "back"}
        word = ModeChange.model_validate(back)
        assert await final(operator.me.post("coordinator", word)) == Ack(stage=Stage.DECIDED)


@pytest.mark.slow
@pytest.mark.slice
async def test_a_decision_that_a_stop_overtakes_is_refused_and_everybody_knows(house):
    """Judged and pending, then vetoed at its cycle edge: the proposer hears E_HALTED."""
    async with playing(house) as (proposer, operator, spy):
        future = await proposed(proposer)
        stop, key = EmergencyStop(scope="all", flatten=False, reason="drill"), "5" * 32
        halted = operator.me.post("executor-1", stop, message_id=key)
        operator.me.post("coordinator", stop, message_id=key)
        found = await final(future)
        assert isinstance(found, Nack)
        assert found.code is NackCode.HALTED
        assert await final(halted) == Ack(stage=Stage.STOPPED)
        lift = Rearm(lifts=(key,), reason="drill")
        both = [operator.me.post(dst, lift) for dst in ("executor-1", "coordinator")]
        assert [await final(each) for each in both] == [Ack(stage=Stage.RECEIVED)] * 2
        await settled(proposer, spy)


@pytest.mark.slow
async def test_a_decision_that_expires_on_its_way_is_refused_and_everybody_knows(house):
    """Lost until its `not_after` has passed: E_EXPIRED, and the incumbents agree."""
    async with playing(house) as (proposer, _, spy):
        lose(house.folder, *TO_EXECUTOR)
        future = await proposed(proposer)
        found = await final(future)
        assert isinstance(found, Nack)
        assert found.code is NackCode.EXPIRED
        lose(house.folder)
        await settled(proposer, spy)
        assert (await final(await proposed(proposer))).stage is Stage.APPLIED


@pytest.mark.slow
@pytest.mark.slice
@pytest.mark.parametrize("name", ["coordinator", "executor-1"])
async def test_a_party_that_stands_still_in_the_middle_of_a_decision_goes_on(house, name):
    """SIGSTOP for longer than a heartbeat's patience, then SIGCONT."""
    async with playing(house) as (proposer, _, spy):
        future = await proposed(proposer)
        with house.stopped(name):
            await asyncio.sleep(STOP_S)
        assert (await final(future)).stage is Stage.APPLIED
        await settled(proposer, spy)


@pytest.mark.slow
@pytest.mark.slice
@pytest.mark.parametrize("name", ["coordinator", "executor-1"])
async def test_a_party_that_is_killed_in_the_middle_of_a_decision_goes_on(house, name):
    """SIGKILL after the decision is on disk, before it is in force."""
    async with playing(house) as (proposer, _, spy):
        future = await proposed(proposer)
        house.kill(name)
        house.coordinator() if name == "coordinator" else house.executor()
        assert (await final(future)).stage is Stage.APPLIED
        await settled(proposer, spy)


async def test_every_applied_version_is_explained_by_the_log(house):
    """After all that was lost above: one entry, under one mode, for each."""
    async with playing(house) as (proposer, _, _):
        await final(proposer.me.post("coordinator", proposer.update(0.9)))
    settings = house.settings
    applied = journaled(house.folder, open_session(settings)).applied
    assert len(applied) >= 3
    assert audit(rules_from(settings), read_records(house.folder), applied) == []
