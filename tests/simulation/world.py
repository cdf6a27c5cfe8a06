"""One simulation: a seed, its processes, its faults, its watch."""

import os
import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from agents.coordinator.rules import rules_from
from protocol.keys import Roster
from protocol.messages import (
    Mode,
)
from tests.simulation.engine import SECOND, Engine, ViolationError, demand
from tests.simulation.faults import Fault, plan
from tests.simulation.havoc import Havoc
from tests.simulation.invariants import Watch
from tests.simulation.market import market
from tests.simulation.nodes import (
    FENCED_NS,
    CoordinatorNode,
    ExecutorNode,
    Operator,
    OptimizerNode,
    coordinator_disk,
    executor_disk,
    optimizer_disks,
)
from tests.simulation.wire import CALM, Network, keys_of

SPAN_NS = 300 * SECOND
LATEST_NS = 900 * SECOND
PATIENCE_NS = 420 * SECOND
"""When the operator turns to the mode that decides most, should too little have been decided."""
PEACE_NS = 70 * SECOND
"""Longer than any decision is valid."""
FAULTS_MIN, CRASHES_MIN, DECISIONS_MIN = 20, 3, 10
"""What each simulation must hold at least."""
UNHEARD = SimpleNamespace(type_name="unheard")
"""Telemetry that nobody here listens to."""


@dataclass
class Outcome:
    """What came of one simulation."""

    seed: int
    digest: str
    violation: str | None
    decisions: int
    applied: int
    crashes: int
    faults: int
    seconds: float
    counts: Counter[str]
    trace: list[str] = field(repr=False, default_factory=list)

    @property
    def rich(self) -> bool:
        """Return whether enough happened: faults, crashes among them, decisions, time."""
        return (
            self.faults >= FAULTS_MIN
            and self.crashes >= CRASHES_MIN
            and self.decisions >= DECISIONS_MIN
            and self.seconds >= SPAN_NS / SECOND
        )

    def __str__(self) -> str:
        figures = f"{self.decisions} decisions, {self.crashes} crashes, {self.faults} faults"
        return f"seed {self.seed}: {self.violation or 'sound'} ({figures}, {self.seconds:.0f} s)"


class World:
    """One simulation in the making."""

    def __init__(self, seed: int, faults: Sequence[Fault] | None = None, *, keep: bool = False):
        self.seed = seed
        dice = random.Random(f"world {seed}")
        self.lockstep = seed % 8 == 3  # feed time waits for all seats at each boundary
        self.market = market(dice.choice((2, 3)), lockstep=self.lockstep)
        self.settings = self.market.settings
        self.engine = Engine(keep=keep)
        mode = dice.choice(tuple(Mode))
        self.rules = replace(
            rules_from(self.settings),
            mode=mode,
            seed=seed,
            baseline=self.market.session.baseline,
            tuning_latency_ns=dice.choice((0, 0, 3, 12)) * SECOND,
            validity_ns=dice.choice((16, 40, 60)) * SECOND,
            hedge_windows=6,
        )
        if seed % 16 == 15:  # what is decided lapses before its cycle edge, mostly
            self.rules = replace(self.rules, tuning_latency_ns=0, validity_ns=4 * SECOND)
        self.counts: Counter[str] = Counter()
        optimizers = self.settings.optimizer_seats
        names = ("coordinator", "executor-1", *optimizers, "operator")
        self.keys = keys_of(names)
        self.network = Network(self.engine, seed, Roster(self.keys))
        self.watch = Watch(self)
        self.engine.after = self.watch.after
        self.folder = Path()  # of the stop file; real only while this is played
        wrote = self.watch.wrote
        first = CoordinatorNode(self, "coordinator", coordinator_disk(wrote))
        first.seen = None
        self.coordinators = [first]
        self.executor = ExecutorNode(self, "executor-1", executor_disk(wrote))
        self.optimizers = [OptimizerNode(self, each, optimizer_disks(wrote)) for each in optimizers]
        self.operator = Operator(self, "operator", {})
        self.liars = set()
        if dice.random() < 0.4:
            liar = dice.choice(self.optimizers)
            liar.lies = True
            self.liars.add(liar.name)
        drawn = plan(seed, SPAN_NS, optimizers, lockstep=self.lockstep)
        self.faults = drawn if faults is None else list(faults)
        self.at_peace = False
        self.havoc = Havoc(self)

    def nodes(self) -> list[Any]:
        """Return all processes."""
        return [*self.coordinators, self.executor, *self.optimizers, self.operator]

    def node(self, name: str) -> Any:
        """Return a process by name; of coordinators the newest."""
        return [
            each
            for each in self.nodes()
            if each.name == name or (name == "coordinator" and each in self.coordinators)
        ][-1]

    # --- running -----------------------------------------------------------------------------
    def play(self) -> Outcome:
        """Run to the end, or to the first violation."""
        violation = None
        with tempfile.TemporaryDirectory() as folder, patched(self):
            self.folder = Path(folder)
            try:
                self._play()
            except ViolationError as error:
                violation = str(error)
            except Exception as error:
                violation = f"crash: {type(error).__name__}: {error}"
                if os.environ.get("SIMULATION_RAISES"):
                    raise
        for node in self.nodes():
            node.end_tasks()
        if violation is not None:
            self.engine.note(violation)
        crashes = sum(each.crashes for each in self.nodes())
        return Outcome(
            self.seed,
            self.engine.digest(),
            violation,
            len(self.watch.decided),
            len(self.watch.applied),
            crashes,
            len(self.faults) + crashes,
            self.engine.now_ns / SECOND,
            self.counts + self.network.counts,
            self.engine.trace,
        )

    def _play(self) -> None:
        for node in self.nodes():
            self.engine.at(0, None, node.start)
        for fault in self.faults:
            self.engine.at(fault.time_ns, None, lambda each=fault: self._break(each))
        until_ns = SPAN_NS
        self.engine.run(until_ns)
        self.engine.at(0, None, self._heal)
        while len(self.watch.decided) < DECISIONS_MIN and until_ns < LATEST_NS:
            until_ns += 30 * SECOND
            self.engine.run(until_ns)
            if until_ns >= PATIENCE_NS and self.operator.mode is not Mode.MASTER_SLAVE:
                choose = partial(self.operator.switch, Mode.MASTER_SLAVE)
                self.engine.at(0, self.operator, choose)
        self.engine.run(until_ns + PEACE_NS)
        if not all(self._settled(each) for each in self.nodes()):
            # Two that decided under one key may find out long after: the fenced one has its rest,
            # and whoever thought itself alone meanwhile hears of it.
            self.engine.run(until_ns + PEACE_NS + FENCED_NS + PEACE_NS)
        self.watch.bounds.converged()
        count = len(self.watch.decided)
        demand(count >= DECISIONS_MIN, 20, f"{count} decisions in {until_ns // SECOND} s")

    def _settled(self, node: Any) -> bool:
        """Return whether a process has lived for a while, or will not live again."""
        if getattr(node, "retired", False):
            return True
        return node.alive and self.engine.now_ns - node.born_ns >= FENCED_NS

    def _heal(self) -> None:
        """End all faults, lift all stops."""
        self.engine.note("peace")
        self.at_peace = True
        self.network.storm = CALM
        self.network.cuts.clear()
        for node in self.nodes():
            node.set_clock(0)
            node.frozen_until_ns = 0
            for disk in node.disks.values():
                disk.armed = None
        self._retire()
        for wait_s in (0, 10, 20):  # whoever was dead at one of them is back at the next
            self.engine.at(wait_s * SECOND, None, self._lift)

    def _lift(self) -> None:
        if self.operator.alive:
            self.operator.rearm()
            self.operator.pause(paused=False)

    def _retire(self) -> None:
        """Leave one log alone in force: the one that has seen the highest epoch."""
        left = [each for each in self.coordinators if not each.retired]
        leader = max(left, key=self.watch.epoch_of)
        for node in self.coordinators:
            if node is not leader:
                node.die("retired", down_ns=None)
                node.retired = True
        self.coordinators.remove(leader)
        self.coordinators.append(leader)
        leader.start()

    def _break(self, fault: Fault) -> None:
        self.engine.note(f"fault {fault}")
        self.havoc.do(fault)


@contextmanager
def patched(world: World) -> Iterator[None]:
    """Replace what a process takes from its machine: entropy and the log on the terminal."""
    import agents.coordinator.shell
    import agents.executor.shell
    import agents.executor.shell_bus
    import agents.optimizer.shell
    import protocol.bus.batch
    import protocol.bus.frames
    import protocol.bus.hearing

    dice = random.Random(f"ids {world.seed}")
    with ExitStack() as stack:
        for module in (
            agents.coordinator.shell,
            agents.executor.shell,
            agents.executor.shell_bus,
            agents.optimizer.shell,
        ):
            stack.enter_context(mock.patch.object(module, "log", _Silent()))
        stack.enter_context(
            mock.patch.object(protocol.bus.frames, "os", SimpleNamespace(urandom=dice.randbytes))
        )
        stack.enter_context(mock.patch.object(protocol.bus.batch, "urandom", dice.randbytes))
        link = agents.executor.shell_bus
        stack.enter_context(mock.patch.object(link, "time", link.time))
        stack.enter_context(mock.patch.object(link, "participant_of", link.participant_of))
        stack.enter_context(mock.patch.object(link, "pnl_word", return_value=UNHEARD))
        for module, name in (
            (protocol.bus.frames, "parse_header"),
            (protocol.bus.frames, "parse_topic"),
            (protocol.bus.frames, "source_of"),
            (protocol.bus.frames, "preimage"),
            (protocol.bus.hearing, "decode"),
            (protocol.bus.batch, "decode_batch"),
        ):
            # Many parties read the same bytes; what they read is a pure function of them.
            once = lru_cache(maxsize=512)(getattr(module, name))
            stack.enter_context(mock.patch.object(module, name, once))
        yield


class _Silent:
    """A log that says nothing."""

    def info(self, *_: Any, **__: Any) -> None:
        """Say nothing."""

    warning = error = info


def simulate(seed: int, faults: Sequence[Fault] | None = None, *, keep: bool = False) -> Outcome:
    """Run one simulation."""
    return World(seed, faults, keep=keep).play()
