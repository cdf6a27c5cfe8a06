"""A database that takes nothing for a minute in mid-run: all trade on, and nothing is missing."""

import asyncio
import sqlite3
import time
from contextlib import asynccontextmanager, closing

import httpx
import pytest
import sqlalchemy as sa

from bench.container_kept import pages_of
from desk import schema
from desk.catching_up import TABLES
from desk.export import as_csv
from desk.rows import DECISIONS
from desk.store import Store
from protocol.bus.participant import COORDINATOR
from tests.desk.databases import Server, programs
from tests.desk.windows import DESK, EXECUTOR, Window, get

OUTAGE_S = 60.0
HOURS = 8.0
"""Sixteen minutes of wall time: more than any of the waits below takes."""
SOURCES = [(COORDINATOR, DECISIONS), *((EXECUTOR, table) for table in TABLES)]


def lasts(window):
    """The last row of every journal's table."""
    found = {}
    for key in SOURCES:
        for rows in pages_of(window.house.folder, *key):
            found[key] = rows[-1].seq
    return found


@asynccontextmanager
async def stopped(server):
    """A server that is not there meanwhile."""
    await asyncio.to_thread(server.stop)
    try:
        yield
    finally:
        await asyncio.to_thread(server.start)


@asynccontextmanager
async def locked(path):
    """A file that somebody else writes meanwhile: it can be read, and takes nothing."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@pytest.mark.slow
@pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed")
async def test_a_postgresql_that_was_gone_for_a_minute_holds_all_that_the_journals_say(tmp_path):
    """What it holds at last is what an SQLite holds that never failed, row by row."""
    with Server() as server:
        gone = httpx.codes.SERVICE_UNAVAILABLE
        await outlasts(tmp_path, server.url, lambda: stopped(server), gone)


@pytest.mark.slow
async def test_an_sqlite_that_was_locked_for_a_minute_holds_all_that_the_journals_say(tmp_path):
    """The same of a file; what was stored before is shown meanwhile."""
    path = tmp_path / "desk.db"
    await outlasts(tmp_path, f"sqlite:///{path}", lambda: locked(path), httpx.codes.OK)


async def outlasts(folder, url, outage, shown):
    """Trade on through an outage; compare what is stored after it with the journals."""
    with Window(folder, hours=HOURS, database=url) as window:
        async with window.client() as client:
            await window.trading(client)
            async with outage():
                await outlived(window, client, shown)
            wanted = lasts(window)
            await window.until(lambda: caught_up(url, window, wanted), "it has caught up")
            await window.until(lambda: storing(client), "the desk says that it stores again")
        window.house.kill(DESK)
        with Store.open(url) as found, Store.open(f"sqlite:///{folder / 'whole.db'}") as whole:
            same(window, found, whole)


async def storing(client):
    """Whether the desk says that its store takes everything."""
    return (await get(client, "health"))["store_ok"]


async def outlived(window, client, shown):
    """The desk says what is wrong, for a minute; the executor decides and trades meanwhile."""

    async def failing():
        return not await storing(client)

    await window.until(failing, "the desk says that its store is gone")
    before, ends_s = lasts(window), time.monotonic() + OUTAGE_S
    while time.monotonic() < ends_s:
        assert (await client.get("fills")).status_code == shown
        assert not (await get(client, "status"))["stale"], "what is said live is shown all the same"
        await asyncio.sleep(1.0)
    after = lasts(window)
    for source in ("cycles", "intents", "reports"):
        grown = after[EXECUTOR, source] - before[EXECUTOR, source]
        assert grown > OUTAGE_S / 10, f"{source} grew by {grown} rows"


async def caught_up(url, window, wanted):
    """Whether everything is stored that was in the journals when the database came back."""
    with Store.open(url) as store:
        held = {key: store.cursor(run_of(window), *key) for key in SOURCES}
    return all(held[key] >= seq for key, seq in wanted.items())


def run_of(window):
    """Under what name the run is stored."""
    return window.house.folder.name


def same(window, found, whole):
    """Compare with a store that takes the journals up to the same rows, all at once."""
    run = run_of(window)
    for key in SOURCES:
        last = found.cursor(run, *key)
        for rows in pages_of(window.house.folder, *key):
            whole.take(run, *key, [row for row in rows if row.seq <= last])
    for table in schema.STORED:
        told = ["".join(as_csv(store, table)) for store in (found, whole)]
        assert told[0] == told[1], table.name
    cursors = [cursors_of(store) for store in (found, whole)]
    assert cursors[0] == cursors[1]
    assert len("".join(as_csv(found, schema.FILLS)).splitlines()) > 3


def cursors_of(store):
    """Every cursor that stands after a row, with what it adds up to."""
    with store.reading() as connection:
        query = sa.select(schema.CURSORS).where(schema.CURSORS.c.seq > 0)
        rows = connection.execute(query.order_by(*schema.CURSORS.primary_key.columns)).mappings()
        return [dict(row) for row in rows]
