"""`counterpoint promote` and `incident`, of a run as its files have it."""

import contextlib
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from agents.cli.incident import Trouble, next_command
from agents.cli.main import app
from tests.agents.command_line import RUNNER, short_day

LOW = {"simulate_days": 0.01, "round_trips": 1, "net": -1e6}
"""Gates that half an hour of a market can pass."""


def run(*arguments):
    return RUNNER.invoke(app, [str(each) for each in arguments])


def gated(**change):
    """Return the options of gates, low ones but for a change."""
    asked = {**LOW, **change}
    return [word for key, value in asked.items() for word in ("--set", f"ladder.{key}={value}")]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data folder with one run of half an hour."""
    folder = tmp_path_factory.mktemp("ladder")
    told = ("--set", "executor.warmup_s=60", "--set", "parameters.spread_percentage=0.02")
    lived = run("executor", "--feed", short_day(folder), "--data", folder / "data", *told)
    assert lived.exit_code == 0, lived.output
    return folder / "data"


def test_a_run_that_meets_its_gates_is_promoted_once(data):
    """`--check` keeps nothing; afterwards the market stands higher than the run, which says so."""
    checked = run("promote", "--data", data, "--check", *gated())
    assert checked.exit_code == 0, checked.output
    assert "simulate -> paper" in checked.stdout
    assert not (data / "ladder.jsonl").exists()
    promoted = run("promote", "--data", data, "--json", *gated())
    assert json.loads(promoted.stdout)["promoted"] is True
    (line,) = (data / "ladder.jsonl").read_text().splitlines()
    assert (json.loads(line)["market"], json.loads(line)["rung"]) == ("SYNUSDT", "paper")
    again = run("promote", "--data", data, *gated())
    assert "stands on the rung paper already" in str(again.exception)
    (data / "ladder.jsonl").unlink()


@contextlib.contextmanager
def firing(name):
    """Serve what a Prometheus says while one alert fires."""
    said = {"data": {"alerts": [{"state": "firing", "labels": {"alertname": name}}]}}

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

        def log_message(self, *_):
            """Stay quiet."""

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"simulate_days": 1}, "days traded 0.0"),
        ({"round_trips": 10**6}, "round trips "),
        ({"net": 1e6}, "net of holding "),
    ],
    ids=["days", "round trips", "net"],
)
def test_a_run_that_misses_a_gate_is_refused_with_the_figure(data, change, words):
    """Exit code 1, the figure and what is needed, and nothing is kept."""
    refused = run("promote", "--data", data, *gated(**change))
    assert refused.exit_code == 1
    (line,) = (each for each in refused.stdout.splitlines() if each.startswith("refused: "))
    assert line.startswith(f"refused: {words}")
    assert f"needed >= {next(iter(change.values())):g}" in line.replace("1000000", "1e+06")
    assert ";" not in line
    assert not (data / "ladder.jsonl").exists()


def test_an_open_alert_refuses_a_run_and_a_silent_watch_too(data):
    """What fires in Prometheus counts; one that does not answer cannot say that nothing does."""
    with firing("feed_stale") as address:
        refused = run("promote", "--data", data, *gated(prometheus=address))
    assert refused.exit_code == 1
    assert "refused: open alerts feed_stale, needed none" in refused.stdout
    silent = run("promote", "--data", data, *gated(prometheus=address))
    assert "must be a Prometheus that answers" in str(silent.exception)


def test_an_incident_is_one_screen_with_the_next_command(data):
    """Position, orders, limits and what to type, of a run whose processes are all gone."""
    shown = run("incident", "--data", data)
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 108
    text = shown.stdout
    for word in ("lives", "risk", "position", "limits", "open orders", "decisions", "next"):
        assert f"\n{word}" in text, word
    told = json.loads(run("incident", "--data", data, "--json").stdout)
    assert told["symbol"] == "SYN-USDT"
    assert told["next"].startswith("counterpoint ")
    assert len(told["orders"]) == told["open_orders"]


ALL = ("coordinator", "executor-1", "guardian", "supervisor")
WELL = Trouble(ALL, ended=False, stops=(), risk="active", open_orders=4, at_venue=True, old_s=1.0)


@pytest.mark.parametrize(
    ("change", "command"),
    [
        ({}, "counterpoint status"),
        ({"risk": "reducing"}, "counterpoint risk status"),
        ({"alive": ALL[:3]}, "counterpoint down"),
        ({"old_s": 60.0}, "counterpoint stop"),
        ({"alive": ()}, "counterpoint guardian"),
        ({"alive": ("guardian",)}, "tail -3 guardian.log"),
        ({"alive": (), "open_orders": 0}, "counterpoint doctor"),
        ({"alive": (), "ended": True}, "counterpoint report"),
        ({"risk": "halted", "old_s": 60.0}, "counterpoint risk status"),
        ({"stops": ("5" * 32,), "risk": "halted"}, "counterpoint rearm"),
        ({"stops": ("5" * 32,), "alive": ()}, "counterpoint guardian"),
        ({"alive": None}, "counterpoint status"),
        ({"alive": None, "old_s": 60.0}, "docker-compose ps"),
        ({"alive": None, "old_s": 60.0, "ended": True}, "counterpoint report"),
        ({"alive": None, "stops": ("5" * 32,)}, "counterpoint rearm"),
    ],
)
def test_the_next_command_follows_from_the_worst_trouble(change, command):
    """Orders that rest unguarded come before a stop, a stop before a limit."""
    import dataclasses

    assert next_command(dataclasses.replace(WELL, **change))[0] == command
