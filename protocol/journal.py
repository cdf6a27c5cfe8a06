"""A durable, append-only journal in one SQLite file, and a small state table beside it.

When `append` returns, its rows are on disk (WAL, synchronous=FULL) and survive a kill at any
moment; until then none of them exists. Rows are never changed: triggers refuse it. Each row
carries a CRC, since SQLite itself does not notice a flipped bit inside a value. What rows mean is
the owner's business. One process writes; others may read.
"""

import hashlib
import re
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self, TypeVar

import msgpack

from protocol.errors import JournalError, printable

APPLICATION_ID = 0x43505431  # "CPT1", in the header of every file of ours
PAGE_ROWS = 1024
BUSY_MS = 5000
"""How long a writer waits for another before it gives up, milliseconds."""
_TABLE = re.compile(r"[a-z][a-z_]{0,39}")
_PUT = (
    "INSERT INTO state VALUES (?, ?, ?) "
    "ON CONFLICT (name) DO UPDATE SET body = excluded.body, crc = excluded.crc"
)
_COLUMNS = "seq, time_ns, kind, key, body, crc"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """One row to append.

    Attributes:
        table: one of the journal's tables.
        time_ns: the owner's clock.
        kind: what happened, a short name.
        body: plain value: maps, lists, text, bytes, 64-bit integers, floats, booleans, None.
        key: unique in its table when given; the same key and content again changes nothing.
    """

    table: str
    time_ns: int
    kind: str
    body: Any
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row read back; tuples inside `body` have become lists."""

    seq: int
    time_ns: int
    kind: str
    key: str | None
    body: Any


class Added(NamedTuple):
    """One row as it was added: what a witness is told of it.

    Attributes:
        digest: SHA-256 of time, kind, key and body as they stand in the file, hexadecimal.
    """

    table: str
    seq: int
    time_ns: int
    kind: str
    digest: str


class Witness(Protocol):
    """Sees every added row; `protocol.chain_file` is one."""

    def told(self, rows: Sequence[Added]) -> tuple[str, Any]:
        """Hear of rows inside their transaction; return name and value of a state put with it."""
        ...

    def committed(self) -> None:
        """Hear that what was told last is on disk."""
        ...

    def undone(self) -> None:
        """Hear that what was told last never happened."""
        ...

    def close(self) -> None:
        """Hear that the journal is closed."""
        ...


class Journal:
    """An open journal; made by `open`, closed by `close` or at the end of a `with` block."""

    def __init__(self, connection: sqlite3.Connection, path: Path, tables: frozenset[str]) -> None:
        self._connection = connection
        self._path = path
        self._tables = tables
        self._witness: Witness | None = None
        self._added: list[Added] = []

    @classmethod
    def open(
        cls, path: Path, *, schema_version: int, tables: Sequence[str], readonly: bool = False
    ) -> Self:
        """Open the journal at `path`, made if it does not exist and `readonly` is false.

        Args:
            path: the file; its folder must exist. Made with mode 0600.
            schema_version: of the owner's rows, >= 1; a file of another version is refused.
            tables: names of lower-case letters and underscores.
            readonly: for a process that looks at another's journal.

        Raises:
            JournalError: damaged, foreign, of another version, without a table, or not readable.
        """
        names = frozenset(tables)
        if schema_version < 1 or not all(_TABLE.fullmatch(name) for name in names):
            raise JournalError(f"version must be at least 1 and tables named [a-z_]+ ({path})")
        try:
            if not readonly:
                path.touch(mode=0o600)
            mode = "ro" if readonly else "rw"
            uri = f"{path.absolute().as_uri()}?mode={mode}"
            connection = sqlite3.connect(uri, uri=True, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise JournalError(f"journal cannot be opened: {error} ({path})") from None
        journal = cls(connection, path, names)
        try:
            journal._guarded(lambda: journal._prepare(schema_version, readonly=readonly))
        except BaseException:
            connection.close()
            raise
        return journal

    def append(
        self, entries: Iterable[Entry], *, state: Mapping[str, Any] | None = None
    ) -> tuple[int, ...]:
        """Append all entries and put all of `state` in one transaction; on disk on return.

        Returns:
            The sequence number of each entry; of the earlier row for a key that already stands.

        Raises:
            JournalError: a key already stands with other content, a value is not plain, the disk
                is full, or the like; nothing of the call is kept then.
        """
        # Packed before the transaction opens: a value that cannot be packed must not hold the lock.
        rows = [(self._known(entry.table), *_columns(entry)) for entry in entries]
        puts = [(name, *_sealed(name, value)) for name, value in (state or {}).items()]
        return self._guarded(lambda: self._transact(rows, puts))

    def witnessed(self, witness: Witness) -> None:
        """Tell a witness of every row from now on."""
        self._witness = witness

    def digests(self, table: str, after: int = 0) -> Iterator[Added]:
        """Yield rows with `seq > after` as a witness was told of them; no CRC is looked at."""
        query = (
            f"SELECT {_COLUMNS} FROM {self._known(table)} WHERE seq > ? "  # noqa: S608
            f"ORDER BY seq LIMIT {PAGE_ROWS}"
        )
        while True:
            bound = (after,)
            page = self._guarded(lambda: self._connection.execute(query, bound).fetchall())  # noqa: B023
            for seq, *columns in page:
                yield _added(table, seq, _head(*columns[:3]), tuple(columns))
            if len(page) < PAGE_ROWS:
                return
            after = page[-1][0]

    @contextmanager
    def unmoved(self) -> Iterator[None]:
        """Read inside, all of it, what stood there at the first read, whoever writes meanwhile."""
        self._guarded(lambda: self._connection.execute("BEGIN"))
        try:
            yield
        finally:
            self._guarded(lambda: self._connection.execute("COMMIT"))

    def put(self, name: str, value: Any) -> None:
        """Put one value into the state table, in a transaction of its own."""
        self.append((), state={name: value})

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value of the state table, `default` when it was never put."""
        query = "SELECT body, crc FROM state WHERE name = ?"
        row = self._guarded(lambda: self._connection.execute(query, (name,)).fetchone())
        return default if row is None else self._unpack(row[0], row[1], name.encode(), name)

    def rows(self, table: str, after: int = 0, kinds: Iterable[str] | None = None) -> Iterator[Row]:
        """Yield rows with `seq > after`, oldest first, of the given kinds; read page by page."""
        chosen = None if kinds is None else sorted(set(kinds))
        where = f"AND kind IN ({', '.join('?' * len(chosen))}) " if chosen is not None else ""
        query = (
            f"SELECT {_COLUMNS} FROM {self._known(table)} WHERE seq > ? {where}"  # noqa: S608
            f"ORDER BY seq LIMIT {PAGE_ROWS}"
        )
        while True:
            page = self._select(query, (after, *(chosen or ())))
            yield from page
            if len(page) < PAGE_ROWS:
                return
            after = page[-1].seq

    def last(self, table: str, kind: str | None = None) -> Row | None:
        """Return the newest row, or the newest of `kind`; None when there is none."""
        where, values = ("", ()) if kind is None else ("WHERE kind = ? ", (kind,))
        name = self._known(table)
        query = f"SELECT {_COLUMNS} FROM {name} {where}ORDER BY seq DESC LIMIT 1"  # noqa: S608
        found = self._select(query, values)
        return found[0] if found else None

    def find(self, table: str, key: str) -> Row | None:
        """Return the row of a key, None when there is none."""
        query = f"SELECT {_COLUMNS} FROM {self._known(table)} WHERE key = ?"  # noqa: S608
        found = self._select(query, (key,))
        return found[0] if found else None

    def close(self) -> None:
        """Close the file; what was appended stays. A second call does nothing."""
        witness, self._witness = self._witness, None
        if witness is not None:
            witness.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _guarded(self, action: Callable[[], T]) -> T:
        """Run `action`; what SQLite has against it becomes one JournalError line."""
        try:
            return action()
        except (sqlite3.Error, OverflowError) as error:
            detail = printable(str(error))
            raise JournalError(f"journal refused: {detail} ({self._path})") from error

    def _prepare(self, version: int, *, readonly: bool) -> None:
        run = self._connection.execute
        run(f"PRAGMA busy_timeout = {BUSY_MS}")
        run("PRAGMA trusted_schema = OFF")
        # Asked first: a foreign file must be left as it was found, its journal mode included.
        held = {row[0] for row in run("SELECT name FROM sqlite_master WHERE type = 'table'")}
        application = run("PRAGMA application_id").fetchone()[0]
        found = run("PRAGMA user_version").fetchone()[0]
        if held or application:
            self._must_fit(application, found, version, held)
        if not readonly:
            run("PRAGMA journal_mode = WAL")
            run("PRAGMA synchronous = FULL")
            if not held:
                self._create(version)
        elif not held:
            raise JournalError(f"journal holds nothing yet ({self._path})")

    def _must_fit(self, application: int, found: int, version: int, held: set[str]) -> None:
        if application != APPLICATION_ID:
            raise JournalError(f"file must be a journal of counterpoint, is another ({self._path})")
        if found != version:
            raise JournalError(
                f"journal must have schema version {version}, found {found}; "
                f"use the program that wrote it, or another data folder ({self._path})"
            )
        missing = sorted((self._tables | {"state"}) - held)
        if missing:
            raise JournalError(f"journal lacks its table {missing[0]}: damaged ({self._path})")
        health = self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if health != "ok":
            raise JournalError(f"journal is damaged: {printable(health)} ({self._path})")

    def _create(self, version: int) -> None:
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        run("CREATE TABLE state (name TEXT PRIMARY KEY, body BLOB NOT NULL, crc INTEGER NOT NULL)")
        for name in sorted(self._tables):
            run(
                f"CREATE TABLE {name} (seq INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, "
                "kind TEXT NOT NULL, key TEXT UNIQUE, body BLOB NOT NULL, crc INTEGER NOT NULL)"
            )
            run(f"CREATE INDEX {name}_kinds ON {name} (kind, seq)")
            for verb in ("UPDATE", "DELETE"):
                run(
                    f"CREATE TRIGGER {name}_no_{verb.lower()} BEFORE {verb} ON {name} "
                    "BEGIN SELECT RAISE(ABORT, 'rows are never changed'); END"
                )
        run(f"PRAGMA application_id = {APPLICATION_ID}")
        run(f"PRAGMA user_version = {version}")
        run("COMMIT")

    def _transact(
        self,
        rows: Sequence[tuple[str, bytes, tuple[Any, ...]]],
        puts: Sequence[tuple[str, bytes, int]],
    ) -> tuple[int, ...]:
        run, witness = self._connection.execute, self._witness
        self._added.clear()
        run("BEGIN IMMEDIATE")
        try:
            numbers = tuple(self._insert(*row) for row in rows)
            if witness is not None and self._added:
                name, value = witness.told(self._added)
                puts = [*puts, (name, *_sealed(name, value))]
            self._connection.executemany(_PUT, puts)
            run("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                run("ROLLBACK")
            if witness is not None:
                witness.undone()
            raise
        if witness is not None and self._added:
            witness.committed()
        return numbers

    def _insert(self, table: str, head: bytes, columns: tuple[Any, ...]) -> int:
        cursor = self._connection.execute(
            f"INSERT INTO {table} (time_ns, kind, key, body, crc) "  # noqa: S608
            "VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
            columns,
        )
        if cursor.rowcount == 1 and cursor.lastrowid is not None:
            if self._witness is not None:
                self._added.append(_added(table, cursor.lastrowid, head, columns))
            return cursor.lastrowid
        query = f"SELECT seq, time_ns, kind, key, body, crc FROM {table} WHERE key = ?"  # noqa: S608
        seq, *held = self._connection.execute(query, (columns[2],)).fetchone()
        if tuple(held) != columns:
            raise JournalError(
                f"key {printable(columns[2], 60)} must keep its content, found another "
                f"({table} row {seq}, {self._path})"
            )
        return int(seq)

    def _select(self, query: str, values: tuple[Any, ...]) -> list[Row]:
        found = self._guarded(lambda: self._connection.execute(query, values).fetchall())
        return [
            Row(seq, time_ns, kind, key, self._unpack(body, crc, _head(time_ns, kind, key), seq))
            for seq, time_ns, kind, key, body, crc in found
        ]

    def _unpack(self, body: bytes, crc: int, head: bytes, name: object) -> Any:
        if zlib.crc32(body, zlib.crc32(head)) != crc:
            raise JournalError(f"journal is damaged: row {name} fails its CRC ({self._path})")
        return msgpack.unpackb(body, raw=False, strict_map_key=False)

    def _known(self, table: str) -> str:
        if table not in self._tables:
            raise JournalError(f"table must be one of {sorted(self._tables)}, found {table!r}")
        return table


def _head(time_ns: int, kind: str, key: str | None) -> bytes:
    return f"{time_ns}\0{kind}\0{key}".encode()


def _added(table: str, seq: int, head: bytes, columns: tuple[Any, ...]) -> Added:
    seen = hashlib.sha256(b"%b\0%b" % (head, columns[3]))
    return Added(table, seq, columns[0], columns[1], seen.hexdigest())


def _sealed(name: str, value: Any, head: bytes | None = None) -> tuple[bytes, int]:
    try:
        body = msgpack.packb(value, use_bin_type=True)
    except (TypeError, ValueError, OverflowError) as error:
        raise JournalError(f"value of {name} must be plain: {printable(str(error))}") from None
    return body, zlib.crc32(body, zlib.crc32(name.encode() if head is None else head))


def _columns(entry: Entry) -> tuple[bytes, tuple[Any, ...]]:
    """Return what digest and CRC begin with, and the columns of a row."""
    head = _head(entry.time_ns, entry.kind, entry.key)
    return head, (entry.time_ns, entry.kind, entry.key, *_sealed(entry.kind, entry.body, head))
