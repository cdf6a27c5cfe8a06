"""What must arrive, measured with processes: a load under faults, partition, decisions, kills.

python -m bench.delivery [--messages 2000] [--cut 60] [--kills 100 [--hours 48] [--busy 2]]
                         [--only load,cut,trips,kills]

Ten senders say 2,000 control messages each, beside telemetry of 5,000 rows a second, while parties
come late, stand still, are killed and started again, the hub among them; then a partition between
two hosts (root only), decisions of real processes in each mode, and kills of a whole run. Lost is
a message that was posted and whose sender, or its restart, never learnt a final answer.

Exit 0 only when nothing was lost or handled twice, both sides agree within 2 s of a partition's
end, decisions take at most 50 ms (p99, without replays), and a killed part is back within 5 s
with the result of the run unchanged.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.delivery_kills import kills
from bench.delivery_trips import trips
from bench.modes import burning
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save
from protocol.messages import Mode
from tests.protocol import far
from tests.protocol.bus_stage import Stage
from tests.protocol.ordeal import Ordeal, Pressure
from tests.protocol.party import make_keys

PARTS = ("load", "cut", "trips", "kills")
A_SECOND = 28.0
ROWS_A_SECOND = 5_000
STOP_S = 4.0
SUBNET = 95
CONVERGED_MAX_S = 2.0
P99_MAX_MS = 50.0
BACK_MAX_S = 5.0


def load(messages: int) -> tuple[dict[str, Any], bool]:
    """Put the load through its ordeal."""
    pressure = Pressure(messages, A_SECOND, ROWS_A_SECOND, STOP_S)
    with tempfile.TemporaryDirectory(prefix="cp") as name:
        make_keys(Path(name) / "keys")
        with Stage(Path(name)) as stage:
            found = Ordeal(stage, pressure).play()
    lost = found["unanswered"] + found["unhandled"] + found["handled_twice"]
    return found, lost == 0 and found["posted"] == 10 * messages


def cut(for_s: float) -> tuple[dict[str, Any], bool]:
    """Cut the link between two hosts both ways, and for a while one way each."""
    reason = far.missing()
    if reason is not None:
        return {"skipped": reason}, True
    with tempfile.TemporaryDirectory(prefix="cp") as name:
        make_keys(Path(name) / "keys")
        with Stage(Path(name)) as stage, far.apart(stage, SUBNET) as hosts:
            found = {
                "both_ways_s": hosts.cut_s(for_s),
                "hub_to_far_s": hosts.cut_s(for_s / 6, ("hub", "far")),
                "far_to_hub_s": hosts.cut_s(for_s / 6, ("far", "hub")),
            }
    return found, max(found.values()) <= CONVERGED_MAX_S


def decisions(count: int) -> tuple[dict[str, Any], bool]:
    """Measure decisions in each mode."""
    rows = [trips(mode, count) for mode in Mode]
    good = all(row["decisions"] >= count and row["bare_p99_ms"] <= P99_MAX_MS for row in rows)
    return {"rows": rows}, good


def killed(feed: Path, count: int, hours: float, busy: int) -> tuple[dict[str, Any], bool]:
    """Kill parts of a whole run, with so many cores kept busy by something else."""
    with burning(busy):
        found = kills(feed, count, hours)
    in_time = found["kills"] >= count and found["recovery_max_s"] <= BACK_MAX_S
    return found, in_time and found["same_result"]


def show(name: str, found: dict[str, Any], *, good: bool) -> None:
    """Print a part of the table."""
    print(f"{name}: {'holds' if good else 'DOES NOT HOLD'}")
    for row in found.get("rows", [found]):
        for key, value in row.items():
            text = f"{value:.3f}" if isinstance(value, float) else str(value)
            print(f"  {key:<16} {text:>14}", flush=True)


def main() -> int:
    """Measure, print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=2000, help="of each of ten senders")
    parser.add_argument("--cut", type=float, default=60.0, help="seconds of the partition")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--decisions", type=int, default=300, help="in each mode")
    parser.add_argument("--hours", type=float, default=48.0, help="of feed, for kills")
    parser.add_argument("--busy", type=int, default=0, help="cores kept busy beside the kills")
    parser.add_argument("--only", default=",".join(PARTS))
    told = parser.parse_args()
    wanted = told.only.split(",")
    document: dict[str, Any] = {"bench": "delivery", "good": True}
    with tempfile.TemporaryDirectory(prefix="cp") as folder:
        feed = Path(folder) / "planted.npz"
        if "kills" in wanted:
            day = synthetic_recording(seed=3, hours=told.hours + 0.1, setting="planted_edge")
            save(feed, day)
        work: dict[str, Callable[[], tuple[dict[str, Any], bool]]] = {
            "load": lambda: load(told.messages),
            "cut": lambda: cut(told.cut),
            "trips": lambda: decisions(told.decisions),
            "kills": lambda: killed(feed, told.kills, told.hours, told.busy),
        }
        for name in wanted:
            found, good = work[name]()
            show(name, found, good=good)
            document[name] = found
            document["good"] = document["good"] and good
    print(json.dumps(document))
    return 0 if document["good"] else 1


if __name__ == "__main__":
    sys.exit(main())
