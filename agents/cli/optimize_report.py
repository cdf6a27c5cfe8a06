"""`counterpoint optimize --report FILE`: hands a study to the desk, which draws it.

Nobody imports the desk: the study goes over as one line of plain values.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agents.cli.exits import OK, CommandError
from agents.optimizer.study import Window
from agents.optimizer.study_look import look
from agents.optimizer.study_walk import Walked, bands, walked
from agents.session import Session
from market.tape import Tape


def write_report(
    path: Path,
    document: dict[str, Any],
    spent: dict[str, Any],
    *,
    session: Session,
    tape: Tape,
    windows: Sequence[Window],
) -> None:
    """Write the page of a study.

    Raises:
        CommandError: it could not be written; why was said on stderr.
    """
    told = {
        "page": str(path),
        "result": document,
        "spent": spent,
        "search": look(windows[-1]),
        "curve": curve_of(walked(session, tape, windows), session.settings.seed),
    }
    command = [sys.executable, "-m", "desk.study"]
    done = subprocess.run(command, input=json.dumps(told), text=True, check=False)
    if done.returncode != OK:
        raise CommandError("the report could not be written", done.returncode)


def curve_of(found: Walked, seed: int) -> dict[str, Any]:
    """Return the running profits of a walk with the bands of the sets in force."""
    sums = np.cumsum(found.net, axis=1)
    low_high = np.zeros((2, 0))
    if found.net.shape[1]:
        low_high = bands(found.net[0], np.random.default_rng(seed))
    return {
        "ends_ns": found.ends_ns.tolist(),
        "tuned": sums[0].tolist(),
        "first_set": sums[1].tolist(),
        "low": low_high[0].tolist(),
        "high": low_high[1].tolist(),
    }
