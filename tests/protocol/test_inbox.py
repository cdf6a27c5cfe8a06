from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.bus.inbox import KEPT_PER_SOURCE, SWEEP_AT, Heard, Inbox
from tests.protocol.party import NOW_NS, SECOND_NS, message

BASE = message(ttl=1000)


def said(number=0, body=b"{}", *, ts=NOW_NS, ttl=1000, src="optimizer-1", kind="no_update"):
    """A message by number; its signature is of no interest here."""
    change = {"id": f"{number:032x}", "ts": ts, "ttl": ttl, "src": src, "type": kind}
    return replace(BASE, header=BASE.header.model_copy(update=change), body=body)


def test_a_message_is_new_once_and_then_gets_its_stored_answer():
    """Handled once, answered as often as it is heard."""
    inbox = Inbox()
    assert inbox.hear(said(), NOW_NS) == (Heard.NEW, None)
    assert inbox.hear(said(), NOW_NS) == (Heard.AGAIN, None)
    inbox.store("optimizer-1", said().header.id, (b"received",))
    inbox.store("optimizer-1", said().header.id, (b"applied",))
    assert inbox.hear(said(ts=NOW_NS + 5), NOW_NS) == (Heard.AGAIN, (b"applied",))
    assert inbox.knows(said())
    assert inbox.answer_to(said()) == (b"applied",)


def test_another_body_or_type_under_a_known_id_is_a_replay():
    """E_REPLAY, and the first stays what it was."""
    inbox = Inbox()
    inbox.hear(said(), NOW_NS)
    assert inbox.hear(said(body=b"[]"), NOW_NS)[0] is Heard.REPLAY
    assert inbox.hear(said(kind="vote"), NOW_NS)[0] is Heard.REPLAY
    assert inbox.hear(said(), NOW_NS)[0] is Heard.AGAIN
    assert not inbox.knows(said(body=b"[]"))


def test_two_senders_may_use_the_same_id():
    """Ids belong to their sender."""
    inbox = Inbox()
    assert inbox.hear(said(), NOW_NS)[0] is Heard.NEW
    assert inbox.hear(said(src="optimizer-2"), NOW_NS)[0] is Heard.NEW


def test_what_was_forgotten_on_purpose_is_new_again():
    """A message whose handling had no effect may be handled anew."""
    inbox = Inbox()
    inbox.hear(said(), NOW_NS)
    inbox.forget("optimizer-1", said().header.id)
    inbox.forget("optimizer-9", "x")
    assert inbox.hear(said(), NOW_NS)[0] is Heard.NEW


def test_nothing_fresh_is_forgotten_however_many_come():
    """A full memory takes nothing new rather than lose what could be replayed."""
    inbox = Inbox()
    for number in range(KEPT_PER_SOURCE):
        assert inbox.hear(said(number), NOW_NS)[0] is Heard.NEW
    assert inbox.hear(said(KEPT_PER_SOURCE), NOW_NS)[0] is Heard.CROWDED
    for number in (0, 1, KEPT_PER_SOURCE - 1):
        assert inbox.hear(said(number), NOW_NS)[0] is Heard.AGAIN
    assert inbox.hear(said(1, src="optimizer-2"), NOW_NS)[0] is Heard.NEW, "nobody else suffers"
    later_ns = NOW_NS + 40 * SECOND_NS
    assert inbox.hear(said(KEPT_PER_SOURCE, ts=later_ns), later_ns)[0] is Heard.NEW


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=60), st.integers(0, 2**32))
def test_a_fresh_message_is_handled_exactly_once(gaps, seed):
    """Whatever comes between, as long as it could be fresh it is known."""
    inbox = Inbox()
    now_ns, number, live = NOW_NS, 0, {}
    for gap in gaps:
        now_ns += gap * SECOND_NS
        for _ in range(SWEEP_AT // 20):
            number += 1
            one = said(number, ts=now_ns, ttl=1 + (seed + number) % 60_000)
            assert inbox.hear(one, now_ns)[0] is Heard.NEW
            live[number] = one
        fresh = {
            key: each
            for key, each in live.items()
            if now_ns <= each.header.ts + each.header.ttl * 1_000_000
        }
        assert all(inbox.hear(each, now_ns)[0] is Heard.AGAIN for each in fresh.values())
        live = fresh
