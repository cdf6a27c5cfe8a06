"""One party on a real bus in a process of its own; tests and bench/bus.py run it.

    python -m tests.protocol.bus_program ROLE FOLDER [options]

FOLDER holds `keys`, `s` (sockets) and `log`. Facts go to stdout, one JSON object a line; orders
come on stdin the same way, and its end ends the program. The role `coordinator` has the hubs too.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import time
from pathlib import Path

import structlog
import zmq

from protocol import messages as m
from protocol.bus import endpoints
from protocol.bus.endpoints import far_endpoints, ipc_endpoints
from protocol.bus.frames import Said, seal
from protocol.bus.hub import Hub
from protocol.bus.participant import COORDINATOR, Participant
from protocol.errors import BusError, NackCode
from protocol.keyring import Keyring
from protocol.topics import Channel
from tests.protocol.load import Memory, load, stream

PARAMS = m.QuoteParameters(spread_percentage=0.18, levels=4, base_quantity=0.001, max_position=0.01)
RECEIVED = m.Ack(stage=m.Stage.RECEIVED)
MANGLED = (b"", b'{"code":"E_NONE","detail":"x"}', b'{"code":"E_BOUNDS"}', b"[" * 99, b"\xff\xfe")
"""Bodies that are no nack."""


def say(**fact):
    """Tell the parent a fact."""
    sys.stdout.write(json.dumps(fact) + "\n")
    sys.stdout.flush()


class Lossy:
    """A gatekeeper that loses the first copies of some types on the way."""

    def __init__(self, keeper, lose, copies):
        self._judge = keeper.judge
        self._left = dict.fromkeys(lose, copies)
        keeper.judge = self

    def __call__(self, frames, now_ns):
        """Judge as the hub does, but lose some."""
        forward, busy = self._judge(frames, now_ns)
        kind = frames[0].rpartition(b".")[2].decode()
        if forward and self._left.get(kind, 0) > 0:
            self._left[kind] -= 1
            say(lost=kind)
            return False, None
        return forward, busy


class Party:
    """A participant that does as it is told."""

    def __init__(self, told):
        self.told = told
        self.keyring = Keyring(told.role, told.keys or told.folder / "keys", {})
        self.identity, self.roster = self.keyring.keys.identity, self.keyring.keys.roster
        self.ends = ipc_endpoints(told.sockets or told.folder / "s")
        self.hub = None
        self.have = (0, 0)
        self.rows = 0
        self.memory = Memory(told.folder / f"{told.role}.memory") if told.remember else None
        self.enough = asyncio.Event()
        self.busy = told.busy
        self.mangled = list(MANGLED) if told.mangles else []
        self.tasks = set()
        beat = self.beat if told.role == COORDINATOR else None
        self.me = Participant(
            self.identity, self.roster, self.far(told.connect) or self.ends, clock=time.time_ns,
            beat=beat, telemetry=True, keyring=self.keyring,
        )  # fmt: skip
        self.pair = tuple(told.pair)
        for kind in ("no_update", "parameter_update", "boundary_done"):
            self.me.on(kind, self.handle)
        if told.role == COORDINATOR:
            self.me.on("snapshot_request", self.snapshot)
            self.me.on("emergency_stop", lambda _: m.Ack(stage=m.Stage.STOPPED))
        else:
            self.me.repair("executor-1", lambda: self.have, self.take)
        for name in told.follow:
            self.me.follow("heartbeat", name, self.followed(name))
        for name in told.listen:
            self.me.listen("status", name, self.count)

    def far(self, address):
        """Return endpoints between hosts, None without an address."""
        server = self.roster.members[COORDINATOR].curve
        return None if address is None else far_endpoints(address, server)

    def make_hub(self):
        """Return the hubs, not yet bound."""
        self.hub = Hub(
            self.identity, self.roster, self.ends, folder=self.told.log or self.told.folder / "log",
            clock=time.time_ns, beyond=self.far(self.told.beyond), keyring=self.keyring,
        )  # fmt: skip
        Lossy(self.hub.gatekeeper, self.told.lose, self.told.copies)
        return self.hub

    def beat(self, _lag_ms):
        """Tell the pair in force."""
        row = m.ExecutorState(
            executor="executor-1", epoch=self.pair[0], version=self.pair[1], digest=None,
            mode=m.Mode.MASTER_SLAVE, generation=0, stops=(),
        )  # fmt: skip
        return m.CoordinatorHeartbeat(epoch=self.told.epoch, executors=(row,))

    def snapshot(self, _received):
        """Answer with the decision in force."""
        held = self.pair != (0, 0)
        return m.Snapshot(
            pair=self.pair, params=PARAMS if held else None, not_before=1 if held else None,
            not_after=2 if held else None, mode=m.Mode.MASTER_SLAVE, generation=0, round=None,
            stops=(),
        )  # fmt: skip

    def take(self, snapshot):
        """Learn the decision in force."""
        self.have = snapshot.pair
        say(repaired=list(snapshot.pair))

    def handle(self, received):
        """Handle a message; a proposal stops at `received` unless told otherwise."""
        if self.memory is not None:
            self.memory.handle(received.header.id)
        until_s = time.monotonic() + self.told.slow_ms / 1000
        while time.monotonic() < until_s:
            pass  # busy, as who is slow is
        if self.mangled:
            self.mangle(received)
            return None
        if self.busy > 0:
            self.busy -= 1
            return m.Nack(code=NackCode.BUSY, detail="x", retry_after_ms=50)
        if self.told.refuses:
            return m.Nack(code=NackCode.CONFIDENCE, detail="x")
        if not self.told.quiet:
            say(handled=received.header.id, kind=received.header.type)
        if received.header.type == "parameter_update" and self.told.applies:
            return m.Ack(stage=m.Stage.APPLIED)
        return RECEIVED

    def mangle(self, received):
        """Answer with a nack that is none; the next copy of the message is handled anew."""
        header = received.header
        head = self.me._saying.header(header.src, "nack", 1000, Said(ref=header.id))
        self.me._saying.send(seal(self.identity, Channel.CONTROL, head, self.mangled.pop()))
        self.me.reconsider(received)

    def followed(self, name):
        """Return a follower that tells whom it follows and whom it hears."""
        return lambda received: say(follows=name, beat=received.header.src)

    def count(self, received):
        """Count a telemetry row; tell of the last one."""
        self.rows += 1
        if received.word.model_dump().get("last"):
            say(rows=self.rows, ns=time.monotonic_ns())

    async def obey(self):
        """Follow orders until stdin ends."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
        )
        with contextlib.closing(transport):
            while line := await reader.readline():
                order = json.loads(line)
                task = asyncio.create_task(getattr(self, "do_" + order.pop("do"))(**order))
                self.tasks.add(task)
                task.add_done_callback(self.done)

    def done(self, task):
        """An order that fails is a fact too."""
        self.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            say(failed=repr(task.exception()))

    async def do_decide(self, pair):
        """Put another pair in force."""
        self.pair = tuple(pair)

    async def do_post(self, dst, kind="no_update", **more):
        """Post a word and tell its final answer."""
        words = {
            "no_update": m.NoUpdate(window=(0, 1), digest="0" * 64, reason="x"),
            "boundary_done": m.BoundaryDone(index=1, decision=None),
            "emergency_stop": m.EmergencyStop(scope="all", flatten=False, reason="x"),
            "parameter_update": m.ParameterUpdate(
                timestamp="2024-01-20T15:30:45Z", source_agent="a", target_agent="b",
                message_type="parameter_update",
                data=m.UpdateData(
                    optimized_params=PARAMS, confidence_score=0.5,
                    performance_metrics=m.PerformanceMetrics(
                        sqn_score=1.0, sharpe_ratio=1.0, max_drawdown=0.1
                    ),
                ),
            ),
        }  # fmt: skip
        future = self.me.post(dst, words[kind], **more)
        say(posted=kind)
        try:
            final = (await future).word
        except BusError as error:
            say(final=None, error=str(error))
        else:
            say(final=final.model_dump(mode="json"))

    async def do_count(self):
        """Tell what the hubs let through, dropped, and answered at the door."""
        door = self.hub._door
        say(
            counts=dict(self.hub.gatekeeper.counts),
            telemetry=dict(self.hub.telemetry_counts),
            knocks=dict(door.counts) if door else {},
        )

    async def do_kill_handler(self, how):
        """Let nobody answer at the door any more: its task is gone, or its socket too."""
        for task in self.hub._tasks._running:
            if "Door.answer" in repr(task):
                task.cancel()
        if how == "closed":
            self.hub._door._handler.close()
        say(handler=how)

    async def do_ping(self, dst, count, a_second):
        """Post so many at a steady pace; tell each round trip in ns, sorted."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        trips = []

        async def one(number):
            await asyncio.sleep(max(0.0, began_s + number / a_second - loop.time()))
            said_ns = time.monotonic_ns()
            word = m.NoUpdate(window=(0, number), digest="0" * 64, reason="x")
            await self.me.post(dst, word)
            trips.append(time.monotonic_ns() - said_ns)

        await asyncio.gather(*(one(number) for number in range(count)))
        say(trips=sorted(trips))

    async def do_load(self, **more):
        """Say a load of messages that survives our death."""
        await load(self.me, self.memory, say, **more)

    async def do_stream(self, a_second):
        """Tell telemetry at a steady pace until it is enough."""
        await stream(self.me, say, a_second=a_second, until=self.enough)

    async def do_enough(self):
        """End the stream, and tell how many rows were heard."""
        self.enough.set()
        say(heard=self.rows)

    async def do_tell(self, rows, pad=0):
        """Tell so many rows as fast as they are taken."""
        began_ns = time.monotonic_ns()
        for number in range(rows):
            self.me.tell(
                m.Status.model_validate({"n": number, "pad": "x" * pad, "last": number == rows - 1})
            )
        say(told=rows, ns=began_ns)


async def main(told):
    """Take the stage."""
    async with contextlib.AsyncExitStack() as stack:
        began_s = time.monotonic()
        party = Party(told)
        if told.role == COORDINATOR:
            await stack.enter_async_context(party.make_hub())
        me = await stack.enter_async_context(party.me)
        if told.role == COORDINATOR:
            me.become_joined()
            say(up=True)
        else:
            say(entered=True)
        if told.role != COORDINATOR and not told.unjoined:
            snapshot = await me.join(timeout_s=30)
            party.have = snapshot.pair
            say(
                joined=list(snapshot.pair),
                s=time.monotonic() - began_s,
                levels=snapshot.params.levels if snapshot.params else None,
            )
        await party.obey()


def arguments():
    """Return what the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sockets", type=Path)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--keys", type=Path)
    parser.add_argument("--beyond")
    parser.add_argument("--connect")
    parser.add_argument("--epoch", type=int, default=1)
    parser.add_argument("--pair", type=int, nargs=2, default=(0, 0))
    parser.add_argument("--lose", nargs="*", default=())
    parser.add_argument("--copies", type=int, default=3)
    parser.add_argument("--follow", nargs="*", default=())
    parser.add_argument("--listen", nargs="*", default=())
    parser.add_argument("--applies", action="store_true")
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--unjoined", action="store_true")
    parser.add_argument("--remember", action="store_true", help="what we say and handle")
    parser.add_argument("--slow-ms", type=float, default=0.0, help="to handle one message")
    parser.add_argument("--busy", type=int, default=0, help="answers of E_BUSY at first")
    parser.add_argument("--mangles", action="store_true", help="answers at first with no nack")
    parser.add_argument("--refuses", action="store_true", help="every message, with E_CONFIDENCE")
    parser.add_argument("--mark", type=int, help="high-water mark of every socket")
    return parser.parse_args()


def start(told):
    """Take the stage with sockets as told."""
    if told.mark is not None:
        endpoints._OPTIONS |= {zmq.SNDHWM: told.mark, zmq.RCVHWM: told.mark}
    asyncio.run(main(told))


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        start(arguments())
    except BusError as error:
        sys.exit(f"{error}")
