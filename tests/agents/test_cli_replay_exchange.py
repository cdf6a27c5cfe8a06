import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.exchange.simulated.market import write, write_two

ROOT = Path(__file__).parents[2]


def counterpoint(*arguments, folder):
    """The command as a process."""
    return subprocess.Popen(
        [sys.executable, "-m", "agents.cli.main", "replay-exchange", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )


def test_the_command_serves_a_recording_until_it_is_asked_to_end(tmp_path):
    """One line tells where; the fees are those asked for; Ctrl-C ends it with 0."""
    told = ("--feed", write(tmp_path, seconds=60), "--port", 0, "--maker-fee", 3, "--speed", 60)
    with counterpoint(*told, folder=tmp_path) as process:
        ready = json.loads(process.stdout.readline())
        assert ready["symbol"] == "PLAYUSDT"
        with urllib.request.urlopen(f"{ready['url']}/api/v3/time", timeout=10) as answer:
            assert "serverTime" in json.load(answer)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0


def test_a_recording_and_an_artificial_day_exclude_each_other(tmp_path):
    """Usage: one line and exit code 2."""
    path = write(tmp_path, seconds=60)
    with counterpoint("--feed", path, "--synthetic", folder=tmp_path) as process:
        _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert error.splitlines()[-1].endswith("not both")


@pytest.mark.slow
def test_two_recordings_are_two_symbols_and_one_twice_is_one_line(tmp_path):
    """The line lists both; the same recording again is refused before anything is served."""
    first, second = write_two(tmp_path, seconds=60)
    told = ("--feed", first, "--port", 0, "--speed", 60)
    with counterpoint(*told, "--feed", second, folder=tmp_path) as process:
        ready = json.loads(process.stdout.readline())
        assert ready["symbols"] == ["PLAYUSDT", "TOYSUSDT"]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
    with counterpoint(*told, "--feed", first, folder=tmp_path) as process:
        _, error = process.communicate(timeout=60)
    assert process.returncode != 0
    assert error.splitlines()[-1] == "each --feed must be of another symbol, found PLAYUSDT twice"
