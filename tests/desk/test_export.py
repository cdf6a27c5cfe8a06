"""Tables of the store as files: exact, whole or not at all, refused in one line."""

import csv
import json
from decimal import Decimal

import pytest

from desk.errors import StoreError
from desk.export import as_csv, table_of, write_parquet
from desk.keeping import Wish, keep
from desk.rows import units
from desk.schema import STORED
from desk.store import Store
from protocol.messages import JournalRow
from tests.agents.command_line import told as line_of

NS = 10**9
FILL = {
    "order_id": 7, "trade_id": 3, "side": "buy", "price": "1.2345", "quantity": "2.5",
    "maker": True, "fee": "-0.00000001", "mark": "1.23475", "exchange_time": 5 * NS,
}  # fmt: skip
GONE = {"outcome": "cancelled", "order_id": 8, "exchange_time": NS}
LARGEST = "92233720368.54775807"


def filled(store, run="r"):
    """A store with two fills, two outcomes and a decision."""
    fills = [FILL, {**FILL, "trade_id": 4, "price": LARGEST, "fee": f"-{LARGEST}"}]
    body = {"fills": fills, "outcomes": [GONE, {**GONE, "outcome": "funding", "amount": "-0.5"}]}
    store.take(run, "executor-1", "judged", [row(1, "opened", symbol="A-B")])
    store.take(run, "executor-1", "reports", [row(1, **body)])
    store.take(run, "coordinator", "log", [row(1, "decision", why='b,"a"', pair=[1, 2])])
    return store


def row(seq, kind="step", **body):
    """A row of a journal."""
    return JournalRow(seq=seq, time_ns=seq * NS, kind=kind, body=body)


def maps(store, name, run=None):
    """A table by way of CSV, as maps."""
    return list(csv.DictReader("".join(as_csv(store, table_of(name), run)).splitlines()))


def test_csv_is_exact_with_a_heading(store):
    """Amounts as decimals, documents as JSON, nothing for what is not known; or one run alone."""
    filled(store)
    first, second = maps(store, "fills")
    assert (first["price"], first["fee"], first["maker"]) == ("1.2345", "-0.00000001", "true")
    assert (second["price"], second["fee"]) == (LARGEST, f"-{LARGEST}")
    assert first["time_ns"] == str(NS)
    assert [each["amount"] for each in maps(store, "outcomes")] == ["", "-0.5"]
    told = next(each for each in maps(store, "events") if each["kind"] == "decision")
    assert json.loads(told["body"]) == {"why": 'b,"a"', "pair": [1, 2]}
    assert maps(store, "fills", "another") == []


def test_parquet_is_exact_too(store, tmp_path):
    """Every table reads back as CSV has it: decimals of 1e-8, the least and the largest."""
    parquet = pytest.importorskip("pyarrow.parquet")
    filled(store)
    for table in STORED:
        path = tmp_path / f"{table.name}.parquet"
        write_parquet(store, table, path)
        lines = parquet.read_table(path).to_pylist()
        wanted = maps(store, table.name)
        assert len(lines) == len(wanted)
        for line, want in zip(lines, wanted, strict=True):
            assert list(line) == list(want)
            assert {name: plain(value) for name, value in line.items()} == want
    fills = parquet.read_table(tmp_path / "fills.parquet")
    assert str(fills.schema.field("price").type) == "decimal128(19, 8)"
    assert units(str(fills["price"][1].as_py())) == 2**63 - 1


def plain(value):
    """A value of Parquet as CSV writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return "" if value is None else str(value)


def wish(**said):
    """A wish as the command line sends it."""
    return Wish.model_validate_json(json.dumps({"wish": said})).wish


def test_a_file_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    """What stood there before stays when the database fails in the middle."""
    url, out = f"sqlite:///{tmp_path / 'desk.db'}", tmp_path / "fills.csv"
    with Store.open(url) as store:
        filled(store)
    asked = {"what": "export", "database": url, "table": "fills", "form": "csv", "out": str(out)}
    assert keep(wish(**asked)) == 0
    whole = out.read_text(encoding="utf-8")
    assert len(whole.splitlines()) == 3

    def breaking(*_):
        yield "half"
        raise StoreError("the store is out of reach: test")

    monkeypatch.setattr("desk.keeping.as_csv", breaking)
    with pytest.raises(StoreError):
        keep(wish(**asked))
    assert out.read_text(encoding="utf-8") == whole
    assert [each.name for each in tmp_path.glob("*.part")] == []


def test_the_command_exports_and_removes(tmp_path, capfd):
    """The whole way: command line, process, file; then all of it is older than an hour."""
    out = tmp_path / "fills.csv"
    with Store.open(f"sqlite:///{tmp_path / 'desk.db'}") as store:
        filled(store)
        filled(store, "another")
    line = ("desk", "export", "--table", "fills", "--run", "r", "--out", out)
    assert line_of(tmp_path, *line)[0] == 0
    assert len(out.read_text(encoding="utf-8").splitlines()) == 3
    assert "wrote " in capfd.readouterr().err
    assert line_of(tmp_path, "desk", "export", "--table", "events")[0] == 0
    assert len(capfd.readouterr().out.splitlines()) == 5
    assert line_of(tmp_path, "desk", "prune", "--older-than", "1h")[0] == 0
    assert "removed 4 fills, 4 outcomes, 4 events" in capfd.readouterr().err
    assert line_of(tmp_path, "desk", "prune", "--older-than", "1h", "--run", "never")[0] == 4
    assert "run must be one of" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("export --table trades", 2, "--table must be one of fills, orders, outcomes"),
        ("export --format xml", 2, "--format must be csv or parquet, found xml"),
        ("export --format parquet", 2, "--format parquet needs --out FILE"),
        ("prune --older-than 90", 2, "--older-than must be days or hours such as 90d or 36h"),
        ("prune --older-than 0d", 2, "found 0d"),
        ("export", 3, "no desk's store at"),
    ],
)
def test_what_cannot_be_done_is_one_line(tmp_path, line, code, said):
    """What was found, what is allowed, what to type."""
    found = line_of(tmp_path, "desk", *line.split())
    assert (found[0], said in found[1]) == (code, True), found


def test_a_store_that_is_not_there_is_not_made(tmp_path):
    """A mistyped path is refused; no empty database is left."""
    with pytest.raises(StoreError, match="is not there"):
        Store.open(f"sqlite:///{tmp_path / 'no.db'}", new=False)
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_is_none_is_named_with_those_that_are():
    """What was found, and what there is."""
    with pytest.raises(StoreError, match=r"table must be one of fills, orders, .*, found trades"):
        table_of("trades")
