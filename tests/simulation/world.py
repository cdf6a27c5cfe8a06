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
from agents.executor.stopfile import add_stop
from protocol.bus.frames import Header, derive_id, seal
from protocol.codec import encode
from protocol.keys import Roster
from protocol.messages import (
    Decision,
    EmergencyStop,
    Mode,
    NoUpdate,
    Rearm,
)
from protocol.topics import Channel
from tests.simulation.engine import SECOND, Engine, Node, ViolationError
from tests.simulation.faults import Fault, plan
from tests.simulation.invariants import Watch
from tests.simulation.market import market
from tests.simulation.nodes import (
    CoordinatorNode,
    ExecutorNode,
    Operator,
    OptimizerNode,
    coordinator_disk,
    executor_disk,
    optimizer_disks,
)
from tests.simulation.wire import CALM, Key, Network, Storm, keys_of

SPAN_NS = 300 * SECOND
LATEST_NS = 900 * SECOND
PEACE_NS = 70 * SECOND
"""Longer than any decision is valid."""
DECISIONS_MIN = 10
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
        self._flipped: dict[Node, tuple[Any, ...]] = {}

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
        self.engine.run(until_ns + PEACE_NS)
        self.watch.converged()

    def _heal(self) -> None:
        """End all faults, lift all stops."""
        self.engine.note("peace")
        self.at_peace = True
        self.network.storm = CALM
        self.network.cuts.clear()
        for node in self.nodes():
            node.offset_ns, node.frozen_until_ns = 0, 0
            for disk in node.disks.values():
                disk.armed = None
        self._retire()
        for wait_s in (0, 10, 20):
            self.engine.at(wait_s * SECOND, self.operator, self.operator.rearm)
            self.engine.at(
                wait_s * SECOND, self.operator, lambda: self.operator.pause(paused=False)
            )

    def _retire(self) -> None:
        """Leave one log alone in force: the one that has seen the highest epoch."""
        leader = max(self.coordinators, key=self.watch.epoch_of)
        for node in self.coordinators:
            if node is not leader:
                node.die("retired", down_ns=None)
                node.retired = True
        self.coordinators.remove(leader)
        self.coordinators.append(leader)
        leader.start()

    def _break(self, fault: Fault) -> None:
        self.engine.note(f"fault {fault}")
        getattr(self, f"_{fault.kind}")(fault)

    # --- faults ------------------------------------------------------------------------------
    def _write(self, fault: Fault) -> None:
        disks = self.node(fault.node).disks
        list(disks.values())[fault.time_ns % len(disks)].armed = fault.figure

    def _kill(self, fault: Fault) -> None:
        self.node(fault.node).die("killed", down_ns=fault.figure)

    def _storm(self, fault: Fault) -> None:
        *chances, seconds = fault.figure
        self.network.storm = storm = Storm(*chances)

        def end() -> None:
            if self.network.storm is storm:
                self.network.storm = CALM

        self.engine.at(seconds * SECOND, None, end)

    def _cut(self, fault: Fault) -> None:
        ways, seconds = fault.figure
        for way in ways:
            key = (fault.node, way)
            self.network.cuts[key] += 1
            self.engine.at(seconds * SECOND, None, lambda each=key: self._join(each))

    def _join(self, key: tuple[str, str]) -> None:
        self.network.cuts[key] = max(0, self.network.cuts[key] - 1)

    def _jump(self, fault: Fault) -> None:
        node, (jump_ns, seconds) = self.node(fault.node), fault.figure
        node.offset_ns = jump_ns
        self.engine.at(seconds * SECOND, None, lambda: setattr(node, "offset_ns", 0))

    def _freeze(self, fault: Fault) -> None:
        self.node(fault.node).frozen_until_ns = self.engine.now_ns + fault.figure * SECOND

    def _stop(self, fault: Fault) -> None:
        self.operator.stop(fault.figure)

    def _rearm(self, _: Fault) -> None:
        self.operator.rearm()

    def _stopfile(self, fault: Fault) -> None:
        key = derive_id(self.seed, "file", fault.time_ns)
        self.operator.stops.append(key)
        self.watch.stopped.add(key)
        add_stop(self.folder, key, flatten=fault.figure)

    def _pause(self, fault: Fault) -> None:
        self.operator.pause(paused=fault.figure)

    def _mode(self, fault: Fault) -> None:
        self.operator.switch(fault.figure)

    def _replay(self, fault: Fault) -> None:
        """Say old frames again, from anywhere."""
        dice = random.Random(fault.figure)
        frames = sorted(self.network.sealed)
        node = self.optimizers[0]
        if node.party is not None:
            for each in dice.sample(frames, min(40, len(frames))):
                self.network.send(node.party, each)

    def _forge(self, fault: Fault) -> None:
        """Let an optimizer's key sign what it has no right to, in its own name or another's."""
        dice, node = random.Random(fault.figure), self.node(fault.node)
        if node.party is None or not node.alive:
            return
        name = node.name if dice.random() < 0.5 else "operator"
        held = self.rules.baseline
        words = {
            "decision": Decision(
                params=held.model_copy(update={"spread_percentage": 9.0}),
                basis=(),
                mode=Mode.PEER,
                not_before=0,
                not_after=2**62,
            ),
            "rearm": Rearm(lifts=tuple(self.operator.stops[-3:]), reason="forged"),
            "emergency_stop": EmergencyStop(scope="all", flatten=False, reason="forged"),
        }
        kind = dice.choice(sorted(words))
        header = Header(
            v=1, id=derive_id(fault.figure, "forged"), type=kind, src=name, dst="executor-1",
            ts=node.clock(), ttl=60_000, enc="json", epoch=99, version=9999, gen=0,
        )  # fmt: skip
        frames = seal(self.keys[node.name], Channel.CONTROL, header, encode(words[kind]))
        self.network.send(node.party, frames)

    def _rogue(self, _: Fault) -> None:
        """Let the coordinator's key sign a decision that is no step, as a liar in its seat may."""
        leader, shell = self.coordinators[-1], self.executor.shell
        if shell is None or leader.party is None:
            return
        epoch, version = shell.state.verdict.pair
        held = shell.state.incumbent
        factor = 3.0 if held.spread_percentage < 3.0 else 0.3
        word = Decision(
            params=held.model_copy(update={"spread_percentage": held.spread_percentage * factor}),
            basis=(),
            mode=Mode.PEER,
            not_before=0,
            not_after=2**62,
        )
        header = Header(
            v=1, id=derive_id(self.seed, "rogue", self.engine.now_ns), type="decision",
            src="coordinator", dst="executor-1", ts=leader.clock(), ttl=60_000, enc="json",
            epoch=epoch, version=version + 1, gen=0,
        )  # fmt: skip
        frames = seal(self.keys["coordinator"], Channel.CONTROL, header, encode(word))
        self.network.sealed.add(frames)
        self.network.send(leader.party, frames)

    def _blackout(self, fault: Fault) -> None:
        dice = random.Random(fault.figure)
        for node in self.nodes():
            node.die("no power", down_ns=dice.randint(SECOND // 2, 10 * SECOND))

    def _switch(self, fault: Fault) -> None:
        self.coordinators[-1].disks["log"].armed = fault.node
        self.operator.switch(fault.figure)

    def _race(self, fault: Fault) -> None:
        flatten, wait_ns = fault.figure
        self.operator.stop(flatten)
        self.executor.disks["executor"].armed = fault.node
        self.engine.at(wait_ns, self.operator, self.operator.rearm)

    def _dither(self, fault: Fault) -> None:
        for place, mode in enumerate(fault.figure):
            switch = partial(self.operator.switch, mode)
            self.engine.at(place * SECOND * 2 // 3, self.operator, switch)

    def _flood(self, fault: Fault) -> None:
        """Say new words, far above the rate, in the name of a seat or of nobody."""
        node = self.optimizers[0] if fault.node == "stranger" else self.node(fault.node)
        for place in range(fault.figure):
            self.engine.at(place * 3_000_000, node, lambda at=place: self._shout(fault, node, at))

    def _shout(self, fault: Fault, node: Any, place: int) -> None:
        key = self.keys.get(fault.node) or Key(fault.node, b"unlisted", frozenset())
        header = Header(
            v=1, id=derive_id(self.seed, "flood", fault.time_ns, place), type="no_update",
            src=key.name, dst="coordinator", ts=node.clock(), ttl=60_000, enc="json",
        )  # fmt: skip
        word = NoUpdate(window=(0, 1), digest="0" * 64, reason="louder than you")
        frames = seal(key, Channel.CONTROL, header, encode(word))
        self.network.sealed.update([frames] if fault.node in self.keys else [])
        self.network.send(node.party, frames)

    def _overflow(self, fault: Fault) -> None:
        node = self.node(fault.node)
        if node.party is not None:
            node.party.slow_down(self.engine.now_ns + fault.figure * SECOND)

    def _era(self, fault: Fault) -> None:
        jump_ns, seconds = fault.figure
        for node in self.nodes():
            self._jump(replace(fault, node=node.name, figure=(jump_ns, seconds)))

    def _flip(self, fault: Fault) -> None:
        node, (which, bit) = self.node(fault.node), fault.figure
        disk = next(iter(node.disks.values()))
        table = "heard" if node is self.executor else disk.tables[0]
        if node.alive and node not in self._flipped and disk.flip(table, which, bit):
            self._flipped[node] = (disk, table, which, bit)
            node.die("bit flipped", down_ns=SECOND)

    def mend(self, node: Any) -> None:
        """Put a damaged disk right: somebody had a copy."""
        disk, *where = self._flipped.pop(node)
        disk.flip(*where)

    def _second(self, fault: Fault) -> None:
        """Copy the log; start a second coordinator from it later, beside the first or after it."""
        first, (wait_ns, lives) = self.coordinators[-1], fault.figure
        if first.shell is None or first in self._flipped:
            return
        disk = first.disks["log"].copy(self.watch.wrote)
        self.watch.forked(first.disks["log"], disk)
        other = CoordinatorNode(self, f"coordinator-{len(self.coordinators) + 1}", {"log": disk})
        other.seen = None

        def begin() -> None:
            if self.at_peace:
                return
            if not lives:
                first.die("its disk is lost", down_ns=None)
                first.retired = True
            self.coordinators.append(other)
            other.start()

        self.engine.at(wait_ns, None, begin)


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
        stack.enter_context(mock.patch.object(link, "pnl_word", lambda _: UNHEARD))
        for module, name in (
            (protocol.bus.frames, "parse_header"),
            (protocol.bus.frames, "parse_topic"),
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
