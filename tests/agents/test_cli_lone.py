"""Executors without a bus: `stop` finds them by their lock, and its answer in their journal."""

import os
import time

from agents.cli.lone import live_executors, says_stopped
from agents.executor import records
from agents.executor.judged import STOP
from agents.executor.recovery import open_journal
from agents.executor.standalone import take_lock
from protocol.journal import Entry
from protocol.stopfile import add_stop
from tests.agents.command_line import RUNNER, app

ID = "3" * 32


def test_only_an_executor_that_is_alive_is_found(tmp_path):
    """A lock that nobody holds is that of a dead one."""
    one, two = (tmp_path / "runs" / name for name in ("one", "two"))
    for folder in (one, two):
        folder.mkdir(parents=True)
        os.close(take_lock(folder))
    lock = take_lock(one)
    try:
        assert live_executors(tmp_path) == [one]
    finally:
        os.close(lock)
    assert live_executors(tmp_path) == []


def phase_body(stop_id):
    """What a row says of an executor that has stopped."""
    return {"phase": "stopped", "stops": {stop_id: False}, "position_lots": 0}


def phase(number, name, *, flatten):
    """A row of the journal that tells a phase."""
    body = {"phase": name, "stops": {ID: flatten}, "position_lots": 0}
    return Entry(records.JUDGED, number, STOP, body, key=f"{STOP} {number}")


def test_the_journal_answers_for_the_stop_that_was_asked(tmp_path):
    """Neither an earlier phase nor a stop that asked for less is an answer."""
    soon = {"flatten": True, "deadline_s": time.monotonic()}
    assert not says_stopped(tmp_path, ID, **soon)
    with open_journal(tmp_path) as journal:
        for number, name, flatten in ((1, "stopped", False), (2, "flattening", True)):
            journal.append([phase(number, name, flatten=flatten)])
        assert not says_stopped(tmp_path, ID, **soon)
        journal.append([phase(3, "stopped", flatten=True)])
        assert says_stopped(tmp_path, ID, **soon)
        assert not says_stopped(tmp_path, "4" * 32, **soon)


def test_one_that_stands_still_already_answers_a_second_stop(tmp_path):
    """Its phase does not change: that it heard is enough, unless more was asked for."""
    late = {"deadline_s": time.monotonic()}
    body = {"id": "4" * 32, "flatten": False}
    with open_journal(tmp_path) as journal:
        journal.append([phase(1, "stopped", flatten=False)])
        assert not says_stopped(tmp_path, "4" * 32, flatten=False, **late)
        journal.append([Entry(records.HEARD, 1, "stop", body, key="4" * 32)])
        assert says_stopped(tmp_path, "4" * 32, flatten=False, **late)
        assert not says_stopped(tmp_path, "4" * 32, flatten=True, **late)
        journal.append([phase(2, "armed", flatten=False)])
        assert not says_stopped(tmp_path, "4" * 32, flatten=False, **late)


def test_stop_reaches_an_executor_without_a_bus(tmp_path, monkeypatch):
    """Exit code 0 when its journal says so, 5 when it says nothing."""
    folder = tmp_path / "runs" / "alone"
    folder.mkdir(parents=True)
    lock = take_lock(folder)

    def answer(place, stop_id, *, flatten):
        """Write the file, and be the executor that finds it."""
        add_stop(place, stop_id, flatten=flatten)
        with open_journal(place) as journal:
            journal.append([Entry(records.JUDGED, 1, STOP, phase_body(stop_id), key=f"{STOP} 1")])

    try:
        asked = ("stop", "--data", str(tmp_path), "--timeout", "0.2")
        assert RUNNER.invoke(app, asked).exit_code == 5
        monkeypatch.setattr("agents.cli.control.add_stop", answer)
        result = RUNNER.invoke(app, ("stop", "--data", str(tmp_path), "--timeout", "20"))
        assert result.exit_code == 0
        assert "alone stopped" in result.output
    finally:
        os.close(lock)
    assert RUNNER.invoke(app, asked).exception.exit_code == 3


def test_one_of_several_runs_is_named_by_the_beginning_of_its_name(tmp_path):
    """A stop reaches that one alone; a name of none or of several is one line that lists them."""
    folders = [tmp_path / "runs" / name for name in ("20260101-1", "20260101-2", "other")]
    for each in folders:
        each.mkdir(parents=True)
    (tmp_path / "runs" / "latest").symlink_to("20260101-2")
    locks = [take_lock(each) for each in folders]

    def stopped(run):
        asked = ("stop", "--data", str(tmp_path), "--timeout", "0.1", "--run", run)
        found = RUNNER.invoke(app, asked)
        held = {each.name for each in folders if (each / "stop").exists()}
        for each in folders:
            (each / "stop").unlink(missing_ok=True)
        return found, held

    try:
        for run, name in (
            ("oth", "other"),
            ("20260101-1", "20260101-1"),
            ("latest", "20260101-2"),
            (str(folders[0]), "20260101-1"),
        ):
            found, held = stopped(run)
            assert (found.exit_code, held) == (5, {name}), run
        for run, line in (
            ("2026", "which names 2: 20260101-1, 20260101-2"),
            ("x", "which names none: 20260101-1, 20260101-2, other"),
            ("", "which names none"),
        ):
            found, held = stopped(run)
            assert (found.exception.exit_code, held) == (2, set())
            assert line in str(found.exception)
    finally:
        for lock in locks:
            os.close(lock)
