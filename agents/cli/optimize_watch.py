"""`counterpoint optimize --study NAME --watch`: reads a study while another process writes it."""

import sys
import time
from collections.abc import Callable

from agents.cli.exits import INTERRUPTED, OK
from agents.cli.optimize_pace import Pace, duration
from agents.cli.output import put
from agents.optimizer.studies import Batch, Begun, Studies

LOOK_S = 0.5
SILENT_S = 30.0
"""Without a batch for so long, it is said since when there was none."""


def watch(studies: Studies, begun: Begun, *, wait: Callable[[float], None] = time.sleep) -> int:
    """Print a line whenever there is something new, until the study is complete or Ctrl-C."""
    document = begun.document
    budget, windows = document["settings"]["optimizer.budget"], len(document["windows"])
    put(f"study {begun.name}: {document['symbol']}, {windows} windows of {budget} candidates")
    shown = ""
    try:
        while True:
            found = studies.get(begun.name)
            line = line_of(studies.batches(begun.name), windows, budget, time.time_ns())
            if found is None or found.result is not None:
                put(f"{line}; complete" if found else "the study was removed")
                return OK
            if line != shown:
                put(line)
                shown = line
            wait(LOOK_S)
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        sys.stdout.flush()


def line_of(batches: list[Batch], windows: int, budget: int, now_ns: int) -> str:
    """Return how far a study is."""
    pace = Pace(windows, budget)
    for each in batches:
        pace.take(each)
    silent_s = (now_ns - batches[-1].told_ns) / 1e9 if batches else 0.0
    if silent_s < SILENT_S:
        return pace.line()
    # To half minutes, so that a study that nobody works on does not fill a screen.
    rounded_s = silent_s // SILENT_S * SILENT_S
    return f"{pace.line()}; nothing new for {duration(rounded_s)}"
