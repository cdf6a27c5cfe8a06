"""A second coordinator refuses to start and says why in one line; in processes."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bench.ports import free_ports
from protocol.keys import new_keys

ROOT = Path(__file__).parents[3]
LIMIT_S = 60
PARAMETERS = {
    "SPREAD_PERCENTAGE": "0.2",
    "LEVELS": "3",
    "BASE_QUANTITY": "0.01",
    "MAX_POSITION": "0.1",
}


@pytest.fixture
def place():
    """A folder whose name is short enough for sockets, with keys."""
    with tempfile.TemporaryDirectory(prefix="cp") as made:
        new_keys(Path(made) / "keys")
        yield Path(made)


def started(place, log, **bus):
    """Start one coordinator over a log directory."""
    told = {"KEYS": place / "keys", **bus}
    environ = {
        **os.environ,
        "COUNTERPOINT__DATA": str(place / "data"),
        **{f"COUNTERPOINT__PARAMETERS__{key}": value for key, value in PARAMETERS.items()},
        **{f"COUNTERPOINT__BUS__{key}": str(value) for key, value in told.items()},
    }
    return subprocess.Popen(
        [sys.executable, "-m", "agents.coordinator", "--run", str(place / log)],
        cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def refusal(process):
    """Wait for the end of a coordinator that must not start; return the one line that it says."""
    _, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 1
    logged, told = err.strip().splitlines()
    assert "coordinator ERROR coordinator_failed kind=InUseError" in logged
    return told


@contextlib.contextmanager
def living(place, log, **bus):
    """A first coordinator, which is up, and which nothing meanwhile may end."""
    first = started(place, log, **bus)
    try:
        for line in first.stderr:
            if "started" in line:
                break
        yield
        assert first.poll() is None
        first.send_signal(signal.SIGTERM)
        assert first.wait(LIMIT_S) == 0
    finally:
        first.kill()
        first.communicate()


def test_a_second_coordinator_on_the_same_ports_says_so_and_ends(place):
    """Another log, so that no lock tells: the ports alone do, the first two, the last, one beyond.

    Nothing of a coordinator that could not bind stands in its log: it has decided nothing.
    """
    port = free_ports(1, 2, 3)
    beyond = free_ports(1, 2, 3)
    with living(place, "log", PORT=port, LISTEN=f"tcp://127.0.0.1:{beyond}"):
        shared = {
            port: {"PORT": port},
            port + 1: {"PORT": port + 1},
            port + 3: {"PORT": port + 3},
            beyond: {"PORT": free_ports(1, 2, 3), "LISTEN": f"tcp://127.0.0.1:{beyond}"},
        }
        seconds = [started(place, str(at), **bus) for at, bus in shared.items()]
        for at, second in zip(shared, seconds, strict=True):
            assert refusal(second) == (
                f"coordinator: tcp://127.0.0.1:{at} is in use, by another coordinator perhaps; "
                "end it (counterpoint down), or choose other ports"
            )
            assert not (place / str(at) / "decisions.sqlite").exists()


@pytest.mark.slow
def test_a_second_coordinator_refuses_to_start_and_the_first_lives_on(place):
    """The same log under other addresses, and the same sockets over another log."""
    with living(place, "log", FOLDER=place / "s"):
        in_use = "is in use by another coordinator; end it first (counterpoint down)"
        port = free_ports(1, 2, 3)
        assert in_use in refusal(started(place, "log", PORT=port))
        assert in_use in refusal(started(place, "log", FOLDER=place / "t"))
        assert in_use in refusal(started(place, "other", FOLDER=place / "s"))
