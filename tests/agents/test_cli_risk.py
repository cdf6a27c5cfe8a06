import json

import numpy as np
import pytest
from typer.testing import CliRunner

from agents.cli.flags import resolve
from agents.cli.main import app
from agents.risk_settings import Risk
from exchange.importers.bars import Bars, BarsMeta, save_bars
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from protocol.errors import SettingsError
from tests.agents.command_line import short_day
from tests.exchange.test_bars_import import bar, bittrex

RUNNER = CliRunner()
HOUR_NS = 3600 * 10**9
NO_LIMITS = {
    "profile", "loss_return", "drawdown_rest_s", "cooldown_s", "order_burst_max",
    "value_at_risk_s", "liquidation_s", "stressed_move", "loss_closes",
}  # fmt: skip
"""Settings that say how a limit is meant."""


def run(*arguments):
    return RUNNER.invoke(app, [str(argument) for argument in arguments])


def refused(*arguments):
    result = run(*arguments)
    line = str(result.exception)
    assert "\n" not in line
    return line, result.exception.exit_code


def walked(path, symbol, seed, *, hours=700):
    """Bars of a random walk with heavy tails."""
    steps = 0.01 * np.random.default_rng(seed).standard_t(4, hours)
    closes = 100.0 * np.exp(np.cumsum(steps))
    figures = np.column_stack([closes, closes, closes, closes, np.ones(hours)])
    meta = BarsMeta(venue="test", symbol=symbol, period_ns=HOUR_NS)
    save_bars(path, Bars(meta, np.arange(hours) * HOUR_NS, figures))
    return path


def test_a_portfolio_is_estimated_by_three_methods_at_two_levels_on_both_sides(tmp_path):
    """Every line says its method, level, bound, shortfall and how it did before."""
    one = walked(tmp_path / "a.npz", "AAA-USD", 1)
    two = walked(tmp_path / "b.npz", "BBB-USD", 2)
    result = run("risk", "var", one, two, "--exposure", 1000, "--exposure", -500, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["symbols"] == ["AAA-USD", "BBB-USD"]
    assert told["exposures"] == [1000.0, -500.0]
    assert (told["horizon_s"], told["steps"], told["rows"]) == (3600.0, 1, 699)
    assert len(told["estimates"]) == 12
    for each in told["estimates"]:
        assert 0.0 < each["value_at_risk"] <= each["expected_shortfall"]
        assert each["coverage"]["observations"] == 199
    assert {each["method"] for each in told["estimates"] if each["default"]} == {"filtered"}


def test_the_table_names_the_default_and_a_long_horizon_its_steps(tmp_path):
    """A day from a month of hours is cut into rows, and nobody claims to have judged it."""
    path = walked(tmp_path / "a.npz", "AAA-USD", 1)
    result = run("risk", "var", path, "--horizon", "1d")
    assert result.exit_code == 0, result.output
    assert "horizon 1 d, 24 steps of 1 h" in result.stdout
    assert "filtered  *" in result.stdout
    assert result.stdout.count("not judged") == 12
    assert run("risk", "var", path, "--horizon", "1d").stdout == result.stdout


def test_a_limit_of_money_says_how_much_may_be_held(tmp_path):
    """The bound grows with the exposure, so the answer put back in gives the limit."""
    path = walked(tmp_path / "a.npz", "AAA-USD", 1, hours=550)
    told = json.loads(run("risk", "var", path, "--exposure", 10, "--limit", 5, "--json").stdout)
    for each in told["estimates"]:
        assert each["gross_within_limit"] * each["value_at_risk"] == pytest.approx(50.0)
    most = told["estimates"][-1]["gross_within_limit"]
    again = json.loads(run("risk", "var", path, "--exposure", most, "--json").stdout)
    assert again["estimates"][-1]["value_at_risk"] == pytest.approx(5.0)
    assert again["estimates"][-1]["gross_within_limit"] is None
    assert "gross within 5" in run("risk", "var", path, "--limit", 5).stdout
    assert "--limit must be above 0" in refused("risk", "var", path, "--limit", "0")[0]


def test_a_recording_is_read_by_its_cycle(tmp_path):
    """Mids every thirty seconds; two hours of them are enough for a bound."""
    save(tmp_path / "day.npz", synthetic_recording(seed=1, hours=2.0))
    told = json.loads(run("risk", "var", tmp_path / "day.npz", "--json").stdout)
    assert told["horizon_s"] == 30.0
    assert told["estimates"][0]["coverage"] is None


def test_raw_bars_are_imported_and_become_a_file_of_bars(tmp_path):
    """`feed import` of bars needs no word more than that of a recording."""
    raw = bittrex(tmp_path, [bar(minute, 1.1) for minute in range(0, 60, 5)])
    result = run("feed", "import", raw, "--out", tmp_path / "eth.npz")
    assert result.exit_code == 0, result.output
    assert "12 bars of 300 s, 0 absent" in result.stdout
    told = json.loads(run("feed", "import", raw, "--out", tmp_path / "e.npz", "--json").stdout)
    assert (told["symbol"], told["bars"], told["doubles"]) == ("ETH-BTC", 12, 0)
    line, code = refused("risk", "var", tmp_path / "eth.npz")
    assert "at least 100 past returns" in line
    assert code == 4


@pytest.mark.parametrize("horizon", ["2d", "0s", "soon", "90"])
def test_a_horizon_out_of_range_is_refused(tmp_path, horizon):
    """One line that says what is allowed."""
    line, code = refused("risk", "var", tmp_path / "a.npz", "--horizon", horizon)
    assert "30s, 5m, 1h, 1d" in line
    assert code == 2


def test_a_horizon_between_bars_other_quotes_and_missing_exposures_are_refused(tmp_path):
    """What cannot be added up is not added up."""
    one = walked(tmp_path / "a.npz", "AAA-USD", 1)
    two = walked(tmp_path / "b.npz", "BBB-EUR", 2)
    assert "multiple of 3600 s" in refused("risk", "var", one, "--horizon", "30s")[0]
    assert "one quote asset, found EUR, USD" in refused("risk", "var", one, two)[0]
    assert "one --exposure for each of the 2" in refused(
        "risk", "var", one, one, "--exposure", "5"
    )[0]  # fmt: skip
    assert refused("risk", "var", tmp_path / "absent.npz")[1] in {1, 4}


def test_limits_are_told_with_what_they_do_and_whether_they_can_bind(tmp_path):
    """With 1 % of the capital in a position no day of 5 % can come; the profiles fit together."""
    path = short_day(tmp_path)
    result = run("risk", "limits", "--feed", path, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    rows = {row["name"]: row for row in told["rows"] if row["section"] == "risk"}
    assert set(rows) == {*Risk.model_fields} - NO_LIMITS
    assert "one move cannot reach it" in rows["daily_loss_limit"]["idle"]
    assert rows["stop_loss_threshold"]["idle"] == ""
    assert rows["peak_drawdown_limit"]["then"] == "HALTED; an operator ends it"
    assert told["caps"]["position"] == pytest.approx(1_000, rel=0.02)
    long, short = told["closing"]
    assert long["worth"] == short["worth"] == pytest.approx(min(told["caps"].values()), rel=1e-6)
    assert 0.0 < long["share"] < 0.02
    assert 0 < long["book_lots"] <= long["lots"] == -short["lots"]
    result = run("risk", "limits", "--feed", path, "--set", "risk.profile=conservative", "--json")
    told = json.loads(result.stdout)
    assert told["profile"] == "conservative"
    idle = {row["name"] for row in told["rows"] if row["idle"] and row["section"] == "risk"}
    assert idle <= {"participation_limit", "flatten_cost_limit"}
    text = run("risk", "limits", "--feed", path).stdout
    assert "cannot bind: it is off" not in text
    assert "REDUCING  permits" in text
    assert "short: at once for" in text


def test_a_profile_yields_to_what_is_set_by_itself():
    """And an unknown one is refused by name."""
    told = resolve(None, ["risk.profile=research", "risk.stop_loss_threshold=0.03"], {}).settings
    assert told.risk.max_position_size == 0.5
    assert told.risk.stop_loss_threshold == 0.03
    assert told.risk.order_share == 0.5
    assert resolve(None, None, {}).settings.risk.order_share == 0.02
    again = type(told).model_validate_json(told.model_dump_json())
    assert again == told
    with pytest.raises(SettingsError, match=r"risk\.profile"):
        resolve(None, ["risk.profile=brave"], {})
