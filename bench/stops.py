"""How fast a stop stops beside a flood, and with the hub dead.

python -m bench.stops [--trials 200] [--dead 20] [--unlisted 20000] [--forged 2000] [--rows 20000]

An executor quotes an artificial day on the real clock, under a coordinator with its hubs. Beside
them a flooder of the control hub, a teller of telemetry and a listener to it. A trial is what the
command `stop` does once its process runs: write the file, say the stop as the operator, wait for
`stopped`; then all that `rearm` does, until orders are open again. `--whole` trials are whole
processes of the command. At last the coordinator is killed each time, and the stop file alone must
leave nothing open. Exit 0 only when p99 of the trials, and every stop by file, took <= 1 s.
"""

import argparse
import asyncio
import contextlib
import io
import json
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agents.bus import endpoints_of
from agents.cli.control import rearming, stopping
from agents.cli.exits import OK
from bench.stop_house import House
from protocol.messages import EmergencyStop
from protocol.stopfile import add_stop

STOP_MAX_S = 1.0
TIMEOUT_S = 20.0
SHARE_MIN = 0.95
"""Of the asked-for flood that must really have been sent."""


def noise(*arguments: object) -> subprocess.Popen[bytes]:
    """Start one process of noise."""
    return subprocess.Popen(
        [sys.executable, "-m", "bench.noise", *map(str, arguments)], stdout=subprocess.PIPE
    )


@contextlib.contextmanager
def noisy(house: House, told: argparse.Namespace, figures: dict[str, Any]) -> Iterator[None]:
    """Make noise meanwhile; add what was sent and heard a second to the figures."""
    ends = endpoints_of(house.settings)
    made = [noise("listen", house.config), noise("tell", house.config, "--rows", told.rows)]
    if told.unlisted + told.forged > 0:
        rates = ("--unlisted", told.unlisted, "--forged", told.forged)
        made.append(noise("flood", ends.control_in, *rates))
    try:
        yield
    finally:
        for each in reversed(made):
            each.send_signal(signal.SIGTERM)
        for each in made:
            figures |= json.loads(each.communicate(timeout=TIMEOUT_S)[0])


def stop_s(house: House) -> float:
    """Do what `counterpoint stop` does; return the seconds until all had said `stopped`."""
    assert house.figures()["open_orders"] > 0, "it quotes"
    began_s = time.monotonic()
    stop_id = secrets.token_hex(16)
    add_stop(house.folder, stop_id, flatten=False)
    word = EmergencyStop(scope="all", flatten=False, reason="bench")
    with contextlib.redirect_stdout(io.StringIO()):
        code = asyncio.run(stopping(house.stack, word, stop_id, TIMEOUT_S))
    took_s = time.monotonic() - began_s
    assert code == OK, f"not every executor said `stopped`: exit code {code}"
    assert house.figures()["open_orders"] == 0, "stopped means that nothing of ours is open"
    return took_s


def rearm_s(house: House) -> float:
    """Do what `counterpoint rearm` does; return the seconds until it was on every disk."""
    began_s = time.monotonic()
    with contextlib.redirect_stdout(io.StringIO()):
        code = asyncio.run(rearming(house.stack, "bench"))
    took_s = time.monotonic() - began_s
    assert code == OK, f"not lifted: exit code {code}"
    house.until(quoting=True)
    return took_s


def whole_s(house: House) -> float:
    """Run the command as a process; return the seconds of its whole life."""
    began_s = time.monotonic()
    line = ("-m", "agents.cli.main", "stop", "--data", str(house.data))
    done = subprocess.run([sys.executable, *line], capture_output=True, check=False)
    took_s = time.monotonic() - began_s
    assert done.returncode == OK, done.stderr.decode()
    return took_s


def file_s(house: House) -> float:
    """Kill the coordinator; return the seconds from the file to nothing open."""
    house.kill("coordinator")
    assert house.figures()["open_orders"] > 0, "it quotes on without a hub"
    began_s = time.monotonic()
    add_stop(house.folder, secrets.token_hex(16), flatten=False)
    house.until(quoting=False)
    took_s = time.monotonic() - began_s
    house.start("coordinator")
    rearm_s(house)
    return took_s


def spread(name: str, found: list[float]) -> dict[str, float]:
    """Return p50, p99 and the largest of some times, s."""
    held = sorted(found)
    last = len(held) - 1
    return {
        f"{name}_p50_s": held[last // 2],
        f"{name}_p99_s": held[min(last, -(-len(held) * 99 // 100) - 1)],
        f"{name}_max_s": held[last],
    }


def measure(house: House, told: argparse.Namespace) -> dict[str, Any]:
    """Return all figures."""
    figures: dict[str, Any] = {}
    house.until(quoting=True)
    with noisy(house, told, figures):
        stops, rearms, wholes = [], [], []
        for _ in range(told.trials):
            stops.append(stop_s(house))
            rearms.append(rearm_s(house))
        for _ in range(told.whole):
            wholes.append(whole_s(house))
            rearm_s(house)
        files = [file_s(house) for _ in range(told.dead)]
    for name, found in (("stop", stops), ("rearm", rearms), ("command", wholes), ("file", files)):
        if found:
            figures |= spread(name, found)
    return figures


def main() -> int:
    """Measure, print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--whole", type=int, default=10)
    parser.add_argument("--dead", type=int, default=20)
    parser.add_argument("--unlisted", type=float, default=20_000.0)
    parser.add_argument("--forged", type=float, default=2_000.0)
    parser.add_argument("--rows", type=float, default=20_000.0)
    parser.add_argument("--speed", type=float, default=10.0, help="feed seconds a wall second")
    told = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="cp") as name,
        House(Path(name), hours=6.0, speed=told.speed) as house,
    ):
        figures = measure(house, told)
    good = (
        figures.get("stop_p99_s", 0.0) <= STOP_MAX_S
        and figures.get("file_max_s", 0.0) <= STOP_MAX_S
        and figures.get("unlisted_s", 0.0) >= SHARE_MIN * told.unlisted
        and figures.get("forged_s", 0.0) >= SHARE_MIN * told.forged
        and figures["rows_s"] >= SHARE_MIN * told.rows
    )
    bounds = {"stop_p99_s": STOP_MAX_S, "file_max_s": STOP_MAX_S}
    for key, value in figures.items():
        bound = f"  at most {bounds[key]:g}" if key in bounds else ""
        print(f"{key:<18} {value:>12.3f}{bound}")
    rounded = {key: round(value, 4) for key, value in figures.items()}
    counts = {"trials": told.trials, "whole": told.whole, "dead": told.dead}
    print(json.dumps({"bench": "stops", **counts, "good": good, **rounded}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
