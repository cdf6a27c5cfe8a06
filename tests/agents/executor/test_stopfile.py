"""Whom a stop in the file stops, and which one a restart outlives."""

import os
from types import SimpleNamespace

from agents.executor.events import RearmHeard, StopHeard
from agents.executor.recovery import open_journal, recover
from agents.executor.shell import Shell
from agents.executor.stopfile import StopFile
from protocol.stopfile import STOP_NAME, add_stop, lift_stops, stops_in
from tests.agents.executor.market import recording, session_for

ONE, TWO = "1" * 32, "2" * 32
DEAD, MINE = b"d" * 16, b"m" * 16


def knowing(*lifted, stops=()):
    """What the file is compared with."""
    return SimpleNamespace(stops=dict.fromkeys(stops, False), lifted=dict.fromkeys(lifted))


def test_a_process_that_fell_silent_and_goes_on_is_stopped(tmp_path):
    """A guardian's stop is aimed at it: a stop like any other."""
    add_stop(tmp_path, ONE, flatten=False, silent=MINE.hex())
    assert StopFile(tmp_path, MINE).look(knowing()) == [StopHeard(ONE, flatten=False)]


def test_a_later_process_lifts_what_was_aimed_at_the_dead_one_and_nothing_else(tmp_path):
    """The journal first, then the file; the operator's stop beside it holds."""
    add_stop(tmp_path, ONE, flatten=False, silent=DEAD.hex())
    add_stop(tmp_path, TWO, flatten=True)
    file = StopFile(tmp_path, MINE)
    assert file.look(knowing()) == [
        RearmHeard("", f"outlived {ONE}", (ONE,)),
        StopHeard(TWO, flatten=True),
    ]
    file.tidy(knowing())
    assert set(stops_in(tmp_path)) == {ONE, TWO}
    file.tidy(knowing(ONE, stops=[TWO]))
    assert stops_in(tmp_path) == {TWO: True}


def test_a_stop_that_the_silent_process_came_back_to_is_not_outlived(tmp_path):
    """It stood still and was told: that one waits for the operator, over a restart too."""
    add_stop(tmp_path, ONE, flatten=False, silent=DEAD.hex())
    file = StopFile(tmp_path, MINE)
    state = knowing(stops=[ONE])
    assert file.look(state) == []
    file.tidy(state)
    assert set(stops_in(tmp_path)) == {ONE}


def test_a_lift_that_died_between_journal_and_file_is_finished(tmp_path):
    """The next process finds a lifted id in the file, and takes it out."""
    add_stop(tmp_path, ONE, flatten=False, silent=DEAD.hex())
    file = StopFile(tmp_path, MINE)
    state = knowing(ONE)
    assert file.look(state) == []
    file.tidy(state)
    assert stops_in(tmp_path) == {}


async def test_an_executor_that_outlived_a_stop_trades_and_remembers(tmp_path):
    """Nothing stops it, the file is gone before its first order, and its journal has the lift."""
    session = session_for(recording(tmp_path), feed={"hours": 0.2})
    add_stop(tmp_path, ONE, flatten=False, silent=DEAD.hex())
    with open_journal(tmp_path) as journal:
        shell = Shell(recover(journal, session, lockstep=False), journal, tmp_path)
        await shell._drain()
        assert stops_in(tmp_path) == {}
        assert await shell.run()
        assert shell.state.stops == {}
        assert set(shell.state.lifted) == {ONE}
        assert journal.last("intents") is not None
    with open_journal(tmp_path) as journal:
        assert set(recover(journal, session, lockstep=False).state.lifted) == {ONE}


def test_an_empty_file_stops_again_after_its_first_stop_was_lifted(tmp_path):
    """`touch stop` works each time: whoever lifted the last one did not lift the next."""
    path, file = tmp_path / STOP_NAME, StopFile(tmp_path, MINE)
    path.touch()
    ((first, _),) = stops_in(tmp_path).items()
    assert file.look(knowing()) == [StopHeard(first, flatten=False)]
    lift_stops(tmp_path, [first])
    assert file.look(knowing(first)) == []
    path.touch()
    os.utime(path, ns=(1, 1))
    (heard,) = file.look(knowing(first))
    assert heard.id != first
