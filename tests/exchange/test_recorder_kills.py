import os
import subprocess
import sys

import numpy as np
import pytest

from exchange.recorder import Recorder
from exchange.recording_folder import load_recording
from market.layout import EVENT_LOCAL_NS
from tests.exchange.test_recorder import META, rows
from tests.market.day import SECOND


@pytest.mark.parametrize("seed", range(4))
def test_a_killed_recorder_loses_at_most_the_last_second(tmp_path, seed):
    """Kill -9 at a random moment, sealing or rotating included: an exact beginning is left."""
    folder = tmp_path / "day"
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.exchange.recorder_program", str(folder)],
        stdout=subprocess.PIPE,
    )
    assert program.stdout is not None
    number = program.stdout.fileno()
    told = os.read(number, 4)
    enough = int(np.random.default_rng(seed).integers(1, len(rows()) * 3 // 4))
    while int.from_bytes(told[:4], "big") < enough and (more := os.read(number, 4000)):
        told = (told + more)[-4 - len(told + more) % 4 :]
    program.kill()
    program.wait()
    told += program.stdout.read()
    program.stdout.close()
    sent = int.from_bytes(told[len(told) // 4 * 4 - 4 : len(told) // 4 * 4], "big")
    assert sent > 0
    found = load_recording(folder).events
    assert (found == rows()[: len(found)]).all()
    sure = rows()[:sent, EVENT_LOCAL_NS] <= rows()[sent - 1, EVENT_LOCAL_NS] - SECOND
    assert len(found) >= int(sure.sum())
    with Recorder(folder, META) as recorder:
        recorder.append(rows()[sent:][:500], 0)
    again = load_recording(folder)
    assert len(again.events) == len(found) + len(rows()[sent:][:500]) + 1
    assert again.meta.counts.clears == 1
