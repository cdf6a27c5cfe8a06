"""Disks: the real journal over databases in memory that outlive the process, and their faults."""

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from protocol.errors import JournalError
from protocol.journal import Entry, Journal
from tests.simulation.engine import KilledError

Wrote = Callable[["Disk", tuple[Entry, ...]], None]


class Disk:
    """One file of one node.

    Attributes:
        armed: the fault of the next write: before, torn, after, full, sync; None.
        writes: how many transactions were asked for.
        kept: entries that are on disk, in order; repetitions are not counted.
    """

    def __init__(self, name: str, version: int, tables: tuple[str, ...], wrote: Wrote) -> None:
        self.name, self.version, self.tables, self.wrote = name, version, tables, wrote
        self.armed: str | None = None
        self.writes = 0
        self.kept: list[Entry] = []
        self._keys: set[tuple[str, str]] = set()
        self._connection = sqlite3.connect(":memory:", isolation_level=None)

    def open(self) -> "VirtualJournal":
        """Open it as a start does; JournalError when it is damaged."""
        journal = VirtualJournal(self._connection, Path(self.name), frozenset(self.tables))
        journal.disk = self
        journal._guarded(lambda: journal._prepare(self.version, readonly=False))
        return journal

    def copy(self, wrote: Wrote) -> "Disk":
        """Return another disk with the same content."""
        other = Disk(self.name, self.version, self.tables, wrote)
        self._connection.backup(other._connection)
        other.kept, other._keys = list(self.kept), set(self._keys)
        return other

    def note(self, entries: tuple[Entry, ...]) -> None:
        """Remember what has just come onto the disk."""
        new = []
        for entry in entries:
            key = (entry.table, entry.key)
            if entry.key is not None:
                if key in self._keys:
                    continue
                self._keys.add(key)
            new.append(entry)
        self.kept.extend(new)
        self.wrote(self, tuple(new))

    def flip(self, table: str, which: int, bit: int) -> bool:
        """Flip one bit of one row; a second call with the same arguments flips it back."""
        run = self._connection.execute
        count = run(f"SELECT count(*) FROM {table}").fetchone()[0]
        if not count:
            return False
        seq, body = run(
            f"SELECT seq, body FROM {table} ORDER BY seq LIMIT 1 OFFSET ?", (which % count,)
        ).fetchone()
        flipped = bytearray(body)
        flipped[bit % len(flipped)] ^= 1 << bit % 8
        trigger = run(
            "SELECT sql FROM sqlite_master WHERE name = ?", (f"{table}_no_update",)
        ).fetchone()[0]
        run(f"DROP TRIGGER {table}_no_update")
        run(f"UPDATE {table} SET body = ? WHERE seq = ?", (bytes(flipped), seq))
        run(trigger)
        return True


class VirtualJournal(Journal):
    """A journal whose writes can fail, tear, or be the last thing that the process does."""

    disk: Disk

    def append(
        self, entries: Iterable[Entry], *, state: Mapping[str, Any] | None = None
    ) -> tuple[int, ...]:
        """Append, unless a fault is armed."""
        rows, disk = tuple(entries), self.disk
        disk.writes += 1
        fault, disk.armed = disk.armed, None
        if fault == "before":
            raise KilledError("before a write")
        if fault == "full":
            raise JournalError(f"journal refused: no room ({disk.name})")
        if fault == "torn":
            self._tear(rows, state)
        numbers = super().append(rows, state=state)
        disk.note(rows)
        if fault == "after":
            raise KilledError("after a write")
        if fault == "sync":
            raise JournalError(f"journal refused: no room for certain, fsync failed ({disk.name})")
        return numbers

    def _tear(self, rows: tuple[Entry, ...], state: Mapping[str, Any] | None) -> None:
        """Die inside the transaction, all rows written, nothing committed."""

        class Torn:
            def __init__(self, real: sqlite3.Connection) -> None:
                self.real, self.executemany = real, real.executemany

            @property
            def in_transaction(self) -> bool:
                return self.real.in_transaction

            def execute(self, text: str, *values: Any) -> Any:
                if text == "COMMIT":
                    raise KilledError("inside a write")
                return self.real.execute(text, *values)

        self._connection = Torn(self._connection)  # type: ignore[assignment]
        super().append(rows, state=state)

    def close(self) -> None:
        """Leave the database: the disk outlives the process."""
