"""Which recording settings name, and the bundled day, made when it is asked for."""

from pathlib import Path

from agents.settings import Settings
from exchange.errors import RecordingError
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save


def feed_path(settings: Settings) -> Path:
    """Return the recording of these settings; the bundled day when none is named."""
    if settings.feed.path is not None:
        return settings.feed.path
    return settings.data / "feeds" / "synthetic-default-1.npz"


def ensure_bundled(settings: Settings) -> bool:
    """Make the bundled day when it is asked for and missing; return whether it was made."""
    path = feed_path(settings)
    if settings.feed.path is not None or path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.stem + ".draft.npz")
    save(draft, synthetic_recording(seed=1))
    draft.replace(path)
    return True


def existing_path(settings: Settings) -> Path:
    """Return the recording of these settings; it exists."""
    path = feed_path(settings)
    if not path.exists():
        raise RecordingError(
            f"{path}: no such recording; give one with --feed, or make one with "
            "`counterpoint feed import` or `counterpoint feed synth`"
        )
    return path
