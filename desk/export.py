"""A table of the store for other programs, as CSV or Parquet: amounts are decimals, exact to 1e-8.

Rows come in the order of their key, so that the same content is the same file, whatever the engine.
Times are nanoseconds; what is a document in the store is one line of JSON.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from desk.errors import StoreError
from desk.rows import decimal
from desk.schema import AMOUNT, STORED
from desk.store import Store, out_of_reach

BATCH: Final = 10_000
"""Rows that are read from the database at once."""
GROUP: Final = 20 * BATCH
"""Rows of one row group of Parquet."""
DIGITS, PLACES = 19, 8
"""Of a decimal in Parquet: whatever 63 bits of 1e-8 hold."""


def table_of(name: str) -> sa.Table:
    """Return a table that can be exported.

    Raises:
        StoreError: there is none of that name.
    """
    tables = {table.name: table for table in STORED}
    if name not in tables:
        raise StoreError(f"table must be one of {', '.join(tables)}, found {name[:40]}")
    return tables[name]


def as_csv(store: Store, table: sa.Table, run: str | None = None) -> Iterator[str]:
    """Yield a table as CSV, the heading first, then many lines at a time.

    Raises:
        StoreError: the database is out of reach.
    """
    yield _lines([table.columns.keys()])
    shown = [_shown(column) for column in table.columns]
    for part in _parts(store, table, run):
        yield _lines([[show(value) for show, value in zip(shown, row, strict=True)]
                      for row in part])  # fmt: skip


def write_parquet(store: Store, table: sa.Table, path: Path, run: str | None = None) -> None:
    """Write a table as one Parquet file.

    Raises:
        StoreError: pyarrow is missing, or the database is out of reach.
        OSError: the file cannot be written.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise StoreError(
            f"{error.name} is missing for Parquet: pip install 'counterpoint[parquet]'"
        ) from None
    schema = pa.schema([
        pa.field(column.name, _kind(pa, column), nullable=bool(column.nullable))
        for column in table.columns
    ])  # fmt: skip
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for part in _parts(store, table, run, GROUP):
            columns = zip(table.columns, zip(*part, strict=True), strict=True)
            arrays = [_array(pa, column, values) for column, values in columns]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _parts(
    store: Store, table: sa.Table, run: str | None, size: int = BATCH
) -> Iterator[Sequence[sa.Row[Any]]]:
    query = sa.select(table).order_by(*table.primary_key.columns)
    if run is not None:
        query = query.where(table.c.run == run)
    try:
        with store.reading() as connection:
            found = connection.execution_options(yield_per=size).execute(query)
            yield from found.partitions()
    except SQLAlchemyError as error:
        raise out_of_reach(error) from None


def _lines(rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _shown(column: sa.Column[Any]) -> Callable[[Any], Any]:
    """Return how a value of a column is written in CSV; nothing stands for nothing."""
    if AMOUNT in column.info:
        return lambda value: None if value is None else decimal(value)
    if isinstance(column.type, sa.JSON):
        return _document
    if isinstance(column.type, sa.Boolean):
        return lambda value: "true" if value else "false"
    return lambda value: value


def _document(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _kind(pa: Any, column: sa.Column[Any]) -> Any:
    """Return the type of a column in Parquet."""
    if AMOUNT in column.info:
        return pa.decimal128(DIGITS, PLACES)
    for kind, found in (
        (sa.Boolean, pa.bool_()), (sa.Float, pa.float64()), (sa.BigInteger, pa.int64()),
    ):  # fmt: skip
        if isinstance(column.type, kind):
            return found
    return pa.string()


def _array(pa: Any, column: sa.Column[Any], values: Sequence[Any]) -> Any:
    """Return a column's values as Arrow has them; amounts without a detour over decimal text."""
    if AMOUNT not in column.info:
        told = map(_document, values) if isinstance(column.type, sa.JSON) else values
        return pa.array(list(told), _kind(pa, column))
    units = np.array([0 if value is None else value for value in values], dtype=np.int64)
    wide = np.stack((units, units >> 63), axis=1)  # 128 bits, the low half first
    known = np.array([value is not None for value in values])
    held = [pa.py_buffer(np.packbits(known, bitorder="little")), pa.py_buffer(wide)]
    return pa.Array.from_buffers(_kind(pa, column), len(values), held)
