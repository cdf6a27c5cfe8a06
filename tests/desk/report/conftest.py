"""A run that an executor lived, as its journal hands it to the report."""

import asyncio

import pytest

from agents.cli.report import journals
from agents.executor.recovery import open_journal, recover
from agents.executor.shell import Shell
from desk.report.asked import Told
from desk.store import Store
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from tests.agents.executor.market import session_for

HOURS = 4.0
"""Enough returns of ten minutes for a ratio."""


def lived_in(folder, session):
    """Let an executor live a session in a folder."""

    async def trade():
        with open_journal(folder) as journal:
            await Shell(recover(journal, session, lockstep=False), journal, folder).run()

    asyncio.run(trade())
    return folder


def stored(folder):
    """A store in memory that holds a run's journals."""
    store = Store.open("sqlite://")
    for line in journals(folder):
        told = Told.model_validate(line)
        store.take("a run", told.owner, told.source, told.rows)
    return store


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A run folder after some hours of an artificial day at a fee."""
    feed = tmp_path_factory.mktemp("feed") / "day.npz"
    save(feed, synthetic_recording(seed=3, hours=HOURS, setting="planted_edge"))
    session = session_for(feed, feed={"maker_fee_bps": 0.1})
    return lived_in(tmp_path_factory.mktemp("run"), session)


@pytest.fixture(scope="session")
def store(folder):
    """What its journals say."""
    with stored(folder) as found:
        yield found
