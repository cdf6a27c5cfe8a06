"""What `counterpoint run` refuses before anything starts: one line, exit code 4, nothing left."""

import json

import pytest

from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from protocol.keys import new_keys
from tests.agents.command_line import Process, told


@pytest.fixture(scope="module")
def feed(tmp_path_factory):
    path = tmp_path_factory.mktemp("feed") / "short.npz"
    save(path, synthetic_recording(seed=2, hours=0.2))
    return path


def refused(data, *arguments):
    """Return the one line of a run that must not start."""
    code, line = told(data, "run", *arguments)
    assert code == 4, line
    assert not (data / "runs").exists(), "a run that did not start left a folder"
    return line


def test_a_refusal_is_one_line_of_the_command_and_its_exit_code(tmp_path, feed):
    """As a user types it: on stderr, without a traceback, and stdout stays empty."""
    arguments = ("--feed", str(feed), "--set", "coordinator.schedule=6")
    code, out, error = Process("run", "--data", tmp_path, *arguments).end()
    assert (code, out) == (4, ""), error
    assert "Traceback" not in error
    lines = [line for line in error.splitlines() if line.startswith("counterpoint: ")]
    assert lines == [f"counterpoint: {refused(tmp_path, *arguments)}"]


@pytest.mark.parametrize("mode", ["peer", "hierarchical", "consensus"])
def test_a_mode_that_one_seat_cannot_have_is_refused_at_once(tmp_path, feed, mode):
    """E_MODE, with what is needed, and not a coordinator that dies for ever."""
    line = refused(tmp_path, "--feed", str(feed), "--mode", mode, "--optimizers", "0")
    assert "E_MODE" in line
    assert "needs at least 2 seats, found 1 (executor-1)" in line


@pytest.mark.parametrize("text", ["6", "0:peer", "x:peer", "6:dictator", "6:peer,6:consensus"])
def test_a_schedule_of_modes_that_cannot_be_read_is_one_line(tmp_path, feed, text):
    """What was found, and what it should look like."""
    line = refused(tmp_path, "--feed", str(feed), "--set", f"coordinator.schedule={text}")
    assert "coordinator.schedule must" in line


def test_a_socket_folder_that_is_too_long_is_refused_at_once(tmp_path, feed):
    """A unix socket's path has 107 bytes, and the line says so."""
    line = refused(tmp_path, "--feed", str(feed), "--set", f"bus.folder=/tmp/{'x' * 120}")
    assert "107" in line


def test_parameters_that_contradict_each_other_are_one_line(tmp_path, feed):
    """The base quantity times the levels must fit into the position."""
    line = refused(
        tmp_path,
        *("--feed", str(feed), "--set", "parameters.base_quantity=5"),
        *("--set", "parameters.levels=3", "--set", "parameters.max_position=6"),
    )
    assert "at most max_position 6.0, found 15.0" in line


def test_a_key_that_the_roster_does_not_list_stops_the_start(tmp_path, feed):
    """Better now than when the operator needs it to stop everything."""
    new_keys(tmp_path / "keys")
    new_keys(tmp_path / "others")
    (tmp_path / "keys" / "operator.key").write_bytes(
        (tmp_path / "others" / "operator.key").read_bytes()
    )
    line = refused(tmp_path, "--feed", str(feed))
    assert "operator.key is not the key that the roster lists" in line


def test_a_damaged_roster_stops_the_start(tmp_path, feed):
    """And the line says what to do."""
    new_keys(tmp_path / "keys")
    path = tmp_path / "keys" / "roster.json"
    document = json.loads(path.read_text())
    document["members"] = "none"
    path.write_text(json.dumps(document))
    assert "roster.json" in refused(tmp_path, "--feed", str(feed))
