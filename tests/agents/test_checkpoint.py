"""A checkpoint: what is written is read, and what does not fit is refused in one line."""

import json

import numpy as np
import pytest

from agents.checkpoint import CheckpointError, read_checkpoint, write_checkpoint
from agents.settings import Policy, Settings
from agents.sizing import policy_of
from market.policy import POLICY_LEARNED, POLICY_RESIDUAL, RESIDUALS

ROW = np.linspace(-0.5, 0.5, RESIDUALS)


def test_what_is_written_is_read_and_the_bytes_are_the_same(tmp_path):
    """Twice the same content: the same file."""
    for name in ("one.npz", "two.npz"):
        write_checkpoint(tmp_path / name, ROW, Policy.PLAN, {"seed": 3})
    found = read_checkpoint(tmp_path / "one.npz", Policy.PLAN)
    assert found.coefficients.tobytes() == ROW.tobytes()
    assert found.told["seed"] == 3
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_the_configuration_hands_it_to_the_policy(tmp_path):
    """Off by default."""
    path = tmp_path / "learned.npz"
    write_checkpoint(path, ROW, Policy.PLAN, {})
    executor = {"policy": "plan", "checkpoint": path}
    row = policy_of(Settings.model_validate({"executor": executor}))
    assert row[POLICY_LEARNED] == 1.0
    assert row[POLICY_RESIDUAL:].tobytes() == ROW.tobytes()
    assert policy_of(Settings())[POLICY_LEARNED] == 0.0


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"schema": 99}, "schema must be 1, found 99"),
        ({"policy": "closed_form"}, "policy must be 'plan', found 'closed_form'"),
        ({"features": ["a"]}, "features must be"),
        ({"bound": 2.0}, "bound must be 1.0, found 2.0"),
        ({"sha256": "0"}, "damaged"),
    ],
)
def test_another_kind_is_refused(tmp_path, change, line):
    """One line: what was found, what is allowed."""
    path = tmp_path / "learned.npz"
    write_checkpoint(path, ROW, Policy.PLAN, {})
    with np.load(path) as members:
        told = json.loads(str(members["meta"])) | change
    np.savez(path, coefficients=ROW, meta=np.array(json.dumps(told)))
    with pytest.raises(CheckpointError, match=line) as error:
        read_checkpoint(path, Policy.PLAN)
    assert "\n" not in str(error.value)


def test_what_is_no_checkpoint_is_refused(tmp_path):
    """Nothing there, text, pickled objects, too few numbers, numbers out of bounds."""
    path = tmp_path / "learned.npz"
    with pytest.raises(CheckpointError, match="no checkpoint"):
        read_checkpoint(path, Policy.PLAN)
    path.write_text("hello")
    with pytest.raises(CheckpointError, match="no checkpoint"):
        read_checkpoint(path, Policy.PLAN)
    np.savez(path, coefficients=np.array([object()]), meta=np.array("{}"))
    with pytest.raises(CheckpointError, match="no checkpoint"):
        read_checkpoint(path, Policy.PLAN)
    write_checkpoint(path, np.zeros(3), Policy.PLAN, {})
    with pytest.raises(CheckpointError, match="8 coefficients"):
        read_checkpoint(path, Policy.PLAN)
    write_checkpoint(path, np.full(RESIDUALS, np.nan), Policy.PLAN, {})
    with pytest.raises(CheckpointError, match="within 1"):
        read_checkpoint(path, Policy.PLAN)
