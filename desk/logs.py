"""The newest log lines of a run's processes, from their files; for a desk on the same host."""

import json
import os
from pathlib import Path
from typing import Any, Final

from protocol.errors import printable

TAIL_BYTES: Final = 65_536
"""Read of the end of each file."""


def newest_lines(folder: Path, limit: int) -> list[dict[str, Any]]:
    """Return at most so many lines of all `*.log` files, newest first.

    A line that is none of ours is passed over. Texts are printable ASCII.
    """
    found = []
    for path in sorted(folder.glob("*.log")):
        for line in _tail(path):
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict) and isinstance(row.get("time"), str):
                found.append({printable(key): _shown(value) for key, value in row.items()})
    found.sort(key=lambda row: str(row["time"]), reverse=True)
    return found[:limit]


def _shown(value: Any) -> str:
    return printable(value if isinstance(value, str) else json.dumps(value))


def _tail(path: Path) -> list[bytes]:
    """Return the last whole lines of a file; none when it cannot be read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_BYTES))
            lines = file.read().split(b"\n")
    except OSError:
        return []
    return lines[1:-1] if size > TAIL_BYTES else lines[:-1]
