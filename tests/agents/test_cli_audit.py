"""The audit command: what was decided, on what figures, and whether anybody altered it."""

import asyncio
import csv
import io
import json
import sqlite3
from collections import deque
from decimal import Decimal

import pytest
from typer.testing import CliRunner

from agents.cli.main import app
from agents.executor.events import Write
from agents.executor.judged import stood
from agents.executor.recovery import new_venue, open_journal, recover
from agents.executor.result import journaled
from agents.executor.shell import Shell
from agents.executor.state import new_state
from agents.executor.step import step
from market.layout import LEDGER_TRIPS
from protocol.chain_file import FOLDER, path_of
from tests.agents.executor.market import recording, session_for

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    return session_for(
        recording(tmp_path_factory.mktemp("feed")),
        feed={"hours": 0.4},
        risk={"stop_loss_threshold": 0.0001, "max_position_size": 0.003},
    )


@pytest.fixture(scope="module")
def lived(session, tmp_path_factory):
    """A run folder of an executor that ended."""
    folder = tmp_path_factory.mktemp("run")

    async def trade():
        with open_journal(folder) as journal:
            await Shell(recover(journal, session, lockstep=False), journal, folder).run()

    asyncio.run(trade())
    return folder


def said(*arguments):
    result = RUNNER.invoke(app, ["audit", *map(str, arguments)])
    line = "" if result.exception is None else str(result.exception)
    code = getattr(result.exception, "exit_code", result.exit_code)
    return result.stdout, line, code


def exported(lived, *arguments):
    text, _, code = said("export", *arguments, "--run", lived)
    assert code == 0
    return list(csv.DictReader(io.StringIO(text)))


def test_every_order_fill_and_state_change_is_exported_with_its_figures(session, lived):
    """The counts are those of the run, and each order says what it was judged on."""
    rows = exported(lived)
    whole = journaled(lived, session)
    of = {what: [row for row in rows if row["what"] == what] for what in {r["what"] for r in rows}}
    assert len(of["filled"]) == len(whole.record.filled) > 0
    assert len(of["approved"]) + len(of["cancel"]) + len(of.get("refused", ())) == len(
        whole.record.placed
    )
    assert len(of["risk_state"]) > 0
    assert {row["risk_state"] for row in of["risk_state"]} >= {"active", "reducing"}
    assert len(of["opened"]) == 1
    for row in of["approved"]:
        assert float(row["bid"]) < float(row["ask"])
        assert all(row[name] for name in ("position", "equity", "risk_state", "hash"))
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)


def test_a_minute_can_be_cut_out(lived):
    """From and to are UTC; the end is not included."""
    rows = exported(lived)
    minute = next(row["time"] for row in rows if row["what"] == "approved")[:16]
    cut = exported(lived, "--from", minute, "--to", minute[:-2] + "59")
    assert cut == [row for row in rows if minute <= row["time"] < minute[:-2] + "59"]
    assert cut


def test_the_lots_add_up_to_the_profit_of_the_trips(session, lived):
    """Proceeds less cost less fees is the profit, lot by lot; open ones come last."""
    rows = exported(lived, "lots")
    closed = [row for row in rows if row["acquired"] and row["disposed"]]
    whole = journaled(lived, session)
    assert len(closed) == whole.record.account.ledger[LEDGER_TRIPS] > 0
    for row in closed:
        gain = float(row["proceeds"]) - float(row["cost"]) - float(row["fees"])
        assert gain == pytest.approx(float(row["profit"]), abs=1e-7)
        assert (row["acquired"] <= row["disposed"]) or row["side"] == "short"
    document = json.loads(said("export", "lots", "--format", "json", "--run", lived)[0])
    assert len(document) == len(rows)


def test_whoever_has_the_exported_fills_finds_the_same_lots(lived):
    """First in, first out, in a dozen lines of an accountant's own."""
    held, found = deque(), []
    for fill in (row for row in exported(lived) if row["what"] == "filled"):
        price, sign = Decimal(fill["price"]), 1 if fill["side"] == "buy" else -1
        left = sign * Decimal(fill["quantity"])
        while left and held and (held[0][0] > 0) != (left > 0):
            lot = held[0]
            part = min(abs(lot[0]), abs(left))
            bought, sold = (price, lot[1]) if sign > 0 else (lot[1], price)
            found.append((part, bought, sold))
            lot[0] += sign * part
            left -= sign * part
            if not lot[0]:
                held.popleft()
        if left:
            held.append([left, price])
    lots = exported(lived, "lots")
    names = ("quantity", "price_acquired", "price_disposed")
    closed = [row for row in lots if row["acquired"] and row["disposed"]]
    assert [tuple(Decimal(row[name]) for name in names) for row in closed] == found
    assert [Decimal(row["quantity"]) for row in lots[len(closed) :]] == [abs(n) for n, _ in held]


def test_a_sound_run_verifies_and_an_altered_one_does_not(lived, tmp_path):
    """Exit code 0 and a head to note; 4 and the place otherwise, and again 0 when put right."""
    text, _, code = said("verify", "--run", lived)
    assert code == 0
    assert "nothing was altered" in text
    document = json.loads(said("verify", "--json", "--run", lived)[0])["chains"]["audit"]
    assert said("verify", "--run", lived, "--head", document["head"])[2] == 0
    assert said("verify", "--run", lived, "--head", "1:" + "0" * 64)[2] == 4
    path = path_of(lived / FOLDER, 1)
    whole = path.read_bytes()
    at = whole.index(b"\n40 ") + 30
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    try:
        text, _, code = said("verify", "--run", lived)
        assert code == 4
        assert "chain-000001.log byte" in text
        assert "record 40" in text
        _, line, code = said("export", "--run", lived, "--out", tmp_path / "out.csv")
        assert code == 4
        assert "altered" in line
    finally:
        path.write_bytes(whole)
    assert said("verify", "--run", lived)[2] == 0


def test_a_changed_row_of_the_journal_is_named(lived):
    """Somebody who recomputes a row's own checksum is found by the chain."""
    connection = sqlite3.connect(lived / "executor.db")
    trigger = connection.execute(
        "SELECT sql FROM sqlite_master WHERE name = 'cycles_no_update'"
    ).fetchone()[0]
    for change in (1, -1):
        connection.execute("DROP TRIGGER cycles_no_update")
        connection.execute("UPDATE cycles SET time_ns = time_ns + ? WHERE seq = 2", (change,))
        connection.execute(trigger)
        connection.commit()
        text, _, code = said("verify", "--run", lived)
        assert code == (4 if change == 1 else 0)
        assert ("cycles row 2" in text) == (change == 1)
    connection.close()


def test_what_cannot_be_is_refused_in_one_line(tmp_path, lived):
    """No run, no such export, no such time, no such head."""
    assert said("verify", "--run", tmp_path)[2] == 3
    assert said("verify", "--data", tmp_path)[2] == 3
    assert said("export", "taxes", "--run", lived)[2] == 2
    assert said("export", "--from", "yesterday", "--run", lived)[2] == 2
    assert said("verify", "--head", "12", "--run", lived)[2] == 2


def test_a_state_change_is_on_disk_with_the_step_that_made_it(tmp_path):
    """It asks for a transaction of its own, orders or not."""
    day = recording(tmp_path)
    session = session_for(day, feed={"hours": 0.4}, risk={"volatility_cutoff": 1.01})
    state = new_state(session)
    changed = 0

    async def live():
        nonlocal changed
        async for market in new_venue(session).events():
            before = stood(state)
            _, effects = step(state, market, market.now_ns)
            if stood(state) != before:
                changed += 1
                kinds = [e.kind for w in effects if isinstance(w, Write) for e in w.entries]
                assert "state" in kinds
            if changed > 2:
                return

    asyncio.run(live())
    assert changed > 0
