"""Joins a stream of order-book diffs to a snapshot, as Binance says, and never hides a gap.

Spot: drop what ends at or before the snapshot; the next one must begin at most one after it, and
so on from diff to diff. USD-M futures: drop what ends before the snapshot, the first one must
contain it (or follow it directly), and then each must name its predecessor (`pu`). A diff that is
older than the book is dropped; one that does not join is a gap, and then nothing is passed on
until `restart`.

It keeps update ids, not levels: whoever calls applies what comes out, in that order.
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

BUFFER_MAX = 4_096
"""Diffs kept while a snapshot is on its way: more than six minutes of them at 100 ms."""

Body = TypeVar("Body")


class Sync(StrEnum):
    """How a book stands to its stream."""

    WAITING = "waiting"  # for a snapshot
    SYNCED = "synced"
    GAP = "gap"


@dataclass(frozen=True, slots=True)
class Diff(Generic[Body]):
    """One depth update.

    Attributes:
        first: `U`, the first update id in it.
        last: `u`, the last one.
        previous: `pu`, the last one of the diff before; futures only.
        body: the levels, untouched here.
    """

    first: int
    last: int
    body: Body
    previous: int = -1


class DepthSync(Generic[Body]):
    """One book's join.

    Args:
        futures: whether the rules of USD-M futures hold.
    """

    def __init__(self, *, futures: bool = False) -> None:
        self.state = Sync.WAITING
        self.last_id = -1
        self.reason = ""
        self._futures = futures
        self._joined = False  # the first diff after the snapshot was found
        self._early: deque[Diff[Body]] = deque()

    def restart(self) -> None:
        """Forget the book; the next snapshot begins it anew."""
        self.state = Sync.WAITING
        self.last_id = -1
        self.reason = ""
        self._joined = False
        self._early.clear()

    def diff(self, diff: Diff[Body]) -> tuple[Diff[Body], ...]:
        """Take one diff; return those that are to be applied now."""
        if self.state is Sync.GAP:
            return ()
        if self.state is Sync.SYNCED:
            return (diff,) if self._joins(diff) else ()
        self._early.append(diff)
        if len(self._early) > BUFFER_MAX:
            self._lose(f"{BUFFER_MAX} diffs came and no snapshot")
        return ()

    def snapshot(self, last_id: int) -> tuple[Diff[Body], ...] | None:
        """Take the snapshot that holds everything up to an update id.

        Returns the diffs to be applied after it; None when it is older than the first diff kept,
        so that another one is needed. A gap among the diffs kept shows in `state`.
        """
        if self.state is Sync.GAP:
            return ()
        if self._early and not self._fits(self._early[0], last_id, first=True):
            return None
        self.state, self.last_id, self._joined = Sync.SYNCED, last_id, False
        kept = tuple(self._early)
        self._early.clear()
        return tuple(each for each in kept if self.state is Sync.SYNCED and self._joins(each))

    def _joins(self, diff: Diff[Body]) -> bool:
        """Return whether a diff is the next one, and note it; an old one is passed over."""
        if self._is_old(diff):
            return False
        if diff.first > diff.last or not self._fits(diff, self.last_id, first=not self._joined):
            self._lose(f"update {diff.first}..{diff.last} came after {self.last_id}")
            return False
        self.last_id = diff.last
        self._joined = True
        return True

    def _fits(self, diff: Diff[Body], last_id: int, *, first: bool) -> bool:
        if not self._futures:
            return diff.first <= last_id + 1
        # A snapshot taken between two diffs is contained in neither; the second names its id.
        return diff.previous == last_id or (first and diff.first <= last_id)

    def _is_old(self, diff: Diff[Body]) -> bool:
        if self._futures and not self._joined:
            return diff.last < self.last_id
        return diff.last <= self.last_id

    def _lose(self, reason: str) -> None:
        self.state, self.reason = Sync.GAP, reason
        self._early.clear()
