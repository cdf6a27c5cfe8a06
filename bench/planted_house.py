"""What the benchmarks at an exchange begin and end with: options, an artificial day, one JSON line.

The day has a planted edge, so that there are fills.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save

HOURS_MIN = 2.0


def struck(
    measure: Callable[[Path, Path, int, float, int], dict[str, Any]],
    about: str | None,
    *,
    what: str,
    count: int,
    each_s: float,
) -> int:
    """Measure on an artificial day and print one JSON line; return the exit code.

    Args:
        measure: of recording, folder, count, speed and seed.
        about: help text.
        what: name of the option that says how often the executor is struck.
        count: unless told otherwise.
        each_s: wall seconds that one takes at most; the day is as long as all of them.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument(f"--{what}", type=int, default=count, dest="count")
    parser.add_argument("--speed", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        feed = folder / "day.npz"
        hours = max(HOURS_MIN, told.count * each_s * told.speed / 3600.0)
        save(feed, synthetic_recording(seed=told.seed, hours=hours, setting="planted_edge"))
        result = measure(feed, folder, told.count, told.speed, told.seed)
    print(json.dumps(result))
    return 0 if result["held"] else 1
