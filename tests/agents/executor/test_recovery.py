"""A kill at any moment changes nothing: the continuation is the one of the unkilled run."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from agents.executor import records
from agents.executor.recovery import RecoveryError, open_journal, recover
from agents.executor.result import journaled
from agents.executor.shell import Shell
from agents.executor.standalone import take_lock
from agents.executor.state import freeze, new_state, thaw
from agents.executor.step import step
from protocol.journal import Entry, Journal
from tests.agents.executor.market import perpetual, recording, session_for


class Killed(Exception):  # noqa: N818
    """Stands for a kill -9: nothing after it is done."""


class Fragile:
    """A journal that dies before or after its n-th transaction."""

    def __init__(self, journal: Journal, count: int, *, before: bool) -> None:
        self.journal = journal
        self.count = count
        self.before = before

    def append(self, entries, *, state=None):
        """Append, or die."""
        self.count -= 1
        if self.count == 0 and self.before:
            raise Killed
        numbers = self.journal.append(entries, state=state)
        if self.count == 0:
            raise Killed
        return numbers

    def __getattr__(self, name):
        return getattr(self.journal, name)


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    return session_for(perpetual(tmp_path_factory.mktemp("feed")), feed={"hours": 0.2})


def life(session, folder: Path, *, count: int = 0, before: bool = False) -> bool:
    """Live until the end, or until the n-th transaction kills; return whether the end came."""

    async def trade() -> bool:
        with open_journal(folder) as journal:
            held = Fragile(journal, count, before=before) if count else journal
            shell = Shell(recover(journal, session, lockstep=False), held, folder)
            return await shell.run()

    try:
        return asyncio.run(trade())
    except Killed:
        return False


@pytest.fixture(scope="module")
def whole(session, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    assert life(session, folder)
    return journaled(folder, session)


def same(one, two):
    """Compare two journaled runs to the last byte."""
    for name in ("placed", "filled", "equity", "counts", "figures"):
        assert np.array_equal(getattr(one.record, name), getattr(two.record, name)), name
    assert np.array_equal(one.record.account.ledger, two.record.account.ledger)
    assert np.array_equal(one.record.account.trips, two.record.account.trips)
    assert one.last_ns == two.last_ns


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_dying_at_every_few_transactions_leads_to_the_same_end(session, whole, tmp_path, before):
    """Crash points before and after the commit, again and again within one run."""
    deaths = 0
    for count in (1, 2, 5, 3, 13, 8, 1, 1, 21, 34, 4, 2):
        if life(session, tmp_path, count=count, before=before):
            break
        deaths += 1
    assert deaths >= 8
    assert life(session, tmp_path)
    same(journaled(tmp_path, session), whole)


def test_every_single_crash_point_of_the_first_minutes_is_survived(session, whole, tmp_path):
    """A kill after transaction 1, 2, 3, ...: each start lives on identically."""
    for count in range(1, 11):
        folder = tmp_path / str(count)
        folder.mkdir()
        assert not life(session, folder, count=count)
        assert life(session, folder)
        same(journaled(folder, session), whole)


@pytest.mark.parametrize("table", [records.INTENTS, records.REPORTS, records.JUDGED, records.HEARD])
def test_whatever_a_step_wrote_is_lived_again_before_anything_new_is_heard(
    session, tmp_path, table
):
    """A phase of a stop alone too: a stop heard on restart must not come before it."""
    with open_journal(tmp_path) as journal:
        recover(journal, session, lockstep=False)
        later_ns = session.first_ns + 90 * 10**9
        journal.append((Entry(table, later_ns, "stop", {"id": "a", "flatten": False}, key="it"),))
        assert recover(journal, session, lockstep=False).horizon_ns == later_ns


def test_an_ended_run_starts_again_and_has_nothing_left_to_do(session, whole, tmp_path):
    """Starting on a finished journal changes nothing in it."""
    assert life(session, tmp_path)
    assert life(session, tmp_path)
    same(journaled(tmp_path, session), whole)


def test_a_clean_end_in_the_middle_goes_on_where_it_was(session, whole, tmp_path):
    """SIGTERM between two cycles: the state of that very step is kept."""

    async def part() -> None:
        with open_journal(tmp_path) as journal:
            shell = Shell(recover(journal, session, lockstep=False), journal, tmp_path)
            await shell.catch_up()
            for _ in range(401):
                market = shell.venue.step()
                await shell._take(market, market.now_ns)
            shell.end()
            assert not await shell.run()

    asyncio.run(part())
    assert life(session, tmp_path)
    mine = journaled(tmp_path, session)
    assert np.array_equal(mine.record.placed, whole.record.placed)
    assert np.array_equal(mine.record.account.trips, whole.record.account.trips)
    assert np.array_equal(mine.record.figures, whole.record.figures)


def test_a_journal_that_contradicts_the_run_stops_the_start(session, tmp_path):
    """Other intents at a time that was lived already are no continuation."""
    assert not life(session, tmp_path, count=16)
    with open_journal(tmp_path) as journal:
        frozen = journal.get(records.STATE)
        ahead_ns = frozen["now_ns"] + 10**9
        rows = np.ones((1, records.SENT_COLUMNS), dtype=np.int64).tobytes()
        for late_ns in range(ahead_ns, ahead_ns + 29 * 10**9, 10**9):
            if journal.find(records.INTENTS, str(late_ns)) is None:
                entry = Entry(records.INTENTS, late_ns, "step", rows, key=str(late_ns))
                journal.append([entry])
    with pytest.raises(RecoveryError, match="decided otherwise"):
        life(session, tmp_path)


def test_a_journal_of_another_configuration_is_refused_by_name(session, tmp_path):
    """Other settings would decide otherwise, so they are refused before anything happens."""
    assert not life(session, tmp_path, count=3)
    other = session_for(session.settings.feed.path, feed={"hours": 0.2}, executor={"probe": 0.2})
    with pytest.raises(RecoveryError, match="another configuration"):
        life(other, tmp_path)


def test_a_state_thawed_from_its_bytes_is_the_state(session):
    """Freezing and thawing loses nothing that a kernel reads."""
    from agents.executor.recovery import new_venue

    state, venue = new_state(session), new_venue(session)
    for _ in range(500):
        market = venue.step()
        state, effects = step(state, market, market.now_ns)
        for effect in effects:
            if type(effect).__name__ == "Place":
                asyncio.run(venue.place(effect.order))
            elif type(effect).__name__ == "Cancel":
                asyncio.run(venue.cancel(effect.order_id))
    frozen = freeze(state)
    again = thaw(session, frozen)
    assert freeze(again) == frozen
    assert frozen["own"]
    for name in ("own", "ledger", "risk", "kelly", "ladder", "guard_state", "remember"):
        mine, theirs = getattr(state.account, name), getattr(again.account, name)
        assert np.array_equal(mine, theirs), name


def test_two_executors_never_share_a_folder(tmp_path):
    """The second is told so in one line."""
    lock = take_lock(tmp_path)
    with pytest.raises(RecoveryError, match="another executor"):
        take_lock(tmp_path)
    os.close(lock)
    os.close(take_lock(tmp_path))


@pytest.mark.slow
def test_real_processes_killed_at_random_moments_end_in_the_same_result(tmp_path):
    """Kill -9 of `python -m agents.executor`, twelve times, then the unkilled run's bytes."""
    feed = recording(tmp_path)
    results = {}
    rng = np.random.default_rng(11)
    for name, kills in (("whole", 0), ("killed", 12)):
        folder = tmp_path / name
        command = [sys.executable, "-m", "agents.executor", "--feed", str(feed)]
        command += ["--run", str(folder)]
        for _ in range(kills):
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            try:
                process.wait(timeout=0.9 + 0.5 * float(rng.random()))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
            process.wait()
        assert subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0
        results[name] = (folder / "executor.json").read_bytes()
    assert results["whole"] == results["killed"]
