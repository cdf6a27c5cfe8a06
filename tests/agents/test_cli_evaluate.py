import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from agents.cli import evaluate as evaluating
from agents.cli.evaluate_page import page
from agents.cli.evaluate_table import text
from agents.evaluation import plan as planned
from agents.settings import Settings
from exchange.importers.synthetic import climate_recording, synthetic_recording
from exchange.recording import save
from protocol.settings import load_settings
from tests.agents.command_line import told

SHORT = {"train_hours": 1.1, "sets": 8, "slices": 4, "draws": 200, "period_s": 120,
         "oracle_hours": 1.0, "oracle_sets": 8, "residual_steps": 100_000}  # fmt: skip


@pytest.fixture(scope="module")
def data():
    """A folder with three hours of changing climates."""
    with tempfile.TemporaryDirectory(prefix="cp") as folder:
        save(Path(folder) / "day.npz", climate_recording("climates-value", 4, 3.0))
        yield Path(folder)


@pytest.fixture
def short(monkeypatch):
    """The plan with shorter everything."""
    found = planned.the_plan().model_copy(update=SHORT)
    monkeypatch.setattr(planned, "the_plan", lambda: found)
    return found


def ran(data, *arguments):
    given = ("--feed", data / "day.npz", "--data", data, "--set", "executor.warmup_s=120")
    return told(data, "evaluate", *given, *arguments)


def test_the_command_tells_the_same_again_and_only_computes_what_is_missing(data, short):
    """JSON to the last byte; a file for each fee and the oracle; text and page from it."""
    asked = ("--arms", "N,S1,L,O,D,P1,P2", "--fees", "2", "--json")
    code, first = ran(data, *asked)
    assert code == 0, first
    document = json.loads(first[first.index("{") :])
    assert [tier["fee_bps"] for tier in document["tiers"]] == [2.0]
    assert list(document["tiers"][0]["arms"]) == ["N", "S1", "L", "O", "D", "P1", "P2"]
    assert len(list((data / evaluating.FOLDER).glob("*bps-*.json"))) == 1
    assert len(list((data / evaluating.FOLDER).glob("oracle-*.json"))) == 1
    files = {each: each.stat().st_mtime_ns for each in (data / evaluating.FOLDER).iterdir()}
    code, again = ran(data, *asked)
    assert again[again.index("{") :] == first[first.index("{") :]
    assert files == {each: each.stat().st_mtime_ns for each in (data / evaluating.FOLDER).iterdir()}
    shown = text(document)
    assert "P1 against P2" in shown
    assert "of 2 pairs that cannot be better, 0 were called so" in shown
    assert "cannot tell" in shown
    (quarters,) = (each for each in shown.splitlines() if each.startswith("net by quarter"))
    assert quarters.split()[-4:] == ["first", "second", "third", "last"]
    assert "maker fee 2 bps" in shown
    assert all(len(line) <= 160 for line in shown.splitlines())
    drawn = page(document)
    assert drawn.count("<svg") == 1
    assert drawn.count("net by quarter of the test") == 1
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (("--arms", "S1,Y"), "no arm is called 'Y'; there are N, S0"),
        (("--arms", ","), "no arm is named"),
        (("--fees", "0,much"), "--fees takes numbers"),
        (("--fees", "1000"), "each in [-100, 100]"),
        (("--days", "3"), "--days must be in [1, 1]"),
        (("--html", "board.txt"), "must end in .html"),
    ],
)
def test_what_cannot_be_done_is_one_line(data, short, flags, line):
    """Found, and what is allowed."""
    code, said = ran(data, *flags)
    assert code == 2
    assert line in said


def test_the_settings_of_the_learned_arm_are_flags_that_a_run_understands(data, short):
    """What L trades by is said in a line, and reads back as the same settings."""
    code, said = ran(data, "--arms", "L", "--fees", "0", "--json")
    assert code == 0, said
    document = json.loads(said[said.index("{") :])
    shown = text(document)
    given = [word for word in shown.split("to trade as L does, ")[1].split() if "=" in word]
    loaded = load_settings(Settings, flags=dict(each.split("=") for each in given)).settings
    told = document["tiers"][0]["settings"]
    (path,) = (data / evaluating.FOLDER).glob("*-0bps-*.json")
    carried = json.loads(path.read_text())["carried"]
    assert told["risk.value_at_risk_limit"] == carried["budget"]
    assert told["executor.volatility_reference"] == carried["reference"]
    assert loaded.executor.volatility_reference == pytest.approx(
        told["executor.volatility_reference"], rel=1e-3
    )
    assert loaded.risk.value_at_risk_limit == pytest.approx(
        told["risk.value_at_risk_limit"], rel=1e-3
    )
    assert loaded.run.optimizers == 0
    assert page(document).count("to trade as L does") == 1
    assert loaded.executor.policy.value == told["executor.policy"]
    assert loaded.parameters.levels == told["parameters.levels"]


def test_what_is_not_one_market_is_refused(data, short):
    """A recording given twice would be judged on what it taught; two currencies are no sum."""
    code, said = ran(data, "--feed", data / "day.npz", "--arms", "N")
    assert code == 2
    assert "is given twice" in said
    other = synthetic_recording(seed=2, hours=1.0)
    meta = other.meta.model_copy(update={"symbol": "FOO-BTC"})
    save(data / "other.npz", replace(other, meta=meta))
    code, said = ran(data, "--feed", data / "other.npz", "--arms", "N")
    assert code == 2
    assert "is FOO-BTC on synthetic; one market at a time" in said


def test_the_oracle_does_not_vanish_without_a_word(data, short):
    """On an ordinary day it cannot be; alone it is refused."""
    save(data / "plain.npz", synthetic_recording(seed=2, hours=3.0))
    asked = ("evaluate", "--feed", data / "plain.npz", "--data", data, "--fees", "0")
    code, said = told(data, *asked, "--arms", "N,O")
    assert code == 0, said
    assert "O is left out: it needs days made by climates-value" in said
    code, said = told(data, *asked, "--arms", "O")
    assert code == 2
    assert "O alone is not to be had" in said


@pytest.mark.parametrize("where", ["day.npz", "evaluation-taken"])
def test_a_folder_that_cannot_be_written_is_told_before_anything_is_played(data, short, where):
    """One line with the folder and the reason."""
    taken = data / "evaluation-taken"
    taken.mkdir(exist_ok=True)
    (taken / evaluating.FOLDER).touch()
    code, said = told(data / where, "evaluate", "--feed", data / "day.npz", "--arms", "N")
    assert code == 4
    assert "give --data a folder that can be written" in said
    assert str(data / where) in said


def test_a_configured_venue_does_not_disturb(data, short):
    """Whoever trades at one may evaluate recordings all the same."""
    venue = {"kind": "binance", "url": "http://127.0.0.1:9", "symbol": "SYN-USDT"}
    changes = [part for each in venue.items() for part in ("--set", "venue.{}={}".format(*each))]
    code, said = ran(data, "--arms", "N,S0", "--fees", "0", *changes)
    assert code == 0, said
