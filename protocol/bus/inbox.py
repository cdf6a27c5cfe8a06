"""What was heard: a handled message is answered again, never handled again. Pure.

An id is kept until its message could not be fresh any more, and memory is bounded: when a source
has too many fresh ids, its new messages are not taken (E_BUSY, and it resends them). Guards that
must outlive this (log, versions, stop ids) are durable elsewhere.
"""

import hashlib
from dataclasses import dataclass, field
from enum import Enum

from protocol.bus.frames import PAST_NS, Message

KEPT_PER_SOURCE = 16_384
"""About 55 messages a second for the longest ttl; nobody legitimate comes near."""
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


@dataclass(slots=True)
class _Source:
    entries: dict[str, _Entry] = field(default_factory=dict)
    sweep_at: int = SWEEP_AT
    stale_ns: int = 0

    def sweep(self, now_ns: int) -> None:
        """Drop what cannot be fresh any more; a crowd of fresh ids is not searched twice."""
        if len(self.entries) < self.sweep_at or now_ns <= self.stale_ns:
            return
        self.entries = {key: each for key, each in self.entries.items() if each.until_ns >= now_ns}
        self.sweep_at = min(KEPT_PER_SOURCE, max(SWEEP_AT, 2 * len(self.entries)))
        self.stale_ns = min((each.until_ns for each in self.entries.values()), default=0)


class Inbox:
    """Ids that were handled, with the latest answer to each."""

    def __init__(self) -> None:
        self._sources: dict[str, _Source] = {}

    def hear(self, message: Message, now_ns: int) -> tuple[Heard, tuple[bytes, ...] | None]:
        """Return what a message is, and the stored answer when it was heard before.

        Another body under a known id is a replay (E_REPLAY). Another time stamp is not: a sender
        that restarted says the same thing again under the id that it derives.
        """
        header = message.header
        source = self._sources.setdefault(header.src, _Source())
        digest = _digest(message)
        until_ns = header.ts + header.ttl * 1_000_000 + PAST_NS
        known = source.entries.get(header.id)
        if known is not None:
            if known.digest != digest:
                return Heard.REPLAY, None
            known.until_ns = max(known.until_ns, until_ns)
            return Heard.AGAIN, known.answer
        source.sweep(now_ns)
        if len(source.entries) >= KEPT_PER_SOURCE:
            return Heard.CROWDED, None
        source.stale_ns = min(source.stale_ns, until_ns)
        source.entries[header.id] = _Entry(digest, until_ns)
        return Heard.NEW, None

    def knows(self, message: Message) -> bool:
        """Return whether this very message was heard, be it late by now."""
        entry = self._entry(message.header.src, message.header.id)
        return entry is not None and entry.digest == _digest(message)

    def answer_to(self, message: Message) -> tuple[bytes, ...] | None:
        """Return the latest answer to a message, None while there is none."""
        entry = self._entry(message.header.src, message.header.id)
        return None if entry is None else entry.answer

    def store(self, src: str, message_id: str, answer: tuple[bytes, ...]) -> None:
        """Keep the latest answer to a message."""
        entry = self._entry(src, message_id)
        if entry is not None:
            entry.answer = answer

    def forget(self, src: str, message_id: str) -> None:
        """Let a message be handled anew: its handling had no effect yet."""
        source = self._sources.get(src)
        if source is not None:
            source.entries.pop(message_id, None)

    def _entry(self, src: str, message_id: str) -> _Entry | None:
        source = self._sources.get(src)
        return None if source is None else source.entries.get(message_id)


def _digest(message: Message) -> bytes:
    return hashlib.sha256(message.header.type.encode() + b"\0" + message.body).digest()
