"""`counterpoint train` as a person types it: what it writes is what the executor trades with."""

import json

import pytest

from agents.settings import Settings
from agents.sizing import policy_of
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from market.policy import POLICY_LEARNED, POLICY_RESIDUAL
from tests.agents.command_line import told

PLAN = ("--set", "executor.policy=plan", "--set", "executor.warmup_s=60")


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """A folder with two hours of a market."""
    folder = tmp_path_factory.mktemp("day")
    save(folder / "day.npz", synthetic_recording(seed=3, hours=2.0))
    return folder


def test_what_was_learned_is_written_and_traded_with(day):
    """The JSON tells how it went; the checkpoint fits the policy it was trained on, no other."""
    out = day / "learned.npz"
    words = ("--feed", day / "day.npz", *PLAN, "--budget", "400000", "--out", out, "--json")
    code, text = told(day, "train", *words)
    assert code == 0, text
    found = json.loads(text.splitlines()[-1])
    assert found["history"][-1]["steps"] <= 400_000
    assert found["better"] == (found["held_out"]["lower"] > 0.0)
    executor = {"policy": "plan", "checkpoint": out}
    row = policy_of(Settings.model_validate({"executor": executor}))
    assert row[POLICY_LEARNED] == 1.0
    assert row[POLICY_RESIDUAL:].any()
    code, text = told(
        day, "backtest", "--feed", day / "day.npz", "--set", f"executor.checkpoint={out}"
    )
    assert code == 4
    assert "policy must be 'closed_form', found 'plan'" in text


def test_what_cannot_be_done_is_refused(day):
    """A budget of nothing, a file of another kind."""
    feed = ("--feed", day / "day.npz")
    code, text = told(day, "train", *feed, "--budget", "0")
    assert (code, text.strip()) == (2, "--budget must be >= 1 guard steps, found 0")
    code, text = told(day, "train", *feed, "--out", day / "learned.txt")
    assert code == 2
    assert "--out must end in .npz" in text
