"""The processes: the real shells of coordinator, executor and optimizer over virtual disks."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from agents.coordinator.events import Started
from agents.coordinator.log import SCHEMA_VERSION as LOG_VERSION
from agents.coordinator.log import TABLE as LOG
from agents.coordinator.log import DecisionLog
from agents.coordinator.measuring import Meter
from agents.coordinator.records import restored
from agents.coordinator.shell import Coordinator
from agents.executor import records, shell_bus
from agents.executor.events import Reach
from agents.executor.shell import Shell
from agents.optimizer.judgement import Judgement
from agents.optimizer.known import TABLE as KNOWN
from agents.optimizer.known import Known
from agents.optimizer.mind import Answer, Mind
from agents.optimizer.pace import Pace
from agents.optimizer.shell import Optimizer
from agents.optimizer.showing import Noted
from agents.optimizer.voting import TABLE as VOTES
from agents.optimizer.voting import Votes
from protocol.bus.frames import derive_id
from protocol.bus.gatekeeper import Gatekeeper
from protocol.errors import BusError, JournalError
from protocol.merge import clip_step, digest
from protocol.messages import (
    Choice,
    CoordinatorHeartbeat,
    EmergencyStop,
    Heartbeat,
    ModeChange,
    NoUpdate,
    Pause,
    Rearm,
    Resume,
    Vote,
)
from tests.agents.coordinator.world import update
from tests.simulation.disk import Disk
from tests.simulation.engine import SECOND, Node, Task, drive
from tests.simulation.wire import Party

FENCED_NS = 15 * SECOND
"""How long a coordinator that was fenced stays down."""


class Agent(Node):
    """A process with disks; `world` is the simulation that it is part of."""

    def __init__(self, world: Any, name: str, disks: dict[str, Disk]) -> None:
        super().__init__(world.engine, name)
        self.world, self.disks = world, disks
        self.party: Party | None = None
        self.shell: Any = None
        self.refused = 0
        self.born_ns = 0

    def meet(self, name: str, beat: Callable[[float], Any]) -> Party:
        """Return this life's end of the bus."""
        self.party = Party(self, self.world.network, self.world.keys[name], self.world.watch, beat)
        return self.party

    def read_keys(self) -> None:
        """Take the roster and the own key that the folder holds now, as a keyring tells."""
        if self.alive and self.party is not None:
            self.party.renew(self.world.keys[self.party.name], self.world.network.roster)
            gate = self.world.network.hubs.get(self)
            if gate is not None:
                gate.trust(self.world.network.roster)

    def begin(self) -> None:
        """Live; a damaged disk must refuse that, and is mended then."""
        self.born_ns = self.world.engine.now_ns
        try:
            self.live()
        except JournalError as error:
            if "CRC" not in str(error):
                raise
            self.refused += 1
            self.world.havoc.mend(self)
            self.die("its disk was damaged")

    def live(self) -> None:
        """Start for real."""

    def die(self, why: str, *, down_ns: int | None = SECOND) -> None:
        """End at once."""
        self.world.network.hubs.pop(self, None)
        self.world.network.parties.pop(self, None)  # what is under way reaches no later life
        self.shell = None
        super().die(why, down_ns=down_ns)


class CoordinatorNode(Agent):
    """Hub and coordinator; one that is retired is never started again."""

    retired = False

    def start(self) -> None:
        """Start, unless it lives or its disk is gone."""
        if not self.retired:
            super().start()

    def live(self) -> None:
        """Read the log, speak."""
        world = self.world
        log = DecisionLog(self.disks[LOG].open())
        shell = Coordinator(world.rules, world.settings, Path("none"), clock=self.clock)
        shell._log = log
        shell._state = restored(world.rules, log.records())
        shell._meter = Measured(world.market)
        me = self.meet("coordinator", shell._beat)
        shell._listen(me)
        shell._me = me
        me.become_joined()
        self.shell = shell
        world.network.hubs[self] = Gatekeeper(world.network.roster)
        shell._handle(Started())
        self.every(SECOND // 2, self._tick, wait_ns=SECOND // 4)

    def _tick(self) -> None:
        if self.shell.fenced is not None:
            # Whoever watches the machine looks at the alarm, and starts it again a while later.
            self.die(f"fenced: {self.shell.fenced}", down_ns=FENCED_NS)
            return
        if not self.world.lockstep:
            self.shell._tick()


class Measured(Meter):
    """The supervisor's replay on the shared tape."""

    def __init__(self, market: Any) -> None:
        super().__init__(market.settings)
        self._session, self._builder = market.session, market.builder


class ExecutorNode(Agent):
    """Executor over the recorded venue."""

    link: Any = None
    _steps_taken = 0

    def live(self) -> None:
        """Recover, live again up to the horizon, join, trade."""
        world = self.world
        self.shell = self.link = None
        journal = self.disks["executor"].open()
        found = world.market.recover(journal)
        shell = Shell(found, journal, world.folder)
        drive(shell.catch_up())
        self._steps = shell.venue.events()
        name = world.settings.account.executor
        shell_bus.participant_of = lambda *_, beat, **__: self.meet(name, beat)
        shell_bus.time = SimpleNamespace(monotonic_ns=lambda: self.engine.now_ns)
        self.link = shell_bus.BusLink(world.settings, shell)
        self.shell = shell
        self._place, shell.venue.place = shell.venue.place, self._place_order
        self._draining = False
        put = shell.put

        def hand_in(event: Any) -> None:
            put(event)
            if not self._draining and shell.link is not None:
                self._draining = True
                self.engine.at(0, self, self._drain)

        shell.put = hand_in
        Task(self.engine, self._join())

    async def _join(self) -> None:
        try:
            await self.link.join()
        except BusError as error:
            self.die(str(error))
            return
        self.joined_ns = self.engine.now_ns
        self.shell.link = self.link
        bounds, state = self.world.watch.bounds, lambda: self.shell.state
        bounds.follow(self.party, lambda: state().verdict.pair, lambda: 0)
        if self.shell.state.waiting:
            reached = Reach(self.shell.state.boundary, self.shell.state.boundary_ns)
            self.shell._reach(self.link, reached)
        self.every(self.world.settings.executor.guard_interval_ns, self._step)
        self._drain()

    def _drain(self) -> None:
        self._draining = False
        drive(self.shell._drain())

    def _step(self) -> None:
        shell = self.shell
        drive(shell._drain())
        if shell._may_step():
            market = drive(anext(self._steps))
            drive(shell._take(market, market.now_ns))
        self._steps_taken += 1
        if self._steps_taken % 2:
            shell.link.tell(shell.state, lag_s=0.0)

    async def _place_order(self, order: Any) -> None:
        self.world.watch.placing(self, order)
        await self._place(order)


class Guess(Mind):
    """A mind that does not search: it proposes by chance, and weighs by replay."""

    def __init__(self, world: Any, name: str, lies: bool) -> None:
        self.session, self.name, self.lies = world.market.session, name, lies
        self.options = SimpleNamespace(window_s=120.0)
        self._builder = world.market.builder
        self._seed = world.seed
        self.promoted = False

    def answer(self, index: int, now_ns: int, incumbent: Any, *, promoted: bool = False) -> Answer:
        """Return a set near the one in force, or nothing; a liar's is anything."""
        assert not promoted, "no policy is in shadow here"
        dice = random.Random(f"{self._seed} {self.name} {index}")
        judgement = Judgement(better=True, reason="chance", window=(now_ns, now_ns))
        if dice.random() < 0.2:
            span = (now_ns - 10 * SECOND, now_ns)
            return Answer(
                NoUpdate(window=span, digest=digest(incumbent), reason="chance"), judgement
            )
        factor = dice.uniform(0.5, 2.0) if self.lies else dice.uniform(0.8, 1.25)
        wanted = incumbent.model_copy(
            update={"spread_percentage": min(9.0, incumbent.spread_percentage * factor)}
        )
        sound = wanted if self.lies else clip_step(incumbent, wanted, 0.25)
        sure = dice.uniform(0.55, 1.0)
        return Answer(update(sound, now_ns, confidence=sure, drawdown=0.02), judgement)

    def weigh(self, incumbent: Any, candidate: Any, now_ns: int) -> Any:
        """Weigh by replay, but never look ahead of the tape."""
        return super().weigh(incumbent, candidate, now_ns)


class OptimizerNode(Agent):
    """An optimizer, honest or not."""

    lies = False

    def live(self) -> None:
        """Join; answer when a boundary has passed."""
        world, name = self.world, self.name
        shell = self.shell = Virtual.__new__(Virtual)
        shell.settings, shell.name = world.settings, name
        shell.ended, shell.failure, shell._clock = asyncio.Event(), None, self.clock
        shell.noted = Noted()
        shell._mind = Guess(world, name, self.lies)
        shell._known = Known(self.disks[KNOWN].open(), world.rules.baseline)
        shell._votes = Votes(self.disks[VOTES].open())
        shell._epoch, shell._generation, shell._modes, shell._now_ns = 0, 0, {}, 0
        shell._mind_free, shell._tasks = asyncio.Lock(), set()
        shell._state, shell._answered, shell._proposing = "waiting", 0, False
        shell._pace = Pace(world.market.session.boundaries())
        me = self.meet(name, lambda lag: Heartbeat(state="up", lag_ms=lag))
        if world.lockstep:
            me.on("boundary", lambda r: shell._reach(me, r))
        else:
            me.listen("status", world.settings.account.executor, lambda r: shell._see(me, r))
        me.follow("decision", "coordinator", shell._learn)
        me.follow("heartbeat", "coordinator", lambda r: shell._repair(me, r))
        me.on("round", lambda r: shell._round(me, r))
        bounds = world.watch.bounds
        bounds.follow(me, lambda: shell._known.newest, lambda: shell._epoch)
        if self.lies:
            self._equivocate(me)
        Task(self.engine, self._join(me))

    async def _join(self, me: Party) -> None:
        try:
            self.shell._take(await me.join(self.shell._known.newest, timeout_s=60.0))
        except BusError as error:
            self.die(str(error))

    def _equivocate(self, me: Party) -> None:
        """Say a second, opposite vote after every vote."""
        post, dice = me.post, random.Random(f"{self.world.seed} {self.life} lies")

        def twice(dst: str, word: Any, **more: Any) -> Any:
            if isinstance(word, Vote):
                other = Choice.REJECT if word.choice is Choice.APPROVE else Choice.APPROVE
                key = f"{dice.getrandbits(128):032x}"
                changed = word.model_copy(update={"choice": other})
                post(dst, changed, **{**more, "message_id": key})
            return post(dst, word, **more)

        me.post = twice


class Virtual(Optimizer):
    """The optimizer's shell; its tasks are virtual."""

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Operator(Agent):
    """Whoever stops, rearms, switches: at the keyboard all the time."""

    mode: Any = None
    generation = count = 0

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.stops: list[str] = []

    def live(self) -> None:
        """Join, and follow what the coordinator says."""
        me = self.meet("operator", lambda lag: Heartbeat(state="up", lag_ms=lag))
        me.follow("heartbeat", "coordinator", self._hear)
        Task(self.engine, self._join(me))

    async def _join(self, me: Party) -> None:
        try:
            await me.join(timeout_s=60.0)
        except BusError as error:
            self.die(str(error))

    def _hear(self, received: Any) -> None:
        if isinstance(received.word, CoordinatorHeartbeat):
            row = received.word.executors[0]
            if row.generation >= self.generation:
                self.mode, self.generation = row.mode, row.generation

    def _say(self, word: Any, *parties: str) -> str:
        self.count += 1
        key = derive_id(self.world.seed, "operator", self.count)
        if self.party.joined.is_set():
            for each in parties:
                self.party.post(each, word, message_id=key)
        return key

    def stop(self, flatten: bool) -> None:
        """Stop everything."""
        word = EmergencyStop(scope="all", flatten=flatten, reason="simulated")
        self.stops.append(self._say(word, "executor-1", "coordinator"))
        self.world.watch.stopped.add(self.stops[-1])

    def rearm(self, *, all_but_the_last: bool = False) -> None:
        """Lift all stops that were said, or leave the newest."""
        lifts = tuple(self.stops[: -1 if all_but_the_last else None][-64:])
        if lifts:
            self.world.watch.lifted.update(lifts)
            word = Rearm(lifts=lifts, reason="simulated")
            key = self._say(word, "executor-1", "coordinator")
            self.world.watch.rearms[key] = set(word.lifts)

    def switch(self, mode: Any) -> None:
        """Change the mode."""
        if self.mode is not None:
            document = {"from": self.mode, "to": mode, "gen": self.generation, "reason": "drill"}
            self._say(ModeChange.model_validate(document), "coordinator")

    def pause(self, *, paused: bool) -> None:
        """Pause, or resume."""
        self._say(Pause() if paused else Resume(), "executor-1")


def executor_disk(wrote: Any) -> dict[str, Disk]:
    """Return the disk of an executor."""
    return {"executor": Disk("executor", records.SCHEMA_VERSION, records.TABLES, wrote)}


def coordinator_disk(wrote: Any) -> dict[str, Disk]:
    """Return the disk of a coordinator."""
    return {LOG: Disk("coordinator", LOG_VERSION, (LOG,), wrote)}


def optimizer_disks(wrote: Any) -> dict[str, Disk]:
    """Return the disks of an optimizer."""
    return {each: Disk(each, 1, (each,), wrote) for each in (KNOWN, VOTES)}
