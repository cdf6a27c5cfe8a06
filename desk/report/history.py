"""What the store knows of one executor in one span of time, as arrays. It asks, and judges nothing.

The span begins at a decision and ends at one: there equity, its parts and the position are known
to the last digit. What was booked after the first and up to the last belongs to it. A span that
holds the first decision of a run begins at its opening.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import sqlalchemy as sa

from desk.errors import StoreError
from desk.report.columns import Columns, quicken, read, whole
from desk.schema import CURSORS, CYCLES, EVENTS, FILLS, ORDERS, OUTCOMES, REFUSALS, RUNS, TRIPS
from desk.store import Store

PARTS: Final = ("spread", "fees", "inventory", "funding")
"""Of the profit, quote asset; fees are negative when paid."""
ENDS: Final = ("cancelled", "rejected", "refused")
"""Outcomes after which an order rests no more."""
TOLD: Final = (
    "applied", "rejected", "refused", "lapsed", "decision", "answer", "proposal", "vote",
    "measured",
)  # fmt: skip
"""Kinds of events that tell how parameters changed, and what came of it."""
EVENTS_MAX: Final = 100_000
FOREVER: Final = 2**62


@dataclass(frozen=True, slots=True)
class History:
    """One executor in one span; amounts in 1e-8 units, times in nanoseconds.

    Attributes:
        opening: symbol, tick, lot, limits, capital, first parameters.
        since_ns, until_ns: of the first and the last mark.
        is_whole: whether it begins at the opening of the run.
        cycles: marks at decisions, the first of them where the span begins.
        fills: in the order of booking; side 1 buys, -1 sells.
        trips: closed round trips, by their close.
        orders: by order id, sent in the span.
        ended: order ids and times of orders that were cancelled or refused by the venue.
        outcomes, refusals: how often by name.
        fundings: paid or received, quote asset.
        events: source, kind, time, body, by time.
    """

    run: str
    owner: str
    opening: Mapping[str, Any]
    since_ns: int
    until_ns: int
    is_whole: bool
    cycles: Columns
    fills: Columns
    trips: Columns
    orders: Columns
    ended: Columns
    outcomes: Mapping[str, int]
    refusals: Mapping[str, int]
    fundings: int
    events: tuple[tuple[str, str, int, Any], ...]

    @property
    def hours(self) -> float:
        """Length of the span."""
        return (self.until_ns - self.since_ns) / 3.6e12


def executors_of(store: Store, run: str | None) -> list[tuple[str, str]]:
    """Return run and owner of each executor of a run, of the newest when none is named.

    Raises:
        StoreError: there is none; the line lists what is there.
    """
    held = store.runs()
    names = list(dict.fromkeys(str(each["run"]) for each in held))
    if not names:
        raise StoreError("the store holds no run yet")
    wanted = names[0] if run is None else run
    if wanted not in names:
        listed = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        raise StoreError(f"run must be one of {listed}, found {wanted[:64]}")
    return [(wanted, str(each["owner"])) for each in held if each["run"] == wanted]


def history_of(
    store: Store, run: str, owner: str, *, from_ns: int = 0, to_ns: int = FOREVER
) -> History:
    """Return what happened between two times.

    Args:
        store: asked.
        run, owner: whose.
        from_ns, to_ns: the span's first and last decision lie between them.

    Raises:
        StoreError: no decision, or only one, lies between them.
    """
    with store.reading() as connection:
        quicken(connection)
        held = connection.execute(
            sa.select(RUNS).where(RUNS.c.run == run, RUNS.c.owner == owner)
        ).mappings().one()  # fmt: skip
        query = _marks().where(*_own(CYCLES, run, owner)).order_by(CYCLES.c.time_ns)
        removed = _removed(connection, run, owner)
        query = query.where(CYCLES.c.round_trips >= removed)
        every = read(connection, query.where(CYCLES.c.time_ns <= to_ns))
        cycles, is_whole = _span(every, int(held["opened_ns"]), from_ns)
        times = cycles["time_ns"]
        if len(times) < 2:
            raise StoreError(f"{run} of {owner} decided nothing in that span; nothing to report")
        since, until = int(times[0]), int(times[-1])

        def inside(table: sa.Table, column: str = "time_ns") -> tuple[Any, ...]:
            at = table.c[column]
            begun = at >= since if is_whole else at > since
            return (*_own(table, run, owner), begun, at <= until)

        kind, limit = OUTCOMES.c.outcome, REFUSALS.c.limit
        amount = sa.func.coalesce(sa.func.sum(OUTCOMES.c.amount), 0)
        told = sa.select(kind, sa.func.count(), amount).where(*inside(OUTCOMES)).group_by(kind)
        reported = [(str(a), int(b), int(c)) for a, b, c in connection.execute(told)]
        refused = sa.select(limit, sa.func.count()).where(*inside(REFUSALS)).group_by(limit)
        return History(
            run=run,
            owner=owner,
            opening=dict(held["opening"]),
            since_ns=since,
            until_ns=until,
            is_whole=is_whole,
            cycles=cycles,
            fills=read(
                connection,
                _fills().where(*inside(FILLS)).order_by(FILLS.c.time_ns, FILLS.c.trade_id),
            ),
            trips=_trips(connection, _own(TRIPS, run, owner), cycles, removed),
            orders=read(connection, _orders().where(*inside(ORDERS)).order_by(ORDERS.c.order_id)),
            ended=read(
                connection,
                sa.select(OUTCOMES.c.order_id, OUTCOMES.c.time_ns).where(
                    *inside(OUTCOMES), OUTCOMES.c.outcome.in_(ENDS)
                ),
            ),
            outcomes={name: count for name, count, _ in reported},
            refusals={str(name): int(count) for name, count in connection.execute(refused)},
            fundings=sum(amount for name, _, amount in reported if name == "funding"),
            events=_events(connection, run, owner, since, until),
        )


def _own(table: sa.Table, run: str, owner: str) -> tuple[Any, ...]:
    return table.c.run == run, table.c.owner == owner


def _marks() -> sa.Select[Any]:
    names = (
        "time_ns", "opening", "equity", *PARTS, "turnover", "net", "position", "mark", "fills",
        "round_trips", "wins",
    )  # fmt: skip
    return sa.select(*(CYCLES.c[name] for name in names))


def _fills() -> sa.Select[Any]:
    names = ("time_ns", "exchange_ns", "order_id", "price", "quantity", "fee", "mark")
    side = whole(sa.case((FILLS.c.side == "buy", 1), else_=-1), "side")
    return sa.select(*(FILLS.c[name] for name in names), side)


def _orders() -> sa.Select[Any]:
    names = ("order_id", "time_ns", "quantity")
    side = whole(sa.case((ORDERS.c.side == "buy", 1), else_=-1), "side")
    return sa.select(*(ORDERS.c[name] for name in names), side)


def _removed(connection: sa.Connection, run: str, owner: str) -> int:
    """Return how many round trips age has removed: what was ever counted less what is there."""
    sums = connection.execute(
        sa.select(CURSORS.c.sums).where(*_own(CURSORS, run, owner), CURSORS.c.source == "cycles")
    ).scalar()
    query = sa.select(sa.func.count()).select_from(TRIPS).where(*_own(TRIPS, run, owner))
    held = int(connection.execute(query).scalar_one())
    return max(0, int((sums or {}).get("round_trips", 0)) - held)


def _trips(
    connection: sa.Connection, own: tuple[Any, ...], cycles: Columns, removed: int
) -> Columns:
    """Return the trips that the marks count, by their place: venue and local clock may differ."""
    names = ("opened_ns", "closed_ns", "quantity", "open_price", "close_price", "profit")
    first, last = int(cycles["round_trips"][0]), int(cycles["round_trips"][-1])
    query = sa.select(*(TRIPS.c[name] for name in names)).where(*own)
    query = query.order_by(TRIPS.c.seq, TRIPS.c.place)
    return read(connection, query.offset(first - removed).limit(last - first))


def _events(
    connection: sa.Connection, run: str, owner: str, since: int, until: int
) -> tuple[tuple[str, str, int, Any], ...]:
    """Return what tells how parameters changed; another executor's own words are not among it."""
    told = EVENTS.c
    query = (
        sa.select(told.source, told.kind, told.time_ns, told.body)
        .where(told.run == run, told.time_ns <= until, told.kind.in_(TOLD))
        .where(sa.or_(told.owner == owner, told.source == "log"))
        .where(sa.or_(told.time_ns >= since, told.kind == "applied"))
        .order_by(told.time_ns, told.source, told.seq)
        .limit(EVENTS_MAX)
    )
    return tuple((str(a), str(b), int(c), d) for a, b, c, d in connection.execute(query))


def _span(every: Columns, opened_ns: int, from_ns: int) -> tuple[Columns, bool]:
    """Return the marks from a time on, and whether the first of them is the opening.

    The opening is no decision: it is the mark at which the books were opened, before any fill.
    """
    times = every["time_ns"]
    is_whole = len(times) > 0 and times[0] >= from_ns and every["fills"][0] == 0
    if not is_whole:
        return {name: column[times >= from_ns] for name, column in every.items()}, False
    first = dict.fromkeys(every, 0)
    first |= {name: int(every[name][0]) for name in ("opening", "net", "position", "mark")}
    first |= {"time_ns": min(opened_ns, int(times[0]) - 1), "equity": first["opening"]}
    first["net"] -= int(every["funding"][0])
    return {
        name: np.concatenate((np.array([first[name]], dtype=np.int64), column))
        for name, column in every.items()
    }, True
