"""Small artificial markets that the optimizer is judged on, each with a start of its own."""

import dataclasses
import math
import tempfile
from pathlib import Path

import numpy as np

from agents.session import Session, open_session
from agents.settings import Settings
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from protocol.messages import QuoteParameters

HOURS = 20.0
SETTINGS = ("default", "planted_edge")
LOT_DIGITS = 3


def market(seed: int, *, budget: int, hours: float = HOURS, setting: str | None = None) -> Session:
    """Return the session of one market: setting, toxicity and first parameters follow the seed.

    Boundaries are an hour apart.

    Args:
        setting: None draws one of SETTINGS, and an informed share in [0.03, 0.5].
    """
    rng = np.random.default_rng([seed, 1])
    share = float(rng.uniform(0.03, 0.5)) if setting is None else None
    drawn = SETTINGS[int(rng.integers(len(SETTINGS)))]
    recording = synthetic_recording(
        seed=seed, hours=hours, setting=setting or drawn, informed_share=share
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "market.npz"
        save(path, recording)
        document = {
            "seed": seed,
            "feed": {"path": path},
            "optimizer": {"boundary_s": 3600, "budget": budget, "threads": 1},
        }
        session = open_session(Settings.model_validate(document))
    return dataclasses.replace(session, baseline=started(session.baseline, rng))


def started(held: QuoteParameters, rng: np.random.Generator) -> QuoteParameters:
    """Return first parameters away from the suggested ones: anyone may begin anywhere."""
    position = round(held.max_position * float(rng.uniform(0.4, 1.0)), LOT_DIGITS)
    levels = int(rng.integers(1, 6))
    scale = 10**LOT_DIGITS
    base = math.floor(position * float(rng.uniform(0.3, 0.95)) / levels * scale) / scale
    return QuoteParameters(
        spread_percentage=round(held.spread_percentage * math.exp(rng.uniform(-0.5, 0.9)), 4),
        levels=levels,
        base_quantity=base,
        max_position=position,
    )
