"""What was heard: a handled message is answered again, never handled again. Pure.

An id is kept until its message could not be fresh any more, and memory is bounded: when a source
has too many fresh ids, its new messages are not taken (it resends them). Guards that must outlive
this (log, versions, stop ids) are durable elsewhere.
"""

import hashlib
from dataclasses import dataclass
from enum import Enum

from protocol.bus.frames import PAST_NS, Message

KEPT_PER_SOURCE = 4096
SWEEP_AT = 1024


class Heard(Enum):
    """What a message is to us."""

    NEW = "new"
    AGAIN = "again"
    REPLAY = "replay"
    CROWDED = "crowded"


@dataclass(slots=True)
class _Entry:
    digest: bytes
    until_ns: int
    answer: tuple[bytes, ...] | None = None


class Inbox:
    """Ids that were handled, with the latest answer to each."""

    def __init__(self) -> None:
        self._sources: dict[str, dict[str, _Entry]] = {}

    def hear(self, message: Message, now_ns: int) -> tuple[Heard, tuple[bytes, ...] | None]:
        """Return what a message is, and the stored answer when it was heard before.

        Another body under a known id is a replay (E_REPLAY). Another time stamp is not: a sender
        that restarted says the same thing again under the id that it derives.
        """
        header = message.header
        source = self._sources.setdefault(header.src, {})
        digest = hashlib.sha256(header.type.encode() + b"\0" + message.body).digest()
        until_ns = header.ts + header.ttl * 1_000_000 + PAST_NS
        known = source.get(header.id)
        if known is not None:
            if known.digest != digest:
                return Heard.REPLAY, None
            known.until_ns = max(known.until_ns, until_ns)
            return Heard.AGAIN, known.answer
        if len(source) >= SWEEP_AT:
            for gone in [each for each, entry in source.items() if entry.until_ns < now_ns]:
                del source[gone]
            if len(source) >= KEPT_PER_SOURCE:
                return Heard.CROWDED, None
        source[header.id] = _Entry(digest, until_ns)
        return Heard.NEW, None

    def store(self, src: str, message_id: str, answer: tuple[bytes, ...]) -> None:
        """Keep the latest answer to a message."""
        entry = self._sources.get(src, {}).get(message_id)
        if entry is not None:
            entry.answer = answer

    def forget(self, src: str, message_id: str) -> None:
        """Let a message be handled anew: its handling had no effect yet."""
        self._sources.get(src, {}).pop(message_id, None)
