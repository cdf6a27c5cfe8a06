"""A small market for the executor's tests: a synthetic recording, its settings and session."""

import dataclasses
import json
from pathlib import Path

from agents.session import Session, open_session
from agents.settings import Settings
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save

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


def settings_for(path: Path, **sections: dict[str, object]) -> Settings:
    """Return settings over a recording; sections as keyword maps."""
    document = {"feed": {"path": str(path)}, "executor": {"warmup_s": 120}}
    for name, values in sections.items():
        document[name] = {**document.get(name, {}), **values}
    return Settings.model_validate_json(json.dumps(document))


def session_for(path: Path, **sections: dict[str, object]) -> Session:
    """Return a session over a recording."""
    return open_session(settings_for(path, **sections))
