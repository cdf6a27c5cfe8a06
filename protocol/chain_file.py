"""Keeps the audit chain of a journal on disk, in files that are sealed one after another.

A line is written when its row is on disk. Nothing is synced for it: the same transaction that
keeps the row keeps what is needed to write the line again (the hash, and one byte a row since the
last sync). So a torn tail, after a kill or a power cut, is mended from the journal at the start,
and what does not come out the same then was altered by somebody.

    transaction { rows, hash } -> line -> ... -> sync in a thread, every SYNC_ROWS rows
"""

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from protocol.chain import GENESIS, header, record, seal
from protocol.errors import JournalError
from protocol.journal import Added, Journal

STATE = "audit"
"""Name of the chain's own state in the journal."""
FOLDER = "audit"
SYNC_ROWS = 256
FILE_ROWS = 65_536
"""Records after which a file is sealed."""


class AuditError(JournalError):
    """An audit chain that is not as it was written."""


@dataclass(frozen=True, slots=True)
class Synced:
    """Up to where the chain is on disk for good.

    Attributes:
        seq, hash: of the last such record.
        number: of the file that the next one belongs to.
        offset: where it begins there.
        begun: record that this file goes on after.
        rows: by table, the last row that is chained.
    """

    seq: int
    hash: str
    number: int
    offset: int
    begun: int
    rows: dict[str, int]

    @classmethod
    def first(cls, tables: Sequence[str]) -> Self:
        """Return it for a chain without records."""
        size = len(header(1, 0, GENESIS))
        return cls(0, GENESIS, 1, size, 0, dict.fromkeys(tables, 0))

    def plain(self) -> list[Any]:
        """Return it as plain values."""
        return [self.seq, self.hash, self.number, self.offset, self.begun, self.rows]


@dataclass(frozen=True, slots=True)
class Kept:
    """What the journal keeps of its chain: `order` is one byte a row since the sync."""

    seq: int
    hash: str
    order: bytes
    synced: Synced

    @classmethod
    def of(cls, told: dict[str, Any]) -> Self:
        """Read it back."""
        return cls(told["seq"], told["hash"], told["order"], Synced(*told["synced"]))


class ChainFile:
    """The open chain of a journal that is open for writing: its witness.

    Args:
        folder: for the files.
        tables: of the journal, in a fixed order.
        kept: where to go on; its files are whole.
        file_rows: records a file.
    """

    def __init__(self, folder: Path, tables: Sequence[str], kept: Kept, *, file_rows: int) -> None:
        self._folder = folder
        self._tables = {name: index for index, name in enumerate(tables)}
        self._file_rows = file_rows
        self._seq, self._hash = kept.seq, kept.hash
        self._order = bytearray(kept.order)
        self._synced = kept.synced
        self._plain = kept.synced.plain()
        self._rows = dict(kept.synced.rows)
        self._before = (self._seq, self._hash, len(self._order))
        self._lines: list[bytes] = []
        self._last: dict[str, int] = {}
        self._number, self._begun = kept.synced.number, kept.synced.begun
        self._file = os.open(path_of(folder, self._number), os.O_WRONLY | os.O_APPEND)
        self._size = os.fstat(self._file).st_size
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit")
        self._syncing: tuple[Future[None], Synced] | None = None
        self._rows |= rows_of(tables, kept)

    @classmethod
    def open(
        cls, folder: Path, journal: Journal, tables: Sequence[str], *, file_rows: int = FILE_ROWS
    ) -> Self:
        """Mend the tail of the chain, open it, and become the journal's witness.

        Raises:
            AuditError: the chain is not the journal's, or was altered.
        """
        try:
            kept = mended(folder, journal, tables)
            chain = cls(folder, tables, kept, file_rows=file_rows)
        except OSError as error:
            raise AuditError(f"the audit cannot be opened: {error.strerror} ({folder})") from None
        journal.witnessed(chain)
        return chain

    @property
    def head(self) -> tuple[int, str]:
        """Sequence number and hash of the last record."""
        return self._seq, self._hash

    def told(self, rows: Sequence[Added]) -> tuple[str, Any]:
        """Chain rows that are being added; see `protocol.journal.Witness`."""
        self._take_synced()
        self._before = (self._seq, self._hash, len(self._order))
        seq, before, lines = self._seq, self._hash, self._lines
        for row in rows:
            seq += 1
            line, before = record(before, seq, row)
            lines.append(line)
            self._order.append(self._tables[row.table])
            self._last[row.table] = row.seq
        self._seq, self._hash = seq, before
        return STATE, {
            "seq": seq,
            "hash": before,
            "order": bytes(self._order),
            "synced": self._plain,
        }

    def undone(self) -> None:
        """Forget what was told last."""
        self._seq, self._hash, held = self._before
        del self._order[held:]
        self._lines.clear()
        self._last.clear()

    def committed(self) -> None:
        """Write the lines of what was told last.

        Raises:
            AuditError: the disk refused them; the next start writes them.
        """
        content = b"".join(self._lines)
        self._rows |= self._last
        self._lines.clear()
        self._last.clear()
        try:
            if os.write(self._file, content) != len(content):
                raise AuditError(f"the disk took half a line of the audit ({self._folder})")
            self._size += len(content)
            if self._seq - self._begun >= self._file_rows:
                self._seal()
            elif self._syncing is None and self._seq - self._synced.seq >= SYNC_ROWS:
                self._syncing = (self._thread.submit(os.fsync, self._file), self._here())
        except OSError as error:
            raise AuditError(f"the audit cannot be written: {error.strerror}") from None

    def close(self) -> None:
        """Have everything on disk and close the file; the last file stays unsealed."""
        self._thread.shutdown()
        os.fsync(self._file)
        os.close(self._file)

    def _here(self) -> Synced:
        return Synced(
            self._seq, self._hash, self._number, self._size, self._begun, dict(self._rows)
        )

    def _take_synced(self) -> None:
        """Let what a thread has synced meanwhile be synced."""
        if self._syncing is None or not self._syncing[0].done():
            return
        future, synced = self._syncing
        self._syncing = None
        failure = future.exception()
        if failure is not None:
            raise AuditError(f"the audit cannot be synced: {failure}")
        self._advance(synced)

    def _advance(self, synced: Synced) -> None:
        del self._order[: synced.seq - self._synced.seq]
        self._synced = synced
        self._plain = synced.plain()

    def _seal(self) -> None:
        """Finish this file and begin the next."""
        if self._syncing is not None:
            self._syncing[0].result()
            self._take_synced()
        os.write(self._file, seal(self._seq, self._hash))
        os.fsync(self._file)
        os.fchmod(self._file, 0o400)
        os.close(self._file)
        self._number, self._begun = self._number + 1, self._seq
        self._size = begin(self._folder, self._number, self._seq, self._hash)
        self._file = os.open(path_of(self._folder, self._number), os.O_WRONLY | os.O_APPEND)
        self._advance(self._here())


def chained(journal: Journal, folder: Path, tables: Sequence[str]) -> Journal:
    """Open the chain of a journal, which closes it; return the journal.

    Raises:
        AuditError: see `ChainFile.open`; the journal is closed then.
    """
    with ExitStack() as refused:
        refused.callback(journal.close)
        ChainFile.open(folder, journal, tables)
        refused.pop_all()
    return journal


def path_of(folder: Path, number: int) -> Path:
    """Return the path of a file of the chain."""
    return folder / f"chain-{number:06d}.log"


def numbers_in(folder: Path) -> list[int]:
    """Return the numbers of the files of a chain, in order."""
    return sorted(int(path.stem[6:]) for path in folder.glob("chain-[0-9]*.log"))


def begin(folder: Path, number: int, seq: int, last: str) -> int:
    """Make a file with its header, on disk for good; return its size."""
    content = header(number, seq, last)
    handle = os.open(path_of(folder, number), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, content)
        os.fsync(handle)
    finally:
        os.close(handle)
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return len(content)


def rows_of(tables: Sequence[str], kept: Kept) -> dict[str, int]:
    """Return by table the last row that is chained."""
    return {
        name: kept.synced.rows[name] + kept.order.count(bytes([index]))
        for index, name in enumerate(tables)
    }


def unsynced_lines(journal: Journal, tables: Sequence[str], kept: Kept) -> list[bytes]:
    """Return the lines since the last sync, made anew from the journal's rows.

    Raises:
        AuditError: a row is gone, or what comes out has another hash than the journal kept.
    """
    coming = {name: journal.digests(name, kept.synced.rows[name]) for name in tables}
    seq, last = kept.synced.seq, kept.synced.hash
    lines = []
    for index in kept.order:
        row = next(coming[tables[index]], None)
        if row is None:
            raise AuditError(f"{tables[index]}: a row that was chained is gone; `audit verify`")
        seq += 1
        line, last = record(last, seq, row)
        lines.append(line)
    if (seq, last) != (kept.seq, kept.hash):
        raise AuditError(
            f"rows behind records {kept.synced.seq + 1}..{kept.seq} were altered; `audit verify`"
        )
    return lines


def mended(folder: Path, journal: Journal, tables: Sequence[str]) -> Kept:
    """Write what a kill or a power cut kept from being written; return where to go on.

    Raises:
        AuditError: what stands there was not written by this journal.
        OSError: it cannot be read or written.
    """
    told = journal.get(STATE)
    folder.mkdir(mode=0o700, exist_ok=True)
    numbers = numbers_in(folder)
    if told is None:
        content = path_of(folder, 1).read_bytes() if numbers == [1] else b""
        if numbers not in ([], [1]) or not header(1, 0, GENESIS).startswith(content):
            raise AuditError(f"the audit has records that the journal does not know ({folder})")
        begin(folder, 1, 0, GENESIS)
        return Kept(0, GENESIS, b"", Synced.first(tables))
    kept = Kept.of(told)
    synced = kept.synced
    due = b"".join(unsynced_lines(journal, tables, kept))
    path = path_of(folder, synced.number)
    content = path.read_bytes() if path.exists() else b""
    if len(content) < synced.offset:
        raise AuditError(
            f"{path.name} is cut off: {len(content)} bytes where {synced.offset} were on disk"
        )
    tail = content[synced.offset :].rstrip(b"\0")
    closing = seal(kept.seq, kept.hash)
    beyond = [number for number in numbers if number > synced.number]
    if not (due + closing).startswith(tail) or beyond not in ([], [synced.number + 1]):
        raise AuditError(f"{path.name} was altered after byte {synced.offset}; `audit verify`")
    if len(tail) <= len(due) and not beyond:
        restore(path, synced.offset, due)
        return kept
    if beyond and path_of(folder, beyond[0]).stat().st_size > len(
        header(beyond[0], kept.seq, kept.hash)
    ):
        raise AuditError(f"{path_of(folder, beyond[0]).name} has records unknown to the journal")
    restore(path, synced.offset, due + closing)
    path.chmod(0o400)
    size = begin(folder, synced.number + 1, kept.seq, kept.hash)
    rows = rows_of(tables, kept)
    here = Synced(kept.seq, kept.hash, synced.number + 1, size, kept.seq, rows)
    return Kept(kept.seq, kept.hash, b"", here)


def restore(path: Path, offset: int, content: bytes) -> None:
    """Let a file end with `content` from an offset on, on disk for good."""
    if path.stat().st_size == offset + len(content) and path.read_bytes()[offset:] == content:
        return
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
