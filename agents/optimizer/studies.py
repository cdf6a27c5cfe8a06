"""Studies on disk, in SQLite or PostgreSQL: begun once, a batch at a time, read by anybody.

A batch goes in whole, in one transaction with its candidates, so whoever is killed loses the batch
in work and nothing else. Two processes cannot both write a study: the second one's batch has a key
that is taken, and it is told so. Calls block.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError

from agents.optimizer.study_schema import BATCHES, METADATA, NAME_MAX, SCHEMA, STUDIES, TRIALS
from protocol.errors import ProtocolError

BUSY_S = 10.0
"""How long a writer of SQLite waits for another."""
MEMORY = "sqlite://"


class StudyError(ProtocolError):
    """A study cannot be opened or gone on with; the text says what to do instead."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One candidate that was told.

    Attributes:
        source: who proposed it.
        point: of the unit cube.
        parameters: what it means.
        values: minimised; `violation` feasible when <= 0.
        slices: on how many it was replayed.
    """

    source: str
    point: tuple[float, ...]
    parameters: Mapping[str, float]
    values: tuple[float, ...]
    violation: float
    slices: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What was told at once.

    Attributes:
        candidates: distinct ones of the window so far; `front` of them; `hypervolume` of it.
        search_s, replay_s: seconds that it took, of the search and of the replay.
        calls: what was replayed for it, see `trail.py`.
    """

    window: int
    batch: int
    told_ns: int
    candidates: int
    front: int
    hypervolume: float
    search_s: float
    replay_s: float
    calls: bytes
    trials: tuple[Trial, ...] = ()


@dataclass(frozen=True, slots=True)
class Begun:
    """A study as it stands; `result` once it is complete."""

    name: str
    document: dict[str, Any]
    begun_ns: int
    result: dict[str, Any] | None


class Studies:
    """An open database of studies; made by `open`, closed by `close` or at the end of `with`."""

    def __init__(self, engine: sa.Engine, shown: str) -> None:
        self._engine, self._shown = engine, shown

    @classmethod
    def open(cls, url: str) -> Self:
        """Open a database by URL; its tables are made if they are missing.

        Args:
            url: `sqlite:///path`, or `postgresql://user:password@host/name`.

        Raises:
            StudyError: it cannot be reached, or its driver is missing.
        """
        try:
            place = make_url(url)
        except ArgumentError:
            raise StudyError("--storage must be a URL such as sqlite:///studies.db") from None
        shown, backend = place.render_as_string(hide_password=True), place.get_backend_name()
        if backend not in ("sqlite", "postgresql"):
            raise StudyError(f"--storage must be sqlite or postgresql, found {backend[:40]}")
        more: dict[str, Any] = {"connect_args": {"timeout": BUSY_S}}
        if backend == "postgresql":
            place = place.set(drivername="postgresql+psycopg")
            more = {"pool_pre_ping": True, "connect_args": {"connect_timeout": int(BUSY_S)}}
        try:
            engine = sa.create_engine(place, **more)
        except ModuleNotFoundError as error:
            raise StudyError(
                f"the driver {error.name} of {shown} is missing: pip install counterpoint[postgres]"
            ) from None
        found = cls(engine, shown)
        with found._spoken():
            if backend == "sqlite":
                if place.database:
                    Path(place.database).touch(mode=0o600)
                sa.event.listen(engine, "connect", _prepare_sqlite)
            METADATA.create_all(engine)
        return found

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- in -------------------------------------------------------------------------------
    def begin(self, name: str, document: Mapping[str, Any], now_ns: int) -> None:
        """Enter a new study.

        Raises:
            StudyError: its name is too long or taken, or the database is out of reach.
        """
        if not 1 <= len(name) <= NAME_MAX:
            raise StudyError(f"--study must have 1 to {NAME_MAX} letters, found {len(name)}")
        row = {"study": name, "schema": SCHEMA, "document": dict(document), "begun_ns": now_ns}
        taken = f"another process has just begun study {name}; start again"
        with self._spoken(taken), self._engine.begin() as connection:
            connection.execute(sa.insert(STUDIES), row)

    def put(self, name: str, batch: Batch) -> None:
        """Store a batch with its candidates, whole or not at all.

        Raises:
            StudyError: another process stored it meanwhile, or the database is out of reach.
        """
        key = {"study": name, "window": batch.window}
        row = {field: getattr(batch, field) for field in BATCHES.columns.keys()[1:]}
        taken = (
            f"study {name} is worked on by another process as well: batch {batch.batch} of window "
            f"{batch.window} is stored already; watch it with --watch"
        )
        held = sa.select(sa.func.count()).where(
            TRIALS.c.study == name, TRIALS.c.window == batch.window
        )
        with self._spoken(taken), self._engine.begin() as connection:
            first = connection.execute(held).scalar() or 0
            connection.execute(sa.insert(BATCHES), key | row)
            rows = [
                key | _row(each) | {"number": first + place, "batch": batch.batch}
                for place, each in enumerate(batch.trials)
            ]
            connection.execute(sa.insert(TRIALS), rows)

    def complete(self, name: str, result: Mapping[str, Any]) -> None:
        """Keep the result of a study."""
        statement = sa.update(STUDIES).where(STUDIES.c.study == name).values(result=dict(result))
        with self._spoken(), self._engine.begin() as connection:
            connection.execute(statement)

    # --- out ------------------------------------------------------------------------------
    def get(self, name: str) -> Begun | None:
        """Return a study, None when there is none.

        Raises:
            StudyError: it was written by another version of the program.
        """
        query = sa.select(STUDIES).where(STUDIES.c.study == name)
        with self._spoken(), self._engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            return None
        if row["schema"] != SCHEMA:
            raise StudyError(
                f"study {name} has schema {row['schema']}, this program writes {SCHEMA}: "
                "use the program that began it, or another name"
            )
        return Begun(name, row["document"], row["begun_ns"], row["result"])

    def names(self) -> list[str]:
        """Return the names of all studies, the newest first."""
        query = sa.select(STUDIES.c.study).order_by(STUDIES.c.begun_ns.desc(), STUDIES.c.study)
        with self._spoken(), self._engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def batches(self, name: str, window: int | None = None) -> list[Batch]:
        """Return the stored batches in order, of one window or of all; calls of one alone."""
        which = [BATCHES.c.study == name]
        columns = [each for each in BATCHES.c if each.name not in ("study", "calls")]
        trials: dict[tuple[int, int], list[Trial]] = {}
        if window is not None:
            which.append(BATCHES.c.window == window)
            columns.append(BATCHES.c.calls)
            for each in self.trials(name, window):
                trials.setdefault((window, each["batch"]), []).append(_trial(each))
        query = sa.select(*columns).where(*which).order_by(BATCHES.c.window, BATCHES.c.batch)
        with self._spoken(), self._engine.connect() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        return [
            Batch(
                **({"calls": b""} | row),
                trials=tuple(trials.get((row["window"], row["batch"]), ())),
            )
            for row in rows
        ]

    def trials(self, name: str, window: int) -> list[dict[str, Any]]:
        """Return the candidates of a window as they were told, one row each."""
        query = sa.select(TRIALS).where(TRIALS.c.study == name, TRIALS.c.window == window)
        with self._spoken(), self._engine.connect() as connection:
            return [
                dict(row) for row in connection.execute(query.order_by(TRIALS.c.number)).mappings()
            ]

    @contextmanager
    def _spoken(self, taken: str | None = None) -> Iterator[None]:
        """Turn what a database says into one line; a key that is taken into `taken`."""
        try:
            yield
        except IntegrityError as error:
            raise StudyError(taken or f"{self._shown}: {_reason(error)}") from None
        except (SQLAlchemyError, OSError) as error:
            raise StudyError(f"{self._shown}: {_reason(error)}") from None


def _row(trial: Trial) -> dict[str, Any]:
    return {
        "source": trial.source,
        "point": list(trial.point),
        "parameters": dict(trial.parameters),
        "values": list(trial.values),
        "violation": trial.violation,
        "slices": trial.slices,
    }


def _trial(row: Mapping[str, Any]) -> Trial:
    return Trial(
        source=row["source"],
        point=tuple(row["point"]),
        parameters=row["parameters"],
        values=tuple(row["values"]),
        violation=row["violation"],
        slices=row["slices"],
    )


def _reason(error: SQLAlchemyError | OSError) -> str:
    """Return the first line of what a database has against something."""
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0][:200]


def _prepare_sqlite(connection: Any, _: object) -> None:
    """Let readers read while one writes; a batch that was told is on disk."""
    for line in ("journal_mode = WAL", "synchronous = FULL"):
        connection.execute(f"PRAGMA {line}")
