"""What was heard: a handled message is answered again, never handled again. Pure.

Memory is bounded: of each source the newest ids are kept. Guards that must outlive it (log,
versions, stop ids) are durable elsewhere.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum

from protocol.bus.frames import Message

KEPT_PER_SOURCE = 2048
SOURCES_MAX = 64


class Heard(Enum):
    """What a message is to us."""

    NEW = "new"
    AGAIN = "again"
    REPLAY = "replay"


@dataclass(slots=True)
class _Entry:
    digest: bytes
    answer: tuple[bytes, ...] | None = None


class Inbox:
    """Ids that were handled, with the latest answer to each."""

    def __init__(self) -> None:
        self._sources: OrderedDict[str, OrderedDict[str, _Entry]] = OrderedDict()

    def hear(self, message: Message) -> tuple[Heard, tuple[bytes, ...] | None]:
        """Return what a message is, and the stored answer when it was heard before.

        Another body under a known id is a replay (E_REPLAY), also from the same source.
        """
        source = self._sources.setdefault(message.header.src, OrderedDict())
        self._sources.move_to_end(message.header.src)
        if len(self._sources) > SOURCES_MAX:
            self._sources.popitem(last=False)
        digest = hashlib.sha256(b"\0".join(message.raw[:3])).digest()
        known = source.get(message.header.id)
        if known is not None:
            if known.digest != digest:
                return Heard.REPLAY, None
            return Heard.AGAIN, known.answer
        source[message.header.id] = _Entry(digest)
        if len(source) > KEPT_PER_SOURCE:
            source.popitem(last=False)
        return Heard.NEW, None

    def store(self, src: str, message_id: str, answer: tuple[bytes, ...]) -> None:
        """Keep the latest answer to a message."""
        entry = self._sources.get(src, OrderedDict()).get(message_id)
        if entry is not None:
            entry.answer = answer

    def forget(self, src: str, message_id: str) -> None:
        """Let a message be handled anew (its handling failed before it had an effect)."""
        self._sources.get(src, OrderedDict()).pop(message_id, None)
