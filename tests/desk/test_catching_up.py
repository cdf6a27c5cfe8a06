"""The desk beside a real coordinator and executor: everything is stored, nobody notices."""

import asyncio
import os
from decimal import Decimal

import pytest
import sqlalchemy as sa

from agents.bus import participant_of
from agents.executor.recovery import open_journal
from desk import schema
from desk.catching_up import CatchingUp
from desk.errors import StoreError
from desk.rows import units
from desk.store import Store
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from tests.desk.waiting import until
from tests.integration.house import PATIENCE_S, House, settings_in

EXECUTOR = "executor-1"


@pytest.fixture
def house(tmp_path):
    """A stack that trades an artificial day, thirty times as fast as it was."""
    feed = tmp_path / "day.npz"
    save(feed, synthetic_recording(seed=3, hours=3.0, setting="planted_edge"))
    with House(settings_in(tmp_path, feed)) as found:
        found.coordinator()
        found.executor()
        yield found


async def filled(store, more=1):
    """Wait until so many more fills are stored than now."""
    wanted = stored(store) + more
    await until(lambda: stored(store) >= wanted, f"{wanted} fills are stored")


def stored(store):
    """How many fills are stored."""
    with store.reading() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(schema.FILLS)).scalar()


class Desk:
    """A desk on the bus, with its store."""

    def __init__(self, house, store):
        self.me = participant_of(house.settings, "desk", os.environ)
        self.work = CatchingUp(store, self.me, "run")

    async def __aenter__(self):
        await self.me.__aenter__()
        await self.me.join(timeout_s=PATIENCE_S)
        self.task = asyncio.create_task(self.work.keep_up())
        return self.work

    async def __aexit__(self, *_):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.me.__aexit__(None, None, None)


@pytest.mark.parametrize(
    "store", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)], indirect=True
)
async def test_a_desk_that_came_late_left_and_came_back_has_everything(house, store):
    """Two lives of a desk, a new executor process between: the store is the journal, exactly."""
    async with Desk(house, store):
        await filled(store, 3)
    house.kill(EXECUTOR)
    house.executor()
    async with Desk(house, store):
        await filled(store, 3)
    async with Desk(house, store) as work:
        await filled(store)
        wanted = work.rounds + 2
        await until(lambda: work.rounds >= wanted, "two rounds more")
    same_as_journal(house, store)


def same_as_journal(house, store):
    """Every fill that is stored is the journal's; up to the last one none is missing."""
    from agents.executor.pages import journal_page

    with open_journal(house.folder, readonly=True) as journal:
        fills, after = {}, 0
        while rows := journal_page(journal, "reports", after):
            after = rows[-1].seq
            fills |= {each["trade_id"]: each for row in rows for each in row.body["fills"]}
    with store.reading() as connection:
        held = connection.execute(sa.select(schema.FILLS)).mappings().all()
    numbers = sorted(each["trade_id"] for each in held)
    assert numbers == list(range(1, len(numbers) + 1))
    for each in held:
        assert each["price"] == units(fills[each["trade_id"]]["price"])
        assert each["fee"] == units(fills[each["trade_id"]]["fee"])
    with store.reading() as connection:
        last = (
            connection.execute(
                sa.select(schema.CYCLES).order_by(schema.CYCLES.c.time_ns.desc()).limit(1)
            )
            .mappings()
            .one()
        )
    parts = sum(last[name] for name in ("spread", "fees", "inventory", "funding"))
    assert Decimal(last["equity"] - last["opening"]) == parts


async def test_a_store_that_was_down_misses_nothing(house, tmp_path, monkeypatch):
    """While it refuses, the desk says why and waits; then the journals tell the rest."""
    with Store.open(f"sqlite:///{tmp_path / 'desk.db'}") as store:
        async with Desk(house, store) as work:
            await filled(store)
            take = store.take

            def down(*_):
                raise StoreError("the store is out of reach: test")

            monkeypatch.setattr(store, "take", down)
            await until(lambda: work.failing, "it says why it waits")
            monkeypatch.setattr(store, "take", take)
            await filled(store)
    same_as_journal(house, store)
