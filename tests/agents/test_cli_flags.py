"""Settings for commands that must work, however wrong the configuration is."""

from pathlib import Path

import pytest

from agents.cli.flags import resolve_at_any_rate
from tests.agents.command_line import told


@pytest.mark.parametrize(
    ("text", "environment", "data"),
    [
        ("[optimizer", {}, Path("counterpoint-data")),
        ('data = "elsewhere"\n[executor]\ncycle_s = "often"', {}, Path("elsewhere")),
        ("", {"COUNTERPOINT__FOO__BAR": "1", "COUNTERPOINT__DATA": "there"}, Path("there")),
        ('data = 7\n[bus]\nport = "x"', {}, Path("counterpoint-data")),
    ],
    ids=["no TOML", "a wrong setting", "an unknown variable", "the folder itself is wrong"],
)
def test_what_is_wrong_is_said_and_left_out(tmp_path, monkeypatch, capsys, text, environment, data):
    """The data folder is believed as far as it can be read."""
    file = tmp_path / "counterpoint.toml"
    file.write_text(text)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert resolve_at_any_rate(file, None).settings.data == data
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].endswith("; going on without the configuration")


def test_the_folder_of_the_command_line_goes_first(tmp_path):
    """As with a sound configuration."""
    file = tmp_path / "counterpoint.toml"
    file.write_text('data = "elsewhere"\nunknown = 1')
    assert resolve_at_any_rate(file, tmp_path).settings.data == tmp_path


def test_a_stop_does_not_fail_over_the_configuration(tmp_path):
    """It goes on to look for what runs; here nothing does."""
    file = tmp_path / "counterpoint.toml"
    file.write_text("[optimizer")
    code, text = told(tmp_path, "stop", "--config", str(file))
    assert code == 3
    assert "nothing runs under" in text


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        ("run --speed 10", "--speed 10 needs --clock real, found clock lockstep"),
        ("executor --speed 10", "--speed 10 needs --set run.clock=real, found clock lockstep"),
        (
            "run --venue paper --symbol BTC-USDT --speed 60",
            "--speed 60 needs --pace feed, found pace wall",
        ),
    ],
)
def test_a_speed_that_nothing_would_keep_is_refused(tmp_path, words, needed):
    """It would be ignored in silence otherwise."""
    code, text = told(tmp_path, *words.split())
    assert code == 2
    assert needed in text
    assert not list(tmp_path.iterdir())


def test_looking_makes_no_folder(tmp_path):
    """`status` of a folder that is not there leaves it so."""
    assert told(tmp_path / "none", "status")[0] == 3
    assert not (tmp_path / "none").exists()
