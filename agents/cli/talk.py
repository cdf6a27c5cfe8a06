"""How far long work is, on stderr: in place on a terminal, else a line now and then."""

import sys
import time
from collections.abc import Callable

QUIET_S = 3.0


class Talk:
    """Tells how far long work is: in place on a terminal, else now and then. Short work is quiet,
    so that a command which fails at once says one line.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.terminal = sys.stderr.isatty()
        self.next_s = clock() + QUIET_S
        self.shown = False

    def __call__(self, what: str, fraction: float) -> None:
        """Take `what` is being done and a fraction in [0, 1]."""
        self.line(f"{what}: {fraction:.0%}")

    def line(self, line: str) -> None:
        """Take how far it is, in words."""
        now_s = self.clock()
        if now_s < self.next_s:
            return
        self.next_s = now_s + (0.1 if self.terminal else QUIET_S)
        self.shown = True
        print(
            f"\r\x1b[K{line}" if self.terminal else line,
            end="" if self.terminal else "\n",
            file=sys.stderr,
            flush=True,
        )

    def done(self) -> None:
        """Clear the line."""
        if self.terminal and self.shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
