"""What was said and has no final answer yet: when to say it again. Pure: time is an argument.

The same bytes go out every 500 ms, every 5 s once `received`, until the final answer or the end of
their ttl (PROTOCOL.md 1). A coordinator that has restarted forgot what it had received, so a change
of its epoch makes every open message to it due at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from protocol.bus.frames import STOPS, Header, Message
from protocol.errors import NackCode
from protocol.messages import Ack, Nack, Stage, Word

FAST_NS = 500_000_000
SLOW_NS = 5_000_000_000
JOIN_NS = 20_000_000
JOIN_FAST = 50
"""Snapshot requests at the joining rate before they fall back to 500 ms."""
OPEN_MAX = 4096
PACE_NS = 10**9 // 150
"""Between two messages once the burst is spent: below the hub's rate, with room for answers, so
that resends never spend the allowance that first copies need (test_outbox)."""
BURST = 100

_FINAL_STAGE = {
    "parameter_update": Stage.APPLIED,
    "decision": Stage.APPLIED,
    "vote": Stage.RECEIVED,
    "no_update": Stage.RECEIVED,
    "rearm": Stage.RECEIVED,
    "pause": Stage.RECEIVED,
    "resume": Stage.RECEIVED,
    "boundary_done": Stage.RECEIVED,
    "mode_change": Stage.DECIDED,
    "emergency_stop": Stage.STOPPED,
}
_FINAL_WORDS = {
    "round": frozenset({"vote"}),
    "boundary": frozenset({"parameter_update", "no_update"}),
    "journal_request": frozenset({"journal_page"}),
    "snapshot_request": frozenset({"snapshot"}),
}


def is_final(request: str, answer_type: str, answer: Word, until: Stage | None = None) -> bool:
    """Return whether an answer ends the resending of a request (the table of PROTOCOL.md 1).

    Args:
        request: type of what was said.
        answer_type: type of the answer.
        answer: the word.
        until: the stage that ends it, where that is not the table's: a peer round is `received`.
    """
    if isinstance(answer, Nack):
        return answer.code is not NackCode.BUSY  # said again, not refused
    if isinstance(answer, Ack):
        return answer.stage == (until or _FINAL_STAGE.get(request))
    return answer_type in _FINAL_WORDS.get(request, frozenset())


Key: TypeAlias = tuple[str, str]
"""Addressee and id: one message may go to several parties under one id."""


@dataclass(slots=True)
class _Open:
    frames: tuple[bytes, ...]
    header: Header
    due_ns: int
    ends_ns: int
    every_ns: int
    until: Stage | None
    sent: int = 0


class Outbox:
    """The open messages of one participant, by addressee and id."""

    def __init__(self) -> None:
        self._open: dict[Key, _Open] = {}
        self._paced_ns = 0

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, key: object) -> bool:
        return key in self._open

    def frames(self, key: Key) -> tuple[bytes, ...] | None:
        """Return what is being said under a key, None when it is not open."""
        entry = self._open.get(key)
        return None if entry is None else entry.frames

    def post(
        self,
        header: Header,
        frames: tuple[bytes, ...],
        now_ns: int,
        *,
        until: Stage | None = None,
    ) -> bool:
        """Take a new message, due now; return False when too many are open."""
        key = (header.dst, header.id)
        if len(self._open) >= OPEN_MAX and key not in self._open:
            return False
        every_ns = JOIN_NS if header.type == "snapshot_request" else FAST_NS
        ends_ns = now_ns + header.ttl * 1_000_000
        self._open[key] = _Open(frames, header, now_ns, ends_ns, every_ns, until)
        return True

    def due(self, now_ns: int) -> list[tuple[bytes, ...]]:
        """Return the frames to send now, longest due first, and put each on its next date.

        At most a burst, then one each `PACE_NS`; what must wait for it stays due. Stops never wait.
        """
        ready = [each for each in self._open.values() if each.due_ns <= now_ns < each.ends_ns]
        out = []
        for entry in sorted(ready, key=lambda each: each.due_ns):
            if entry.header.type not in STOPS:
                if self._paced_ns - now_ns > (BURST - 1) * PACE_NS:
                    continue
                self._paced_ns = max(self._paced_ns, now_ns) + PACE_NS
            entry.sent += 1
            if entry.every_ns == JOIN_NS and entry.sent > JOIN_FAST:
                entry.every_ns = FAST_NS
            entry.due_ns = now_ns + entry.every_ns
            out.append(entry.frames)
        return out

    def next_ns(self) -> int | None:
        """Return when something may be sent or ends next; None when nothing is open."""
        pace_ns = self._paced_ns - (BURST - 1) * PACE_NS
        return min(
            (
                min(each.ends_ns, each.due_ns)
                if each.header.type in STOPS
                else min(each.ends_ns, max(each.due_ns, pace_ns))
                for each in self._open.values()
            ),
            default=None,
        )

    def expired(self, now_ns: int) -> list[Header]:
        """Drop what found no final answer within its ttl, and return its headers."""
        gone = [entry.header for entry in self._open.values() if entry.ends_ns <= now_ns]
        for header in gone:
            del self._open[header.dst, header.id]
        return gone

    def answered(self, message: Message, answer: Word, now_ns: int) -> Header | None:
        """Take in an answer; return the header of the message that it ends, else None.

        Only the addressee's answer counts.
        """
        key = (message.header.src, message.header.ref or "")
        entry = self._open.get(key)
        if entry is None:
            return None
        if is_final(entry.header.type, message.header.type, answer, entry.until):
            del self._open[key]
            return entry.header
        if isinstance(answer, Ack):
            entry.every_ns = SLOW_NS
            entry.due_ns = now_ns + SLOW_NS
        elif isinstance(answer, Nack) and answer.retry_after_ms is not None:
            entry.due_ns = now_ns + min(SLOW_NS, answer.retry_after_ms * 1_000_000)
        return None

    def settle(self, message_id: str) -> list[Header]:
        """End a message whose answers went to somebody else, for all its addressees."""
        ended = [key for key in self._open if key[1] == message_id]
        return [self._open.pop(key).header for key in ended]

    def sign_anew(self, sign: Callable[[tuple[bytes, ...]], tuple[bytes, ...]]) -> None:
        """Say what is open under another key from now on: the old one may be retired soon."""
        for entry in self._open.values():
            entry.frames = sign(entry.frames)

    def refresh(self, dst: str | None, now_ns: int) -> None:
        """Put every open message to a participant, or to all, back to the fast schedule.

        He restarted, or the link was cut: what he answered meanwhile is lost.
        """
        for entry in self._open.values():
            if dst in (None, entry.header.dst):
                entry.every_ns = FAST_NS
                entry.due_ns = now_ns
