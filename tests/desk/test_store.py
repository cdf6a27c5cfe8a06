"""What the store promises: nothing twice, nothing by halves, the same in either engine."""

import pytest
import sqlalchemy as sa

from desk import schema
from desk.asking import Asking
from desk.errors import StoreError
from desk.rows import AMOUNTS, COUNTS, decimal, units
from desk.store import Store
from desk.sums import recounted, together
from protocol.messages import JournalRow
from tests.desk.databases import before_sums

NS = 10**9
NAMES = [table.name for table in schema.STORED]
ORDER = {
    "order_id": 7, "side": "buy", "price": "1.2345", "quantity": "12.5", "level": 0, "taker": False,
}  # fmt: skip
FILL = {
    "order_id": 7, "trade_id": 3, "side": "buy", "price": "1.2345", "quantity": "2.5",
    "maker": True, "fee": "-0.00000001", "mark": "1.23475", "exchange_time": 5 * NS,
}  # fmt: skip


def row(seq, kind="step", **body):
    """A row of a journal."""
    return JournalRow(seq=seq, time_ns=seq * NS, kind=kind, body=body)


def sent(seq):
    """A step that sent one order."""
    return row(seq, orders=[{**ORDER, "order_id": seq}], cancels=[])


def reported(seq):
    """A step at which an order was filled, and another was gone."""
    fill = {**FILL, "trade_id": seq}
    gone = {"outcome": "cancelled", "order_id": 8, "exchange_time": seq * NS}
    return row(seq, fills=[fill], outcomes=[gone, {**gone, "outcome": "funding", "amount": "-0.5"}])


def cycle(seq, kind="cycle", trips=()):
    """A decision."""
    counts = dict.fromkeys(COUNTS, 1)
    body = {**dict.fromkeys(AMOUNTS, "1.5"), **counts, "observation": [0.5] * 8}
    return row(seq, kind, **body, trips=list(trips))


def test_a_page_that_comes_twice_changes_nothing(store):
    """Same rows again, in whole or in part: each stands once, and the cursor goes back never."""
    assert store.cursor("r", "executor-1", "reports") == 0
    pages = [[reported(1), reported(2)], [reported(2), reported(3)], [reported(1)]]
    for page in pages:
        store.take("r", "executor-1", "reports", page)
    assert store.cursor("r", "executor-1", "reports") == 3
    assert count(store, schema.FILLS) == 3
    assert count(store, schema.OUTCOMES) == 6
    with store.reading() as connection:
        held = connection.execute(sa.select(schema.FILLS)).mappings().first()
    assert (held["price"], held["fee"], held["maker"]) == (123_450_000, -1, True)
    assert decimal(held["mark"]) == FILL["mark"]


def test_a_page_with_a_bad_row_is_refused_whole(store):
    """Neither its good rows nor the cursor: the next program may understand it."""
    with pytest.raises(StoreError, match="row 2 of reports of executor-1 is not as it should be"):
        store.take("r", "executor-1", "reports", [reported(1), row(2, fills=[{}], outcomes=[])])
    assert count(store, schema.FILLS) == 0
    assert store.cursor("r", "executor-1", "reports") == 0


def test_every_table_of_a_journal_has_its_place(store):
    """Orders, refusals, cycles, round trips, openings, events; what judged an order has none."""
    owned = ("r", "executor-1")
    trip = {
        "opened": 1, "closed": 2, "quantity": "-3", "open_price": "2", "close_price": "1.5",
        "profit": "1.4",
    }  # fmt: skip
    refused = {**ORDER, "limit": "price_collar", "figure": 2.0, "bound": 1.0}
    store.take(*owned, "intents", [sent(1), row(2, orders=[], cancels=[1])])
    store.take(*owned, "refusals", [row(1, refused=[refused, refused])])
    store.take(*owned, "cycles", [cycle(1, trips=[trip]), cycle(2, "trips", [trip, trip])])
    opened = row(1, "opened", symbol="A-B", tick="0.1")
    store.take(*owned, "judged", [opened, row(2), row(3, "state", risk="halted")])
    store.take(*owned, "parameters", [row(1, "applied", pair=[1, 2])])
    store.take("r", "coordinator", "log", [row(1, "decision", pair=[1, 2])])
    wanted = {"orders": 1, "refusals": 2, "cycles": 1, "trips": 3, "events": 4, "outcomes": 0}
    tables = {table.name: table for table in schema.STORED}
    assert {name: count(store, tables[name]) for name in wanted} == wanted
    assert store.runs()[0]["opening"] == {"symbol": "A-B", "tick": "0.1"}
    assert store.cursor(*owned, "judged") == 3


def test_age_removes_what_is_older(store):
    """Rows, and round trips by their close; cursors, openings and sets in force stay."""
    own = ("r", "executor-1")
    store.take(*own, "reports", [reported(1), reported(9)])
    store.take(*own, "parameters", [row(1, "applied"), row(2, "refused"), row(9, "refused")])
    store.take("another", "executor-1", "reports", [reported(1)])
    assert sum(store.prune(5 * NS, "r").values()) == 4
    assert (count(store, schema.FILLS), count(store, schema.EVENTS)) == (2, 2)
    assert store.cursor(*own, "reports") == 9
    store.take(*own, "reports", [reported(1), reported(9), reported(10)])
    assert store.prune(5 * NS) == {**dict.fromkeys(NAMES, 0), "fills": 1, "outcomes": 2}


def test_sums_are_those_of_the_rows_however_the_pages_came(store):
    """Twice, overlapping, an order filled in two pages: as if all were added up anew."""
    own = ("r", "executor-1")
    trip = {
        "opened": NS, "closed": 3 * NS, "quantity": "-3", "open_price": "2", "close_price": "1.5",
        "profit": "1.4",
    }  # fmt: skip
    again = row(4, fills=[{**FILL, "trade_id": 4}, {**FILL, "trade_id": 5}], outcomes=[])
    for page in ([reported(1), reported(2)], [reported(2), reported(3)], [again], [again]):
        store.take(*own, "reports", page)
    store.take(*own, "intents", [sent(1), sent(2)])
    store.take(
        *own, "refusals", [row(1, refused=[{**ORDER, "limit": "x", "figure": 2, "bound": 1}])]
    )
    first = cycle(1)
    for page in ([first], [first, cycle(2, trips=[trip, {**trip, "profit": "-1"}])], [cycle(3)]):
        store.take(*own, "cycles", page)
    asking = Asking(store, "r")
    with store.reading() as connection:
        anew = together(recounted(connection, *own).values())
    assert asking.sums("executor-1") == anew
    assert asking.totals("executor-1") == {
        "fills": 5, "maker_fills": 5, "quantity": 5 * 250_000_000, "fees_paid": -5,
        "orders_filled": 1, "round_trips": 2, "trip_profit": 40_000_000, "wins": 1,
        "held_ms": 4_000, "orders_sent": 2, "orders_refused": 1,
        "outcomes": {"cancelled": 3, "funding": 3},
    }  # fmt: skip
    assert asking.first_net("executor-1") == units("1.5")
    store.prune(5 * NS)
    assert asking.sums("executor-1") == anew, "what age removed was there all the same"


def test_a_store_without_sums_adds_them_up_once(store):
    """The step from the version before: the same sums, and the index by order."""
    own = ("r", "executor-1")
    store.take(*own, "reports", [reported(1), reported(2)])
    store.take(*own, "cycles", [cycle(1)])
    wanted = Asking(store, "r").sums("executor-1")
    before_sums(store)
    store.prepare()
    assert Asking(store, "r").sums("executor-1") == wanted
    with store.engine.begin() as connection:
        names = {each["name"] for each in sa.inspect(connection).get_indexes("fills")}
        assert schema.FILLS_BY_ORDER.name in names
    store.prepare()


def test_a_store_of_a_newer_program_is_left_alone(store):
    """One line: which version, and what to do."""
    with store.engine.begin() as connection:
        connection.execute(sa.update(schema.VERSIONS).values(version=schema.VERSION + 1))
    told = f"schema version {schema.VERSION + 1}, this program knows {schema.VERSION}"
    with pytest.raises(StoreError, match=told):
        store.prepare()
    with store.engine.begin() as connection:
        connection.execute(sa.update(schema.VERSIONS).values(version=schema.VERSION))


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("desk.db", "must be a URL such as sqlite"),
        ("mysql://u@h/n", "must be sqlite or postgresql, found mysql"),
        ("sqlite:////no/such/folder/desk.db", "sqlite:////no/such/folder/desk.db"),
        ("postgresql://u:secret@/n?host=/nowhere", r"postgresql://u:\*\*\*@/n"),
    ],
)
def test_what_is_no_database_is_refused_in_one_line(url, line):
    """What was found, what is allowed; never the password."""
    with pytest.raises(StoreError, match=line) as caught:
        Store.open(url)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_amounts_are_exact_or_refused():
    """1e-8 is the finest; what does not fit is never rounded."""
    for text in ("0", "1.5", "-0.00000001", "92233720368.54775807"):
        assert decimal(units(text)) == text
    for text in ("0.000000001", "92233720368.54775808"):
        with pytest.raises(StoreError, match="whole 1e-8"):
            units(text)


def count(store, table):
    """How many rows a table has."""
    with store.reading() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar()
