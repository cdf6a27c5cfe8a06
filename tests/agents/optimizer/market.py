"""Small recorded markets for the optimizer's tests, made once a test session."""

from functools import cache

from agents.session import Session, open_session
from agents.settings import Settings
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save

HOURS = 2.0


@cache
def session(folder, setting="planted_edge", seed=1, hours=HOURS) -> Session:
    """Open a synthetic session of a few hours."""
    path = folder / f"{setting}-{seed}.npz"
    if not path.exists():
        save(path, synthetic_recording(seed=seed, setting=setting, hours=hours))
    return open_session(
        Settings.model_validate(
            {
                "feed": {"path": path},
                "optimizer": {"window_hours": 1.5, "budget": 16, "slices": 12},
            }
        )
    )
