"""Rows of a journal as rows of the store. Pure: one page in, rows by table out."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Final

from desk.errors import StoreError
from desk.schema import CYCLES, EVENTS, FILLS, ORDERS, OUTCOMES, REFUSALS, RUNS, TRIPS
from protocol.messages import JournalRow

UNITS: Final = 10**8
LIMIT: Final = 2**63
DECISIONS: Final = "log"
"""What the coordinator's journal, which has no tables, is called."""
AMOUNTS: Final = (
    "opening", "equity", "spread", "fees", "inventory", "funding", "turnover", "peak", "drawdown",
    "net", "position", "mark",
)  # fmt: skip
END: Final = "end"
"""Kind of the row of `cycles` that a life of an executor ends with, between two decisions."""
COUNTS: Final = ("fills", "round_trips", "wins")
Rows = dict[str, list[dict[str, Any]]]


def units(text: str) -> int:
    """Return decimal text in 1e-8 units.

    Raises:
        StoreError: finer than that, or larger than 63 bits.
    """
    value = Decimal(text) * UNITS
    if value != value.to_integral_value() or abs(value) >= LIMIT:
        raise StoreError(f"an amount must be whole 1e-8 and below 9.2e10, found {text[:40]}")
    return int(value)


def decimal(amount: int) -> str:
    """Return 1e-8 units as decimal text, without trailing zeros."""
    whole, rest = divmod(abs(amount), UNITS)
    sign = "-" if amount < 0 else ""
    return f"{sign}{whole}.{rest:08d}".rstrip("0") if rest else f"{sign}{whole}"


def rows_of(run: str, owner: str, source: str, page: Iterable[JournalRow]) -> Rows:
    """Return the rows of a page by table of the store.

    Args:
        run: name of the run.
        owner: whose journal it is.
        source: table of the journal; `DECISIONS` for a coordinator's.
        page: as it came over the bus.

    Raises:
        StoreError: a row is not what its owner promises (`agents/executor/pages.py`).
    """
    found: Rows = defaultdict(list)
    worded = WORDED.get(source, _event)
    for row in page:
        try:
            for table, line in worded(source, row):
                found[table].append({"run": run, "owner": owner, **line})
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise StoreError(
                f"row {row.seq} of {source} of {owner} is not as it should be: {error!r}"
            ) from None
    return found


Line = tuple[str, dict[str, Any]]


def _event(source: str, row: JournalRow) -> Iterable[Line]:
    yield (
        EVENTS.name,
        {
            "source": source,
            "seq": row.seq,
            "time_ns": row.time_ns,
            "kind": row.kind,
            "body": row.body,
        },
    )


def _judged(source: str, row: JournalRow) -> Iterable[Line]:
    """Keep what changed; the figures that each order was judged by stay with the executor."""
    if row.kind == "opened":
        yield RUNS.name, {"opened_ns": row.time_ns, "opening": row.body}
    if row.kind != "step":
        yield from _event(source, row)


def _sent(_: str, row: JournalRow) -> Iterable[Line]:
    body: Any = row.body
    for order in body["orders"]:
        yield ORDERS.name, {**_order(order), "time_ns": row.time_ns, "order_id": order["order_id"]}


def _order(order: dict[str, Any]) -> dict[str, Any]:
    return {
        "side": order["side"],
        "price": units(order["price"]),
        "quantity": units(order["quantity"]),
        "level": order["level"],
        "taker": order["taker"],
    }


def _refused(_: str, row: JournalRow) -> Iterable[Line]:
    body: Any = row.body
    for place, refused in enumerate(body["refused"]):
        told = _order(refused)
        del told["level"], told["taker"]
        told |= {name: refused[name] for name in ("limit", "figure", "bound")}
        yield REFUSALS.name, {**told, "seq": row.seq, "place": place, "time_ns": row.time_ns}


def _reported(_: str, row: JournalRow) -> Iterable[Line]:
    body: Any = row.body
    for fill in body["fills"]:
        line = {name: fill[name] for name in ("trade_id", "order_id", "side", "maker")}
        line |= {name: units(fill[name]) for name in ("price", "quantity", "fee", "mark")}
        yield (
            FILLS.name,
            {**line, "time_ns": row.time_ns, "exchange_ns": fill["exchange_time"]},
        )
    for place, each in enumerate(body["outcomes"]):
        yield (
            OUTCOMES.name,
            {
                "seq": row.seq,
                "place": place,
                "time_ns": row.time_ns,
                "order_id": each["order_id"],
                "outcome": each["outcome"],
                "amount": units(each["amount"]) if "amount" in each else None,
            },
        )


def _cycle(source: str, row: JournalRow) -> Iterable[Line]:
    """Keep a decision; how all stood at the end of a life is none, and is kept as an event."""
    body: Any = row.body
    if row.kind == END:
        yield from _event(source, row)
    if row.kind == "cycle":
        line = {name: units(body[name]) for name in AMOUNTS} | {n: body[n] for n in COUNTS}
        yield (
            CYCLES.name,
            {**line, "time_ns": row.time_ns, "observation": body["observation"]},
        )
    for place, trip in enumerate(body["trips"]):
        told = {name: units(trip[name]) for name in ("quantity", "profit")}
        told |= {name: units(trip[name]) for name in ("open_price", "close_price")}
        yield (
            TRIPS.name,
            {
                **told,
                "seq": row.seq,
                "place": place,
                "opened_ns": trip["opened"],
                "closed_ns": trip["closed"],
            },
        )


WORDED: Final[dict[str, Callable[[str, JournalRow], Iterable[Line]]]] = {
    "intents": _sent,
    "refusals": _refused,
    "reports": _reported,
    "cycles": _cycle,
    "judged": _judged,
}
"""How the rows of a table become rows of the store; those of others are kept as events."""
