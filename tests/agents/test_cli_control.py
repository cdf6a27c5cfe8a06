import contextlib
import os
import re
import signal
import tempfile
import threading
import time
from pathlib import Path

import pytest

from agents.cli import stack as stacks
from agents.cli.run import parts_of
from agents.coordinator.log import read_records
from agents.coordinator.records import Kind
from agents.executor import records
from agents.executor.recovery import open_journal
from agents.optimizer_settings import Optimizer
from agents.settings import Settings
from protocol.stopfile import add_stop, lift_stops, stops_in
from tests.agents.command_line import Process, short_day, standing, told, until

SPEED = 10
QUICK = ("--set", "executor.warmup_s=60", "--set", "optimizer.boundary_s=300")


@pytest.fixture(scope="module")
def data():
    """A folder with keys and a recording; its name is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="cp") as folder:
        short_day(Path(folder))
        yield Path(folder)


@pytest.fixture(scope="module")
def up(data):
    """A whole stack that trades; every test leaves it trading."""
    process = Process(
        *("run", "--data", data, "--feed", data / "half.npz"),
        *("--clock", "real", "--speed", SPEED, *QUICK),
    )
    process.read_until("fills")
    until(data, lambda found: first(found)["open_orders"])
    yield process
    for stack in stacks.running(data):  # what a failed test left
        for pid in stack.pids.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    process.close()


def first(found):
    return found["executors"][0]


def test_the_only_optimizer_takes_the_seat_that_is_waited_for(tmp_path):
    """A configured name is the name on the bus; several are numbered."""
    settings = Settings(optimizer=Optimizer(name="optimizer-3"))
    parts = parts_of(settings, tmp_path / "config.json", tmp_path)
    assert [part.name for part in parts] == ["coordinator", "executor-1", "optimizer-3"]
    many = settings.model_copy(update={"run": settings.run.model_copy(update={"optimizers": 2})})
    parts = parts_of(many, tmp_path / "config.json", tmp_path)
    assert [part.name for part in parts][2:] == ["optimizer-1", "optimizer-2"]


def test_nothing_running_is_one_line_and_exit_code_3(tmp_path):
    """Every command that speaks to a run says so, and what to do."""
    for command in ("status", "stop", "rearm", "pause", "resume", "down", "mode peer"):
        code, line = told(tmp_path, *command.split())
        assert code == 3
        assert "start with `counterpoint run`" in line


def test_a_process_id_that_was_used_again_is_not_a_run(tmp_path):
    """A dead run's file names a live process, which is this one: not ours."""
    folder = tmp_path / "runs" / "20240101-000000"
    folder.mkdir(parents=True)
    ids = f'{{"executor-1": {os.getpid()}}}'
    (folder / stacks.PROCESSES).write_text(ids, encoding="ascii")
    assert stacks.running(tmp_path) == []
    (folder / stacks.PROCESSES).write_text("{", encoding="ascii")
    assert stacks.running(tmp_path) == []


def test_the_stop_file_holds_each_stop_until_it_is_lifted(tmp_path):
    """Two operators at once lose no stop; the last lift removes the file."""
    one, two = "1" * 32, "2" * 32
    workers = [
        threading.Thread(target=add_stop, args=(tmp_path, stop), kwargs={"flatten": stop == two})
        for stop in (one, two)
    ]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert stops_in(tmp_path) == {one: False, two: True}
    lift_stops(tmp_path, [one])
    assert stops_in(tmp_path) == {two: True}
    lift_stops(tmp_path, [one, two])
    assert not (tmp_path / "stop").exists()
    (tmp_path / "stop").write_bytes(b"\xff damaged")
    lift_stops(tmp_path, stops_in(tmp_path))
    assert stops_in(tmp_path) == {}


def test_status_tells_mode_parameters_members_and_progress(data, up):
    """The same facts as JSON for programs and as lines for people."""
    found = standing(data)
    assert (found["mode"], found["generation"], found["epoch"]) == ("master-slave", 0, 1)
    assert found["stops"] == []
    assert [each["name"] for each in found["members"]] == [
        "coordinator",
        "executor-1",
        "optimizer-1",
    ]
    assert all(each["pid"] for each in found["members"])
    executor = first(found)
    assert executor["state"] == "trading"
    assert 0 < executor["share"] < 1
    assert executor["in_force"]["parameters"]["levels"] >= 1
    code, text = told(data, "status")
    assert code == 0
    assert "mode        master-slave, generation 0, coordinator epoch 1" in text
    assert "stops       none" in text
    assert re.search(r"coordinator +up +\d+", text)
    assert re.search(r"executor-1 +trading +\d+ +[\d.]+ ms", text)
    assert re.search(r"in force    spread .* \((as started|epoch 1 version \d+)\)", text)
    assert re.search(r"decided     (nothing yet|epoch 1 version \d+: spread)", text)


def test_the_mode_of_a_running_system_is_switched_and_stands_in_the_log(data, up):
    """Each switch begins a generation; the same mode again changes nothing; a wrong name: 2."""
    for generation, wanted in enumerate(("peer", "consensus", "hierarchical", "master-slave"), 1):
        code, line = told(data, "mode", wanted, "--reason", "drill")
        assert code == 0
        assert f"-> {wanted}, generation {generation}" in line
        assert standing(data)["mode"] == wanted
    code, line = told(data, "mode", "master-slave")
    assert code == 0
    assert "in force already" in line
    code, line = told(data, "mode", "dictator")
    assert code == 2
    assert "hierarchical, consensus" in line
    folder = stacks.running(data)[0].folder
    changes = [each.body for each in read_records(folder) if each.kind is Kind.MODE]
    assert [each["generation"] for each in changes] == [1, 2, 3, 4]
    assert {each["reason"] for each in changes} == {"drill"}
    code, text = told(data, "log")
    assert code == 0
    assert "mode master-slave -> peer, generation 1: drill" in text
    assert "hierarchical -> master-slave, generation 4: drill" in text


def test_pause_withdraws_the_quotes_and_resume_brings_them_back(data, up):
    """Nothing else changes: no stop is in force meanwhile."""
    assert told(data, "pause") == (0, "executor-1 paused: quotes are withdrawn\n")
    found = until(data, lambda found: first(found)["open_orders"] == 0)
    assert first(found)["state"] == "paused"
    assert found["stops"] == []
    assert told(data, "resume") == (0, "executor-1 may quote again\n")
    until(data, lambda found: first(found)["open_orders"])


def test_a_stop_outlives_the_executor_and_rearm_lifts_it(data, up):
    """Killed and started again it is still stopped, and quotes only after `rearm`."""
    code, text = told(data, "stop", "--reason", "test", "--flatten")
    assert code == 0
    assert text.startswith("executor-1 stopped: nothing of ours is open")
    folder = stacks.running(data)[0].folder
    (stop_id,) = stops_in(folder)
    found = standing(data)
    assert found["stops"] == [stop_id]
    assert (first(found)["open_orders"], first(found)["position"]) == (0, "0")
    pid = found["members"][1]["pid"]
    os.kill(pid, signal.SIGKILL)

    def is_back(found):
        executor = found["members"][1]
        return executor["pid"] not in {None, pid} and executor["state"] == "stopped"

    found = until(data, is_back)
    assert first(found)["open_orders"] in {0, None}
    code, text = told(data, "rearm")
    assert (code, text) == (0, f"executor-1 may quote again; lifted {stop_id}\n")
    # What exit code 0 promises is on disk, on both sides; what status shows may be older.
    assert stop_id in lifted_in_journal(folder)
    assert stop_id in lifted_in_log(folder)
    assert not (folder / "stop").exists()
    # It quotes: whatever it says from now on, it says without that stop.
    until(data, lambda found: first(found)["open_orders"])
    assert told(data, "rearm") == (0, "no stop is in force\n")


@pytest.mark.slow
def test_a_stop_works_with_the_bus_dead(data, up):
    """Not confirmed, so exit code 5; the file alone stopped the executor."""
    stack = stacks.running(data)[0]
    os.kill(stack.pids["coordinator"], signal.SIGSTOP)
    try:
        code, text = told(data, "stop", "--timeout", "0.5")
        assert code == 5
        assert "not confirmed" in text
        (stop_id,) = stops_in(stack.folder)
        deadline = time.monotonic() + 10.0
        while stop_id not in heard_stops(stack.folder):
            assert time.monotonic() < deadline
    finally:
        os.kill(stack.pids["coordinator"], signal.SIGCONT)
    found = until(data, lambda found: first(found)["open_orders"] == 0)
    assert stop_id in found["stops"]
    assert told(data, "rearm")[0] == 0
    until(data, lambda found: first(found)["open_orders"])


def lifted_in_journal(folder):
    with open_journal(folder, readonly=True) as journal:
        found = [row.body["lifts"] for row in journal.rows(records.HEARD) if row.kind == "rearm"]
    return {each for lifts in found for each in lifts}


def lifted_in_log(folder):
    found = [each.body["lifts"] for each in read_records(folder) if each.kind is Kind.REARM]
    return {each for lifts in found for each in lifts}


def heard_stops(folder):
    with open_journal(folder, readonly=True) as journal:
        return [row.body["id"] for row in journal.rows(records.HEARD) if row.kind == "stop"]


def test_down_ends_the_run_with_the_table_so_far(data, up):
    """Asked for from outside, as with Ctrl-C: exit code 0 on both sides."""
    code, text = told(data, "down")
    assert code == 0
    assert text.startswith("ended ")
    code, out, _ = up.end()
    assert code == 0
    assert "ended early" in out
    assert "net of holding" in out
    assert told(data, "status")[0] == 3


def begun(data):
    """A run that trades at the wall clock."""
    process = Process(
        *("run", "--data", data, "--feed", data / "half.npz"),
        *("--clock", "real", "--speed", SPEED, *QUICK),
    )
    process.read_until("fills")
    return process


@pytest.mark.slow
def test_closing_the_terminal_ends_the_run(data):
    """A hangup is Ctrl-C: no part trades on without whoever starts it again."""
    process = begun(data)
    process.send(signal.SIGHUP)
    code, out, _ = process.end()
    assert code == 0
    assert "ended early" in out
    assert told(data, "status")[0] == 3


@pytest.mark.slow
def test_a_run_without_its_supervisor_says_so_and_can_be_ended(data):
    """Killed with -9 it leaves its parts; `status` tells, `down` ends them."""
    process = begun(data)
    process.send(signal.SIGKILL)
    process.end()
    code, text = told(data, "status")
    assert code == 0
    assert "supervisor  gone: nothing that dies is started again" in text
    assert told(data, "down")[0] == 0
    assert told(data, "status")[0] == 3
