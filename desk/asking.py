"""Questions to the store, as rows of plain values; nothing is worded here.

Every question names a run and an owner, is answered from an index, and is bounded: however long a
run is, it is not read through. `python -m bench.desk` measures each over a million fills.
"""

import threading
from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from desk.rows import AMOUNTS, COUNTS, DECISIONS, END, units
from desk.schema import CURSORS, CYCLES, EVENTS, FILLS, ORDERS, OUTCOMES, REFUSALS, RUNS
from desk.store import Store, out_of_reach
from desk.story import KINDS, Story
from desk.sums import FIRST_NET, OUTCOMES_SUM, Sums, together

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
TOTALS: Final = (
    "fills", "maker_fills", "quantity", "fees_paid", "orders_filled", "round_trips", "trip_profit",
    "wins", "held_ms", "orders_sent", "orders_refused",
)  # fmt: skip


class Asking:
    """The questions of one run.

    Args:
        store: asked; may be filled meanwhile.
        run: name.
    """

    def __init__(self, store: Store, run: str) -> None:
        self._store = store
        self._run = run
        self._openings: dict[str, Row] = {}
        self._story: Story | None = None
        self._told = 0
        self._telling = threading.Lock()

    def _ask(self, query: sa.Select[Any]) -> list[Row]:
        """Return the answer.

        Raises:
            StoreError: the database is out of reach.
        """
        try:
            with self._store.reading() as connection:
                return [dict(row) for row in connection.execute(query).mappings()]
        except SQLAlchemyError as error:
            raise out_of_reach(error) from None

    def _of(self, table: sa.Table, owner: str) -> sa.ColumnElement[bool]:
        return sa.and_(table.c.run == self._run, table.c.owner == owner)

    def _page(self, table: sa.Table, owner: str, key: str, before: int | None, limit: int) -> Any:
        """Return the query of the newest rows below a key."""
        query = sa.select(table).where(self._of(table, owner))
        if before is not None:
            query = query.where(table.c[key] < before)
        return query.order_by(table.c[key].desc()).limit(limit)

    def opening(self, owner: str) -> Row:
        """Return instrument, limits and capital as the run began; empty before that is stored.

        It never changes, so it is asked for once, and known while the database is away.
        """
        if owner not in self._openings:
            found = self._ask(sa.select(RUNS.c.opening).where(self._of(RUNS, owner)))
            if not found:
                return {}
            self._openings[owner] = dict(found[0]["opening"])
        return dict(self._openings[owner])

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

    def sums(self, owner: str) -> Sums:
        """Return what everything that was ever stored of an owner adds up to (`desk/sums.py`)."""
        return together(row["sums"] for row in self._ask(
            sa.select(CURSORS.c.sums).where(self._of(CURSORS, owner))
        ))  # fmt: skip

    def first_net(self, owner: str) -> int:
        """Return `net` of the first decision, before anything traded; 0 before it is stored."""
        return int(self.sums(owner).get(FIRST_NET, 0))

    def fills(self, owner: str, before: int | None, limit: int) -> list[Row]:
        """Return the newest fills below a trade id."""
        return self._ask(self._page(FILLS, owner, "trade_id", before, limit))

    def orders(self, owner: str, before: int | None, limit: int) -> list[Row]:
        """Return the newest orders below an order id, each with what came of it."""
        return self._followed(
            owner, self._ask(self._page(ORDERS, owner, "order_id", before, limit))
        )

    def resting(self, owner: str) -> list[Row]:
        """Return those of the newest orders that nothing has ended, likewise."""
        newest = self._ask(self._page(ORDERS, owner, "order_id", None, RESTING_MAX))
        return [
            row
            for row in self._followed(owner, newest)
            if row["filled"] < row["quantity"] and not set(ENDS) & set(row["outcomes"])
        ]

    def _followed(self, owner: str, orders: list[Row]) -> list[Row]:
        """Add to neighbouring orders what came of each: a range of ids is found by an index."""
        if not orders:
            return []
        low, high = min(row["order_id"] for row in orders), max(row["order_id"] for row in orders)
        filled = self._ask(
            sa.select(FILLS.c.order_id, sa.func.sum(FILLS.c.quantity).label("filled"))
            .where(self._of(FILLS, owner), FILLS.c.order_id.between(low, high))
            .group_by(FILLS.c.order_id)
        )
        columns = (OUTCOMES.c[name] for name in ("order_id", "outcome", "seq", "place"))
        found = self._ask(
            sa.select(*columns).where(
                self._of(OUTCOMES, owner), OUTCOMES.c.order_id.between(low, high)
            )
        )
        told = sorted(found, key=lambda row: (row["seq"], row["place"]))
        quantity = {row["order_id"]: int(row["filled"]) for row in filled}
        outcomes: dict[int, list[str]] = {}
        for row in told:
            outcomes.setdefault(row["order_id"], []).append(row["outcome"])
        for row in orders:
            row["filled"] = quantity.get(row["order_id"], 0)
            row["outcomes"] = outcomes.get(row["order_id"], [])
        return orders

    def equity(self, owner: str, since_ns: int, points: int) -> list[Row]:
        """Return decisions since a time, oldest first; when there are more than so many, evenly.

        Thinned, they are the last at or before each of so many moments, evenly apart, the newest
        decision being the last of them: as many look-ups as points, however long the run.

        Args:
            points: at least 2.
        """
        at = CYCLES.c.time_ns
        where = sa.and_(self._of(CYCLES, owner), at >= since_ns)
        kept = [column for column in CYCLES.c if column.name not in ("observation", "run", "owner")]
        some = sa.select(at).where(where).limit(points + 1).subquery()
        ends = sa.select(at).where(where).limit(1)
        found = self._ask(sa.select(
            sa.select(sa.func.count()).select_from(some).scalar_subquery().label("count"),
            ends.order_by(at).scalar_subquery().label("first"),
            ends.order_by(at.desc()).scalar_subquery().label("last"),
        ))[0]  # fmt: skip
        query = sa.select(*kept).where(where).order_by(at)
        if found["count"] > points:
            moments = _moments(int(found["first"]), int(found["last"]), points)
            other = CYCLES.alias()
            newest = (
                sa.select(other.c.time_ns)
                .where(other.c.run == self._run, other.c.owner == owner)
                .where(other.c.time_ns <= moments.c.at)
                .order_by(other.c.time_ns.desc()).limit(1)
                .scalar_subquery()
            )  # fmt: skip
            query = query.where(at.in_(sa.select(newest).select_from(moments)))
        return self._ask(query)

    def totals(self, owner: str) -> Row:
        """Return sums and counts over all orders, outcomes, fills and round trips of a run."""
        sums = self.sums(owner)
        outcomes = dict(sums.get(OUTCOMES_SUM, {}))
        return {**{name: int(sums.get(name, 0)) for name in TOTALS}, "outcomes": outcomes}

    def story(self, owner: str, limit: int) -> tuple[list[Row], list[Row]]:
        """Return the newest proposals and decisions of a coordinator's log, newest first.

        What was told is kept; each time only what is new is read.
        """
        with self._telling:
            if self._story is None:
                newest = self.events(owner, DECISIONS, KINDS, EVENTS_MAX)
                self._story = Story()
            else:
                newest = self.events(owner, DECISIONS, KINDS, EVENTS_MAX, after=self._told)
            self._story.tell(reversed(newest))
            self._told = max(self._told, *(row["seq"] for row in newest), 0)
            return self._story.newest(limit)

    def events(
        self, owner: str, source: str, kinds: Sequence[str], limit: int, *, after: int = 0
    ) -> list[Row]:
        """Return the newest entries of some kinds of a journal's table after one, newest first."""
        query = sa.select(EVENTS).where(self._of(EVENTS, owner), EVENTS.c.source == source)
        query = query.where(EVENTS.c.seq > after)
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


def _moments(first: int, last: int, count: int) -> sa.CTE:
    """Return so many moments from `last` back to about `first`, evenly apart, as rows `at`."""
    step = max(1, (last - first) // (count - 1))
    begin = sa.select(
        sa.literal(last, sa.BigInteger).label("at"), sa.literal(1, sa.BigInteger).label("place")
    ).cte("moments", recursive=True)
    at, place = begin.c.at - step, begin.c.place + 1
    return begin.union_all(sa.select(at, place).where(begin.c.place < count))
