"""The tables of the store, and the steps by which an older one becomes what this is.

Amounts, prices and quantities are whole 1e-8 units: exact, and summed by either engine alike. Times
are nanoseconds of venue time. Every row has a key that its journal gave it, so that what is stored
twice is stored once.
"""

from collections.abc import Callable
from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    MetaData,
    String,
    Table,
)

METADATA: Final = MetaData()
NAME = String(64)


def _amount(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _key(name: str) -> Column[int]:
    return Column(name, BigInteger, primary_key=True, autoincrement=False)


def _owned() -> list[Column[str]]:
    """Return the columns that every key begins with: the run, and whose journal it was."""
    return [Column(name, NAME, primary_key=True) for name in ("run", "owner")]


VERSIONS: Final = Table(
    "schema_version", METADATA, Column("version", BigInteger, primary_key=True, autoincrement=False)
)
RUNS: Final = Table(
    "runs",
    METADATA,
    Column("run", NAME, primary_key=True),
    Column("owner", NAME, primary_key=True),
    _amount("opened_ns"),
    Column("opening", JSON, nullable=False),
)
CURSORS: Final = Table(
    "cursors", METADATA, *_owned(), Column("source", NAME, primary_key=True), _amount("seq")
)
"""The last row of each table of each journal that is stored."""
FILLS: Final = Table(
    "fills",
    METADATA,
    *_owned(),
    _key("trade_id"),
    _amount("time_ns"),
    _amount("exchange_ns"),
    _amount("order_id"),
    Column("side", String(4), nullable=False),
    _amount("price"),
    _amount("quantity"),
    _amount("fee"),
    _amount("mark"),
    Column("maker", Boolean, nullable=False),
    Index("fills_by_time", "run", "owner", "time_ns"),
)
ORDERS: Final = Table(
    "orders",
    METADATA,
    *_owned(),
    _key("order_id"),
    _amount("time_ns"),
    Column("side", String(4), nullable=False),
    _amount("price"),
    _amount("quantity"),
    Column("level", BigInteger, nullable=False),
    Column("taker", Boolean, nullable=False),
    Index("orders_by_time", "run", "owner", "time_ns"),
)
OUTCOMES: Final = Table(
    "outcomes",
    METADATA,
    *_owned(),
    _key("seq"),
    _key("place"),
    _amount("time_ns"),
    _amount("order_id"),
    Column("outcome", NAME, nullable=False),
    Column("amount", BigInteger),
    Index("outcomes_by_order", "run", "owner", "order_id"),
)
"""What the venue reported besides fills; `amount` of a funding, quote asset."""
REFUSALS: Final = Table(
    "refusals",
    METADATA,
    *_owned(),
    _key("seq"),
    _key("place"),
    _amount("time_ns"),
    Column("side", String(4), nullable=False),
    _amount("price"),
    _amount("quantity"),
    Column("limit", NAME, nullable=False),
    Column("figure", Float, nullable=False),
    Column("bound", Float, nullable=False),
)
CYCLES: Final = Table(
    "cycles",
    METADATA,
    *_owned(),
    _key("time_ns"),
    *(
        _amount(name)
        for name in (
            "opening", "equity", "spread", "fees", "inventory", "funding", "turnover", "peak",
            "drawdown", "net", "position", "mark", "fills", "round_trips", "wins",
        )
    ),
    Column("observation", JSON, nullable=False),
)  # fmt: skip
TRIPS: Final = Table(
    "trips",
    METADATA,
    *_owned(),
    _key("seq"),
    _key("place"),
    _amount("opened_ns"),
    _amount("closed_ns"),
    _amount("quantity"),
    _amount("open_price"),
    _amount("close_price"),
    _amount("profit"),
    Index("trips_by_time", "run", "owner", "closed_ns"),
)
EVENTS: Final = Table(
    "events",
    METADATA,
    *_owned(),
    Column("source", NAME, primary_key=True),
    _key("seq"),
    _amount("time_ns"),
    Column("kind", NAME, nullable=False),
    Column("body", JSON, nullable=False),
    Index("events_by_time", "run", "time_ns"),
    Index("events_by_kind", "run", "kind", "time_ns"),
)
"""Everything else: decisions, votes, parameters, changes of the risk state, stops, words heard."""
ACTIONS: Final = Table(
    "actions",
    METADATA,
    Column("run", NAME, primary_key=True),
    Column("id", String(32), primary_key=True),
    _amount("time_ns"),
    Column("asked", JSON, nullable=False),
    Column("answer", JSON, nullable=False),
)
"""What a person asked for and was acknowledged: wall time, the wish, its answer. Never removed."""
STORED: Final = (FILLS, ORDERS, OUTCOMES, REFUSALS, CYCLES, TRIPS, EVENTS)
"""What `export` writes and what age removes."""
AGE: Final = {TRIPS.name: "closed_ns"}
"""The column that says how old a row is, where it is not `time_ns`."""


def _add_actions(connection: Connection) -> None:
    ACTIONS.create(connection)


MIGRATIONS: Final[tuple[Callable[[Connection], None], ...]] = (_add_actions,)
"""Step n leads from version n + 1 to n + 2. A new store is made as it is now, without steps."""
VERSION: Final = 1 + len(MIGRATIONS)
