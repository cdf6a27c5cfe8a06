import asyncio
import time
from collections import Counter

import pytest

from protocol import messages as m
from protocol.bus.batch import Telemetry
from protocol.bus.endpoints import Endpoints, ipc_endpoints, tcp_endpoints
from protocol.bus.gatekeeper import ECHO_NS, RATE, Gatekeeper, Rates
from protocol.bus.hub import Hub
from protocol.bus.participant import Participant
from protocol.errors import BusError
from protocol.topics import Channel
from tests.protocol.party import (
    NO_UPDATE,
    NOW_NS,
    SECOND_NS,
    STOP,
    frames,
    going,
    house,
    message,
    signed,
)

ASK = m.SnapshotRequest(have=(0, 0))


@pytest.fixture
def keeper():
    return Gatekeeper(house()[0])


def flooded(keeper, count, now_ns, **more):
    """Say so many things; return how many passed and the ids that must hear E_BUSY."""
    passed, told = 0, []
    for _ in range(count):
        forward, busy = keeper.judge(frames(**more, ts=now_ns), now_ns)
        passed += forward
        told += [busy.header.id] if busy is not None else []
    return passed, told


def test_what_is_fit_goes_through(keeper):
    """And again, when it is said again."""
    parts = frames()
    for number in range(3):
        assert keeper.judge(parts, NOW_NS + number * ECHO_NS) == (True, None)
    assert keeper.counts == Counter(forwarded=3)


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        (frames(src="optimizer-2", signer="optimizer-1"), "signature"),
        ([*frames()[:3], bytes(64)], "signature"),
        ([*frames()[:2], b"{}", frames()[3]], "signature"),
        (frames(STOP, src="optimizer-1"), "rights"),
        (signed(b"ctl.executor-1.no_update", frames()[1], b"{}"), "mismatch"),
        (signed(b"ctl.coordinator.no_update", b'{"src":"optimizer-1"}', b"{}"), "header"),
        (frames()[:3], "sizes"),
        ([b"x", *frames()[1:]], "topic"),
        (frames(m.Status.model_validate({}), channel=Channel.TELEMETRY), "channel"),
    ],
)
def test_what_is_unfit_is_dropped_and_counted_and_never_answered(keeper, parts, why):
    """Forged, tampered, without right, mismatched, malformed, or telemetry on control."""
    assert keeper.judge(parts, NOW_NS) == (False, None)
    assert keeper.counts == Counter({why: 1})


def test_a_late_message_passes_once_a_second_for_its_addressee_to_answer(keeper):
    """E_EXPIRED is the addressee's word; old frames played again spend nobody's allowance."""
    late_ns = NOW_NS + 400 * SECOND_NS
    assert [keeper.judge(frames(), late_ns)[0] for _ in range(3)] == [True, False, False]
    assert keeper.judge(frames(), late_ns + SECOND_NS)[0]
    assert keeper.counts["expired"] == 4
    assert flooded(keeper, 200, late_ns)[0] == 200
    beat = m.Heartbeat(state="up", lag_ms=0.0)
    assert not keeper.judge(frames(beat, channel=Channel.STATE), late_ns + 9 * SECOND_NS)[0]


def test_a_flood_is_cut_at_the_rate_and_told_so_once_a_second(keeper):
    """200 a second, one E_BUSY a second, and nobody else suffers."""
    passed, told = flooded(keeper, 500, NOW_NS)
    assert (passed, len(told)) == (int(RATE), 1)
    assert flooded(keeper, 10, NOW_NS, src="optimizer-2")[0] == 10
    passed, told = flooded(keeper, 500, NOW_NS + SECOND_NS)
    assert (passed, len(told)) == (int(RATE), 1)
    assert keeper.counts["rate"] == 600


def test_forged_frames_spend_nobodys_allowance(keeper):
    """The rate is charged after the signature."""
    assert flooded(keeper, 300, NOW_NS, src="optimizer-2", signer="optimizer-1")[0] == 0
    assert flooded(keeper, 200, NOW_NS, src="optimizer-2")[0] == 200


def test_answers_that_are_too_many_are_not_told(keeper):
    """Acks are never answered, not even with E_BUSY."""
    ack = m.Ack(stage=m.Stage.RECEIVED)
    assert flooded(keeper, 300, NOW_NS, word=ack, ref="a" * 32) == (200, [])


def test_stops_are_exempt_from_every_limit(keeper):
    """A busy operator can stop, and so can one with a wrong clock."""
    flooded(keeper, 300, NOW_NS, word=m.Pause(), src="operator")
    for _ in range(300):
        assert keeper.judge(frames(STOP, src="operator", ts=1), NOW_NS) == (True, None)


def test_one_new_snapshot_a_second_and_its_resends(keeper):
    """A snapshot is the dearest answer."""
    first = frames(ASK)
    assert all(keeper.judge(first, NOW_NS + n * ECHO_NS)[0] for n in range(5))
    second = frames(ASK)
    assert not keeper.judge(second, NOW_NS + SECOND_NS - ECHO_NS)[0]
    assert keeper.judge(second, NOW_NS + SECOND_NS)[0]
    assert keeper.judge(frames(ASK, src="optimizer-2"), NOW_NS)[0]


def test_what_was_overheard_and_is_played_again_costs_its_owner_nothing(keeper):
    """Once in 10 ms the same bytes, out of an allowance apart; a stop's too, but without one."""
    heard = [frames(ts=NOW_NS) for _ in range(150)]
    assert all(keeper.judge(parts, NOW_NS)[0] for parts in heard)
    played = [keeper.judge(parts, NOW_NS + ECHO_NS * n) for n in range(9) for parts in heard]
    assert keeper.counts["echo"] == 150, "the first round came at once"
    assert 200 <= sum(forward for forward, _ in played) < 250, "the allowance of repetitions"
    assert all(busy is None for _, busy in played), "who is played back must not hear E_BUSY"
    assert flooded(keeper, 50, NOW_NS + ECHO_NS)[0] == 50, "what is new still passes"
    stop = frames(STOP, src="operator")
    passed = [keeper.judge(stop, NOW_NS + n * ECHO_NS // 10)[0] for n in range(1000)]
    assert sum(passed) == 100


def test_an_old_snapshot_request_played_again_takes_nobodys_turn(keeper):
    """The newest may be said again; an older one would keep a new one from its turn."""
    old, new = frames(ASK), frames(ASK)
    assert keeper.judge(old, NOW_NS)[0]
    assert keeper.judge(new, NOW_NS + SECOND_NS)[0]
    assert not keeper.judge(old, NOW_NS + 3 * SECOND_NS)[0]
    assert keeper.judge(frames(ASK), NOW_NS + 3 * SECOND_NS)[0]


def test_a_clock_that_steps_back_starves_nobody(keeper):
    """After a correction by an hour, snapshots and allowances go on."""
    assert keeper.judge(frames(ASK), NOW_NS)[0]
    back_ns = NOW_NS - 3600 * SECOND_NS
    assert keeper.judge(frames(ASK, ts=back_ns), back_ns)[0]
    rates = Rates()
    assert all(rates.take("a", NOW_NS) for _ in range(200))
    assert not rates.take("a", back_ns)
    assert rates.take("a", back_ns + SECOND_NS)


def test_a_telemetry_row_that_is_too_long_is_dropped_alone():
    """It must not end the process that told it."""
    telemetry = Telemetry(house()[1]["optimizer-1"], lambda: NOW_NS)
    for length in (10, 70_000, 40_000, 40_000):
        telemetry.add(m.Status.model_validate({f"k{n}": "x" * 200 for n in range(length // 200)}))
    batches = list(telemetry.take())
    assert telemetry.dropped == 1
    assert len(batches) == 3
    assert all(len(each[2]) <= 65_536 for each in batches)
    assert list(telemetry.take()) == []


@pytest.mark.parametrize(
    "address",
    ["tcp://0.0.0.0:5555", "tcp://10.0.0.1:1", "tcp://127.0.0.1.example.com:1", "ipc://@abstract",
     "tcp://*:1", "ipc://", "inproc://x", "tcp://localhost.example.com:1"],
)  # fmt: skip
def test_an_address_that_others_reach_is_refused(address):
    """Beyond this host CURVE is needed; an abstract socket has no permissions."""
    with pytest.raises(BusError, match="CURVE"):
        Endpoints(address, address, address, address)


def test_folders_and_ports_are_checked_before_they_are_used(tmp_path):
    """Open to others, too long, out of range: one line each."""
    (tmp_path / "open").mkdir(mode=0o755)
    with pytest.raises(BusError, match="chmod 700"):
        ipc_endpoints(tmp_path / "open")
    with pytest.raises(BusError, match="107"):
        ipc_endpoints(tmp_path / ("x" * 110))
    for port in (0, 65_533, -1):
        with pytest.raises(BusError, match="begins four"):
            tcp_endpoints(port)
    assert tcp_endpoints(65_532).telemetry_out == "tcp://127.0.0.1:65535"


@pytest.fixture
def place(tmp_path_factory):
    """A folder whose path is short enough for sockets."""
    return tmp_path_factory.mktemp("b")


async def wait_for_ever():
    await asyncio.Event().wait()


async def test_a_hub_whose_task_dies_ends_its_owner_loudly(place):
    """A deaf hub must not seem alive."""
    roster, who = house()
    hub = Hub(who["coordinator"], roster, ipc_endpoints(place / "s"), folder=place, clock=going)

    def broken(frames, now_ns):
        raise ValueError("a bug")

    hub.gatekeeper.judge = broken
    with pytest.raises(ValueError, match="a bug"):
        async with (
            asyncio.timeout(10),
            hub,
            Participant(who["optimizer-1"], roster, ipc_endpoints(place / "s"), clock=going) as me,
        ):
            await me.join()


async def test_a_handler_that_fails_ends_its_owner_loudly(place):
    """A bug in handling is not swallowed, be it at once or later."""
    roster, who = house()
    ends = ipc_endpoints(place / "s")

    async def later(received):
        raise ValueError("late bug")

    def at_once(received):
        raise ValueError("late bug")

    async def serve(handler):
        coordinator = Participant(who["coordinator"], roster, ends, clock=going)
        coordinator.on("no_update", handler)
        async with (
            asyncio.timeout(10),
            Hub(who["coordinator"], roster, ends, folder=place, clock=going),
            coordinator,
            Participant(who["optimizer-1"], roster, ends, clock=going) as me,
        ):
            coordinator.become_joined()
            me.become_joined()
            me.post("coordinator", NO_UPDATE)
            await wait_for_ever()

    for handler in (later, at_once):
        with pytest.raises(ValueError, match="late bug"):
            await serve(handler)


async def test_after_a_silence_of_the_coordinator_a_snapshot_is_asked_for(place):
    """Though its heartbeat knows of nothing new: answers may have been lost with the link."""
    roster, who = house()
    ends = ipc_endpoints(place / "s")
    nothing = m.Snapshot(
        pair=(0, 0), params=None, not_before=None, not_after=None, mode=m.Mode.MASTER_SLAVE,
        generation=0, round=None, stops=(),
    )  # fmt: skip
    coordinator = Participant(
        who["coordinator"], roster, ends, clock=going,
        beat=lambda _lag_ms: m.CoordinatorHeartbeat(epoch=1, executors=()),
    )  # fmt: skip
    coordinator.on("snapshot_request", lambda _received: nothing)
    passed_ns, first, repaired = [0], asyncio.Event(), asyncio.Event()
    me = Participant(
        who["optimizer-1"], roster, ends, clock=going,
        steady=lambda: time.monotonic_ns() + passed_ns[0],
    )  # fmt: skip
    me.repair("executor-1", lambda: (0, 0), lambda _snapshot: repaired.set())
    me.follow("heartbeat", "coordinator", lambda _received: first.set())
    hub = Hub(who["coordinator"], roster, ends, folder=place, clock=going)
    async with asyncio.timeout(20), hub, coordinator, me:
        coordinator.become_joined()
        await me.join()
        first.clear()  # a heartbeat that came before we joined begins no silence
        await first.wait()
        assert not repaired.is_set()
        passed_ns[0] = 3 * SECOND_NS
        hub.gatekeeper._new_snapshots._last_ns.clear()  # a second has not passed for its clock
        await repaired.wait()


async def test_what_is_posted_wrongly_fails_where_it_is_posted(place):
    """Not joined; an open id with another body; and the same body is one message."""
    roster, who = house()
    ends = ipc_endpoints(place / "s")
    async with Participant(who["optimizer-1"], roster, ends, clock=going) as me:
        with pytest.raises(BusError, match="has not joined"):
            me.post("coordinator", NO_UPDATE)
        with pytest.raises(BusError, match="is one running"):
            await me.join(timeout_s=0.05)
        assert not me.joined.is_set()
        me.become_joined()
        first = me.post("coordinator", NO_UPDATE, message_id="a" * 32)
        assert me.post("coordinator", NO_UPDATE, message_id="a" * 32) is first
        other = m.NoUpdate(window=(0, 2), digest="0" * 64, reason="x")
        with pytest.raises(BusError, match="open with another body"):
            await me.post("coordinator", other, message_id="a" * 32)
        me.settle("a" * 32)
        assert first.cancelled()
        with pytest.raises(BusError, match="did not answer no_update within its ttl"):
            await me.post("coordinator", NO_UPDATE, ttl_ms=30)


def test_a_message_of_the_party_is_what_the_tests_think_it_is():
    """The builder's own check."""
    assert message().header.src == "optimizer-1"


def test_a_flood_of_states_is_cut_and_never_answered(keeper):
    """Heartbeats are never answered, not even with E_BUSY; a state floods its sender alone."""
    beat = m.Heartbeat(state="up", lag_ms=0.0)
    passed, told = flooded(keeper, 500, NOW_NS, word=beat, channel=Channel.STATE)
    assert (passed, told) == (int(RATE), [])
    assert flooded(keeper, 10, NOW_NS, src="optimizer-2")[0] == 10
