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
"""Decisions more than are asked for: one decided before the spy listened has no time to tell."""
AT_ONCE = 100
"""Decisions of one house: where a master finds both widths worse for long, seats are benched."""
HOURS = 3.0
LIMIT_S = 240.0
"""Wall seconds in which the feed is played in any case."""


def trips(mode: Mode, count: int) -> dict[str, Any]:
    """Decide so many times; return ms from the last proposal of each to the executor's `received`.

    `replay` is that time with all replays; `bare` is without that of the voter in master-slave,
    and without the decisions before which the coordinator replayed what had stood. The real clock
    waits for nobody else: consensus needs two votes of three, peers are not asked.
    """
    bare: list[float] = []
    whole: list[float] = []
    while count > len(whole):
        found = _house(mode, min(AT_ONCE, count - len(whole)))
        if not found[1]:
            break
        bare += found[0]
        whole += found[1]
    return {
        "mode": mode.value,
        "decisions": len(whole),
        "bare_p50_ms": _quantile(bare, 0.5),
        "bare_p99_ms": _quantile(bare, 0.99),
        "replay_p50_ms": _quantile(whole, 0.5),
        "replay_p99_ms": _quantile(whole, 0.99),
    }


def _house(mode: Mode, count: int) -> tuple[list[float], list[float]]:
    """Decide so many times in a house of its own; return the times without and with replays, ms."""
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
        return times(heard, mode, _replayed(read_records(folder)))


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
                # a master puts one set at a time to its vote: a second one would wait for a replay
                tellers = players if mode is not Mode.MASTER_SLAVE else [players[tried % 2]]
                futures = [each.me.post("coordinator", word) for each in tellers]
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
        candidate = digest(word.candidate)
        vote = Vote(round=word.round, candidate=candidate, choice=Choice.APPROVE)
        player.me.post("coordinator", vote, ref=header.id, gen=header.gen)
        return None

    return judge


def times(
    heard: list[Overheard], mode: Mode, replayed: set[Pair]
) -> tuple[list[float], list[float]]:
    """Return how long each decision took, without and with replays, ms."""
    bare, whole = [], []
    by_id = {each.header["id"]: each for each in reversed(heard)}
    answered: set[str] = set()
    asked_ns = voted_ns = 0
    for each in heard:
        header, now_ns = each.header, int(each.header["ts"])
        if each.kind == "round":
            asked_ns = now_ns
        elif each.kind == "vote" and header["src"] == EXECUTOR:
            voted_ns = now_ns
        decision = by_id.get(header.get("ref", "")) if each.kind == "ack" else None
        if decision is None or decision.kind != "decision" or header["src"] != EXECUTOR:
            continue
        if decision.header["id"] in answered:
            continue
        answered.add(decision.header["id"])
        proposals = [by_id[name] for name in decision.body["basis"] if name in by_id]
        if not proposals:
            continue
        began_ns = max(int(each.header["ts"]) for each in proposals)
        whole.append((now_ns - began_ns) * 1e-6)
        voted = mode is Mode.MASTER_SLAVE and began_ns <= asked_ns <= voted_ns
        if (decision.header["epoch"], decision.header["version"]) not in replayed:
            bare.append(whole[-1] - (voted_ns - asked_ns) * 1e-6 * voted)
    return bare, whole


def _quantile(values: list[float], share: float) -> float | None:
    """Return the least value that so large a share of them does not exceed."""
    ranked = sorted(values)
    return round(ranked[math.ceil(len(ranked) * share) - 1], 2) if ranked else None
