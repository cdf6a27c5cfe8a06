"""Candidates replayed by a cluster and by a thread, bit for bit: runs inside a container.

    docker-compose run --rm -T --entrypoint python optimizer - head:6379 < bench/container_batch.py

Nothing but the image's packages is imported. Whatever the cluster does not give back makes it fail:
this process replays only for comparison.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from agents.optimizer import cluster as clusters
from agents.optimizer.evaluators import Batch, Threads
from agents.optimizer.spans import Part
from agents.session import open_session, parameter_row
from agents.settings import Settings
from exchange.importers.synthetic import synthetic_recording
from exchange.recording import save

HOURS, CANDIDATES, SEED = 8.0, 64, 1


def batch() -> Batch:
    """Return candidates around the suggested set, over an artificial day."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "day.npz"
        save(path, synthetic_recording(seed=SEED, hours=HOURS))
        session = open_session(Settings.model_validate({"feed": {"path": path}}))
        tape = session.tapes().advance(session.last_ns)
    rows = np.repeat(parameter_row(session.baseline)[None], CANDIDATES, axis=0)
    rows[:, 0] *= np.random.default_rng(SEED).uniform(0.5, 2.0, CANDIDATES)
    return Batch(tape, session.setup, rows, Part(600, len(tape.steps), 24))


def refused(*_: Any, **__: Any) -> Any:
    """Take no part of a batch here."""
    raise SystemExit("the cluster gave a part of the batch back")


def main(address: str) -> int:
    """Compare, print one JSON object; exit code 0 when the bytes are the same."""
    asked = batch()
    here = Threads(1).submit(asked).result()
    clusters.replayed = refused
    cluster = clusters.Cluster.at(address, threads=1)
    workers = cluster.workers
    there = cluster.submit(asked).result()
    cluster.close()
    same = there.tobytes() == here.tobytes()
    print(json.dumps({"workers": workers, "candidates": len(there), "same": same}))
    return 0 if same and workers else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
