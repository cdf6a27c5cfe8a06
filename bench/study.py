"""Kills studies at random moments and goes on with them: they must end with the same bytes.

python -m bench.study [--kills 20] [--feed DAY.npz] [--storage URL] [--budget 24] [--windows 2]

One study runs undisturbed; then as many others as there are kills, each a process of its own that
is killed a random while after a random batch, and gone on with by the same command. Every fourth is
killed after its last batch, while the verdict is made and stored. A row: when it
was killed, how many batches stood in the store then, how many the second process took from there.
Exit 0 only when every digest, which covers front, verdict and every figure, is that of the first,
when no batch that stood in the store was lost, and when half of the kills met a study in its midst.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from agents.optimizer.studies import Studies
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save

HOURS = 3.0
LOOK_S = 0.02
VERDICTS = 4
"""Every so many kills, one comes after the last batch."""
MIDST_MIN = 0.5
"""Share of the kills that must meet a study with some batches, but not all."""


def command(told: argparse.Namespace, feed: Path, data: Path, url: str, name: str) -> list[str]:
    """Return how a user types it."""
    return [
        sys.executable, "-m", "agents.cli.main", "optimize", "--feed", str(feed),
        "--data", str(data), "--budget", str(told.budget), "--windows", str(told.windows),
        "--every", "1", "--study", name, "--storage", url, "--json",
    ]  # fmt: skip


def finished(words: list[str]) -> dict[str, Any]:
    """Run a command to its end; return its document."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def killed(words: list[str], url: str, name: str, *, batches: int, more_s: float) -> None:
    """Run a command until so many batches are stored and so many seconds have passed; kill it."""
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and stored(url, name) < batches:
            time.sleep(LOOK_S)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=more_s)
        process.kill()


def stored(url: str, name: str) -> int:
    """Return how many batches of a study are in the store."""
    with Studies.open(url) as studies:
        return len(studies.batches(name))


def rounds(told: argparse.Namespace, folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the undisturbed document, and a row a kill."""
    feed = told.feed
    if feed is None:
        feed = folder / "day.npz"
        save(feed, synthetic_recording(seed=5, hours=HOURS, setting="planted_edge"))
    url = told.storage or f"sqlite:///{folder / 'studies.db'}"
    stamp = f"{time.time_ns():x}"
    finished(command(told, feed, folder, url, f"{stamp}-warm"))
    whole = finished(command(told, feed, folder, url, f"{stamp}-whole"))
    count = whole["spent"]["batches"]
    batch_s = (whole["spent"]["wall_s"] - whole["spent"]["tape_s"]) / count
    rng, rows = np.random.default_rng(told.seed), []
    for number in range(told.kills):
        name = f"{stamp}-{number}"
        words = command(told, feed, folder, url, name)
        batches = count if number % VERDICTS == VERDICTS - 1 else int(rng.integers(count))
        more_s = float(rng.uniform(0.0, batch_s))
        killed(words, url, name, batches=batches, more_s=more_s)
        held = stored(url, name)
        again = finished(words)
        rows.append(
            {
                "asked": batches,
                "more_s": more_s,
                "stored": held,
                "restored": again["spent"]["batches_restored"],
                "batches": again["spent"]["batches"],
                "same": again["digest"] == whole["digest"] and again["front"] == whole["front"],
            }
        )
        print(
            f"{number + 1:>3}  killed {more_s:5.2f} s after batch {batches:>2}  stored {held:>3} "
            f"of {rows[-1]['batches']}  restored {rows[-1]['restored']:>3}  "
            f"{'same' if rows[-1]['same'] else 'DIFFERENT'}",
            flush=True,
        )
    return whole, rows


def main() -> int:
    """Print a line a kill and one JSON line; 0 when the bar holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--feed", type=Path)
    parser.add_argument("--storage")
    parser.add_argument("--budget", type=int, default=24)
    parser.add_argument("--windows", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        whole, rows = rounds(told, Path(folder))
    midst = [row for row in rows if 0 < row["stored"] < row["batches"]]
    spent = whole["spent"]
    figures = {
        "kills": len(rows),
        "same": sum(row["same"] for row in rows),
        "lost": sum(row["stored"] - row["restored"] for row in rows),
        "in_midst": len(midst),
        "stored_median": statistics.median(row["stored"] for row in rows),
        "front": len(whole["front"]),
        "storage_ms_a_batch": 1e3 * spent["storage_s"] / spent["batches"],
    }
    holds = (
        figures["same"] == len(rows)
        and figures["lost"] == 0
        and len(midst) >= MIDST_MIN * len(rows)
    )
    print(json.dumps({"bench": "study", **figures, "holds": holds}))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
