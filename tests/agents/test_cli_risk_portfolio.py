"""`counterpoint risk` over several executors on one capital."""

import json

import pytest
from typer.testing import CliRunner

from agents.cli import risk_portfolio
from agents.cli.exits import CommandError
from agents.cli.main import app
from agents.executor.peers import Told, new_peers
from agents.settings import Settings
from exchange.importers.synthetic import called, synthetic_recording
from exchange.recording import save

RUNNER = CliRunner()


def run(*arguments):
    """Run a command in this process."""
    return RUNNER.invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """One market under two names."""
    folder = tmp_path_factory.mktemp("pair")
    paths = []
    for symbol in ("AAA-USDT", "BBB-USDT"):
        paths.append(folder / f"{symbol}.npz")
        save(paths[-1], called(synthetic_recording(seed=3, hours=0.4), symbol))
    return paths


def test_limits_of_all_together_cannot_bind_with_one_symbol_and_say_so(pair):
    """And with two they can, unless all positions together are worth less than the limit."""
    alone = json.loads(run("risk", "limits", "--feed", pair[0], "--json").stdout)
    joint = [row for row in alone["rows"] if row["section"] == "portfolio"]
    assert len(joint) == 3
    assert all("one symbol" in row["idle"] for row in joint)
    both = run("risk", "limits", "--feed", pair[0], "--feed", pair[1], "--json")
    found = json.loads(both.stdout)
    assert [each["capital"] for each in found["reports"]] == [50_000.0, 50_000.0]
    rows = {row["name"]: row["idle"] for row in found["reports"][1]["rows"][-3:]}
    assert rows["correlation_pair_limit"] == rows["correlation_portfolio_limit"] == ""
    assert "worth at most 0.01 of the capital" in rows["joint_value_limit"]
    assert found["pairs"][0]["correlation"] == pytest.approx(1.0)
    text = run("risk", "limits", "--feed", pair[0], "--feed", pair[1]).stdout
    assert "AAA-USDT and BBB-USDT: correlation +1.00: count together" in text


def test_how_executors_on_one_capital_stand_is_told(pair):
    """By hand: 300 of 750 held by the other leaves 450, half of which may be gone."""
    settings = Settings.model_validate({"bus": {"peers": "executor-2=/nowhere"}})
    peers = new_peers(settings, lockstep=True)
    peers.fold("executor-2", [60 * 10**9, 100.0, 3.0, 0.0, 0.0, 500.0, 50_000.0])
    peers.prices = [(100.0 + number % 7, 50.0 + 0.5 * (number % 7)) for number in range(60)]
    own = Told(60 * 10**9, 100.0, 0.0, 0.0, 0.0, 500.0, 50_000.0)
    told = risk_portfolio.standing_of(peers, own, "executor-1")
    assert told.room == pytest.approx(225.0)
    assert told.binding in {"pair", "portfolio"}
    assert told.correlation[0][1] == pytest.approx(1.0)
    assert told.value_at_risk > 0.0
    text = risk_portfolio.as_text(told)
    assert "executor-1 may carry 225.00" in text
    peers.note_silence(0)
    peers.fold("executor-2", None)
    peers.note_silence(0)
    quiet = risk_portfolio.standing_of(peers, own, "executor-1")
    assert quiet.members[1].silent
    assert quiet.room == pytest.approx(125.0)


def test_a_run_without_others_has_no_portfolio(tmp_path):
    """One line, and what to do."""
    (tmp_path / "config.json").write_text(Settings().model_dump_json())
    with pytest.raises(CommandError, match="capital for itself"):
        risk_portfolio.standing(tmp_path)
    with pytest.raises(CommandError, match="holds no run"):
        risk_portfolio.standing(tmp_path / "none")
