import json
import signal
import tempfile
from pathlib import Path

import pytest

from agents.cli import stack as stacks
from tests.agents.command_line import Process, short_day, told

SHORT = ("--set", "executor.warmup_s=60", "--set", "optimizer.window_hours=0.5")


@pytest.fixture(scope="module")
def data():
    """A folder with a recording; its name is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="cp") as folder:
        short_day(Path(folder))
        yield Path(folder)


@pytest.fixture
def start(data):
    """Starts a command on the recording; what is left of it ends with the test."""
    begun = []

    def begin(command, *arguments, feed=True):
        given = ("--feed", data / "half.npz", *SHORT) if feed else ()
        begun.append(Process(command, "--data", data, *given, *arguments))
        return begun[-1]

    yield begin
    for each in begun:
        each.close()


def test_the_executor_alone_trades_a_recording_to_its_end(start):
    """Progress on stderr, the result alone on stdout."""
    code, out, err = start("executor", "--json").end()
    assert code == 0, err
    document = json.loads(out)
    assert document["complete"]
    assert document["figures"]["fills"]["count"] > 0
    assert "net of holding" in err


@pytest.mark.slow
def test_ctrl_c_ends_the_executor_alone_with_the_table_so_far(start):
    """A person stops it in the middle and still sees what happened until then."""
    process = start("executor", "--set", "run.clock=real", "--set", "run.speed=60")
    process.read_until("fills")
    process.send(signal.SIGINT)
    code, out, err = process.end()
    assert code == 0, err
    assert "ended early" in out
    assert "net of holding" in out
    assert "Traceback" not in err


def test_the_optimizer_alone_reports_and_publishes_nothing(start):
    """Boundaries, proposals or the reasons for none; as a table and as JSON."""
    code, out, err = start("optimizer", "--set", "optimizer.boundary_s=600").end()
    assert code == 0, err
    assert "boundaries looked at" in out
    assert "nothing was published" in out
    assert "boundary 1 of" in err
    path = Path(out.rpartition("result ")[2].strip())
    document = json.loads(path.read_bytes())
    assert document["ended"] == "complete"
    assert len(document["rows"]) == document["boundaries"]


@pytest.mark.slow
def test_ctrl_c_ends_the_optimizer_alone_with_the_boundaries_so_far(start):
    """The walk ends after the present boundary, and the report is of those."""
    process = start(
        "optimizer", "--json", "--set", "optimizer.boundary_s=30", "--set", "optimizer.budget=200"
    )
    process.read_until("boundary ")
    process.send(signal.SIGTERM)
    code, out, err = process.end()
    assert code == 0, err
    document = json.loads(out)
    assert document["ended"] == "early"
    assert 0 < document["boundaries"] < 59


def test_the_coordinator_alone_hosts_the_bus_until_it_is_told_to_end(data, start):
    """`status` and `down` find it as they find a whole run."""
    process = start("coordinator", "--set", f"feed.path={data / 'half.npz'}", feed=False)
    process.read_until("an executor joins with")
    (stack,) = stacks.running(data)
    assert set(stack.pids) == {"supervisor", "coordinator"}
    code, text = told(data, "down")
    assert (code, text) == (0, f"ended {stack.folder}\n")
    assert process.end()[0] == 0


def test_a_missing_recording_is_one_line(data, start):
    """What was looked for, and how to get one; exit code 4; whoever notices it."""
    code, line = told(data, "executor", "--feed", data / "nowhere.npz")
    assert code == 4
    assert "no such recording" in line
    code, out, err = start("optimizer", "--feed", data / "nowhere.npz", feed=False).end()
    assert (code, out) == (4, "")
    assert [each for each in err.splitlines() if "no such" in each] == err.splitlines()[-1:]
