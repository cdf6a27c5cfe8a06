"""Questions to the store, as rows of plain values; nothing is worded here.

Every question names a run and an owner, is answered from an index, and is bounded.
"""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from desk.errors import StoreError
from desk.rows import AMOUNTS, COUNTS, END, units
from desk.schema import CYCLES, EVENTS, FILLS, ORDERS, OUTCOMES, REFUSALS, RUNS, TRIPS
from desk.store import Store, reason_of

Row = dict[str, Any]
EVENTS_MAX: Final = 20_000
"""Entries of a decision log that a story is told from: about a month of hourly boundaries."""
RESTING_MAX: Final = 2_000
"""Newest orders among which the open ones are looked for."""
SINCE_MAX: Final = 1_000
MARKS_MAX: Final = 20_000
"""About a week of decisions."""
ENDS: Final = ("rejected", "cancelled", "refused")
"""Outcomes after which an order is no longer open."""


class Asking:
    """The questions of one run.

    Args:
        store: asked; may be filled meanwhile.
        run: name.
    """

    def __init__(self, store: Store, run: str) -> None:
        self._store = store
        self._run = run

    def _ask(self, query: sa.Select[Any]) -> list[Row]:
        """Return the answer.

        Raises:
            StoreError: the database is out of reach.
        """
        try:
            with self._store.reading() as connection:
                return [dict(row) for row in connection.execute(query).mappings()]
        except SQLAlchemyError as error:
            raise StoreError(f"the store is out of reach: {reason_of(error)}") from None

    def _of(self, table: sa.Table, owner: str) -> sa.ColumnElement[bool]:
        return sa.and_(table.c.run == self._run, table.c.owner == owner)

    def _page(self, table: sa.Table, owner: str, key: str, before: int | None, limit: int) -> Any:
        """Return the query of the newest rows below a key."""
        query = sa.select(table).where(self._of(table, owner))
        if before is not None:
            query = query.where(table.c[key] < before)
        return query.order_by(table.c[key].desc()).limit(limit)

    def opening(self, owner: str) -> Row:
        """Return instrument, limits and capital as the run began; empty before that is stored."""
        found = self._ask(sa.select(RUNS.c.opening).where(self._of(RUNS, owner)))
        return dict(found[0]["opening"]) if found else {}

    def last_cycle(self, owner: str) -> Row | None:
        """Return how all stood at the newest decision, or at the end of a life after it."""
        found = self._ask(self._page(CYCLES, owner, "time_ns", None, 1))
        if not found:
            return None
        ends = self.events(owner, CYCLES.name, (END,), 1)
        if not ends or ends[0]["time_ns"] <= found[0]["time_ns"]:
            return found[0]
        body = ends[0]["body"]
        figures = {name: units(body[name]) for name in AMOUNTS} | {n: body[n] for n in COUNTS}
        return {**found[0], **figures, "time_ns": ends[0]["time_ns"]}

    def first_net(self, owner: str) -> int:
        """Return `net` of the first decision, before anything traded; 0 before it is stored."""
        first = sa.select(CYCLES.c.net).where(self._of(CYCLES, owner))
        found = self._ask(first.order_by(CYCLES.c.time_ns).limit(1))
        return int(found[0]["net"]) if found else 0

    def fills(self, owner: str, before: int | None, limit: int) -> list[Row]:
        """Return the newest fills below a trade id."""
        return self._ask(self._page(FILLS, owner, "trade_id", before, limit))

    def orders(self, owner: str, before: int | None, limit: int) -> list[Row]:
        """Return the newest orders below an order id, each with what came of it."""
        return self._followed(
            owner, self._ask(self._page(ORDERS, owner, "order_id", before, limit))
        )

    def resting(self, owner: str) -> list[Row]:
        """Return the newest orders that nothing has ended, likewise."""
        newest = self._page(ORDERS, owner, "order_id", None, RESTING_MAX).subquery()
        ended = sa.exists().where(
            self._of(OUTCOMES, owner),
            OUTCOMES.c.order_id == newest.c.order_id,
            OUTCOMES.c.outcome.in_(ENDS),
        )
        found = self._followed(owner, self._ask(sa.select(newest).where(~ended)))
        return [row for row in found if row["filled"] < row["quantity"]]

    def _followed(self, owner: str, orders: list[Row]) -> list[Row]:
        if not orders:
            return []
        ids = [row["order_id"] for row in orders]
        first = min(row["time_ns"] for row in orders)
        filled = self._ask(
            sa.select(FILLS.c.order_id, sa.func.sum(FILLS.c.quantity).label("filled"))
            .where(self._of(FILLS, owner), FILLS.c.time_ns >= first, FILLS.c.order_id.in_(ids))
            .group_by(FILLS.c.order_id)
        )
        told = self._ask(
            sa.select(OUTCOMES.c.order_id, OUTCOMES.c.outcome)
            .where(self._of(OUTCOMES, owner), OUTCOMES.c.order_id.in_(ids))
            .order_by(OUTCOMES.c.seq, OUTCOMES.c.place)
        )
        quantity = {row["order_id"]: int(row["filled"]) for row in filled}
        outcomes: dict[int, list[str]] = {}
        for row in told:
            outcomes.setdefault(row["order_id"], []).append(row["outcome"])
        for row in orders:
            row["filled"] = quantity.get(row["order_id"], 0)
            row["outcomes"] = outcomes.get(row["order_id"], [])
        return orders

    def equity(self, owner: str, since_ns: int, points: int) -> list[Row]:
        """Return decisions since a time, oldest first, thinned to about so many; the last is one.

        Args:
            points: at least 2.
        """
        place = sa.func.row_number().over(order_by=CYCLES.c.time_ns).label("place")
        count = sa.func.count().over().label("count")
        where = sa.and_(self._of(CYCLES, owner), CYCLES.c.time_ns >= since_ns)
        kept = [column for column in CYCLES.c if column.name not in ("observation", "run", "owner")]
        whole = sa.select(*kept, place, count).where(where).subquery()
        step = whole.c.count // points + 1
        thin = sa.or_(whole.c.place % step == 0, whole.c.place == whole.c.count)
        return self._ask(sa.select(whole).where(thin).order_by(whole.c.time_ns))

    def totals(self, owner: str) -> Row:
        """Return sums and counts over all orders, outcomes, fills and round trips of a run."""
        maker = sa.case((FILLS.c.maker, 1), else_=0)
        fills = self._ask(
            sa.select(
                sa.func.count().label("fills"),
                sa.func.coalesce(sa.func.sum(maker), 0).label("maker_fills"),
                sa.func.coalesce(sa.func.sum(FILLS.c.quantity), 0).label("quantity"),
                sa.func.coalesce(sa.func.sum(FILLS.c.fee), 0).label("fees_paid"),
                sa.func.count(sa.distinct(FILLS.c.order_id)).label("orders_filled"),
            ).where(self._of(FILLS, owner))
        )[0]
        trips = self._ask(
            sa.select(
                sa.func.count().label("round_trips"),
                sa.func.coalesce(sa.func.sum(TRIPS.c.profit), 0).label("trip_profit"),
                sa.func.coalesce(sa.func.sum(sa.case((TRIPS.c.profit > 0, 1), else_=0)), 0).label(
                    "wins"
                ),
                sa.func.coalesce(
                    sa.func.sum((TRIPS.c.closed_ns - TRIPS.c.opened_ns) // 1_000_000), 0
                ).label("held_ms"),
            ).where(self._of(TRIPS, owner))
        )[0]
        outcomes = self._ask(
            sa.select(OUTCOMES.c.outcome, sa.func.count().label("count"))
            .where(self._of(OUTCOMES, owner))
            .group_by(OUTCOMES.c.outcome)
        )
        orders = self._ask(
            sa.select(sa.func.count().label("orders_sent")).where(self._of(ORDERS, owner))
        )[0]
        refused = self._ask(
            sa.select(sa.func.count().label("orders_refused")).where(self._of(REFUSALS, owner))
        )[0]
        told = {row["outcome"]: int(row["count"]) for row in outcomes}
        whole = {**fills, **trips, **orders, **refused}
        return {**{name: int(value) for name, value in whole.items()}, "outcomes": told}

    def events(self, owner: str, source: str, kinds: Sequence[str], limit: int) -> list[Row]:
        """Return the newest entries of some kinds of a journal's table, newest first."""
        query = sa.select(EVENTS).where(self._of(EVENTS, owner), EVENTS.c.source == source)
        if kinds:
            query = query.where(EVENTS.c.kind.in_(kinds))
        return self._ask(query.order_by(EVENTS.c.seq.desc()).limit(limit))

    def events_since(
        self, owner: str, source: str, kinds: Sequence[str], since_ns: int
    ) -> list[Row]:
        """Return the entries of some kinds since a time, the newest `SINCE_MAX` of them."""
        query = sa.select(EVENTS).where(
            self._of(EVENTS, owner),
            EVENTS.c.source == source,
            EVENTS.c.kind.in_(kinds),
            EVENTS.c.time_ns >= since_ns,
        )
        return self._ask(query.order_by(EVENTS.c.time_ns.desc()).limit(SINCE_MAX))

    def marks(self, owner: str, since_ns: int) -> list[Row]:
        """Return the mids of the first `MARKS_MAX` decisions since a time, oldest first."""
        query = sa.select(CYCLES.c.time_ns, CYCLES.c.mark)
        query = query.where(self._of(CYCLES, owner), CYCLES.c.time_ns >= since_ns)
        return self._ask(query.order_by(CYCLES.c.time_ns).limit(MARKS_MAX))

    def refusals(self, owner: str, limit: int) -> list[Row]:
        """Return the newest orders that the gate refused."""
        query = sa.select(REFUSALS).where(self._of(REFUSALS, owner))
        return self._ask(query.order_by(REFUSALS.c.seq.desc(), REFUSALS.c.place).limit(limit))
