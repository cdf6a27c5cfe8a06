"""One recording lived through by the whole stack, without a desk and beside one that suffers.

Lockstep: feed time waits for coordinator, executor and optimizer, so every run of one seed must
leave the same rows, whatever else the machine does. The desk is a part of the run, and its
supervisor starts it again; here it is killed with signal 9, or made to stand still, all the time.
"""

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext, suppress
from itertools import cycle
from pathlib import Path
from typing import Any, Final

from agents.coordinator.log import FILE, TABLE
from agents.executor.records import TABLES
from agents.executor.recovery import JOURNAL_NAME
from bench.desk_beside_house import LOOK_S, readers
from bench.ports import free_ports
from protocol.tokens import new_tokens

JOURNALS: Final = {JOURNAL_NAME: TABLES, FILE: (TABLE,)}
LIVES_S: Final = cycle((0.5, 2.0, 4.0, 8.0))
"""Until a desk is killed: while it starts, reads what it missed, and serves."""
STANDS_S: Final = 1.0
LIMIT_S: Final = 900.0
Way = Callable[[int], None]


def spared(_: int) -> None:
    """Leave a desk alone."""
    time.sleep(LOOK_S)


def killed(pid: int) -> None:
    """Let a desk live a while, then kill it."""
    time.sleep(next(LIVES_S))
    os.kill(pid, signal.SIGKILL)


def cut_off(pid: int) -> None:
    """Make a desk stand still, then go on for a moment."""
    os.kill(pid, signal.SIGSTOP)
    time.sleep(STANDS_S)
    os.kill(pid, signal.SIGCONT)
    time.sleep(STANDS_S / 10)


WAYS: Final[dict[str, Way | None]] = {
    "no desk": None, "50 readers": spared, "killed": killed, "cut off": cut_off,
}  # fmt: skip


def lived(folder: Path, hours: float, way: Way | None) -> dict[str, Any]:
    """Live through the bundled day's first hours; return digests of what is left of it."""
    port, latest = free_ports(), folder / "runs" / "latest"
    line = [sys.executable, "-m", "agents.cli.main", "run", "--json", "--data", str(folder)]
    line += ["--hours", str(hours), "--set", f"desk.port={port}"]
    new_tokens(folder / "keys")
    told: Counter[str] = Counter()
    token, errors = folder / "keys" / "desk-read.token", folder / "readers"
    began_s = time.monotonic()
    with (
        (folder / "talk").open("wb") as talk,
        nullcontext() if way is None else readers(errors, port, token, told),
    ):
        desk = [] if way is None else ["--desk"]
        process = subprocess.Popen([*line, *desk], stdout=talk, stderr=talk)
        try:
            while not (latest / "result.json").exists():
                assert process.poll() is None, (folder / "talk").read_text(encoding="utf-8")
                assert time.monotonic() < began_s + LIMIT_S, "the run does not end"
                pid = desk_of(latest)
                if way is None or pid is None:
                    time.sleep(LOOK_S)
                    continue
                with suppress(ProcessLookupError):
                    way(pid)
                told[way.__name__] += 1
            took_s = time.monotonic() - began_s
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(LIMIT_S)
    return {"took_s": round(took_s, 1), **told, "left": left(latest)}


def desk_of(run: Path) -> int | None:
    """Return the process id of a run's desk, None while it has none."""
    try:
        pid: int | None = json.loads((run / "processes.json").read_bytes()).get("desk")
    except FileNotFoundError:
        return None
    return pid


def left(run: Path) -> dict[str, str]:
    """Return digests of every table of the journals, of the chain, and of the result.

    Not of what the log tallies once a minute of the wall clock: repeated frames that the hub
    dropped, which a busy machine repeats more of. Not of the result's settings of the desk.
    """
    result = json.loads((run / "result.json").read_bytes())
    del result["configuration"]["desk"]
    found = {
        f"{path.relative_to(run)} ({path.stat().st_size:,} bytes)": digest(path.read_bytes())
        for path in sorted((run / "audit").iterdir())
    }
    for name, table, rows in rows_of(run):
        found[f"{name} {table} ({len(rows):,} rows)"] = digest(repr(rows).encode())
    return {**found, "result.json": digest(json.dumps(result).encode())}


def rows_of(run: Path) -> Iterator[tuple[str, str, list[tuple[Any, ...]]]]:
    """Yield the journals' tables: file, name, rows in their order as they lie in the file."""
    for name, tables in JOURNALS.items():
        with closing(sqlite3.connect(f"file:{run / name}?mode=ro", uri=True)) as journal:
            for table in tables:
                query = f"SELECT * FROM {table} WHERE kind <> 'tally' ORDER BY seq"  # noqa: S608
                yield name, table, journal.execute(query).fetchall()


def digest(content: bytes) -> str:
    """Return a digest as text."""
    return hashlib.sha256(content).hexdigest()
