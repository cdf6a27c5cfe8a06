"""`counterpoint desk open`: what a desk beside a stack is told, and who may read it."""

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from agents.cli import desk
from agents.settings import Settings
from desk.settings import DeskSettings
from protocol.keys import new_keys


class BecameError(Exception):
    """What the process would have become."""


@pytest.fixture
def become(monkeypatch):
    """Return the command line that a process becomes in place of becoming it."""

    def stop(_path, line):
        raise BecameError(line)

    monkeypatch.setattr(os, "execv", stop)

    def tell(folder, settings):
        with pytest.raises(BecameError) as caught:
            desk.become(folder, settings)
        (line,) = caught.value.args
        return line

    return tell


def settings_in(folder, **more):
    """Settings of a stack whose coordinator is elsewhere."""
    bus = {"connect": "tcp://127.0.0.1:7301", "keys": str(folder / "keys"), **more}
    return Settings.model_validate({"data": str(folder), "bus": bus, "desk": {"host": "0.0.0.0"}})


def test_a_desk_elsewhere_is_told_all_it_must_know_in_a_file_of_its_own(tmp_path, become):
    """Its own program reads it; nobody else may, since a database's URL may hold a password."""
    new_keys(tmp_path / "keys")
    line = become(tmp_path, settings_in(tmp_path, metrics_port=9100, metrics_host="0.0.0.0"))
    assert line[:4] == [sys.executable, "-m", "desk", "--config"]
    path = Path(line[4])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    told = DeskSettings.read(path)
    assert (told.host, told.metrics_host, told.metrics_port) == ("0.0.0.0", "0.0.0.0", 9111)
    assert told.hubs.control_in.startswith("tcp://127.0.0.1:73")
    assert told.hubs.server is not None, "between hosts CURVE alone opens the bus"
    assert told.executors == ("executor-1",)
    assert (tmp_path / "keys" / "desk-read.token").exists()


def test_tokens_that_the_environment_tells_are_not_made(tmp_path, become, monkeypatch):
    """In a container the keys' folder cannot be written."""
    new_keys(tmp_path / "keys")
    for scope in ("READ", "ACT"):
        path = tmp_path / scope
        path.write_text(f"{scope}-{'x' * 40}")
        path.chmod(0o600)
        monkeypatch.setenv(f"COUNTERPOINT_DESK_{scope}_TOKEN_FILE", str(path))
    line = become(tmp_path, settings_in(tmp_path))
    assert json.loads(Path(line[4]).read_bytes())["metrics_port"] == 0
    assert not list((tmp_path / "keys").glob("*.token"))
