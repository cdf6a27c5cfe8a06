"""Proposal -> decided -> received in every mode: real coordinator and executor, proposers played.

All times are those of the headers, which each process seals with one machine's clock.
"""

import asyncio
import math
import tempfile
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from agents.coordinator.log import read_records
from agents.coordinator.records import Kind, Record
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from protocol.bus.participant import Received
from protocol.merge import digest
from protocol.messages import Ack, Choice, Mode, Pair, Stage, Vote
from tests.integration.house import House, Player, settings_in
from tests.protocol.spy import Overheard, Spy

EXECUTOR = "executor-1"
SEATS = ("optimizer-1", "optimizer-2")
FACTORS = (1.001, 1 / 1.001)
"""So near that mostly the same is quoted: who proposes worse sets ten times in a row is benched."""
SPARE = 5
"""Decisions more than are asked for: one that the next proposal overtook has no time to tell."""
HOURS = 3.0
LIMIT_S = 240.0
"""Wall seconds in which the feed is played in any case."""


def trips(mode: Mode, count: int) -> dict[str, Any]:
    """Decide so many times; return ms from the last proposal to the executor's `received`.

    `replay` is that time with all replays; `bare` is without that of the voter in master-slave,
    and without the decisions before which the coordinator replayed what had stood. The real clock
    waits for nobody else: consensus needs two votes of three, peers are not asked.
    """
    with tempfile.TemporaryDirectory(prefix="cp") as name:
        folder = Path(name)
        save(folder / "day.npz", synthetic_recording(seed=3, hours=HOURS))
        settings = settings_in(
            folder,
            folder / "day.npz",
            coordinator={"mode": mode.value},
            optimizer={"tuning_latency_s": 0},
            run={"clock": "real", "speed": 40.0, "optimizers": len(SEATS)},
        )
        with House(settings) as house:
            house.coordinator()
            house.executor()
            heard = asyncio.run(_decide(house, mode, count))
        replayed = _replayed(read_records(folder))
    return {"mode": mode.value, **figures(heard, mode, replayed)}


def _replayed(records: Iterable[Record]) -> set[Pair]:
    """Return the decisions before which the coordinator itself replayed what had stood."""
    found: set[Pair] = set()
    measured = False
    for each in records:
        if each.kind is Kind.PROPOSAL:
            measured = False
        elif each.kind is Kind.MEASURED:
            measured = True
        elif each.kind is Kind.DECISION and measured:
            epoch, version = each.body["pair"]
            found.add((epoch, version))
    return found


async def _decide(house: House, mode: Mode, count: int) -> list[Overheard]:
    async with AsyncExitStack() as stack:
        players = [await stack.enter_async_context(house.joined(name)) for name in SEATS]
        for each in players:
            each.me.on("round", _judge(each, mode))
            await each.trading()
        spy = stack.enter_context(Spy(house.control_out, ("ctl.",)))
        done, tried = 0, 0
        async with asyncio.timeout(LIMIT_S):
            while done < count + SPARE and tried < 3 * count:
                tried += 1
                word = players[0].update(FACTORS[tried % 2])
                futures = [each.me.post("coordinator", word) for each in players]
                finals = [(await each).word for each in futures]
                done += any(isinstance(each, Ack) for each in finals)
        await asyncio.sleep(0.5)
        spy.take()
        return sorted(spy.heard, key=lambda each: int(each.header["ts"]))


def _judge(player: Player, mode: Mode) -> Any:
    """Return a handler of rounds that agrees with everything."""

    def judge(received: Received) -> Ack | None:
        word, header = received.word, received.header
        if mode is not Mode.CONSENSUS:
            return Ack(stage=Stage.RECEIVED)
        candidate = digest(word.candidate)  # type: ignore[attr-defined]
        vote = Vote(round=word.round, candidate=candidate, choice=Choice.APPROVE)  # type: ignore[attr-defined]
        player.me.post("coordinator", vote, ref=header.id, gen=header.gen)
        return None

    return judge


def figures(heard: list[Overheard], mode: Mode, replayed: set[Pair]) -> dict[str, Any]:
    """Return count, p50 and p99 of what was overheard, in ms."""
    bare, whole = [], []
    by_id = {each.header["id"]: each for each in reversed(heard)}
    last: dict[str, int] = {}
    for each in heard:
        header, kind, now_ns = each.header, each.kind, int(each.header["ts"])
        if kind == "parameter_update":
            last = {"proposal": now_ns}
        elif kind == "round" and "proposal" in last:
            last.setdefault("round", now_ns)
        elif kind == "vote" and mode is Mode.MASTER_SLAVE:
            last["vote"] = now_ns
        elif kind == "ack" and header["src"] == EXECUTOR and "proposal" in last:
            answered = by_id.get(header.get("ref", ""))
            if answered is None or answered.kind != "decision":
                continue
            took_ns = now_ns - last.pop("proposal")
            voted = "round" in last and "vote" in last
            replay_ns = last["vote"] - last["round"] if voted else 0
            whole.append(took_ns * 1e-6)
            pair = (answered.header["epoch"], answered.header["version"])
            if pair not in replayed:
                bare.append((took_ns - replay_ns) * 1e-6)
    return {
        "decisions": len(whole),
        "bare_p50_ms": _quantile(bare, 0.5),
        "bare_p99_ms": _quantile(bare, 0.99),
        "replay_p50_ms": _quantile(whole, 0.5),
        "replay_p99_ms": _quantile(whole, 0.99),
    }


def _quantile(values: list[float], share: float) -> float | None:
    """Return the least value that so large a share of them does not exceed."""
    ranked = sorted(values)
    return round(ranked[math.ceil(len(ranked) * share) - 1], 2) if ranked else None
