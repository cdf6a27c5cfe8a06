"""A start that is refused ends, or waits where it would only be started again."""

import os
import signal
import subprocess
import sys

import pytest

from protocol.refused import HOLD, held

LIVE = {"COUNTERPOINT__VENUE__KIND": "binance", "COUNTERPOINT__VENUE__URL": "live"}
"""Real money that nobody has confirmed."""
TOLD = LIVE | {"COUNTERPOINT__VENUE__SYMBOL": "BTC-USDT"}
WRONG = {"COUNTERPOINT__VENUE__SYMBOL": "?"}


@pytest.mark.parametrize("code", [0, 1, 2, 5])
def test_whatever_may_pass_by_itself_ends(code):
    """An exchange that cannot be reached now may be there at the next start."""
    assert held(code, {HOLD: "1"}) == code


def test_nobody_waits_who_was_not_told_to():
    """On a machine of its own a refused start is an exit code."""
    assert held(4, {}) == 4


@pytest.mark.parametrize(
    ("words", "told", "line"),
    [
        (("agents.executor", "--run"), TOLD, "venue.confirm_live must be BTC-USDT"),
        (("agents.cli.main", "guardian", "--run"), WRONG, "venue.symbol must be like"),
        (("exchange.simulated", "--synthetic", "--feed"), {}, "give either --feed DAY"),
    ],
)
def test_a_refused_start_says_its_line_once_and_waits_to_be_ended(tmp_path, words, told, line):
    """It does not end by itself; SIGTERM ends it with the code of what was refused."""
    process = subprocess.Popen(
        [sys.executable, "-m", *words, str(tmp_path / "run")],
        env={**os.environ, **told, HOLD: "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = ""
    while "start it anew" not in said:
        more = process.stderr.readline()
        assert more, f"it ended: {said}"
        said += more
    assert said.count(line) == 1
    assert "Traceback" not in said
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 4
