"""`counterpoint risk status` and `risk stress`: of a replay, and of a run as its journal has it."""

import json

from agents.cli.main import app
from tests.agents.command_line import RUNNER, short_day

TOLD = ("--set", "executor.warmup_s=60")


def run(*arguments):
    return RUNNER.invoke(app, [str(each) for each in arguments])


def refused(*arguments):
    """Return (line, exit code) of a refusal."""
    result = run(*arguments)
    line = str(result.exception)
    assert "\n" not in line
    return line, result.exception.exit_code


def test_stress_of_a_replay_tells_loss_margin_and_time_for_each_scenario(tmp_path):
    """JSON holds every scenario; the table names where a historical one comes from."""
    path = short_day(tmp_path)
    result = run("risk", "stress", "--feed", path, *TOLD, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    names = [each["name"] for each in told["outcomes"]]
    assert "gap -20%" in names
    assert "fall of 2018 within a day" in names
    assert all({"loss", "margin", "seconds"} <= set(each) for each in told["outcomes"])
    text = run("risk", "stress", "--feed", path, *TOLD).stdout
    assert "XLM, Bittrex" in text


def test_status_of_a_replay_tells_each_limit_with_figure_bound_and_what_is_left(tmp_path):
    """With a position limit a tenth as large, ten times as much of it is used."""
    path = short_day(tmp_path)
    result = run("risk", "status", "--feed", path, *TOLD, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["state"] in {"ACTIVE", "REDUCING", "HALTED"}
    rows = {row["limit"]: row for row in told["limits"]}
    assert {"daily_loss_limit", "max_position_size", "stressed_loss_limit"} <= set(rows)
    held = rows["max_position_size"]
    assert 0.0 < held["figure"] <= held["bound"] == 0.01
    assert held["left"] == 1.0 - held["figure"] / held["bound"]
    assert rows["stressed_loss_limit"]["figure"] == 0.2 * held["figure"]
    off = run("risk", "status", "--feed", path, *TOLD, "--set", "risk.stressed_loss_limit=0")
    assert "off" in off.stdout
    assert "worst scenario" in off.stdout


def test_a_run_is_read_from_its_journal_and_what_makes_no_sense_is_one_line(tmp_path):
    """The executor's own run, which a loss halted and closed; --set does not go with it."""
    path = short_day(tmp_path)
    data = tmp_path / "data"
    closing = (*TOLD, "--set", "risk.daily_loss_limit=1e-6", "--set", "risk.loss_closes=true")
    lived = run("executor", "--feed", path, "--data", data, *closing)
    assert lived.exit_code == 0, lived.output
    result = run("risk", "status", "--data", data, "--json")
    assert result.exit_code == 0, result.output
    of_run = json.loads(result.stdout)
    replayed = json.loads(run("risk", "status", "--feed", path, *closing, "--json").stdout)
    assert of_run["state"] == "HALTED"
    assert of_run["reason"] == "daily loss"
    assert of_run["position_lots"] == of_run["open_orders"] == 0
    for name in ("state", "position_lots", "open_orders", "equity", "limits", "value_at_risk"):
        assert of_run[name] == replayed[name], name
    assert "--run or --feed" in refused("risk", "stress", "--feed", path, "--run", data)[0]
    assert "--set goes with --feed" in refused("risk", "status", "--data", data, *TOLD)[0]
    assert refused("risk", "status", "--data", tmp_path / "none")[1] == 3
