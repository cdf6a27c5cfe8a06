"""The page about backtests is true: its commands run, its tables are what is printed."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from agents.backtest.fills import COLUMNS
from agents.backtest.sweep import FIGURES
from agents.cli.backtest_table import TITLES
from tests.agents.command_line import RUNNER, app, short_day

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "backtest.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    counterpoint (backtest.*)$", PAGE, re.MULTILINE)
BLOCKS = re.findall(r"    counterpoint (backtest[^\n]*)\n\n```\n(.*?)\n```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a recording called as the page calls it."""
    made = tmp_path_factory.mktemp("page")
    short_day(made).rename(made / "day.npz")
    return made


@pytest.mark.parametrize("command", [each for each in COMMANDS if "day.npz" in each])
def test_every_command_on_the_page_runs(folder, monkeypatch, command):
    """Typed as it stands, in a folder with a recording of that name."""
    monkeypatch.chdir(folder)
    result = RUNNER.invoke(app, shlex.split(command))
    assert result.exit_code == 0, (result.output, result.exception)
    assert "reproduce   counterpoint backtest --feed day.npz" in result.output


def test_the_page_shows_the_lines_that_are_printed(folder, monkeypatch):
    """Every title of both tables, in order; figures are checked by the slow test."""
    monkeypatch.chdir(folder)
    assert len(BLOCKS) == 2
    for command, block in BLOCKS:
        printed = RUNNER.invoke(app, [*shlex.split(command), "--feed", "day.npz"]).output
        titles = [re.split(r" {2,}", line.strip())[0] for line in block.splitlines()]
        said = printed[printed.index("SYN-USDT") :].splitlines()
        found = [re.split(r" {2,}", line.strip())[0] for line in said]
        words = [title for title in titles if title and not re.match(r"[\d*]|.*\d", title)]
        assert [title for title in found if title in words] == words


def test_the_page_names_every_column_and_figure():
    """A column nobody explains is a guess at night."""
    text = PAGE.replace("`", "")
    for name in (*COLUMNS, *FIGURES):
        assert name in text, name
    explained = text.partition("| column |")[2]
    for title in TITLES[1:]:
        assert title in explained, title


@pytest.mark.slow
@pytest.mark.parametrize(("command", "block"), BLOCKS)
def test_the_figures_on_the_page_are_those_of_the_bundled_day(tmp_path, command, block):
    """Run it again and paste it when the engine has changed: a page must not be older than it."""
    done = subprocess.run(
        [sys.executable, "-m", "agents.cli.main", *shlex.split(command)],
        cwd=tmp_path, capture_output=True, text=True, check=True, timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout.strip("\n") == block
