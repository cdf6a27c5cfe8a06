"""What was said and has no final answer yet: when to say it again. Pure: time is an argument.

The same bytes go out every 500 ms, every 5 s once `received`, until the final answer or the end of
their ttl (PROTOCOL.md 1). A coordinator that has restarted forgot what it had received, so a change
of its epoch makes every open message to it due at once.
"""

from dataclasses import dataclass

from protocol.bus.frames import Header, Message
from protocol.messages import Ack, Nack, Stage, Word

FAST_NS = 500_000_000
SLOW_NS = 5_000_000_000
JOIN_NS = 20_000_000
JOIN_FAST = 50
"""Snapshot requests at the joining rate before they fall back to 500 ms."""
OPEN_MAX = 4096

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


def is_final(request: str, answer_type: str, answer: Word) -> bool:
    """Return whether an answer ends the resending of a request (the table of PROTOCOL.md 1)."""
    if isinstance(answer, Nack):
        return True
    if isinstance(answer, Ack):
        return _FINAL_STAGE.get(request) == answer.stage
    return answer_type in _FINAL_WORDS.get(request, frozenset())


@dataclass(slots=True)
class _Open:
    frames: tuple[bytes, ...]
    header: Header
    due_ns: int
    ends_ns: int
    every_ns: int
    sent: int


class Outbox:
    """The open messages of one participant, by id."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, message_id: object) -> bool:
        return message_id in self._open

    def post(self, header: Header, frames: tuple[bytes, ...], now_ns: int) -> bool:
        """Take a new message, due now; return False when too many are open."""
        if len(self._open) >= OPEN_MAX and header.id not in self._open:
            return False
        every_ns = JOIN_NS if header.type == "snapshot_request" else FAST_NS
        ends_ns = now_ns + header.ttl * 1_000_000
        self._open[header.id] = _Open(frames, header, now_ns, ends_ns, every_ns, 0)
        return True

    def due(self, now_ns: int) -> list[tuple[bytes, ...]]:
        """Return the frames to send now and put each on its next date."""
        out = []
        for entry in self._open.values():
            if entry.due_ns > now_ns or entry.ends_ns <= now_ns:
                continue
            entry.sent += 1
            if entry.every_ns == JOIN_NS and entry.sent > JOIN_FAST:
                entry.every_ns = FAST_NS
            entry.due_ns = now_ns + entry.every_ns
            out.append(entry.frames)
        return out

    def next_ns(self) -> int | None:
        """Return when something is due or ends next; None when nothing is open."""
        if not self._open:
            return None
        return min(min(entry.due_ns, entry.ends_ns) for entry in self._open.values())

    def expired(self, now_ns: int) -> list[Header]:
        """Drop what found no final answer within its ttl, and return its headers."""
        gone = [entry.header for entry in self._open.values() if entry.ends_ns <= now_ns]
        for header in gone:
            del self._open[header.id]
        return gone

    def answered(self, message: Message, answer: Word, now_ns: int) -> Header | None:
        """Take in an answer; return the header of the message that it ends, else None.

        Only the addressee's answer counts.
        """
        ref = message.header.ref
        entry = self._open.get(ref) if ref is not None else None
        if entry is None or entry.header.dst != message.header.src:
            return None
        if is_final(entry.header.type, message.header.type, answer):
            del self._open[entry.header.id]
            return entry.header
        if isinstance(answer, Ack):
            entry.every_ns = SLOW_NS
            entry.due_ns = now_ns + SLOW_NS
        return None

    def settle(self, message_id: str) -> Header | None:
        """End a message whose answer went to somebody else; None when it was not open."""
        entry = self._open.pop(message_id, None)
        return None if entry is None else entry.header

    def refresh(self, dst: str, now_ns: int) -> None:
        """Put every open message to a participant that restarted back to the fast schedule."""
        for entry in self._open.values():
            if entry.header.dst == dst:
                entry.every_ns = FAST_NS
                entry.due_ns = now_ns
