"""What a process does whose start was refused: it ends, or in a container waits to be ended.

A container engine starts again whatever ended and asks for no reason; a start that is refused for
its configuration would be refused again and again. So whoever is told to holds there: its line
stands once in the log, its health check fails, and a new start is a decision of somebody's.
"""

import signal
import sys
import threading
from collections.abc import Mapping

HOLD = "COUNTERPOINT_HOLD_REFUSED"
"""Set in a container that is started again whenever it ends."""
REFUSED = 4
"""The exit code of configuration and data; whatever else ends a process may pass by itself."""


def held(code: int, environ: Mapping[str, str]) -> int:
    """Return an exit code: that of a refused start, where told to, when a signal asks to end."""
    if code != REFUSED or not environ.get(HOLD):
        return code
    ended = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: ended.set())
    sys.stderr.write("not started again by itself: correct it, then start it anew\n")
    sys.stderr.flush()
    ended.wait()
    return code
