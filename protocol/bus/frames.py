"""Four frames of one message: topic, header, body, signature; how they are made and opened.

Opening goes in the order of PROTOCOL.md 2: count and sizes, key, signature, and only then a
parse; topic against header, rights, time. A frame that fails is an `Unfit` value, never an error.
"""

import hashlib
import os
import re
import struct
from collections import OrderedDict
from dataclasses import dataclass

from pydantic import Field

from protocol.codec import BODY_MAX, encode, loads_strict, parse_as
from protocol.elements import Count, MessageId, Name, TimeNs, Word
from protocol.errors import CodecError, NackCode
from protocol.keys import Identity, Member, Roster
from protocol.topics import Channel, Topic, parse_topic

VERSION = 1
HEADER_MAX = 1024
SIGNATURE_SIZE = 64
FRAMES = 4
PAST_NS = 30 * 10**9
"""How far a sender's clock may run ahead of ours."""
TTL_MAX_MS = 300_000
PREFIX = b"CPT1"
SOURCE = re.compile(rb'"src"\s*:\s*"([a-z0-9_-]{1,24})"')
STOPS = frozenset({"emergency_stop"})
"""Words that ignore clocks and rates, never the signature."""
NEVER_ANSWERED = frozenset({"ack", "nack"})
VERIFIED_MAX = 8192
"""Signatures remembered as good; some 2 MB."""


class Header(Word):
    """Who says what to whom, when, and about which decision."""

    v: int = Field(ge=1, le=255)
    id: MessageId
    type: str = Field(pattern=r"^[a-z_]{1,24}$")
    src: Name
    dst: Name
    ts: TimeNs
    ttl: int = Field(ge=1, le=TTL_MAX_MS)
    enc: str = Field(pattern=r"^(json|msgpack)$")
    epoch: Count | None = None
    version: Count | None = None
    gen: Count | None = None
    ref: MessageId | None = None

    @property
    def pair(self) -> tuple[int, int] | None:
        """Epoch and version, None where one is missing."""
        if self.epoch is None or self.version is None:
            return None
        return self.epoch, self.version


@dataclass(frozen=True, slots=True)
class Said:
    """What a header may carry beside the obvious: an id of one's own, and what it refers to."""

    message_id: str | None = None
    ref: str | None = None
    pair: tuple[int, int] | None = None
    gen: int | None = None


NOTHING_MORE = Said()


def header_for(src: str, dst: str, kind: str, now_ns: int, ttl_ms: int, said: Said) -> Header:
    """Return a header; its id is random unless one is given."""
    return Header(
        v=VERSION,
        id=said.message_id or os.urandom(16).hex(),
        type=kind,
        src=src,
        dst=dst,
        ts=now_ns,
        ttl=ttl_ms,
        enc="json",
        epoch=None if said.pair is None else said.pair[0],
        version=None if said.pair is None else said.pair[1],
        gen=said.gen,
        ref=said.ref,
    )


@dataclass(frozen=True, slots=True)
class Message:
    """A verified message; its body is still bytes.

    Attributes:
        again: whether the same signed bytes were opened before: a resend, or a replay.
    """

    topic: Topic
    header: Header
    body: bytes
    raw: tuple[bytes, ...]
    again: bool = False


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why a frame was not taken.

    Attributes:
        why: the name of its counter.
        code: what to answer with.
        message: only when signature and header hold, so that it can be answered.
    """

    why: str
    code: NackCode | None = None
    message: Message | None = None


def derive_id(seed: int, *parts: object) -> str:
    """Return 32 hex digits that depend on nothing but the seed and the parts."""
    text = "\0".join([str(seed), *map(str, parts)])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def preimage(topic: bytes, header: bytes, body: bytes) -> bytes:
    """Return the signed bytes: "CPT1", then each frame behind its big-endian 32-bit length."""
    return PREFIX + b"".join(struct.pack(">I", len(part)) + part for part in (topic, header, body))


def seal(identity: Identity, channel: Channel, header: Header, body: bytes) -> tuple[bytes, ...]:
    """Return the four frames of a message, signed by its source."""
    party = header.dst if channel is Channel.CONTROL else header.src
    topic = Topic(channel, header.type, party).encode()
    head = encode(header)
    if len(head) > HEADER_MAX or len(body) > BODY_MAX:
        raise ValueError(f"{header.type}: header {len(head)} or body {len(body)} bytes is too long")
    return (topic, head, body, identity.sign(preimage(topic, head, body)))


def signed_anew(identity: Identity, frames: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Return the same message under the present key; the same bytes while that is the same."""
    topic, head, body = frames[:3]
    return (topic, head, body, identity.sign(preimage(topic, head, body)))


def stamped_anew(identity: Identity, frames: tuple[bytes, ...], now_ns: int) -> tuple[bytes, ...]:
    """Return the same answer as said not long ago: a stored one would be late after its own ttl.

    Its time moves in steps of half a ttl, so that the answers to what is played back again and
    again are the same bytes: the hub charges them as repetitions, not as new.
    """
    topic, head, body = frames[:3]
    header = parse_header(head, identity.name)
    step_ns = header.ttl * 500_000
    age_ns = now_ns - header.ts
    ts = now_ns if age_ns < 0 else now_ns - age_ns % step_ns
    header = header.model_copy(update={"ts": ts})
    return signed_anew(identity, (topic, encode(header), body, b""))


def sizes_fit(frames: list[bytes]) -> bool:
    """Return whether count and sizes are those of a message."""
    return (
        len(frames) == FRAMES
        and len(frames[1]) <= HEADER_MAX
        and len(frames[2]) <= BODY_MAX
        and len(frames[3]) == SIGNATURE_SIZE
    )


def source_of(head: bytes) -> str | None:
    """Return the one source that header bytes name, before they may be parsed."""
    found = SOURCE.findall(head)
    return found[0].decode("ascii") if len(found) == 1 else None


def claimed(frames: list[bytes], roster: Roster) -> tuple[Topic, Member] | Unfit:
    """Return the topic of four frames and the member that they claim to come from.

    Nothing of it is proved yet. It costs some 5 us, a signature 110: what names nobody of the
    roster is dropped here, so that it costs the hub little (python -m bench.stops).
    """
    if not sizes_fit(frames):
        return Unfit("sizes")
    name = source_of(frames[1])
    if name is None:
        return Unfit("topic")
    member = roster.members.get(name)
    if member is None:
        return Unfit("unknown")
    topic = parse_topic(frames[0])
    if topic is None:
        return Unfit("topic")
    return topic, member


def parse_header(head: bytes, name: str) -> Header:
    """Return the header in `head`. Of another version only the fields that we know are read.

    Raises:
        CodecError: E_SCHEMA or E_BOUNDS.
    """
    document = loads_strict(head)
    if isinstance(document, dict) and document.get("v") != VERSION:
        document = {key: document[key] for key in Header.model_fields if key in document}
    return parse_as(Header, document, whence=f"header from {name}")


def open_frames(
    frames: list[bytes], roster: Roster, now_ns: int, *, verified: bool = False
) -> Message | Unfit:
    """Return the message of four frames, or why it is unfit.

    Args:
        frames: as received.
        roster: who may speak.
        now_ns: wall time.
        verified: True when the same signed bytes were verified before.
    """
    claim = claimed(frames, roster)
    if isinstance(claim, Unfit):
        return claim
    topic, member = claim
    if not verified and not member.verifies(frames[3], preimage(*frames[:3])):
        return Unfit("signature")
    try:
        header = parse_header(frames[1], member.name)
    except CodecError as error:
        return Unfit("header", error.code)
    message = Message(topic, header, frames[2], tuple(frames), again=verified)
    party = header.dst if topic.channel is Channel.CONTROL else header.src
    if header.src != member.name or topic.type_name != header.type or topic.party != party:
        return Unfit("mismatch")
    if header.v != VERSION:
        return Unfit("version", NackCode.VERSION, message)
    if header.type not in member.may_send:
        return Unfit("rights", NackCode.FORBIDDEN, message)
    if header.type not in STOPS:
        fresh = header.ts - PAST_NS <= now_ns <= header.ts + header.ttl * 1_000_000
        if not fresh:
            return Unfit("expired", NackCode.EXPIRED, message)
    return message


class Opener:
    """Opens frames against a roster; the same signed bytes are verified once."""

    def __init__(self, roster: Roster) -> None:
        self.roster = roster
        self.verifications = 0
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def trust(self, roster: Roster) -> None:
        """Go by another roster from now on; what an older one had verified is forgotten."""
        self.roster = roster
        self._known.clear()

    def open(self, frames: list[bytes], now_ns: int) -> Message | Unfit:
        """Return the message of four frames, or why it is unfit."""
        claim = claimed(frames, self.roster)
        if isinstance(claim, Unfit):
            return claim
        digest = hashlib.blake2b(preimage(*frames[:3]) + frames[3], digest_size=16).digest()
        known = digest in self._known
        opened = open_frames(frames, self.roster, now_ns, verified=known)
        if known:
            self._known.move_to_end(digest)
            return opened
        self.verifications += 1
        if isinstance(opened, Message) or opened.message is not None:
            self._known[digest] = None
            if len(self._known) > VERIFIED_MAX:
                self._known.popitem(last=False)
        return opened
