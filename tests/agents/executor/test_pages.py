"""What the desk reads of an executor's journal is what stands in it."""

from decimal import Decimal

import pytest

from agents.executor.pages import journal_page
from agents.executor.records import (
    CYCLES,
    HEARD,
    INTENTS,
    JUDGED,
    PARAMETERS,
    REFUSALS,
    REPORTS,
    TABLES,
)
from agents.executor.recovery import open_journal, recover
from agents.executor.result import journaled
from agents.executor.shell import Shell
from market.replay_step import (
    FILLED_FEE,
    FILLED_LOTS,
    FILLED_PRICE_TICKS,
    FILLED_TRADE_ID,
)
from protocol.codec import encode
from protocol.errors import JournalError
from protocol.messages import JournalPage
from tests.agents.executor.market import recording, session_for


async def test_every_row_of_every_table_is_read_once_and_fits_into_a_word(tmp_path):
    """Page by page to the end: no number twice, none left out, each page within a frame."""
    folder = tmp_path
    session = session_for(recording(folder), feed={"hours": 0.5})
    with open_journal(folder) as journal:
        shell = Shell(recover(journal, session, lockstep=False), journal, folder)
        await shell.catch_up()
        assert await shell.run()
        read = {table: all_rows(journal, table) for table in TABLES}
        for table in TABLES:
            assert [row.seq for row in read[table]] == [row.seq for row in journal.rows(table)]
        with pytest.raises(JournalError, match="no_such"):
            journal_page(journal, "no_such", 0)
    assert read[INTENTS]
    assert read[CYCLES]
    assert read[JUDGED][0].kind == "opened"
    assert [read[table] for table in (REFUSALS, PARAMETERS, HEARD)] == [[], [], []]
    same_as_lived(session, folder, read)


def all_rows(journal, table):
    """Every row, as a desk asks for them."""
    found = []
    while rows := journal_page(journal, table, found[-1].seq if found else 0):
        assert encode(JournalPage(rows=rows))
        found += rows
    return found


def same_as_lived(session, folder, read):
    """Fills and the last cycle equal what the engine reads of the same journal."""
    told = journaled(folder, session)
    tick, lot = Decimal(session.meta.tick), Decimal(session.meta.lot)
    fills = [fill for row in read[REPORTS] for fill in row.body["fills"]]
    assert [(each["trade_id"], each["price"], each["quantity"], each["fee"]) for each in fills] == [
        (
            row[FILLED_TRADE_ID],
            plain(tick * row[FILLED_PRICE_TICKS]),
            plain(lot * row[FILLED_LOTS]),
            plain(Decimal(row[FILLED_FEE]) / 10**8),
        )
        for row in told.record.filled.tolist()
    ]
    assert fills
    sent = {order["order_id"] for row in read[INTENTS] for order in row.body["orders"]}
    assert {each["order_id"] for each in fills} <= sent
    last = {name: Decimal(read[CYCLES][-1].body[name]) for name in PARTS}
    assert last["equity"] - last["opening"] == sum(last[name] for name in PARTS[2:])
    assert len(read[CYCLES][-1].body["observation"]) == 8


PARTS = ("equity", "opening", "spread", "fees", "inventory", "funding")


def plain(value):
    """A decimal without exponent and trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
