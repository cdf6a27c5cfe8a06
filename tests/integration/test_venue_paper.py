"""An executor on paper is killed: position, journal and recording go on where they were."""

import contextlib
from functools import partial

import numpy as np
import pytest

from agents.executor import records
from agents.executor.agreement import agreement
from agents.executor.recovery import open_journal
from agents.facts import read_facts
from agents.session import open_session
from bench.venue_checks import Book
from bench.venue_house import VenueHouse
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save, scale_of
from market.layout import SCALE_LOT
from market.replay_step import FILLED_COLUMNS, FILLED_LOTS, FILLED_SIDE, FILLED_TRADE_ID
from protocol.errors import JournalError

pytestmark = pytest.mark.slow
PAPER = {"kind": "paper", "ignore_foreign": False}
FREE = {"maker_fee_bps": 0.0, "taker_fee_bps": 0.0}


def filled(house):
    """Return what the journal holds of fills, i8[n, FILLED_COLUMNS]."""
    parts = [np.zeros((0, FILLED_COLUMNS), dtype=np.int64)]
    with (
        contextlib.suppress(JournalError),  # it begins to be written
        open_journal(house.folder, readonly=True) as journal,
    ):
        found = [records.report_rows(row.body)[1] for row in journal.rows(records.REPORTS)]
        parts += [each for each in found if len(each)]
    return np.concatenate(parts)


def more_than(house, count):
    """Return whether there are more fills than that."""
    return len(filled(house)) > count


def test_paper_that_is_killed_goes_on_with_its_position_and_its_recording(tmp_path):
    """Each fill is booked once, and a replay of all that it recorded foretells no fill more."""
    feed = tmp_path / "planted.npz"
    save(feed, synthetic_recording(seed=3, hours=3, setting="planted_edge"))
    with VenueHouse(feed, tmp_path, speed=30.0, venue=PAPER, feed=FREE) as house:
        house.start()
        house.until(partial(more_than, house, 10))
        for _ in range(2):
            house.kill()
            before, newest = filled(house), max(Book(house).intents)
            house.start()
            house.until(partial(more_than, house, len(before) + 10))
            assert np.array_equal(filled(house)[: len(before)], before)
            assert max(Book(house).intents) > newest
        assert house.end() == 0
        rows, facts = filled(house), read_facts(house.folder)
        assert len(np.unique(rows[:, FILLED_TRADE_ID])) == len(rows)
        moved = int((rows[:, FILLED_LOTS] * rows[:, FILLED_SIDE]).sum())
        lot_units = int(scale_of(facts.meta)[SCALE_LOT])
        assert Book(house).base_units == facts.target_units + moved * lot_units
        found = agreement(house.folder, open_session(house.settings))
        assert len(found.actual.rows) == len(rows)
        assert found.measured.only_predicted == 0
        assert found.measured.overlap > 0.8, "a kill loses the last second of a recording"
