"""The executor as it is, but it notes how late each step of the market was done.

    python -m bench.desk_beside_executor --config FILE --run FOLDER

`FOLDER/steps.txt` has a line a step, see `Step`. Steps while a stop holds are left out: the feed
then runs ahead of the clock.
"""

import sys
import time
from pathlib import Path
from typing import NamedTuple, TextIO

import agents.executor.__main__ as program
from agents.executor import standalone
from agents.executor.events import Event
from agents.executor.shell import Shell
from exchange.port import MarketStep

STEPS = "steps.txt"


class Step(NamedTuple):
    """One step of the market.

    Attributes:
        now_ns: venue time.
        done_s: monotonic time at which journal and venue had all of it.
        late_s: since the moment at which the clock had it due.
        decided: a ladder.
    """

    now_ns: int
    done_s: float
    late_s: float
    decided: bool


class TimedShell(Shell):
    """A shell that writes down how punctual it was."""

    steps: TextIO

    async def _take(self, event: Event, now_ns: int) -> None:
        await super()._take(event, now_ns)
        if not isinstance(event, MarketStep) or self._replaying or self.state.stops:
            return
        due_s = self._began_s + (now_ns - self._began_ns) / 1e9 / self._speed
        done_s = time.monotonic()
        cycle_ns = self.state.session.settings.executor.cycle_ns
        print(now_ns, done_s, done_s - due_s, int(now_ns % cycle_ns == 0), file=self.steps)


def noted(folder: Path) -> list[Step]:
    """Return the steps that a run noted."""
    lines = (folder / STEPS).read_text(encoding="ascii").splitlines()
    rows = (line.split() for line in lines)
    return [Step(int(now), float(done), float(late), it == "1") for now, done, late, it in rows]


if __name__ == "__main__":
    run: Path = program.arguments(sys.argv[1:]).run
    with (run / STEPS).open("a", encoding="ascii", buffering=1) as file:
        TimedShell.steps = file
        standalone.Shell = TimedShell
        sys.exit(program.main(sys.argv[1:]))
