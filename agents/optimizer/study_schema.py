"""The tables of studies: what each was asked, its batches, and every candidate of them.

They share a database with whatever else lies there, so their names begin with `study`. Points and
values are JSON numbers, which read back bit for bit; the profits of every slice, which a search
that goes on needs, are one blob a batch.
"""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

SCHEMA: Final = 1
METADATA: Final = MetaData()
NAME_MAX: Final = 64


def _key(name: str) -> Column[int]:
    return Column(name, Integer, primary_key=True, autoincrement=False)


STUDIES: Final = Table(
    "studies",
    METADATA,
    Column("study", String(NAME_MAX), primary_key=True),
    Column("schema", Integer, nullable=False),
    Column("document", JSON, nullable=False),
    Column("begun_ns", BigInteger, nullable=False),
    Column("result", JSON),
)
"""What a study was asked, in full; `result` once it is complete. Times are of the wall."""
BATCHES: Final = Table(
    "study_batches",
    METADATA,
    Column("study", String(NAME_MAX), primary_key=True),
    _key("window"),
    _key("batch"),
    Column("told_ns", BigInteger, nullable=False),
    Column("candidates", Integer, nullable=False),
    Column("front", Integer, nullable=False),
    Column("hypervolume", Float, nullable=False),
    Column("search_s", Float, nullable=False),
    Column("replay_s", Float, nullable=False),
    Column("calls", LargeBinary, nullable=False),
)
"""One row a batch; `candidates` of the window so far; `calls`, what was replayed for it."""
TRIALS: Final = Table(
    "study_trials",
    METADATA,
    Column("study", String(NAME_MAX), primary_key=True),
    _key("window"),
    _key("number"),
    Column("batch", Integer, nullable=False),
    Column("source", String(NAME_MAX), nullable=False),
    Column("point", JSON, nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("values", JSON, nullable=False),
    Column("violation", Float, nullable=False),
    Column("slices", Integer, nullable=False),
)
"""One row a candidate told: a point of the unit cube, what it means, what it was worth."""
