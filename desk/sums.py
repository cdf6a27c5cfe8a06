"""What a journal's table adds up to, kept beside its cursor, so that no window adds up a month.

A page is counted in the same transaction that stores it, and only what is behind the cursor, so a
page that comes twice counts once. Sums are Python's integers, kept as JSON: they cannot overflow.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import sqlalchemy as sa

from desk.rows import Rows
from desk.schema import CYCLES, FILLS, ORDERS, OUTCOMES, REFUSALS, TRIPS

Sums = dict[str, Any]
"""Whole numbers by name; `outcomes` is a map of counts by name. What was never counted is absent.

Amounts in 1e-8 units: quantity, fees_paid (a fee that was paid is positive), trip_profit, and
first_net, `net` of the run's first decision. held_ms: how long round trips lasted, together.
"""
OUTCOMES_SUM: Final = "outcomes"
FIRST_NET: Final = "first_net"
MS: Final = 1_000_000


def counted(sums: Mapping[str, Any], rows: Rows, filled: Iterable[int]) -> Sums:
    """Return sums with the rows of a further page.

    Args:
        sums: up to the page.
        rows: of the page, by table of the store.
        filled: ids of the page's orders that had a fill before it.
    """
    found: Sums = {**sums, OUTCOMES_SUM: dict(sums.get(OUTCOMES_SUM, {}))}

    def add(name: str, more: int) -> None:
        found[name] = found.get(name, 0) + more

    if fills := rows.get(FILLS.name):
        add("fills", len(fills))
        add("maker_fills", sum(bool(each["maker"]) for each in fills))
        add("quantity", sum(each["quantity"] for each in fills))
        add("fees_paid", sum(each["fee"] for each in fills))
        add("orders_filled", len({each["order_id"] for each in fills} - set(filled)))
    if trips := rows.get(TRIPS.name):
        add("round_trips", len(trips))
        add("trip_profit", sum(each["profit"] for each in trips))
        add("wins", sum(each["profit"] > 0 for each in trips))
        add("held_ms", sum((each["closed_ns"] - each["opened_ns"]) // MS for each in trips))
    for each in rows.get(OUTCOMES.name, ()):
        told = found[OUTCOMES_SUM]
        told[each["outcome"]] = told.get(each["outcome"], 0) + 1
    for table, name in ((ORDERS, "orders_sent"), (REFUSALS, "orders_refused")):
        if table.name in rows:
            add(name, len(rows[table.name]))
    if CYCLES.name in rows:
        found.setdefault(FIRST_NET, rows[CYCLES.name][0]["net"])
    if not found[OUTCOMES_SUM]:
        del found[OUTCOMES_SUM]
    return found


def together(sums: Iterable[Mapping[str, Any]]) -> Sums:
    """Return the sums of all tables of a journal as one map; no name is in two."""
    found: Sums = {}
    for each in sums:
        found |= each
    return found


def recounted(connection: sa.Connection, run: str, owner: str) -> dict[str, Sums]:
    """Return the sums of each of an owner's tables, added up anew over all that is stored.

    For a store of a version that kept none; complete only where nothing was removed.
    """

    def asked(table: sa.Table, **columns: sa.ColumnElement[Any]) -> Sums:
        named = [each.label(name) for name, each in columns.items()]
        query = sa.select(sa.func.count().label("rows"), *named)
        query = query.where(table.c.run == run, table.c.owner == owner)
        row = dict(connection.execute(query).mappings().one())
        return {name: int(value) for name, value in row.items()} if row["rows"] else {}

    def of(table: sa.Table, name: str, **columns: sa.ColumnElement[Any]) -> Sums:
        found = asked(table, **columns)
        return {name: found.pop("rows"), **found} if found else {}

    add, fill, trip, kind = sa.func.sum, FILLS.c, TRIPS.c, OUTCOMES.c
    told = connection.execute(
        sa.select(kind.outcome, sa.func.count())
        .where(kind.run == run, kind.owner == owner)
        .group_by(kind.outcome)
    )
    first = connection.execute(
        sa.select(CYCLES.c.net).where(CYCLES.c.run == run, CYCLES.c.owner == owner)
        .order_by(CYCLES.c.time_ns).limit(1)
    ).scalar()  # fmt: skip
    reports = of(
        FILLS, "fills",
        maker_fills=add(sa.case((fill.maker, 1), else_=0)), quantity=add(fill.quantity),
        fees_paid=add(fill.fee), orders_filled=sa.func.count(sa.distinct(fill.order_id)),
    )  # fmt: skip
    cycles = of(
        TRIPS, "round_trips",
        trip_profit=add(trip.profit), wins=add(sa.case((trip.profit > 0, 1), else_=0)),
        held_ms=add((trip.closed_ns - trip.opened_ns) // MS),
    )  # fmt: skip
    outcomes = {str(name): int(count) for name, count in told}
    return {
        "reports": {**reports, **({OUTCOMES_SUM: outcomes} if outcomes else {})},
        "cycles": {**cycles, **({} if first is None else {FIRST_NET: int(first)})},
        "intents": of(ORDERS, "orders_sent"),
        "refusals": of(REFUSALS, "orders_refused"),
    }
