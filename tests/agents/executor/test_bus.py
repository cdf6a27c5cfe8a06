"""The executor's conversation over real sockets, with a coordinator played by the test."""

import asyncio
import contextlib
import os
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from agents.executor.events import Say
from agents.executor.recovery import new_venue, open_journal, recover
from agents.executor.result import journaled
from agents.executor.shell import Shell
from agents.executor.shell_bus import BusLink, joined
from agents.executor.state import new_state
from market.warm import warm
from protocol.bus.endpoints import ipc_endpoints
from protocol.bus.frames import derive_id
from protocol.bus.hub import Hub
from protocol.bus.participant import Participant
from protocol.errors import BusError, NackCode
from protocol.keys import load_identity, load_roster, new_keys
from protocol.merge import digest
from protocol.messages import (
    Ack,
    BoundaryDone,
    Choice,
    CoordinatorHeartbeat,
    Decision,
    EmergencyStop,
    JournalRequest,
    Mode,
    Nack,
    PerformanceMetrics,
    Rearm,
    Round,
    RoundSet,
    Snapshot,
    Stage,
    Vote,
    utc_text,
)
from protocol.stopfile import STOP_NAME
from tests.agents.executor.market import recording, session_for

SECOND_NS = 10**9


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    """Kernels of changed code compile before the seconds of a run are counted, not within."""
    warm()


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    new_keys(folder)
    return folder


@pytest.fixture
def bus(keys):
    """Settings of a private bus in a folder whose name is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="cp") as folder:
        Path(folder).chmod(0o700)
        yield {"folder": folder, "keys": str(keys)}


@pytest.fixture(scope="module")
def feed(tmp_path_factory):
    return recording(tmp_path_factory.mktemp("feed"))


class Played:
    """A coordinator that opens one round, decides it, and closes every boundary."""

    def __init__(self, me, session, *, decide):
        self.me = me
        self.session = session
        self.decide = decide
        self.votes = []
        self.boundaries = []
        self.seats = []
        self.finals = []
        self.stages = []
        self.tasks = []
        me.on("snapshot_request", self.snapshot)
        me.on("boundary", self.boundary)
        me.on("no_update", self.no_update)
        me.on("vote", self.vote)

    def snapshot(self, _received):
        """Let everybody join."""
        return Snapshot(
            pair=(0, 0),
            params=None,
            not_before=None,
            not_after=None,
            mode=Mode.MASTER_SLAVE,
            generation=0,
            round=None,
            stops=(),
        )

    def boundary(self, received):
        """Take a boundary and begin to handle it."""
        self.boundaries.append((received.word.index, received.word.venue_time, received.header.id))
        self.tasks.append(asyncio.ensure_future(self.handle(received.word)))
        return Ack(stage=Stage.RECEIVED)

    def no_update(self, received):
        """Note which seat said so."""
        self.seats.append((received.header.src, received.header.ref))
        return Ack(stage=Stage.RECEIVED)

    def vote(self, received):
        """Note a vote."""
        self.votes.append(received.word)
        return Ack(stage=Stage.RECEIVED)

    async def handle(self, word):
        """Put a wider spread to the executor at the first boundary; close each."""
        pair = None
        if self.decide and word.index == 1:
            held = self.session.baseline
            params = held.model_copy(update={"spread_percentage": held.spread_percentage * 1.2})
            put = RoundSet(
                id="b" * 32,
                src="optimizer-1",
                timestamp=utc_text(word.venue_time),
                params=params,
                performance_metrics=PerformanceMetrics(
                    sqn_score=1.0, sharpe_ratio=1.0, max_drawdown=0.0
                ),
                confidence_score=0.9,
                weight=1,
            )
            asked = Round(round=1, incumbent=held, sets=(put,), candidate=params, deadline=0)
            said = await self.me.post("executor-1", asked, message_id="a" * 32)
            assert said.word.candidate == digest(params)
            pair = (1, 1)
            decision = Decision(
                params=params,
                basis=(put.id,),
                mode=Mode.MASTER_SLAVE,
                not_before=word.venue_time + 120 * SECOND_NS,
                not_after=word.venue_time + 7200 * SECOND_NS,
            )
            future = self.me.post("executor-1", decision, message_id="d" * 32, pair=pair)
            self.tasks.append(asyncio.ensure_future(self.final(future)))
        await self.me.post("executor-1", BoundaryDone(index=word.index, decision=pair))

    async def final(self, future):
        """Note what became of the decision."""
        self.finals.append((await future).word)


@contextlib.asynccontextmanager
async def stage(session, folder):
    """Open the hubs; give the coordinator and a maker of other participants, not yet entered."""
    settings = session.settings
    ends = ipc_endpoints(settings.bus.folder)
    roster = load_roster(settings.keys_folder)
    clock = time.time_ns

    def make(name, **more):
        identity = load_identity(name, settings.keys_folder, os.environ)
        return Participant(identity, roster, ends, clock=clock, **more)

    def beat(_lag):
        return CoordinatorHeartbeat(epoch=1, executors=())

    folder.mkdir()
    async with contextlib.AsyncExitStack() as stack:
        coordinator = load_identity("coordinator", settings.keys_folder, os.environ)
        hub = Hub(coordinator, roster, ends, folder=folder, clock=clock)
        await stack.enter_async_context(hub)
        yield stack, make("coordinator", beat=beat), make


async def trade(session, folder, during=None):
    """Run the executor on the bus; `during` is called with its shell as it starts."""
    with open_journal(folder) as journal:
        shell = Shell(recover(journal, session, lockstep=True), journal, folder)
        async with joined(session.settings, shell):
            helper = asyncio.ensure_future(during(shell)) if during is not None else None
            complete = await asyncio.wait_for(shell.run(), 30)
            if helper is not None:
                await helper
    return complete


async def test_a_decision_goes_through_round_vote_and_cycle_edge(feed, bus, tmp_path):
    """Boundary, round, vote, decision, received, applied: over sockets, in feed time."""
    session = session_for(feed, feed={"hours": 0.5}, bus=bus)
    seen = []
    async with stage(session, tmp_path / "hub") as (stack, me, make):
        optimizer = make("optimizer-1")
        played = Played(me, session, decide=True)
        optimizer.on("boundary", lambda received: seen.append(received.word.index))
        await stack.enter_async_context(me)
        me.become_joined()
        await stack.enter_async_context(optimizer)
        await optimizer.join()
        assert await trade(session, tmp_path)
        await asyncio.gather(*played.tasks)
    lived = journaled(tmp_path, session)
    boundary_ns = session.boundaries()[0]
    last_ns = new_venue(session).last_ns
    reached = [each[1] for each in dict.fromkeys(played.boundaries)]
    assert reached == [each for each in session.boundaries() if each <= last_ns]
    first = derive_id(session.settings.seed, "boundary", 1)
    assert ("executor-1", first) in played.seats
    assert played.votes[0].choice in (Choice.APPROVE, Choice.REJECT)
    assert played.finals == [Ack(stage=Stage.APPLIED, digest=digest(lived.final))]
    assert lived.applied == {(1, 1): boundary_ns + 120 * SECOND_NS}
    assert lived.final != session.baseline
    assert [line["what"] for line in lived.history] == ["applied"]
    assert set(seen) >= {1, 2}, "each seat hears of every boundary"


async def test_a_stop_over_the_bus_is_answered_stopped_while_feed_time_waits(feed, bus, tmp_path):
    """At a boundary that nobody closes, a stop still gets its cancels confirmed."""
    session = session_for(feed, feed={"hours": 0.5}, bus=bus)
    async with stage(session, tmp_path / "hub") as (stack, me, make):
        operator = make("operator")
        played = Played(me, session, decide=False)
        closing, reached = asyncio.Event(), asyncio.Event()
        handle = played.handle

        async def held(word):
            reached.set()
            await closing.wait()
            await handle(word)

        played.handle = held
        await stack.enter_async_context(me)
        me.become_joined()
        await stack.enter_async_context(operator)
        await operator.join()

        async def during(shell):
            await reached.wait()
            assert shell.state.open_orders > 0
            stop = EmergencyStop(scope="all", flatten=False, reason="test")
            final = await operator.post("executor-1", stop, message_id="5" * 32)
            assert final.word == Ack(stage=Stage.STOPPED)
            assert shell.state.open_orders == 0
            assert shell.state.waiting
            lift = Rearm(lifts=("5" * 32,), reason="test")
            assert (await operator.post("executor-1", lift)).word == Ack(stage=Stage.RECEIVED)
            closing.set()

        assert await trade(session, tmp_path, during)
        await asyncio.gather(*played.tasks)


async def test_the_stop_file_works_with_the_bus_dead(feed, tmp_path):
    """A file in the data directory: latched, everything cancelled, nothing sent any more."""
    session = session_for(feed, feed={"hours": 0.2})
    with open_journal(tmp_path) as journal:
        shell = Shell(recover(journal, session, lockstep=False), journal, tmp_path)
        for _ in range(300):
            market = shell.venue.step()
            await shell._take(market, market.now_ns)
        assert shell.state.open_orders > 0
        (tmp_path / STOP_NAME).write_text("7" * 32 + "\n", encoding="ascii")
        assert await shell.run()
        assert shell.state.open_orders == 0
        assert shell.state.stops == {"7" * 32: False}
    again = recover_state(session, tmp_path)
    assert again.stops == {"7" * 32: False}


def recover_state(session, folder):
    with open_journal(folder) as journal:
        return recover(journal, session, lockstep=False).state


async def test_nothing_is_sent_before_the_first_snapshot(feed, bus, tmp_path):
    """Without a coordinator the executor neither joins nor trades."""
    session = session_for(feed, feed={"hours": 0.2}, bus=bus)
    with open_journal(tmp_path) as journal:
        shell = Shell(recover(journal, session, lockstep=True), journal, tmp_path)

        async def attempt():
            async with joined(session.settings, shell):
                await shell.run()

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(attempt(), 0.5)
        assert shell.state.now_ns == 0
        assert journal.last("intents") is None


async def test_a_word_that_makes_no_sense_is_refused_with_its_code(feed, bus, tmp_path):
    """A stop for another executor, a decision without a pair."""
    session = session_for(feed, feed={"hours": 0.4}, bus=bus)
    async with stage(session, tmp_path / "hub") as (stack, me, make):
        operator = make("operator")
        played = Played(me, session, decide=False)
        await stack.enter_async_context(me)
        me.become_joined()
        await stack.enter_async_context(operator)
        await operator.join()

        async def during(shell):
            stop = EmergencyStop(scope="executor-2", flatten=False, reason="test")
            assert isinstance((await operator.post("executor-1", stop)).word, Nack)
            held = session.baseline
            word = Decision(
                params=held, basis=(), mode=Mode.PEER, not_before=0, not_after=SECOND_NS
            )
            assert isinstance((await me.post("executor-1", word)).word, Nack)
            assert not shell.state.stops

        assert await trade(session, tmp_path, during)
        await asyncio.gather(*played.tasks)


async def test_the_desk_reads_the_journal_while_the_executor_trades(feed, bus, tmp_path):
    """Pages of plain rows until an empty one; a table that is none is refused with a line."""
    session = session_for(feed, feed={"hours": 0.4}, bus=bus)
    async with stage(session, tmp_path / "hub") as (stack, me, make):
        desk = make("desk")
        played = Played(me, session, decide=False)
        await stack.enter_async_context(me)
        me.become_joined()
        await stack.enter_async_context(desk)
        await desk.join()

        async def ask(table, after=0):
            word = JournalRequest(after=after, table=table)
            return (await desk.post("executor-1", word)).word

        async def during(_):
            opened = await ask("judged")
            assert opened.rows[0].kind == "opened"
            assert opened.rows[0].body["symbol"] == session.meta.symbol
            refused = await ask("orders")
            assert refused.code is NackCode.SCHEMA
            assert refused.detail.startswith("table must be one of intents, reports,")
            end = await ask("cycles", after=1 << 40)
            assert end.rows == ()

        assert await trade(session, tmp_path, during)
        await asyncio.gather(*played.tasks)


class Deaf:
    """Ends each post as told, in order."""

    def __init__(self, *ends):
        self.ends, self.posts = list(ends), []

    def post(self, dst, word, **more):
        """Note a word, and end it."""
        self.posts.append((dst, word, more))
        future = asyncio.get_running_loop().create_future()
        end = self.ends.pop(0)
        if isinstance(end, Exception):
            future.set_exception(end)
            future.exception()
        elif end is not None:
            future.set_result(SimpleNamespace(word=end))
        return future

    def tell(self, word):
        """Telemetry is not looked at."""


async def test_a_vote_that_nobody_heard_is_said_again_and_one_that_was_heard_is_not(feed, bus):
    """Its ttl ended, then a clock was set: a round that is said again asks for no second vote."""
    session = session_for(feed, bus=bus)
    ears = Deaf(BusError("no answer"), Nack(code=NackCode.EXPIRED, detail="expired"), None)
    shell = SimpleNamespace(venue_words=dict, folder=Path(bus["folder"]))
    link = BusLink(session.settings, shell)
    await link.participant.__aexit__()
    link.participant = ears
    word = Vote(round=1, candidate="b" * 64, choice=Choice.APPROVE, reason=None)
    link.say(Say("a" * 32, word))
    state = new_state(session)
    for _ in range(4):
        link.tell(state, lag_s=0.0)
    assert len(ears.posts) == 3, "said again twice, and then it is under way"
    assert all(each == ears.posts[0] for each in ears.posts)
    ears.ends = [Ack(stage=Stage.RECEIVED)]
    other = Say("c" * 32, word)
    link.say(other)
    for _ in range(3):
        link.tell(state, lag_s=0.0)
    assert len(ears.posts) == 4
