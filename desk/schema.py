"""The tables of the store, and the steps by which an older one becomes what this is.

Amounts, prices and quantities are whole 1e-8 units: exact, and summed by either engine alike. Times
are nanoseconds of venue time. Every row has a key that its journal gave it, so that what is stored
twice is stored once.
"""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    MetaData,
    String,
    Table,
)

METADATA: Final = MetaData()
NAME = String(64)
AMOUNT: Final = "amount"
"""Marks the columns that count in 1e-8 units."""


def _amount(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, info={AMOUNT: True})


def _whole(name: str) -> Column[int]:
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
    _whole("opened_ns"),
    Column("opening", JSON, nullable=False),
)
CURSORS: Final = Table(
    "cursors",
    METADATA,
    *_owned(),
    Column("source", NAME, primary_key=True),
    _whole("seq"),
    Column("sums", JSON, nullable=False, server_default="{}"),
)
"""The last row of each table of each journal that is stored, and what the rows up to it add up to.

The sums (`desk/sums.py`) go on counting what age has removed since.
"""
FILLS: Final = Table(
    "fills",
    METADATA,
    *_owned(),
    _key("trade_id"),
    _whole("time_ns"),
    _whole("exchange_ns"),
    _whole("order_id"),
    Column("side", String(4), nullable=False),
    _amount("price"),
    _amount("quantity"),
    _amount("fee"),
    _amount("mark"),
    Column("maker", Boolean, nullable=False),
)
FILLS_BY_TIME: Final = Index(
    "fills_by_time", FILLS.c.run, FILLS.c.owner, FILLS.c.time_ns, FILLS.c.trade_id
)
FILLS_BY_ORDER: Final = Index("fills_by_order", FILLS.c.run, FILLS.c.owner, FILLS.c.order_id)
ORDERS: Final = Table(
    "orders",
    METADATA,
    *_owned(),
    _key("order_id"),
    _whole("time_ns"),
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
    _whole("time_ns"),
    _whole("order_id"),
    Column("outcome", NAME, nullable=False),
    Column("amount", BigInteger, info={AMOUNT: True}),
    Index("outcomes_by_order", "run", "owner", "order_id"),
)
"""What the venue reported besides fills; `amount` of a funding, quote asset."""
OUTCOMES_BY_KIND: Final = Index(
    "outcomes_by_kind",
    *(OUTCOMES.c[name] for name in ("run", "owner", "outcome", "time_ns", "order_id", "amount")),
)
"""Holds all that a report asks of outcomes, so that it reads nothing else."""
REFUSALS: Final = Table(
    "refusals",
    METADATA,
    *_owned(),
    _key("seq"),
    _key("place"),
    _whole("time_ns"),
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
            "drawdown", "net", "position", "mark",
        )
    ),
    *(_whole(name) for name in ("fills", "round_trips", "wins")),
    Column("observation", JSON, nullable=False),
)  # fmt: skip
TRIPS: Final = Table(
    "trips",
    METADATA,
    *_owned(),
    _key("seq"),
    _key("place"),
    _whole("opened_ns"),
    _whole("closed_ns"),
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
    _whole("time_ns"),
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
    _whole("time_ns"),
    Column("asked", JSON, nullable=False),
    Column("answer", JSON, nullable=False),
)
"""What a person asked for and was acknowledged: wall time, the wish, its answer. Never removed."""
STORED: Final = (FILLS, ORDERS, OUTCOMES, REFUSALS, CYCLES, TRIPS, EVENTS)
"""What `export` writes and what age removes."""
AGE: Final = {TRIPS.name: "closed_ns"}
"""The column that says how old a row is, where it is not `time_ns`."""
KEPT: Final = ("applied",)
"""Kinds of events that age does not remove: which set was in force is asked for ever after."""
VERSION: Final = 4
"""Of these tables; `desk/migrations.py` has the steps from those before."""
