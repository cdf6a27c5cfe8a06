"""What was said and has no final answer yet: when to say it again. Pure: time is an argument.

The same bytes go out every 500 ms, every 5 s once `received`, until the final answer or the end of
their ttl (PROTOCOL.md 1); what may be said before joining, every 20 ms at first. A coordinator that
has restarted forgot what it had received, so a change of its epoch makes every open message to it
due at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import count
from typing import TypeAlias

from protocol.bus.frames import STOPS, Header, Message
from protocol.errors import NackCode
from protocol.messages import Ack, Nack, Stage, Word

FAST_NS = 500_000_000
SLOW_NS = 5_000_000_000
JOIN_NS = 20_000_000
JOIN_FAST = 50
"""Copies at the joining rate before they fall back to 500 ms."""
UNJOINED = STOPS | {"snapshot_request"}
"""Said before it is known that our topics are live: the first copies may reach nobody."""
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
    closed: bool = False


class _Dates:
    """Entries by when something is to be done with them; those that were moved or closed fall out.

    Looked at hundreds of times a second while a dead party has thousands of entries open, so
    nothing here goes through all of them but the rare clearing up.
    """

    def __init__(self) -> None:
        self._dates: list[tuple[int, int, _Open]] = []
        self._number = count()

    def put(self, entry: _Open) -> None:
        """Note when an entry is due; an older date of it counts no more."""
        heappush(self._dates, (entry.due_ns, next(self._number), entry))

    def first(self) -> _Open | None:
        """Return the entry that is due first."""
        while self._dates and not _stands(self._dates[0]):
            heappop(self._dates)
        return self._dates[0][2] if self._dates else None

    def take(self) -> _Open:
        """Take out the entry that `first` has just returned."""
        return heappop(self._dates)[2]

    def clear_up(self, entries: int) -> None:
        """Let go of dates that count no more, once they are many beside those that do."""
        if len(self._dates) > 2 * entries + BURST:
            self._dates = [date for date in self._dates if _stands(date)]
            heapify(self._dates)


def _stands(date: tuple[int, int, _Open]) -> bool:
    due_ns, _, entry = date
    return not entry.closed and entry.due_ns == due_ns


class Outbox:
    """The open messages of one participant, by addressee and id."""

    def __init__(self) -> None:
        self._open: dict[Key, _Open] = {}
        self._stops = _Dates()
        self._others = _Dates()
        self._ends: list[tuple[int, int, _Open]] = []
        self._number = count()
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
        every_ns = JOIN_NS if header.type in UNJOINED else FAST_NS
        ends_ns = now_ns + header.ttl * 1_000_000
        self._close(key)
        entry = _Open(frames, header, now_ns, ends_ns, every_ns, until)
        self._open[key] = entry
        self._plan(entry, now_ns)
        heappush(self._ends, (ends_ns, next(self._number), entry))
        return True

    def due(self, now_ns: int) -> list[tuple[bytes, ...]]:
        """Return the frames to send now, longest due first, and put each on its next date.

        At most a burst, then one each `PACE_NS`; what must wait for it stays due. Stops never wait.
        """
        out = []
        while (entry := self._stops.first()) is not None and entry.due_ns <= now_ns:
            out.append(self._say(self._stops.take(), now_ns))
        while (entry := self._others.first()) is not None and entry.due_ns <= now_ns:
            if self._paced_ns - now_ns > (BURST - 1) * PACE_NS:
                break
            entry = self._others.take()
            if now_ns < entry.ends_ns:
                self._paced_ns = max(self._paced_ns, now_ns) + PACE_NS
            out.append(self._say(entry, now_ns))
        self._stops.clear_up(len(self._open))
        self._others.clear_up(len(self._open))
        return [frames for frames in out if frames is not None]

    def _say(self, entry: _Open, now_ns: int) -> tuple[bytes, ...] | None:
        """Put an entry on its next date and return what to send, None when it has ended."""
        if now_ns >= entry.ends_ns:  # `expired` tells its end
            return None
        entry.sent += 1
        if entry.every_ns == JOIN_NS and entry.sent > JOIN_FAST:
            entry.every_ns = FAST_NS
        self._plan(entry, now_ns + entry.every_ns)
        return entry.frames

    def _plan(self, entry: _Open, due_ns: int) -> None:
        entry.due_ns = due_ns
        dates = self._stops if entry.header.type in STOPS else self._others
        dates.put(entry)

    def next_ns(self) -> int | None:
        """Return when something may be sent or ends next; None when nothing is open."""
        moments = []
        if (stop := self._stops.first()) is not None:
            moments.append(stop.due_ns)
        if (other := self._others.first()) is not None:
            moments.append(max(other.due_ns, self._paced_ns - (BURST - 1) * PACE_NS))
        self._forget_closed()
        if self._ends:
            moments.append(self._ends[0][0])
        return min(moments, default=None)

    def expired(self, now_ns: int) -> list[Header]:
        """Drop what found no final answer within its ttl, and return its headers."""
        gone = []
        self._forget_closed()
        while self._ends and self._ends[0][0] <= now_ns:
            header = heappop(self._ends)[2].header
            self._close((header.dst, header.id))
            gone.append(header)
            self._forget_closed()
        return gone

    def _forget_closed(self) -> None:
        while self._ends and self._ends[0][2].closed:
            heappop(self._ends)

    def _close(self, key: Key) -> Header | None:
        entry = self._open.pop(key, None)
        if entry is None:
            return None
        entry.closed = True
        return entry.header

    def answered(self, message: Message, answer: Word, now_ns: int) -> Header | None:
        """Take in an answer; return the header of the message that it ends, else None.

        Only the addressee's answer counts.
        """
        key = (message.header.src, message.header.ref or "")
        entry = self._open.get(key)
        if entry is None:
            return None
        if is_final(entry.header.type, message.header.type, answer, entry.until):
            return self._close(key)
        if isinstance(answer, Ack):
            entry.every_ns = SLOW_NS
            self._plan(entry, now_ns + SLOW_NS)
        elif isinstance(answer, Nack) and answer.retry_after_ms is not None:
            self._plan(entry, now_ns + min(SLOW_NS, answer.retry_after_ms * 1_000_000))
        return None

    def settle(self, message_id: str) -> list[Header]:
        """End a message whose answers went to somebody else, for all its addressees."""
        ended = [key for key in self._open if key[1] == message_id]
        return [header for key in ended if (header := self._close(key)) is not None]

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
                self._plan(entry, now_ns)
