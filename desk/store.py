"""The store: what the journals of a stack say, in SQLite or PostgreSQL, asked by every window.

It is fed by `desk/catching_up.py`, page by page, and never written by anybody else. A page goes in
whole or not at all, together with the cursor that says how far its journal was read and what it
adds up to; a page that comes twice changes nothing. Calls block; the desk makes them in threads.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from desk.errors import StoreError
from desk.migrations import MIGRATIONS
from desk.rows import Rows, rows_of
from desk.schema import (
    AGE,
    CURSORS,
    EVENTS,
    FILLS,
    KEPT,
    METADATA,
    RUNS,
    STORED,
    VERSION,
    VERSIONS,
)
from desk.sums import Sums, counted
from protocol.messages import JournalRow

BUSY_S = 10.0
"""How long a writer of SQLite waits for another."""


class Store:
    """An open database; made by `open`, closed by `close` or at the end of a `with` block.

    Attributes:
        engine: for queries; whoever asks closes their connection.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self._insert = postgres_insert if engine.dialect.name == "postgresql" else sqlite_insert

    @classmethod
    def open(cls, url: str, *, new: bool = True) -> Self:
        """Open a database by URL, made or brought up to date if need be.

        Args:
            url: `sqlite:///path`, or `postgresql+psycopg://user:password@host/name`.
            new: whether a file that is not there is made.

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
                    _demand(Path(place.database), shown, new=new)
                sa.event.listen(engine, "connect", _prepare_sqlite)
            store.prepare()
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
    def prepare(self) -> None:
        """Make the tables, or bring those of an older program up to date; else change nothing.

        Raises:
            StoreError: they are of a newer program.
            SQLAlchemyError: the database is out of reach.
        """
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
            if found < VERSION:
                connection.execute(sa.update(VERSIONS).values(version=VERSION))

    def cursor(self, run: str, owner: str, source: str) -> int:
        """Return the last row of a journal's table that is stored; 0 before the first.

        The database is prepared first: it may be another one than it was.

        Raises:
            StoreError: it is out of reach, or of a newer program.
        """
        query = sa.select(CURSORS.c.seq).where(*_of(CURSORS, run, owner, source))
        try:
            self.prepare()
            with self.reading() as connection:
                return connection.execute(query).scalar() or 0
        except SQLAlchemyError as error:
            raise out_of_reach(error) from None

    def take(self, run: str, owner: str, source: str, page: Sequence[JournalRow]) -> int:
        """Store what is new of a page of a journal; return the number of its last row.

        Raises:
            StoreError: a row is not what it should be, or the database is out of reach.
        """
        last = page[-1].seq if page else 0
        try:
            with self.engine.begin() as connection:
                seq, sums = self._held(connection, run, owner, source)
                found = rows_of(run, owner, source, [row for row in page if row.seq > seq])
                sums = counted(sums, found, _filled(connection, run, owner, found))
                for name, rows in found.items():
                    self._put(connection, METADATA.tables[name], rows)
                if last > seq:
                    of = _of(CURSORS, run, owner, source)
                    connection.execute(sa.update(CURSORS).where(*of).values(seq=last, sums=sums))
        except SQLAlchemyError as error:
            raise out_of_reach(error) from None
        return last

    def prune(self, before_ns: int, run: str | None = None) -> dict[str, int]:
        """Remove what is older than a time; return how many rows by table.

        Openings, sets that came into force, cursors and their sums stay: figures of a run go on
        counting what was removed, and nothing is fetched again.

        Args:
            before_ns: venue time.
            run: of this run alone.

        Raises:
            StoreError: the database is out of reach.
        """
        removed = {}
        try:
            for table in STORED:
                old = table.c[AGE.get(table.name, "time_ns")] < before_ns
                if run is not None:
                    old &= table.c.run == run
                if table is EVENTS:
                    old &= EVENTS.c.kind.not_in(KEPT)
                with self.engine.begin() as connection:
                    removed[table.name] = connection.execute(sa.delete(table).where(old)).rowcount
        except SQLAlchemyError as error:
            raise out_of_reach(error) from None
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

    # --- inside ---------------------------------------------------------------------------
    def _held(
        self, connection: sa.Connection, run: str, owner: str, source: str
    ) -> tuple[int, Sums]:
        """Return how far a table was read and its sums; nobody else changes them meanwhile."""
        key = {"run": run, "owner": owner, "source": source}
        new = self._insert(CURSORS).values(**key, seq=0, sums={})
        connection.execute(new.on_conflict_do_nothing())  # writes first: SQLite locks by it
        query = sa.select(CURSORS.c.seq, CURSORS.c.sums).where(*_of(CURSORS, run, owner, source))
        seq, sums = connection.execute(query.with_for_update()).one()
        return int(seq), dict(sums)

    def _put(
        self, connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """Insert rows; one whose key stands already is left out."""
        statement = self._insert(table).on_conflict_do_nothing()
        connection.execute(statement, rows)


def out_of_reach(error: SQLAlchemyError) -> StoreError:
    """Return the one line that says that the database does not answer."""
    return StoreError(f"the store is out of reach: {reason_of(error)}")


def reason_of(error: SQLAlchemyError | OSError) -> str:
    """Return the first line of what a database has against something."""
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0][:200]


def _of(table: sa.Table, run: str, owner: str, source: str) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.run == run, table.c.owner == owner, table.c.source == source


def _filled(connection: sa.Connection, run: str, owner: str, found: Rows) -> list[int]:
    """Return the ids of a page's orders that had a fill before it."""
    ids = {each["order_id"] for each in found.get(FILLS.name, ())}
    if not ids:
        return []
    own = FILLS.c.run == run, FILLS.c.owner == owner
    query = sa.select(FILLS.c.order_id).distinct().where(*own, FILLS.c.order_id.in_(ids))
    return list(connection.execute(query).scalars())


def _demand(path: Path, shown: str, *, new: bool) -> None:
    """See to it that a database's file is there, and only its owner's."""
    if not new and not path.exists():
        raise StoreError(f"{shown} is not there; `counterpoint run --desk` makes a store")
    path.touch(mode=0o600)


def _options(backend: str) -> dict[str, Any]:
    if backend == "sqlite":
        return {"connect_args": {"timeout": BUSY_S}}
    waits = {"connect_timeout": int(BUSY_S), "tcp_user_timeout": int(1e3 * BUSY_S)}
    return {"pool_pre_ping": True, "connect_args": waits}


def _prepare_sqlite(connection: Any, _: object) -> None:
    """Let readers read while one writes; a page that a power cut takes is fetched again."""
    for line in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {line}")
