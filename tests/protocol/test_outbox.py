import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import messages as m
from protocol.bus.gatekeeper import Rates
from protocol.bus.outbox import (
    BURST,
    FAST_NS,
    JOIN_FAST,
    JOIN_NS,
    OPEN_MAX,
    SLOW_NS,
    Outbox,
    is_final,
)
from protocol.errors import NackCode
from tests.protocol.party import NO_UPDATE, SECOND_NS, frames, header, message

RECEIVED = m.Ack(stage=m.Stage.RECEIVED)
APPLIED = m.Ack(stage=m.Stage.APPLIED)
BUSY = m.Nack(code=NackCode.BUSY, detail="", retry_after_ms=1000)
STEP = m.Nack(code=NackCode.STEP, detail="")
DECISION = "decision"
ID = "a" * 32


def posted(kind=DECISION, dst="executor-1", src="coordinator", **more):
    """An outbox with one open message, said once at 0."""
    outbox = Outbox()
    head = header(src=src, dst=dst, kind=kind, id=ID, **more)
    assert outbox.post(head, (b"frames",), 0)
    assert outbox.due(0) == [(b"frames",)]
    return outbox


def answer(word, src="executor-1"):
    return message(word, src=src, dst="coordinator", ref=ID)


def test_a_message_is_said_again_each_half_second_and_each_five_once_received():
    """The schedule of PROTOCOL.md 1."""
    outbox = posted()
    assert outbox.due(FAST_NS - 1) == []
    assert outbox.next_ns() == FAST_NS
    assert outbox.due(FAST_NS)
    assert outbox.answered(answer(RECEIVED), RECEIVED, FAST_NS) is None
    assert outbox.due(FAST_NS + SLOW_NS - 1) == []
    assert outbox.due(FAST_NS + SLOW_NS)


def test_a_final_answer_ends_a_message():
    """Applied, or any nack but E_BUSY."""
    for word in (APPLIED, STEP):
        outbox = posted()
        assert outbox.answered(answer(word), word, 1).id == ID
        assert len(outbox) == 0
        assert outbox.next_ns() is None


def test_busy_is_never_final_and_says_when_to_come_again():
    """A message that was only too much is not refused."""
    outbox = posted()
    assert outbox.answered(answer(BUSY), BUSY, 0) is None
    assert outbox.due(SECOND_NS - 1) == []
    assert outbox.due(SECOND_NS)


def test_only_the_addressee_can_answer():
    """The hub, or a third party, ends nothing."""
    outbox = posted()
    for src in ("optimizer-1", "executor-2", "coordinator"):
        assert outbox.answered(answer(STEP, src), STEP, 1) is None
    assert ("executor-1", ID) in outbox


def test_one_id_may_go_to_several_addressees_each_with_its_own_answer():
    """A boundary goes to the coordinator and every seat under one id."""
    outbox = Outbox()
    for dst in ("coordinator", "optimizer-1", "optimizer-2"):
        outbox.post(header(dst=dst, src="executor-1", kind="boundary", id=ID), (b"",), 0)
    assert len(outbox.due(0)) == 3
    told = message(NO_UPDATE, src="optimizer-1", ref=ID)
    assert outbox.answered(told, NO_UPDATE, 1).dst == "optimizer-1"
    assert len(outbox) == 2
    assert {each.dst for each in outbox.settle(ID)} == {"coordinator", "optimizer-2"}
    assert len(outbox) == 0


def test_a_message_ends_with_its_ttl():
    """Nothing is said once it is too late, and the poster hears of it."""
    outbox = posted(ttl=1000)
    assert outbox.due(SECOND_NS) == []
    assert [each.id for each in outbox.expired(SECOND_NS)] == [ID]
    assert len(outbox) == 0


@pytest.mark.parametrize("kind", ["snapshot_request", "emergency_stop"])
def test_what_is_said_unjoined_begins_every_twenty_milliseconds(kind):
    """A lost subscription is found within milliseconds; then the haste ends."""
    outbox = posted(kind, dst="coordinator", src="operator")
    now_ns, count = 0, 1
    while now_ns < 2 * SECOND_NS:
        now_ns = outbox.next_ns()
        count += len(outbox.due(now_ns))
    assert 50 <= count <= 54
    assert outbox.next_ns() - now_ns == FAST_NS
    assert JOIN_NS == 20_000_000


def test_a_restarted_addressee_is_told_everything_again_at_once():
    """It forgot what it had received; others are left alone."""
    outbox = posted()
    outbox.answered(answer(RECEIVED), RECEIVED, 0)
    outbox.refresh("optimizer-1", 1)
    assert outbox.due(1) == []
    outbox.refresh("executor-1", 1)
    assert outbox.due(1)
    assert outbox.next_ns() == 1 + FAST_NS


def test_after_a_cut_link_everybody_is_told_everything_again_at_once():
    """Answers were lost with it, whosever they were."""
    outbox = posted()
    outbox.answered(answer(RECEIVED), RECEIVED, 0)
    assert outbox.due(1) == []
    outbox.refresh(None, 1)
    assert outbox.due(1)


def test_open_messages_are_bounded():
    """A flood is refused where it begins."""
    outbox = Outbox()
    for number in range(OPEN_MAX):
        assert outbox.post(header(id=f"{number:032x}"), (b"",), 0)
    assert not outbox.post(header(id="f" * 32), (b"",), 0)
    assert outbox.post(header(id=f"{0:032x}"), (b"",), 0), "one that is open stays open"


@pytest.mark.parametrize(
    ("request_type", "answer_type", "word", "final"),
    [
        ("parameter_update", "ack", RECEIVED, False),
        ("parameter_update", "ack", APPLIED, True),
        ("decision", "ack", RECEIVED, False),
        ("vote", "ack", RECEIVED, True),
        ("no_update", "ack", RECEIVED, True),
        ("rearm", "ack", RECEIVED, True),
        ("pause", "ack", RECEIVED, True),
        ("resume", "ack", RECEIVED, True),
        ("boundary_done", "ack", RECEIVED, True),
        ("mode_change", "ack", RECEIVED, False),
        ("mode_change", "ack", m.Ack(stage=m.Stage.DECIDED), True),
        ("emergency_stop", "ack", RECEIVED, False),
        ("emergency_stop", "ack", m.Ack(stage=m.Stage.STOPPED), True),
        ("round", "ack", RECEIVED, False),
        ("round", "vote", NO_UPDATE, True),
        ("boundary", "no_update", NO_UPDATE, True),
        ("boundary", "vote", NO_UPDATE, False),
        ("journal_request", "journal_page", NO_UPDATE, True),
        ("snapshot_request", "snapshot", NO_UPDATE, True),
        ("snapshot_request", "nack", BUSY, False),
        ("snapshot_request", "nack", STEP, True),
    ],
)
def test_what_is_final_is_the_table_of_the_protocol(request_type, answer_type, word, final):
    """One line of PROTOCOL.md 1 each."""
    assert is_final(request_type, answer_type, word) is final


def test_a_round_of_peers_ends_when_it_is_received():
    """Peers recompute; they do not vote."""
    outbox = Outbox()
    head = header(src="coordinator", dst="executor-1", kind="round", id=ID)
    outbox.post(head, tuple(frames()), 0, until=m.Stage.RECEIVED)
    assert outbox.answered(answer(RECEIVED), RECEIVED, 1).id == ID


def test_a_thousand_messages_at_once_are_all_answered_by_pacing():
    """The sender stays below the hub's rate, so resends never crowd first copies out."""
    outbox, rates = Outbox(), Rates()
    for number in range(1000):
        outbox.post(header(id=f"{number:032x}"), (f"{number:032x}".encode(),), 0)
    now_ns, dropped = 0, 0
    while len(outbox):
        assert now_ns < 8 * SECOND_NS
        for (name,) in outbox.due(now_ns):
            if rates.take("optimizer-1", now_ns):
                told = message(RECEIVED, src="coordinator", dst="optimizer-1", ref=name.decode())
                outbox.answered(told, RECEIVED, now_ns)
            else:
                dropped += 1
        now_ns = max(now_ns + 1_000_000, outbox.next_ns() or 0)
    assert dropped == 0


def test_a_stop_waits_behind_nothing():
    """However much is due, a stop goes out at once."""
    outbox = Outbox()
    for number in range(300):
        outbox.post(header(id=f"{number:032x}"), (b"other",), 0)
    assert len(outbox.due(0)) == BURST
    outbox.post(header(src="operator", kind="emergency_stop", id=ID), (b"stop",), 0)
    assert outbox.next_ns() == 0
    assert outbox.due(0) == [(b"stop",)]


@given(st.lists(st.tuples(st.sampled_from("pabeo"), st.integers(0, 5), st.integers(0, 900))))
def test_dates_kept_in_order_say_what_a_look_at_every_entry_would(moves):
    """The heaps against the plainest rule: due and not ended, by date; a stop never waits."""
    outbox, plain, now_ns = Outbox(), {}, 0
    for move, which, wait_ms in moves:
        now_ns += wait_ms * 1_000_000
        key = f"{which:032x}"
        kind = "emergency_stop" if which == 0 else DECISION
        if move == "p" and key not in plain:
            outbox.post(
                header(dst="executor-1", kind=kind, id=key, ttl=3000), (key.encode(),), now_ns
            )
            every_ns = JOIN_NS if which == 0 else FAST_NS
            plain[key] = [now_ns, now_ns + 3 * SECOND_NS, every_ns, 0]
        elif move in "ab" and key in plain:
            word = RECEIVED if move == "a" else BUSY
            said = message(word, src="executor-1", dst="coordinator", ref=key)
            outbox.answered(said, word, now_ns)
            later_ns = SLOW_NS if move == "a" else SECOND_NS
            plain[key] = [
                now_ns + later_ns,
                plain[key][1],
                SLOW_NS if move == "a" else plain[key][2],
                plain[key][3],
            ]
        elif move == "e":
            gone = sorted(each.id for each in outbox.expired(now_ns))
            assert gone == sorted(each for each, row in plain.items() if row[1] <= now_ns)
            plain = {each: row for each, row in plain.items() if row[1] > now_ns}
        ready = {each for each, row in plain.items() if row[0] <= now_ns < row[1]}
        assert {one[0].decode() for one in outbox.due(now_ns)} == ready
        for each in ready:
            plain[each][3] += 1
            if plain[each][2] == JOIN_NS and plain[each][3] > JOIN_FAST:
                plain[each][2] = FAST_NS
            plain[each][0] = now_ns + plain[each][2]
        dates = [row[1] if row[1] <= now_ns else min(row[:2]) for row in plain.values()]
        assert outbox.next_ns() == min(dates, default=None)
