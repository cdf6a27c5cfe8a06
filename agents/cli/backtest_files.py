"""The files that a backtest writes: all of them whole, or none of them touched.

Each is written beside its place first and renamed when every one of them is whole. A device or a
pipe (`/dev/stdout`) is written as it is: nothing is put in its place and nothing beside it.
"""

import json
import os
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.cli.exits import CONFIGURATION, USAGE, CommandError

if TYPE_CHECKING:
    from agents.backtest.document import Chosen


def demand_file(flag: str, path: Path, suffix: str, feed: Path | None) -> None:
    """Refuse a file that must not or could not be written at the end.

    Raises:
        CommandError: a folder, another kind of file, the recording itself, or no right to write.
    """
    if path.is_dir():
        raise CommandError(f"{flag} {path} is a folder; name a file", CONFIGURATION)
    if is_device(path):
        return
    if path.suffix.lower() != suffix:
        raise CommandError(f"{flag} must end in {suffix}, found {path}", USAGE)
    if feed is not None and path.exists() and feed.exists() and path.samefile(feed):
        raise CommandError(f"{flag} {path} is the recording itself; name another file", USAGE)
    folder = path.parent
    if not folder.is_dir():
        raise CommandError(f"{flag} {path}: there is no folder {folder}", CONFIGURATION)
    if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise CommandError(f"{flag} {path} cannot be written: permission denied", CONFIGURATION)


def is_device(path: Path) -> bool:
    """Return whether a path is there and is no regular file."""
    return path.exists() and not path.is_file()


def texts(
    csv: Path | None, picture: Path | None, first: "Chosen"
) -> tuple[dict[Path, str], list[dict[str, Any]]]:
    """Return the text of every file of the first row, and what is said of each."""
    from agents.backtest.document import session_id, told_of
    from agents.backtest.fills import write
    from agents.cli.backtest_picture import draw

    found: dict[Path, str] = {}
    said: list[dict[str, Any]] = []
    if csv is not None:
        name = session_id(first.session, first.parameters)
        buffer = StringIO()
        count = write(buffer, first.record, first.session, session_id=name)
        found[csv] = buffer.getvalue()
        said.append({"path": str(csv), "fills": count, "session_id": name})
        if not is_device(csv):
            beside = csv.with_name(csv.name + ".json")
            found[beside] = json.dumps(told_of(first)) + "\n"
            said.append({"path": str(beside)})
    if picture is not None:
        found[picture] = draw(first)
        said.append({"path": str(picture)})
    return found, said


def write_whole(found: dict[Path, str]) -> None:
    """Write texts to files: whole, and only when there is room for all of them.

    Raises:
        CommandError: one could not be written; none was changed.
    """
    drafts: dict[Path, Path] = {}
    path = Path()
    try:
        for path, text in found.items():
            device = is_device(path)
            place = path if device else path.with_name(f".{path.name}.{os.getpid()}.draft")
            if not device:
                drafts[path] = place
            with place.open("w", encoding="utf-8", newline="") as file:
                file.write(text)
        for path, draft in drafts.items():
            draft.replace(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}", CONFIGURATION) from None
    finally:
        for draft in drafts.values():
            if draft.exists():
                draft.unlink()
