"""The command line as real processes, bounded in time, for its tests."""

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from typer.testing import CliRunner

from agents.cli.main import app
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save

ROOT = Path(__file__).parents[2]
LIMIT_S = 300.0
"""A process that has not ended by then is killed: a test fails, it never hangs."""
RUNNER = CliRunner()


def short_day(folder):
    """Half an hour of an artificial market."""
    path = folder / "half.npz"
    save(path, synthetic_recording(seed=3, hours=0.5))
    return path


class Process:
    """`counterpoint ...` beside the test."""

    def __init__(self, *arguments):
        self.said = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "agents.cli.main", *map(str, arguments)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A shell that starts the tests in the background lets them ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
        self._guard = threading.Timer(LIMIT_S, self._process.kill)
        self._guard.start()

    def read_until(self, word):
        """Read what it says on stderr until a line with the word."""
        while word not in (line := self._process.stderr.readline()):
            assert line, f"it ended without saying {word!r}: {''.join(self.said)}"
            self.said.append(line)
        self.said.append(line)
        return line

    def send(self, signal):
        """Send a signal."""
        self._process.send_signal(signal)

    def end(self):
        """Wait for its end; return exit code, stdout and stderr."""
        out, err = self._process.communicate()
        self._guard.cancel()
        return self._process.returncode, out, "".join(self.said) + err

    def close(self):
        """Kill what is left of it."""
        if self._process.poll() is None:
            self._process.kill()
        self.end()


def told(data, *arguments):
    """Exit code and output of one command, given in this process."""
    result = RUNNER.invoke(app, [*map(str, arguments), "--data", str(data)])
    error = result.exception
    if error is not None and not isinstance(error, SystemExit):
        assert "\n" not in str(error)
        return error.exit_code, str(error)
    return result.exit_code, result.output


def standing(data):
    """What `status --json` says of a run that is up."""
    code, text = told(data, "status", "--json")
    assert code == 0, text
    return json.loads(text)


def until(data, condition):
    """Ask for the status until a condition on it holds; asking takes its time, so no sleep."""
    deadline = time.monotonic() + 90.0
    while not condition(found := standing(data)):
        assert time.monotonic() < deadline, found
    return found
