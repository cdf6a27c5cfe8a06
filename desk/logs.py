"""The newest log lines of a run's processes, from their files; for a desk on the same host."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from protocol.errors import printable
from protocol.messages import utc_ns

TAIL_BYTES: Final = 65_536
"""Read of the end of each file."""
SUPERVISOR: Final = "supervisor.log"
STARTED: Final = "process_started"
Start = tuple[int, str]
"""Wall time, ns, at which a process was started, and its name."""


def newest_lines(folder: Path, limit: int) -> list[dict[str, Any]]:
    """Return at most so many lines of all `*.log` files, newest first.

    A line that is none of ours is passed over. Texts are printable ASCII.
    """
    found = [
        {printable(key): _shown(value) for key, value in row.items()}
        for path in sorted(folder.glob("*.log"))
        for row in _rows(path)
    ]
    found.sort(key=lambda row: str(row["time"]), reverse=True)
    return found[:limit]


def starts(folder: Path) -> list[Start]:
    """Return when the supervisor of a run started which process, oldest first."""
    found = []
    for row in _rows(folder / SUPERVISOR):
        name = row.get("process")
        if row.get("event") == STARTED and isinstance(name, str):
            try:
                found.append((utc_ns(row["time"]), printable(name)))
            except ValueError:
                continue
    return found


def restarts(started: Iterable[Start], since_ns: int) -> Mapping[str, int]:
    """Return how often each process was started since then, its very first start left out."""
    known: set[str] = set()
    again: Counter[str] = Counter()
    for time_ns, name in started:
        again[name] += name in known and time_ns >= since_ns
        known.add(name)
    return again


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the newest lines of a file that are ours."""
    for line in _tail(path):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict) and isinstance(row.get("time"), str):
            yield row


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
