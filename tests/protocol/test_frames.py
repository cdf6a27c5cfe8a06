import json
import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol import messages as m
from protocol.bus.frames import (
    HEADER_MAX,
    PAST_NS,
    Message,
    Opener,
    Unfit,
    derive_id,
    open_frames,
    preimage,
    seal,
    source_of,
    stamped_anew,
)
from protocol.codec import BODY_MAX, encode
from protocol.errors import NackCode
from protocol.topics import Channel
from tests.protocol.party import NO_UPDATE, NOW_NS, STOP, frames, header, house, signed

MUTATED_PER_EXAMPLE = 60
EXAMPLES = 350


def opened(parts, now_ns=NOW_NS):
    return open_frames(parts, house()[0], now_ns)


def test_sealed_frames_open_to_what_was_said():
    """Four frames, and nothing of them is lost."""
    parts = frames(ref="a" * 32, epoch=1, version=2)
    found = opened(parts)
    assert isinstance(found, Message)
    assert (found.header.ref, found.header.epoch, found.header.version) == ("a" * 32, 1, 2)
    assert found.body == encode(NO_UPDATE)
    assert found.topic.encode() == parts[0] == b"ctl.coordinator.no_update"


def test_the_signed_bytes_are_those_of_the_protocol():
    """Other languages sign the same: "CPT1", then each frame behind its length, big-endian."""
    assert preimage(b"a", b"bc", b"") == b"CPT1\0\0\0\1a\0\0\0\2bc\0\0\0\0"


def test_json_with_spaces_is_a_header_too():
    """Another language's encoder may put spaces; the signature covers the bytes as sent."""
    head = json.dumps(header().model_dump(exclude_none=True), indent=1).encode()
    found = opened(signed(b"ctl.coordinator.no_update", head, b"{}"))
    assert isinstance(found, Message)


def test_a_forged_sender_is_not_believed():
    """Whoever signs for somebody else fails the signature."""
    assert opened(frames(src="optimizer-2", signer="optimizer-1")) == Unfit("signature")
    assert opened(frames(src="operator", word=STOP, signer="coordinator")) == Unfit("signature")


def test_a_name_outside_the_roster_is_unknown():
    """No key, no voice."""
    head = encode(header()).replace(b"optimizer-1", b"optimizer-x")
    assert opened(signed(b"ctl.coordinator.no_update", head, b"{}")) == Unfit("unknown")


def test_two_sources_in_one_header_name_nobody():
    """The key is picked by a pattern before parsing, so an ambiguous header is refused."""
    assert source_of(b'{"src":"a","src":"b"}') is None
    assert source_of(b'{"src" : "a"}') == "a"


@pytest.mark.parametrize(
    "topic",
    [b"ctl.coordinator.vote", b"ctl.optimizer-1.no_update", b"st.no_update.optimizer-2",
     b"tm.no_update.optimizer-3"],
)  # fmt: skip
def test_a_topic_that_differs_from_its_header_is_a_mismatch(topic):
    """Nobody smuggles a message to another addressee or under another type."""
    assert opened(signed(topic, encode(header()), b"{}")) == Unfit("mismatch")


def test_a_type_without_the_right_to_it_is_forbidden():
    """An optimizer cannot stop or decide, however well it signs."""
    for kind in ("emergency_stop", "decision", "mode_change", "anything"):
        topic = f"ctl.coordinator.{kind}".encode()
        found = opened(signed(topic, encode(header(kind=kind)), b"{}"))
        assert isinstance(found, Unfit)
        assert (found.why, found.code) == ("rights", NackCode.FORBIDDEN)


def test_time_bounds_are_exact():
    """Accepted iff ts - 30 s <= now <= ts + ttl."""
    parts = frames(ttl=1000)
    for now_ns, fits in (
        (NOW_NS - PAST_NS, True),
        (NOW_NS - PAST_NS - 1, False),
        (NOW_NS + 10**9, True),
        (NOW_NS + 10**9 + 1, False),
    ):
        found = opened(parts, now_ns)
        assert isinstance(found, Message) is fits
        if isinstance(found, Unfit):
            assert found.code is NackCode.EXPIRED
            assert found.message is not None


def test_a_stop_ignores_the_clock():
    """A wrong clock must not keep anybody from stopping."""
    parts = frames(STOP, src="operator")
    assert isinstance(opened(parts, NOW_NS + 10**18), Message)
    assert isinstance(opened(parts, 0), Message)


def test_another_version_can_be_answered_whatever_else_its_header_says():
    """E_VERSION needs to know sender and id only."""
    head = json.dumps(header().model_dump(exclude_none=True) | {"v": 2, "new": {}}).encode()
    found = opened(signed(b"ctl.coordinator.no_update", head, b"\xff"))
    assert isinstance(found, Unfit)
    assert found.code is NackCode.VERSION
    assert found.message.header.src == "optimizer-1"
    head = json.dumps(header().model_dump(exclude_none=True) | {"new": 1}).encode()
    assert opened(signed(b"ctl.coordinator.no_update", head, b"{}")).why == "header"


def test_sizes_are_bounded_before_anything_is_parsed():
    """Too many frames, a long header, a long body, a short signature."""
    good = frames()
    for parts in (
        good[:3],
        [*good, b""],
        [],
        [good[0], b" " * (HEADER_MAX + 1), *good[2:]],
        [*good[:2], b" " * (BODY_MAX + 1), good[3]],
        [*good[:3], good[3][:63]],
    ):
        assert opened(parts) == Unfit("sizes")
        assert Opener(house()[0]).open(parts, NOW_NS) == Unfit("sizes")


def test_what_is_too_long_is_not_sealed():
    """The sender learns of it, not the receivers."""
    with pytest.raises(ValueError, match="too long"):
        seal(house()[1]["optimizer-1"], Channel.CONTROL, header(), b" " * (BODY_MAX + 1))


def test_the_same_signed_bytes_are_verified_once():
    """A resent message costs one digest; a changed one is verified, and not remembered."""
    opener = Opener(house()[0])
    parts = frames()
    for _ in range(5):
        assert isinstance(opener.open(parts, NOW_NS), Message)
    assert opener.verifications == 1
    assert opener.open(parts, NOW_NS).again
    assert not Opener(house()[0]).open(parts, NOW_NS).again
    bad = [*parts[:3], bytes(64)]
    for _ in range(2):
        assert opener.open(bad, NOW_NS) == Unfit("signature")
    assert opener.verifications == 3
    assert opener.open(parts, NOW_NS + 10**15).why == "expired", "what is known may still be late"


def test_an_answer_that_is_said_again_is_as_of_now():
    """A hub drops what has lapsed, so an answer that was kept longer than its ttl needs a stamp."""
    parts = frames(ttl=60_000, ref="a" * 32)
    later_ns = NOW_NS + 100 * 10**9
    assert isinstance(opened(parts, later_ns), Unfit)
    again = opened(stamped_anew(house()[1]["optimizer-1"], tuple(parts), later_ns), later_ns)
    assert isinstance(again, Message)
    assert (again.body, again.header.id) == (parts[2], opened(parts).header.id)
    assert 0 <= later_ns - again.header.ts < again.header.ttl * 500_000, "not yet half old"


def test_a_derived_id_depends_on_its_parts_alone():
    """Ids of a lockstep run come from the seed."""
    assert derive_id(1, "a", 2) == derive_id(1, "a", 2)
    assert len({derive_id(1, "a", 2), derive_id(1, "a2"), derive_id(2, "a", 2)}) == 3


def mutated(parts, rng):
    """Return the frames after one to three mutations; never the same frames."""
    out = list(parts)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(out))
        raw = bytearray(out[at])
        match rng.randrange(7):
            case 0 if raw:
                raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
            case 1:
                raw.insert(rng.randint(0, len(raw)), rng.randrange(256))
            case 2 if raw:
                del raw[rng.randrange(len(raw)) :]
            case 3:
                raw += raw[: rng.randint(0, 64)]
            case 4:
                raw = bytearray(rng.randbytes(len(raw)))
            case 5:
                other = rng.randrange(len(out))
                out[at], out[other] = out[other], out[at]
                continue
            case _:
                raw = bytearray(raw.replace(b"1", b"2", 1).replace(b"-", b"_", 1))
        out[at] = bytes(raw)
    return out


BASES = tuple(
    frames(word, src=src, channel=channel)
    for word, src, channel in (
        (NO_UPDATE, "optimizer-1", Channel.CONTROL),
        (STOP, "operator", Channel.CONTROL),
        (m.Heartbeat(state="up", lag_ms=0.0), "executor-1", Channel.STATE),
        (m.Ack(stage=m.Stage.APPLIED), "coordinator", Channel.CONTROL),
    )
)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(BASES), st.integers(0, 2**64))
def test_no_mutated_frame_is_ever_accepted(base, seed):
    """More than 20,000 mutants of valid frames: none is taken, none raises."""
    rng = random.Random(seed)
    for _ in range(MUTATED_PER_EXAMPLE):
        parts = mutated(base, rng)
        if parts != base:
            assert isinstance(opened(parts), Unfit), parts


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**64))
def test_whoever_signs_nonsense_speaks_at_most_for_himself(seed):
    """A member that mutates and signs again can say only what its rights allow, as itself."""
    rng = random.Random(seed)
    for _ in range(10):
        parts = mutated(BASES[0], rng)[:3]
        found = opened(signed(*parts)) if len(parts) == 3 else Unfit("sizes")
        if isinstance(found, Message):
            assert found.header.src == "optimizer-1"
            assert found.header.type in house()[0].members["optimizer-1"].may_send


def test_a_message_is_frozen():
    """What was verified cannot be changed afterwards; a copy is another message."""
    found = opened(frames())
    with pytest.raises(AttributeError):
        found.body = b""
    assert replace(found, body=b"x") != found


def test_a_stored_answer_said_again_is_fresh_and_mostly_the_same_bytes():
    """Half a ttl apart at least; what is played back must not cost its answerer new messages."""
    me = house()[1]["optimizer-1"]
    stored = tuple(frames(m.Ack(stage=m.Stage.RECEIVED), ref="a" * 32, ttl=60_000))
    said = [stamped_anew(me, stored, NOW_NS + n * 10**9) for n in range(120)]
    assert said[0] == stored
    assert len(set(said)) == 4
    for n, each in enumerate(said):
        assert isinstance(opened(list(each), NOW_NS + n * 10**9), Message)
    assert isinstance(
        opened(list(stamped_anew(me, stored, NOW_NS - 10**12)), NOW_NS - 10**12), Message
    )
