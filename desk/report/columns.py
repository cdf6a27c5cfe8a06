"""Reads whole columns of the store into arrays: a million fills in a second or two.

Only columns of integers are read so, none of them null. PostgreSQL hands them over in its binary
form, eight bytes a value; SQLite as tuples, which are poured into an array one by one.
"""

from itertools import chain
from typing import Any, Final

import numpy as np
import sqlalchemy as sa

from market.types import I8

HEAD: Final = 19
"""Bytes before the first row of PostgreSQL's binary copy: signature, flags, no extension."""
TAIL: Final = 2
MAPPED: Final = 2**31 - 2**16
"""Bytes: the most that SQLite maps."""
Columns = dict[str, I8]


def whole(expression: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[int]:
    """Return an expression as a 64-bit integer under a name."""
    return sa.cast(expression, sa.BigInteger).label(name)


def quicken(connection: sa.Connection) -> None:
    """Make ready for whole tables: SQLite maps its file, PostgreSQL sorts in memory."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA mmap_size = {MAPPED}")
    else:
        connection.exec_driver_sql("SET LOCAL work_mem = '256MB'")
        connection.exec_driver_sql("SET LOCAL jit = off")


def read(connection: sa.Connection, query: sa.Select[Any]) -> Columns:
    """Return the columns of a query by name, i8[n] each.

    Args:
        connection: to the store.
        query: selects 64-bit integers alone, none of them null.
    """
    names = list(query.selected_columns.keys())
    if connection.dialect.name == "postgresql":
        table = _copied(connection, query, len(names))
    else:
        cursor: Any = connection.execute(query).cursor
        values = chain.from_iterable(cursor)
        table = np.fromiter(values, dtype=np.int64).reshape(-1, len(names))
    return {name: np.ascontiguousarray(table[:, at]) for at, name in enumerate(names)}


def _copied(connection: sa.Connection, query: sa.Select[Any], width: int) -> I8:
    """Return i8[n, width] of a query by COPY."""
    compiled = query.compile(
        dialect=connection.dialect, compile_kwargs={"render_postcompile": True}
    )
    parts: list[bytes] = []
    raw: Any = connection.connection.cursor()
    with (
        raw as cursor,
        cursor.copy(f"COPY ({compiled}) TO STDOUT (FORMAT BINARY)", compiled.params) as copy,
    ):
        parts.extend(bytes(block) for block in copy)
    body = b"".join(parts)[HEAD:-TAIL]
    field = [("size", ">i4"), ("value", ">i8")]
    layout = np.dtype([("count", ">i2"), ("fields", field, (width,))])
    rows = np.frombuffer(body, dtype=layout)
    return np.ascontiguousarray(rows["fields"]["value"].astype(np.int64).reshape(-1, width))
