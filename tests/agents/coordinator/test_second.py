"""A second coordinator on the same directory refuses to start and says why; in processes."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from protocol.keys import new_keys
from tests.protocol.far_stage import four_ports

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
    """Wait for the end of a coordinator that must not start; return what it says last."""
    _, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode not in (0, None)
    return err.strip().splitlines()[-1]


@pytest.mark.slow
@pytest.mark.slice
def test_a_second_coordinator_refuses_to_start_and_the_first_lives_on(place):
    """The same log under other addresses, the same sockets over another log, the same ports."""
    first = started(place, "log", FOLDER=place / "s")
    try:
        for line in first.stderr:
            if "started" in line:
                break
        in_use = "is in use by another coordinator; end it first (counterpoint down)"
        port = four_ports()
        assert in_use in refusal(started(place, "log", PORT=port))
        assert in_use in refusal(started(place, "log", FOLDER=place / "t"))
        assert in_use in refusal(started(place, "other", FOLDER=place / "s"))
        assert first.poll() is None
        first.send_signal(signal.SIGTERM)
        assert first.wait(LIMIT_S) == 0
    finally:
        first.kill()
        first.communicate()
