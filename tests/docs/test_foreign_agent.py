"""An agent in JavaScript, from `docs/examples`: the page, the vectors and the program are true."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import zmq

from agents.cli import stack as stacks
from agents.coordinator.log import read_records
from agents.coordinator.records import Kind
from protocol.keys import new_keys
from protocol.merge import digest
from protocol.messages import Ack, Mode
from protocol.messages import Stage as AckStage
from tests.agents.command_line import ROOT, Process, short_day, standing, told, until
from tests.agents.coordinator import test_shell as shells
from tests.protocol import far_stage, wire_vectors
from tests.protocol.bus_stage import Stage

coordinated = shells.settings  # a fixture
EXAMPLES = ROOT / "docs" / "examples"
SETS = 10_000
LIMIT_S = 60
AGENT = "optimizer-8"
SET = ("--spread", "0.18", "--levels", "4", "--base", "0.001", "--position", "0.01")
needs_node = pytest.mark.skipif(
    shutil.which("node") is None, reason="node is not installed; with it, and npm: `make node`"
)
needs_zeromq = pytest.mark.skipif(
    shutil.which("node") is None or not (EXAMPLES / "node_modules" / "zeromq").is_dir(),
    reason="node or its package zeromq is not installed; with node and npm: `make node`",
)


def node(*arguments, text=None):
    """Run a program of the examples; return exit code, its lines of JSON, and stderr."""
    done = subprocess.run(
        ["node", *map(str, arguments)],
        cwd=EXAMPLES, input=text, capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def agent(run, *arguments):
    """Let the agent propose once; return its exit code and what it said."""
    code, out, err = node("agent.mjs", "--run", run, "--timeout", "40", *arguments)
    assert not err, err
    return code, [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize("name", wire_vectors.MADE)
def test_the_vectors_are_what_is_made_now(name):
    """`python -m tests.protocol.wire_vectors` writes them anew."""
    path = wire_vectors.FOLDER / f"{name}.json"
    assert path.read_text(encoding="utf-8") == wire_vectors.text(name)


@needs_node
def test_javascript_repeats_every_vector():
    """Keys, signatures, frames to take and to drop, digests, weights, both merges."""
    code, out, err = node("check.mjs")
    assert code == 0, err
    assert json.loads(out) == {"keys": 5, "frames": 23, "digests": 200, "merge": 40}


@needs_node
def test_digests_of_ten_thousand_sets_agree_between_python_and_javascript():
    """On the grid and off it, halves of a unit, figures of 1e-12 and of 1e18."""
    sets = wire_vectors.random_sets(seed=int.from_bytes(os.urandom(4)), count=SETS)
    text = json.dumps([each.model_dump() for each in sets])
    code, out, err = node("check.mjs", "digests", text=text)
    assert code == 0, err
    found = out.split()
    assert len(found) == SETS
    for each, other in zip(sets, found, strict=True):
        assert digest(each) == other, each


@pytest.fixture
def bus():
    """A stage whose coordinator applies what it is told, with the configuration of a run."""
    with tempfile.TemporaryDirectory(prefix="cp") as made:
        folder = Path(made)
        new_keys(folder / "keys")
        config = {
            "bus": {"folder": str(folder / "s"), "keys": str(folder / "keys"), "port": None},
            "account": {"executor": "executor-1"},
        }
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        with Stage(folder) as stage:
            yield stage


@needs_zeromq
def test_the_agent_joins_proposes_and_hears_though_words_are_lost(bus):
    """Three copies of each word are lost on the way, both ways: it says them again."""
    lose = ("snapshot_request", "snapshot", "parameter_update", "ack")
    bus.coordinator("--applies", "--pair", 3, 7, "--lose", *lose)
    code, said = agent(bus.folder, *SET, "--at", "2024-01-20T15:30:45Z")
    assert code == 0
    assert said[0] == {"joined": [3, 7], "mode": "master-slave", "generation": 0, "stops": []}
    assert said[1]["digest"] == digest(wire_vectors.PARAMS)
    assert said[-1]["answer"] == "applied"
    handled = bus.actors[0].expect("handled", kind="parameter_update")
    assert len(bus.actors[0].told("handled", handled=handled["handled"])) == 1


@needs_zeromq
def test_the_agent_is_told_why_its_set_is_refused(bus):
    """The nack's code and line arrive; the exit code says that it was refused."""
    bus.coordinator("--applies")
    code, said = agent(bus.folder, *SET, "--base", "0.5", "--at", "2024-01-20T15:30:45Z")
    assert code == 1
    assert said[-1]["answer"] == "E_BOUNDS"
    assert "at most max_position 0.01, found 2.0" in said[-1]["detail"]


def strangers_key(folder):
    """Put another CURVE pair into the agent's folder, one that the hubs' roster does not list."""
    public, secret = (key.decode("ascii") for key in zmq.curve_keypair())
    path = folder / f"{AGENT}.key"
    own = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**own, "curve": secret}), encoding="utf-8")

    def change(members):
        next(row for row in members if row["name"] == AGENT)["curve"] = public

    far_stage.rewritten(folder, change)


@pytest.fixture
def far(tmp_path):
    """A bus that is open to other hosts, and a folder as the agent's host has it."""
    new_keys(tmp_path / "keys")
    options = ("--follow", AGENT, "--applies", "--pair", 3, 7)
    with far_stage.opened(tmp_path / "keys", *options) as made:
        yield made, far_stage.folder_of(made.stage, AGENT)


def agent_far(address, folder, *more):
    """Let the agent propose through CURVE, knowing nothing of a run."""
    place = ("--keys", folder, "--connect", address, "--at", "2024-01-20T15:30:45Z")
    return agent(folder / "no-run", *SET, *place, *more)


@needs_zeromq
def test_the_agent_comes_in_from_another_host_by_curve(far):
    """With the roster and its own key alone it joins, beats, proposes and hears the answer."""
    bus, folder = far
    code, said = agent_far(bus.address, folder)
    assert (code, said[-1]["answer"]) == (0, "applied")
    assert said[0]["joined"] == [3, 7]
    bus.coordinator.expect("beat", beat=AGENT)
    assert bus.counts()["knocks"].keys() == {"200"}


@needs_zeromq
def test_the_agent_stays_outside_with_a_key_that_the_roster_does_not_list(far):
    """Its signing key is the right one: only the link does not come up."""
    bus, folder = far
    strangers_key(folder)
    code, said = agent_far(bus.address, folder, "--timeout", "2")
    assert (code, [each["answer"] for each in said]) == (5, [None])
    assert f"no coordinator at {bus.address} let us join within 2 s" in said[0]["detail"]
    assert bus.counts()["knocks"].keys() == {"300"}
    assert not bus.coordinator.told("beat", beat=AGENT)


def test_the_page_names_the_options_that_the_agent_opens_its_link_with():
    """Three names of zeromq.js, which the tests above use for real."""
    page = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    program = (EXAMPLES / "agent.mjs").read_text(encoding="utf-8")
    named = set(re.findall(r"\bcurve[A-Z]\w+", page))
    assert named == set(re.findall(r"\bcurve[A-Z]\w+(?=:)", program))
    assert len(named) == 3


@needs_zeromq
def test_without_a_coordinator_the_agent_says_so(bus):
    """A bus that nobody serves: exit code 5, in the time it was given."""
    code, said = agent(bus.folder, *SET, "--timeout", "1")
    assert code == 5
    assert [each["answer"] for each in said] == [None]
    assert "let us join within 1 s: does it run" in said[0]["detail"]


@needs_zeromq
@pytest.mark.parametrize("mode", [Mode.CONSENSUS, Mode.PEER])
async def test_the_javascript_agent_takes_a_seat_beside_two_optimizers(coordinated, mode):
    """It proposes, finds the same merge, abstains since it replays nothing, and hears `applied`."""
    settings = shells.with_mode(coordinated, mode, optimizers=3)
    run = settings.data / "run"
    run.mkdir()
    (run / "config.json").write_text(settings.model_dump_json(), encoding="utf-8")
    # fmt: off
    command = (
        "agent.mjs", "--run", run, "--name", "optimizer-3", "--seat", "--timeout", 40,
        "--spread", 0.24, "--levels", 3, "--base", 1, "--position", 10,
    )
    # fmt: on
    names = ("executor-1", "optimizer-1", "optimizer-2")
    beats = asyncio.Queue()
    async with shells.Running(settings), AsyncExitStack() as stack:
        parties = [await stack.enter_async_context(shells.party(settings, each)) for each in names]
        executor = shells.Executor(parties[0])
        parties[0].follow("heartbeat", "optimizer-3", beats.put_nowait)
        if mode is Mode.PEER:
            parties[0].on("round", lambda _received: Ack(stage=AckStage.RECEIVED))
        for each in parties:
            await shells.settled(each.join())
        seats = [shells.Seat(each, mode, seats=4) for each in parties[1:]]
        process = await asyncio.create_subprocess_exec(
            "node", *map(str, command), cwd=EXAMPLES, stdout=asyncio.subprocess.PIPE
        )
        try:
            said = [json.loads(await shells.settled(process.stdout.readline()))]
            key = executor.reach(1)
            executor.tell_seat(1, "optimizer-3")
            await asyncio.gather(seats[0].propose(key, 0.22), seats[1].propose(key, 0.23))
            assert (await shells.settled(executor.done.get())).decision == (1, 1)
            while "answer" not in said[-1]:
                said.append(json.loads(await shells.settled(process.stdout.readline())))
            for _ in range(2):  # a sign of life each second, as `counterpoint status` wants it
                beat = (await shells.settled(beats.get())).word
                assert beat.state == "up"
        finally:
            process.kill()
            await process.wait()
    assert said[0]["mode"] == mode.value
    assert said[-1]["answer"] == "applied"
    records = read_records(run)
    assert not [each for each in records if each.kind is Kind.ALARM]
    decided = next(each.body for each in records if each.kind is Kind.DECISION)
    assert decided["seat"] == "optimizer-1+optimizer-2+optimizer-3"
    if mode is Mode.CONSENSUS:
        assert {"voted": "abstain", "round": 1} in said
        votes = {each.body["voter"]: each.body for each in records if each.kind is Kind.VOTE}
        assert votes["optimizer-3"]["choice"] == "abstain"
        assert len((run / "optimizer-3.votes.jsonl").read_text().splitlines()) == 1
    else:
        assert {"checked": "received", "round": 1} in said


@pytest.fixture
def trading():
    """A whole stack on half an hour of an artificial market, ten times as fast."""
    with tempfile.TemporaryDirectory(prefix="cp") as made:
        folder = Path(made)
        short_day(folder)
        process = Process(
            *("run", "--data", folder, "--feed", folder / "half.npz", "--optimizers", "1"),
            *("--clock", "real", "--speed", 10, "--set", "executor.warmup_s=60"),
        )
        process.read_until("fills")
        until(folder, lambda found: found["executors"][0]["open_orders"])
        yield folder
        for stack in stacks.running(folder):
            for pid in stack.pids.values():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        process.close()


@needs_zeromq
@pytest.mark.slow
@pytest.mark.slice
def test_a_set_of_the_javascript_agent_comes_into_force_in_a_running_stack(trading):
    """Decided by the executor's vote, applied, answered, and told by `counterpoint log`."""
    run = stacks.running(trading)[0].folder
    held = standing(trading)["executors"][0]["in_force"]["parameters"]
    answers = []
    for factor in (1.05, 0.95, 1.1, 0.9, 1.15, 0.85):  # one of them is not worse on the window
        code, said = agent(
            run,
            *("--spread", round(held["spread_percentage"] * factor, 6)),
            *("--levels", held["levels"], "--base", held["base_quantity"]),
            *("--position", held["max_position"]),
        )
        answers.append(said[-1])
        if code == 0:
            break
    assert answers[-1]["answer"] == "applied", answers
    assert [each["heard"] for each in said if "heard" in each] == ["received", "decided"]
    code, text = told(trading, "log", "--json")
    assert code == 0
    entries = [each for one in json.loads(text)["chapters"] for each in one["entries"]]
    decided = [each for each in entries if each["kind"] == "decision" and each["seat"] == AGENT]
    assert decided[-1]["proposed_by"] == [AGENT]
    assert decided[-1]["pair"] in [each["pair"] for each in entries if each["kind"] == "applied"]
    proposed = [each for each in entries if each["kind"] == "proposal" and each["seat"] == AGENT]
    assert len(proposed) == len(answers)


@contextlib.contextmanager
def seated(run, name, *figures):
    """An agent in a seat that a run has left to it; it has joined."""
    # fmt: off
    process = subprocess.Popen(
        ["node", "agent.mjs", "--run", str(run), "--name", name, "--seat", *map(str, figures)],
        cwd=EXAMPLES, stdout=subprocess.PIPE,
    )
    # fmt: on
    try:
        assert json.loads(process.stdout.readline())["mode"] == "master-slave"
        yield
    finally:
        process.kill()
        process.communicate()


@needs_zeromq
@pytest.mark.slow
def test_a_run_leaves_seats_to_javascript_agents_and_waits_for_them():
    """In lockstep feed time waits for both; status shows who is there, and the log what he said."""
    with tempfile.TemporaryDirectory(prefix="cp") as made:
        data = Path(made)
        short_day(data)
        process = Process(
            *("run", "--data", data, "--feed", data / "half.npz", "--optimizers", "3"),
            *("--set", "run.foreign=optimizer-2,optimizer-3", "--set", "optimizer.boundary_s=300"),
            *("--set", "optimizer.budget=8", "--set", "executor.warmup_s=60"),
        )
        process.read_until("fills")
        found = until(data, lambda found: found["executors"][0]["in_force"])
        held = found["executors"][0]["in_force"]["parameters"]
        figures = (
            *("--spread", round(held["spread_percentage"] * 1.05, 6), "--levels", held["levels"]),
            *("--base", held["base_quantity"], "--position", held["max_position"]),
        )
        run = data / "runs" / "latest"
        with seated(run, "optimizer-2", *figures):
            found = until(data, lambda found: first_of(found, "optimizer-2")["state"] == "up")
            assert first_of(found, "optimizer-3")["state"] == "silent"
            with seated(run, "optimizer-3", *figures):
                code, _, err = process.end()
        assert code == 0, err
        assert json.loads((run / "run.json").read_bytes())["parts"].keys() == {
            *("coordinator", "executor-1", "optimizer-1")
        }
        code, text = told(data, "log")
        assert code == 0
        assert "optimizer-2 proposes" in text
        assert "optimizer-3 proposes" in text


def first_of(found, name):
    return next(each for each in found["members"] if each["name"] == name)


def test_a_seat_that_is_none_cannot_be_left_to_anybody(tmp_path):
    """One line with the seats that there are, before anything is made."""
    code, line = told(tmp_path, "run", "--set", "run.foreign=optimizer-2")
    assert (code, list(tmp_path.iterdir())) == (4, [])
    assert "must name seats of optimizers, found 'optimizer-2'; they are optimizer-1" in line
