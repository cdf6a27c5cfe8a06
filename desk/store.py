"""The store: what the journals of a stack say, in SQLite or PostgreSQL, asked by every window.

It is fed by `desk/catching_up.py`, page by page, and never written by anybody else. A page goes in
whole or not at all, together with the cursor that says how far its journal was read; a page that
comes twice changes nothing. Calls block; the desk makes them in threads.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from desk.errors import StoreError
from desk.rows import rows_of
from desk.schema import AGE, CURSORS, METADATA, MIGRATIONS, RUNS, STORED, VERSION, VERSIONS
from protocol.messages import JournalRow

BUSY_S = 10.0
"""How long a writer of SQLite waits for another."""
BATCH = 10_000
"""Rows that are read from the database at once."""


class Store:
    """An open database; made by `open`, closed by `close` or at the end of a `with` block.

    Attributes:
        engine: for queries; whoever asks closes their connection.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self._insert = postgres_insert if engine.dialect.name == "postgresql" else sqlite_insert

    @classmethod
    def open(cls, url: str) -> Self:
        """Open a database by URL, made or brought up to date if need be.

        Args:
            url: `sqlite:///path`, or `postgresql+psycopg://user:password@host/name`.

        Raises:
            StoreError: it cannot be reached, is of a newer program, or its driver is missing.
        """
        try:
            place = make_url(url)
        except ArgumentError:
            raise StoreError("the database must be a URL such as sqlite:///desk.db") from None
        shown = place.render_as_string(hide_password=True)
        backend = place.get_backend_name()
        if backend not in ("sqlite", "postgresql"):
            raise StoreError(f"the database must be sqlite or postgresql, found {backend}")
        if backend == "postgresql":
            place = place.set(drivername="postgresql+psycopg")
        try:
            engine = sa.create_engine(place, **_options(backend))
        except ModuleNotFoundError as error:
            raise StoreError(
                f"the driver {error.name} of {shown} is missing: pip install counterpoint[postgres]"
            ) from None
        store = cls(engine)
        try:
            if backend == "sqlite":
                if place.database:
                    Path(place.database).touch(mode=0o600)
                sa.event.listen(engine, "connect", _prepare_sqlite)
            store._migrate()
        except (SQLAlchemyError, OSError) as error:
            engine.dispose()
            raise StoreError(f"{shown}: {reason_of(error)}") from None
        return store

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- in -------------------------------------------------------------------------------
    def cursor(self, run: str, owner: str, source: str) -> int:
        """Return the last row of a journal's table that is stored; 0 before the first."""
        query = sa.select(CURSORS.c.seq).where(*_of(CURSORS, run, owner))
        query = query.where(CURSORS.c.source == source)
        with self.reading() as connection:
            return connection.execute(query).scalar() or 0

    def take(self, run: str, owner: str, source: str, page: Sequence[JournalRow]) -> int:
        """Store a page of a journal; return the number of its last row.

        Raises:
            StoreError: a row is not what it should be, or the database is out of reach.
        """
        found = rows_of(run, owner, source, page)
        last = page[-1].seq if page else 0
        try:
            with self.engine.begin() as connection:
                for name, rows in found.items():
                    self._put(connection, METADATA.tables[name], rows)
                self._advance(connection, run, owner, source, last)
        except SQLAlchemyError as error:
            raise StoreError(f"the store is out of reach: {reason_of(error)}") from None
        return last

    def prune(self, before_ns: int) -> int:
        """Remove what is older than a time, the runs' openings left; return how many rows."""
        removed = 0
        with self.engine.begin() as connection:
            for table in STORED:
                age = table.c[AGE.get(table.name, "time_ns")]
                removed += connection.execute(sa.delete(table).where(age < before_ns)).rowcount
        return removed

    # --- out ------------------------------------------------------------------------------
    def reading(self) -> AbstractContextManager[sa.Connection]:
        """Return a connection for questions."""
        return self.engine.connect()

    def runs(self) -> list[Mapping[str, Any]]:
        """Return every run of every executor, the newest first."""
        query = sa.select(RUNS).order_by(RUNS.c.opened_ns.desc(), RUNS.c.run.desc(), RUNS.c.owner)
        with self.reading() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def export(self, name: str, run: str | None = None) -> Iterator[str]:
        """Yield a table as lines of CSV, a heading first, in the order of its key.

        Raises:
            StoreError: no such table.
        """
        tables = {table.name: table for table in STORED}
        if name not in tables:
            raise StoreError(f"table must be one of {', '.join(tables)}, found {name[:40]}")
        table = tables[name]
        query = sa.select(table).order_by(*table.primary_key.columns)
        if run is not None:
            query = query.where(table.c.run == run)
        yield _csv(table.columns.keys())
        with self.reading() as connection:
            for row in connection.execution_options(yield_per=BATCH).execute(query):
                yield _csv(row)

    # --- inside ---------------------------------------------------------------------------
    def _migrate(self) -> None:
        with self.engine.begin() as connection:
            if not sa.inspect(connection).has_table(VERSIONS.name):
                METADATA.create_all(connection)
                connection.execute(sa.insert(VERSIONS).values(version=VERSION))
                return
            found = connection.execute(sa.select(sa.func.max(VERSIONS.c.version))).scalar() or 0
            if found > VERSION:
                raise StoreError(
                    f"the store has schema version {found}, this program knows {VERSION}: "
                    "use the program that wrote it"
                )
            for step in MIGRATIONS[found - 1 :]:
                step(connection)
            connection.execute(sa.update(VERSIONS).values(version=VERSION))

    def _put(
        self, connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """Insert rows; one whose key stands already is left out."""
        statement = self._insert(table).on_conflict_do_nothing()
        connection.execute(statement, rows)

    def _advance(
        self, connection: sa.Connection, run: str, owner: str, source: str, last: int
    ) -> None:
        key = {"run": run, "owner": owner, "source": source}
        statement = self._insert(CURSORS).values(**key, seq=last)
        newer = statement.on_conflict_do_update(
            index_elements=list(key), set_={"seq": last}, where=CURSORS.c.seq < last
        )
        connection.execute(newer)


def reason_of(error: SQLAlchemyError | OSError) -> str:
    """Return the first line of what a database has against something."""
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0][:200]


def _of(table: sa.Table, run: str, owner: str) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.run == run, table.c.owner == owner


def _options(backend: str) -> dict[str, Any]:
    if backend == "sqlite":
        return {"connect_args": {"timeout": BUSY_S}}
    return {"pool_pre_ping": True, "connect_args": {"connect_timeout": int(BUSY_S)}}


def _prepare_sqlite(connection: Any, _: object) -> None:
    """Let readers read while one writes; a page that a power cut takes is fetched again."""
    for line in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {line}")


def _csv(values: Any) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()
