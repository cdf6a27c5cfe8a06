"""What is broken on purpose: a list of faults, drawn from the seed before anything runs."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from protocol.messages import Mode
from tests.simulation.engine import SECOND

MODES = tuple(Mode)
PHASES = ("before", "torn", "after", "full", "sync")
"""Where a write fails: the process dies before it, inside it, after it; the disk is full; the
write is on disk, but its fsync fails."""
DISKS = {"coordinator": "log", "executor": "executor", "optimizer-1": "votes"}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: when (simulated ns), what, to whom, and its figures."""

    time_ns: int
    kind: str
    node: str = ""
    figure: Any = None

    def __str__(self) -> str:
        return f"{self.time_ns / SECOND:8.3f} {self.kind} {self.node} {self.figure or ''}".rstrip()


def plan(seed: int, span_ns: int, nodes: tuple[str, ...], *, lockstep: bool = False) -> list[Fault]:
    """Return the faults of a seed, oldest first: at least 24, at least 4 of them crashes."""
    dice = random.Random(f"faults {seed}")
    faults: list[Fault] = []

    def add(kind: str, node: str = "", figure: Any = None, after_ns: int = 0) -> None:
        time_ns = after_ns or dice.randrange(5 * SECOND, span_ns)
        faults.append(Fault(time_ns, kind, node, figure))

    agents = ("coordinator", "executor-1", *nodes)
    for _ in range(dice.randint(4, 8)):
        add("write", dice.choice(agents), dice.choice(PHASES))
    for _ in range(dice.randint(2, 4)):
        add("kill", dice.choice(agents), dice.randint(SECOND // 2, 12 * SECOND))
    for _ in range(dice.randint(3, 6)):
        storm = (dice.choice((0, 0.1, 0.5)), dice.choice((0, 0.3)), dice.choice((0, 0.05, 0.3)))
        add("storm", "", (*storm, dice.choice((0, SECOND, 8 * SECOND)), dice.randint(2, 20)))
    for _ in range(dice.randint(3, 6)):
        way = dice.choice((("in",), ("out",), ("in", "out")))
        add("cut", dice.choice(agents), (way, dice.choice((2, 5, 10, 20, 60))))
    for _ in range(dice.randint(1, 3)):
        jump = dice.choice((-1, 1)) * dice.choice((SECOND, 20 * SECOND, 3600 * SECOND))
        add("jump", dice.choice(agents), (jump, dice.randint(2, 30)))
    for _ in range(dice.randint(1, 3)):
        add("freeze", dice.choice(agents), dice.randint(1, 20))
    for _ in range(dice.randint(1, 3)):
        begin_ns = dice.randrange(5 * SECOND, span_ns)
        add("stop", "", dice.random() < 0.4, begin_ns)
        but_one = dice.random() < 0.3
        add("rearm", "", but_one, begin_ns + dice.randint(1, 15) * SECOND)
    if dice.random() < 0.3:
        begin_ns = dice.randrange(5 * SECOND, span_ns)
        add("stopfile", "", dice.random() < 0.4, begin_ns)
        add("rearm", "", None, begin_ns + dice.randint(1, 15) * SECOND)
    if dice.random() < 0.4:
        begin_ns = dice.randrange(5 * SECOND, span_ns)
        add("pause", "", True, begin_ns)
        add("pause", "", False, begin_ns + dice.randint(1, 10) * SECOND)
    for _ in range(dice.randint(0, 4)):
        add("mode", "", dice.choice(MODES))
    for _ in range(dice.randint(2, 6)):
        add("forge", dice.choice(nodes), dice.randrange(1 << 30))
    for _ in range(dice.randint(1, 4)):
        add("replay", "", dice.randrange(1 << 30))
    if dice.random() < 0.3:
        add("flip", dice.choice(agents), (dice.randrange(1 << 20), dice.randrange(1 << 20)))
    # A lockstep run is one machine and one folder, whose lock a second coordinator meets.
    if dice.random() < 0.35 and not lockstep:
        add("second", "", (dice.choice((0, dice.randint(1, 60))) * SECOND, dice.random() < 0.6))
    if dice.random() < 0.5:
        add("rogue")
    odd(dice, add, agents)
    twins(dice, add, lockstep=lockstep)
    return sorted(faults, key=lambda each: (each.time_ns, each.kind, each.node))


def odd(dice: random.Random, add: Callable[..., None], agents: tuple[str, ...]) -> None:
    """Add what happens rarely: several things at once, and loud or slow neighbours."""
    if dice.random() < 0.25:  # the power is cut: everything ends at the same instant
        add("blackout", "", dice.randrange(1 << 30))
    if dice.random() < 0.4:  # a switch, and the coordinator dies at one of its next writes
        add("switch", dice.choice(PHASES), dice.choice(MODES))
    if dice.random() < 0.4:  # a stop and its rearm within a moment, and the executor dies there
        add(
            "race",
            dice.choice(PHASES),
            (dice.random() < 0.4, dice.randrange(100_000_000), dice.random() < 0.5),
        )
    if dice.random() < 0.25:  # somebody cannot make up his mind
        add("dither", "", tuple(dice.choice(MODES) for _ in range(5)))
    if dice.random() < 0.3:  # ten times as many frames as anybody may say, or of nobody we know
        add("flood", dice.choice((*agents[2:], "stranger")), dice.randint(700, 900))
    if dice.random() < 0.25:  # a seat that has lost its mind, until it is benched
        add("nonsense", dice.choice(agents[2:]), dice.randint(9, 14))
    if dice.random() < 0.4:  # a reader so slow that its queue overflows
        add("overflow", dice.choice(agents), dice.randint(3, 20))
    if dice.random() < 0.3:  # a key is changed while everything goes on
        name = dice.choice(("coordinator", "executor-1", *agents[2:], "operator"))
        add("rotate", name, dice.randrange(1 << 30))
    if dice.random() < 0.2:  # the time of all machines is set at once
        add("era", "", (dice.choice((-1, 1)) * 3600 * SECOND, dice.randint(5, 60)))


def twins(dice: random.Random, add: Callable[..., None], *, lockstep: bool) -> None:
    """Add what two things must meet for: a pair with two sets, an answer and a clock set on it."""
    if dice.random() < 0.5:  # its key signs another set under the pair in force
        add("imposter")
    for _ in range(2 * lockstep):  # all clocks are set while an answer flies
        add("late", "", dice.randint(2, 12))
