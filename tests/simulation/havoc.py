"""Breaks things: one method for each kind of fault, by its name in `faults`."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from protocol.bus.frames import Header, derive_id, seal
from protocol.codec import encode
from protocol.keys import Roster
from protocol.messages import CoordinatorHeartbeat, Decision, EmergencyStop, Mode, NoUpdate, Rearm
from protocol.stopfile import add_stop
from protocol.topics import Channel
from tests.simulation.engine import SECOND, Node
from tests.simulation.faults import Fault
from tests.simulation.nodes import CoordinatorNode
from tests.simulation.wire import CALM, MILLISECOND, Key, Storm


class Havoc:
    """Faults of one world.

    Attributes:
        flipped: nodes with a flipped bit on a disk, and where it is.
    """

    def __init__(self, world: Any) -> None:
        self.world = world
        self.flipped: dict[Node, tuple[Any, ...]] = {}

    def do(self, fault: Fault) -> None:
        """Let one fault happen."""
        happen: Callable[[Fault], None] = getattr(self, fault.kind)
        happen(fault)

    def write(self, fault: Fault) -> None:
        """Let the next write to a disk fail."""
        disks = self.world.node(fault.node).disks
        list(disks.values())[fault.time_ns % len(disks)].armed = fault.figure

    def kill(self, fault: Fault) -> None:
        """End a process at once."""
        self.world.node(fault.node).die("killed", down_ns=fault.figure)

    def storm(self, fault: Fault) -> None:
        """Let all links lose, double, spoil and delay frames for a while."""
        *chances, seconds = fault.figure
        self.world.network.storm = storm = Storm(*chances)

        def end() -> None:
            if self.world.network.storm is storm:
                self.world.network.storm = CALM

        self.world.engine.at(seconds * SECOND, None, end)

    def cut(self, fault: Fault) -> None:
        """Cut a link for a while, one way or both."""
        ways, seconds = fault.figure
        for way in ways:
            key = (fault.node, way)
            self.world.network.cuts[key] += 1
            self.world.engine.at(seconds * SECOND, None, lambda each=key: self._join(each))

    def _join(self, key: tuple[str, str]) -> None:
        self.world.network.cuts[key] = max(0, self.world.network.cuts[key] - 1)

    def jump(self, fault: Fault) -> None:
        """Set a wall clock wrong for a while."""
        node, (jump_ns, seconds) = self.world.node(fault.node), fault.figure
        node.set_clock(jump_ns)
        self.world.engine.at(seconds * SECOND, None, lambda: node.set_clock(0))

    def freeze(self, fault: Fault) -> None:
        """Let a process stand still for a while."""
        until_ns = self.world.engine.now_ns + fault.figure * SECOND
        self.world.node(fault.node).frozen_until_ns = until_ns

    def stop(self, fault: Fault) -> None:
        """Stop everything."""
        self.world.operator.stop(fault.figure)

    def rearm(self, fault: Fault) -> None:
        """Lift the stops that were said."""
        self.world.operator.rearm(all_but_the_last=bool(fault.figure))

    def stopfile(self, fault: Fault) -> None:
        """Put a stop file into the executor's folder."""
        key = derive_id(self.world.seed, "file", fault.time_ns)
        self.world.operator.stops.append(key)
        self.world.watch.stopped.add(key)
        add_stop(self.world.folder, key, flatten=fault.figure)

    def pause(self, fault: Fault) -> None:
        """Withdraw quotes, or allow them again."""
        self.world.operator.pause(paused=fault.figure)

    def mode(self, fault: Fault) -> None:
        """Change the mode."""
        self.world.operator.switch(fault.figure)

    def replay(self, fault: Fault) -> None:
        """Say old frames again, from anywhere."""
        dice = random.Random(fault.figure)
        frames = sorted(self.world.network.sealed)
        node = self.world.optimizers[0]
        if node.party is not None:
            for each in dice.sample(frames, min(40, len(frames))):
                self.world.network.send(node.party, each)

    def forge(self, fault: Fault) -> None:
        """Let an optimizer's key sign what it has no right to, in its own name or another's."""
        dice, node = random.Random(fault.figure), self.world.node(fault.node)
        if node.party is None or not node.alive:
            return
        name = node.name if dice.random() < 0.5 else "operator"
        held = self.world.rules.baseline
        words = {
            "decision": Decision(
                params=held.model_copy(update={"spread_percentage": 9.0}),
                basis=(),
                mode=Mode.PEER,
                not_before=0,
                not_after=2**62,
            ),
            "rearm": Rearm(lifts=tuple(self.world.operator.stops[-3:]), reason="forged"),
            "emergency_stop": EmergencyStop(scope="all", flatten=False, reason="forged"),
        }
        kind = dice.choice(sorted(words))
        header = Header(
            v=1, id=derive_id(fault.figure, "forged"), type=kind, src=name, dst="executor-1",
            ts=node.clock(), ttl=60_000, enc="json", epoch=99, version=9999, gen=0,
        )  # fmt: skip
        frames = seal(self.world.keys[node.name], Channel.CONTROL, header, encode(words[kind]))
        self.world.network.send(node.party, frames)

    def rogue(self, _: Fault) -> None:
        """Let the coordinator's key sign a decision that is no step, as a liar in its seat may."""
        shell = self.world.executor.shell
        if shell is not None:
            epoch, version = shell.state.verdict.pair
            self._decide("rogue", (epoch, version + 1), 3.0)

    def imposter(self, _: Fault) -> None:
        """Let the coordinator's key sign another set under the pair that came into force last."""
        shell = self.world.executor.shell
        if shell is not None:
            self._decide("imposter", shell.state.applied_pair, 1.1)

    def _decide(self, salt: str, pair: tuple[int, int], factor: float) -> None:
        """Sign a decision: the spread in force times or over the factor."""
        leader, held = self.world.coordinators[-1], self.world.executor.shell.state.incumbent
        if leader.party is None:
            return
        spread = held.spread_percentage
        wider = spread * factor if spread < 3.0 else spread / factor
        word = Decision(
            params=held.model_copy(update={"spread_percentage": wider}),
            basis=(),
            mode=Mode.PEER,
            not_before=0,
            not_after=2**62,
        )
        header = Header(
            v=1, id=derive_id(self.world.seed, salt, self.world.engine.now_ns), type="decision",
            src="coordinator", dst="executor-1", ts=leader.clock(), ttl=60_000, enc="json",
            epoch=pair[0], version=pair[1], gen=0,
        )  # fmt: skip
        frames = seal(self.world.keys["coordinator"], Channel.CONTROL, header, encode(word))
        self.world.network.sealed.add(frames)
        self.world.network.send(leader.party, frames)

    def late(self, fault: Fault) -> None:
        """Set all clocks at once while an answer to a boundary is on its way from the hub."""
        network = self.world.network
        usual = network.forwarded

        def caught(hub: Node, frames: tuple[bytes, ...]) -> None:
            usual(hub, frames)
            if frames[0].endswith((b".parameter_update", b".no_update")):
                network.forwarded = usual
                self.era(replace(fault, figure=(3600 * SECOND, fault.figure)))

        network.forwarded = caught

    def blackout(self, fault: Fault) -> None:
        """Let everything end at the same instant."""
        dice = random.Random(fault.figure)
        for node in self.world.nodes():
            node.die("no power", down_ns=dice.randint(SECOND // 2, 10 * SECOND))

    def switch(self, fault: Fault) -> None:
        """Change the mode, and let the coordinator fail at its next write."""
        self.world.coordinators[-1].disks["log"].armed = fault.node
        self.world.operator.switch(fault.figure)

    def race(self, fault: Fault) -> None:
        """Stop twice, rearm one or both within a moment; let the executor fail at a write."""
        flatten, wait_ns, but_one = fault.figure
        operator = self.world.operator
        operator.stop(flatten)
        operator.stop(flatten)
        self.world.executor.disks["executor"].armed = fault.node
        rearm = partial(operator.rearm, all_but_the_last=but_one)
        self.world.engine.at(wait_ns, operator, rearm)
        self.world.engine.at(10 * SECOND, operator, operator.rearm)

    def dither(self, fault: Fault) -> None:
        """Change the mode again and again."""
        for place, mode in enumerate(fault.figure):
            switch = partial(self.world.operator.switch, mode)
            self.world.engine.at(place * SECOND * 2 // 3, self.world.operator, switch)

    def flood(self, fault: Fault) -> None:
        """Say new words, far above the rate, in the name of a seat or of nobody."""
        node = self.world.optimizers[0] if fault.node == "stranger" else self.world.node(fault.node)
        for place in range(fault.figure):
            self.world.engine.at(
                place * MILLISECOND, node, lambda at=place: self._shout(fault, node, at)
            )

    def _shout(self, fault: Fault, node: Any, place: int) -> None:
        key = self.world.keys.get(fault.node) or Key(fault.node, b"unlisted", frozenset())
        header = Header(
            v=1, id=derive_id(self.world.seed, "flood", fault.time_ns, place), type="no_update",
            src=key.name, dst="coordinator", ts=node.clock(), ttl=60_000, enc="json",
        )  # fmt: skip
        word = NoUpdate(window=(0, 1), digest="0" * 64, reason="louder than you")
        frames = seal(key, Channel.CONTROL, header, encode(word))
        self.world.network.sealed.update([frames] if fault.node in self.world.keys else [])
        self.world.network.send(node.party, frames)

    def nonsense(self, fault: Fault) -> None:
        """Sign what is no proposal, again and again: a fault of content each time."""
        node = self.world.node(fault.node)
        for place in range(fault.figure):
            babble = partial(self._babble, fault, node, place)
            self.world.engine.at(place * SECOND // 5, node, babble)

    def _babble(self, fault: Fault, node: Any, place: int) -> None:
        key = self.world.keys[node.name]
        header = Header(
            v=1, id=derive_id(self.world.seed, "nonsense", fault.time_ns, place),
            type="parameter_update", src=node.name, dst="coordinator", ts=node.clock(),
            ttl=60_000, enc="json",
        )  # fmt: skip
        frames = seal(key, Channel.CONTROL, header, b'{"data":{}}')
        self.world.network.sealed.add(frames)
        self.world.network.send(node.party, frames)

    def overflow(self, fault: Fault) -> None:
        """Let a reader be so slow that its queue overflows."""
        node = self.world.node(fault.node)
        if node.party is not None:
            node.party.slow_down(self.world.engine.now_ns + fault.figure * SECOND)

    def era(self, fault: Fault) -> None:
        """Set all clocks at once."""
        jump_ns, seconds = fault.figure
        for node in self.world.nodes():
            self.jump(replace(fault, node=node.name, figure=(jump_ns, seconds)))

    def rotate(self, fault: Fault) -> None:
        """Change a signing key: both are listed, the new one signs, the old one is struck off.

        Each party reads its folder a little later than the last step was made; a party that is
        killed meanwhile starts with what stands there then.
        """
        old = next(key for name, key in self.world.keys.items() if name == fault.node)
        new = replace(old, secret=derive_id(fault.figure, old.secret).encode()[:24])
        for place, (row, own) in enumerate(
            (
                (replace(old, old=new.secret), old),
                (replace(new, old=old.secret), replace(new, old=old.secret)),
                (new, new),
            )
        ):
            step = partial(self._list, fault.node, row, own, fault.figure + place)
            self.world.engine.at(place * 8 * SECOND, None, step)
        stolen = partial(self._steal, replace(old, old=None), fault.figure)
        self.world.engine.at(24 * SECOND, None, stolen)

    def _steal(self, key: Key, salt: int) -> None:
        """Speak under a key that was struck off."""
        node = self.world.optimizers[0]
        if node.party is None:
            return
        words = {"coordinator": "heartbeat", "operator": "rearm"}
        word = {
            "heartbeat": CoordinatorHeartbeat(epoch=99, executors=()),
            "rearm": Rearm(lifts=tuple(self.world.operator.stops[-3:]), reason="stolen"),
            "no_update": NoUpdate(window=(0, 1), digest="0" * 64, reason="stolen"),
        }[words.get(key.name, "no_update")]
        state = word.type_name == "heartbeat"
        header = Header(
            v=1, id=derive_id(salt, "stolen"), type=word.type_name, src=key.name,
            dst=key.name if state else "coordinator", ts=node.clock(), ttl=60_000, enc="json",
        )  # fmt: skip
        channel = Channel.STATE if state else Channel.CONTROL
        self.world.network.send(node.party, seal(key, channel, header, encode(word)))

    def _list(self, name: str, row: Key, own: Key, salt: int) -> None:
        self.world.keys[name] = own
        self.world.network.roster = Roster({**self.world.network.roster.members, name: row})
        dice = random.Random(salt)
        for node in self.world.nodes():
            self.world.engine.at(dice.randrange(4 * SECOND), node, node.read_keys)

    def flip(self, fault: Fault) -> None:
        """Flip a bit on a disk."""
        node, (which, bit) = self.world.node(fault.node), fault.figure
        disk = next(iter(node.disks.values()))
        table = "heard" if node is self.world.executor else disk.tables[0]
        if node.alive and node not in self.flipped and disk.flip(table, which, bit):
            self.flipped[node] = (disk, table, which, bit)
            node.die("bit flipped", down_ns=SECOND)

    def mend(self, node: Any) -> None:
        """Put a damaged disk right: somebody had a copy."""
        disk, *where = self.flipped.pop(node)
        disk.flip(*where)

    def second(self, fault: Fault) -> None:
        """Copy the log; start a second coordinator from it later, beside the first or after it."""
        first, (wait_ns, lives) = self.world.coordinators[-1], fault.figure
        if first.shell is None or first in self.flipped:
            return
        disk = first.disks["log"].copy(self.world.watch.wrote)
        self.world.watch.forked(first.disks["log"], disk)
        other = CoordinatorNode(
            self.world, f"coordinator-{len(self.world.coordinators) + 1}", {"log": disk}
        )
        other.seen = None

        def begin() -> None:
            if self.world.at_peace:
                return
            if not lives:
                first.die("its disk is lost", down_ns=None)
                first.retired = True
            self.world.coordinators.append(other)
            other.start()

        self.world.engine.at(wait_ns, None, begin)
