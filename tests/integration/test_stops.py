"""The stop between processes: what `counterpoint stop` may claim, and what it does all the same."""

import contextlib
import os
import signal
import tempfile
import threading
from pathlib import Path

import pytest

from bench.hostile import storm
from bench.stop_house import House
from protocol.stopfile import stops_in
from tests.agents.command_line import told

pytestmark = [pytest.mark.slow, pytest.mark.slice]


@pytest.fixture(scope="module")
def houses():
    """Two runs under one data folder, each with its executor; both quote."""
    with tempfile.TemporaryDirectory(prefix="cp") as folder, contextlib.ExitStack() as stack:
        made = [House(Path(folder), executor=name) for name in ("executor-1", "executor-2")]
        for each in made:
            stack.enter_context(each)
        for each in made:
            each.until(quoting=True)
        yield made


def rearmed(houses):
    """Lift every stop and wait until all quote again."""
    assert told(houses[0].data, "rearm")[0] == 0
    for each in houses:
        each.until(quoting=True)


def test_stop_exits_with_0_when_every_executor_said_stopped(houses):
    """Both are named, and nothing of either is open when the command returns."""
    code, text = told(houses[0].data, "stop")
    assert code == 0, text
    for each in houses:
        assert f"{each.executor} stopped: nothing of ours is open" in text
        assert each.figures()["open_orders"] == 0
    rearmed(houses)


def test_stop_exits_with_5_while_one_executor_stands_still(houses):
    """The other is stopped and says so; the file stops the first as soon as it goes on."""
    one, other = houses
    still = one.processes[one.executor]
    os.kill(still.pid, signal.SIGSTOP)
    try:
        code, text = told(one.data, "stop", "--timeout", "2")
    finally:
        os.kill(still.pid, signal.SIGCONT)
    assert code == 5
    assert f"{one.executor} did not say `stopped` within 2 s" in text
    assert f"{other.executor} stopped: nothing of ours is open" in text
    for each in houses:
        each.until(quoting=False)
    rearmed(houses)


def test_a_silent_run_holds_up_no_other(houses):
    """The hub of one is dead: its file works, and the other is asked at the same time."""
    one, other = houses
    one.kill("coordinator")
    found = []
    thread = threading.Thread(target=lambda: found.append(told(one.data, "stop", "--timeout", "4")))
    thread.start()
    for each in houses:
        each.until(quoting=False)
    assert not found, "both were stopped long before the command gave up"
    thread.join()
    one.start("coordinator")
    ((code, text),) = found
    assert code == 5
    assert f"the stop file in {one.folder} holds all the same" in text
    assert f"{other.executor} stopped" in text
    rearmed(houses)


def test_stop_exits_with_5_when_one_executor_is_dead_and_the_stop_outlives_it(houses):
    """Nobody can say what a dead one has open; it starts again stopped."""
    one, other = houses
    one.kill(one.executor)
    code, text = told(one.data, "stop", "--timeout", "2")
    assert code == 5
    assert f"{one.executor} did not say `stopped`" in text
    assert f"{other.executor} stopped" in text
    assert stops_in(one.folder)
    one.start(one.executor)
    one.until(quoting=False)
    rearmed(houses)


def test_hostile_frames_over_sockets_change_nothing(houses):
    """Journal and decision log stay as they are, both processes live, and a stop still stops."""
    found = storm(houses[0], 2000, seed=3)
    assert found["changed"] == 0
    assert found["alive"]
    assert found["stop_s"] < 10.0
    rearmed(houses)
