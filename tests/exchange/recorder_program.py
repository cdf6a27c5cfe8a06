"""A process that records the artificial day as fast as it can: to be killed."""

import os
import sys
from pathlib import Path

from exchange.recorder import Recorder
from tests.exchange.test_recorder import META, rows
from tests.market.day import SECOND


def main() -> None:
    """Append message by message in the recording's own time; say how many rows went in."""
    events = rows()
    recorder = Recorder(Path(sys.argv[1]), META, rotate_ns=120 * SECOND)
    for first in range(0, len(events), 7):
        part = events[first : first + 7]
        recorder.append(part, int(part[-1, 4]))
        os.write(1, (first + len(part)).to_bytes(4, "big"))
        recorder.seal()


if __name__ == "__main__":
    main()
