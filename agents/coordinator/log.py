"""The decision log on disk: records in, records out.

One SQLite journal in the coordinator's folder. `append` returns when its records are on disk.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from agents.coordinator.records import Kind, Record
from protocol.chain_file import chained
from protocol.journal import Entry, Journal, Row

SCHEMA_VERSION = 3
TABLE = "log"
FILE = "decisions.sqlite"
AUDIT = "audit-decisions"
"""Folder of the chain over the log."""


class DecisionLog:
    """The open log; made by `open` for its owner, who holds the folder's lock, or by `read`."""

    def __init__(
        self, journal: Journal, noted: Callable[[Record], None] = lambda _record: None
    ) -> None:
        self._journal = journal
        self._noted = noted

    @classmethod
    def open(cls, folder: Path, noted: Callable[[Record], None] = lambda _record: None) -> Self:
        """Open the log of `folder` for writing. One process may: the hub has locked the folder.

        Args:
            noted: told of every record once it is on disk.

        Raises:
            JournalError: the log is damaged, or of another version.
        """
        journal = Journal.open(folder / FILE, schema_version=SCHEMA_VERSION, tables=(TABLE,))
        return cls(chained(journal, folder / AUDIT, (TABLE,)), noted)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Open the log for reading beside, or after, its coordinator.

        Raises:
            JournalError: there is none, or it is damaged.
        """
        journal = Journal.open(
            folder / FILE, schema_version=SCHEMA_VERSION, tables=(TABLE,), readonly=True
        )
        return cls(journal)

    def append(self, records: Iterable[Record]) -> None:
        """Put records on disk, all or none, in order."""
        records = tuple(records)
        self._journal.append(
            Entry(table=TABLE, time_ns=each.time_ns, kind=each.kind.value, body=each.body)
            for each in records
        )
        for each in records:
            self._noted(each)

    def records(self) -> Iterator[Record]:
        """Yield all records, oldest first."""
        for row in self._journal.rows(TABLE):
            yield Record(kind=Kind(row.kind), time_ns=row.time_ns, body=row.body)

    def rows(self, after: int) -> Iterator[Row]:
        """Yield rows with a higher sequence number, oldest first, for whoever catches up."""
        return self._journal.rows(TABLE, after=after)

    def close(self) -> None:
        """Close the file."""
        self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read_records(folder: Path) -> list[Record]:
    """Return everything that the log of `folder` holds, oldest first.

    Raises:
        JournalError: there is none, or it is damaged.
    """
    with DecisionLog.read(folder) as log:
        return list(log.records())
