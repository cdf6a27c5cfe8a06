"""Tells what is no recording at all before a reader takes it for a damaged one."""

from pathlib import Path

from exchange.errors import RecordingError

STARTS = (b"PK", b"\x93NUMPY")
"""How a zip archive (`.npz`) and a bare numpy array begin; what is wrong in these, readers say."""


def demand_archive(path: Path) -> None:
    """Refuse a folder, an empty file, and a file of another kind.

    Raises:
        RecordingError: which of these it is, and what makes a recording.
        OSError: it is not there, or must not be read.
    """
    if path.is_dir():
        raise RecordingError(f"{path}: is a folder; name a recording (.npz) in it")
    with path.open("rb") as file:
        start = file.read(6)
    if not start:
        raise RecordingError(f"{path}: is empty; `counterpoint feed import` makes a recording")
    if not start.startswith(STARTS):
        raise RecordingError(
            f"{path}: is no recording but a file of another kind; "
            "`counterpoint feed import` makes a recording of a venue's data"
        )
