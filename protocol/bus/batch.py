"""Telemetry in batches: one signature for what was told in 50 ms, or for 16 KiB of it."""

from collections.abc import Callable, Iterator
from os import urandom

from protocol.bus.frames import Header, Message, seal
from protocol.codec import BODY_MAX, decode_batch, encode, encode_batch
from protocol.errors import CodecError
from protocol.keys import Identity
from protocol.messages import Word
from protocol.topics import Channel

EVERY_S = 0.05
WAITING_MAX = 20_000
"""Rows kept between two flushes; more are dropped and counted, as telemetry may be."""
TTL_MS = 10_000
ROW_MAX = BODY_MAX - 64
ROOM = 16_384
"""Bytes of rows in one message. A receiver's loop is busy with one at a time, and with full
bodies (64 KiB, some 300 rows) control took 0.2 s through a flood (test_bus_processes)."""


def _size(word: Word) -> int:
    """Return the bytes of a row; what cannot be said at all is longer than any batch."""
    try:
        return len(encode(word, "msgpack"))
    except CodecError:
        return BODY_MAX + 1


class Telemetry:
    """What one participant has told since the last flush."""

    def __init__(self, identity: Identity, clock: Callable[[], int]) -> None:
        self.every_s = EVERY_S
        self.dropped = 0
        self._identity = identity
        self._clock = clock
        self._waiting: dict[str, list[Word]] = {}
        self._count = 0

    def sign_as(self, identity: Identity) -> None:
        """Sign with another key from now on."""
        self._identity = identity

    def add(self, word: Word) -> None:
        """Take a row."""
        if self._count >= WAITING_MAX:
            self.dropped += 1
            return
        self._count += 1
        self._waiting.setdefault(word.type_name, []).append(word)

    def take(self) -> Iterator[tuple[bytes, ...]]:
        """Yield the frames of everything that waits, and forget it."""
        waiting, self._waiting, self._count = self._waiting, {}, 0
        for kind, words in waiting.items():
            batch: list[Word] = []
            size = 0
            for word in words:
                length = _size(word)
                if length > ROW_MAX:
                    self.dropped += 1
                    continue
                if batch and size + length > ROOM:
                    yield self._sealed(kind, batch)
                    batch, size = [], 0
                batch.append(word)
                size += length
            if batch:
                yield self._sealed(kind, batch)

    def _sealed(self, kind: str, batch: list[Word]) -> tuple[bytes, ...]:
        name = self._identity.name
        header = Header(
            v=1, id=urandom(16).hex(), type=kind, src=name, dst=name, ts=self._clock(),
            ttl=TTL_MS, enc="msgpack",
        )  # fmt: skip
        return seal(self._identity, Channel.TELEMETRY, header, encode_batch(batch))

    @staticmethod
    def words(message: Message) -> tuple[Word, ...]:
        """Return the rows of a telemetry message; none when it is no batch."""
        try:
            return decode_batch(message.header.type, message.header.enc, message.body)
        except CodecError:
            return ()
