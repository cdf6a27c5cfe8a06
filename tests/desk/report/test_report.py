"""The report as page, text and JSON: whole, honest about what is broken, harmless."""

import json
import re
from xml.etree import ElementTree as ET

import pytest
import sqlalchemy as sa

from agents.cli.report import journals
from desk import schema
from desk.errors import StoreError
from desk.report.__main__ import report
from desk.report.asked import Told
from desk.report.history import executors_of
from desk.report.page import page_of
from desk.report.sheet import sheet_of
from desk.report.text import text_of
from desk.store import Store
from tests.agents.command_line import told

OWNER = "executor"
PAGE_MAX = 2_000_000
EVIL = "<img src=x onerror=alert(1)>\x1b[31m"


@pytest.fixture
def copy(store):
    """A store of one's own, to be spoilt."""
    with Store.open("sqlite://") as found:
        raw, own = store.engine.raw_connection(), found.engine.raw_connection()
        raw.driver_connection.backup(own.driver_connection)
        yield found


def fill(store, folder):
    """Take a run's journals into a store."""
    for line in journals(folder):
        rows = Told.model_validate(line)
        store.take("a run", rows.owner, rows.source, rows.rows)


def spoil(store, statement):
    """Change what a store holds."""
    with store.engine.begin() as connection:
        connection.execute(statement)


def broken(store):
    """The identities that do not hold."""
    return [each.said for each in sheet_of(store, "a run", OWNER).identities if not each.holds]


def first(table, column):
    """The lowest value of a column, as a subquery."""
    return sa.select(sa.func.min(table.c[column])).scalar_subquery()


@pytest.mark.parametrize(
    ("table", "values", "said"),
    [
        (schema.FILLS, {"fee": schema.FILLS.c.fee + 1}, "fees of the fills"),
        (schema.FILLS, {"quantity": schema.FILLS.c.quantity + 10**5}, "change of position"),
        (schema.FILLS, {"price": schema.FILLS.c.price + 10**6}, "turnover in the ledger"),
        (schema.CYCLES, {"spread": schema.CYCLES.c.spread + 1}, "equity - opening"),
    ],
)
def test_one_digit_that_is_wrong_breaks_an_identity(copy, table, values, said):
    """A fee by 1e-8, a quantity by a lot, a price by a tick: the page says which account is off."""
    key = "trade_id" if table is schema.FILLS else "time_ns"
    spoil(copy, sa.update(table).values(values).where(table.c[key] == first(table, key)))
    found = broken(copy)
    assert any(said in each for each in found), found


def test_a_lost_fill_and_a_changed_round_trip_are_noticed(copy):
    """Counts and first in, first out, are checked too."""
    last = sa.select(sa.func.max(schema.TRIPS.c.seq)).scalar_subquery()
    changed = sa.update(schema.TRIPS).values(profit=schema.TRIPS.c.profit + 7)
    spoil(copy, changed.where(schema.TRIPS.c.seq == last, schema.TRIPS.c.place == 0))
    assert [each.split(" =")[0] for each in broken(copy)] == ["profit of the round trips"]
    spoil(copy, sa.delete(schema.FILLS).where(
        schema.FILLS.c.trade_id == first(schema.FILLS, "trade_id")
    ))  # fmt: skip
    assert any("fills in the store" in each for each in broken(copy))


def test_a_page_is_one_file_that_asks_for_nothing(store):
    """No script, no address, well-formed pictures, below two megabytes."""
    page = page_of([sheet_of(store, "a run", OWNER)])
    assert len(page.encode()) < PAGE_MAX
    assert not re.search(r"https?:|//|<script|src=|@import|url\(", page)
    pictures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(pictures) >= 8
    for each in pictures:
        ET.fromstring(each)
        assert "nan" not in each
    assert page.index("<svg") < page.index("<table")
    assert "BROKEN" not in page


def test_text_of_strangers_is_shown_harmlessly(copy):
    """Names of assets, executors, seats: markup is text, escapes of a terminal are spelt out."""
    with copy.engine.begin() as connection:
        opening = connection.execute(sa.select(schema.RUNS.c.opening)).scalar()
        evil = dict.fromkeys(("symbol", "base", "quote"), EVIL)
        connection.execute(sa.update(schema.RUNS).values(opening={**opening, **evil}))
    sheet = sheet_of(copy, "a run", OWNER)
    assert "<img" not in page_of([sheet])
    assert "\x1b" not in text_of([sheet])
    assert json.loads(json.dumps(sheet.as_dict()))["symbol"] == EVIL


@pytest.mark.parametrize("change", [{"tick": "x"}, {"parameters": {}}, {"limits": None}])
def test_an_opening_that_is_none_is_one_line(copy, change):
    """What a journal should have said, and did not."""
    with copy.engine.begin() as connection:
        opening = connection.execute(sa.select(schema.RUNS.c.opening)).scalar()
        connection.execute(sa.update(schema.RUNS).values(opening={**opening, **change}))
    with pytest.raises(StoreError, match="not as it should be"):
        sheet_of(copy, "a run", OWNER)


def test_a_day_is_the_sum_of_its_halves(store):
    """Parts of the profit, fills, round trips, turnover; identities hold in each half."""
    whole = sheet_of(store, "a run", OWNER)
    times = whole.history.cycles["time_ns"]
    middle = int(times[len(times) // 2])
    halves = [
        sheet_of(store, "a run", OWNER, to_ns=middle),
        sheet_of(store, "a run", OWNER, from_ns=middle),
    ]
    assert all(each.holds for each in halves)
    for name in ("spread", "fees", "inventory", "net"):
        parts = [each.history.cycles[name] for each in (whole, *halves)]
        total, first_half, second_half = (int(each[-1] - each[0]) for each in parts)
        assert total == first_half + second_half
    for name in ("fills", "orders_placed", "traded_quote"):
        values = [each.figures[name].value for each in (whole, *halves)]
        assert values[0] == pytest.approx(values[1] + values[2])
    assert not halves[1].history.is_whole
    with pytest.raises(StoreError, match="decided nothing in that span"):
        sheet_of(store, "a run", OWNER, from_ns=int(times[-1]))


def test_what_age_removed_is_not_missed(copy, store):
    """The report begins at the oldest decision that is left, and is the same as of that span."""
    times = sheet_of(store, "a run", OWNER).history.cycles["time_ns"]
    middle = int(times[len(times) // 2])
    copy.prune(middle)
    sheet = sheet_of(copy, "a run", OWNER)
    assert sheet.holds, broken(copy)
    assert not sheet.history.is_whole
    rest = sheet_of(store, "a run", OWNER, from_ns=sheet.history.since_ns)
    assert sheet.as_dict() == rest.as_dict()


def test_both_databases_give_the_same_report(folder, store, postgresql):
    """Whole columns are read in another way from either."""
    with Store.open(postgresql.url) as found:
        fill(found, folder)
        document = sheet_of(found, "a run", OWNER).as_dict()
        with found.engine.begin() as connection:
            schema.METADATA.drop_all(connection)
    assert document == sheet_of(store, "a run", OWNER).as_dict()


def test_a_store_names_its_runs_when_another_is_asked_for(store):
    """What was found, and what there is."""
    assert executors_of(store, None) == [("a run", OWNER)]
    with pytest.raises(StoreError, match="run must be one of a run, found nothing"):
        executors_of(store, "nothing")


def test_the_report_reads_what_the_command_line_writes(folder, tmp_path, capsys):
    """Asked on the first line, journals on the others; a page, and JSON on stdout."""
    page = tmp_path / "report.html"
    lines = [json.dumps({"run": "a run", "html": str(page), "as_json": True})]
    lines += [json.dumps(each) for each in journals(folder)]
    assert report(lines) == 0
    (document,) = json.loads(capsys.readouterr().out)
    assert page.read_text().count("<svg") >= 8
    assert document["figures"]["success_rate"]["value"] > 0.9
    assert all(each["holds"] for each in document["identities"])


def test_the_command_line_refuses_what_it_cannot_report(tmp_path):
    """A time that is none is usage; a folder without a journal is not running."""
    code, line = told(tmp_path, "report", "--from", "yesterday")
    assert (code, "--from must be a time such as" in line) == (2, True)
    code, line = told(tmp_path, "report")
    assert (code, f"no run under {tmp_path}" in line) == (3, True)
    code, line = told(tmp_path, "report", "never")
    assert (code, "never holds no executor's journal" in line) == (3, True)


def test_a_command_reports_the_newest_run(folder, tmp_path, capfd):
    """The whole way: command line, process, page."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "20260101-000000").symlink_to(folder)
    code, _ = told(tmp_path, "report")
    text = capfd.readouterr().out
    assert code == 0
    for word in ("success rate", "SQN100", "quote-to-trade", "two-sided uptime", "Lo's"):
        assert word in text
    assert "BROKEN" not in text
