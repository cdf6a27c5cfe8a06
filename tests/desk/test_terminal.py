"""The menu in a real terminal of 80 x 24, and its commands against the command line itself."""

import json
import os
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

from agents.cli.main import app
from desk.terminal_items import EMERGENCY, ITEMS, Question, Way, chosen
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save

ROOT = Path(__file__).parents[2]
PATIENCE_S = 90.0


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: str(item.number))
def test_every_item_is_a_command_that_exists(item):
    """Command and options of each answer are understood, with the folder that all are told."""
    answers = {question.name: question.default for question in item.questions}
    for question in item.questions:
        for choice in question.choices or ("some.npz",):
            words = [*item.command(answers | {question.name: choice}), "--data", "d"]
            parse(words)
    parse([*item.command(answers), "--data", "d", "--config", "c.toml"])


def parse(words):
    """Take a command line apart as the program would, without doing what it says."""
    group, context = typer.main.get_command(app), None
    while True:
        name, command, words = group.resolve_command(
            typer.Context(group, parent=context), list(words)
        )
        assert command is not None, name
        if not hasattr(command, "resolve_command"):
            assert command.make_context(name, list(words), resilient_parsing=False)
            return
        group = command


def test_numbers_are_the_specification_s():
    """1 starts, 2 is status, 9 the system, 10 parameters, 13 profit, 15 stops."""
    assert [item.number for item in ITEMS] == list(range(1, EMERGENCY + 1))
    first = {1: "run", 2: "status", 9: "doctor", 10: "config", 13: "report", 15: "stop"}
    for number, command in first.items():
        item = chosen(number)
        answers = {question.name: question.default for question in item.questions}
        assert item.command(answers)[0] == command
    assert chosen(16) is None
    acting = {"mode", "pause", "resume", "rearm", "down", "stop"}
    for item in ITEMS:
        word = item.command({q.name: q.default for q in item.questions})[0]
        assert (item.way is Way.ACT) == (word in acting)


def test_an_answer_that_is_none_is_told_what_is_allowed():
    """And none can pass for an option."""
    asked = Question("mode", "new mode", "peer", ("peer", "consensus"))
    assert asked.objection("peer") is None
    assert asked.objection("boss") == "new mode: must be one of peer, consensus, found boss"
    assert "must not begin with -" in Question("feed", "recording").objection("--set")


class Terminal:
    """The menu in tmux."""

    def __init__(self, data):
        self._socket = str(data / "tmux")
        self.data = data / "d"
        self._pipe = data / "pipe"
        os.mkfifo(self._pipe)
        self._said = os.open(self._pipe, os.O_RDONLY | os.O_NONBLOCK)
        line = f"{sys.executable} -m agents.cli.main menu --data {self.data}"
        told = ("-x", "80", "-y", "24", "-c", str(data), "-e", f"PYTHONPATH={ROOT}")
        self._tmux("new-session", "-d", *told, line)
        self._tmux("pipe-pane", "-o", f"exec cat > {self._pipe}")
        self.until("number: _")

    def _tmux(self, *words):
        line = ["tmux", "-S", self._socket, "-f", "/dev/null", *words]
        return subprocess.run(line, check=True, capture_output=True, text=True).stdout

    def screen(self):
        """What is shown."""
        return self._tmux("capture-pane", "-p")

    def until(self, pattern):
        """Wait until something is shown; return the screen."""
        ends_s = time.monotonic() + PATIENCE_S
        while not re.search(pattern, self.screen()):
            left_s = ends_s - time.monotonic()
            assert left_s > 0, f"no {pattern} in {self.screen()}"
            if select.select([self._said], [], [], min(left_s, 1.0))[0]:
                os.read(self._said, 1 << 16)
        found = self.screen()
        lines = found.splitlines()
        assert max(map(len, lines)) <= 80
        assert len(lines) <= 24
        return found

    def type(self, *keys):
        """Press keys."""
        for key in keys:
            self._tmux("send-keys", key)

    def answer(self, *answers):
        """Answer the questions of an item, each once its line takes what is typed."""
        for place, answer in enumerate(answers, start=1):
            self.until(f"{place} of {len(answers)}")
            self.type(*answer)
            self.until(rf"│ {answer} ")
            self.type("Enter")

    def choose(self, number, pattern):
        """Choose an item by its number, and wait for what it says."""
        self.type(*str(number))
        self.until(f"number: {number}_")
        self.type("Enter")
        return self.until(pattern)

    def back(self):
        """Go back to the menu."""
        self.type("Escape")
        self.until("number: _")

    def close(self):
        """End tmux."""
        self._tmux("kill-server")
        os.close(self._said)


@pytest.fixture
def terminal(tmp_path):
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed (apt-get install tmux)")
    save(tmp_path / "day.npz", synthetic_recording(seed=1, hours=24.0))
    found = Terminal(tmp_path)
    yield found
    found.close()
    line = [sys.executable, "-m", "agents.cli.main", "down", "--data", str(found.data)]
    subprocess.run(line, cwd=ROOT, check=False, capture_output=True)


@pytest.mark.slow
def test_every_number_does_what_it_says(terminal):
    """A stack started, watched, switched, paused, stopped, rearmed and ended, by numbers alone."""
    terminal.choose(1, "how many optimizers")
    terminal.answer("day.npz", "master-slave", "1", "yes")
    terminal.until(r"running; it goes on")
    terminal.until(r"\d%")
    terminal.back()
    assert "master-slave" in terminal.choose(2, r"(?s)mode .*executor-1  trading")
    terminal.back()
    for number, said in ((4, "done"), (9, "done"), (10, "done"), (11, "done"), (12, "done")):
        terminal.choose(number, said)
        terminal.back()
    terminal.choose(5, "new mode")
    terminal.answer("peer")
    terminal.until("done")
    terminal.back()
    assert status(terminal)["mode"] == "peer"
    terminal.choose(6, "done")
    terminal.back()
    assert executor(terminal)["paused"]
    terminal.choose(7, "done")
    terminal.back()
    assert not executor(terminal)["paused"]
    terminal.choose(15, "close the position too")
    terminal.answer("no", "yes")
    terminal.until("done")
    assert executor(terminal)["open_orders"] == 0
    terminal.back()
    terminal.choose(8, "Lift every stop")
    terminal.answer("no")
    terminal.until("number: _")
    assert executor(terminal)["stopped"]
    terminal.choose(8, "Lift every stop")
    terminal.answer("yes")
    terminal.until("done")
    terminal.back()
    assert not executor(terminal)["stopped"]
    terminal.choose(14, "end")
    terminal.answer("yes")
    terminal.until("done")
    terminal.back()
    terminal.choose(3, "recording")
    terminal.answer("day.npz")
    terminal.until("done")
    terminal.back()
    terminal.choose(13, "done")
    terminal.back()
    terminal.choose(77, "77 is no item")
    terminal.type("!")
    terminal.until("Cancel everything now")
    terminal.back()


def status(terminal):
    """What `status` says of the run."""
    line = [sys.executable, "-m", "agents.cli.main", "status", "--json"]
    line += ["--data", str(terminal.data)]
    told = subprocess.run(line, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return json.loads(told)


def executor(terminal):
    """What it says of the executor."""
    (found,) = status(terminal)["executors"]
    return found
