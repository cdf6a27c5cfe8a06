"""From a window's boundary to its published answer, in a running stack whose clock is the wall.

    python -m bench.tuning_latency --feed nexo.npz [--hours 24.2] [--speed 160] [--windows 50]

Coordinator, executor and optimizer are processes that run a recording at `--speed` feed seconds a
second, with thresholds so low and fees so good that many windows publish a `parameter_update`; a
boundary that was overtaken while another was thought about is none. A row: when the
boundary was heard of, how long was thought, when the coordinator had the answer; all of it seconds
of the wall, as they would be at any speed. Only windows that are as long as configured count.

Exit code 0: at least so many windows, their p99 is below two minutes, none took longer than
`optimizer.tuning_latency_s`, which is what a replay takes it for, and no decision was meant to
apply earlier after its boundary than that.
"""

import argparse
import json
import sqlite3
import sys
import tempfile
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from agents.settings import Settings
from bench.stack import run
from protocol.messages import utc_ns

LIMIT_S = 120.0
BOLD = (
    "optimizer.confidence_min=0", "optimizer.chance_max=1", "coordinator.confidence_min=0",
    "coordinator.drawdown_max=1",
)  # fmt: skip


def events(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return the lines of a part's log."""
    lines = (folder / f"{name}.log").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def at(line: dict[str, Any]) -> float:
    """Return the wall time of a line, seconds."""
    return datetime.fromisoformat(line["time"]).timestamp()


def measured(folder: Path, speed: float, first: int) -> list[dict[str, Any]]:
    """Return a row for each boundary from number `first` on; `no_update` is sent at once."""
    heard = [at(line) for line in events(folder, "coordinator") if line["event"] == "proposal"]
    rows = []
    for line in events(folder, "optimizer-1"):
        if line["event"] != "answered" or line["boundary"] < first:
            continue
        said_s = at(line)
        sent_s = 0.0
        if line["better"]:
            published_s = next((each_s for each_s in heard if each_s >= said_s), None)
            if published_s is None:
                continue  # the run ended before it was heard
            sent_s = published_s - said_s
        late_s, thought_s = line["late_s"] / speed, line["wall_ms"] / 1e3
        rows.append(
            {
                "boundary": line["boundary"],
                "update": line["better"],
                "late_s": late_s,
                "thought_s": thought_s,
                "sent_s": sent_s,
                "wall_s": late_s + thought_s + sent_s,
            }
        )
    return rows


def waited(folder: Path) -> list[float]:
    """Return feed seconds from the boundary of each decision's proposal until it may apply."""
    with closing(sqlite3.connect(folder / "decisions.sqlite")) as log:
        rows = log.execute("SELECT kind, body FROM log ORDER BY seq").fetchall()
    bodies = [(kind, msgpack.unpackb(body)) for kind, body in rows]
    proposed = {
        body["id"]: utc_ns(body["update"]["timestamp"])
        for kind, body in bodies
        if kind == "proposal"
    }
    decided = [body for kind, body in bodies if kind == "decision" and body["basis"]]
    return [
        (body["not_before"] - max(proposed[each] for each in body["basis"])) / 1e9
        for body in decided
    ]


def main() -> int:
    """Print a line and one JSON line; 0 when the bar holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feed", type=Path)
    parser.add_argument("--hours", type=float, default=24.2)
    parser.add_argument("--speed", type=float, default=160.0)
    parser.add_argument("--windows", type=int, default=50)
    told = parser.parse_args()
    asked = ["run.clock=real", f"run.speed={told.speed:g}", *BOLD]
    words = [
        "--maker-fee",
        "-0.5",
        "--hours",
        f"{told.hours:g}",
        *(word for each in asked for word in ("--set", each)),
    ]
    words += [] if told.feed is None else ["--feed", str(told.feed)]
    options = Settings().optimizer
    first = int(options.window_hours * 3600 // options.boundary_s) + 1
    with tempfile.TemporaryDirectory() as folder:
        made = run(Path(folder), *words)
        rows, applies = measured(made.folder, told.speed, first), waited(made.folder)
    walls = np.array([row["wall_s"] for row in rows])
    p99 = float(np.quantile(walls, 0.99)) if rows else float("inf")
    figures = {
        "windows": len(rows),
        "updates": sum(row["update"] for row in rows),
        "median_s": float(np.median(walls)) if rows else None,
        "p99_s": p99,
        "most_s": float(walls.max(initial=0.0)),
        "late_s": max((row["late_s"] for row in rows), default=0.0),
        "sent_s": max((row["sent_s"] for row in rows), default=0.0),
        "tuning_latency_s": options.tuning_latency_s,
        "decisions": len(applies),
        "applies_after_s": min(applies, default=0.0),
    }
    holds = (
        len(rows) >= told.windows
        and p99 < LIMIT_S
        and figures["most_s"] <= options.tuning_latency_s <= figures["applies_after_s"]
    )
    print("  ".join(f"{name} {figure}" for name, figure in figures.items()))
    print(json.dumps({"bench": "tuning_latency", **figures, "holds": holds}))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
