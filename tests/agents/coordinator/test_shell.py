import asyncio
import json
import time
from types import SimpleNamespace

import pytest

from agents.bus import endpoints_of
from agents.coordinator.audit import audit
from agents.coordinator.events import Tick
from agents.coordinator.log import read_records
from agents.coordinator.records import Kind
from agents.coordinator.rules import rules_from
from agents.coordinator.shell import Coordinator
from agents.settings import Settings
from protocol.bus.participant import Participant
from protocol.errors import BusError
from protocol.keys import load_identity, load_roster, new_keys
from protocol.merge import candidate_of, digest
from protocol.messages import (
    Ack,
    Boundary,
    BoundaryDone,
    Choice,
    EmergencyStop,
    JournalRequest,
    Mode,
    ModeChange,
    NackCode,
    NoUpdate,
    Stage,
    Status,
    Vote,
)
from tests.agents.coordinator.world import BASELINE, BOUNDARY, START, ident, update

WIDER = BASELINE.model_copy(update={"spread_percentage": 0.24})
WAIT_S = 10.0


@pytest.fixture
def settings(tmp_path):
    new_keys(tmp_path / "keys")
    document = {
        "data": str(tmp_path),
        "parameters": BASELINE.model_dump(),
        "bus": {"folder": str(tmp_path / "b"), "keys": str(tmp_path / "keys")},
    }
    return Settings.model_validate_json(json.dumps(document))


class Running:
    """A coordinator in a task of its own; leaving the block kills it."""

    def __init__(self, settings, clock=time.time_ns):
        self.settings, self.clock = settings, clock

    async def __aenter__(self):
        folder = self.settings.data / "run"
        rules = rules_from(self.settings)
        self.coordinator = Coordinator(rules, self.settings, folder, clock=self.clock)
        self.task = asyncio.create_task(self.coordinator.serve({}))
        return self.coordinator

    async def __aexit__(self, *_):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def party(settings, name, clock=time.time_ns):
    keys = settings.keys_folder
    roster = load_roster(keys)
    ends = endpoints_of(settings)
    return Participant(load_identity(name, keys, {}), roster, ends, clock=clock)


class Executor:
    """Votes for everything and applies at once; remembers what it heard."""

    def __init__(self, me):
        self.me, self.decisions, self.done = me, [], asyncio.Queue()
        me.on("round", self.vote)
        me.on("decision", self.apply)
        me.on("boundary_done", self.close)

    def vote(self, received):
        """Approve."""
        word = received.word
        choice = Vote(round=word.round, candidate=digest(word.candidate), choice=Choice.APPROVE)
        self.me.post("coordinator", choice, ref=received.header.id)

    def apply(self, received):
        """Say at once that it is in force."""
        self.decisions.append((received.header.epoch, received.header.version))
        return Ack(stage=Stage.APPLIED)

    def close(self, received):
        """Go on."""
        self.done.put_nowait(received.word)
        return Ack(stage=Stage.RECEIVED)

    def reach(self, index):
        """Reach a boundary and answer it as a seat."""
        key = ident("boundary", index)
        pair = self.decisions[-1] if self.decisions else (0, 0)
        word = Boundary(index=index, venue_time=START + index * BOUNDARY)
        self.me.post("coordinator", word, message_id=key, pair=pair)
        nothing = NoUpdate(window=(0, 1), digest=digest(BASELINE), reason="executor")
        self.me.post("coordinator", nothing, message_id=ident("own", index), ref=key, pair=pair)
        return key

    def tell_seat(self, index, seat):
        """Tell a seat of the boundary that was reached."""
        word = Boundary(index=index, venue_time=START + index * BOUNDARY)
        self.me.post(seat, word, message_id=ident("boundary", index), pair=(0, 0))


class Clock:
    """A wall clock that somebody sets."""

    wrong_ns = 0

    def __call__(self):
        """Return what it shows, ns."""
        return time.time_ns() + self.wrong_ns


async def settled(awaitable):
    return await asyncio.wait_for(awaitable, WAIT_S)


async def test_a_boundary_goes_all_the_way_over_sockets(settings):
    """Boundary, answers, round, vote, decision, applied: the proposer hears `applied`."""
    async with Running(settings), party(settings, "executor-1") as one:
        executor = Executor(one)
        async with party(settings, "optimizer-1") as other:
            await settled(one.join())
            await settled(other.join())
            key = executor.reach(1)
            proposal = update(WIDER, START + BOUNDARY)
            future = other.post("coordinator", proposal, message_id=ident("p"), ref=key)
            done = await settled(executor.done.get())
            assert done.decision == (1, 1)
            assert (await settled(future)).word.stage is Stage.APPLIED
    kinds = [record.kind for record in read_records(settings.data / "run")]
    assert kinds[-3:] == [Kind.DECISION, Kind.DONE, Kind.APPLIED]


async def test_a_killed_coordinator_goes_on_from_its_log(settings):
    """It dies with one answer in; the next one closes the boundary without asking for it again."""
    async with party(settings, "executor-1") as one, party(settings, "optimizer-1") as other:
        executor = Executor(one)
        async with Running(settings) as first:
            await settled(one.join())
            await settled(other.join())
            key = executor.reach(1)
            answered = one.post(
                "coordinator",
                NoUpdate(window=(0, 1), digest=digest(BASELINE), reason="executor"),
                message_id=ident("own", 1),
                ref=key,
                pair=(0, 0),
            )
            await settled(answered)
            assert first.rules.seats == ("executor-1", "optimizer-1")
        async with Running(settings):
            proposal = update(WIDER, START + BOUNDARY)
            other.post("coordinator", proposal, message_id=ident("p"), ref=key)
            done = await settled(executor.done.get())
            assert done.decision == (2, 1)
            async with party(settings, "optimizer-2") as late:
                snapshot = await settled(late.join())
                assert snapshot.pair == (2, 1)
                assert snapshot.params == WIDER


async def test_a_second_coordinator_refuses_to_start(settings):
    """The folder is locked before anything is bound or written."""
    async with Running(settings), party(settings, "desk") as desk:
        await settled(desk.join())
        second = Coordinator(rules_from(settings), settings, settings.data / "run")
        with pytest.raises(BusError, match="in use by another coordinator"):
            await settled(second.serve({}))


async def test_the_desk_catches_up_page_by_page(settings):
    """Rows come in order until an empty page says that was all."""
    async with Running(settings), party(settings, "operator") as operator:
        await settled(operator.join())
        stop = EmergencyStop(scope="all", flatten=False, reason="drill")
        final = await settled(operator.post("coordinator", stop))
        assert final.word.stage is Stage.STOPPED
        async with party(settings, "desk") as desk:
            await settled(desk.join())
            page = (await settled(desk.post("coordinator", JournalRequest(after=0)))).word
            assert [row.kind for row in page.rows] == ["epoch", "stop"]
            more = JournalRequest(after=page.rows[-1].seq)
            assert (await settled(desk.post("coordinator", more))).word.rows == ()


async def test_what_is_not_for_the_coordinator_is_refused(settings):
    """A vote of somebody who is no voter changes nothing and is told so."""
    async with Running(settings), party(settings, "optimizer-1") as other:
        await settled(other.join())
        vote = Vote(round=1, candidate=digest(WIDER), choice=Choice.APPROVE)
        final = (await settled(other.post("coordinator", vote))).word
        assert final.code is NackCode.FORBIDDEN


def with_mode(settings, mode, optimizers=2):
    """The same bus under another mode, with more seats."""
    document = json.loads(settings.model_dump_json())
    document["coordinator"]["mode"] = mode.value
    document["run"]["optimizers"] = optimizers
    return Settings.model_validate_json(json.dumps(document))


class Seat:
    """An optimizer that proposes one set, approves every candidate, and checks every merge."""

    def __init__(self, me, mode, seats=3):
        self.me, self.mode, self.seats, self.rounds = me, mode, seats, asyncio.Queue()
        me.on("round", self.judge)

    def judge(self, received):
        """As a peer say that it was received, as a voter vote; the merge must be what we find."""
        self.rounds.put_nowait(received)
        word = received.word
        found = candidate_of(word, self.mode, seats=self.seats, fraction=0.25)
        assert digest(found) == digest(word.candidate)
        if self.mode is Mode.PEER:
            return Ack(stage=Stage.RECEIVED)
        vote = Vote(round=word.round, candidate=digest(word.candidate), choice=Choice.APPROVE)
        self.me.post("coordinator", vote, ref=received.header.id, gen=received.header.gen)
        return None

    async def propose(self, key, spread):
        """Say a set; return the final answer."""
        params = BASELINE.model_copy(update={"spread_percentage": spread})
        word = update(params, START + BOUNDARY)
        future = self.me.post("coordinator", word, message_id=ident(self.me.name), ref=key)
        return (await settled(future)).word


async def test_three_seats_agree_over_sockets(settings):
    """Consensus: each seat is asked by name, and the proposers hear of the median."""
    settings = with_mode(settings, Mode.CONSENSUS)
    async with Running(settings), party(settings, "executor-1") as one:
        executor = Executor(one)
        async with party(settings, "optimizer-1") as two, party(settings, "optimizer-2") as three:
            for each in (one, two, three):
                await settled(each.join())
            seats = [Seat(two, Mode.CONSENSUS), Seat(three, Mode.CONSENSUS)]
            key = executor.reach(1)
            first, second = await asyncio.gather(
                seats[0].propose(key, 0.18), seats[1].propose(key, 0.19)
            )
            assert (await settled(executor.done.get())).decision == (1, 1)
            median = BASELINE.model_copy(update={"spread_percentage": 0.19})
            assert first == second == Ack(stage=Stage.APPLIED, digest=digest(median))
            assert [each.rounds.qsize() for each in seats] == [1, 1]
    records = read_records(settings.data / "run")
    assert sum(each.kind is Kind.VOTE for each in records) == 3
    assert audit(rules_from(settings), records, executor.decisions) == []


async def test_the_operator_switches_and_the_next_round_is_one_of_peers(settings):
    """Nobody else may; the generation goes into the header of what is asked from then on."""
    settings = with_mode(settings, Mode.CONSENSUS)
    async with Running(settings), party(settings, "executor-1") as one:
        executor = Executor(one)
        one.on("round", lambda _received: Ack(stage=Stage.RECEIVED))
        async with party(settings, "optimizer-1") as two, party(settings, "optimizer-2") as three:
            async with party(settings, "operator") as operator:
                for each in (one, two, three, operator):
                    await settled(each.join())
                change = {"from": Mode.CONSENSUS, "to": Mode.PEER, "gen": 0, "reason": "drill"}
                word = ModeChange.model_validate(change)
                assert (await settled(operator.post("coordinator", word))).word == Ack(
                    stage=Stage.DECIDED
                )
            seats = [Seat(two, Mode.PEER), Seat(three, Mode.PEER)]
            key = executor.reach(1)
            await asyncio.gather(seats[0].propose(key, 0.22), seats[1].propose(key, 0.24))
            assert (await settled(executor.done.get())).decision == (1, 1)
            shown = [await settled(each.rounds.get()) for each in seats]
            assert {each.header.gen for each in shown} == {1}
    records = read_records(settings.data / "run")
    assert not [each for each in records if each.kind in {Kind.VOTE, Kind.ALARM}]
    assert audit(rules_from(settings), records, executor.decisions) == []


async def test_nonsense_is_on_disk_before_it_is_answered_and_benches_in_the_end(settings):
    """Over sockets: ten malformed sets under ten ids; the eleventh, sound, is E_FORBIDDEN."""
    async with Running(settings), party(settings, "optimizer-1") as one:
        await settled(one.join())
        sound = update(WIDER, START)
        data = sound.data.model_copy(
            update={"optimized_params": WIDER.model_copy(update={"levels": 99})}
        )
        for serial in range(10):
            wrong = sound.model_copy(update={"data": data})
            final = await settled(one.post("coordinator", wrong, message_id=ident("w", serial)))
            assert final.word.code is NackCode.BOUNDS
            kinds = [each.kind for each in read_records(settings.data / "run")]
            assert kinds.count(Kind.FAULT) == serial + 1
        final = (await settled(one.post("coordinator", sound, message_id=ident("s")))).word
        assert final.code is NackCode.FORBIDDEN
        assert "optimizer-1 is benched until" in final.detail


async def test_what_was_too_old_for_a_clock_is_said_again_and_judged(settings, monkeypatch):
    """All clocks are set while a decision and its boundary's end fly: nobody has judged them."""
    monkeypatch.setattr("agents.coordinator.shell.UNHEARD_S", 0.05)
    clock = Clock()
    async with (
        Running(settings, clock) as coordinator,
        party(settings, "executor-1", clock) as one,
        party(settings, "optimizer-1", clock) as other,
    ):
        executor = Executor(one)
        await settled(one.join())
        await settled(other.join())
        post = coordinator._post

        def set_clocks_after(effect):
            post(effect)
            if isinstance(effect.word, BoundaryDone) and not clock.wrong_ns:
                clock.wrong_ns = 3600 * 10**9

        coordinator._post = set_clocks_after
        key = executor.reach(1)
        proposal = update(WIDER, START + BOUNDARY)
        future = other.post("coordinator", proposal, message_id=ident("p"), ref=key)
        assert (await settled(executor.done.get())).decision == (1, 1)
        assert (await settled(future)).word.stage is Stage.APPLIED
        assert one.counts["expired"] >= 2
    assert executor.decisions == [(1, 1)]
    kinds = [record.kind for record in read_records(settings.data / "run")]
    assert Kind.REJECTED not in kinds


def test_a_status_tells_time_what_was_applied_and_which_policy_quotes(settings, monkeypatch):
    """On the real clock nobody else does; what is older, or no time, tells nothing."""
    coordinator, told = Coordinator(rules_from(settings), settings, settings.data / "run"), []
    monkeypatch.setattr(coordinator, "_handle", told.append)
    promoted = {"policy": {"stage": "promoted"}}
    for document in (
        {"venue_time": 7, "pair": [1, 2], **promoted},
        {"venue_time": 6},
        {"venue_time": "8"},
        {"venue_time": 9, "policy": {"stage": "rolled_back"}},
    ):
        coordinator._see(SimpleNamespace(word=Status.model_validate(document)))
        coordinator._tick()
    heard = Tick(7, (1, 2), promoted=True)
    assert told == [heard, heard, heard, Tick(9, (1, 2))]
