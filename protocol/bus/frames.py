"""Four frames: topic, header, body, signature. Sealing them, and opening what arrives.

Whatever bytes arrive, opening gives a `Verified` or a `WireError`; nothing is parsed before its
signature holds. Which key to try is read off the header by a pattern, a hint that decides nothing:
the parsed sender must then be the one whose key it was. Time and delivery are judged elsewhere.
"""

import hashlib
import json
import re
import struct
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from cryptography.exceptions import InvalidSignature
from pydantic import Field

from protocol.codec import BODY_MAX, loads_strict, parse_as
from protocol.elements import Count, MessageId, Name, TimeNs, Word
from protocol.errors import CodecError
from protocol.keys import Identity, Roster
from protocol.topics import TOPIC_MAX, Plane, Topic, parse_topic, topic_of

VERSION = 1
HEADER_MAX = 1024
"""Longest header, bytes."""
SIGNATURE_SIZE = 64
TTL_MAX_MS = 300_000
AHEAD_MAX_NS = 30 * 10**9
"""How far a sender's clock may run ahead of ours."""
VERIFIED_MAX = 4096
"""Signatures that a verifier remembers."""
STOP = "emergency_stop"
_SRC = re.compile(rb'"src"\s*:\s*"([a-z0-9_-]{1,24})"')

Frames: TypeAlias = tuple[bytes, bytes, bytes, bytes]


class Header(Word):
    """What stands on the envelope; times are wall time."""

    v: Annotated[int, Field(ge=1, le=255)]
    id: MessageId
    type: Annotated[str, Field(pattern=r"^[a-z_]{1,24}$")]
    src: Name
    dst: Name
    ts: TimeNs
    ttl: Annotated[int, Field(ge=1, le=TTL_MAX_MS)] = Field(description="delivery, ms")
    enc: Literal["json", "msgpack"]
    epoch: Count | None = None
    version: Count | None = None
    gen: Count | None = None
    ref: MessageId | None = None

    @property
    def pair(self) -> tuple[int, int] | None:
        """The decision's `(epoch, version)`, None when the header carries none."""
        if self.epoch is None or self.version is None:
            return None
        return (self.epoch, self.version)


class Fault(StrEnum):
    """Why frames were dropped; the names of the counters."""

    COUNT = "count"
    SIZE = "size"
    TOPIC = "topic"
    KEY = "key"
    SIGNATURE = "signature"
    HEADER = "header"
    MISMATCH = "mismatch"
    RIGHTS = "rights"
    RATE = "rate"
    SNAPSHOT_RATE = "snapshot_rate"
    ADDRESS = "address"
    UNJOINED = "unjoined"
    QUEUE = "queue"


@dataclass(frozen=True, slots=True)
class WireError:
    """Frames that are not to be listened to."""

    fault: Fault
    detail: str


@dataclass(frozen=True, slots=True)
class Verified:
    """Frames whose signature, sender, topic and rights hold."""

    topic: Topic
    header: Header
    frames: Frames

    @property
    def body(self) -> bytes:
        """The body as sent."""
        return self.frames[2]


def preimage(topic: bytes, header: bytes, body: bytes) -> bytes:
    """Return what is signed: `CPT1`, then each frame after its length (big-endian, 4 bytes)."""
    parts = [b"CPT1"]
    for frame in (topic, header, body):
        parts += (struct.pack(">I", len(frame)), frame)
    return b"".join(parts)


def seal(identity: Identity, header: Header, body: bytes) -> Frames:
    """Return the four frames of a message, signed.

    Raises:
        ValueError: the header speaks for somebody else, or a frame is too long.
    """
    if header.src != identity.name:
        raise ValueError(f"src must be {identity.name}, found {header.src}")
    topic = topic_of(header.type, src=header.src, dst=header.dst).encode()
    envelope = json.dumps(header.model_dump(exclude_none=True), separators=(",", ":")).encode()
    if len(topic) > TOPIC_MAX or len(envelope) > HEADER_MAX or len(body) > BODY_MAX:
        sizes = f"{len(topic)}, {len(envelope)}, {len(body)}"
        raise ValueError(f"frames must have at most 64, 1024, 65536 bytes, found {sizes}")
    return (topic, envelope, body, identity.sign(preimage(topic, envelope, body)))


def in_time(header: Header, now_ns: int) -> bool:
    """Tell whether a message counts at `now_ns` (wall time); a stop always does."""
    if header.type == STOP:
        return True
    return header.ts - AHEAD_MAX_NS <= now_ns <= header.ts + header.ttl * 1_000_000


def derive_id(seed: int, *parts: str | int) -> str:
    """Return a message id (32 hex) that is a function of its arguments alone."""
    text = json.dumps([seed, *parts], separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:32]


def check_shape(frames: Sequence[bytes]) -> Topic | WireError:
    """Check count, sizes and topic: all that can be known before a signature."""
    if len(frames) != 4:
        return WireError(Fault.COUNT, f"must be 4 frames, found {len(frames)}")
    topic, header, body, signature = frames
    if not (
        len(topic) <= TOPIC_MAX
        and len(header) <= HEADER_MAX
        and len(body) <= BODY_MAX
        and len(signature) == SIGNATURE_SIZE
    ):
        sizes = ", ".join(str(len(frame)) for frame in frames)
        return WireError(Fault.SIZE, f"frames must fit 64, 1024, 65536, 64 bytes, found {sizes}")
    parsed = parse_topic(topic)
    return parsed or WireError(Fault.TOPIC, f"no topic of ours: {topic!r}")


class Verifier:
    """Opens frames against a roster; the same signed bytes are verified once.

    Only signatures that hold are remembered, the newest `remembered` of them. A hub and the
    participant in its process may share one.
    """

    def __init__(self, roster: Roster, *, remembered: int = VERIFIED_MAX) -> None:
        self.roster = roster
        self.verifications = 0
        self._remembered = remembered
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def open(self, frames: Sequence[bytes]) -> Verified | WireError:
        """Judge `frames`: count and sizes, key, signature, header, topic, rights, in this order."""
        topic = check_shape(frames)
        if isinstance(topic, WireError):
            return topic
        hint = _SRC.search(frames[1])
        src = hint[1].decode("ascii") if hint is not None else ""
        if src not in self.roster:
            return WireError(Fault.KEY, "no key of this sender in the roster")
        if not self._signed(src, frames):
            return WireError(Fault.SIGNATURE, f"not signed by {src}")
        try:
            header = parse_as(Header, loads_strict(frames[1]), whence=f"header of {src}")
        except CodecError as error:
            return WireError(Fault.HEADER, error.detail)
        expected = topic_of(header.type, src=header.src, dst=header.dst)
        if header.src != src or expected != topic:
            return WireError(Fault.MISMATCH, f"topic and header of {src} differ")
        if not self.roster.may(src, header.type):
            return WireError(Fault.RIGHTS, f"{src} may not send {header.type}")
        return Verified(topic, header, (frames[0], frames[1], frames[2], frames[3]))

    def _signed(self, src: str, frames: Sequence[bytes]) -> bool:
        signed, signature = preimage(frames[0], frames[1], frames[2]), frames[3]
        # The signer is part of what is signed (the header), so it need not be part of the key.
        mark = hashlib.sha256(signature + signed).digest()
        if mark in self._known:
            self._known.move_to_end(mark)
            return True
        for key in self.roster.keys(src):
            self.verifications += 1
            try:
                key.verify(signature, signed)
            except InvalidSignature:
                continue
            self._known[mark] = None
            if len(self._known) > self._remembered:
                self._known.popitem(last=False)
            return True
        return False


def open_frame(frames: Sequence[bytes], roster: Roster) -> Verified | WireError:
    """Judge `frames` once, remembering nothing."""
    return Verifier(roster, remembered=0).open(frames)


def is_addressed(verified: Verified, name: str) -> bool:
    """Tell whether a control message is for `name`."""
    return verified.topic.plane is Plane.CONTROL and verified.topic.name == name
