"""What was learned on top of a policy, on disk: an `.npz` of coefficients and a JSON about them.

Nothing in it is executed: arrays of numbers and one text, read without pickle. It is refused, in
one line, when it is damaged or was made for another policy or by another version of the features.
"""

import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agents.settings import Policy
from market.policy import RESIDUALS
from market.residual import BOUND, EVEN, ODD
from market.types import F8
from protocol.errors import SettingsError

SCHEMA = 1
FEATURES = [*(f"width {name}" for name in EVEN), *(f"shift {name}" for name in ODD)]


class CheckpointError(SettingsError):
    """A checkpoint that cannot be used: file, what was found, what is allowed."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Coefficients, f8[RESIDUALS], and how they were found."""

    coefficients: F8
    told: dict[str, Any]


def write_checkpoint(path: Path, coefficients: F8, policy: Policy, told: dict[str, Any]) -> None:
    """Write a checkpoint; the same content gives the same bytes.

    Args:
        path: ends in `.npz`.
        coefficients: f8[RESIDUALS], each within BOUND.
        policy: on top of which they were learned.
        told: JSON values: data, seed, budget, what a held-out test said.
    """
    row = np.ascontiguousarray(coefficients, dtype="<f8")
    document = {
        "schema": SCHEMA,
        "policy": policy.value,
        "features": FEATURES,
        "bound": BOUND,
        "sha256": hashlib.sha256(row.tobytes()).hexdigest(),
        **told,
    }
    with path.open("wb") as file:
        np.savez(file, coefficients=row, meta=np.array(json.dumps(document, sort_keys=True)))


def read_checkpoint(path: Path, policy: Policy) -> Checkpoint:
    """Return a checkpoint that fits the policy.

    Raises:
        CheckpointError: it does not, or cannot be read.
    """
    try:
        with np.load(path, allow_pickle=False) as members:
            row = np.array(members["coefficients"], dtype=np.float64)
            told = json.loads(str(members["meta"]))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"executor.checkpoint {path}: no checkpoint ({error})") from None
    wanted = {"schema": SCHEMA, "policy": policy.value, "features": FEATURES, "bound": BOUND}
    for name, value in wanted.items():
        if not isinstance(told, dict) or told.get(name) != value:
            found = told.get(name) if isinstance(told, dict) else told
            raise CheckpointError(
                f"executor.checkpoint {path}: {name} must be {value!r}, found {found!r}; train it "
                "anew with `counterpoint train`"
            )
    if row.shape != (RESIDUALS,) or not (np.abs(row) <= BOUND).all():
        raise CheckpointError(
            f"executor.checkpoint {path}: needs {RESIDUALS} coefficients within {BOUND:g}, found "
            f"{row.tolist()}"
        )
    if hashlib.sha256(row.astype("<f8").tobytes()).hexdigest() != told.get("sha256"):
        raise CheckpointError(f"executor.checkpoint {path}: damaged, its digest differs")
    return Checkpoint(row, told)
