"""A small market for the executor's tests: a synthetic recording, its settings and session."""

import dataclasses
import json
from pathlib import Path

import numpy as np

from agents.checkpoint import write_checkpoint
from agents.session import Session, open_session
from agents.settings import Policy, Settings
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from market.policy import RESIDUALS

HOURS = 1.0


def recording(folder: Path) -> Path:
    """Write the recording once and return its path."""
    path = folder / "day.npz"
    save(path, synthetic_recording(seed=3, hours=HOURS))
    return path


def perpetual(folder: Path, hours: float = HOURS, *, funded: bool = True) -> Path:
    """Write the same market as a perpetual contract, with a funding every two minutes or none."""
    day = synthetic_recording(seed=3, hours=hours)
    first_ns, last_ns = day.meta.span_ns
    times = range(first_ns + 7, last_ns, 120 * 10**9)
    rates = ((at_ns, (-1) ** number * 20_000) for number, at_ns in enumerate(times))
    funding = tuple(rates) if funded else ()
    change = {"spot": False, "fee_in_base": False, "funding": funding}
    path = folder / "perpetual.npz"
    save(path, dataclasses.replace(day, meta=day.meta.model_copy(update=change)))
    return path


def lucky(folder: Path) -> tuple[Path, dict[str, dict[str, object]]]:
    """Write a day, and a candidate at a third of the closed form's width, who loses there.

    Returns:
        the recording, and sections by which luck promotes it before it is sent back: blocks of a
        minute, a look after every four of them, at an error of one half.
    """
    path, learned = folder / "lucky.npz", folder / "worse.npz"
    save(path, synthetic_recording(seed=11, hours=0.4, setting="planted_edge"))
    coefficients = np.zeros(RESIDUALS)
    coefficients[0] = -1.0
    write_checkpoint(learned, coefficients, Policy.CLOSED_FORM, {})
    return path, {
        "feed": {"hours": 0.3},
        "executor": {"candidate": "closed_form", "checkpoint": str(learned), "warmup_s": 120},
        "promotion": {
            "block_s": 60,
            "blocks": 4,
            "trips": 1,
            "independent": 0.0,
            "level": 1.0,
            "loss": 0.00002,
        },
    }


def settings_for(path: Path, **sections: dict[str, object]) -> Settings:
    """Return settings over a recording; sections as keyword maps."""
    document = {"feed": {"path": str(path)}, "executor": {"warmup_s": 120}}
    for name, values in sections.items():
        document[name] = {**document.get(name, {}), **values}
    return Settings.model_validate_json(json.dumps(document))


def session_for(path: Path, **sections: dict[str, object]) -> Session:
    """Return a session over a recording."""
    return open_session(settings_for(path, **sections))
