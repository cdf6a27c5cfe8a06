"""The plain door: unsigned documents from a program that has pyzmq and json alone."""

import asyncio
import json
import sys

import pytest

from agents.coordinator.log import read_records
from agents.coordinator.plain import BURST, PlainDoor
from agents.coordinator.records import Kind
from agents.settings import Settings
from bench.ports import free_ports
from protocol.errors import NackCode
from protocol.messages import Mode, utc_text
from tests.agents.coordinator.test_shell import (
    BASELINE,
    WAIT_S,
    Executor,
    Running,
    party,
    settings,
    settled,
    with_mode,
)
from tests.agents.coordinator.world import BOUNDARY, START

__all__ = ["settings"]
PUBLISHER = """
import json, sys, time, zmq

port, document, topic = int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3:]
out = zmq.Context().socket(zmq.PUB)
out.connect(f"tcp://127.0.0.1:{port}")
while True:  # a publisher never learns what was lost: it says the same thing again
    out.send_multipart([each.encode() for each in topic] + [json.dumps(document).encode()])
    time.sleep(0.05)
"""
DOCUMENT = {
    "timestamp": utc_text(START + BOUNDARY),
    "source_agent": "julia_rl",
    "target_agent": "python_optimizer",
    "message_type": "parameter_update",
    "data": {
        "optimized_params": BASELINE.model_dump() | {"spread_percentage": 0.24},
        "performance_metrics": {"sqn_score": 2.45, "sharpe_ratio": 1.8, "max_drawdown": 0.05},
        "confidence_score": 0.87,
    },
}


def plain(settings, port, **coordinator):
    """The same bus with the door open."""
    document = json.loads(settings.model_dump_json())
    document["coordinator"] |= {"accept_plain": port, **coordinator}
    return Settings.model_validate_json(json.dumps(document))


async def logged(settings, kind):
    """Wait for an entry of the log; return the first of that kind."""
    async with asyncio.timeout(WAIT_S):
        while True:
            found = [each for each in read_records(settings.data / "run") if each.kind is kind]
            if found:
                return found[0].body
            await asyncio.sleep(0.05)


class Publisher:
    """A program in a process of its own that says one document again and again."""

    def __init__(self, port, document, *topic):
        self.arguments = ("-c", PUBLISHER, str(port), json.dumps(document), *topic)

    async def __aenter__(self):
        self.process = await asyncio.create_subprocess_exec(sys.executable, *self.arguments)

    async def __aexit__(self, *_):
        self.process.kill()
        await self.process.wait()


@pytest.mark.parametrize("topic", [(), ("parameter_update",)], ids=["bare", "topic"])
async def test_a_bare_document_is_decided_by_the_executors_vote(settings, topic):
    """One frame, or a topic before it; said many times, it is one proposal of one id."""
    port = free_ports()
    settings = plain(with_mode(settings, Mode.MASTER_SLAVE, optimizers=0), port)
    async with Running(settings) as running, party(settings, "executor-1") as one:
        executor = Executor(one)
        await settled(one.join())
        executor.reach(1)  # the coordinator learns the venue time
        await settled(executor.done.get())
        async with Publisher(port, DOCUMENT, *topic):
            body = await logged(settings, Kind.APPLIED)
        assert body["pair"] == list(executor.decisions[0])
        assert running.fenced is None
    records = read_records(settings.data / "run")
    proposals = [each.body for each in records if each.kind is Kind.PROPOSAL]
    assert [each["src"] for each in proposals] == ["plain"]
    assert proposals[0]["update"]["source_agent"] == "julia_rl"


@pytest.mark.parametrize("mode", [Mode.PEER, Mode.HIERARCHICAL, Mode.CONSENSUS])
async def test_other_modes_take_nothing_plain_and_the_log_says_so(settings, mode):
    """E_MODE, with the document that it was: there is no way back to its publisher."""
    port = free_ports()
    settings = plain(with_mode(settings, mode), port, mode=mode.value)
    async with Running(settings), Publisher(port, DOCUMENT):
        body = await logged(settings, Kind.REFUSED)
    assert body["code"] == "E_MODE"
    kinds = [each.kind for each in read_records(settings.data / "run")]
    assert kinds.count(Kind.PROPOSAL) == kinds.count(Kind.REFUSED) == 1
    assert Kind.DECISION not in kinds


async def test_nonsense_at_the_plain_door_is_a_fault_in_the_log(settings):
    """Bounds and shapes are those of a signed word."""
    port = free_ports()
    settings = plain(settings, port)
    params = DOCUMENT["data"]["optimized_params"] | {"levels": 0}
    wrong = DOCUMENT | {"data": DOCUMENT["data"] | {"optimized_params": params}}
    async with Running(settings), Publisher(port, wrong):
        body = await logged(settings, Kind.FAULT)
    assert (body["seat"], body["code"]) == ("plain", "E_BOUNDS")
    assert "levels must be in [1, 50], found 0" in body["detail"]


def test_the_door_takes_a_document_a_second_and_drops_the_rest():
    """Ten at once, then one a second; one that is said again spends nothing; others are none."""
    taken, refused, now = [], [], [0]
    door = PlainDoor(
        9, clock=lambda: now[0], take=lambda key, _: taken.append(key),
        refuse=lambda _key, code, _detail: refused.append(code),
    )  # fmt: skip
    texts = [json.dumps(DOCUMENT | {"source_agent": f"agent{each}"}).encode() for each in range(30)]
    for text in texts:
        door.hear([text])
        door.hear([b"topic", text])
    assert len(taken) == BURST
    assert set(refused) == {NackCode.BUSY}
    now[0] = 1_000_000_000
    door.hear([texts[-1]])
    assert len(taken) == BURST + 1
    for frames in ([b"a", b"b", texts[0]], [b"t" * 300, texts[1]], [b"[]"], [b"\xff"]):
        now[0] += 1_000_000_000
        door.hear(frames)
    assert refused[-4:] == [NackCode.SCHEMA] * 4
